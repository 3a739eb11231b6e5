# The folder has the program's name, so the program is built inside it.
if HAVE_FUSE
bin_PROGRAMS += %D%/vimg-mount
endif
%C%_vimg_mount_SOURCES = \
	%D%/main.c
%C%_vimg_mount_CPPFLAGS = $(common_inc) $(vdisk_inc) $(fsreaders_inc) $(FUSE_CFLAGS) $(JSON_CFLAGS)
%C%_vimg_mount_LDADD = libvdisk/libvdisk.la $(FUSE_LIBS) $(JSON_LIBS) $(PTHREAD_LIBS)
