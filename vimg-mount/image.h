/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image.h - the disk that the command line names, opened, with its partition table. */
#ifndef IMAGE_H
#define IMAGE_H

#include "fsreaders.h"
#include "options.h"
#include "vdisk.h"

struct image {
	char *path;		/* absolute */
	struct vd_disk *disk;
	struct fs_table table;
	int table_status;	/* 0, or why the table could not be read, with the sentence below */
	struct fs_error table_error;
};

/* The absolute path of an image, or NULL after saying why. To be freed. */
char *image_path(const char *name);

/*
 * Opens the disk and reads its partition table. A table that cannot be read is no failure: the
 * bytes may still be wanted. 0, or -errno after saying why. image_close() in both cases.
 */
int image_open(const struct options *options, struct image *out);

/* The status of the last flush; says nothing. */
int image_close(struct image *image);

/* Calls `note` with each sentence a person should read although all went well. */
void image_notes(struct image *image, void (*note)(void *opaque, const char *text), void *opaque);

/* The partition with that number in the table, or NULL. */
const struct fs_partition *image_partition(const struct image *image, unsigned number);

#endif
