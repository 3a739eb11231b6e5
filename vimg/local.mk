bin_PROGRAMS += %D%/vimg
%C%_vimg_SOURCES = \
	%D%/main.c
%C%_vimg_CPPFLAGS = $(common_inc) $(vdisk_inc) $(fsreaders_inc) $(JSON_CFLAGS)
%C%_vimg_LDADD = libvdisk/libvdisk.la $(JSON_LIBS)
