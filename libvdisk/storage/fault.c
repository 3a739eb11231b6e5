/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fault.c - for tests: a storage whose Nth call fails. A call that fails did nothing. Asking for
 * the size, extents or a lock is not counted and does not fail.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "cleanup.h"
#include "stack.h"

struct fault {
	struct stacked stacked;
	pthread_mutex_t lock;		/* of all below */
	unsigned kinds;
	uint64_t nth, calls;
	int error;
	bool for_ever, fired;
};

static struct fault *fault_of(struct vd_storage *s)
{
	return (struct fault *)s;
}

static int fault_due(struct vd_storage *s, enum fault_kind kind)
{
	struct fault *f = fault_of(s);
	LOCK_SCOPE(&f->lock);

	if (!(f->kinds & kind))
		return 0;
	f->calls++;
	if (f->nth == 0 || f->calls < f->nth || (f->calls > f->nth && !f->for_ever))
		return 0;
	f->fired = true;
	return f->error;
}

static int fault_preadv(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	int err = fault_due(s, FAULT_READ);

	return err < 0 ? err : stacked_preadv(s, iov, n, offset);
}

static int fault_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	int err = fault_due(s, FAULT_WRITE);

	return err < 0 ? err : stacked_pwritev(s, iov, n, offset);
}

static int fault_sync(struct vd_storage *s)
{
	int err = fault_due(s, FAULT_SYNC);

	return err < 0 ? err : stacked_sync(s);
}

static int fault_truncate(struct vd_storage *s, uint64_t size)
{
	int err = fault_due(s, FAULT_RESIZE);

	return err < 0 ? err : stacked_truncate(s, size);
}

static int fault_punch(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	int err = fault_due(s, FAULT_ZERO);

	return err < 0 ? err : stacked_punch(s, offset, length);
}

static int fault_zero(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	int err = fault_due(s, FAULT_ZERO);

	return err < 0 ? err : stacked_zero(s, offset, length);
}

static void fault_close(struct vd_storage *s)
{
	stacked_fini(&fault_of(s)->stacked);
	pthread_mutex_destroy(&fault_of(s)->lock);
	free(s);
}

static const struct vd_storage_ops fault_ops = {
	.name = "fault",
	.preadv = fault_preadv,
	.pwritev = fault_pwritev,
	.sync = fault_sync,
	.truncate = fault_truncate,
	.punch = fault_punch,
	.zero = fault_zero,
	.size = stacked_size,
	.extent = stacked_extent,
	.allocated = stacked_allocated,
	.lock = stacked_lock,
	.close = fault_close,
};

int storage_open_fault(struct vd_storage *lower, struct vd_storage **out)
{
	struct fault *f = calloc(1, sizeof(*f));
	int err = f ? stacked_init(&f->stacked, &fault_ops, lower) : -ENOMEM;

	if (err < 0) {
		free(f);
		return err;
	}
	pthread_mutex_init(&f->lock, NULL);
	*out = &f->stacked.base;
	return 0;
}

void storage_fault_arm(struct vd_storage *s, unsigned kinds, uint64_t nth, int error, bool for_ever)
{
	struct fault *f = fault_of(s);
	LOCK_SCOPE(&f->lock);

	f->kinds = kinds;
	f->nth = nth;
	f->calls = 0;
	f->error = error > 0 ? -error : error;
	f->for_ever = for_ever;
	f->fired = false;
}

bool storage_fault_fired(struct vd_storage *s)
{
	LOCK_SCOPE(&fault_of(s)->lock);

	return fault_of(s)->fired;
}

uint64_t storage_fault_calls(struct vd_storage *s)
{
	LOCK_SCOPE(&fault_of(s)->lock);

	return fault_of(s)->calls;
}
