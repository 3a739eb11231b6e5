# What is inside a disk.
noinst_LTLIBRARIES += %D%/libfsreaders.la
%C%_libfsreaders_la_SOURCES = \
	%D%/fsreaders.h \
	%D%/partitions/apm.c \
	%D%/partitions/bsd.c \
	%D%/partitions/content.c \
	%D%/partitions/gpt.c \
	%D%/partitions/mbr.c \
	%D%/partitions/partitions.h \
	%D%/partitions/table.c \
	%D%/partitions/text.c \
	%D%/partitions/types.c
%C%_libfsreaders_la_CPPFLAGS = $(common_inc) $(fsreaders_inc)
unit_libs += %D%/libfsreaders.la

EXTRA_DIST += %D%/README.md
