libvdisk_sources +=
