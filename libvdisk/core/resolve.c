/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resolve.c - from the guest's offset to a place in a file: the drivers asked from the leaf down,
 * and the chain map in front of them.
 */
#include <errno.h>
#include <stdlib.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

int disk_wait(struct vd_disk *d)
{
	int r = 0;

	if (d->meta.need.file)
		return meta_load(&d->meta, &d->lock);
	if (d->meta.need.barrier) {
		d->meta.need.barrier = false;
		pthread_mutex_unlock(&d->lock);
		r = disk_flush(d);
		pthread_mutex_lock(&d->lock);
	}
	return r;
}

static void run_from_extent(struct run *out, const struct vd_image *img,
			    const struct map_extent *e)
{
	out->kind = e->kind == MAP_DATA ? RUN_DATA : e->kind == MAP_ZERO ? RUN_ZERO : RUN_ERROR;
	out->level = (uint16_t)img->level;
	out->in_place = e->kind == MAP_DATA && e->in_place && !img->level && img->writable;
	out->file = e->kind == MAP_DATA ? (uint8_t)e->file->index : 0;
	out->offset = e->kind == MAP_DATA ? e->offset : 0;
}

int resolve(struct vd_disk *d, uint64_t offset, uint64_t length, struct run *out)
{
	for (unsigned level = 0; level < d->count; level++) {
		struct vd_image *img = d->image[level];
		struct map_extent e = { 0 };
		int r;

		if (offset >= img->size)
			break; /* beyond a shorter parent's end are zeros */
		length = min_u64(length, img->size - offset);
		r = img->format->map(img, offset, length, &e);
		if (r)
			return r;
		length = min_u64(length, e.length);
		if (e.kind != MAP_ABSENT) {
			run_from_extent(out, img, &e);
			out->start = offset;
			out->length = length;
			return 0;
		}
	}
	*out = (struct run) {
		.start = offset, .length = length,
		.kind = d->image[d->count - 1]->has_parent ? RUN_ABSENT : RUN_ZERO,
	};
	return 0;
}

struct runs {
	struct run *run;
	unsigned count, room;
};

static int runs_add(struct runs *a, const struct run *run)
{
	if (a->count == a->room) {
		unsigned room = a->room ? a->room * 2 : 16;
		struct run *more = realloc(a->run, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		a->run = more;
		a->room = room;
	}
	a->run[a->count++] = *run;
	return 0;
}

/*
 * Resolves a whole bucket. The lock is dropped while tables are loaded; what a writer moved
 * meanwhile makes the result wrong, so that it starts again. -EAGAIN: that happened too often, or a
 * table would have to be loaded and may not be.
 */
static int resolve_bucket(struct vd_disk *d, uint64_t start, uint64_t end, bool may_wait,
			  struct runs *a)
{
	uint64_t patches = d->patches;
	unsigned again = 0;

	for (uint64_t at = start; at < end;) {
		struct run run;
		int r = resolve(d, at, end - at, &run);

		if (r == -EAGAIN && !may_wait) {
			d->meta.need.file = NULL;
			return r;
		}
		if (r == -EAGAIN) {
			r = disk_wait(d);
			if (r)
				return r;
			if (patches != d->patches) {
				if (again++ == 8)
					return -EAGAIN;
				patches = d->patches;
				a->count = 0;
				at = start;
			}
			continue;
		}
		if (!r)
			r = runs_add(a, &run);
		if (r)
			return r;
		at += run.length;
	}
	return 0;
}

static int fill_bucket(struct vd_disk *d, uint64_t offset, bool may_wait)
{
	uint64_t start = offset & ~(BUCKET_SIZE - 1);
	uint64_t end = min_u64(d->size, start + BUCKET_SIZE);
	struct runs a = { 0 };
	int r = resolve_bucket(d, start, end, may_wait, &a);

	if (!r)
		r = chainmap_put(&d->map, start, a.run, a.count);
	free(a.run);
	return r;
}

unsigned lookup_in_memory(struct vd_disk *d, uint64_t offset, uint64_t length, struct run *runs,
			  unsigned max, uint64_t *covered)
{
	unsigned n;

	LOCK_SCOPE(&d->lock);
	n = chainmap_get(&d->map, offset, length, runs, max);
	if (!n && !fill_bucket(d, offset, false))
		n = chainmap_get(&d->map, offset, length, runs, max);
	if (n)
		*covered = runs[n - 1].start + runs[n - 1].length - offset;
	return n;
}

int lookup(struct vd_disk *d, uint64_t offset, uint64_t length, struct run *runs, unsigned max,
	   uint64_t *covered)
{
	unsigned n;
	int r;

	LOCK_SCOPE(&d->lock);
	n = chainmap_get(&d->map, offset, length, runs, max);
	if (!n) {
		/* An error may be about another part of the bucket: what counts is here. */
		fill_bucket(d, offset, true);
		n = chainmap_get(&d->map, offset, length, runs, max);
	}
	if (!n) {
		r = HOT_CALL(d, resolve(d, offset, length, &runs[0]));
		if (r)
			return r;
		n = 1;
	}
	*covered = runs[n - 1].start + runs[n - 1].length - offset;
	return (int)n;
}
