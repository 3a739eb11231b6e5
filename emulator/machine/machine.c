/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine.c - see machine.h: making a machine, its threads, and switching it off. */
#include "machine/machine.h"

#include <errno.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked.h"
#include "cleanup.h"
#include "core/fail.h"
#include "core/socket.h"
#include "front/vfio_user.h"
#include "machine/private.h"

/* Of a drive's name, after its controller's: the address, a number, and what is in between. */
#define NAME_REST (sizeof(((struct drive *)0)->address) + 2)

/* ---------------------------------------------------------------------------------------- drives */

static struct vd_group *group_find(const struct machine *m, const char *name)
{
	for (unsigned i = 0; name && i < m->description->groups; i++)
		if (!strcmp(m->description->group[i].name, name))
			return m->group[i];
	return NULL;
}

void drive_free(struct drive *d)
{
	if (!d)
		return;
	device_free(d->device);
	if (d->medium)
		medium_abandon(d->medium);
	medium_unref(d->medium);
	free(d->name);
	free(d);
}

/* What libvdisk's advice is called on our command line. */
static const struct vd_option_words option_words = {
	.force = "force=on",
	.parent = "parent=FILE",
	.parent_dir = "--parent-dir DIR",
	.raw = "format=raw",
};

/* The first drive whose chain has the file at `path` in it, or NULL. */
static struct drive *drive_with_file(struct machine *m, const char *path)
{
	struct vd_image_info info;
	struct stat want, st;

	if (stat(path, &want))
		return NULL;
	for (struct drive *d = m->drives; d; d = d->next) {
		struct vd_disk *disk = medium_disk(d->medium);

		for (unsigned i = 0; disk && !vd_image_info(disk, i, &info); i++)
			if (!stat(info.path, &st) && st.st_dev == want.st_dev &&
			    st.st_ino == want.st_ino)
				return d;
	}
	return NULL;
}

/*
 * "FILE: in use by vimg-emulator (process 7)" helps nobody when that is this server: its drive is
 * named. FILE is what stands between the last colon, or another one, and those words.
 */
static void name_user(struct machine *m, struct vd_error *err)
{
	char *end = strstr(err->text, ": in use by "), *file = err->text;
	struct drive *d = NULL;

	if (!end)
		return;
	*end = '\0';
	while (file && !(d = drive_with_file(m, file))) {
		file = strstr(file, ": ");
		file = file ? file + 2 : NULL;
	}
	*end = ':';
	if (d)
		snprintf(end, sizeof(err->text) - (size_t)(end - err->text),
			 ": in use by the disk %s of this server", d->name);
}

/* For a name that drive_register() makes: what is attached already must not fail any more. */
static char *name_room(const struct station *s)
{
	return calloc(1, strlen(s->description->name) + NAME_REST);
}

/* Another disk of the machine with the same identity, which is not the same disk. */
static bool has_double(const struct machine *m, const struct drive *d)
{
	const struct drive *const lists[] = {m->drives, m->arriving};

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++)
		for (const struct drive *o = lists[i]; o; o = o->next)
			if (o->medium != d->medium && device_identity(o->device)->wwn ==
						      device_identity(d->device)->wwn)
				return true;
	return false;
}

int drive_open(struct station *s, const struct disk_description *d, struct drive **out,
	       struct vd_error *err)
{
	struct machine *m = s->machine;
	struct medium_options medium = {
		.path = d->path, .mode = d->mode, .diff = d->diff, .format = d->format,
		.parents = (const char *const *)d->parents,
		.parent_dirs = (const char *const *)m->description->parent_dirs,
		.allow_dirs = (const char *const *)m->description->allow_dirs,
		.no_cache = !d->cache, .force = d->force, .group = group_find(m, d->group),
	};
	struct device_options device = {
		.serial = d->serial, .model = d->model, .firmware = d->firmware,
		.nonrotational = d->nonrotational, .discard = d->discard, .on_full = d->on_full,
		.physical_block_size = d->physical_block_size, .events = m->events,
		.name = d->name ? d->name : d->path,
	};
	struct drive *drive = calloc(1, sizeof(*drive));
	struct vd_error why = {""};
	int r;

