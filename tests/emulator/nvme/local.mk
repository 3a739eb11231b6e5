# Tests of the NVMe controller through the in-process front end; see ../local.mk. lib-nvme is a small
# driver for them.
check_LTLIBRARIES += %D%/lib-nvme.la
%C%_lib_nvme_la_SOURCES = %D%/lib-nvme.c %D%/lib-nvme.h
%C%_lib_nvme_la_CPPFLAGS = $(emulator_test_cppflags)
nvme_test_libs = %D%/lib-nvme.la $(emulator_test_libs)

c_tests += %D%/registers-and-enabling
%C%_registers_and_enabling_CPPFLAGS = $(emulator_test_cppflags)
%C%_registers_and_enabling_LDADD = $(nvme_test_libs)
c_tests += %D%/reads-and-writes-follow-prps
%C%_reads_and_writes_follow_prps_CPPFLAGS = $(emulator_test_cppflags)
%C%_reads_and_writes_follow_prps_LDADD = $(nvme_test_libs)
c_tests += %D%/queues-come-and-go
%C%_queues_come_and_go_CPPFLAGS = $(emulator_test_cppflags)
%C%_queues_come_and_go_LDADD = $(nvme_test_libs)
c_tests += %D%/sgls-describe-data
%C%_sgls_describe_data_CPPFLAGS = $(emulator_test_cppflags)
%C%_sgls_describe_data_LDADD = $(nvme_test_libs)
c_tests += %D%/nvm-commands
%C%_nvm_commands_CPPFLAGS = $(emulator_test_cppflags)
%C%_nvm_commands_LDADD = $(nvme_test_libs)
c_tests += %D%/identify-logs-and-features
%C%_identify_logs_and_features_CPPFLAGS = $(emulator_test_cppflags)
%C%_identify_logs_and_features_LDADD = $(nvme_test_libs)
c_tests += %D%/disks-come-and-go
%C%_disks_come_and_go_CPPFLAGS = $(emulator_test_cppflags)
%C%_disks_come_and_go_LDADD = $(nvme_test_libs)
c_tests += %D%/resets-and-shutdown-under-load
%C%_resets_and_shutdown_under_load_CPPFLAGS = $(emulator_test_cppflags)
%C%_resets_and_shutdown_under_load_LDADD = $(nvme_test_libs)
c_tests += %D%/shadow-doorbells-and-interrupts
%C%_shadow_doorbells_and_interrupts_CPPFLAGS = $(emulator_test_cppflags)
%C%_shadow_doorbells_and_interrupts_LDADD = $(nvme_test_libs)
c_tests += %D%/a-namespace-is-known-by-its-image
%C%_a_namespace_is_known_by_its_image_CPPFLAGS = $(emulator_test_cppflags)
%C%_a_namespace_is_known_by_its_image_LDADD = $(nvme_test_libs)
