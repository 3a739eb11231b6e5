/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.c - a disk's life: made of a chain of images, asked about, checked, closed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

#define CACHE_DEFAULT (UINT64_C(8) << 20)
#define CHAIN_MAX UINT16_MAX	/* struct run has 16 bits for the level */
#define PAGES_PER_IMAGE 4	/* that a look-up may want in memory at once */

static void init_locks(struct vd_disk *d)
{
	pthread_condattr_t monotonic;

	gate_init(&d->gate);
	rangelocks_init(&d->ranges);
	pthread_mutex_init(&d->flush_lock, NULL);
	pthread_mutex_init(&d->grow_lock, NULL);
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->bg_lock, NULL);
	pthread_mutex_init(&d->engine_lock, NULL);
	pthread_mutex_init(&d->ops_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&d->bg_wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void disk_free(struct vd_disk *d)
{
	for (unsigned i = 0; i < d->count; i++)
		image_close(d->image[i]);
	free(d->image);
	meta_free(&d->meta);
	chainmap_free(&d->map);
	gate_free(&d->gate);
	rangelocks_free(&d->ranges);
	pthread_mutex_destroy(&d->flush_lock);
	pthread_mutex_destroy(&d->grow_lock);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->bg_lock);
	pthread_mutex_destroy(&d->engine_lock);
	pthread_mutex_destroy(&d->ops_lock);
	pthread_cond_destroy(&d->bg_wake);
	free(d);
}

static void adopt(struct vd_disk *d, struct vd_image *img, unsigned level)
{
	img->disk = d;
	img->level = level;
	for (unsigned i = 0; i < img->files; i++) {
		img->file[i].index = i;
		img->file[i].id = d->files++;
	}
}

int disk_new(struct vd_image **images, unsigned count, const struct vd_open_options *options,
	     struct vd_disk **out, struct vd_error *err)
{
	uint64_t cache = options && options->cache_size ? options->cache_size : CACHE_DEFAULT;
	uint64_t least = ((uint64_t)count * PAGES_PER_IMAGE + 64) * META_PAGE;
	struct vd_disk *d = count <= CHAIN_MAX ? calloc(1, sizeof(*d)) : NULL;
	int r;

	if (!d) {
		r = count > CHAIN_MAX ?
			fail(err, -ENOTSUP, "%s: a chain of %u images, at most %u are supported",
			     images[0]->path, count, CHAIN_MAX) :
			fail(err, -ENOMEM, "out of memory");
		while (count)
			image_close(images[--count]);
		free(images);
		return r;
	}
	d->image = images;
	d->count = count;
	init_locks(d);
	for (unsigned i = 0; i < count; i++)
		adopt(d, images[i], i);
	d->size = images[0]->size;
	d->writable = images[0]->writable;
	r = meta_init(&d->meta, max_u64(cache / 2, least));
	if (!r)
		r = chainmap_init(&d->map, cache / 2);
	if (r)
		fail(err, r, "out of memory");
	if (!r && d->writable && images[0]->format->recover)
		r = images[0]->format->recover(images[0], err);
	if (r) {
		disk_free(d);
		return r;
	}
	*out = d;
	return 0;
}

int vd_open(const char *path, unsigned flags, const struct vd_open_options *options,
	    struct vd_disk **out, struct vd_error *err)
{
	struct vd_image **images;
	unsigned count;
	int r = chain_open(path, flags, options, &images, &count, err);

	return r ? r : disk_new(images, count, options, out, err);
}

