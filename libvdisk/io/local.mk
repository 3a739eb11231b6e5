libvdisk_sources += %D%/engine.c
libvdisk_sources += %D%/engine.h
libvdisk_sources += %D%/group.c
libvdisk_sources += %D%/group.h
libvdisk_sources += %D%/queue.c
