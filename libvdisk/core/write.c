/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * write.c - writing, zeroing and discarding.
 *
 * Where the leaf has the bytes they are overwritten in place, with no lock. Elsewhere, with the
 * block's range locked: reserve space, fill what the block must hold besides, write the data, and
 * only then publish. Nothing refers to the space before its content is complete, and nothing
 * durable does before the flush that makes the content durable (flush.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

#define RUNS 16
#define COPY (1u << 20)

/* What is to be put into a range: the caller's bytes, or zeros. */
struct source {
	struct cursor *c;	/* NULL: zeros */
	bool unmap;
};

int disk_begin(struct vd_disk *d)
{
	struct vd_image *leaf = disk_leaf(d);
	int r = __atomic_load_n(&d->failed, __ATOMIC_ACQUIRE);

	if (!d->writable)
		return -EROFS;
	if (r)
		return -EIO;
	LOCK_SCOPE(&d->lock);
	if (d->begun)
		return 0;
	r = leaf->format->begin_write ? HOT_CALL(d, leaf->format->begin_write(leaf)) : 0;
	d->begun = !r;
	return r;
}

static int put(struct vd_disk *d, const struct source *s, struct vd_file *f, uint64_t offset,
	       uint64_t length)
{
	int r = s->c ? cursor_write(s->c, f, offset, length) :
		       file_zero(f, offset, length, s->unmap);

	disk_mark_dirty(d, s->c ? length : 0);
	return r;
}

static int grow(struct vd_disk *d, struct vd_file *f, uint64_t size)
{
	int r;

	LOCK_SCOPE(&d->grow_lock);
	pthread_mutex_lock(&d->lock);
	r = f->size >= size;
	pthread_mutex_unlock(&d->lock);
	if (r)
		return 0;
	r = storage_truncate(f->storage, size);
	__atomic_store_n(&f->data_dirty, true, __ATOMIC_RELEASE);
	if (r)
		return r;
	LOCK_SCOPE(&d->lock);
	f->size = max_u64(f->size, size);
	return 0;
}

/* Copies what the disk holds in [from, to) to its place in the reservation. */
static int fill(struct vd_disk *d, const struct reservation *res, uint64_t from, uint64_t to)
{
	CLEANUP_FREE char *buf = NULL;

	while (from < to) {
		uint64_t at = res->offset + (from - res->start), covered;
		struct run run;
		int r = lookup(d, from, to - from, &run, 1, &covered);

		if (r < 0)
			return r;
		if (run.kind == RUN_ERROR || run.kind == RUN_ABSENT)
			return -EIO;
		r = 0;
		if (run.kind == RUN_ZERO && !res->zeroed)
			r = file_zero(res->file, at, covered, true);
		if (run.kind == RUN_DATA) {
			struct iovec v;

			covered = min_u64(covered, COPY);
			if (!buf && posix_memalign((void **)&buf, 4096, min_u64(COPY, to - from)))
				return -ENOMEM;
			v = (struct iovec){ buf, covered };
			r = file_preadv(&d->image[run.level]->file[run.file], &v, 1, run.offset);
			if (!r)
				r = file_pwritev(res->file, &v, 1, at);
		}
		if (r)
			return r;
		from += covered;
	}
	return 0;
}

static int fill_and_put(struct vd_disk *d, const struct reservation *res, const struct source *s,
			uint64_t offset, uint64_t length)
{
	uint64_t at = res->offset + (offset - res->start);
	int r = 0;

	if (res->grow)
		r = grow(d, res->file, res->grow);
	if (!r)
		r = fill(d, res, res->start, offset);
	if (!r && (s->c || !res->zeroed))
		r = put(d, s, res->file, at, length);
	if (!r)
		r = fill(d, res, offset + length, res->start + res->length);
	disk_mark_dirty(d, 0);
	return r;
}

static void patch(struct vd_disk *d, const struct run *run)
{
	d->patches++;
	chainmap_patch(&d->map, run);
}

/* With the disk's lock and the range's: whether all of it reads as zeros. */
static bool is_zero(struct vd_disk *d, uint64_t offset, uint64_t length)
{
	while (length) {
		struct run run;
		int r = HOT_CALL(d, resolve(d, offset, length, &run));

		if (r || run.kind != RUN_ZERO)
			return false;
		offset += run.length;
		length -= run.length;
	}
	return true;
}

static int reserve(struct vd_disk *d, struct reservation *res)
{
	struct vd_image *leaf = disk_leaf(d);
	int r;

	LOCK_SCOPE(&d->lock);
	r = HOT_CALL(d, leaf->format->reserve(leaf, res));
	if (!r)
		res->unordered = res->zeroed &&
				 range_in(res->offset, res->length, res->file->durable_size) &&
				 is_zero(d, res->start, res->length);
	return r;
}

/* With the block's range locked, and the range absent in the leaf. Returns how much was done. */
static int64_t put_new(struct vd_disk *d, const struct source *s, uint64_t offset, uint64_t length)
{
	struct vd_image *leaf = disk_leaf(d);
	struct reservation res = { .start = offset, .length = length };
	int r = reserve(d, &res);

	if (r)
		return r;
	length = min_u64(length, res.start + res.length - offset);
	r = fill_and_put(d, &res, s, offset, length);
	LOCK_SCOPE(&d->lock);
	if (!r)
		r = HOT_CALL(d, leaf->format->publish(leaf, &res));
	if (r) {
		leaf->format->cancel(leaf, &res);
		return r;
	}
	patch(d, &(struct run) {
		.start = res.start, .length = res.length, .offset = res.offset,
		.kind = RUN_DATA, .file = (uint8_t)res.file->index, .in_place = true,
	});
	return (int64_t)length;
}

/* Asks the format to make a prefix zero by its map alone. */
static int64_t zero_by_map(struct vd_disk *d, uint64_t offset, uint64_t length)
{
	struct vd_image *leaf = disk_leaf(d);
	uint64_t done = 0;
	int r;

	if (!leaf->format->zero)
		return 0;
	LOCK_SCOPE(&d->lock);
	r = HOT_CALL(d, leaf->format->zero(leaf, offset, length, &done));
	if (r)
		return r;
	if (done)
		patch(d, &(struct run){ .start = offset, .length = done, .kind = RUN_ZERO });
	return (int64_t)done;
}

/* The range is not in place in the leaf, or was not a moment ago. Does a part of it, within one
 * block; returns how much. */
static int64_t put_in_block(struct vd_disk *d, const struct source *s, uint64_t offset,
			    uint64_t length)
{
	struct vd_image *leaf = disk_leaf(d);
	uint64_t start = align_down(offset, leaf->block_size);
	uint64_t end = start + min_u64(leaf->block_size, d->size - start);
	struct map_extent e = { 0 };
	struct rangelock lock;
	int64_t done = 0;
	int r;

	range_lock(&d->ranges, &lock, start, end);
	length = min_u64(length, end - offset);
	pthread_mutex_lock(&d->lock);
	r = HOT_CALL(d, leaf->format->map(leaf, offset, length, &e));
	pthread_mutex_unlock(&d->lock);
	if (r) {
		done = r;
	} else if (e.kind == MAP_ERROR) {
		done = -EIO;
	} else if (e.kind == MAP_DATA && e.in_place) {
		r = put(d, s, e.file, e.offset, e.length);
		done = r ? r : (int64_t)e.length;
	} else {
		if (!s->c)
			done = zero_by_map(d, offset, e.length);
		if (!done)
			done = put_new(d, s, offset, e.length);
	}
	range_unlock(&d->ranges, &lock);
	return done;
}

/* Too much unwritten metadata: the writer that makes more of it waits. */
static int keep_bounded(struct vd_disk *d)
{
	bool crowded;

	pthread_mutex_lock(&d->lock);
	crowded = meta_is_crowded(&d->meta);
	pthread_mutex_unlock(&d->lock);
	return crowded ? disk_flush(d) : 0;
}

static int finish(struct vd_disk *d, unsigned flags)
{
	return flags & VD_FUA ? vd_flush(d) : 0;
}

/* Writes what is in place of the runs, and stops behind the first piece that was not. */
static int64_t write_runs(struct vd_disk *d, const struct source *s, const struct run *runs,
			  unsigned n)
{
	uint64_t done = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct run *run = &runs[i];
		int64_t more;
		int r;

		if (run->kind == RUN_ERROR)
			return -EIO;
		if (run->kind == RUN_DATA && run->in_place) {
			r = put(d, s, &d->image[0]->file[run->file], run->offset, run->length);
			if (r)
				return r;
			done += run->length;
			continue;
		}
		r = keep_bounded(d);
		more = r ? r : put_in_block(d, s, run->start, runs[n - 1].start +
					    runs[n - 1].length - run->start);
		return more < 0 ? more : (int64_t)done + more;
	}
	return (int64_t)done;
}

