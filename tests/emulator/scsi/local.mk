# Tests of this layer; see ../local.mk.
EXTRA_DIST += %D%/scsi-test.h

c_tests += %D%/disks-read-and-write
%C%_disks_read_and_write_CPPFLAGS = $(emulator_test_cppflags)
%C%_disks_read_and_write_LDADD = $(emulator_test_libs)
c_tests += %D%/units-say-what-they-are
%C%_units_say_what_they_are_CPPFLAGS = $(emulator_test_cppflags)
%C%_units_say_what_they_are_LDADD = $(emulator_test_libs)
c_tests += %D%/opcodes-are-what-is-reported
%C%_opcodes_are_what_is_reported_CPPFLAGS = $(emulator_test_cppflags)
%C%_opcodes_are_what_is_reported_LDADD = $(emulator_test_libs)
c_tests += %D%/mode-pages-change-where-they-may
%C%_mode_pages_change_where_they_may_CPPFLAGS = $(emulator_test_cppflags)
%C%_mode_pages_change_where_they_may_LDADD = $(emulator_test_libs)
c_tests += %D%/ranges-are-unmapped-and-filled
%C%_ranges_are_unmapped_and_filled_CPPFLAGS = $(emulator_test_cppflags)
%C%_ranges_are_unmapped_and_filled_LDADD = $(emulator_test_libs)
c_tests += %D%/verify-compares-with-the-medium
%C%_verify_compares_with_the_medium_CPPFLAGS = $(emulator_test_cppflags)
%C%_verify_compares_with_the_medium_LDADD = $(emulator_test_libs)
c_tests += %D%/attentions-are-told-once
%C%_attentions_are_told_once_CPPFLAGS = $(emulator_test_cppflags)
%C%_attentions_are_told_once_LDADD = $(emulator_test_libs)
c_tests += %D%/tasks-end-when-they-are-told
%C%_tasks_end_when_they_are_told_CPPFLAGS = $(emulator_test_cppflags)
%C%_tasks_end_when_they_are_told_LDADD = $(emulator_test_libs)
