/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * group.c - bandwidth groups: several disks share one limit in bytes per second.
 *
 * The bucket is kept as a point in time: `paid` is when all that was let go so far is paid for at
 * the group's rate. In the past, the group has credit, of which it keeps CREDIT at most; a request
 * may go when it is not in the future, and moves it on by what its bytes cost. So a request longer
 * than the credit goes as soon as the earlier ones are paid for, and those behind it wait out its
 * debt. One that waits has taken nothing: taking it back gives all that it was to cost to the next.
 *
 * Waiters stand in one line, first come first served, whatever disk and queue they are for. They
 * hold no thread. The group has one of its own, started by the first that has to wait; it sleeps
 * until `paid`, and without a time while nobody waits.
 */
#include "io/group.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

#define SECOND INT64_C(1000000000)
#define CREDIT (SECOND / 10)
#define NAP (SECOND / 1000)	/* no use in waking for less: what was slept too long is credit */
#define COST_MAX (INT64_MAX / 4)

struct vd_group {
	pthread_mutex_t lock;		/* after a queue's */
	pthread_cond_t wake;
	unsigned refs;			/* the program's, and one a disk */
	uint64_t rate;			/* bytes a second; 0: no limit */
	int64_t paid;			/* CLOCK_MONOTONIC, ns */
	struct vd_request *first, *last;	/* waiting */
	struct vd_group_statistics seen;	/* but for the time */
	pthread_t thread;
	bool running, stop;
};

