/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stall.c - for tests: a storage whose calls wait until they are told to go on. They wait before
 * they do anything. Whoever closes it sees to it that none does.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "cleanup.h"
#include "stack.h"

struct stall {
	struct stacked stacked;
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t changed;
	unsigned kinds, waiting;
};

static struct stall *stall_of(struct vd_storage *s)
{
	return (struct stall *)s;
}

static void stall_wait(struct vd_storage *s, enum fault_kind kind)
{
	struct stall *t = stall_of(s);
	LOCK_SCOPE(&t->lock);

	t->waiting++;
	while (t->kinds & kind)
		pthread_cond_wait(&t->changed, &t->lock);
	t->waiting--;
}

static int stall_preadv(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	stall_wait(s, FAULT_READ);
	return stacked_preadv(s, iov, n, offset);
}

static int stall_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	stall_wait(s, FAULT_WRITE);
	return stacked_pwritev(s, iov, n, offset);
}

static int stall_sync(struct vd_storage *s)
{
	stall_wait(s, FAULT_SYNC);
	return stacked_sync(s);
}

static int stall_truncate(struct vd_storage *s, uint64_t size)
{
	stall_wait(s, FAULT_RESIZE);
	return stacked_truncate(s, size);
}

static int stall_punch(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	stall_wait(s, FAULT_ZERO);
	return stacked_punch(s, offset, length);
}

static int stall_zero(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	stall_wait(s, FAULT_ZERO);
	return stacked_zero(s, offset, length);
}

static void stall_close(struct vd_storage *s)
{
	stacked_fini(&stall_of(s)->stacked);
	pthread_cond_destroy(&stall_of(s)->changed);
	pthread_mutex_destroy(&stall_of(s)->lock);
	free(s);
}

static const struct vd_storage_ops stall_ops = {
	.name = "stall",
	.preadv = stall_preadv,
	.pwritev = stall_pwritev,
	.sync = stall_sync,
	.truncate = stall_truncate,
	.punch = stall_punch,
	.zero = stall_zero,
	.size = stacked_size,
	.extent = stacked_extent,
	.allocated = stacked_allocated,
	.lock = stacked_lock,
	.close = stall_close,
};

int storage_open_stall(struct vd_storage *lower, struct vd_storage **out)
{
	struct stall *t = calloc(1, sizeof(*t));
	int err = t ? stacked_init(&t->stacked, &stall_ops, lower) : -ENOMEM;

	if (err < 0) {
		free(t);
		return err;
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	*out = &t->stacked.base;
	return 0;
}

void storage_stall_set(struct vd_storage *s, unsigned kinds)
{
	struct stall *t = stall_of(s);
	LOCK_SCOPE(&t->lock);

	t->kinds = kinds;
	pthread_cond_broadcast(&t->changed);
}

unsigned storage_stall_waiting(struct vd_storage *s)
{
	LOCK_SCOPE(&stall_of(s)->lock);

	return stall_of(s)->waiting;
}
