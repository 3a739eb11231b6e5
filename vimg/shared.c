/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shared.c - what the verbs share: messages, sizes, formats by name, opening a disk. */
#include <errno.h>
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

/* -------------------------------------------------------------------------------------- sizes */

static const char units[] = "KMGTPE";

/* What the rest of a size stands for, or 0. */
static uint64_t unit_of(const char *text)
{
	const char *unit;
	uint64_t base, bytes = 1;

	if (!*text || !strcmp(text, "b") || !strcmp(text, "B"))
		return 1;
	if (!strcmp(text, "s"))
		return 512;
	unit = strchr(units, *text & ~0x20);	/* upper case */
	if (!unit || !*unit)
		return 0;
	text++;
	base = !strcmp(text, "B") ? 1000 : !*text || !strcmp(text, "iB") ? 1024 : 0;
	for (const char *u = units; u <= unit; u++)
		bytes *= base;
	return bytes;
}

/* At most 18 digits; what follows them is left. */
static const char *digits(const char *text, uint64_t *value, uint64_t *scale)
{
	*value = 0;
	*scale = 1;
	for (; *text >= '0' && *text <= '9' && *scale < UINT64_C(1000000000000000000); text++) {
		*value = *value * 10 + (uint64_t)(*text - '0');
		*scale *= 10;
	}
	return text;
}

/* As many digits as there are; UINT64_MAX for what is more than that. */
static const char *whole_number(const char *text, uint64_t *value)
{
	*value = 0;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*text - '0'), value))
			return *value = UINT64_MAX, text + strspn(text, "0123456789");
	return text;
}

int parse_size(const char *text, uint64_t *out)
{
	uint64_t whole, part = 0, parts = 1, unit;
	const char *rest = whole_number(text, &whole);
	unsigned __int128 bytes;

	if (rest == text)
		return -EINVAL;
	if (*rest == '.') {
		rest = digits(rest + 1, &part, &parts);
		if (parts == 1)
			return -EINVAL;
	}
	unit = unit_of(rest);
	if (!unit || (parts > 1 && unit <= 512))
		return -EINVAL;
	bytes = (unsigned __int128)whole * unit;
	if (part) {
		bytes += ((unsigned __int128)part * unit + parts - 1) / parts;
		bytes = (bytes + 511) / 512 * 512;
	}
	if (bytes > INT64_MAX)	/* as long as a file can be */
		return -ERANGE;
	*out = (uint64_t)bytes;
	return 0;
}

const char *size_fault(int error)
{
	return error == -ERANGE ? "too large; no disk has 8E or more" :
		"a size is a number of bytes or has a unit: 512, 64K, 10M, 1.5G, 2T (powers of "
		"1024)";
}

char *format_size(uint64_t size, char *text)
{
	double value = (double)size;
	int unit = -1;

	/* 1023.95 would be rounded to 1024.0 */
	while (value >= (unit < 0 ? 1024 : 1023.95) && units[unit + 1]) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(text, SIZE_TEXT, "%u", (unsigned)size);
	else
		snprintf(text, SIZE_TEXT, "%.1f%c", value, units[unit]);
	return text;
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
