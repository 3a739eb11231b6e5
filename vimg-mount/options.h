/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.h - the command line of vimg-mount. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum action {
	ACTION_MOUNT,
	ACTION_LIST,
	ACTION_UNMOUNT,
	ACTION_HELP,
	ACTION_VERSION,
};

#define EVERY_PARTITION (-1L)
#define WHOLE_DISK 0L

struct options {
	enum action action;
	const char *image, *format;	/* format NULL: by content */
	const char *mountpoint;
	/* Lists end with NULL; the strings are the command line's. */
	const char **parents, **parent_dirs, **allow_dirs;
	bool rw, force, force_parent, no_lock;
	uint32_t sector_size;		/* bytes; 0: find out */
	long partition;			/* the table's number, or one of the two above */

	bool foreground, root, direct_io, clone_fd;
	uint32_t max_read;		/* bytes in one request; 0: no limit */
	char *fuse_options;		/* what of -o is for libfuse, comma-separated */

	bool json, verbose, wide;
};

/* 0, or STATUS_USAGE after saying what is wrong. options_free() in both cases. */
int options_parse(int argc, char **argv, struct options *out);
void options_free(struct options *options);

#endif
