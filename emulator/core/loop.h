/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.h - the poll loop of a thread: descriptors, timers, and a mailbox.
 *
 * Each controller has a thread, and the thread has one loop. Everything that touches the state of a
 * controller arrives here: messages of its client, completions of its disks, timers, and what other
 * threads post. So controllers need no locks.
 *
 * Threads     loop_post and loop_stop from any; everything else from the loop's own (which is the
 *             one that calls loop_run or loop_once) or before it runs.
 * Order       A round first handles what is ready, then runs due timers, then posted tasks, then
 *             deferred ones, also those that they defer; it waits only when none are left. Many
 *             deferred tasks are spread over several rounds, so that descriptors get their turn.
 * Ownership   Watches, timers and tasks are embedded in their owner's structures, and must stay
 *             where they are while they are registered. All may be removed from within callbacks.
 */
#ifndef VIMG_LOOP_H
#define VIMG_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

int loop_new(struct loop **out);
void loop_free(struct loop *l);		/* NULL is allowed */
/* Rounds until loop_stop() was called; what was posted before that has run. */
void loop_run(struct loop *l);
/* One round, which waits at most timeout_ms (-1: for ever, 0: not at all). */
void loop_once(struct loop *l, int timeout_ms);
void loop_stop(struct loop *l);
bool loop_stopped(const struct loop *l);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t loop_now(void);
/* The same, but looked up once a round, when it is first asked for; or again from now on: for what is
 * done often and needs no more. */
uint64_t loop_round_time(struct loop *l);
uint64_t loop_new_time(struct loop *l);

/* A descriptor. `events` and what the callback gets: EPOLLIN and the like. Level-triggered. */
struct loop_watch {
	int fd;
	void (*ready)(void *opaque, uint32_t events);
	void *opaque;
	bool active;			/* the loop's */
};

int loop_watch(struct loop *l, struct loop_watch *w, uint32_t events);
int loop_watch_change(struct loop *l, struct loop_watch *w, uint32_t events);
void loop_unwatch(struct loop *l, struct loop_watch *w);	/* may be called twice */

/* Fires once, not early, some milliseconds late. Setting it again moves it. */
struct loop_timer {
	void (*fired)(void *opaque);
	void *opaque;
	uint64_t at;			/* the loop's, as are the rest */
	struct loop_timer *next;
	bool set;
};

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t ns_from_now);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);	/* may be called twice */

/* A function to be called. */
struct loop_task {
	void (*run)(void *opaque);
	void *opaque;
	struct loop_task *next;		/* the loop's */
	bool queued;
};

/* From any thread; the task must not be waiting to run. */
void loop_post(struct loop *l, struct loop_task *t);
/* Runs at the end of this round; a task that waits already runs once. */
void loop_defer(struct loop *l, struct loop_task *t);
/* Takes a deferred task back. */
void loop_undefer(struct loop *l, struct loop_task *t);

#endif
