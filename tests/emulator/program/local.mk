sh_tests += %D%/a-killed-run-leaves-nothing.sh
sh_tests += %D%/a-server-is-controlled-while-it-runs.sh
sh_tests += %D%/an-immutable-disk-leaves-its-base-alone.sh
sh_tests += %D%/attaching-says-what-keeps-a-file-away.sh
sh_tests += %D%/ctl-takes-names-of-files-where-it-is.sh
sh_tests += %D%/help-and-manual-agree.sh
sh_tests += %D%/no-image-is-taken-for-stderr.sh
sh_tests += %D%/run-says-why-there-is-no-machine.sh
sh_tests += %D%/sentences-name-disks-and-drives.sh
sh_tests += %D%/wrong-command-lines-start-nothing.sh
c_tests += %D%/listeners-sleep-without-descriptors
%C%_listeners_sleep_without_descriptors_SOURCES = \
	%D%/listeners-sleep-without-descriptors.c \
	emulator/program/control.c
%C%_listeners_sleep_without_descriptors_CPPFLAGS = $(emulator_test_cppflags) $(JSON_CFLAGS)
%C%_listeners_sleep_without_descriptors_LDADD = $(front_test_libs)
c_tests += %D%/run-stops-the-machine-while-requests-wait
%C%_run_stops_the_machine_while_requests_wait_CPPFLAGS = $(emulator_test_cppflags)
%C%_run_stops_the_machine_while_requests_wait_LDADD = $(front_test_libs)
