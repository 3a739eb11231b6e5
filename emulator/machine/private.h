/* SPDX-License-Identifier: GPL-2.0-or-later */
/* private.h - a machine from inside: its stations (a controller with its thread) and drives. */
#ifndef VIMG_MACHINE_PRIVATE_H
#define VIMG_MACHINE_PRIVATE_H

#include <pthread.h>

#include "machine/machine.h"

struct vfio_user;

struct station {
	struct machine *machine;
	const struct controller_description *description;
	struct loop *loop;
	struct controller *controller;
	struct vfio_user *front;
	int listen_fd;			/* -1: none, or the front's */
	bool bound;
	pthread_t thread;
	bool started;
	void (*enter)(void);
	struct loop_task stop, power_on, power_is_on;
	int power_status;
};

/* A disk on a controller. */
struct drive {
	struct drive *next;
	struct station *station;
	struct medium *medium;
	struct device *device;
	char *name;
	char address[64];
	bool detaching;
};

struct machine {
	const struct machine_description *description;
	struct loop *control;
	struct events *events;
	struct media *media;
	struct vd_group **group;	/* as in the description */
	struct station *station;
	unsigned stations;
	struct drive *drives;		/* the control thread's */
	struct drive *arriving;		/* so are those that are being attached */
	char **folder;
};

/* Whether the limit is so low that guests give up: tells it as an event, and in `text`. */
bool machine_warn_limit(struct machine *m, const char *group, uint64_t limit, char *text,
			size_t room);

int drive_open(struct station *s, const struct disk_description *d, struct drive **out,
	       struct vd_error *err);
int drive_attach(struct drive *d, const struct option_values *address, struct vd_error *err);
/* In the control thread. Before and after drive_attach is under way elsewhere: its name is taken. */
void drive_arrive(struct drive *d);
void drive_arrived(struct drive *d);
/* It is attached, and one of the machine's from now on. */
void drive_register(struct drive *d);
void drive_unregister(struct drive *d);
/* Also one that is being attached. */
bool drive_is_named(struct machine *m, const char *name);
/* After that one (NULL: the first) with this name, or with the image that is called so. */
struct drive *drive_find(struct machine *m, const char *name, struct drive *after);
/* With a medium in it still, it never was a machine's. */
void drive_free(struct drive *d);

#endif
