# Tests of the AHCI controller and the ATA command set through the in-process front end; see
# ../local.mk. lib-ahci is a small driver for them.
check_LTLIBRARIES += %D%/lib-ahci.la
%C%_lib_ahci_la_SOURCES = %D%/lib-ahci.c %D%/lib-ahci.h
%C%_lib_ahci_la_CPPFLAGS = $(emulator_test_cppflags)
ahci_test_libs = %D%/lib-ahci.la $(emulator_test_libs)

c_tests += %D%/identify-says-what-the-disk-is
%C%_identify_says_what_the_disk_is_CPPFLAGS = $(emulator_test_cppflags)
%C%_identify_says_what_the_disk_is_LDADD = $(ahci_test_libs)
