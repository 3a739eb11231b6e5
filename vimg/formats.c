/* SPDX-License-Identifier: GPL-2.0-or-later */
/* formats.c - vimg formats: which formats there are, and what can be done with each. */
#include <stdio.h>

#include "json.h"
#include "vimg.h"

struct formats_options {
	bool json;
};

static const struct option_spec formats_options[] = {
	JSON_OPTIONS(struct formats_options, json),
	{ 0 }
};

static const struct {
	unsigned cap;
	const char *name;
} caps[] = {
	{ VD_CAP_WRITE, "write" },
	{ VD_CAP_CREATE_DYNAMIC, "create-dynamic" },
	{ VD_CAP_CREATE_FIXED, "create-fixed" },
	{ VD_CAP_DIFFERENCING, "differencing" },
	{ VD_CAP_UUID, "uuid" },
};

#define CAPS (sizeof(caps) / sizeof(*caps))

static void print_format(const struct vd_format_info *info)
{
	printf("%-6s%s\n      can: read", info->name, info->description);
	for (unsigned i = 0; i < CAPS; i++)
		if (info->caps & caps[i].cap)
			printf(", %s", caps[i].name);
	printf("\n      extensions:");
	for (const char *const *e = info->extensions; e && *e; e++)
		printf(" .%s", *e);
	putchar('\n');
}

static struct json_object *json_format(const struct vd_format_info *info)
{
	struct json_object *o = json_object_made(), *extensions = json_array_made();

	json_put_text(o, "name", info->name);
	json_put_text(o, "description", info->description);
	for (const char *const *e = info->extensions; e && *e; e++)
		json_append(extensions, json_text(*e));
	json_put(o, "extensions", extensions);
	for (unsigned i = 0; i < CAPS; i++)
		json_put_bool(o, caps[i].name, info->caps & caps[i].cap);
	return o;
}

static int formats_run(const void *options, const char *const *words)
{
	const struct formats_options *o = options;
	struct json_object *list = o->json ? json_array_made() : NULL, *root;
	struct vd_format_info info;

	(void)words;
	for (unsigned i = 0; !vd_format_info(i, &info); i++)
		if (list)
			json_append(list, json_format(&info));
		else
			print_format(&info);
	if (list) {
		root = json_object_made();
		json_put(root, "formats", list);
		json_print(root);
	}
	return STATUS_OK;
}

const struct verb verb_formats = {
	.name = "formats",
	.words = "",
	.summary = "list the formats that vimg knows",
	.options = formats_options,
	.options_size = sizeof(struct formats_options),
	.run = formats_run,
};
