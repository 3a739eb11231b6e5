/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cat-disk.c - writes a disk, as its guest sees it, to the standard output. Hash one with
 *
 *	cat-disk disk.vdi | sha256sum
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdisk.h>

#define PIECE (1u << 20)

static char piece[PIECE];

static int cat(struct vd_disk *disk, const char *name)
{
	uint64_t size = vd_size(disk);

	for (uint64_t offset = 0; offset < size; offset += PIECE) {
		uint64_t n = size - offset < PIECE ? size - offset : PIECE;
		int r = vd_read(disk, piece, n, offset, 0);

		if (r) {
			fprintf(stderr, "%s: reading at %llu: %s\n", name,
				(unsigned long long)offset, strerror(-r));
			return EXIT_FAILURE;
		}
		if (fwrite(piece, 1, n, stdout) != n) {
			perror("writing");
			return EXIT_FAILURE;
		}
	}
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct vd_disk *disk;
	struct vd_error err;
	int status;

	if (argc != 2) {
		fprintf(stderr, "Usage: %s IMAGE\n", argv[0]);
		return 2;
	}
	/* Read-only, the format by content, the parents where they usually are. */
	if (vd_open(argv[1], 0, NULL, &disk, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	status = cat(disk, argv[1]);
	vd_close(disk);
	return status;
}
