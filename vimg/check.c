/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - vimg check: is the metadata of images sound, and mend what can be mended.
 *
 * Each image is checked by itself. Opening one for writing mends some things already, so a repair
 * is: check, open for writing and repair, check again; what the first check found and the last one
 * did not was repaired.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "size.h"
#include "vimg.h"

#define KEPT_MAX 1000	/* findings of an image that are told one by one */

struct check_options {
	struct chain_options chain;
	bool whole, repair, quiet, json;
};

#define AT(member) offsetof(struct check_options, member)

static const struct option_spec check_options[] = {
	FORMAT_OPTION(struct check_options, chain.format),
	{ "repair", 0, OPTION_FLAG, AT(repair), NULL, "mend what can be mended without guessing" },
	{ "chain", 0, OPTION_FLAG, AT(whole), NULL, "check all parents, too" },
	{ "backing-chain", 0, OPTION_FLAG, AT(whole), NULL, NULL },
	{ "parent", 0, OPTION_LIST, AT(chain.parents), "FILE",
	  "the parent, then its parent, and so on; repeatable" },
	SEARCH_OPTIONS(struct check_options, chain),
	NO_LOCK_OPTIONS(struct check_options, chain.no_lock),
	{ "quiet", 'q', OPTION_FLAG, AT(quiet), NULL, "print findings only" },
	JSON_OPTIONS(struct check_options, json),
	{ 0 }
};

struct finding {
	enum vd_finding_kind kind;
	char *text;
};

/* What one check found. */
struct findings {
	struct finding *list;
	size_t count;
	struct vd_check_result result;
};

/* ----------------------------------------------------------------------------------- findings */

static void keep(void *opaque, enum vd_finding_kind kind, bool repaired, const char *text)
{
	struct findings *f = opaque;

	(void)repaired;
	if (!f->list)
		f->list = calloc(KEPT_MAX, sizeof(*f->list));
	if (!f->list || f->count == KEPT_MAX)
		return;
	f->list[f->count] = (struct finding){ kind, strdup(text) };
	f->count += f->list[f->count].text != NULL;
}

static void findings_free(struct findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->list[i].text);
	free(f->list);
	*f = (struct findings){ 0 };
}

static bool has(const struct findings *f, const struct finding *one)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].kind == one->kind && !strcmp(f->list[i].text, one->text))
			return true;
	return false;
}

static uint64_t total(const struct vd_check_result *r)
{
	return r->errors + r->leaks + r->minor;
}

static const char *kind_name(enum vd_finding_kind kind)
{
	return kind == VD_FINDING_ERROR ? "error" : kind == VD_FINDING_LEAK ? "leak" : "minor";
}

/* ----------------------------------------------------------------------------------- checking */

/* One image, as it was and as it is; the same unless repaired. */
struct report {
	const char *path, *format;
	struct findings before, after;
	bool repaired;		/* was tried */
	const bool *parent_modified;	/* NULL: not known without the chain */
	struct vd_error err;	/* why it could not be checked */
};

static int check_once(const char *path, unsigned flags, const struct chain_options *chain,
		      struct findings *out, const char **format, struct vd_error *err)
{
	bool repair = flags & VD_OPEN_WRITE;
	struct vd_image_info info;
	struct vd_disk *disk;
	int r = open_disk(path, flags | VD_OPEN_NO_PARENT, chain, &disk, err), closed;

	if (r)
		return r;
	r = vd_check(disk, 0, repair ? VD_CHECK_REPAIR : 0, out ? keep : NULL, out,
		     out ? &out->result : NULL, err);
	if (format && !vd_image_info(disk, 0, &info))
		*format = format_named(info.format);
	closed = vd_close(disk);
	if (!r && closed) {
		r = closed;
		snprintf(err->text, sizeof(err->text), "%.900s: cannot be written: %s", path,
			 strerror(-r));
	}
	return r;
}

static int check_image(const char *path, const struct check_options *o,
		       const struct chain_options *chain, struct report *report)
{
	int r;

	report->path = path;
	r = check_once(path, 0, chain, &report->before, &report->format, &report->err);
	if (r || !o->repair || !total(&report->before.result))
		return r;
	/* That it has children is no obstacle: what a guest sees does not change. */
	r = check_once(path, VD_OPEN_WRITE | VD_OPEN_FORCE, chain, NULL, NULL, &report->err);
	report->repaired = !r;
	return r ? r : check_once(path, 0, chain, &report->after, NULL, &report->err);
}

