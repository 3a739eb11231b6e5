/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resize.c - vimg resize: a larger disk. What is inside it (partitions, file systems) stays. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "size.h"
#include "vimg.h"

struct resize_options {
	struct chain_options chain;
	bool force, quiet, json;
};

#define AT(member) offsetof(struct resize_options, member)

static const struct option_spec resize_options[] = {
	FORMAT_OPTION(struct resize_options, chain.format),
	{ "force", 0, OPTION_FLAG, AT(force), NULL, "also an image that others have as parent" },
	{ "parent", 0, OPTION_LIST, AT(chain.parents), "FILE",
	  "the parent, then its parent, and so on; repeatable" },
	SEARCH_OPTIONS(struct resize_options, chain),
	{ "quiet", 'q', OPTION_FLAG, AT(quiet), NULL, "print nothing where all went well" },
	JSON_OPTIONS(struct resize_options, json),
	{ 0 }
};

static int target(const char *word, uint64_t before, uint64_t *size)
{
	bool more = *word == '+';
	int r = size_parse(word + more, size);

	if (r)
		return usage_error("%s: %s", word, size_fault(r));
	if (more && __builtin_add_overflow(*size, before, size))
		return usage_error("%s: %s", word, size_fault(-ERANGE));
	return STATUS_OK;
}

static void report(const struct resize_options *o, const char *path, uint64_t before,
		   uint64_t size)
{
	CLEANUP_FREE char *shown = printable(path);
	char old[SIZE_TEXT], new[SIZE_TEXT];
	struct json_object *json;

	if (o->json) {
		json = json_object_made();
		json_put_text(json, "image", path);
		json_put_number(json, "virtual-size", size);
		json_put_number(json, "previous-size", before);
		json_print(json);
	} else if (!o->quiet) {
		printf("%s: %s (%" PRIu64 " bytes), was %s (%" PRIu64 " bytes)\n", shown,
		       size_format(size, new), size, size_format(before, old), before);
	}
}

static int resize_run(const void *options, const char *const *words)
{
	const struct resize_options *o = options;
	unsigned flags = VD_OPEN_WRITE | (o->force ? VD_OPEN_FORCE : 0);
	struct vd_error err = { "" };
	uint64_t before, size;
	struct vd_disk *disk;
	int r, status;

	/* A size that is none is told of before the image is touched. */
	status = target(words[1], 0, &size);
	if (status)
		return status;
	catch_interrupts();
	if (open_disk(words[0], flags, &o->chain, &disk, NULL))
		return STATUS_FAILED;
	before = vd_size(disk);
	status = target(words[1], before, &size);
	r = status ? 0 : vd_resize(disk, size, &err);
	if (r) {
		say("%s", err.text);
		status = r == -EINVAL ? STATUS_USAGE : STATUS_FAILED;
	}
	r = vd_close(disk);
	if (r && !status) {
		say("%s: closing: %s", words[0], strerror(-r));
		status = STATUS_FAILED;
	}
	if (!status)
		report(o, words[0], before, size);
	return status;
}

static const char resize_help[] =
	"SIZE is the new size, or +SIZE how much is added, as vimg create takes it. A disk can be\n"
	"made larger only; what is new reads as zeros. Partitions and file systems in it stay as\n"
	"they are. The disk of a running virtual machine is made larger by what runs it.\n"
	"\n"
	"  vimg resize disk.vdi 40G\n"
	"  vimg resize disk.vhd +512M\n";

const struct verb verb_resize = {
	.name = "resize",
	.words = "IMAGE SIZE",
	.min_words = 2,
	.max_words = 2,
	.summary = "make a disk larger",
	.help = resize_help,
	.options = resize_options,
	.options_size = sizeof(struct resize_options),
	.done = "resized",
	.run = resize_run,
};
