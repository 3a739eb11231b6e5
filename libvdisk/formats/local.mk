libvdisk_sources += %D%/format.h
