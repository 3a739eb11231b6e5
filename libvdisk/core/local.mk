libvdisk_sources += %D%/image.h
libvdisk_sources += %D%/version.c
