/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arguments.c - the command line of serve and run. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "program/program.h"

static const struct option long_options[] = {
	{"control", required_argument, NULL, 'c'},
	{"controller", required_argument, NULL, 'C'},
	{"disk", required_argument, NULL, 'd'},
	{"group", required_argument, NULL, 'g'},
	{"parent-dir", required_argument, NULL, 'P'},
	{"allow-dir", required_argument, NULL, 'A'},
	{"no-sandbox", no_argument, NULL, 'S'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0}
};

static int missing(const char *option, const char *what, struct vd_error *err)
{
	snprintf(err->text, sizeof(err->text), "%s \"\": the name of a %s is missing", option, what);
	return -EINVAL;
}

static int take(struct arguments *a, int option, char *value, struct vd_error *err)
{
	struct machine_description *m = &a->machine;

	switch (option) {
	case 'c':
		if (!*value)
			return missing("--control", "socket", err);
		if (a->control) {
			snprintf(err->text, sizeof(err->text), "--control is there twice");
			return -EINVAL;
		}
		a->control = value;
		return 0;
	case 'C':
		return description_add_controller(m, value, err);
	case 'd':
		return description_add_disk(m, value, err);
	case 'g':
		return description_add_group(m, value, err);
	case 'P':
		return *value ? description_add_parent_dir(m, value) :
		       missing("--parent-dir", "folder", err);
	case 'A':
		return *value ? description_add_allow_dir(m, value) :
		       missing("--allow-dir", "folder", err);
	case 'S':
		a->sandbox = false;
		return 0;
	default:
		a->help = true;
		return 0;
	}
}

int arguments_parse(int argc, char **argv, struct arguments *out)
{
	struct vd_error err = {"out of memory"};
	int option;

	*out = (struct arguments){.sandbox = true};
	optind = 0;	/* glibc: begin anew */
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:h", long_options, NULL)) != -1) {
		if (option == ':')
			return usage_error("%s: its value is missing", argv[optind - 1]);
		if (option == '?' && optopt && !strncmp(argv[optind - 1], "--", 2))
			return usage_error("%s: this option takes no value", argv[optind - 1]);
		if (option == '?')
			return usage_error("there is no option %s", argv[optind - 1]);
		if (take(out, option, optarg, &err))
			return usage_error("%s", err.text);
	}
	out->rest = argv + optind;
	out->rest_count = argc - optind;
	for (unsigned i = 0; out->control && i < out->machine.controllers; i++) {
		const struct controller_description *c = &out->machine.controller[i];

		if (c->socket && !strcmp(c->socket, out->control))
			return usage_error("--control and the controller %s have the socket %s",
					   c->name, c->socket);
	}
	return STATUS_OK;
}

/* What guests do not see there: NVMe's are the controller's, SCSI has a vendor and a product. */
static void warn_of_disk(const struct controller_description *c, const struct disk_description *d)
{
	bool nvme = !strcmp(c->type->name, "nvme"), scsi = !strcmp(c->type->name, "virtio-scsi");
	const struct { const char *name; bool ignored; } options[] = {
		{"serial", nvme && d->serial},
		{"model", (nvme || scsi) && d->model},
		{"firmware", nvme && d->firmware},
	};

	for (unsigned i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (options[i].ignored)
			say("%s: %s= of a disk has no effect on %s", d->path, options[i].name,
			    c->type->name);
}

void arguments_warn(const struct arguments *a)
{
	for (unsigned i = 0; i < a->machine.controllers; i++)
		for (unsigned k = 0; k < a->machine.controller[i].disks; k++)
			warn_of_disk(&a->machine.controller[i], &a->machine.controller[i].disk[k]);
}

void arguments_free(struct arguments *a)
{
	description_free(&a->machine);
}

static void list(const char *title, const struct controller_option *o)
{
	if (o && o->name)
		printf("\n%s\n", title);
	for (; o && o->name; o++)
		printf("  %-22s%s\n", o->name, o->help);
}

void arguments_help(void)
{
	char title[128];

	puts("Options of serve and run:\n"
	     "  --controller TYPE[,OPTION=VALUE]...   a controller; the disks after it are on it\n"
	     "  --disk IMAGE[,OPTION=VALUE]...        a disk; in names and values ,, is a comma\n"
	     "  --group NAME[,limit=SIZE]             disks in it share so many bytes per second\n"
	     "  --control PATH                        a socket for vimg-emulator ctl\n"
	     "  --parent-dir DIR                      look for parents of images there, too\n"
	     "  --allow-dir DIR                       images may be opened there later, and parents\n"
	     "                                        recorded there are trusted\n"
	     "  --no-sandbox                          do not lock the server in\n"
	     "\n"
	     "Commands of ctl: status [--json], events [--json], attach CONTROLLER IMAGE[,OPTION=VALUE]...,\n"
	     "  detach DISK, limit GROUP SIZE, resize DISK SIZE, retry");
	list("Options of every controller:", description_controller_options);
	list("Options of every disk:", description_disk_options);
	for (const struct controller_type *const *t = controller_types; *t; t++) {
		printf("\n%s: %s\n", (*t)->name, (*t)->summary);
		snprintf(title, sizeof(title), " Options of %s:", (*t)->name);
		list(title, (*t)->options);
		snprintf(title, sizeof(title), " Options of a disk on it:");
		list(title, (*t)->disk_options);
	}
}
