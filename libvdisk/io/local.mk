libvdisk_sources += %D%/engine.c
libvdisk_sources += %D%/engine.h
libvdisk_sources += %D%/queue.c
