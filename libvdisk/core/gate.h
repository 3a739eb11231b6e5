/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gate.h - many go through at a time, until one shuts the gate to be alone. As a lock for readers
 * and a writer, but who entered may leave in another thread, and one that may not wait can try.
 * Entering and leaving an open gate costs one atomic addition each.
 */
#ifndef VIMG_GATE_H
#define VIMG_GATE_H

#include <pthread.h>
#include <stdbool.h>

struct gate {
	unsigned inside;		/* atomic; GATE_SHUT is one of its bits */
	pthread_mutex_t lock;		/* of the following */
	pthread_cond_t changed;
	bool shut;
};

void gate_init(struct gate *g);
void gate_free(struct gate *g);

void gate_enter(struct gate *g);
bool gate_try_enter(struct gate *g);
void gate_leave(struct gate *g);

/* Nobody enters any more; waits for others that shut it. */
void gate_shut(struct gate *g);
/* Once it is shut: waits until all have left. */
void gate_await(struct gate *g);
void gate_open(struct gate *g);

#endif