	if (!drive)
		return fail_with(err, -ENOMEM, "%s: out of memory", d->path);
	drive->station = s;
	drive->name = d->name ? strdup(d->name) : name_room(s);
	if (d->group && !medium.group)
		r = fail_with(err, -ENOENT, "%s: there is no group %s", d->path, d->group);
	else if (!drive->name)
		r = fail_with(err, -ENOMEM, "%s: out of memory", d->path);
	else
		r = medium_open(m->media, &medium, &drive->medium, err);
	if (r == -EBUSY)
		name_user(m, err);
	if (r)
		vd_error_advise(err, &option_words);
	if (!r) {
		r = device_new(drive->medium, &device, &drive->device, &why);
		if (!r && has_double(m, drive)) {
			device_free(drive->device);
			drive->device = NULL;
			device.distinct = true;
			r = device_new(drive->medium, &device, &drive->device, &why);
		}
		if (r)
			fail_with(err, r, "%.300s: %.700s", d->path, why.text);
	}
	if (r) {
		drive_free(drive);
		return r;
	}
	*out = drive;
	return 0;
}

/* Some controllers begin with their name, which is said here for all of them. */
static int attach_failed(const struct drive *d, int code, const char *why, struct vd_error *err)
{
	const char *name = d->station->description->name;
	size_t n = strlen(name);

	if (!strncmp(why, name, n) && !strncmp(why + n, ": ", 2))
		why += n + 2;
	return fail_with(err, code, "%.300s on %.100s: %.600s", medium_path(d->medium), name, why);
}

/* In the controller's thread, or before it runs. */
int drive_attach(struct drive *d, const struct option_values *address, struct vd_error *err)
{
	struct controller *c = d->station->controller;
	struct vd_error why = {""};
	int r = controller_attach(c, d->device, address, &why);
	char text[64] = "";

	if (r)
		return attach_failed(d, r, why.text, err);
	c->type->address(c, d->device, text, sizeof(text));
	snprintf(d->address, sizeof(d->address), "%s", text);
	return 0;
}

static void list_append(struct drive **list, struct drive *d)
{
	while (*list)
		list = &(*list)->next;
	d->next = NULL;
	*list = d;
}

static void list_remove(struct drive **list, struct drive *d)
{
	while (*list && *list != d)
		list = &(*list)->next;
	if (*list)
		*list = d->next;
}

void drive_arrive(struct drive *d)
{
	list_append(&d->station->machine->arriving, d);
}

void drive_arrived(struct drive *d)
{
	list_remove(&d->station->machine->arriving, d);
}

/* After where it is, as nobody else is called: a name that is given has no slash. */
static void make_name(struct drive *d)
{
	const char *controller = d->station->description->name;

	snprintf(d->name, strlen(controller) + NAME_REST, "%s/%s", controller, d->address);
}

void drive_register(struct drive *d)
{
	if (!*d->name)
		make_name(d);
	list_append(&d->station->machine->drives, d);
}

void drive_unregister(struct drive *d)
{
	list_remove(&d->station->machine->drives, d);
}

static struct drive *drive_named(struct machine *m, const char *name)
{
	for (struct drive *d = m->drives; d; d = d->next)
		if (!strcmp(d->name, name))
			return d;
	return NULL;
}

bool machine_has_drive(struct machine *m, const char *name)
{
	return drive_named(m, name);
}

bool drive_is_named(struct machine *m, const char *name)
{
	for (const struct drive *d = m->arriving; d; d = d->next)
		if (!strcmp(d->name, name))
			return true;
	return drive_named(m, name);
}

static bool is_path_of(const struct drive *d, const char *name)
{
	const char *path = medium_path(d->medium);
	CLEANUP_FREE char *whole = NULL;

	if (!strcmp(path, name))
		return true;
	whole = realpath(path, NULL);
	return whole && !strcmp(whole, name);
}

/* By its name, or by its image's, which several may have. */
struct drive *drive_find(struct machine *m, const char *name, struct drive *after)
{
	if (!after) {
		struct drive *found = drive_named(m, name);

		if (found)
			return found;
	} else if (!strcmp(after->name, name)) {
		return NULL;
	}
	for (struct drive *d = after ? after->next : m->drives; d; d = d->next)
		if (is_path_of(d, name))
			return d;
	return NULL;
}

static int add_drive(struct station *s, const struct disk_description *disk, struct vd_error *err)
{
	struct drive *d;
	int r = drive_open(s, disk, &d, err);

	if (r)
		return r;
	r = drive_attach(d, &disk->address, err);
	if (r) {
		drive_free(d);
		return r == -ENOMEM ? r : -EINVAL;
	}
	if (*d->name && drive_is_named(s->machine, d->name))
		r = fail_with(err, -EINVAL, "two disks are called %s", d->name);
	drive_register(d);
	return r;
}

