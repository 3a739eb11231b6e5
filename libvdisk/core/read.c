/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* read.c - reading and the public map. */
#include <errno.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

#define RUNS 16

/* How much of the runs from i on is one piece of one file. */
static unsigned one_piece(const struct run *runs, unsigned n, unsigned i, uint64_t *length)
{
	const struct run *first = &runs[i];

	*length = first->length;
	for (i++; i < n && first->kind == RUN_DATA && runs[i].kind == RUN_DATA &&
	     runs[i].level == first->level && runs[i].file == first->file &&
	     runs[i].offset == first->offset + *length; i++)
		*length += runs[i].length;
	return i;
}

static int read_runs(struct vd_disk *d, struct cursor *c, const struct run *runs, unsigned n)
{
	for (unsigned i = 0; i < n;) {
		const struct run *run = &runs[i];
		uint64_t length;
		int r = 0;

		i = one_piece(runs, n, i, &length);
		switch (run->kind) {
		case RUN_DATA:
			r = cursor_read(c, &d->image[run->level]->file[run->file], run->offset,
					length);
			break;
		case RUN_ZERO:
			cursor_zero(c, length);
			break;
		case RUN_ABSENT:
			return -ENOENT;
		default:
			return -EIO;
		}
		if (r)
			return r;
	}
	return 0;
}

static int read_range(struct vd_disk *d, struct cursor *c, uint64_t offset, uint64_t left)
{
	while (left) {
		struct run runs[RUNS];
		uint64_t covered;
		int n = lookup(d, offset, left, runs, RUNS, &covered);
		int r = n < 0 ? n : read_runs(d, c, runs, (unsigned)n);

		if (r)
			return r;
		offset += covered;
		left -= covered;
	}
	return 0;
}

int vd_readv(struct vd_disk *d, const struct iovec *iov, int iovcnt, uint64_t offset,
	     unsigned flags)
{
	struct cursor c = { iov, iovcnt, 0 };
	uint64_t left = iov_bytes(iov, iovcnt);
	int r = -EINVAL;

	(void)flags;
	gate_enter(&d->gate);
	if (range_in(offset, left, d->size))
		r = read_range(d, &c, offset, left);
	gate_leave(&d->gate);
	return r;
}

int vd_read(struct vd_disk *d, void *buf, uint64_t length, uint64_t offset, unsigned flags)
{
	struct iovec v = { buf, length };

	return vd_readv(d, &v, 1, offset, flags);
}

/* A hole of the host's file reads as zeros. */
static int see_holes(struct vd_disk *d, const struct run *run, struct vd_extent *out)
{
	struct vd_storage *s = d->image[run->level]->file[run->file].storage;
	uint64_t length;
	bool data;
	int r = storage_extent(s, run->offset, run->length, &data, &length);

	if (r)
		return r;
	out->length = min_u64(run->length, length);
	if (!data)
		out->kind = VD_EXTENT_ZERO;
	return 0;
}

static int map_one(struct vd_disk *d, uint64_t offset, uint64_t length, struct vd_extent *out)
{
	struct run run;
	int r;

	pthread_mutex_lock(&d->lock);
	r = HOT_CALL(d, resolve(d, offset, length, &run));
	pthread_mutex_unlock(&d->lock);
	if (r)
		return r;
	*out = (struct vd_extent) { .offset = offset, .length = run.length };
	switch (run.kind) {
	case RUN_DATA:
		out->kind = VD_EXTENT_DATA;
		out->level = run.level;
		out->file_offset = run.offset;
		return see_holes(d, &run, out);
	case RUN_ZERO:
		out->kind = VD_EXTENT_ZERO;
		return 0;
	default:
		out->kind = VD_EXTENT_ERROR;
		return 0;
	}
}

static bool goes_on(const struct vd_extent *a, const struct vd_extent *b)
{
	return a->kind == b->kind && (a->kind != VD_EXTENT_DATA ||
		(a->level == b->level && a->file_offset + a->length == b->file_offset));
}

static int map_range(struct vd_disk *d, uint64_t offset, uint64_t length, struct vd_extent *out)
{
	int r;

	if (!length || !range_in(offset, length, d->size))
		return -EINVAL;
	r = map_one(d, offset, length, out);
	while (!r && out->length < length) {
		struct vd_extent more;

		r = map_one(d, offset + out->length, length - out->length, &more);
		if (r || !goes_on(out, &more))
			return 0; /* what there is, is right; the next call meets the error */
		out->length += more.length;
	}
	return r;
}

int vd_map(struct vd_disk *d, uint64_t offset, uint64_t length, struct vd_extent *out)
{
	int r;

	gate_enter(&d->gate);
	r = map_range(d, offset, length, out);
	gate_leave(&d->gate);
	return r;
}
