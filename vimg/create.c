/* SPDX-License-Identifier: GPL-2.0-or-later */
/* create.c - vimg create: an empty image, or a differencing child of an image. */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "describe.h"
#include "size.h"
#include "vimg.h"

struct create_options {
	struct chain_options chain;	/* parents: the parent and its parents */
	const char *format, *parent_format;
	const char *file, *size, *variant, *comment;
	uint64_t block_size;
	struct vd_uuid uuid;
	bool fixed, force, quiet, json;
};

#define AT(member) offsetof(struct create_options, member)

static const struct option_spec create_options[] = {
	{ "format", 'f', OPTION_FORMAT, AT(format), "FORMAT",
	  "the new image's format; without it: by IMAGE's extension" },
	{ "size", 's', OPTION_TEXT, AT(size), "SIZE", "the same as the word SIZE" },
	{ "fixed", 0, OPTION_FLAG, AT(fixed), NULL, "take all the space now" },
	{ "variant", 0, OPTION_TEXT, AT(variant), "VARIANT", "dynamic (or standard), or fixed" },
	{ "parent", 'b', OPTION_LIST, AT(chain.parents), "FILE",
	  "make a child of this image; again: its parent, and so on" },
	{ "diffparent", 0, OPTION_LIST, AT(chain.parents), NULL, NULL },
	{ "parent-format", 'F', OPTION_FORMAT, AT(parent_format), "FORMAT",
	  "the parent's format; without it: by content" },
	SEARCH_OPTIONS(struct create_options, chain),
	{ "block-size", 0, OPTION_SIZE, AT(block_size), "SIZE", "instead of the format's own" },
	{ "uuid", 0, OPTION_UUID, AT(uuid), "UUID", "instead of a fresh one" },
	{ "comment", 0, OPTION_TEXT, AT(comment), "TEXT", "kept in the image" },
	{ "force", 0, OPTION_FLAG, AT(force), NULL, "replace IMAGE if it exists" },
	{ "filename", 0, OPTION_TEXT, AT(file), NULL, NULL },
	{ "quiet", 'q', OPTION_FLAG, AT(quiet), NULL, "do not say what was made" },
	JSON_OPTIONS(struct create_options, json),
	{ 0 }
};

/* What is to be made, with what follows from the words. */
struct job {
	const char *path;
	bool guessed;	/* the format, from the name */
	struct vd_create_options make;
	struct vd_open_options parent_open;
};

static int set_variant(const struct create_options *o, struct job *job)
{
	bool fixed = o->fixed;

	if (o->variant && !strcasecmp(o->variant, "fixed"))
		fixed = true;
	else if (o->variant && strcasecmp(o->variant, "dynamic") &&
		 strcasecmp(o->variant, "standard"))
		return usage_error("--variant %s: it can be dynamic or fixed", o->variant);
	else if (o->variant && fixed)
		return usage_error("--fixed and --variant %s contradict each other", o->variant);
	if (fixed && o->chain.parents)
		return usage_error("an image with a parent cannot be fixed: it holds only what "
				   "differs");
	job->make.flags |= fixed ? VD_CREATE_FIXED : 0;
	return STATUS_OK;
}

static int set_format(const struct create_options *o, struct job *job)
{
	CLEANUP_FREE char *known = NULL;

	job->make.format = o->format;
	if (o->format)
		return STATUS_OK;
	job->make.format = format_of_name(job->path);
	job->guessed = true;
	if (job->make.format)
		return STATUS_OK;
	known = format_list(0);
	return usage_error("%s: its name does not tell the format; give one with --format: %s",
			   job->path, known ? known : "");
}

/* A number alone is bytes here, mebibytes for VBoxManage: whoever mixes them up should see it. */
static void warn_of_small(const char *word, uint64_t size)
{
	if (size < 1 << 20 && strspn(word, "0123456789") == strlen(word))
		say("note: a size without a unit is in bytes; write %sM for mebibytes", word);
}

