/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.h - how a queue runs requests, for tests and measurements that want to compare.
 *
 * A request that goes straight (straight.h) is read in the submitter's thread as far as it needs
 * no waiting, and else goes to the queue's ring; what cannot, or is refused, is the engine's.
 */
#ifndef VIMG_QUEUE_H
#define VIMG_QUEUE_H

#include "vdisk.h"

enum queue_way {
	QUEUE_NOW = 1,		/* reads that need no waiting */
	QUEUE_RING = 2,
	QUEUE_ALL_WAYS = 3,	/* as it is made */
};

/* Before the first request. The engine is always there. */
void queue_limit_ways(struct vd_queue *q, unsigned ways);

#endif