static int write_range(struct vd_disk *d, const struct source *s, uint64_t offset, uint64_t left)
{
	int r;

	if (!range_in(offset, left, d->size))
		return -EINVAL;
	r = left ? disk_begin(d) : 0;
	if (r)
		return r;
	while (left) {
		struct run runs[RUNS];
		uint64_t covered;
		int n = lookup(d, offset, left, runs, RUNS, &covered);
		int64_t done = n < 0 ? n : write_runs(d, s, runs, (unsigned)n);

		if (done < 0)
			return (int)done;
		offset += (uint64_t)done;
		left -= (uint64_t)done;
	}
	return 0;
}

int vd_writev(struct vd_disk *d, const struct iovec *iov, int iovcnt, uint64_t offset,
	      unsigned flags)
{
	struct cursor c = { iov, iovcnt, 0 };
	struct source s = { &c, false };
	int r;

	gate_enter(&d->gate);
	r = write_range(d, &s, offset, iov_bytes(iov, iovcnt));
	gate_leave(&d->gate);
	return r ? r : finish(d, flags);
}

int vd_write(struct vd_disk *d, const void *buf, uint64_t length, uint64_t offset, unsigned flags)
{
	struct iovec v = { (void *)buf, length };

	return vd_writev(d, &v, 1, offset, flags);
}