static int set_size(const struct create_options *o, const char *word, struct job *job)
{
	int r;

	if (word && o->size)
		return usage_error("the size is given twice, as %s and with --size %s", word,
				   o->size);
	if (o->size)
		word = o->size;
	r = word ? size_parse(word, &job->make.size) : 0;
	if (r)
		return usage_error("%s: %s", word, size_fault(r));
	if (!job->make.size && !o->chain.parents)
		return usage_error("%s: how large? Give a size, such as 20G", job->path);
	if (word && !o->quiet)
		warn_of_small(word, job->make.size);
	return STATUS_OK;
}

static void set_parent(const struct create_options *o, struct job *job)
{
	if (!o->chain.parents)
		return;
	job->make.parent = o->chain.parents[0];
	job->make.parent_format = o->parent_format;
	job->parent_open.parents = o->chain.parents + 1;
	job->parent_open.parent_dirs = o->chain.parent_dirs;
	job->parent_open.allow_dirs = o->chain.allow_dirs;
	job->make.parent_open = &job->parent_open;
	job->make.flags |= o->chain.force_parent ? VD_CREATE_FORCE_PARENT : 0;
}

static int plan(const struct create_options *o, const char *const *words, struct job *job)
{
	int status;

	/* With --filename the only word is the size. */
	job->path = o->file ? o->file : *words ? *words++ : NULL;
	if (!job->path)
		return usage_error("what is the image to be called? It is: vimg create "
				   "[OPTION...] IMAGE [SIZE]");
	if (!*job->path)
		return usage_error("the name of the image is empty");
	if (*words && words[1])
		return usage_error("%s is one word too many", words[1]);
	if (!o->chain.parents && (o->parent_format || o->chain.parent_dirs ||
				  o->chain.allow_dirs || o->chain.force_parent))
		return usage_error("options about the parent want a --parent");
	status = set_format(o, job);
	if (!status)
		status = set_variant(o, job);
	if (!status)
		status = set_size(o, *words, job);
	set_parent(o, job);
	job->make.flags |= o->force ? VD_CREATE_OVERWRITE : 0;
	job->make.block_size = o->block_size;
	job->make.uuid = o->uuid;
	job->make.comment = o->comment;
	return status;
}

static void report_line(const struct job *job, const struct vd_image_info *info)
{
	CLEANUP_FREE char *path = printable(job->path), *parent = printable(job->make.parent);
	char size[SIZE_TEXT], uuid[VD_UUID_TEXT];

	printf("%s: %s%s, %s, %s (%" PRIu64 " bytes)", path, info->format,
	       job->guessed ? " (by its name)" : "", info->variant,
	       size_format(info->virtual_size, size), info->virtual_size);
	if (!vd_uuid_is_null(&info->uuid))
		printf(", UUID %s", vd_uuid_format(&info->uuid, uuid));
	if (parent)
		printf(", parent %s", parent);
	putchar('\n');
}

/* What it says is read back from the image. */
static int report(const struct create_options *o, const struct job *job)
{
	struct chain_options read = { .format = job->make.format };
	struct json_object *json;
	struct vd_image_info info;
	struct vd_disk *disk;
	int r;

	if (o->quiet && !o->json)
		return STATUS_OK;
	if (open_disk(job->path, VD_OPEN_NO_PARENT, &read, &disk, NULL))
		return STATUS_FAILED;
	r = vd_image_info(disk, 0, &info);
	if (r)
		say("%s: %s", job->path, strerror(-r));
	else if (!o->json)
		report_line(job, &info);
	else if ((json = json_disk(disk, job->path, NULL)))
		json_print(json);
	vd_close(disk);
	return r ? STATUS_FAILED : STATUS_OK;
}

/* ------------------------------------------------------------------- will it be found again? */

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The options that were given to find parents, as they are to be given again. To be freed. */
static char *same_options(const struct create_options *o)
{
	const struct {
		const char *name;
		const char **list;
	} all[] = {
		{ "--parent", o->chain.parents },
		{ "--parent-dir", o->chain.parent_dirs },
		{ "--allow-dir", o->chain.allow_dirs },
	};
	const char *gap = "";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (unsigned i = 0; i < 3; i++)
		for (const char **p = all[i].list; p && *p; p++, gap = " ")
			fprintf(out, "%s%s %s", gap, all[i].name, *p);
	fclose(out);
	return text;
}

