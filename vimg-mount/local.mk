# The folder has the program's name, so the program is built inside it.
if HAVE_FUSE
bin_PROGRAMS += %D%/vimg-mount
endif
%C%_vimg_mount_SOURCES = \
	%D%/buffers.c \
	%D%/buffers.h \
	%D%/coherence.c \
	%D%/coherence.h \
	%D%/control.c \
	%D%/control.h \
	%D%/fs.c \
	%D%/fs.h \
	%D%/image.c \
	%D%/image.h \
	%D%/list-json.c \
	%D%/list.c \
	%D%/list.h \
	%D%/main.c \
	%D%/mounts.c \
	%D%/mounts.h \
	%D%/nodes.c \
	%D%/nodes.h \
	%D%/options.c \
	%D%/options.h \
	%D%/say.c \
	%D%/say.h \
	%D%/serve.c \
	%D%/serve.h \
	%D%/unmount.c \
	%D%/unmount.h
%C%_vimg_mount_CPPFLAGS = -DFUSE_USE_VERSION=312 $(common_inc) $(vdisk_inc) $(fsreaders_inc) \
	$(FUSE_CFLAGS) $(JSON_CFLAGS)
%C%_vimg_mount_LDADD = common/libcommon.la libvdisk/libvdisk.la fsreaders/libfsreaders.la \
	$(FUSE_LIBS) $(JSON_LIBS) $(PTHREAD_LIBS)

EXTRA_DIST += %D%/README.md
