/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.c - the submitter's side: requests on their way, completions of many disks collected in one
 * place. queue.h has the ways that a request may go.
 *
 * The eventfd is signalled by us when a completion is put into an empty list, and by the kernel
 * for each completion in the ring; it is reset when all is reaped. Who waits, waits for it.
 */
#include "io/queue.h"

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
#include "io/ring.h"
#include "io/straight.h"

struct vd_queue {
	pthread_mutex_t lock;		/* before a disk's engine_lock, a group's, an engine's */
	int fd;				/* an eventfd */
	unsigned refs;			/* atomic */
	unsigned ways;			/* enum queue_way */
	struct ring *ring;		/* atomic; NULL until one is needed */
	struct vd_request *first, *last;	/* completed, not reaped */
	unsigned in_flight;		/* submitted, not completed */
	unsigned waiting;		/* threads in vd_queue_reap() */
	bool reaping;			/* what completes now is about to be taken */
};

int vd_queue_create(struct vd_queue **out)
{
	struct vd_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fd < 0) {
		int r = -errno;

		free(q);
		return r;
	}
	pthread_mutex_init(&q->lock, NULL);
	q->refs = 1;
	q->ways = QUEUE_ALL_WAYS;
	*out = q;
	return 0;
}

void queue_limit_ways(struct vd_queue *q, unsigned ways)
{
	q->ways = ways;
}

static void queue_unref(struct vd_queue *q)
{
	if (__atomic_sub_fetch(&q->refs, 1, __ATOMIC_ACQ_REL))
		return;
	ring_free(q->ring);
	pthread_mutex_destroy(&q->lock);
	close(q->fd);
	free(q);
}

void vd_queue_destroy(struct vd_queue *q)
{
	struct vd_request *dropped[64];

	if (!q)
		return;
	while (vd_queue_reap(q, dropped, 64, -1) > 0)
		;
	queue_unref(q);
}

int vd_queue_fd(const struct vd_queue *q)
{
	return q->fd;
}

/* Cannot fail: the counter is far from full. */
static void signal_fd(struct vd_queue *q)
{
	uint64_t one = 1;
	ssize_t r = write(q->fd, &one, sizeof(one));

	(void)r;
}

static void reset_fd(struct vd_queue *q)
{
	uint64_t count;
	ssize_t r = read(q->fd, &count, sizeof(count));

	(void)r;
}

void queue_complete_locked(struct vd_request *rq, int status)
{
	struct vd_queue *q = rq->private_[RQ_QUEUE];
	bool alone = !q->first;

	rq->status = status;
	rq->private_[RQ_NEXT] = NULL;
	if (q->last)
		q->last->private_[RQ_NEXT] = rq;
	else
		q->first = rq;
	q->last = rq;
	q->in_flight--;
	if (alone && !q->reaping)
		signal_fd(q);
}

void queue_complete(struct vd_request *rq, int status)
{
	struct vd_queue *q = rq->private_[RQ_QUEUE];

	LOCK_SCOPE(&q->lock);
	queue_complete_locked(rq, status);
}

/* ------------------------------------------------------------------------------------ submitting */

static int get_engine(struct vd_disk *d, struct engine **out)
{
	int r = 0;

	LOCK_SCOPE(&d->engine_lock);
	if (!d->engine)
		r = engine_new(&d->engine);
	*out = d->engine;
	return r;
}

static int to_engine(struct vd_request *rq)
{
	struct engine *e;
	int r = get_engine(rq->disk, &e);

	return r ? r : engine_submit(e, rq);
}

void queue_again_locked(struct vd_request *rq)
{
	int r = to_engine(rq);

	if (r)
		queue_complete_locked(rq, r);
}

/* NULL where there is none to be had; that is found out once. */
static struct ring *get_ring(struct vd_queue *q)
{
	struct ring *r = __atomic_load_n(&q->ring, __ATOMIC_ACQUIRE);

	if (r || !(__atomic_load_n(&q->ways, __ATOMIC_RELAXED) & QUEUE_RING))
		return r;
	LOCK_SCOPE(&q->lock);
	if (!q->ring)
		__atomic_store_n(&q->ring, ring_new(q->fd), __ATOMIC_RELEASE);
	if (!q->ring)
		__atomic_fetch_and(&q->ways, ~(unsigned)QUEUE_RING, __ATOMIC_RELAXED);
	return q->ring;
}

/* Without a thread. 1: done; 0: in the ring; -EAGAIN: neither. */
static int go_straight(struct vd_queue *q, struct vd_request *rq)
{
	unsigned ways = __atomic_load_n(&q->ways, __ATOMIC_RELAXED);
	struct straight s;
	struct ring *ring;

	if (!ways || !straight_begin(&s, rq))
		return -EAGAIN;
	if (straight_now(&s, ways & QUEUE_NOW)) {
		straight_end(&s, true);
		return 1;
	}
	ring = get_ring(q);
	if (ring && ring_submit(ring, &s))
		return 0;
	straight_end(&s, false);
	return -EAGAIN;
}

/* 1: it was done, well; 0: it completes later. */
static int start(struct vd_queue *q, struct vd_request *rq)
{
	int r;

	if (rq->op == VD_OP_FLUSH && disk_is_flushed(rq->disk))
		return 1;
	r = go_straight(q, rq);
	return r == -EAGAIN ? to_engine(rq) : r;
}

