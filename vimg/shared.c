/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shared.c - what the verbs share: messages, formats by name, opening a disk. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "text.h"
#include "vimg.h"

/* ----------------------------------------------------------------------------------- messages */

static void say_va(const char *format, va_list args)
{
	char text[2048], clean[TEXT_CLEAN_ROOM(sizeof(text))];

	vsnprintf(text, sizeof(text), format, args);
	fflush(stdout);		/* what was printed before is also seen before */
	/* One call, so that lines of two processes do not mix. */
	fprintf(stderr, "vimg: %s\n", text_clean(clean, text, true));
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_va(format, args);
	va_end(args);
}

int usage_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_va(format, args);
	va_end(args);
	return STATUS_USAGE;
}

char *printable(const char *text)
{
	char *out = text ? malloc(TEXT_CLEAN_ROOM(strlen(text))) : NULL;

	return out ? text_clean(out, text, true) : NULL;
}

/* ------------------------------------------------------------------------------------ formats */

const char *format_named(const char *name)
{
	struct vd_format_info info;

	if (!strcasecmp(name, "vpc"))	/* QEMU's name */
		name = "vhd";
	for (unsigned i = 0; !vd_format_info(i, &info); i++)
		if (!strcasecmp(info.name, name))
			return info.name;
	return NULL;
}

const char *format_of_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
	struct vd_format_info info;

	for (unsigned i = 0; dot && !vd_format_info(i, &info); i++)
		for (const char *const *e = info.extensions; e && *e; e++)
			if (!strcasecmp(*e, dot + 1))
				return info.name;
	return NULL;
}

char *format_list(unsigned caps)
{
	struct vd_format_info info;
	const char *last = NULL;
	char *list = calloc(1, 1);

	/* One name behind, so that the last is known to be it. */
	for (unsigned i = 0, more = 1; list && more; i++) {
		char *longer;

		more = !vd_format_info(i, &info);
		if (more && (info.caps & caps) != caps)
			continue;
		if (last) {
			if (asprintf(&longer, "%s%s%s", list, *list ? more ? ", " : " or " : "",
				     last) < 0)
				longer = NULL;
			free(list);
			list = longer;
		}
		last = more ? info.name : NULL;
	}
	return list;
}

/* ------------------------------------------------------------------------------------ opening */

static const struct vd_option_words option_words = {
	.force = "--force",
	.parent = "--parent FILE",
	.parent_dir = "--parent-dir DIR",
	.force_parent = "--force-parent",
	.raw = "--format raw",
};

int open_disk(const char *path, unsigned flags, const struct chain_options *c,
	      struct vd_disk **out, struct vd_error *err)
{
	bool alone = flags & VD_OPEN_NO_PARENT;
	struct vd_open_options o = {
		.format = c->format,
		.parents = alone ? NULL : c->parents,
		.parent_dirs = c->parent_dirs,
		.allow_dirs = c->allow_dirs,
	};
	struct vd_error why = { "" };
	int r;

	flags |= c->force_parent ? VD_OPEN_FORCE_PARENT : 0;
	flags |= c->no_lock ? VD_OPEN_NO_LOCK : 0;
	r = vd_open(path, flags, &o, out, &why);
	if (r)
		vd_error_advise(&why, &option_words);
	if (r && err)
		*err = why;
	else if (r)
		say("%s", why.text);
	return r;
}
