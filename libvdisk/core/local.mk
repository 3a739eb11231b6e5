libvdisk_sources += %D%/image.h
libvdisk_sources += %D%/version.c
# They join libvdisk_sources together with image.c, disk.c and formats.c, which they call.
EXTRA_DIST += %D%/chain.c %D%/search.c %D%/search.h
