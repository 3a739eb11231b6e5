/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk-bytes IMAGE: the bytes of a disk, its parents merged, to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "vdisk.h"

#define PIECE (1u << 20)

int main(int argc, char **argv)
{
	static char buf[PIECE];
	struct vd_disk *d;
	struct vd_error err;

	if (argc != 2)
		return 2;
	if (vd_open(argv[1], 0, NULL, &d, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (uint64_t at = 0, n; at < vd_size(d); at += n) {
		n = vd_size(d) - at < PIECE ? vd_size(d) - at : PIECE;
		if (vd_read(d, buf, n, at, 0) || fwrite(buf, 1, n, stdout) != n) {
			fprintf(stderr, "byte %llu cannot be read\n", (unsigned long long)at);
			return 1;
		}
	}
	return vd_close(d) || fflush(stdout);
}
