# Tests of this layer; see ../local.mk. What they share is in a library: a client, a server in a
# thread, and a controller to be served.
check_LTLIBRARIES += %D%/libfront.la
%C%_libfront_la_SOURCES = \
	%D%/client.c \
	%D%/client.h \
	%D%/server.c \
	%D%/server.h \
	%D%/toy.c \
	%D%/toy.h
%C%_libfront_la_CPPFLAGS = $(emulator_test_cppflags)
front_test_libs = %D%/libfront.la $(emulator_test_libs) $(JSON_LIBS)

c_tests += %D%/a-client-finds-a-pci-device
%C%_a_client_finds_a_pci_device_CPPFLAGS = $(emulator_test_cppflags)
%C%_a_client_finds_a_pci_device_LDADD = $(front_test_libs)
