libvdisk_sources += %D%/storage.h
