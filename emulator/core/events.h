/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events.h - what happens, told to whoever listens: the control socket, the log.
 *
 * Any thread emits; listeners are called in the thread that emitted, with a lock held, and must only
 * take the event along (post it to their loop).
 */
#ifndef VIMG_EVENTS_H
#define VIMG_EVENTS_H

#include <stdint.h>

struct events;

/* A change of state, as one object of names and values. Strings live for the call. */
struct event {
	const char *name;	/* "disk-full", "disk-resumed", "client-connected" */
	const char *subject;	/* the controller's or drive's name: "nvme0", "nvme0/1"; or NULL */
	const char *text;	/* one sentence for people, which says of what, or NULL */
	uint64_t time;		/* ms since the epoch; 0: now */
};

typedef void events_fn(void *opaque, const struct event *e);

int events_new(struct events **out);
void events_free(struct events *e);
void events_listen(struct events *e, events_fn *listener, void *opaque);
void events_unlisten(struct events *e, events_fn *listener, void *opaque);
/* `events` may be NULL. The sentence is made of format. */
void events_emit(struct events *e, const char *name, const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
