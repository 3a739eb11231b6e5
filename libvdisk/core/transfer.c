/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * transfer.c - bytes between the caller's memory and one file, of any alignment.
 *
 * A storage that wants alignment gets it through a bounce buffer. A write that does not fill whole
 * pieces of that alignment reads, modifies and writes them back alone; other writes to the file
 * wait meanwhile, for they may be about the rest of such a piece.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

#define BOUNCE (1u << 20)

uint64_t iov_bytes(const struct iovec *iov, int n)
{
	uint64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

uint64_t cursor_take(struct cursor *c, uint64_t length, struct iovec *out, int max, int *n)
{
	uint64_t got = 0;

	for (*n = 0; got < length && *n < max && c->n;) {
		size_t left = c->iov->iov_len - c->skip;
		size_t take = (size_t)min_u64(left, length - got);

		if (take)
			out[(*n)++] = (struct iovec){ (char *)c->iov->iov_base + c->skip, take };
		got += take;
		c->skip += take;
		if (c->skip == c->iov->iov_len) {
			c->iov++;
			c->n--;
			c->skip = 0;
		}
	}
	return got;
}

bool file_aligned(const struct vd_file *f, const struct iovec *iov, int n, uint64_t offset)
{
	uint64_t all = offset;

	if (f->storage->align <= 1)
		return true;
	for (int i = 0; i < n; i++)
		all |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
	return is_aligned(all, f->storage->align);
}

void cursor_skip(struct cursor *c, uint64_t n)
{
	struct iovec v;
	int pieces;

	while (n) {
		uint64_t got = cursor_take(c, n, &v, 1, &pieces);

		if (!got)
			break;
		n -= got;
	}
}

/* For `length` bytes and what alignment adds at both ends; at most BOUNCE. */
static void *bounce_new(const struct vd_file *f, uint64_t length)
{
	uint64_t align = max_u64(f->storage->align, sizeof(void *));
	uint64_t size = length < BOUNCE ? div_up(length, align) * align + align : BOUNCE;
	void *p;

	return posix_memalign(&p, align, min_u64(size, BOUNCE)) ? NULL : p;
}

static void copy(struct cursor *c, char *buf, uint64_t length, bool to_iov)
{
	struct iovec v;
	int n;

	while (length && cursor_take(c, length, &v, 1, &n)) {
		if (!n)
			continue;
		if (to_iov)
			memcpy(v.iov_base, buf, v.iov_len);
		else
			memcpy(buf, v.iov_base, v.iov_len);
		buf += v.iov_len;
		length -= v.iov_len;
	}
}

/* Reads what there is of [offset, offset + length), zeros behind the end. */
static int read_padded(struct vd_file *f, char *buf, uint64_t length, uint64_t offset)
{
	uint64_t size, n, whole, n_whole;
	int r = storage_size(f->storage, &size);

	if (r)
		return r;
	n = offset < size ? min_u64(length, size - offset) : 0;
	whole = align_down(size, f->storage->align);
	n_whole = offset < whole ? min_u64(n, whole - offset) : 0;
	memset(buf + n, 0, length - n);
	if (n_whole)
		r = storage_pread(f->storage, buf, n_whole, offset);
	if (!r && n > n_whole)
		r = storage_pread_end(f->storage, buf + n_whole, n - n_whole, offset + n_whole);
	return r;
}

int file_preadv(struct vd_file *f, const struct iovec *iov, int n, uint64_t offset)
{
	struct cursor c = { iov, n, 0 };
	uint64_t left = iov_bytes(iov, n);
	CLEANUP_FREE char *buf = NULL;
	uint32_t align = f->storage->align;

	if (file_aligned(f, iov, n, offset))
		return storage_preadv(f->storage, iov, n, offset);
	buf = bounce_new(f, left);
	if (!buf)
		return -ENOMEM;
	while (left) {
		uint64_t from = align_down(offset, align), in = offset - from;
		uint64_t take = min_u64(left, BOUNCE - in);
		uint64_t span = div_up(in + take, align) * align;
		int r = read_padded(f, buf, span, from);

		if (r)
			return r;
		copy(&c, buf + in, take, true);
		offset += take;
		left -= take;
	}
	return 0;
}

/* One piece of a write that is not aligned: the edges are read first. */
static int write_bounced(struct vd_file *f, struct cursor *c, char *buf, uint64_t offset,
			 uint64_t length)
{
	uint32_t align = f->storage->align;
	uint64_t from = align_down(offset, align), in = offset - from;
	uint64_t span = div_up(in + length, align) * align;
	bool tail = (in + length) % align;
	int r = 0;

	if (in || (tail && span == align))
		r = read_padded(f, buf, align, from);
	if (!r && tail && span > align)
		r = read_padded(f, buf + span - align, align, from + span - align);
	if (r)
		return r;
	copy(c, buf + in, length, false);
	return storage_pwrite(f->storage, buf, span, from);
}

/* From where on the storage wants its end written in its own way, if something is written up to
 * *end. */
static int where_it_ends(const struct vd_file *f, uint64_t *end)
{
	uint64_t size;
	int r;

	if (!storage_has_end(f->storage)) {
		*end = UINT64_MAX;
		return 0;
	}
	r = storage_size(f->storage, &size);
	*end = align_down(max_u64(size, *end), f->storage->align);
	return r;
}

static int pwritev_bounced(struct vd_file *f, const struct iovec *iov, int n, uint64_t offset)
{
	struct cursor c = { iov, n, 0 };
	uint64_t left = iov_bytes(iov, n);
	CLEANUP_FREE char *buf = bounce_new(f, left);
	int r = buf ? 0 : -ENOMEM;

	while (!r && left) {
		uint64_t take = min_u64(left, BOUNCE - offset % f->storage->align);
		uint64_t end = offset + left;

		r = where_it_ends(f, &end);
		if (!r && offset >= end) {
			copy(&c, buf, take, false);
			r = storage_pwrite_end(f->storage, buf, take, offset);
		} else if (!r) {
			take = min_u64(take, end - offset);
			r = write_bounced(f, &c, buf, offset, take);
		}
		offset += take;
		left -= take;
	}
	return r;
}

/* Until gate_open(). */
static void be_alone(struct vd_file *f)
{
	gate_shut(&f->rmw);
	/* A request in a ring leaves when its queue is reaped, which may be up to this thread. */
	if (f->image && f->image->disk)
		disk_drain(f->image->disk);
	gate_await(&f->rmw);
}

int file_pwritev(struct vd_file *f, const struct iovec *iov, int n, uint64_t offset)
{
	bool whole = file_aligned(f, iov, n, offset);
	int r;

	if (f->storage->align <= 1) {
		r = storage_pwritev(f->storage, iov, n, offset);
	} else if (whole) {
		gate_enter(&f->rmw);
		r = storage_pwritev(f->storage, iov, n, offset);
		gate_leave(&f->rmw);
	} else {
		be_alone(f);
		r = pwritev_bounced(f, iov, n, offset);
		gate_open(&f->rmw);
	}
	/* Also after an error: part of it may have been written. */
	__atomic_store_n(&f->data_dirty, true, __ATOMIC_RELEASE);
	return r;
}

static int write_zeros(struct vd_file *f, uint64_t offset, uint64_t length)
{
	static const char zeros[4096];

	while (length) {
		struct iovec v = { (void *)zeros, (size_t)min_u64(length, sizeof(zeros)) };
		int r = file_pwritev(f, &v, 1, offset);

		if (r)
			return r;
		offset += v.iov_len;
		length -= v.iov_len;
	}
	return 0;
}

int file_zero(struct vd_file *f, uint64_t offset, uint64_t length, bool unmap)
{
	uint32_t align = f->storage->align;
	uint64_t head = 0, tail = 0;
	int r = 0;

	if (align > 1) {
		head = min_u64(length, div_up(offset, align) * align - offset);
		tail = (offset + length) % align;
		tail = min_u64(tail, length - head);
	}
	if (head)
		r = write_zeros(f, offset, head);
	if (!r && tail)
		r = write_zeros(f, offset + length - tail, tail);
	if (!r && length > head + tail) {
		gate_enter(&f->rmw);
		r = storage_zero(f->storage, offset + head, length - head - tail, unmap);
		gate_leave(&f->rmw);
	}
	__atomic_store_n(&f->data_dirty, true, __ATOMIC_RELEASE);
	return r;
}

#define PIECES 64

static int cursor_move(struct cursor *c, struct vd_file *f, uint64_t offset, uint64_t length,
		       int (*move)(struct vd_file *, const struct iovec *, int, uint64_t))
{
	struct iovec v[PIECES];

	while (length) {
		int n, r;
		uint64_t got = cursor_take(c, length, v, PIECES, &n);

		r = got ? move(f, v, n, offset) : -EINVAL;
		if (r)
			return r;
		offset += got;
		length -= got;
	}
	return 0;
}

int cursor_read(struct cursor *c, struct vd_file *f, uint64_t offset, uint64_t length)
{
	return cursor_move(c, f, offset, length, file_preadv);
}

int cursor_write(struct cursor *c, struct vd_file *f, uint64_t offset, uint64_t length)
{
	return cursor_move(c, f, offset, length, file_pwritev);
}

void cursor_zero(struct cursor *c, uint64_t length)
{
	struct iovec v;
	int n;

	while (length) {
		uint64_t got = cursor_take(c, length, &v, 1, &n);

		if (!got)
			break;
		memset(v.iov_base, 0, v.iov_len);
		length -= got;
	}
}

int file_read(struct vd_file *f, void *buf, uint64_t length, uint64_t offset, const char *what,
	      struct vd_error *err)
{
	struct iovec v = { buf, length };
	int r;

	if (!range_in(offset, length, f->size))
		return image_fail(f->image, err, -EUCLEAN,
				  "%s at offset %llu, %llu bytes long, passes the end of the file"
				  " at %llu", what, (unsigned long long)offset,
				  (unsigned long long)length, (unsigned long long)f->size);
	r = file_preadv(f, &v, 1, offset);
	if (r)
		return image_fail(f->image, err, r, "reading the %s at offset %llu: %s", what,
				  (unsigned long long)offset, strerror(-r));
	return 0;
}

int file_write_zeros(struct vd_file *f, uint64_t offset, uint64_t length, bool reserve,
		     struct vd_error *err)
{
	int r = file_zero(f, offset, length, !reserve);

	if (r)
		return image_fail(f->image, err, r, "cannot write %llu zeros at offset %llu: %s",
				  (unsigned long long)length, (unsigned long long)offset,
				  strerror(-r));
	return 0;
}

int file_make_durable(struct vd_file *f, struct vd_error *err)
{
	int r = storage_sync(f->storage);

	if (!r)
		return 0;
	if (f->image->disk)
		__atomic_store_n(&f->image->disk->failed, -EIO, __ATOMIC_RELEASE);
	return image_fail(f->image, err, r, "cannot make what was written durable: %s",
			  strerror(-r));
}

int file_write(struct vd_file *f, const void *buf, uint64_t length, uint64_t offset,
	       const char *what, struct vd_error *err)
{
	struct iovec v = { (void *)buf, length };
	int r = file_pwritev(f, &v, 1, offset);

	if (r)
		return image_fail(f->image, err, r, "writing the %s at offset %llu: %s", what,
				  (unsigned long long)offset, strerror(-r));
	f->size = max_u64(f->size, offset + length);
	return 0;
}