/* ------------------------------------------------------------------------------------- power-on */

/* In the controller's thread again. */
static void power_is_on(void *opaque)
{
	struct station *s = opaque;

	for (unsigned i = 0; i < s->controller->devices; i++)
		device_refresh(s->controller->device[i]);
	vfio_user_power_on(s->front, s->power_status);
}

/* In the control thread. */
static void power_on(void *opaque)
{
	struct station *s = opaque;
	struct vd_error err = {""};

	s->power_status = 0;
	for (struct drive *d = s->machine->drives; d && !s->power_status; d = d->next)
		if (d->station == s && !d->detaching)
			s->power_status = medium_power_on(d->medium, &err);
	if (s->power_status)
		events_emit(s->machine->events, "power-on-failed", s->description->name, "%s",
			    err.text);
	loop_post(s->loop, &s->power_is_on);
}

static void client_came(void *opaque)
{
	struct station *s = opaque;

	loop_post(s->machine->control, &s->power_on);
}

/* --------------------------------------------------------------------------------------- stations */

static void station_free(struct station *s)
{
	vfio_user_free(s->front);
	controller_free(s->controller);
	loop_free(s->loop);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (s->bound)
		unlink(s->description->socket);
}

static int station_new(struct machine *m, const struct controller_description *d,
		       struct station *s, struct vd_error *err)
{
	struct vd_error why = {""};
	int r;

	*s = (struct station){.machine = m, .description = d, .listen_fd = -1};
	s->power_on = (struct loop_task){.run = power_on, .opaque = s};
	s->power_is_on = (struct loop_task){.run = power_is_on, .opaque = s};
	r = loop_new(&s->loop);
	if (r)
		return fail_with(err, r, "%s: %s", d->name, strerror(-r));
	r = controller_new(d->type, d->name, d->index, s->loop, &d->options, &s->controller, &why);
	if (r)
		return fail_with(err, r, "--controller %s: %.900s", d->type->name, why.text);
	for (unsigned i = 0; !r && i < d->disks; i++)
		r = add_drive(s, &d->disk[i], err);
	return r;
}

/* Last of all: who sees a socket may connect to it. */
static int station_listen(struct station *s, struct vd_error *err)
{
	const struct vfio_user_callbacks callbacks = {.power_on = client_came, .opaque = s};
	int r = socket_listen(s->description->socket, &s->listen_fd, err);

	if (r)
		return r;
	s->bound = true;
	r = vfio_user_new(s->controller, s->listen_fd, &callbacks, s->machine->events, &s->front,
			  err);
	if (!r)
		s->listen_fd = -1;
	return r;
}

/* ----------------------------------------------------------------------------------- life cycle */

static int make_groups(struct machine *m, struct vd_error *err)
{
	const struct machine_description *d = m->description;
	char text[256];
	int r = 0;

	m->group = calloc(d->groups + 1, sizeof(struct vd_group *));
	if (!m->group)
		return fail_with(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; !r && i < d->groups; i++) {
		r = vd_group_create(d->group[i].limit, &m->group[i]);
		if (r)
			fail_with(err, r, "--group %s: %s", d->group[i].name, strerror(-r));
		else
			machine_warn_limit(m, d->group[i].name, d->group[i].limit, text,
					   sizeof(text));
	}
	return r;
}

/* Sorted out here, as the command line is turned into rules for the sandbox. */
static int add_folder(struct machine *m, const char *file)
{
	CLEANUP_FREE char *copy = strdup(file);
	char **grown, *real;
	unsigned n = 0;

	if (!copy)
		return -ENOMEM;
	real = realpath(dirname(copy), NULL);
	if (!real)
		return 0;
	for (; m->folder && m->folder[n]; n++)
		if (!strcmp(m->folder[n], real)) {
			free(real);
			return 0;
		}
	grown = reallocarray(m->folder, n + 2, sizeof(*grown));
	if (!grown) {
		free(real);
		return -ENOMEM;
	}
	m->folder = grown;
	grown[n] = real;
	grown[n + 1] = NULL;
	return 0;
}

static int add_folders(struct machine *m, struct vd_error *err)
{
	int r = 0;

	for (struct drive *drive = m->drives; drive && !r; drive = drive->next) {
		r = add_folder(m, medium_path(drive->medium));
		if (!r && medium_diff(drive->medium))
			r = add_folder(m, medium_diff(drive->medium));
	}
	return r ? fail_with(err, r, "out of memory") : 0;
}

