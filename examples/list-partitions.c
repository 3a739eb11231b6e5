/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * list-partitions.c - the partitions of a disk. libvdisk opens it; the readers of what is inside see
 * nothing but a struct fs_source, here one that reads from the disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdisk.h>

#include "fsreaders.h"

static int read_disk(struct fs_source *src, void *buf, size_t length, uint64_t offset)
{
	return vd_read(src->opaque, buf, length, offset, 0);
}

static void print_table(const struct fs_table *table)
{
	printf("table: %s, sectors of %u bytes\n", table->name, table->sector_size);
	for (size_t i = 0; i < table->count; i++) {
		const struct fs_partition *p = &table->part[i];

		printf("%u: offset %llu, size %llu, %s%s%s\n", p->number,
		       (unsigned long long)p->offset, (unsigned long long)p->size, p->type,
		       *p->name ? ", " : "", p->name);
	}
	if (*table->warnings)
		fprintf(stderr, "%s\n", table->warnings);
}

int main(int argc, char **argv)
{
	struct vd_disk *disk;
	struct vd_error err;
	struct fs_source source;
	struct fs_table table;
	struct fs_error table_err;
	int r;

	if (argc != 2) {
		fprintf(stderr, "Usage: %s IMAGE\n", argv[0]);
		return 2;
	}
	if (vd_open(argv[1], 0, NULL, &disk, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	source = (struct fs_source){
		.pread = read_disk, .size = vd_size(disk), .opaque = disk,
	};
	/* 0: the sector size that the table itself tells. */
	r = fs_table_read(&source, 0, &table, &table_err);
	if (r)
		fprintf(stderr, "%s: %s\n", argv[1], table_err.text);
	else
		print_table(&table);
	fs_table_free(&table);
	vd_close(disk);
	return r || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
