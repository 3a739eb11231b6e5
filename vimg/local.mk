bin_PROGRAMS += %D%/vimg
%C%_vimg_SOURCES = \
	%D%/check.c \
	%D%/create.c \
	%D%/describe.c \
	%D%/describe.h \
	%D%/formats.c \
	%D%/info.c \
	%D%/json.c \
	%D%/json.h \
	%D%/main.c \
	%D%/options.c \
	%D%/resize.c \
	%D%/shared.c \
	%D%/terminal.c \
	%D%/vimg.h
%C%_vimg_CPPFLAGS = $(common_inc) $(vdisk_inc) $(fsreaders_inc) $(JSON_CFLAGS)
%C%_vimg_LDADD = common/libcommon.la libvdisk/libvdisk.la $(JSON_LIBS)

EXTRA_DIST += %D%/README.md