static const struct findings *now(const struct report *report)
{
	return report->repaired ? &report->after : &report->before;
}

static uint64_t mended(const struct report *report)
{
	uint64_t before = total(&report->before.result), after = total(&now(report)->result);

	return before > after ? before - after : 0;
}

static bool sound(const struct report *report)
{
	const struct vd_check_result *r = &now(report)->result;

	return !*report->err.text && !r->errors && !r->leaks;
}

/* ----------------------------------------------------------------------------------- for people */

static void print_findings(const struct report *report, const char *path)
{
	const struct findings *left = now(report), *before = &report->before;

	for (size_t i = 0; report->repaired && i < before->count; i++)
		if (!has(left, &before->list[i]))
			printf("%s: %s: %s (repaired)\n", path, kind_name(before->list[i].kind),
			       before->list[i].text);
	for (size_t i = 0; i < left->count; i++)
		printf("%s: %s: %s\n", path, kind_name(left->list[i].kind), left->list[i].text);
	if (total(&left->result) > left->count)
		printf("%s: and %" PRIu64 " more\n", path, total(&left->result) - left->count);
}

static void print_count(uint64_t n, const char *what, const char *end)
{
	printf("%" PRIu64 " %s%s%s", n, what, n == 1 ? "" : "s", end);
}

static void print_summary(const struct report *report, const char *path)
{
	const struct vd_check_result *r = &now(report)->result;
	char size[SIZE_TEXT];

	printf("%s: ", path);
	if (report->repaired)
		printf("%" PRIu64 " repaired, ", mended(report));
	print_count(r->errors, "error", ", ");
	print_count(r->leaks, "leak", "");
	if (r->leaked)
		printf(" (%s)", size_format(r->leaked, size));
	printf(", %" PRIu64 " minor", r->minor);
	if (r->total_blocks)
		printf("; %" PRIu64 " of %" PRIu64 " blocks allocated (%.1f %%)",
		       r->allocated_blocks, r->total_blocks,
		       100.0 * (double)r->allocated_blocks / (double)r->total_blocks);
	putchar('\n');
}

static void print_report(const struct report *report, bool quiet)
{
	CLEANUP_FREE char *path = printable(report->path);

	print_findings(report, path);
	if (*report->err.text)
		return;		/* said already */
	if (quiet)
		return;
	if (report->parent_modified && *report->parent_modified)
		printf("%s: note: the parent was changed after this image was made on it\n", path);
	print_summary(report, path);
}

/* --------------------------------------------------------------------------------- for programs */

static void add_finding(struct json_object *array, const struct finding *finding, bool repaired)
{
	struct json_object *o = json_object_made();

	json_put_text(o, "kind", kind_name(finding->kind));
	json_put_bool(o, "repaired", repaired);
	json_put_text(o, "text", finding->text);
	json_append(array, o);
}

static struct json_object *json_report(const struct report *report)
{
	struct json_object *o = json_object_made(), *list = json_array_made();
	const struct findings *left = now(report);
	const struct vd_check_result *r = &left->result;

	json_put_text(o, "image", report->path);
	json_put_text(o, "format", report->format);
	json_put_bool(o, "sound", sound(report));
	json_put_text(o, "error", *report->err.text ? report->err.text : NULL);
	json_put_number(o, "errors", r->errors);
	json_put_number(o, "leaks", r->leaks);
	json_put_number(o, "minor", r->minor);
	json_put_number(o, "repaired", mended(report));
	json_put_number(o, "leaked", r->leaked);
	json_put_number(o, "allocated-blocks", r->allocated_blocks);
	json_put_number(o, "total-blocks", r->total_blocks);
	if (report->parent_modified)
		json_put_bool(o, "parent-modified", *report->parent_modified);
	else
		json_put(o, "parent-modified", NULL);
	for (size_t i = 0; report->repaired && i < report->before.count; i++)
		if (!has(left, &report->before.list[i]))
			add_finding(list, &report->before.list[i], true);
	for (size_t i = 0; i < left->count; i++)
		add_finding(list, &left->list[i], false);
	json_put(o, "findings", list);
	return o;
}

/* ---------------------------------------------------------------------------------------- run */

/* What a person is to read of a failure, in the same words wherever it comes from. */
static void say_why(const char *text, int error, const struct check_options *o)
{
	say("%s%s", text, error == -EBUSY && !o->repair ? "; --no-lock checks it all the same" : "");
}

