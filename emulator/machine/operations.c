/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operations.c - what the control socket asks of a running machine. Files are opened and closed here,
 * in the control thread; what touches a controller is posted to its thread as a call, and comes back
 * the same way. So a disk that stalls delays the answer, never the control socket.
 */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "core/fail.h"
#include "front/vfio_user.h"
#include "machine/private.h"
#include "text.h"

/* ------------------------------------------------------------------------------------------ calls */

struct call {
	struct station *station;
	struct loop_task there, back;
	void (*run)(struct call *c);	/* in the controller's thread; ends with call_return() */
	void (*returned)(struct call *c);	/* in the control thread; frees the call */
	machine_done *done;
	void *opaque;
	struct drive *drive;
	struct disk_description disk;
	struct vd_error err;
	int status;
	struct gathering *gathering;
	struct vfio_user_statistics front;
	bool running;
};

static void call_run(void *opaque)
{
	struct call *c = opaque;

	c->run(c);
}

static void call_came_back(void *opaque)
{
	struct call *c = opaque;

	c->returned(c);
}

static struct call *call_new(struct station *s, machine_done *done, void *opaque)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c) {
		done(opaque, -ENOMEM, NULL, "out of memory");
		return NULL;
	}
	c->station = s;
	c->there = (struct loop_task){.run = call_run, .opaque = c};
	c->back = (struct loop_task){.run = call_came_back, .opaque = c};
	c->done = done;
	c->opaque = opaque;
	return c;
}

static void call_post(struct call *c, void (*run)(struct call *), void (*returned)(struct call *))
{
	c->run = run;
	c->returned = returned;
	loop_post(c->station->loop, &c->there);
}

static void call_return(struct call *c)
{
	loop_post(c->station->machine->control, &c->back);
}

static void call_free(struct call *c)
{
	disk_description_free(&c->disk);
	free(c);
}

static struct json_object *text_json(const char *text)
{
	char *clean = malloc(TEXT_CLEAN_ROOM(strlen(text)));
	struct json_object *o;

	if (!clean)
		return json_object_new_string("");
	o = json_object_new_string(text_clean(clean, text, false));
	free(clean);
	return o;
}

