/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.c - the command line of vimg-mount; the names are those of VirtualBox's vboximg-mount. */
#include "options.h"
#include "say.h"
#include "vdisk.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum {
	OPT_RW = 256,
	OPT_FORMAT,
	OPT_PARENT,
	OPT_PARENT_DIR,
	OPT_ALLOW_DIR,
	OPT_FORCE,
	OPT_FORCE_PARENT,
	OPT_SECTOR_SIZE,
	OPT_ROOT,
	OPT_JSON,
};

static const char short_options[] = ":i:lvwp:o:fuUhV";
static const struct option long_options[] = {
	{ "image", required_argument, NULL, 'i' },
	{ "list", no_argument, NULL, 'l' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "wide", no_argument, NULL, 'w' },
	{ "partition", required_argument, NULL, 'p' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "unmount", no_argument, NULL, 'u' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "no-lock", no_argument, NULL, 'U' },
	{ "rw", no_argument, NULL, OPT_RW },
	{ "parent", required_argument, NULL, OPT_PARENT },
	{ "parent-dir", required_argument, NULL, OPT_PARENT_DIR },
	{ "allow-dir", required_argument, NULL, OPT_ALLOW_DIR },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "force-parent", no_argument, NULL, OPT_FORCE_PARENT },
	{ "sector-size", required_argument, NULL, OPT_SECTOR_SIZE },
	{ "root", no_argument, NULL, OPT_ROOT },
	{ "json", no_argument, NULL, OPT_JSON },
	{ NULL, 0, NULL, 0 },
};

/* Returns STATUS_USAGE, so that it can end a function. */
#define usage_error(...) (say(__VA_ARGS__), STATUS_USAGE)

/* A list has room for every word of the command line, so this cannot overflow. */
static void list_add(const char **list, const char *item)
{
	while (*list)
		list++;
	*list = item;
}

static int parse_number(const char *text, long max, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return errno || end == text || *end || *out < 0 || *out > max ? -EINVAL : 0;
}

static int parse_sector_size(const char *text, struct options *o)
{
	long n;

	if (parse_number(text, 4096, &n) < 0 || n < 512 || (n & (n - 1)))
		return usage_error("--sector-size %s: it can be 512, 1024, 2048 or 4096", text);
	o->sector_size = n;
	return 0;
}

static int parse_max_read(const char *text, struct options *o)
{
	long n;

	if (parse_number(text, INT_MAX, &n) < 0 || n < 4096)
		return usage_error("-o max_read=%s: it takes bytes, 4096 or more", text);
	o->max_read = n;
	return 0;
}

static void for_libfuse(struct options *o, const char *option)
{
	size_t used = strlen(o->fuse_options);

	/* There is room: see options_parse(). */
	if (used)
		o->fuse_options[used++] = ',';
	strcpy(o->fuse_options + used, option);
}

static int parse_format(const char *text, struct options *o)
{
	struct vd_format_info info;
	char known[128] = "";

	for (unsigned i = 0; !vd_format_info(i, &info); i++) {
		size_t n = strlen(known);

		if (!strcasecmp(info.name, text)) {
			o->format = info.name;
			return 0;
		}
		snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", info.name);
	}
	return usage_error("--format %s: there is no such format; known are %s", text, known);
}

/* One option of -o: ours, or one more for libfuse. */
static int mount_option(struct options *o, const char *option)
{
	int status = 0;

	if (!*option || !strcmp(option, "ro") || !strcmp(option, "rw"))
		return 0; /* looked at by check_access() */
	if (!strcmp(option, "direct_io")) {
		o->direct_io = true;
	} else if (!strcmp(option, "clone_fd")) {
		o->clone_fd = true;
	} else {
		/* libfuse wants to hear of this one twice. */
		if (!strncmp(option, "max_read=", 9))
			status = parse_max_read(option + 9, o);
		for_libfuse(o, option);
	}
	return status;
}

/* -o ro and -o rw are not ours to decide with, but must not contradict --rw. */
static int check_access(const struct options *o, bool ro, bool rw)
{
	if (ro && o->rw)
		return usage_error("--rw and -o ro contradict each other");
	if (o->rw && o->no_lock)
		return usage_error("--rw and --no-lock contradict each other: two that write "
				   "destroy the image");
	if (rw && !o->rw)
		return usage_error("-o rw does not make the image writable, --rw does");
	return 0;
}

/* Splits at commas; a comma after a backslash belongs to the option. */
static int parse_mount_options(struct options *o, char *text, bool *ro, bool *rw)
{
	char *p = text;
	int status;

	for (;;) {
		char *option = p;

		while (*p && *p != ',')
			p += *p == '\\' && p[1] ? 2 : 1;
		bool last = !*p;

		*p++ = '\0';
		*ro |= !strcmp(option, "ro");
		*rw |= !strcmp(option, "rw");
		status = mount_option(o, option);
		if (last || status)
			return status;
	}
}

static int set_action(struct options *o, enum action action)
{
	if (o->action != ACTION_MOUNT && o->action != action)
		return usage_error("--list and -u do not go together");
	o->action = action;
	return 0;
}

