# Tests of the AHCI controller and the ATA command set through the in-process front end; see
# ../local.mk. lib-ahci is a small driver for them.
check_LTLIBRARIES += %D%/lib-ahci.la
%C%_lib_ahci_la_SOURCES = %D%/lib-ahci.c %D%/lib-ahci.h
%C%_lib_ahci_la_CPPFLAGS = $(emulator_test_cppflags)
ahci_test_libs = %D%/lib-ahci.la $(emulator_test_libs)

c_tests += %D%/identify-says-what-the-disk-is
%C%_identify_says_what_the_disk_is_CPPFLAGS = $(emulator_test_cppflags)
%C%_identify_says_what_the_disk_is_LDADD = $(ahci_test_libs)
c_tests += %D%/commands-move-what-they-say
%C%_commands_move_what_they_say_CPPFLAGS = $(emulator_test_cppflags)
%C%_commands_move_what_they_say_LDADD = $(ahci_test_libs)
c_tests += %D%/trim-and-logs
%C%_trim_and_logs_CPPFLAGS = $(emulator_test_cppflags)
%C%_trim_and_logs_LDADD = $(ahci_test_libs)
c_tests += %D%/errors-stop-the-port
%C%_errors_stop_the_port_CPPFLAGS = $(emulator_test_cppflags)
%C%_errors_stop_the_port_LDADD = $(ahci_test_libs)
c_tests += %D%/resets-and-hot-plug-under-load
%C%_resets_and_hot_plug_under_load_CPPFLAGS = $(emulator_test_cppflags)
%C%_resets_and_hot_plug_under_load_LDADD = $(ahci_test_libs)
