/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * storage.c - what is the same for every storage: argument checks, splitting of long transfers,
 * stand-ins for what a storage cannot do. The contract is in storage.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "internal.h"

/* One call moves no more than this: below what Linux moves at once, and a multiple of any align. */
#define PIECE_BYTES (1u << 30)
#define PIECE_IOVS 256

/* A transfer ends here at the latest: off_t is signed. */
#define END_MAX ((uint64_t)INT64_MAX)

/* Only ever read; not const, so that it takes no room in the library's file. */
static uint8_t zeros[64 << 10] __attribute__((aligned(4096)));

int storage_fail(struct vd_error *err, int code, const char *path, const char *format, ...)
{
	va_list ap;
	int n;

	if (!err)
		return code;
	err->remedies = 0;
	n = snprintf(err->text, sizeof(err->text), "%s: ", path);
	if (n < 0 || (size_t)n >= sizeof(err->text))
		return code;
	va_start(ap, format);
	vsnprintf(err->text + n, sizeof(err->text) - n, format, ap);
	va_end(ap);
	return code;
}

uint64_t storage_iov_length(const struct iovec *iov, int n)
{
	uint64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

int storage_iov_part(struct iovec *out, int max, const struct iovec *iov, int n, uint64_t skip,
		     uint64_t limit)
{
	int count = 0;

	for (int i = 0; i < n && count < max && limit > 0; i++) {
		size_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part -= skip;
		if (part > limit)
			part = limit;
		out[count].iov_base = (uint8_t *)iov[i].iov_base + skip;
		out[count++].iov_len = part;
		limit -= part;
		skip = 0;
	}
	return count;
}

static bool aligned(const struct vd_storage *s, uint64_t value)
{
	return (value & (s->align - 1)) == 0;
}

/* Checks what no storage should have to: sums, alignment. */
static int check_iov(const struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset,
		     uint64_t *end)
{
	*end = offset;
	if (n < 0 || !aligned(s, offset))
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if (!add_u64(*end, iov[i].iov_len, end))
			return -EINVAL;
		if (s->align > 1 && !aligned(s, (uintptr_t)iov[i].iov_base | iov[i].iov_len))
			return -EINVAL;
	}
	return 0;
}

typedef int move_fn(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset);

static int move(struct vd_storage *s, move_fn *fn, const struct iovec *iov, int n, uint64_t offset,
		uint64_t end)
{
	struct iovec piece[PIECE_IOVS];
	uint64_t length = end - offset, done = 0, part;
	int err, count;

	if (length == 0)
		return 0;
	if (n <= IOV_MAX && length <= PIECE_BYTES)
		return fn(s, iov, n, offset);
	/* An iovec that was cut is found again from the start: long lists are rare and short. */
	for (; done < length; done += part) {
		count = storage_iov_part(piece, PIECE_IOVS, iov, n, done, PIECE_BYTES);
		part = storage_iov_length(piece, count);
		err = fn(s, piece, count, offset + done);
		if (err < 0)
			return err;
	}
	return 0;
}

int storage_preadv(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	uint64_t end, size;
	int err = check_iov(s, iov, n, offset, &end);

	if (err < 0)
		return err;
	err = s->ops->size(s, &size);
	if (err < 0)
		return err;
	if (end > size)
		return -EINVAL;
	return move(s, s->ops->preadv, iov, n, offset, end);
}

int64_t storage_preadv_now(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	uint64_t end, size;
	int err = check_iov(s, iov, n, offset, &end);

	if (err < 0)
		return err;
	err = s->ops->size(s, &size);
	if (err < 0)
		return err;
	if (end > size)
		return -EINVAL;
	return s->ops->preadv_now ? s->ops->preadv_now(s, iov, n, offset) : -EAGAIN;
}

int storage_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	uint64_t end;
	int err = check_iov(s, iov, n, offset, &end);

	if (err < 0)
		return err;
	if (!s->writable)
		return -EROFS;
	if (end > END_MAX)
		return -EFBIG;
	return move(s, s->ops->pwritev, iov, n, offset, end);
}

