libvdisk_sources += %D%/format.h
libvdisk_sources += %D%/formats.c
libvdisk_sources += %D%/raw.c
libvdisk_sources += %D%/vdi-header.c
libvdisk_sources += %D%/vdi-header.h
libvdisk_sources += %D%/vdi.c
