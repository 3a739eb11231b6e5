/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine.c - see engine.h. */
#include "io/engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define MAX_THREADS 16

struct engine {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct vd_request *first, *last;	/* waiting */
	unsigned waiting, idle, threads;
	bool stop;
	pthread_t thread[MAX_THREADS];
};

int engine_thread(pthread_t *thread, void *(*run_it)(void *), void *opaque)
{
	sigset_t all, before;
	int r;

	/* A thread begins with the mask of the one that makes it. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(thread, NULL, run_it, opaque);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int engine_new(struct engine **out)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->work, NULL);
	*out = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->stop = true;
	pthread_cond_broadcast(&e->work);
	pthread_mutex_unlock(&e->lock);
	for (unsigned i = 0; i < e->threads; i++)
		pthread_join(e->thread[i], NULL);
	pthread_mutex_destroy(&e->lock);
	pthread_cond_destroy(&e->work);
	free(e);
}

static int map(const struct vd_request *rq)
{
	struct vd_extent *extent = rq->iov->iov_base;
	size_t n = rq->iov->iov_len / sizeof(*extent);
	uint64_t done = 0;

	memset(extent, 0, n * sizeof(*extent));
	for (size_t i = 0; i < n && done < rq->length; i++) {
		int r = vd_map(rq->disk, rq->offset + done, rq->length - done, &extent[i]);

		if (r)
			return r;
		done += extent[i].length;
	}
	return 0;
}

static int run(const struct vd_request *rq)
{
	switch (rq->op) {
	case VD_OP_READ:
		return vd_readv(rq->disk, rq->iov, rq->iovcnt, rq->offset, rq->flags);
	case VD_OP_WRITE:
		return vd_writev(rq->disk, rq->iov, rq->iovcnt, rq->offset, rq->flags);
	case VD_OP_WRITE_ZEROES:
		return vd_write_zeroes(rq->disk, rq->offset, rq->length, rq->flags);
	case VD_OP_DISCARD:
		return vd_discard(rq->disk, rq->offset, rq->length, rq->flags);
	case VD_OP_FLUSH:
		return vd_flush(rq->disk);
	case VD_OP_MAP:
		return map(rq);
	}
	return -EINVAL;
}

static void unlink_request(struct engine *e, struct vd_request *rq)
{
	struct vd_request *next = rq->private_[RQ_NEXT], *previous = rq->private_[RQ_PREVIOUS];

	if (previous)
		previous->private_[RQ_NEXT] = next;
	else
		e->first = next;
	if (next)
		next->private_[RQ_PREVIOUS] = previous;
	else
		e->last = previous;
	rq_set_holder(rq, NULL);
	e->waiting--;
}

static void *worker(void *opaque)
{
	struct engine *e = opaque;

	pthread_mutex_lock(&e->lock);
	for (;;) {
		struct vd_request *rq = e->first;

		if (!rq && e->stop)
			break;
		if (!rq) {
			e->idle++;
			pthread_cond_wait(&e->work, &e->lock);
			e->idle--;
			continue;
		}
		unlink_request(e, rq);
		pthread_mutex_unlock(&e->lock);
		queue_complete(rq, run(rq));
		pthread_mutex_lock(&e->lock);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

int engine_submit(struct engine *e, struct vd_request *rq)
{
	LOCK_SCOPE(&e->lock);
	if (e->idle <= e->waiting && e->threads < MAX_THREADS &&
	    !engine_thread(&e->thread[e->threads], worker, e))
		e->threads++;
	if (!e->threads)
		return -EAGAIN;
	rq_set_holder(rq, e);
	rq->private_[RQ_NEXT] = NULL;
	rq->private_[RQ_PREVIOUS] = e->last;
	if (e->last)
		e->last->private_[RQ_NEXT] = rq;
	else
		e->first = rq;
	e->last = rq;
	e->waiting++;
	pthread_cond_signal(&e->work);
	return 0;
}

bool engine_withdraw(struct engine *e, struct vd_request *rq)
{
	LOCK_SCOPE(&e->lock);
	if (!rq_is_held_by(rq, e))
		return false;
	unlink_request(e, rq);
	return true;
}
