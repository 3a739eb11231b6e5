/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.c - see loop.h. epoll, an eventfd for the mailbox, timers in a sorted list (there are few). */
#include "core/loop.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define MOST_DEFERRED 64		/* tasks a round */

struct task_list {
	struct loop_task *first, **end;
};

struct loop {
	int epoll, wake;
	bool stop;			/* atomic */
	uint64_t round_time;		/* 0: nobody has asked in this round */
	struct loop_timer *timers;	/* the earliest first */
	struct task_list deferred;
	/* What this round still has to hand out: a watch removed in between is taken from it. */
	struct epoll_event event[BATCH];
	int events;

	pthread_mutex_t lock;		/* of: */
	struct task_list posted;
};

static void tasks_init(struct task_list *t)
{
	t->first = NULL;
	t->end = &t->first;
}

static void tasks_add(struct task_list *t, struct loop_task *task)
{
	task->next = NULL;
	task->queued = true;
	*t->end = task;
	t->end = &task->next;
}

static struct loop_task *tasks_take(struct task_list *t)
{
	struct loop_task *task = t->first;

	if (!task)
		return NULL;
	t->first = task->next;
	if (!t->first)
		t->end = &t->first;
	task->queued = false;
	return task;
}

int loop_new(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct epoll_event wake = {.events = EPOLLIN};
	int r;

	if (!l)
		return -ENOMEM;
	tasks_init(&l->deferred);
	tasks_init(&l->posted);
	pthread_mutex_init(&l->lock, NULL);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll < 0 || l->wake < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &wake)) {
		r = -errno;
		loop_free(l);
		return r;
	}
	*out = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->epoll >= 0)
		close(l->epoll);
	if (l->wake >= 0)
		close(l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

uint64_t loop_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t loop_round_time(struct loop *l)
{
	return l->round_time ? l->round_time : loop_new_time(l);
}

uint64_t loop_new_time(struct loop *l)
{
	l->round_time = loop_now();
	return l->round_time;
}

/* ------------------------------------------------------------------------------------ watches */

int loop_watch(struct loop *l, struct loop_watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &e))
		return -errno;
	w->active = true;
	return 0;
}

int loop_watch_change(struct loop *l, struct loop_watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	return epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &e) ? -errno : 0;
}

void loop_unwatch(struct loop *l, struct loop_watch *w)
{
	if (!w->active)
		return;
	w->active = false;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = 0; i < l->events; i++)
		if (l->event[i].data.ptr == w)
			l->event[i].events = 0;
}

/* ------------------------------------------------------------------------------------- timers */

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	struct loop_timer **at = &l->timers;

	if (!t->set)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->set = false;
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t ns_from_now)
{
	struct loop_timer **at = &l->timers;

	loop_timer_cancel(l, t);
	t->at = loop_now() + ns_from_now;
	while (*at && (*at)->at <= t->at)
		at = &(*at)->next;
	t->next = *at;
	t->set = true;
	*at = t;
}

/* Only what was due when it began: one that sets itself again comes in the next round. */
static void run_timers(struct loop *l)
{
	uint64_t now;

	if (!l->timers)
		return;
	now = loop_now();
	while (l->timers && l->timers->at <= now) {
		struct loop_timer *t = l->timers;

		l->timers = t->next;
		t->set = false;
		t->fired(t->opaque);
	}
}

/* Milliseconds until the next timer, rounded up so that none is early. */
static int timer_wait(const struct loop *l, int timeout_ms)
{
	uint64_t now, ms;

	if (!l->timers || !timeout_ms)
		return timeout_ms;
	now = loop_now();
	if (l->timers->at <= now)
		return 0;
	ms = (l->timers->at - now + 999999) / 1000000;
	if (timeout_ms > 0 && ms > (uint64_t)timeout_ms)
		return timeout_ms;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* -------------------------------------------------------------------------------------- tasks */

void loop_post(struct loop *l, struct loop_task *t)
{
	uint64_t one = 1;
	bool first;

	pthread_mutex_lock(&l->lock);
	first = !l->posted.first;
	tasks_add(&l->posted, t);
	pthread_mutex_unlock(&l->lock);
	/* The counter cannot be full: it is read whenever the list is emptied. */
	while (first && write(l->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void loop_defer(struct loop *l, struct loop_task *t)
{
	if (!t->queued)
		tasks_add(&l->deferred, t);
}

void loop_undefer(struct loop *l, struct loop_task *t)
{
	struct loop_task **at = &l->deferred.first;

	if (!t->queued)
		return;
	while (*at && *at != t)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = t->next;
	if (l->deferred.end == &t->next)
		l->deferred.end = at;
	t->queued = false;
}

static void run_posted(struct loop *l)
{
	struct loop_task *t;
	uint64_t count;

	while (read(l->wake, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	for (;;) {
		pthread_mutex_lock(&l->lock);
		t = tasks_take(&l->posted);
		pthread_mutex_unlock(&l->lock);
		if (!t)
			return;
		t->run(t->opaque);
	}
}

/* --------------------------------------------------------------------------------------- rounds */

void loop_once(struct loop *l, int timeout_ms)
{
	struct loop_task *t;
	bool posted = false;

	if (l->deferred.first)
		timeout_ms = 0;
	l->events = epoll_wait(l->epoll, l->event, BATCH, timer_wait(l, timeout_ms));
	l->round_time = 0;
	for (int i = 0; i < l->events; i++) {
		struct loop_watch *w = l->event[i].data.ptr;

		if (!w)
			posted = true;
		else if (l->event[i].events)
			w->ready(w->opaque, l->event[i].events);
	}
	l->events = 0;
	run_timers(l);
	if (posted)
		run_posted(l);
	/* Tasks defer tasks; a guest that keeps them going must not keep its socket waiting. */
	for (int n = 0; n < MOST_DEFERRED && (t = tasks_take(&l->deferred)); n++)
		t->run(t->opaque);
	l->round_time = 0;
}

void loop_run(struct loop *l)
{
	while (!loop_stopped(l))
		loop_once(l, -1);
	/* What was posted before the stop is still to run. */
	loop_once(l, 0);
}

void loop_stop(struct loop *l)
{
	uint64_t one = 1;

	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	while (write(l->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

bool loop_stopped(const struct loop *l)
{
	return __atomic_load_n(&l->stop, __ATOMIC_ACQUIRE);
}
