# The emulator's tests, by layer. What is common to them is in emulator-test.h.
emulator_test_cppflags = $(emulator_inc) -I$(top_srcdir)/tests -I$(top_srcdir)/tests/emulator
emulator_test_libs = emulator/libemulator-int.la $(unit_libs)
EXTRA_DIST += %D%/emulator-test.h

include %D%/core/local.mk
include %D%/front/local.mk
include %D%/program/local.mk
include %D%/machine/local.mk
include %D%/nvme/local.mk
include %D%/ahci/local.mk
include %D%/scsi/local.mk
include %D%/virtio/local.mk
