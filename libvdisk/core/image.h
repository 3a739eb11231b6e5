/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image.h - images as objects, chains of them, and the disk made of a chain.
 *
 *   path --chain_open()--> images, leaf first --disk_new()--> struct vd_disk
 *
 * image.c opens and closes one image; chain.c finds the parents and verifies the linkage; disk.c
 * merges.
 */
#ifndef VIMG_IMAGE_H
#define VIMG_IMAGE_H

#include "formats/format.h"

/*
 * Opens one image on a storage, which it takes over also when it fails. `format` NULL: by content;
 * `path` is for messages and relative names. Not locked, no recovery, no parent.
 */
int image_open(struct vd_storage *storage, const char *path, const struct vd_format *format,
	       struct vd_image **out, struct vd_error *err);
/* Reads it anew from the disk and recovers it, if it is writable; nothing of it may be dirty. Strings
 * that were given out stay. */
int image_reopen(struct vd_image *img, struct vd_error *err);
/* Frees everything, closes the storage. NULL is allowed. Flushes nothing. */
void image_close(struct vd_image *img);

/* Reads head, tail and size of a storage for probing. `buf` holds PROBE_HEAD + PROBE_TAIL bytes. */
int probe_read(struct vd_storage *s, const char *path, uint8_t *buf, struct probe *out,
	       struct vd_error *err);
/* The format by content; raw if it is nobody else's. Never NULL. */
const struct vd_format *probe_format(const struct probe *p);

/*
 * Opens, locks and verifies the chain whose leaf is `path`, as vd_open() documents it. The images
 * come leaf first in a malloc'ed array; each is image_close()d by the caller, or by disk_new().
 */
int chain_open(const char *path, unsigned flags, const struct vd_open_options *options,
	       struct vd_image ***images, unsigned *count, struct vd_error *err);

/*
 * Makes a disk of images, leaf first, and takes them and the array over, also when it fails.
 * Recovers the leaf if it is writable. Tests make disks on memory storages with this.
 */
int disk_new(struct vd_image **images, unsigned count, const struct vd_open_options *options,
	     struct vd_disk **out, struct vd_error *err);

#endif
