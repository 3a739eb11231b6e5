/* SPDX-License-Identifier: GPL-2.0-or-later */
/* serve.c - vimg-emulator serve: a machine's storage until a signal ends it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "program/program.h"
#include "text.h"

struct server {
	struct loop *loop;
	struct events *events;
	struct machine *machine;
	struct control *control;
	struct loop_watch signals, stop;
	bool misdescribed;		/* the command line is to blame */
};

/* In the thread that emitted it. */
static void print_event(void *opaque, const struct event *e)
{
	struct pollfd can_write = {.fd = STDERR_FILENO, .events = POLLOUT};
	char clean[TEXT_CLEAN_ROOM(1024)];

	(void)opaque;
	/* A log that nobody reads must not hold a controller up. */
	if (poll(&can_write, 1, 0) != 1)
		return;
	if (e->text && strlen(e->text) <= 1024)
		say("%s", text_clean(clean, e->text, true));
}

static void end(void *opaque, uint32_t events)
{
	struct server *s = opaque;

	(void)events;
	loop_stop(s->loop);
}

static int watch_signals(struct server *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = (struct loop_watch){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
					 .ready = end, .opaque = s};
	if (s->signals.fd < 0)
		return -errno;
	return loop_watch(s->loop, &s->signals, EPOLLIN);
}

/* A second signal ends the process at once: what the guest flushed is safe. */
static void unblock_signals(void)
{
	sigset_t set;
	struct timespec none = {0, 0};

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	while (sigtimedwait(&set, NULL, &none) > 0)
		;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int lock_in(struct server *s, const struct arguments *a, struct vd_error *err)
{
	const char **sockets = calloc(a->machine.controllers + 2, sizeof(*sockets));
	const char *what = "none";
	unsigned n = 0;
	int r;

	if (!sockets) {
		snprintf(err->text, sizeof(err->text), "out of memory");
		return -ENOMEM;
	}
	for (; n < a->machine.controllers; n++)
		sockets[n] = a->machine.controller[n].socket;
	sockets[n] = a->control;
	r = sandbox_enter(machine_folders(s->machine), (const char *const *)a->machine.allow_dirs,
			  sockets, &what, err);
	if (!r && !strcmp(what, "none"))
		say("neither Landlock nor seccomp is to be had: the server is not locked in");
	free(sockets);
	return r;
}

static int start(struct server *s, const struct arguments *a, struct vd_error *err)
{
	int r = loop_new(&s->loop);

	if (!r)
		r = events_new(&s->events);
	if (!r)
		r = watch_signals(s);
	if (r) {
		snprintf(err->text, sizeof(err->text), "%s", strerror(-r));
		return r;
	}
	events_listen(s->events, print_event, NULL);
	r = machine_new(&a->machine, s->loop, s->events, &s->machine, err);
	s->misdescribed = r == -EINVAL;
	if (!r && a->control)
		r = control_new(a->control, s->loop, s->machine, s->events, &s->control, err);
	if (!r && a->sandbox)
		r = lock_in(s, a, err);
	if (!r)
		r = machine_start(s->machine, a->sandbox ? sandbox_enter_thread : NULL, err);
	return r;
}

static void announce(const struct arguments *a, int ready_fd)
{
	for (unsigned i = 0; i < a->machine.controllers; i++) {
		const struct controller_description *c = &a->machine.controller[i];

		say("%s: %u disk%s, listening on %s", c->name, c->disks, c->disks == 1 ? "" : "s",
		    c->socket);
	}
	if (ready_fd >= 0) {
		if (write(ready_fd, "+", 1) < 0)
			say("%s", strerror(errno));
		close(ready_fd);
	}
}

int serve(const struct arguments *a, int ready_fd, int stop_fd)
{
	struct server s = {.signals.fd = -1};
	struct vd_error err = {""};
	int status = STATUS_OK, r = start(&s, a, &err);

	if (s.misdescribed) {
		status = usage_error("%s", err.text);
	} else if (r) {
		say("%s", err.text);
		status = STATUS_FAILED;
	} else {
		arguments_warn(a);
		announce(a, ready_fd);
		s.stop = (struct loop_watch){.fd = stop_fd, .ready = end, .opaque = &s};
		if (stop_fd >= 0)
			loop_watch(s.loop, &s.stop, EPOLLIN | EPOLLHUP);
		loop_run(s.loop);
		unblock_signals();
	}
	if (s.machine && machine_stop(s.machine))
		status = STATUS_FAILED;
	control_free(s.control);
	machine_free(s.machine);
	if (s.signals.fd >= 0)
		close(s.signals.fd);
	events_free(s.events);
	loop_free(s.loop);
	return status;
}

int verb_serve(int argc, char **argv)
{
	struct vd_error err = {""};
	struct arguments a;
	int status = arguments_parse(argc, argv, &a);

	if (!status && a.help)
		arguments_help();
	else if (!status && a.rest_count)
		status = usage_error("\"%s\": only options are expected", a.rest[0]);
	else if (!status && description_check(&a.machine, true, &err))
		status = usage_error("%s", err.text);
	else if (!status)
		status = serve(&a, -1, -1);
	arguments_free(&a);
	return status;
}