/* What the leaf's format wants to have written when all is done. */
static int tidy(struct vd_disk *d)
{
	struct vd_image *leaf = disk_leaf(d);
	struct vd_file *f = &leaf->file[0];
	uint64_t final = f->size;
	int r = 0;

	if (leaf->format->end_write) {
		pthread_mutex_lock(&d->lock);
		r = HOT_CALL(d, leaf->format->end_write(leaf, &final));
		pthread_mutex_unlock(&d->lock);
		if (r)
			return r;
	}
	/* What frees free is written by the flush after the one that allows it. */
	for (int i = 0; !r && i < 3 && (i == 0 || meta_is_dirty(&d->meta)); i++)
		r = disk_flush(d);
	if (!r && final < f->size) {
		r = storage_truncate(f->storage, final);
		if (!r)
			r = storage_sync(f->storage);
		if (r == -ENOTSUP)
			r = 0; /* a block device keeps its size */
		f->size = final;
	}
	if (!r && leaf->needs_recovery)
		r = leaf->format->recover(leaf, NULL);
	return r;
}

int vd_close(struct vd_disk *d)
{
	int r = 0;

	if (!d)
		return 0;
	/* What is in a ring and not reaped completes first: it is about this disk. */
	gate_shut(&d->gate);
	disk_drain(d);
	gate_open(&d->gate);
	engine_free(d->engine);
	vd_group_unref(d->group);
	disk_stop_background(d);
	if (d->writable)
		r = vd_flush(d);
	/* An error of the past does not keep a sound image from being tidied up. */
	if (d->begun && !d->failed) {
		int tidied = tidy(d);

		r = r ? r : tidied;
	}
	disk_free(d);
	return r;
}

uint64_t vd_size(const struct vd_disk *d)
{
	return __atomic_load_n(&d->size, __ATOMIC_RELAXED);
}

bool vd_is_writable(const struct vd_disk *d)
{
	return d->writable;
}

unsigned vd_depth(const struct vd_disk *d)
{
	return d->count;
}

int vd_image_info(struct vd_disk *d, unsigned level, struct vd_image_info *out)
{
	const struct vd_image *img;

	if (level >= d->count)
		return -EINVAL;
	img = d->image[level];
	*out = (struct vd_image_info) {
		.path = img->path,
		.format = img->format->info.name,
		.variant = img->variant,
		.uuid = img->uuid,
		.modification = img->modification,
		.parent = img->parent_uuid,
		.parent_modification = img->parent_modification,
		.has_parent = img->has_parent,
		.parent_unverified = img->parent_unverified,
		.parent_modified = img->parent_modified,
		.parent_path = img->parent_names[0],
		.comment = img->comment,
		.virtual_size = img->size,
		.block_size = img->block_size,
		.warning = img->warning,
	};
	for (unsigned i = 0; i < img->files; i++) {
		uint64_t size, used;
		int r = storage_size(img->file[i].storage, &size);

		if (!r)
			r = storage_allocated(img->file[i].storage, &used);
		if (r)
			return r;
		out->file_size += size;
		out->allocated += used;
	}
	return 0;
}

int vd_check(struct vd_disk *d, unsigned level, unsigned flags, vd_finding_fn *found,
	     void *opaque, struct vd_check_result *out, struct vd_error *err)
{
	struct vd_check_result result = { 0 };
	struct check_ctx ctx = { flags, &result, found, opaque, err };
	struct vd_image *img;
	int r;

	if (level >= d->count)
		return fail(err, -EINVAL, "the chain has %u images, there is no image %u",
			    d->count, level);
	img = d->image[level];
	if ((flags & VD_CHECK_REPAIR) && (level || !d->writable))
		return image_fail(img, err, -EROFS, "not open for writing, so it cannot be mended");
	r = vd_flush(d);
	if (r)
		return image_fail(img, err, r, "flushing before the check: %s", strerror(-r));
	if (img->format->check)
		r = img->format->check(img, &ctx);
	if (flags & VD_CHECK_REPAIR) {
		LOCK_SCOPE(&d->lock);
		meta_forget(&d->meta);
		chainmap_drop(&d->map, 0, d->size);
		for (unsigned i = 0; i < img->files; i++)
			img->file[i].durable_size = 0; /* it may have been cut */
	}
	if (!r && out)
		*out = result;
	return r;
}