/* One image, and what its chain tells of it. */
struct layer {
	const char *path;
	const struct chain_options *chain;
	const bool *parent_modified;	/* or NULL */
	const char *said;		/* a sentence that was said already, or NULL */
};

static int check_layer(const struct layer *layer, const struct check_options *o,
		       struct json_object *list)
{
	struct report report = { .parent_modified = layer->parent_modified };
	int status, r = check_image(layer->path, o, layer->chain, &report);

	/* The sentence alone may be missing, never the failure. */
	if (r && !*report.err.text)
		snprintf(report.err.text, sizeof(report.err.text), "%.900s: cannot be checked",
			 layer->path);
	status = sound(&report) ? STATUS_OK : STATUS_FAILED;
	if (list)
		json_append(list, json_report(&report));
	else
		print_report(&report, o->quiet);
	if (*report.err.text && (!layer->said || strcmp(report.err.text, layer->said)))
		say_why(report.err.text, r, o);
	findings_free(&report.before);
	findings_free(&report.after);
	return status;
}

/* The chain as it was found: a disk that is open would be in the way of a repair. */
struct found {
	unsigned count;
	char **paths;
	bool *modified;
};

static void found_free(struct found *f)
{
	for (unsigned i = 0; f->paths && i < f->count; i++)
		free(f->paths[i]);
	free(f->paths);
	free(f->modified);
}

static int find_chain(const char *path, const struct check_options *o, struct found *out,
		      struct vd_error *err)
{
	struct vd_disk *disk;
	struct vd_image_info info;
	int r = open_disk(path, 0, &o->chain, &disk, err);

	if (r)
		return r;
	out->paths = calloc(vd_depth(disk), sizeof(*out->paths));
	out->modified = calloc(vd_depth(disk), sizeof(*out->modified));
	r = out->paths && out->modified ? 0 : -ENOMEM;
	while (!r && out->count < vd_depth(disk)) {
		r = vd_image_info(disk, out->count, &info);
		if (r)
			break;
		out->modified[out->count] = info.parent_modified;
		out->paths[out->count] = strdup(info.path);
		r = out->paths[out->count++] ? 0 : -ENOMEM;
	}
	if (r)
		snprintf(err->text, sizeof(err->text), "%.900s: cannot list its chain: %s", path,
			 strerror(-r));
	vd_close(disk);
	return r;
}

static int check_chain(const char *path, const struct check_options *o, struct json_object *list)
{
	struct chain_options by_content = { .no_lock = o->chain.no_lock };
	struct vd_error err = { "" };
	struct found found = { 0 };
	int status = STATUS_OK, r = find_chain(path, o, &found, &err);

	/* A chain that does not open may still have a leaf to check. */
	if (r) {
		say_why(err.text, r, o);
		check_layer(&(struct layer){ path, &o->chain, NULL, err.text }, o, list);
		status = STATUS_FAILED;
	}
	for (unsigned i = 0; !r && i < found.count; i++)
		status |= check_layer(&(struct layer){ found.paths[i], i ? &by_content : &o->chain,
						       &found.modified[i], NULL }, o, list);
	found_free(&found);
	return status;
}

static int check_run(const void *options, const char *const *words)
{
	const struct check_options *o = options;
	struct json_object *list = NULL, *root;
	int status = STATUS_OK;

	if (!o->whole && (o->chain.parents || o->chain.parent_dirs || o->chain.allow_dirs ||
			  o->chain.force_parent))
		return usage_error("options about parents want --chain: without it an image is "
				   "checked alone");
	if (o->repair && o->chain.no_lock)
		return usage_error("--repair and --no-lock contradict each other");
	if (o->json)
		list = json_array_made();
	for (; *words; words++)
		status |= o->whole ? check_chain(*words, o, list) :
				     check_layer(&(struct layer){ *words, &o->chain, NULL, NULL },
						 o, list);
	if (list) {
		root = json_object_made();
		json_put(root, "images", list);
		json_print(root);
	}
	return status;
}

static const char check_help[] =
	"Errors are damage, leaks waste space, minor findings are stale copies that do no harm.\n"
	"Exits with 0 when there are no errors and no leaks, or none are left after --repair.\n";

const struct verb verb_check = {
	.name = "check",
	.words = "IMAGE...",
	.min_words = 1,
	.max_words = -1,
	.summary = "check the metadata of images, and repair it",
	.help = check_help,
	.options = check_options,
	.options_size = sizeof(struct check_options),
	.run = check_run,
};
