# Tests of this layer; see ../local.mk.
EXTRA_DIST += %D%/scsi-test.h

c_tests += %D%/disks-read-and-write
%C%_disks_read_and_write_CPPFLAGS = $(emulator_test_cppflags)
%C%_disks_read_and_write_LDADD = $(emulator_test_libs)
