# libvdisk-int.la has all symbols, for unit tests; libvdisk.la, which is installed, only those that
# vdisk.h marks VD_PUBLIC. A source file is added in the local.mk of its folder.
include_HEADERS += %D%/vdisk.h
pkgconfig_DATA += %D%/vdisk.pc

noinst_LTLIBRARIES += %D%/libvdisk-int.la
%C%_libvdisk_int_la_SOURCES = $(libvdisk_sources) %D%/vdisk.h
%C%_libvdisk_int_la_CPPFLAGS = $(common_inc) $(vdisk_inc) $(UUID_CFLAGS) $(URING_CFLAGS)
%C%_libvdisk_int_la_LIBADD = $(UUID_LIBS) $(URING_LIBS) $(PTHREAD_LIBS)

lib_LTLIBRARIES += %D%/libvdisk.la
%C%_libvdisk_la_SOURCES =
%C%_libvdisk_la_LIBADD = %D%/libvdisk-int.la
%C%_libvdisk_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined -version-info 0:0:0

unit_libs += %D%/libvdisk-int.la

libvdisk_sources =
include %D%/core/local.mk
include %D%/formats/local.mk
include %D%/storage/local.mk
include %D%/io/local.mk
include %D%/ops/local.mk
EXTRA_DIST += %D%/README.md
