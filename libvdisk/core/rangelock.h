/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rangelock.h - exclusive locks on ranges of the disk. The holder's record lives on its stack.
 * Fair enough: a waiter takes the range when no overlapping one is held.
 */
#ifndef VIMG_RANGELOCK_H
#define VIMG_RANGELOCK_H

#include <pthread.h>
#include <stdint.h>

struct rangelock {
	uint64_t start, end;
	struct rangelock *next;
};

struct rangelocks {
	pthread_mutex_t mutex;
	pthread_cond_t released;
	struct rangelock *held;
};

void rangelocks_init(struct rangelocks *r);
void rangelocks_free(struct rangelocks *r);
void range_lock(struct rangelocks *r, struct rangelock *l, uint64_t start, uint64_t end);
void range_unlock(struct rangelocks *r, struct rangelock *l);

#endif