static int unknown_option(int argc, char **argv)
{
	/* optopt is 0 for an unknown long one; a known one had a value that it does not take. */
	if (optopt > 0 && optopt < 256 && !strchr(short_options, optopt))
		return usage_error("there is no option -%c; see vimg-mount --help", optopt);
	if (optopt)
		return usage_error("%s: the option takes no value", argv[optind - 1]);
	return usage_error("there is no option %s; see vimg-mount --help",
			   optind - 1 < argc ? argv[optind - 1] : "");
}

static int parse_words(int argc, char **argv, struct options *o, bool *ro, bool *rw)
{
	int c, status = 0;

	while (!status && (c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		switch (c) {
		case 'i':
			if (o->image)
				status = usage_error("more than one --image");
			o->image = optarg;
			break;
		case 'l': status = set_action(o, ACTION_LIST); break;
		case 'u': status = set_action(o, ACTION_UNMOUNT); break;
		case 'v': o->verbose = true; break;
		case 'w': o->wide = true; break;
		case 'p':
			if (parse_number(optarg, INT_MAX, &o->partition) < 0)
				status = usage_error("-p %s: it takes the number of a partition "
						     "in the listing", optarg);
			break;
		case 'o': status = parse_mount_options(o, optarg, ro, rw); break;
		case 'f': o->foreground = true; break;
		case 'h': o->action = ACTION_HELP; return 0;
		case 'V': o->action = ACTION_VERSION; return 0;
		case 'U': o->no_lock = true; break;
		case OPT_RW: o->rw = true; break;
		case OPT_FORMAT: status = parse_format(optarg, o); break;
		case OPT_PARENT: list_add(o->parents, optarg); break;
		case OPT_PARENT_DIR: list_add(o->parent_dirs, optarg); break;
		case OPT_ALLOW_DIR: list_add(o->allow_dirs, optarg); break;
		case OPT_FORCE: o->force = true; break;
		case OPT_FORCE_PARENT: o->force_parent = true; break;
		case OPT_SECTOR_SIZE: status = parse_sector_size(optarg, o); break;
		case OPT_ROOT: o->root = true; break;
		case OPT_JSON: o->json = true; break;
		case ':':
			status = usage_error("%s wants a value after it; see vimg-mount --help",
					     argv[optind - 1]);
			break;
		default: status = unknown_option(argc, argv); break;
		}
	}
	return status;
}

/* The image as a mere word, as other programs have it. */
static int no_image(char *const *words)
{
	struct stat st;

	if (*words && !stat(*words, &st) && !S_ISDIR(st.st_mode))
		return usage_error("no --image given; did you mean --image %s?", *words);
	return usage_error("no --image given; see vimg-mount --help");
}

/* What an action needs, and which options would do nothing with it. */
static int check_action(const struct options *o, int words, char *const *argv)
{
	switch (o->action) {
	case ACTION_LIST:
		if (!o->image)
			return words ? no_image(argv) :
				       usage_error("--list wants an --image to list");
		if (words)
			return usage_error("--list takes no mount point");
		return o->json && (o->verbose || o->wide) ?
			usage_error("--json has all that --verbose and --wide have") : 0;
	case ACTION_UNMOUNT:
		if (o->image)
			return usage_error("-u takes the mount point only");
		return words != 1 ? usage_error("-u wants one mount point") : 0;
	case ACTION_MOUNT:
		if (!o->image)
			return no_image(argv);
		if (!words)
			return usage_error("no mount point given; see vimg-mount --help");
		if (words > 1)
			return usage_error("more than one mount point given");
		return o->json || o->wide ? usage_error("--json and --wide go with --list") : 0;
	default:
		return 0;
	}
}

int options_parse(int argc, char **argv, struct options *o)
{
	size_t room = 1;
	bool ro = false, rw = false;
	int status;

	*o = (struct options){ .partition = EVERY_PARTITION };
	for (int i = 0; i < argc; i++)
		room += strlen(argv[i]) + 1;
	o->parents = calloc(argc + 1, sizeof(*o->parents));
	o->parent_dirs = calloc(argc + 1, sizeof(*o->parent_dirs));
	o->allow_dirs = calloc(argc + 1, sizeof(*o->allow_dirs));
	o->fuse_options = calloc(room, 1);
	if (!o->parents || !o->parent_dirs || !o->allow_dirs || !o->fuse_options)
		return usage_error("there is no memory left");

	opterr = 0;
	status = parse_words(argc, argv, o, &ro, &rw);
	if (status || o->action == ACTION_HELP || o->action == ACTION_VERSION)
		return status;
	status = check_action(o, argc - optind, argv + optind);
	if (!status)
		status = check_access(o, ro, rw);
	if (argc > optind)
		o->mountpoint = argv[optind];
	return status;
}

void options_free(struct options *o)
{
	free(o->parents);
	free(o->parent_dirs);
	free(o->allow_dirs);
	free(o->fuse_options);
	*o = (struct options){ 0 };
}