static void fail_text(machine_done *done, void *opaque, int status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void fail_text(machine_done *done, void *opaque, int status, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	done(opaque, status, NULL, text);
}

/* ----------------------------------------------------------------------------------------- attach */

static struct station *station_find(struct machine *m, const char *name)
{
	for (unsigned i = 0; i < m->stations; i++)
		if (!strcmp(m->station[i].description->name, name))
			return &m->station[i];
	return NULL;
}

static void attach_run(struct call *c)
{
	c->status = drive_attach(c->drive, &c->disk.address, &c->err);
	c->running = c->station->controller->running;
	call_return(c);
}

static void attach_returned(struct call *c)
{
	struct drive *d = c->drive;
	struct json_object *answer;

	drive_arrived(d);
	if (c->status) {
		c->done(c->opaque, c->status, NULL, c->err.text);
		drive_free(d);
		call_free(c);
		return;
	}
	drive_register(d);
	if (c->running)
		medium_in_use(d->medium);
	events_emit(c->station->machine->events, "attached", d->name, "%s is attached as %s",
		    c->disk.path, d->name);
	answer = json_object_new_object();
	json_object_object_add(answer, "disk", text_json(d->name));
	json_object_object_add(answer, "address", text_json(d->address));
	c->done(c->opaque, 0, answer, NULL);
	call_free(c);
}

static bool is_below(const char *file, const char *const *folders)
{
	for (; folders && *folders; folders++) {
		CLEANUP_FREE char *folder = realpath(*folders, NULL);
		size_t n = folder ? strlen(folder) : 0;

		if (n && !strncmp(file, folder, n) && (file[n] == '/' || folder[n - 1] == '/'))
			return true;
	}
	return false;
}

/* The folder counts: of a differencing image the file is not there yet. */
static bool is_locked_out(const struct machine *m, const char *path)
{
	CLEANUP_FREE char *copy = strdup(path), *folder = copy ? realpath(dirname(copy), NULL) : NULL;
	CLEANUP_FREE char *file = NULL;

	return folder && asprintf(&file, "%s/", folder) > 0 &&
	       !is_below(file, machine_folders(m)) &&
	       !is_below(file, (const char *const *)m->description->allow_dirs);
}

/* Whether it was the sandbox that kept us from a file, or its mode. */
static void explain_sandbox(const struct machine *m, const struct disk_description *d,
			    struct vd_error *err)
{
	bool locked_out = is_locked_out(m, d->path) || (d->diff && is_locked_out(m, d->diff));
	size_t n = strlen(err->text);

	for (char **parent = d->parents; parent && *parent; parent++)
		locked_out |= is_locked_out(m, *parent);
	if (locked_out)
		snprintf(err->text + n, sizeof(err->text) - n, "; the server opens files only in the "
			 "folders of the disks it began with: start it with --allow-dir for more");
}

void machine_attach(struct machine *m, const char *controller, const char *disk,
		    machine_done *done, void *opaque)
{
	struct station *s = station_find(m, controller);
	struct call *c;
	int r;

	if (!s) {
		fail_text(done, opaque, -ENOENT, "there is no controller %s; status lists them",
			  controller);
		return;
	}
	c = call_new(s, done, opaque);
	if (!c)
		return;
	r = disk_description_parse(s->description->type, disk, &c->disk, &c->err);
	if (!r && c->disk.name && drive_is_named(m, c->disk.name))
		r = fail_with(&c->err, -EEXIST, "a disk is called %s already", c->disk.name);
	if (!r)
		r = drive_open(s, &c->disk, &c->drive, &c->err);
	if ((r == -EACCES || r == -EPERM) && s->enter && c->disk.path)
		explain_sandbox(m, &c->disk, &c->err);
	if (r) {
		done(opaque, r, NULL, c->err.text);
		call_free(c);
		return;
	}
	drive_arrive(c->drive);
	call_post(c, attach_run, attach_returned);
}

/* ----------------------------------------------------------------------------------------- detach */

static void detached(void *opaque, struct device *d)
{
	(void)d;
	call_return(opaque);
}

static void detach_run(struct call *c)
{
	controller_detach(c->station->controller, c->drive->device, detached, c);
}

static void detach_returned(struct call *c)
{
	struct drive *d = c->drive;
	char name[128];
	int r;

	drive_unregister(d);
	device_free(d->device);
	d->device = NULL;
	r = medium_unref(d->medium);
	d->medium = NULL;
	snprintf(name, sizeof(name), "%s", d->name);
	drive_free(d);
	events_emit(c->station->machine->events, "detached", name, "%s is detached", name);
	if (r)
		fail_text(c->done, c->opaque, r, "%s is detached, but could not be made durable: %s",
			  name, strerror(-r));
	else
		c->done(c->opaque, 0, NULL, NULL);
	call_free(c);
}

/* Whether that name stands for several drives; `medium`: for several media. Lists the drives. */
static bool is_ambiguous(struct machine *m, const char *name, struct drive *first, bool medium,
			 char *list, size_t room)
{
	bool differ = false;
	size_t n = 0;

	for (struct drive *d = first; d; d = drive_find(m, name, d)) {
		n += (size_t)snprintf(list + n, room - n, "%s%s", n ? ", " : "", d->name);
		n = n < room ? n : room - 1;
		differ |= d != first && !(medium && d->medium == first->medium);
	}
	return differ;
}

static struct drive *find_drive(struct machine *m, const char *name, bool medium,
				machine_done *done, void *opaque)
{
	struct drive *d = drive_find(m, name, NULL);
	char list[256] = "";

	if (!d)
		fail_text(done, opaque, -ENOENT, "there is no disk %s; status lists them", name);
	else if (is_ambiguous(m, name, d, medium, list, sizeof(list)))
		fail_text(done, opaque, -ENOTUNIQ, "%.200s is in several drives, say which: %s", name,
			  list);
	else if (d->detaching)
		fail_text(done, opaque, -EBUSY, "%s is being detached", name);
	else
		return d;
	return NULL;
}

/* A controller detaches one at a time. */
static bool is_detaching(const struct machine *m, const struct station *s)
{
	for (const struct drive *d = m->drives; d; d = d->next)
		if (d->station == s && d->detaching)
			return true;
	return false;
}

void machine_detach(struct machine *m, const char *drive, machine_done *done, void *opaque)
{
	struct drive *d = find_drive(m, drive, false, done, opaque);
	struct call *c;

	if (!d)
		return;
	if (is_detaching(m, d->station)) {
		fail_text(done, opaque, -EBUSY, "another disk of %s is being detached; try again",
			  d->station->description->name);
		return;
	}
	c = call_new(d->station, done, opaque);
	if (!c)
		return;
	d->detaching = true;
	c->drive = d;
	call_post(c, detach_run, detach_returned);
}

/* ----------------------------------------------------------------------------------------- resize */

/* Answers of all controllers, which make one. */
struct gathering {
	unsigned waiting;
	machine_done *done;
	void *opaque;
	struct machine *machine;
	struct json_object *controllers;
	struct medium *medium;		/* resized; a reference */
};

static void refresh_run(struct call *c)
{
	struct controller *controller = c->station->controller;

	for (unsigned i = 0; i < controller->devices; i++) {
		struct device *d = controller->device[i];

		if (device_medium(d) != c->gathering->medium)
			continue;
		device_refresh(d);
		if (controller->type->changed)
			controller->type->changed(controller, d, DEVICE_RESIZED);
	}
	call_return(c);
}

static void gathering_end(struct gathering *g, struct json_object *answer)
{
	g->done(g->opaque, 0, answer, NULL);
	medium_unref(g->medium);
	free(g);
}

static void refresh_returned(struct call *c)
{
	struct gathering *g = c->gathering;

	if (!--g->waiting)
		gathering_end(g, NULL);
	call_free(c);
}

/* To each controller; one whose call cannot be made is left out. */
static void gather(struct machine *m, machine_done *done, void *opaque, struct medium *medium,
		   void (*run)(struct call *), void (*returned)(struct call *))
{
	struct gathering *g = calloc(1, sizeof(*g));
	struct call **call = calloc(m->stations, sizeof(struct call *));

	if (!g || !call) {
		done(opaque, -ENOMEM, NULL, "out of memory");
		free(g);
		free(call);
		return;
	}
	*g = (struct gathering){.done = done, .opaque = opaque, .machine = m,
				.medium = medium ? medium_ref(medium) : NULL};
	for (unsigned i = 0; i < m->stations; i++) {
		call[i] = calloc(1, sizeof(struct call));
		g->waiting += !!call[i];
	}
	if (!g->waiting)
		gathering_end(g, NULL);
	for (unsigned i = 0; i < m->stations; i++) {
		struct call *c = call[i];

		if (!c)
			continue;
		*c = (struct call){.station = &m->station[i], .gathering = g};
		c->there = (struct loop_task){.run = call_run, .opaque = c};
		c->back = (struct loop_task){.run = call_came_back, .opaque = c};
		call_post(c, run, returned);
	}
	free(call);
}

void machine_resize(struct machine *m, const char *drive, const char *size, machine_done *done,
		    void *opaque)
{
	struct drive *d = find_drive(m, drive, true, done, opaque);
	struct vd_error err = {""};
	uint64_t bytes, before;
	int r;

	if (!d)
		return;
	before = medium_disk(d->medium) ? vd_size(medium_disk(d->medium)) : 0;
	r = parse_size("the size", size, &bytes, &err);
	if (!r)
		r = medium_resize(d->medium, bytes, &err);
	if (r) {
		done(opaque, r, NULL, err.text);
		return;
	}
	if (bytes == before) {
		done(opaque, 0, NULL, NULL);
		return;
	}
	events_emit(m->events, "resized", d->name, "%s has %" PRIu64 " bytes now%s", d->name, bytes,
		    d->station->controller->type->changed ? "" :
		    ", its guest sees that after the next reset of the machine");
	gather(m, done, opaque, d->medium, refresh_run, refresh_returned);
}

/* ------------------------------------------------------------------------------------------ retry */

static void retry_run(struct call *c)
{
	for (unsigned i = 0; i < c->station->controller->devices; i++)
		device_retry(c->station->controller->device[i]);
	call_return(c);
}

void machine_retry(struct machine *m, machine_done *done, void *opaque)
{
	gather(m, done, opaque, NULL, retry_run, refresh_returned);
}

/* ------------------------------------------------------------------------------------------ limit */

bool machine_warn_limit(struct machine *m, const char *group, uint64_t limit, char *text,
			size_t room)
{
	if (!limit || limit >= MACHINE_LOW_LIMIT)
		return false;
	snprintf(text, room, "group %.60s: %" PRIu64 " bytes per second is little; guests give up on "
		 "requests that take longer than 30 seconds", group, limit);
	events_emit(m->events, "low-limit", group, "%s", text);
	return true;
}

void machine_limit(struct machine *m, const char *group, const char *limit, machine_done *done,
		   void *opaque)
{
	const struct machine_description *d = m->description;
	struct json_object *answer = NULL;
	struct vd_error err = {""};
	char text[256];
	uint64_t bytes;
	int r = parse_size("the limit", limit, &bytes, &err);

	if (r) {
		done(opaque, r, NULL, err.text);
		return;
	}
	for (unsigned i = 0; i < d->groups; i++)
		if (!strcmp(d->group[i].name, group)) {
			vd_group_set_limit(m->group[i], bytes);
			if (machine_warn_limit(m, group, bytes, text, sizeof(text))) {
				answer = json_object_new_object();
				json_object_object_add(answer, "warning", text_json(text));
			}
			done(opaque, 0, answer, NULL);
			return;
		}
	fail_text(done, opaque, -ENOENT, "there is no group %s; status lists them", group);
}

/* ----------------------------------------------------------------------------------------- status */

static const char *const op_names[DEVICE_OPS] = {
	"read", "write", "write-zeroes", "discard", "flush", "map",
};

static void add_number(struct json_object *o, const char *name, uint64_t n)
{
	json_object_object_add(o, name, json_object_new_uint64(n));
}

static struct json_object *latency_json(const struct device_statistics *s)
{
	static const struct { const char *name; unsigned permille; } which[] = {
		{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p999", 999}, {"max", 1000},
	};
	struct json_object *o = json_object_new_object();

	for (unsigned i = 0; i < sizeof(which) / sizeof(*which); i++)
		add_number(o, which[i].name, device_latency(s, which[i].permille));
	return o;
}

static struct json_object *drive_json(const struct drive *d)
{
	struct json_object *o = json_object_new_object(), *ops = json_object_new_object();
	struct vd_disk *disk = medium_disk(d->medium);
	struct device_statistics s;

	device_get_statistics(d->device, &s);
	json_object_object_add(o, "name", text_json(d->name));
	json_object_object_add(o, "address", text_json(d->address));
	json_object_object_add(o, "image", text_json(medium_path(d->medium)));
	json_object_object_add(o, "mode",
			       json_object_new_string(medium_mode_name(medium_mode_of(d->medium))));
	if (medium_diff(d->medium))
		json_object_object_add(o, "diff", text_json(medium_diff(d->medium)));
	add_number(o, "size", disk ? vd_size(disk) : 0);
	for (unsigned i = 0; i < DEVICE_OPS; i++) {
		struct json_object *op = json_object_new_object();

		add_number(op, "requests", s.requests[i]);
		add_number(op, "bytes", s.bytes[i]);
		add_number(op, "errors", s.errors[i]);
		json_object_object_add(ops, op_names[i], op);
	}
	json_object_object_add(o, "operations", ops);
	add_number(o, "queue-depth", s.in_flight);
	add_number(o, "queue-depth-max", s.deepest);
	add_number(o, "waiting-for-space", s.waiting_for_space);
	json_object_object_add(o, "latency-ns", latency_json(&s));
	return o;
}

static void status_run(struct call *c)
{
	c->running = c->station->controller->running;
	vfio_user_get_statistics(c->station->front, &c->front);
	call_return(c);
}

static struct json_object *station_json(const struct call *c)
{
	const struct controller_description *d = c->station->description;
	struct json_object *o = json_object_new_object(), *messages = json_object_new_object();
	struct json_object *disks = json_object_new_array();

	json_object_object_add(o, "name", text_json(d->name));
	json_object_object_add(o, "type", json_object_new_string(d->type->name));
	json_object_object_add(o, "socket", text_json(d->socket));
	json_object_object_add(o, "connected", json_object_new_boolean(c->running));
	add_number(messages, "connections", c->front.connections);
	add_number(messages, "posted", c->front.posted);
	add_number(messages, "synchronous", c->front.synchronous);
	add_number(messages, "in", c->front.messages_in);
	add_number(messages, "out", c->front.messages_out);
	add_number(messages, "interrupts", c->front.interrupts);
	json_object_object_add(o, "messages", messages);
	for (const struct drive *drive = c->station->machine->drives; drive; drive = drive->next)
		if (drive->station == c->station && drive->device)
			json_object_array_put_idx(disks, json_object_array_length(disks),
						  drive_json(drive));
	json_object_object_add(o, "disks", disks);
	return o;
}

static struct json_object *groups_json(const struct machine *m)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < m->description->groups; i++) {
		struct json_object *o = json_object_new_object();
		struct vd_group_statistics s;

		vd_group_get_statistics(m->group[i], &s);
		json_object_object_add(o, "name", text_json(m->description->group[i].name));
		add_number(o, "limit", vd_group_limit(m->group[i]));
		add_number(o, "time-ns", s.time);
		add_number(o, "requests", s.requests);
		add_number(o, "bytes", s.bytes);
		add_number(o, "delayed", s.delayed);
		add_number(o, "cancelled", s.cancelled);
		add_number(o, "waiting", s.waiting);
		json_object_array_add(list, o);
	}
	return list;
}

static void status_returned(struct call *c)
{
	struct gathering *g = c->gathering;
	struct json_object *answer;

	if (!g->controllers)
		g->controllers = json_object_new_array();
	json_object_array_put_idx(g->controllers, (size_t)(c->station - g->machine->station),
				  station_json(c));
	if (!--g->waiting) {
		answer = json_object_new_object();
		json_object_object_add(answer, "controllers", g->controllers);
		json_object_object_add(answer, "groups", groups_json(g->machine));
		gathering_end(g, answer);
	}
	call_free(c);
}

void machine_status(struct machine *m, machine_done *done, void *opaque)
{
	gather(m, done, opaque, NULL, status_run, status_returned);
}