int storage_pread(struct vd_storage *s, void *buf, uint64_t length, uint64_t offset)
{
	struct iovec iov = { .iov_base = buf, .iov_len = length };

	if (length > SIZE_MAX)
		return -EINVAL;
	return storage_preadv(s, &iov, 1, offset);
}

int storage_pwrite(struct vd_storage *s, const void *buf, uint64_t length, uint64_t offset)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = length };

	if (length > SIZE_MAX)
		return -EINVAL;
	return storage_pwritev(s, &iov, 1, offset);
}

bool storage_has_end(const struct vd_storage *s)
{
	return s->align > 1 && s->ops->pwrite_end;
}

int storage_pread_end(struct vd_storage *s, void *buf, uint64_t length, uint64_t offset)
{
	uint64_t size;
	int err = s->ops->size(s, &size);

	if (err < 0)
		return err;
	if (!s->ops->pread_end || !range_in(offset, length, size))
		return -EINVAL;
	return s->ops->pread_end(s, buf, length, offset);
}

int storage_pwrite_end(struct vd_storage *s, const void *buf, uint64_t length, uint64_t offset)
{
	if (!s->writable)
		return -EROFS;
	return s->ops->pwrite_end ? s->ops->pwrite_end(s, buf, length, offset) : -EINVAL;
}

int storage_sync(struct vd_storage *s)
{
	return s->ops->sync ? s->ops->sync(s) : 0;
}

int storage_truncate(struct vd_storage *s, uint64_t size)
{
	if (!aligned(s, size) && !storage_has_end(s))
		return -EINVAL;
	if (!s->writable)
		return -EROFS;
	if (size > END_MAX)
		return -EFBIG;
	return s->ops->truncate ? s->ops->truncate(s, size) : -ENOTSUP;
}

int storage_write_zeros(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	struct iovec iov[(1 << 20) / sizeof(zeros)];
	const int max = ARRAY_SIZE(iov);
	int err;

	while (length > 0) {
		uint64_t done = 0;
		int n = 0;

		for (; n < max && done < length; n++) {
			uint64_t part = length - done;

			iov[n].iov_base = zeros;
			iov[n].iov_len = part < sizeof(zeros) ? part : sizeof(zeros);
			done += iov[n].iov_len;
		}
		err = storage_pwritev(s, iov, n, offset);
		if (err < 0)
			return err;
		offset += done;
		length -= done;
	}
	return 0;
}

int storage_zero(struct vd_storage *s, uint64_t offset, uint64_t length, bool unmap)
{
	uint64_t size;
	int err;

	if (!aligned(s, offset | length))
		return -EINVAL;
	if (!s->writable)
		return -EROFS;
	err = s->ops->size(s, &size);
	if (err < 0)
		return err;
	if (!range_in(offset, length, size))
		return -EINVAL;
	if (length == 0)
		return 0;
	err = -EOPNOTSUPP;
	if (unmap && s->ops->punch)
		err = s->ops->punch(s, offset, length);
	if (err == -EOPNOTSUPP && s->ops->zero)
		err = s->ops->zero(s, offset, length);
	if (err == -EOPNOTSUPP)
		err = storage_write_zeros(s, offset, length);
	return err;
}

int storage_size(struct vd_storage *s, uint64_t *size)
{
	return s->ops->size(s, size);
}

int storage_extent(struct vd_storage *s, uint64_t offset, uint64_t limit, bool *data,
		   uint64_t *length)
{
	uint64_t size;
	int err = s->ops->size(s, &size);

	if (err < 0)
		return err;
	if (offset >= size || limit == 0)
		return -EINVAL;
	if (limit > size - offset)
		limit = size - offset;
	if (s->ops->extent)
		return s->ops->extent(s, offset, limit, data, length);
	*data = true;
	*length = limit;
	return 0;
}

int storage_allocated(struct vd_storage *s, uint64_t *bytes)
{
	return s->ops->allocated ? s->ops->allocated(s, bytes) : s->ops->size(s, bytes);
}

int storage_lock(struct vd_storage *s, bool write, struct vd_error *err)
{
	return s->ops->lock ? s->ops->lock(s, write, err) : 0;
}

void storage_close(struct vd_storage *s)
{
	if (s)
		s->ops->close(s);
}
