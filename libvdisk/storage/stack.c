/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stack.c - calls that go on to the lower storage. See stack.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"

int stacked_init(struct stacked *t, const struct vd_storage_ops *ops, struct vd_storage *lower)
{
	t->base.path = strdup(lower->path);
	if (!t->base.path)
		return -ENOMEM;
	t->base.ops = ops;
	t->base.align = lower->align;
	t->base.writable = lower->writable;
	t->lower = lower;
	return 0;
}

void stacked_fini(struct stacked *t)
{
	storage_close(t->lower);
	free(t->base.path);
}

int stacked_preadv(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	return storage_preadv(lower_of(s), iov, n, offset);
}

int stacked_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	return storage_pwritev(lower_of(s), iov, n, offset);
}

int stacked_sync(struct vd_storage *s)
{
	return storage_sync(lower_of(s));
}

int stacked_truncate(struct vd_storage *s, uint64_t size)
{
	return storage_truncate(lower_of(s), size);
}

/* Not by storage_zero: if it has to be written, that is for the layer above to do, call by call. */
int stacked_punch(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	struct vd_storage *lower = lower_of(s);

	return lower->ops->punch ? lower->ops->punch(lower, offset, length) : -EOPNOTSUPP;
}

int stacked_zero(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	struct vd_storage *lower = lower_of(s);

	return lower->ops->zero ? lower->ops->zero(lower, offset, length) : -EOPNOTSUPP;
}

int stacked_size(struct vd_storage *s, uint64_t *size)
{
	return storage_size(lower_of(s), size);
}

int stacked_extent(struct vd_storage *s, uint64_t offset, uint64_t limit, bool *data,
		   uint64_t *length)
{
	return storage_extent(lower_of(s), offset, limit, data, length);
}

int stacked_allocated(struct vd_storage *s, uint64_t *bytes)
{
	return storage_allocated(lower_of(s), bytes);
}

int stacked_lock(struct vd_storage *s, bool write, struct vd_error *err)
{
	return storage_lock(lower_of(s), write, err);
}