/* How to open the image so that its parent is found. A parent without an id must be named. */
static void say_how(const struct create_options *o, const char *path, bool by_id,
		    const char *instead)
{
	CLEANUP_FREE char *again = same_options(o), *folder = strdup(o->chain.parents[0]);
	const char *or = "", *dir = "";

	if (by_id && folder && !instead && !o->chain.parents[1]) {
		or = ", or with --parent-dir ";
		dir = dirname(folder);
	}
	if (instead)
		say("note: %s: by itself %s would be taken as its parent; open it with %s", path,
		    instead, again ? again : "--parent");
	else
		say("note: %s: its parent is not found by itself; open it with %s%s%s", path,
		    again ? again : "--parent", or, dir);
}

/* Looks for the parent as whoever opens the image without options does. */
static void note_parent(const struct create_options *o, const struct job *job)
{
	struct chain_options plain = { .format = job->make.format };
	struct vd_image_info info;
	struct vd_error err = { "" };
	struct vd_disk *disk;
	bool by_id;

	if (!job->make.parent || o->quiet)
		return;
	if (open_disk(job->path, 0, &plain, &disk, &err) == 0) {
		if (!vd_image_info(disk, 1, &info) && !same_file(info.path, job->make.parent))
			say_how(o, job->path, true, info.path);
		vd_close(disk);
	} else if (open_disk(job->path, VD_OPEN_NO_PARENT, &plain, &disk, &err) == 0) {
		by_id = !vd_image_info(disk, 0, &info) && !vd_uuid_is_null(&info.parent);
		vd_close(disk);
		say_how(o, job->path, by_id, NULL);
	}
}

/* About the parent; --force is for what is there already. */
static const struct vd_option_words option_words = {
	.parent = "--parent FILE",
	.parent_dir = "--parent-dir DIR",
	.force_parent = "--force-parent",
	.raw = "--parent-format raw",
};

static int create_run(const void *options, const char *const *words)
{
	const struct create_options *o = options;
	struct job job = { 0 };
	struct vd_error err = { "" };
	struct progress progress;
	int r, status = plan(o, words, &job);

	if (status)
		return status;
	catch_interrupts();
	progress_begin(&progress, o->quiet);
	job.make.progress = progress_tell;
	job.make.opaque = &progress;
	r = vd_create(job.path, &job.make, &err);
	progress_end(&progress);
	if (!r) {
		status = report(o, &job);
		note_parent(o, &job);
		return status;
	}
	vd_error_advise(&err, &option_words);
	if (r == -ECANCELED)
		say("%s: interrupted, nothing was made", job.path);
	else if (r == -EEXIST && !o->force)
		say("%s; --force replaces it", err.text);
	else
		say("%s", err.text);
	/* Such as a size or a block size that the format does not have. */
	return r == -EINVAL ? STATUS_USAGE : STATUS_FAILED;
}

static const char create_help[] =
	"SIZE is in bytes or has a unit: 512, 64K, 10M, 1.5G, 2T are powers of 1024, as are KiB,\n"
	"MiB, ...; KB, MB, ... are powers of 1000. With --parent it may be left out: as large as\n"
	"the parent. What others may see under the name IMAGE is always complete.\n"
	"\n"
	"  vimg create disk.vdi 20G\n"
	"  vimg create --fixed disk.vhd 127G\n"
	"  vimg create --parent disk.vdi today.vdi\n";

const struct verb verb_create = {
	.name = "create",
	.words = "IMAGE [SIZE]",
	.max_words = 2,		/* none with --filename */
	.summary = "make an empty image, or a differencing child of an image",
	.help = create_help,
	.options = create_options,
	.options_size = sizeof(struct create_options),
	.done = "made",
	.run = create_run,
};
