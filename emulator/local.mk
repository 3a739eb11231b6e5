# Everything but the program is in libemulator-int.la, for the program and for unit tests. A source
# file is added in the local.mk of its folder.
emulator_inc = $(common_inc) $(vdisk_inc) -I$(top_srcdir)/emulator

noinst_LTLIBRARIES += %D%/libemulator-int.la
%C%_libemulator_int_la_SOURCES = $(emulator_sources)
%C%_libemulator_int_la_CPPFLAGS = $(emulator_inc) $(JSON_CFLAGS)
%C%_libemulator_int_la_LIBADD = common/libcommon.la $(JSON_LIBS) $(PTHREAD_LIBS)

emulator_sources =
include %D%/core/local.mk
include %D%/pci/local.mk
include %D%/virtio/local.mk
include %D%/device/local.mk
include %D%/scsi/local.mk
include %D%/ata/local.mk
include %D%/controllers/local.mk
include %D%/front/local.mk
include %D%/machine/local.mk
include %D%/program/local.mk
EXTRA_DIST += %D%/README.md
