/* SPDX-License-Identifier: GPL-2.0-or-later */
/* events.c - see events.h. */
#include "core/events.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cleanup.h"

struct listener {
	events_fn *call;
	void *opaque;
	struct listener *next;
};

struct events {
	pthread_mutex_t lock;
	struct listener *first;
};

int events_new(struct events **out)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	*out = e;
	return 0;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	while (e->first)
		events_unlisten(e, e->first->call, e->first->opaque);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/* Without memory nobody is told: events are news, not state. */
void events_listen(struct events *e, events_fn *call, void *opaque)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	l->call = call;
	l->opaque = opaque;
	LOCK_SCOPE(&e->lock);
	l->next = e->first;
	e->first = l;
}

void events_unlisten(struct events *e, events_fn *call, void *opaque)
{
	LOCK_SCOPE(&e->lock);
	for (struct listener **at = &e->first; *at; at = &(*at)->next)
		if ((*at)->call == call && (*at)->opaque == opaque) {
			struct listener *gone = *at;

			*at = gone->next;
			free(gone);
			return;
		}
}

static uint64_t wall_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void events_emit(struct events *e, const char *name, const char *subject, const char *format, ...)
{
	char text[1024];
	struct event event = {.name = name, .subject = subject, .text = text};
	va_list args;

	if (!e)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	event.time = wall_clock();
	LOCK_SCOPE(&e->lock);
	for (struct listener *l = e->first; l; l = l->next)
		l->call(l->opaque, &event);
}