int vd_group_create(uint64_t bytes_per_second, struct vd_group **out)
{
	struct vd_group *g = calloc(1, sizeof(*g));
	pthread_condattr_t monotonic;

	if (!g)
		return -ENOMEM;
	pthread_mutex_init(&g->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&g->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	g->refs = 1;
	g->rate = bytes_per_second;
	*out = g;
	return 0;
}

void group_ref(struct vd_group *g)
{
	LOCK_SCOPE(&g->lock);
	g->refs++;
}

void vd_group_unref(struct vd_group *g)
{
	bool last;

	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	last = --g->refs == 0;
	if (last) {
		g->stop = true;
		pthread_cond_signal(&g->wake);
	}
	pthread_mutex_unlock(&g->lock);
	if (!last)
		return;
	/* Nobody waits: whoever waits is of a disk that holds the group. */
	if (g->running)
		pthread_join(g->thread, NULL);
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->wake);
	free(g);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* What `amount` at one rate is worth at another, or with SECOND as the rate, how long it takes. */
static int64_t scale(uint64_t amount, uint64_t to, uint64_t from)
{
	unsigned __int128 n = (unsigned __int128)amount * to / from;

	return n > COST_MAX ? COST_MAX : (int64_t)n;
}

static bool may_go(const struct vd_group *g, int64_t now)
{
	return !g->rate || g->paid <= now;
}

static void charge(struct vd_group *g, const struct vd_request *rq, int64_t now)
{
	size_t bytes = iov_bytes(rq->iov, rq->iovcnt);

	g->seen.requests++;
	g->seen.bytes += bytes;
	if (!g->rate)
		return;
	if (g->paid < now - CREDIT)
		g->paid = now - CREDIT;
	g->paid += scale(bytes, SECOND, g->rate);
	if (g->paid > COST_MAX)
		g->paid = COST_MAX;
}

/* ------------------------------------------------------------------------------------- the line */

static void line_add(struct vd_group *g, struct vd_request *rq)
{
	rq_set_holder(rq, g);
	rq->private_[RQ_NEXT] = NULL;
	rq->private_[RQ_PREVIOUS] = g->last;
	if (g->last)
		g->last->private_[RQ_NEXT] = rq;
	else
		g->first = rq;
	g->last = rq;
	g->seen.waiting++;
}

static void line_remove(struct vd_group *g, struct vd_request *rq)
{
	struct vd_request *next = rq->private_[RQ_NEXT], *previous = rq->private_[RQ_PREVIOUS];

	rq_set_holder(rq, NULL);
	if (previous)
		previous->private_[RQ_NEXT] = next;
	else
		g->first = next;
	if (next)
		next->private_[RQ_PREVIOUS] = previous;
	else
		g->last = previous;
	g->seen.waiting--;
}

bool group_withdraw(struct vd_group *g, struct vd_request *rq)
{
	LOCK_SCOPE(&g->lock);
	if (!rq_is_held_by(rq, g))
		return false;
	line_remove(g, rq);
	g->seen.cancelled++;
	return true;
}

bool group_holds(struct vd_group *g, const struct vd_disk *d)
{
	LOCK_SCOPE(&g->lock);
	for (const struct vd_request *rq = g->first; rq; rq = rq->private_[RQ_NEXT])
		if (rq->disk == d)
			return true;
	return false;
}

/* ----------------------------------------------------------------------------------- the thread */

/* Lets the first one go. The group's lock is dropped meanwhile. */
static void let_go(struct vd_group *g, int64_t now)
{
	struct vd_request *rq = g->first;

	line_remove(g, rq);
	g->seen.delayed++;
	charge(g, rq, now);
	pthread_mutex_unlock(&g->lock);
	queue_start(rq);
	pthread_mutex_lock(&g->lock);
}

static void sleep_until(struct vd_group *g, int64_t due)
{
	struct timespec t = { .tv_sec = due / SECOND, .tv_nsec = due % SECOND };

	pthread_cond_timedwait(&g->wake, &g->lock, &t);
}

static void *gatekeeper(void *opaque)
{
	struct vd_group *g = opaque;

	pthread_mutex_lock(&g->lock);
	while (!g->stop) {
		int64_t now = now_ns();

		if (!g->first)
			pthread_cond_wait(&g->wake, &g->lock);
		else if (may_go(g, now))
			let_go(g, now);
		else
			sleep_until(g, g->paid > now + NAP ? g->paid : now + NAP);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

/* Into the line, which somebody must attend to. */
static int wait_in_line(struct vd_group *g, struct vd_request *rq)
{
	if (!g->running && engine_thread(&g->thread, gatekeeper, g))
		return -EAGAIN;
	g->running = true;
	line_add(g, rq);
	/* Later ones go after it, and need nobody to be woken. */
	if (g->first == rq)
		pthread_cond_signal(&g->wake);
	return 0;
}

int group_admit(struct vd_group *g, struct vd_request *rq)
{
	int64_t now;

	if (rq->op != VD_OP_READ && rq->op != VD_OP_WRITE)
		return 1;
	LOCK_SCOPE(&g->lock);
	now = now_ns();
	if (g->first || !may_go(g, now))
		return wait_in_line(g, rq);
	charge(g, rq, now);
	return 1;
}

/* -------------------------------------------------------------------------------------- in public */

void vd_group_set_limit(struct vd_group *g, uint64_t rate)
{
	int64_t now = now_ns();

	LOCK_SCOPE(&g->lock);
	/* A debt in bytes takes less time at a higher rate. At a lower one it keeps its time: who
	 * waits already shall not wait for what was let go before. */
	if (!rate)
		g->paid = now;
	else if (rate > g->rate && g->paid > now)
		g->paid = now + (g->rate ? scale((uint64_t)(g->paid - now), g->rate, rate) : 0);
	g->rate = rate;
	pthread_cond_signal(&g->wake);
}

uint64_t vd_group_limit(struct vd_group *g)
{
	LOCK_SCOPE(&g->lock);
	return g->rate;
}

void vd_group_get_statistics(struct vd_group *g, struct vd_group_statistics *out)
{
	LOCK_SCOPE(&g->lock);
	*out = g->seen;
	out->time = (uint64_t)now_ns();
}

int vd_set_group(struct vd_disk *d, struct vd_group *g)
{
	struct vd_group *before;

	if (g)
		group_ref(g);
	pthread_mutex_lock(&d->engine_lock);
	before = d->group;
	if (before && group_holds(before, d)) {
		pthread_mutex_unlock(&d->engine_lock);
		vd_group_unref(g);
		return -EBUSY;
	}
	__atomic_store_n(&d->group, g, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&d->engine_lock);
	vd_group_unref(before);
	return 0;
}
