/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * print-table [-SECTOR_SIZE] FILE: the partition table of an image file, for tests in other
 * languages. First line: the table's name and sector size; then a line a partition: number,
 * start, sectors, type id, flags (b: bootable, e: passes the end), name; then its warnings,
 * each after "! ".
 */
#include "fsreaders.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int file_pread(struct fs_source *src, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = pread(*(int *)src->opaque, buf, len, offset);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EINVAL;
}

static void print_warnings(char *text)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		printf("! %s\n", line);
}

int main(int argc, char **argv)
{
	bool sized = argc == 3 && argv[1][0] == '-';
	int fd = argc == 2 + sized ? open(argv[1 + sized], O_RDONLY) : -1;
	struct fs_source src = { file_pread, 0, &fd };
	struct fs_error err;
	struct fs_table t;

	if (fd < 0) {
		fprintf(stderr, "print-table [-SECTOR_SIZE] FILE\n");
		return EXIT_FAILURE;
	}
	src.size = lseek(fd, 0, SEEK_END);
	if (fs_table_read(&src, sized ? atoi(argv[1] + 1) : 0, &t, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	printf("%s\t%" PRIu32 "\n", t.name, t.sector_size);
	for (size_t i = 0; i < t.count; i++) {
		const struct fs_partition *p = &t.part[i];

		printf("%u\t%" PRIu64 "\t%" PRIu64 "\t%s\t%s%s\t%s\n", p->number, p->start, p->sectors,
		       p->type_id, p->bootable ? "b" : "", p->past_end ? "e" : "", p->name);
	}
	print_warnings(t.warnings);
	fs_table_free(&t);
	close(fd);
	return 0;
}
