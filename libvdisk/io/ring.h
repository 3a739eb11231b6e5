/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ring.h - a queue's io_uring: straight requests that have to wait for their storage.
 *
 * Submitted in the submitter's thread, completed where the queue is reaped (or where somebody waits
 * for all requests of a disk); the queue's eventfd is signalled by the kernel. No thread of ours.
 * What the ring cannot do, or fails at, goes to the engine, which does it again from the start:
 * moving the same bytes twice is no harm, and it knows what the error means.
 */
#ifndef VIMG_RING_H
#define VIMG_RING_H

#include "io/straight.h"

struct ring;

/* NULL where the kernel will not, or where the library was built without. */
struct ring *ring_new(int event_fd);
/* Of which nothing is in flight. NULL is allowed. */
void ring_free(struct ring *r);

/* Takes over *s, of a request of this ring's queue. False: it does not, and nothing has begun. */
bool ring_submit(struct ring *r, const struct straight *s);

/* All of the following under the queue's lock. */

/* Ends what has completed, calling queue_complete_locked(). Returns how much the kernel had to
 * tell. */
unsigned ring_harvest(struct ring *r);
/* Whether there is something to harvest. */
bool ring_is_ready(struct ring *r);
/* If the request is here, tries to end it early. */
void ring_cancel(struct ring *r, struct vd_request *rq);

/* Of one of a disk's list, with its ops_lock. */
struct vd_request *ring_op_request(const struct ring_op *op);

/* Without a lock: waits a moment for something to harvest. */
void ring_wait(struct ring *r);

#endif
