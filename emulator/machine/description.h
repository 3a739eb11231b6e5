/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * description.h - what storage a machine has: controllers, the disks on them, bandwidth groups.
 *
 * A description is data. The command line makes one (description_parse_*); VirtualBox's settings can
 * make the same. machine.h brings it to life.
 */
#ifndef VIMG_DESCRIPTION_H
#define VIMG_DESCRIPTION_H

#include "controllers/controller.h"
#include "device/medium.h"

/* Strings are the description's own. NULL and 0: the default. */
struct disk_description {
	char *path, *name, *group, *format, *diff;
	char *serial, *model, *firmware;
	enum medium_mode mode;
	enum device_on_full on_full;
	bool cache, discard, nonrotational, force;
	uint32_t physical_block_size;
	char **parents;			/* ends with NULL */
	struct option_values address;	/* for the controller: "port" and the like */
};

struct controller_description {
	const struct controller_type *type;
	char *name;			/* "nvme0" */
	char *socket;
	char *bootindex;		/* for vimg-emulator run, or NULL */
	unsigned index;			/* among those of its type */
	struct option_values options;
	struct disk_description *disk;
	unsigned disks;
};

struct group_description {
	char *name;
	uint64_t limit;			/* bytes per second; 0: none */
};

struct machine_description {
	struct controller_description *controller;
	unsigned controllers;
	struct group_description *group;
	unsigned groups;
	char **parent_dirs, **allow_dirs;	/* end with NULL; NULL: none */
};

/*
 * Each takes one argument of the command line: words with commas between them, ",," for a comma in
 * one. 0, or -EINVAL or -ENOMEM with a sentence.
 */
/* TYPE,socket=PATH[,name=NAME][,bootindex=N][,OPTION=VALUE]... */
int description_add_controller(struct machine_description *m, const char *text,
			       struct vd_error *err);
/* PATH[,OPTION=VALUE]..., on the controller that was added last */
int description_add_disk(struct machine_description *m, const char *text, struct vd_error *err);
/* NAME[,limit=SIZE] */
int description_add_group(struct machine_description *m, const char *text, struct vd_error *err);
int description_add_parent_dir(struct machine_description *m, const char *path);
int description_add_allow_dir(struct machine_description *m, const char *path);
/* What takes all of it to know: names that are there twice, groups that are not there. */
int description_check(const struct machine_description *m, bool sockets, struct vd_error *err);
void description_free(struct machine_description *m);

/* One disk on its own: for attaching. `type` has the options of the address. */
int disk_description_parse(const struct controller_type *type, const char *text,
			   struct disk_description *out, struct vd_error *err);
void disk_description_free(struct disk_description *d);

/* A size as in size.h. -EINVAL with a sentence that begins with `what`. */
int parse_size(const char *what, const char *text, uint64_t *out, struct vd_error *err);

/* The options a controller has, and those of every disk: for --help. End with a NULL name. */
extern const struct controller_option description_controller_options[];
extern const struct controller_option description_disk_options[];

#endif
