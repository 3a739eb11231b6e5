/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chain.c - opens an image and all its parents, and verifies what links them.
 *
 * The chain is walked from the leaf down in a loop, so that its length is bound by open files
 * alone. Which file a parent is comes from the caller (options->parents) or from search.c; here it
 * is opened, found not to be in the chain yet, locked, and compared with what its child records.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cleanup.h"
#include "core/image.h"
#include "core/search.h"

struct chain {
	unsigned flags;			/* enum vd_open_flag */
	struct vd_image **images;	/* leaf first */
	struct file_id *files;		/* of each image */
	unsigned count, room;
	struct search *search;
};

static void chain_close(struct chain *c)
{
	while (c->count)
		image_close(c->images[--c->count]);
	free(c->images);
	free(c->files);
	search_free(c->search);
}

static int chain_grow(struct chain *c)
{
	unsigned room = c->room ? c->room * 2 : 8;
	struct vd_image **images;
	struct file_id *files;

	if (c->count < c->room)
		return 0;
	images = reallocarray(c->images, room, sizeof(*images));
	if (!images)
		return -ENOMEM;
	c->images = images;
	files = reallocarray(c->files, room, sizeof(*files));
	if (!files)
		return -ENOMEM;
	c->files = files;
	c->room = room;
	return 0;
}

/* ------------------------------------------------------------------------------- open files */

/*
 * A long chain holds one descriptor a layer. Before it takes more than half of what the process
 * may have, the limit is raised: the program needs some for itself, and finds out too late.
 */
static void spare_descriptors(const struct chain *c)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && c->count >= limit.rlim_cur / 2)
		raise_file_limit();
}

static int too_many_files(const struct chain *c, const char *path, struct vd_error *err)
{
	struct rlimit limit = { 0 };

	getrlimit(RLIMIT_NOFILE, &limit);
	return fail(err, -EMFILE, "%s: layer %u of the chain would be one open file too many; "
		    "the limit of this process is %llu (ulimit -n)", path, c->count,
		    (unsigned long long)limit.rlim_cur);
}

static int open_storage(const struct chain *c, const char *path, bool writable,
			struct vd_storage **out, struct vd_error *err)
{
	struct vd_error why = { "" };
	int r;

