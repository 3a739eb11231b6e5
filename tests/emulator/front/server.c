/* SPDX-License-Identifier: GPL-2.0-or-later */
/* server.c - see server.h. */
#include "front/server.h"

#include <time.h>

#include "core/socket.h"
#include "front/toy.h"
#include "test.h"

static struct timespec in_10_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 10;
	return t;
}

static void happened(void *opaque, const struct event *e)
{
	struct server *s = opaque;
	size_t used;

	pthread_mutex_lock(&s->lock);
	used = strlen(s->log);
	snprintf(s->log + used, sizeof(s->log) - used, "%s: %s\n", e->name, e->text);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static unsigned count(const char *log, const char *word)
{
	unsigned n = 0;

	for (const char *at = log; (at = strstr(at, word)); at++)
		n++;
	return n;
}

unsigned server_count(struct server *s, const char *word)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = count(s->log, word);
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool server_saw(struct server *s, const char *word)
{
	struct timespec end = in_10_s();
	bool saw, more = true;

	pthread_mutex_lock(&s->lock);
	while (!(saw = strstr(s->log, word)) && more)
		more = !pthread_cond_timedwait(&s->changed, &s->lock, &end);
	if (!saw)
		fprintf(stderr, "no \"%s\" in:\n%s", word, s->log);
	pthread_mutex_unlock(&s->lock);
	return saw;
}

static void power_on(void *opaque)
{
	struct server *s = opaque;

	pthread_mutex_lock(&s->lock);
	s->power_ons++;
	pthread_mutex_unlock(&s->lock);
	vfio_user_power_on(s->v, 0);
}

static void power_off(void *opaque)
{
	struct server *s = opaque;

	pthread_mutex_lock(&s->lock);
	s->power_offs++;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void server_await_power_offs(struct server *s, unsigned n)
{
	struct timespec end = in_10_s();

	pthread_mutex_lock(&s->lock);
	while (s->power_offs < n)
		CHECK_OK(pthread_cond_timedwait(&s->changed, &s->lock, &end));
	pthread_mutex_unlock(&s->lock);
}

static void *run(void *opaque)
{
	struct server *s = opaque;

	loop_run(s->loop);
	return NULL;
}

void server_new(struct server *s, const char *type)
{
	static const struct option_values none;
	static unsigned number;
	struct vd_error err = {""};
	char name[32];
	int fd;

	memory_catch_sigbus();
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	snprintf(name, sizeof(name), "socket%u", number++);
	s->path = test_path(name);
	CHECK_OK(loop_new(&s->loop));
	CHECK_OK(events_new(&s->events));
	events_listen(s->events, happened, s);
	if (controller_new(type ? controller_type_find(type) : &toy_type, "test0", 0, s->loop,
			   &none, &s->c, &err) ||
	    socket_listen(s->path, &fd, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	if (!s->callbacks.power_on)
		s->callbacks.power_on = power_on;
	if (!s->callbacks.power_off)
		s->callbacks.power_off = power_off;
	s->callbacks.opaque = s;
	CHECK_OK(vfio_user_new(s->c, fd, &s->callbacks, s->events, &s->v, &err));
	if (s->answer_ms || s->stall_ms)
		vfio_user_set_limits(s->v, s->answer_ms, s->stall_ms);
}

void server_attach(struct server *s, struct vd_disk *disk)
{
	static const struct option_values next_free;
	struct device_options options = {.events = s->events, .name = "test0/1"};
	struct vd_error err = {""};
	struct medium *m;

	CHECK_OK(medium_of_disk(disk, &m));
	if (device_new(m, &options, &s->drive[s->drives], &err) ||
	    controller_attach(s->c, s->drive[s->drives], &next_free, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	medium_unref(m);
	s->drives++;
}

void server_start(struct server *s)
{
	CHECK_OK(pthread_create(&s->thread, NULL, run, s));
}

struct call {
	struct loop_task task;
	void (*run)(void *opaque);
	void *opaque;
	sem_t done;
};

static void run_call(void *opaque)
{
	struct call *c = opaque;

	c->run(c->opaque);
	sem_post(&c->done);
}

void server_call(struct server *s, void (*what)(void *opaque), void *opaque)
{
	struct call c = {.task = {.run = run_call, .opaque = &c}, .run = what, .opaque = opaque};

	sem_init(&c.done, 0, 0);
	loop_post(s->loop, &c.task);
	while (sem_wait(&c.done))
		;
	sem_destroy(&c.done);
}

struct look {
	struct server *s;
	struct vfio_user_statistics statistics;
};

static void look(void *opaque)
{
	struct look *l = opaque;

	vfio_user_get_statistics(l->s->v, &l->statistics);
}

struct vfio_user_statistics server_statistics(struct server *s)
{
	struct look l = {.s = s};

	server_call(s, look, &l);
	return l.statistics;
}

/* ------------------------------------------------------------------------------------- stopping */

static void detach_next(struct server *s);

static void detached(void *opaque, struct device *d)
{
	device_free(d);
	detach_next(opaque);
}

static void detach_next(struct server *s)
{
	if (s->drives)
		controller_detach(s->c, s->drive[--s->drives], detached, s);
	else
		loop_stop(s->loop);
}

static void stopped(void *opaque)
{
	struct server *s = opaque;

	vfio_user_free(s->v);
	detach_next(s);
}

static void stop(void *opaque)
{
	struct server *s = opaque;

	vfio_user_stop(s->v, stopped, s);
}

void server_stop(struct server *s)
{
	server_call(s, stop, s);
	CHECK_OK(pthread_join(s->thread, NULL));
	controller_free(s->c);
	loop_free(s->loop);
	events_free(s->events);
	unlink(s->path);
	free(s->path);
}