int machine_new(const struct machine_description *d, struct loop *control, struct events *events,
		struct machine **out, struct vd_error *err)
{
	struct machine *m = calloc(1, sizeof(*m));
	int r = 0;

	if (!m)
		return fail_with(err, -ENOMEM, "out of memory");
	m->description = d;
	m->control = control;
	m->events = events;
	m->station = calloc(d->controllers, sizeof(*m->station));
	if (!m->station || media_new(&m->media))
		r = fail_with(err, -ENOMEM, "out of memory");
	if (!r)
		r = make_groups(m, err);
	while (!r && m->stations < d->controllers) {
		m->stations++;
		r = station_new(m, &d->controller[m->stations - 1],
				&m->station[m->stations - 1], err);
	}
	if (!r)
		r = add_folders(m, err);
	for (unsigned i = 0; i < m->stations && !r; i++)
		r = station_listen(&m->station[i], err);
	if (r) {
		for (struct drive *drive = m->drives; drive; drive = drive->next)
			medium_abandon(drive->medium);
		machine_stop(m);
		machine_free(m);
		return r;
	}
	*out = m;
	return 0;
}

static void *station_run(void *opaque)
{
	struct station *s = opaque;

	if (s->enter)
		s->enter();
	loop_run(s->loop);
	return NULL;
}

int machine_start(struct machine *m, void (*enter)(void), struct vd_error *err)
{
	sigset_t all, before;
	int r = 0;

	memory_catch_sigbus();
	/* Signals are the control thread's. */
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	for (unsigned i = 0; i < m->stations && !r; i++) {
		m->station[i].enter = enter;
		r = pthread_create(&m->station[i].thread, NULL, station_run, &m->station[i]);
		m->station[i].started = !r;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r ? fail_with(err, -r, "a thread could not be started: %s", strerror(r)) : 0;
}

/* ------------------------------------------------------------------------------------------ stop */

static void front_stopped(void *opaque)
{
	struct station *s = opaque;

	loop_stop(s->loop);
}

static void stop_front(void *opaque)
{
	struct station *s = opaque;

	vfio_user_stop(s->front, front_stopped, s);
}

static void device_gone(void *opaque, struct device *d)
{
	(void)d;
	*(bool *)opaque = true;
}

/* The thread is gone: its loop is ours. */
static void detach_all(struct station *s)
{
	while (s->controller && s->controller->devices) {
		bool gone = false;

		controller_detach(s->controller, s->controller->device[0], device_gone, &gone);
		while (!gone)
			loop_once(s->loop, -1);
	}
}

static int close_drives(struct machine *m)
{
	int status = 0;

	while (m->drives) {
		struct drive *d = m->drives;
		int r;

		m->drives = d->next;
		device_free(d->device);
		d->device = NULL;
		r = medium_unref(d->medium);
		d->medium = NULL;
		if (r)
			events_emit(m->events, "flush-failed", d->name,
				    "%s could not be made durable: %s", d->name, strerror(-r));
		if (!status)
			status = r;
		drive_free(d);
	}
	return status;
}

int machine_stop(struct machine *m)
{
	for (unsigned i = 0; i < m->stations; i++) {
		struct station *s = &m->station[i];

		s->stop = (struct loop_task){.run = stop_front, .opaque = s};
		if (s->started)
			loop_post(s->loop, &s->stop);
	}
	for (unsigned i = 0; i < m->stations; i++)
		if (m->station[i].started) {
			pthread_join(m->station[i].thread, NULL);
			m->station[i].started = false;
		}
	for (unsigned i = 0; i < m->stations; i++)
		detach_all(&m->station[i]);
	/* Answers that are on their way to the control socket. */
	loop_once(m->control, 0);
	return close_drives(m);
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->stations; i++)
		station_free(&m->station[i]);
	free(m->station);
	for (unsigned i = 0; m->group && i < m->description->groups; i++)
		vd_group_unref(m->group[i]);
	free(m->group);
	for (unsigned i = 0; m->folder && m->folder[i]; i++)
		free(m->folder[i]);
	free(m->folder);
	media_free(m->media);
	free(m);
}

const char *const *machine_folders(const struct machine *m)
{
	return (const char *const *)m->folder;
}

const struct machine_description *machine_description(const struct machine *m)
{
	return m->description;
}
