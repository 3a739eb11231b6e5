/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.c - the control socket: a line of JSON asks, a line of JSON answers.
 *
 *	{"do": "limit", "arguments": ["G", "20M"]}
 *	{"ok": true}			or {"ok": true, "answer": ...}, {"ok": false, "error": "..."}
 *
 * After {"do": "events"} a line follows for each event. Answers come in any order only if a client
 * asks several things at once; ours does not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "core/socket.h"
#include "program/program.h"
#include "text.h"

#define MOST_INPUT 65536u
#define MOST_OUTPUT (1u << 20)
#define MOST_CLIENTS 64
#define ACCEPT_AGAIN_NS 1000000000ull

struct client {
	struct control *control;
	struct client *next;
	struct loop_watch watch;
	char *in, *out;
	size_t in_length, out_length, out_room;
	unsigned asked;			/* not answered yet */
	bool gone;			/* waits for those */
	bool events;
};

struct control {
	char *path;
	struct loop *loop;
	struct machine *machine;
	struct events *events;
	struct loop_watch watch;
	struct loop_timer listen_again;
	struct client *clients;
	unsigned count;
};

/* An event on its way from another thread. */
struct news {
	struct loop_task task;
	struct control *control;
	struct json_object *object;
};

/* --------------------------------------------------------------------------------------- clients */

static void client_free(struct client *k)
{
	struct control *c = k->control;

	for (struct client **at = &c->clients; *at; at = &(*at)->next)
		if (*at == k) {
			*at = k->next;
			break;
		}
	c->count--;
	free(k->in);
	free(k->out);
	free(k);
}

static void client_drop(struct client *k)
{
	if (!k->gone) {
		loop_unwatch(k->control->loop, &k->watch);
		close(k->watch.fd);
		k->gone = true;
	}
	if (!k->asked)
		client_free(k);
}

static void client_push(struct client *k)
{
	ssize_t n = send(k->watch.fd, k->out, k->out_length, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0) {
		k->out_length -= (size_t)n;
		memmove(k->out, k->out + n, k->out_length);
	}
	loop_watch_change(k->control->loop, &k->watch, EPOLLIN | (k->out_length ? EPOLLOUT : 0));
}

/* One that does not read is dropped when it next says something, or hangs up. */
static void client_send(struct client *k, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	size_t n = strlen(text);
	char *grown;

	if (k->gone || k->out_length + n + 1 > MOST_OUTPUT)
		return;
	if (k->out_length + n + 1 > k->out_room) {
		size_t room = (k->out_length + n + 1) * 2;

		grown = realloc(k->out, room);
		if (!grown)
			return;
		k->out = grown;
		k->out_room = room;
	}
	memcpy(k->out + k->out_length, text, n);
	k->out[k->out_length + n] = '\n';
	k->out_length += n + 1;
	client_push(k);
}

static void answered(void *opaque, int status, struct json_object *answer, const char *text)
{
	struct client *k = opaque;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(!status));
	if (status)
		json_object_object_add(o, "error", json_object_new_string(text ? text :
									  strerror(-status)));
	if (answer)
		json_object_object_add(o, "answer", answer);
	client_send(k, o);
	json_object_put(o);
	k->asked--;
	if (k->gone && !k->asked)
		client_free(k);
}

/* ----------------------------------------------------------------------------------------- verbs */

static void ask_status(struct client *k, const char *const *a)
{
	(void)a;
	machine_status(k->control->machine, answered, k);
}

static void ask_attach(struct client *k, const char *const *a)
{
	machine_attach(k->control->machine, a[0], a[1], answered, k);
}

static void ask_detach(struct client *k, const char *const *a)
{
	machine_detach(k->control->machine, a[0], answered, k);
}

static void ask_resize(struct client *k, const char *const *a)
{
	machine_resize(k->control->machine, a[0], a[1], answered, k);
}

static void ask_limit(struct client *k, const char *const *a)
{
	machine_limit(k->control->machine, a[0], a[1], answered, k);
}

static void ask_retry(struct client *k, const char *const *a)
{
	(void)a;
	machine_retry(k->control->machine, answered, k);
}

static void ask_events(struct client *k, const char *const *a)
{
	(void)a;
	k->events = true;
	answered(k, 0, NULL, NULL);
}

/*
 * Where the first argument is a disk, one more may follow: the whole path of the file that is called
 * so where the client is. It counts if no disk has that name.
 */
static const struct verb {
	const char *name;
	unsigned arguments;
	bool disk;
	void (*ask)(struct client *k, const char *const *a);
} verbs[] = {
	{"status", 0, false, ask_status},
	{"attach", 2, false, ask_attach},
	{"detach", 1, true, ask_detach},
	{"resize", 2, true, ask_resize},
	{"limit", 2, false, ask_limit},
	{"retry", 0, false, ask_retry},
	{"events", 0, false, ask_events},
	{NULL, 0, false, NULL}
};

static void refuse(struct client *k, const char *text)
{
	answered(k, -EINVAL, NULL, text);
}

