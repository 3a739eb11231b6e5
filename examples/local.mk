# Small programs against the public interface only.
examples_inc = $(vdisk_inc)

noinst_PROGRAMS += %D%/cat-disk
%C%_cat_disk_CPPFLAGS = $(examples_inc)
%C%_cat_disk_LDADD = libvdisk/libvdisk.la

noinst_PROGRAMS += %D%/async-reads
%C%_async_reads_CPPFLAGS = $(examples_inc)
%C%_async_reads_LDADD = libvdisk/libvdisk.la

noinst_PROGRAMS += %D%/list-partitions
%C%_list_partitions_CPPFLAGS = $(examples_inc) $(fsreaders_inc)
%C%_list_partitions_LDADD = fsreaders/libfsreaders.la libvdisk/libvdisk.la

EXTRA_DIST += %D%/README.md