void queue_start(struct vd_request *rq)
{
	int r = start(rq->private_[RQ_QUEUE], rq);

	if (r)
		queue_complete(rq, r > 0 ? 0 : r);
}

/* As group_admit(). */
static int admit(struct vd_request *rq)
{
	struct vd_disk *d = rq->disk;

	if (!__atomic_load_n(&d->group, __ATOMIC_ACQUIRE))
		return 1;
	LOCK_SCOPE(&d->engine_lock);
	return d->group ? group_admit(d->group, rq) : 1;
}

static void forget(struct vd_queue *q, struct vd_request *rq)
{
	LOCK_SCOPE(&q->lock);
	rq->private_[RQ_QUEUE] = NULL;
	q->in_flight--;
	/* Who waits for the last one waits for nothing now. */
	if (q->waiting)
		signal_fd(q);
}

/* As start(). */
static int submit(struct vd_queue *q, struct vd_request *rq)
{
	int r;

	if (!rq->disk || (unsigned)rq->op > VD_OP_MAP || rq->iovcnt < 0 ||
	    (rq->op == VD_OP_MAP && rq->iovcnt != 1))
		return -EINVAL;
	pthread_mutex_lock(&q->lock);
	rq->private_[RQ_QUEUE] = q;
	rq->private_[RQ_OP] = NULL;
	rq_set_holder(rq, NULL);
	q->in_flight++;
	pthread_mutex_unlock(&q->lock);
	r = admit(rq);
	if (r > 0)
		r = start(q, rq);
	if (r < 0)
		forget(q, rq);
	return r;
}

int vd_queue_submit(struct vd_queue *q, struct vd_request *rq)
{
	int r = submit(q, rq);

	if (r <= 0)
		return r;
	queue_complete(rq, 0);
	return 0;
}

int vd_queue_submit_now(struct vd_queue *q, struct vd_request *rq)
{
	int r = submit(q, rq);

	if (r > 0) {
		forget(q, rq);
		rq->status = 0;
	}
	return r;
}

/* --------------------------------------------------------------------------------------- reaping */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned take(struct vd_queue *q, struct vd_request **out, unsigned max)
{
	bool told = q->first;
	unsigned n = 0;

	if (q->ring) {
		q->reaping = true;
		ring_harvest(q->ring);
		q->reaping = false;
	}
	while (n < max && q->first) {
		struct vd_request *rq = q->first;

		q->first = rq->private_[RQ_NEXT];
		if (!q->first)
			q->last = NULL;
		rq->private_[RQ_QUEUE] = NULL;
		out[n++] = rq;
	}
	if (q->first && !told)
		signal_fd(q);
	return n;
}

/*
 * Nothing is left to reap: the descriptor says so, unless something came in between. It goes on
 * telling other threads that wait that there is nothing left to wait for, until the last has heard.
 */
static void settle(struct vd_queue *q)
{
	if (!q->in_flight && q->waiting) {
		signal_fd(q);
		return;
	}
	reset_fd(q);
	if (q->ring && ring_is_ready(q->ring))
		signal_fd(q);
}

/* Until the descriptor is readable or the time has come; without the lock. False: it has come, or
 * had before. */
static bool wait_for_fd(struct vd_queue *q, int64_t until)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };
	int64_t left = until < 0 ? -1 : until - now_ms();

	if (until >= 0 && left <= 0)
		return false;
	q->waiting++;
	pthread_mutex_unlock(&q->lock);
	poll(&p, 1, (int)left);
	pthread_mutex_lock(&q->lock);
	q->waiting--;
	return true;
}

int vd_queue_reap(struct vd_queue *q, struct vd_request **out, unsigned max, int timeout_ms)
{
	int64_t until = timeout_ms < 0 ? -1 : timeout_ms ? now_ms() + timeout_ms : 0;
	bool waited = false;
	unsigned n;

	LOCK_SCOPE(&q->lock);
	for (;;) {
		n = take(q, out, max);
		if (!q->first && (n || waited || q->ring))
			settle(q);
		if (n || q->first || !q->in_flight || !wait_for_fd(q, until))
			return (int)n;
		waited = true;
	}
}

/* Any queue with requests of the disk in its ring; the caller drops the reference. */
static struct vd_queue *a_ring_of(struct vd_disk *d)
{
	struct vd_queue *q = NULL;

	LOCK_SCOPE(&d->ops_lock);
	if (d->ops) {
		q = ring_op_request(d->ops)->private_[RQ_QUEUE];
		__atomic_add_fetch(&q->refs, 1, __ATOMIC_RELAXED);
	}
	return q;
}

void disk_drain(struct vd_disk *d)
{
	struct vd_queue *q;

	while ((q = a_ring_of(d))) {
		struct ring *ring = __atomic_load_n(&q->ring, __ATOMIC_ACQUIRE);

		ring_wait(ring);
		pthread_mutex_lock(&q->lock);
		ring_harvest(ring);
		pthread_mutex_unlock(&q->lock);
		queue_unref(q);
	}
}

/* ------------------------------------------------------------------------------------ cancelling */

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
		queue_complete_locked(rq, -ECANCELED);
	else if (q->ring)
		ring_cancel(q->ring, rq);
	return 0;
}