static void ask(struct client *k, struct json_object *o)
{
	struct json_object *name = NULL, *list = NULL;
	const char *argument[3] = {NULL, NULL, NULL};
	const struct verb *v = verbs;
	size_t n = 0;

	k->asked++;
	if (!json_object_object_get_ex(o, "do", &name) || !json_object_is_type(name, json_type_string)) {
		refuse(k, "{\"do\": COMMAND} is expected");
		return;
	}
	if (json_object_object_get_ex(o, "arguments", &list) &&
	    json_object_is_type(list, json_type_array))
		n = json_object_array_length(list);
	while (v->name && strcmp(v->name, json_object_get_string(name)))
		v++;
	if (!v->name) {
		refuse(k, "there is no such command; there are status, attach, detach, resize, "
		       "limit, retry and events");
		return;
	}
	if (n != v->arguments && !(v->disk && n == v->arguments + 1)) {
		refuse(k, "wrong number of arguments");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct json_object *a = json_object_array_get_idx(list, i);

		if (!json_object_is_type(a, json_type_string)) {
			refuse(k, "arguments are strings");
			return;
		}
		argument[i] = json_object_get_string(a);
	}
	if (n > v->arguments && !machine_has_drive(k->control->machine, argument[0]))
		argument[0] = argument[n - 1];
	v->ask(k, argument);
}

static void take_line(struct client *k, const char *line)
{
	struct json_object *o = json_tokener_parse(line);

	if (o && json_object_is_type(o, json_type_object)) {
		ask(k, o);
	} else {
		k->asked++;
		refuse(k, "a line of JSON with an object is expected");
	}
	json_object_put(o);
}

/* --------------------------------------------------------------------------------------- sockets */

static void take_lines(struct client *k)
{
	char *end;

	while (!k->gone && (end = memchr(k->in, '\n', k->in_length))) {
		size_t n = (size_t)(end - k->in) + 1;

		*end = '\0';
		k->asked++;	/* so that it stays while its line is read */
		take_line(k, k->in);
		k->asked--;
		k->in_length -= n;
		memmove(k->in, k->in + n, k->in_length);
	}
}

static void client_ready(void *opaque, uint32_t events)
{
	struct client *k = opaque;
	ssize_t n;

	if (events & EPOLLOUT)
		client_push(k);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(k->watch.fd, k->in + k->in_length, MOST_INPUT - k->in_length, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		k->in_length += (size_t)n;
		take_lines(k);
	}
	if (n <= 0 || k->in_length == MOST_INPUT)
		client_drop(k);
}

static void listen_again(void *opaque)
{
	struct control *c = opaque;

	if (loop_watch(c->loop, &c->watch, EPOLLIN))
		loop_timer_set(c->loop, &c->listen_again, ACCEPT_AGAIN_NS);
}

static void client_came(void *opaque, uint32_t events)
{
	struct control *c = opaque;
	struct client *k;
	int fd = accept4(c->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* Out of descriptors: it would be ready for ever. */
		loop_unwatch(c->loop, &c->watch);
		loop_timer_set(c->loop, &c->listen_again, ACCEPT_AGAIN_NS);
	}
	if (fd < 0)
		return;
	k = c->count < MOST_CLIENTS ? calloc(1, sizeof(*k)) : NULL;
	if (k)
		k->in = malloc(MOST_INPUT + 1);
	if (!k || !k->in) {
		free(k);
		close(fd);
		return;
	}
	k->control = c;
	k->watch = (struct loop_watch){.fd = fd, .ready = client_ready, .opaque = k};
	k->next = c->clients;
	c->clients = k;
	c->count++;
	if (loop_watch(c->loop, &k->watch, EPOLLIN))
		client_drop(k);
}

/* ---------------------------------------------------------------------------------------- events */

static void publish(void *opaque)
{
	struct news *n = opaque;
	struct client *next;

	for (struct client *k = n->control->clients; k; k = next) {
		next = k->next;
		if (k->events)
			client_send(k, n->object);
	}
	json_object_put(n->object);
	free(n);
}

static void add_text(struct json_object *o, const char *name, const char *text)
{
	CLEANUP_FREE char *clean = text ? malloc(TEXT_CLEAN_ROOM(strlen(text))) : NULL;

	if (clean)
		json_object_object_add(o, name,
				       json_object_new_string(text_clean(clean, text, false)));
}

static void on_event(void *opaque, const struct event *e)
{
	struct control *c = opaque;
	struct news *n = calloc(1, sizeof(*n));

	if (!n)
		return;
	n->control = c;
	n->task = (struct loop_task){.run = publish, .opaque = n};
	n->object = json_object_new_object();
	add_text(n->object, "event", e->name);
	json_object_object_add(n->object, "time-ms", json_object_new_uint64(e->time));
	add_text(n->object, "subject", e->subject);
	add_text(n->object, "text", e->text);
	loop_post(c->loop, &n->task);
}

/* ------------------------------------------------------------------------------------ life cycle */

int control_new(const char *path, struct loop *loop, struct machine *m, struct events *events,
		struct control **out, struct vd_error *err)
{
	struct control *c = calloc(1, sizeof(*c));
	int fd = -1, r;

	if (c)
		c->path = strdup(path);
	if (!c || !c->path) {
		free(c);
		snprintf(err->text, sizeof(err->text), "out of memory");
		return -ENOMEM;
	}
	r = socket_listen(path, &fd, err);
	if (r) {
		free(c->path);
		free(c);
		return r;
	}
	c->loop = loop;
	c->machine = m;
	c->events = events;
	c->watch = (struct loop_watch){.fd = fd, .ready = client_came, .opaque = c};
	c->listen_again = (struct loop_timer){.fired = listen_again, .opaque = c};
	loop_watch(loop, &c->watch, EPOLLIN);
	events_listen(events, on_event, c);
	*out = c;
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	events_unlisten(c->events, on_event, c);
	loop_once(c->loop, 0);	/* the last news */
	while (c->clients) {
		c->clients->asked = 0;
		client_drop(c->clients);
	}
	loop_timer_cancel(c->loop, &c->listen_again);
	loop_unwatch(c->loop, &c->watch);
	close(c->watch.fd);
	unlink(c->path);
	free(c->path);
	free(c);
}
