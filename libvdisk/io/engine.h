/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine.h - what runs the requests of one disk: threads that call the synchronous functions.
 *
 * Each disk has its own, so that one whose storage never answers holds up nobody else. Threads
 * are started as requests come in and stay while the disk is open.
 */
#ifndef VIMG_ENGINE_H
#define VIMG_ENGINE_H

#include <pthread.h>

#include "vdisk.h"

struct engine;

/* pthread_create() for a thread of ours: it takes none of the program's signals. */
int engine_thread(pthread_t *thread, void *(*run)(void *), void *opaque);

int engine_new(struct engine **out);
/* Waits until every request is done. NULL is allowed. */
void engine_free(struct engine *e);

/* Never waits for a storage. 0, or -EAGAIN if there is not one thread to run it. */
int engine_submit(struct engine *e, struct vd_request *rq);
/* Takes a request back that has not begun. */
bool engine_withdraw(struct engine *e, struct vd_request *rq);

/* io/queue.c: called by the engine, in its thread, once for each request that it took. */
void queue_complete(struct vd_request *rq, int status);
/* The same from where the queue's lock is held. */
void queue_complete_locked(struct vd_request *rq, int status);
/* With the queue's lock: the ring did not manage, the engine shall. */
void queue_again_locked(struct vd_request *rq);
/* By a group: the request's turn has come. */
void queue_start(struct vd_request *rq);

/* What is kept in a request's private_ fields. HOLDER: the engine or group in whose list it waits;
 * OP: what stands for it in the queue's ring. */
enum { RQ_QUEUE, RQ_NEXT, RQ_PREVIOUS, RQ_HOLDER, RQ_OP };

/* Whoever holds it changes this under its lock, others may ask meanwhile whether it is they. */
static inline void rq_set_holder(struct vd_request *rq, void *holder)
{
	__atomic_store_n(&rq->private_[RQ_HOLDER], holder, __ATOMIC_RELAXED);
}

static inline bool rq_is_held_by(const struct vd_request *rq, const void *holder)
{
	return __atomic_load_n(&rq->private_[RQ_HOLDER], __ATOMIC_RELAXED) == holder;
}

#endif
