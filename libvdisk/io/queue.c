/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue.c - the submitter's side: completions of many disks, collected in one place. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "core/disk.h"
#include "io/engine.h"
#include "io/group.h"

struct vd_queue {
	pthread_mutex_t lock;		/* before a disk's engine_lock, a group's, an engine's */
	pthread_cond_t done;
	int fd;				/* an eventfd: readable while first is not NULL */
	struct vd_request *first, *last;	/* completed, not reaped */
	unsigned in_flight;		/* submitted, not completed */
};

int vd_queue_create(struct vd_queue **out)
{
	struct vd_queue *q = calloc(1, sizeof(*q));
	pthread_condattr_t monotonic;

	if (!q)
		return -ENOMEM;
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fd < 0) {
		int r = -errno;

		free(q);
		return r;
	}
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&q->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*out = q;
	return 0;
}

void vd_queue_destroy(struct vd_queue *q)
{
	if (!q)
		return;
	pthread_mutex_lock(&q->lock);
	while (q->in_flight)
		pthread_cond_wait(&q->done, &q->lock);
	pthread_mutex_unlock(&q->lock);
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->done);
	close(q->fd);
	free(q);
}

int vd_queue_fd(const struct vd_queue *q)
{
	return q->fd;
}

/* To the disk's engine, which its first request makes, through its group, if it is in one. */
static int dispatch(struct vd_request *rq)
{
	struct vd_disk *d = rq->disk;
	int r = 0;

	LOCK_SCOPE(&d->engine_lock);
	if (!d->engine)
		r = engine_new(&d->engine);
	if (r)
		return r;
	return d->group ? group_submit(d->group, d->engine, rq) : engine_submit(d->engine, rq);
}

int vd_queue_submit(struct vd_queue *q, struct vd_request *rq)
{
	int r;

	if (!rq->disk || (unsigned)rq->op > VD_OP_FLUSH || rq->iovcnt < 0)
		return -EINVAL;
	pthread_mutex_lock(&q->lock);
	rq->private_[RQ_QUEUE] = q;
	rq_set_holder(rq, NULL);
	q->in_flight++;
	pthread_mutex_unlock(&q->lock);
	r = dispatch(rq);
	if (r) {
		LOCK_SCOPE(&q->lock);
		rq->private_[RQ_QUEUE] = NULL;
		q->in_flight--;
		pthread_cond_broadcast(&q->done);
	}
	return r;
}

static void complete_locked(struct vd_queue *q, struct vd_request *rq, int status)
{
	uint64_t one = 1;

	rq->status = status;
	rq->private_[RQ_NEXT] = NULL;
	if (q->last)
		q->last->private_[RQ_NEXT] = rq;
	else
		q->first = rq;
	q->last = rq;
	q->in_flight--;
	/* Cannot fail: the counter is far from full. */
	if (q->first == rq && write(q->fd, &one, sizeof(one)) < 0)
		rq->status = status;
	pthread_cond_broadcast(&q->done);
}

void queue_complete(struct vd_request *rq, int status)
{
	struct vd_queue *q = rq->private_[RQ_QUEUE];

	LOCK_SCOPE(&q->lock);
	complete_locked(q, rq, status);
}

static void deadline(struct timespec *t, int ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += ms / 1000;
	t->tv_nsec += ms % 1000 * 1000000L;
	if (t->tv_nsec >= 1000000000L) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000L;
	}
}

static void wait_for_one(struct vd_queue *q, int timeout_ms)
{
	struct timespec until;

	if (timeout_ms > 0)
		deadline(&until, timeout_ms);
	while (!q->first && q->in_flight && timeout_ms)
		if (timeout_ms < 0)
			pthread_cond_wait(&q->done, &q->lock);
		else if (pthread_cond_timedwait(&q->done, &q->lock, &until) == ETIMEDOUT)
			return;
}

int vd_queue_reap(struct vd_queue *q, struct vd_request **out, unsigned max, int timeout_ms)
{
	uint64_t count;
	unsigned n = 0;

	LOCK_SCOPE(&q->lock);
	wait_for_one(q, timeout_ms);
	while (n < max && q->first) {
		struct vd_request *rq = q->first;

		q->first = rq->private_[RQ_NEXT];
		if (!q->first)
			q->last = NULL;
		rq->private_[RQ_QUEUE] = NULL;
		out[n++] = rq;
	}
	if (n && !q->first && read(q->fd, &count, sizeof(count)) < 0)
		return errno == EAGAIN ? (int)n : -errno;
	return (int)n;
}

/* Whether it was taken back from where it waited. */
static bool withdraw(struct vd_request *rq)
{
	struct vd_disk *d = rq->disk;

	LOCK_SCOPE(&d->engine_lock);
	return (d->group && group_withdraw(d->group, rq)) ||
	       (d->engine && engine_withdraw(d->engine, rq));
}

int vd_queue_cancel(struct vd_queue *q, struct vd_request *rq)
{
	/* Until it is reaped, which takes the lock, the request stays what it is. */
	LOCK_SCOPE(&q->lock);
	if (rq->private_[RQ_QUEUE] != q)
		return -ENOENT;
	if (withdraw(rq))
		complete_locked(q, rq, -ECANCELED);
	return 0;
}
