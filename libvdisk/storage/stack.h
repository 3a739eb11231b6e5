/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stack.h - what storages that are stacked on another one have in common: every call that they do
 * not care about goes on to the lower one. What the lower one cannot do, the stack cannot either.
 */
#ifndef VIMG_STORAGE_STACK_H
#define VIMG_STORAGE_STACK_H

#include "storage.h"

struct stacked {
	struct vd_storage base;
	struct vd_storage *lower;
};

/* Fills in the struct, which begins with zeros, and takes over lower, unless it gives -ENOMEM. */
int stacked_init(struct stacked *t, const struct vd_storage_ops *ops, struct vd_storage *lower);
void stacked_fini(struct stacked *t);	/* closes lower; the caller frees t */

static inline struct vd_storage *lower_of(struct vd_storage *s)
{
	return ((struct stacked *)s)->lower;
}

int stacked_preadv(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset);
int stacked_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset);
int stacked_sync(struct vd_storage *s);
int stacked_truncate(struct vd_storage *s, uint64_t size);
int stacked_punch(struct vd_storage *s, uint64_t offset, uint64_t length);
int stacked_zero(struct vd_storage *s, uint64_t offset, uint64_t length);
int stacked_size(struct vd_storage *s, uint64_t *size);
int stacked_extent(struct vd_storage *s, uint64_t offset, uint64_t limit, bool *data,
		   uint64_t *length);
int stacked_allocated(struct vd_storage *s, uint64_t *bytes);
int stacked_lock(struct vd_storage *s, bool write, struct vd_error *err);

#endif
