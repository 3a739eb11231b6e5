/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resize.c - making a disk larger.
 *
 * The disk's gate is shut meanwhile: requests of the old range wait, for a moment where only
 * numbers change or a table grows, longer where space is reserved on a host that cannot do that at once.
 * The driver works on the files directly, so that all is flushed before and read anew afterwards.
 */
#include <errno.h>
#include <string.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

#define SECTOR 512u

static int check_size(struct vd_disk *d, uint64_t size, struct vd_error *err)
{
	struct vd_image *leaf = disk_leaf(d);

	if (!leaf->format->resize)
		return image_fail(leaf, err, -ENOTSUP, "a %s cannot be made larger",
				  leaf->format->info.name);
	if (size < d->size)
		return image_fail(leaf, err, -ENOTSUP, "the disk has %llu bytes and cannot be made"
				  " smaller", (unsigned long long)d->size);
	if (!is_aligned(size, SECTOR))
		return image_fail(leaf, err, -EINVAL, "a size of %llu bytes is no multiple of 512;"
				  " the next one is %llu", (unsigned long long)size,
				  (unsigned long long)(align_down(size, SECTOR) + SECTOR));
	/* What it has there was never part of this disk. */
	if (d->count > 1 && d->image[1]->size > d->size)
		return image_fail(leaf, err, -ENOTSUP, "its parent %s is larger, and would show in"
				  " what is new", d->image[1]->path);
	return 0;
}

/* Until nothing in memory is newer than the files. */
static int flush_all(struct vd_disk *d)
{
	bool dirty = true;
	int r = 0;

	/* What frees free is written by the flush after the one that allows it. */
	for (int i = 0; !r && i < 4 && dirty; i++) {
		r = disk_flush(d);
		pthread_mutex_lock(&d->lock);
		dirty = meta_is_dirty(&d->meta);
		pthread_mutex_unlock(&d->lock);
	}
	return r;
}

/* With the flush lock: whatever the driver did, memory follows the disk. */
static int read_anew(struct vd_disk *d, struct vd_error *err)
{
	struct vd_image *leaf = disk_leaf(d);
	int r = image_reopen(leaf, err);

	LOCK_SCOPE(&d->lock);
	meta_forget(&d->meta);
	chainmap_drop(&d->map, 0, UINT64_MAX);
	d->patches++;
	leaf->file[0].durable_size = 0;
	/* Nothing may be looked up, or written, that the driver does not know. */
	if (r)
		__atomic_store_n(&d->failed, -EIO, __ATOMIC_RELEASE);
	__atomic_store_n(&d->size, r ? 0 : leaf->size, __ATOMIC_RELAXED);
	return r;
}

static int resize_alone(struct vd_disk *d, uint64_t size, struct vd_error *err)
{
	struct vd_image *leaf = disk_leaf(d);
	int r, again;

	if (size == d->size)
		return 0;
	r = check_size(d, size, err);
	if (r)
		return r;
	r = disk_begin(d);
	if (!r)
		r = flush_all(d);
	if (r)
		return image_fail(leaf, err, r, "flushing before the size is changed: %s",
				  strerror(-r));
	LOCK_SCOPE(&d->flush_lock);
	r = leaf->format->resize(leaf, size, err);
	again = read_anew(d, r ? NULL : err);
	return r ? r : again;
}

int vd_resize(struct vd_disk *d, uint64_t size, struct vd_error *err)
{
	int r;

	if (!d->writable)
		return image_fail(disk_leaf(d), err, -EROFS, "not open for writing");
	gate_shut(&d->gate);
	disk_drain(d);
	gate_await(&d->gate);
	r = resize_alone(d, size, err);
	gate_open(&d->gate);
	return r;
}