	spare_descriptors(c);
	do
		r = storage_open_file(path, writable, out, &why);
	while (r == -EMFILE && raise_file_limit());
	if (r == -EMFILE)
		return too_many_files(c, path, err);
	if (!r && c->flags & VD_OPEN_DIRECT) {
		r = storage_file_set_direct(*out, &why);
		if (r)
			storage_close(*out);
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

/* ----------------------------------------------------------------------------------- layers */

/* What the next layer is to be. */
struct layer {
	const char *path;
	const struct vd_format *format;	/* NULL: by content */
	const struct file_id *found;	/* the file that the search saw under that path, or NULL */
	bool writable;
};

/* Before it is locked: our own lock would be in the way, and the message misleading. */
static int check_file(const struct chain *c, const struct layer *l, const struct file_id *file,
		      struct vd_error *err)
{
	if (l->found && !file_id_equal(file, l->found))
		return fail(err, -ESTALE, "%s: was replaced by another file while it was opened",
			    l->path);
	for (unsigned i = 0; i < c->count; i++)
		if (file_id_equal(file, &c->files[i]))
			return image_fail(c->images[c->count - 1], err, -ELOOP,
					  "its parent would be %s, which is layer %u of the chain "
					  "already: an endless chain", c->images[i]->path, i);
	return 0;
}

static int add_layer(struct chain *c, const struct layer *l, struct vd_error *err)
{
	struct vd_storage *storage;
	struct file_id file;
	int r = chain_grow(c);

	if (r < 0)
		return fail(err, r, "%s: out of memory", l->path);
	r = open_storage(c, l->path, l->writable, &storage, err);
	if (r < 0)
		return r;
	r = file_id_of(storage_file_fd(storage), &file);
	if (r < 0)
		fail(err, r, "%s: %s", l->path, strerror(-r));
	else
		r = check_file(c, l, &file, err);
	if (!r && !(c->flags & VD_OPEN_NO_LOCK))
		r = storage_lock(storage, l->writable, err);
	if (r < 0) {
		storage_close(storage);
		return r;
	}
	r = image_open(storage, l->path, l->format, &c->images[c->count], err);
	if (r < 0)
		return r;
	c->files[c->count] = file;
	c->images[c->count]->level = c->count;
	c->count++;
	return 0;
}

static int open_leaf(struct chain *c, const char *path, const struct vd_open_options *options,
		     struct vd_error *err)
{
	struct layer leaf = { .path = path, .writable = c->flags & VD_OPEN_WRITE };

	if (options->format) {
		leaf.format = format_by_name(options->format);
		if (!leaf.format)
			return fail(err, -EINVAL, "%s: there is no format named \"%s\"", path,
				    options->format);
	}
	return add_layer(c, &leaf, err);
}

/* An image that others build on must not change under them: what they do not hold is read from
 * it, so each would silently become a mixture. */
static int refuse_if_parent(struct chain *c, struct vd_error *err)
{
	CLEANUP_FREE char *child = NULL;
	int r = search_child(c->search, c->images[0], &c->files[0], &child, err);

	if (r < 0 || !child)
		return r;
	image_fail(c->images[0], err, -EBUSY,
		   "%s has it as its parent and would be damaged by writing to it", child);
	return fail_remedy(err, VD_REMEDY_FORCE, -EBUSY);
}

/* ------------------------------------------------------------------------------------ links */

static bool differ(const struct vd_uuid *a, const struct vd_uuid *b)
{
	return !vd_uuid_is_null(a) && !vd_uuid_is_null(b) && !vd_uuid_equal(a, b);
}

static int mismatch(const struct chain *c, struct vd_image *child, const struct vd_image *parent,
		    struct vd_error *err)
{
	char want[VD_UUID_TEXT], have[VD_UUID_TEXT];

	vd_uuid_format(&child->parent_uuid, want);
	vd_uuid_format(&parent->uuid, have);
	if (!(c->flags & VD_OPEN_FORCE_PARENT)) {
		image_fail(child, err, -EUCLEAN,
			   "its parent should have the id %s, but %s has the id %s", want,
			   parent->path, have);
		return fail_remedy(err, VD_REMEDY_PARENT | VD_REMEDY_FORCE_PARENT, -EUCLEAN);
	}
	image_warn(child, "its parent %s was taken by force: it has the id %s, not %s",
		   parent->path, have, want);
	return 0;
}

/*
 * The chosen parent carries no id, but another file has the recorded one: a raw image named by
 * mistake would be merged with what is another disk's. `child` is the last but one of the chain.
 */
static int refuse_stranger(const struct chain *c, struct vd_image *child,
			   const struct vd_image *parent, struct vd_error *err)
{
	CLEANUP_FREE char *right = NULL;
	char want[VD_UUID_TEXT];
	int r;

	if (vd_uuid_is_null(&child->parent_uuid) || !vd_uuid_is_null(&parent->uuid))
		return 0;
	r = search_recorded_id(c->search, child, &c->files[c->count - 2], &right, err);
	if (r < 0 || !right)
		return r;
	vd_uuid_format(&child->parent_uuid, want);
	if (!(c->flags & VD_OPEN_FORCE_PARENT)) {
		image_fail(child, err, -EUCLEAN,
			   "its parent should have the id %s, as %s has, but %s carries no id", want,
			   right, parent->path);
		return fail_remedy(err, VD_REMEDY_NO_PARENTS | VD_REMEDY_FORCE_PARENT, -EUCLEAN);
	}
	image_warn(child, "its parent %s was taken by force: it carries no id, and %s has the "
		   "recorded one", parent->path, right);
	return 0;
}

static int verify_link(const struct chain *c, struct vd_image *child,
		       const struct vd_image *parent, struct vd_error *err)
{
	/* The search finds by id alone, so that one of them has none says: the caller chose it. */
	child->parent_unverified = vd_uuid_is_null(&child->parent_uuid) ||
				   vd_uuid_is_null(&parent->uuid);
	/* VirtualBox records it and never looks at it again; chains in which it differs are
	 * common and mostly sound. So it is told, not refused. */
	child->parent_modified = differ(&child->parent_modification, &parent->modification);
	if (differ(&child->parent_uuid, &parent->uuid))
		return mismatch(c, child, parent, err);
	return refuse_stranger(c, child, parent, err);
}

/* Says which image wanted the file that could not be opened. */
static void blame(const struct vd_image *child, struct vd_error *err)
{
	struct vd_error why;

	if (!err)
		return;
	why = *err;
	snprintf(err->text, sizeof(err->text), "%.400s: its parent cannot be opened: %.580s",
		 child->path, why.text);
	err->remedies &= ~(unsigned)VD_REMEDY_RAW;	/* the format that is given is the leaf's */
}

/* `given`: the caller's choice, or NULL. */
static int add_parent(struct chain *c, const char *given, struct vd_error *err)
{
	struct vd_image *child = c->images[c->count - 1];
	CLEANUP_FREE char *found = NULL;
	struct layer parent = { .path = given };
	struct file_id file;
	int r;

	if (!given) {
		r = search_parent(c->search, child, &c->files[c->count - 1],
				  c->flags & VD_OPEN_FORCE_PARENT, &found, &file, err);
		if (r < 0)
			return r;
		parent.path = found;
		parent.found = &file;
	}
	r = add_layer(c, &parent, err);
	if (r < 0) {
		if (r != -ELOOP)
			blame(child, err);
		return r;
	}
	return verify_link(c, child, c->images[c->count - 1], err);
}

static int add_parents(struct chain *c, const char *const *given, struct vd_error *err)
{
	while (c->images[c->count - 1]->has_parent) {
		int r = add_parent(c, given ? *given : NULL, err);

		if (r < 0)
			return r;
		if (given && *given)
			given++;
	}
	if (given && *given)
		return image_fail(c->images[c->count - 1], err, -EINVAL,
				  "it is a base image and has no parent, but %s was given as one",
				  *given);
	return 0;
}

int chain_open(const char *path, unsigned flags, const struct vd_open_options *options,
	       struct vd_image ***images, unsigned *count, struct vd_error *err)
{
	static const struct vd_open_options none;
	const struct vd_open_options *o = options ? options : &none;
	struct chain c = { .flags = flags };
	int r = search_new(o->parent_dirs, o->allow_dirs, &c.search, err);

	if (!r)
		r = open_leaf(&c, path, o, err);
	if (!r && (flags & VD_OPEN_WRITE) && !(flags & VD_OPEN_FORCE))
		r = refuse_if_parent(&c, err);
	if (!r && !(flags & VD_OPEN_NO_PARENT))
		r = add_parents(&c, o->parents, err);
	if (r < 0) {
		chain_close(&c);
		return r;
	}
	search_free(c.search);
	free(c.files);
	*images = c.images;
	*count = c.count;
	return 0;
}
