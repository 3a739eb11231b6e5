/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * info.c - vimg info: what an image is, and what it stands on. An image whose parent is missing is
 * still described; that is a failure only for who asked for the chain.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "describe.h"
#include "vimg.h"

struct info_options {
	struct chain_options chain;
	bool whole, json;
};

#define AT(member) offsetof(struct info_options, member)

static const struct option_spec info_options[] = {
	FORMAT_OPTION(struct info_options, chain.format),
	{ "chain", 0, OPTION_FLAG, AT(whole), NULL, "all of each image of the chain; fail if one is "
	  "missing" },
	{ "backing-chain", 0, OPTION_FLAG, AT(whole), NULL, NULL },
	{ "parent", 0, OPTION_LIST, AT(chain.parents), "FILE",
	  "the parent, then its parent, and so on; repeatable" },
	SEARCH_OPTIONS(struct info_options, chain),
	NO_LOCK_OPTIONS(struct info_options, chain.no_lock),
	JSON_OPTIONS(struct info_options, json),
	{ 0 }
};

static int print_one(struct vd_disk *disk, unsigned level)
{
	struct vd_image_info info, parent = { 0 };
	int r = vd_image_info(disk, level, &info);

	if (!r && level + 1 < vd_depth(disk))
		r = vd_image_info(disk, level + 1, &parent);
	if (!r)
		print_image(&info, parent.path);
	return r;
}

/* One line an image. */
static int print_chain(struct vd_disk *disk)
{
	printf("\nChain of %u images, the leaf first:\n", vd_depth(disk));
	for (unsigned level = 0; level < vd_depth(disk); level++) {
		CLEANUP_FREE char *path = NULL;
		char uuid[VD_UUID_TEXT] = "no UUID";
		struct vd_image_info info;
		int r = vd_image_info(disk, level, &info);

		if (r)
			return r;
		if (!vd_uuid_is_null(&info.uuid))
			vd_uuid_format(&info.uuid, uuid);
		path = printable(info.path);
		printf("%5u  %-4s %-12s  %-36s  %s\n", level, info.format, info.variant, uuid,
		       path ? path : "?");
	}
	return 0;
}

static int print_disk(struct vd_disk *disk, const char *path, bool whole)
{
	int r = 0;

	for (unsigned level = 0; !r && level < (whole ? vd_depth(disk) : 1); level++) {
		if (level)
			putchar('\n');
		r = print_one(disk, level);
	}
	if (!r && !whole && vd_depth(disk) > 1)
		r = print_chain(disk);
	if (r)
		say("%s: %s", path, strerror(-r));
	return r ? STATUS_FAILED : STATUS_OK;
}

static int show(struct vd_disk *disk, const char *path, const struct info_options *o,
		const char *note)
{
	struct json_object *json;
	int status;

	if (o->json) {
		json = json_disk(disk, path, note);
		if (!json)
			return STATUS_FAILED;
		json_print(json);
		return STATUS_OK;
	}
	status = print_disk(disk, path, o->whole);
	if (!status && note)
		print_field("Note", note);
	return status;
}

static bool wants_chain(const struct info_options *o)
{
	return o->whole || o->chain.parents || o->chain.parent_dirs || o->chain.allow_dirs ||
	       o->chain.force_parent;
}

static int info_run(const void *options, const char *const *words)
{
	const struct info_options *o = options;
	struct vd_error err = { "" }, second;
	struct vd_disk *disk;
	int status, r = open_disk(words[0], 0, &o->chain, &disk, &err);
	bool fails = r && wants_chain(o);

	if (r && open_disk(words[0], VD_OPEN_NO_PARENT, &o->chain, &disk, &second)) {
		say("%s%s", err.text, r == -EBUSY ? "; --no-lock looks at it all the same" : "");
		return STATUS_FAILED;
	}
	status = show(disk, words[0], o, r && (o->json || !fails) ? err.text : NULL);
	vd_close(disk);
	if (!status && fails) {
		say("%s", err.text);
		status = STATUS_FAILED;
	}
	return status;
}

static const char info_help[] =
	"Exits with 0 when the image itself could be read, although its parent is missing, unless\n"
	"an option asks for the chain.\n";

const struct verb verb_info = {
	.name = "info",
	.words = "IMAGE",
	.min_words = 1,
	.max_words = 1,
	.summary = "describe an image and its parents",
	.help = info_help,
	.options = info_options,
	.options_size = sizeof(struct info_options),
	.run = info_run,
};