static int zero_range(struct vd_disk *d, const struct source *s, uint64_t offset, uint64_t length)
{
	int r;

	if (!range_in(offset, length, d->size))
		return -EINVAL;
	r = length ? disk_begin(d) : 0;
	if (r)
		return r;
	while (length) {
		int64_t done;
		struct run run;

		/* Not through the chain map: a run may be as long as the disk. */
		pthread_mutex_lock(&d->lock);
		r = HOT_CALL(d, resolve(d, offset, length, &run));
		pthread_mutex_unlock(&d->lock);
		if (r)
			return r;
		if (run.kind == RUN_ERROR)
			return -EIO;
		done = (int64_t)run.length;
		if (run.kind == RUN_DATA && run.in_place) {
			r = put(d, s, &d->image[0]->file[run.file], run.offset, run.length);
		} else if (run.kind != RUN_ZERO) {
			r = keep_bounded(d);
			if (!r)
				done = put_in_block(d, s, offset, run.length);
		}
		if (r || done < 0)
			return r ? r : (int)done;
		offset += (uint64_t)done;
		length -= (uint64_t)done;
	}
	return 0;
}

int vd_write_zeroes(struct vd_disk *d, uint64_t offset, uint64_t length, unsigned flags)
{
	struct source s = { NULL, (flags & VD_MAY_UNMAP) && !disk_leaf(d)->keeps_space };
	int r;

	gate_enter(&d->gate);
	r = zero_range(d, &s, offset, length);
	gate_leave(&d->gate);
	return r ? r : finish(d, flags);
}

int vd_discard(struct vd_disk *d, uint64_t offset, uint64_t length, unsigned flags)
{
	return vd_write_zeroes(d, offset, length, flags | VD_MAY_UNMAP);
}
