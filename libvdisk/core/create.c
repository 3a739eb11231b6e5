/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create.c - new images. One is written under a temporary name in the same folder, synced, and
 * takes its name only then: nobody sees half of one, and what was there before stays until then.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

#define ZEROS (UINT64_C(64) << 20)	/* between two calls of progress */

static int sync_folder(const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	CLEANUP_CLOSE int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? -errno : 0;
}

static char *temporary_name(const char *path)
{
	CLEANUP_FREE char *folder = strdup(path), *file = strdup(path);
	struct vd_uuid id;
	char text[VD_UUID_TEXT], *name;

	uuid_fresh(&id);
	vd_uuid_format(&id, text);
	text[8] = '\0';
	if (!folder || !file ||
	    asprintf(&name, "%s/.%.200s.%s.tmp", dirname(folder), basename(file), text) < 0)
		return NULL;
	return name;
}

/* An image that others stand on stays. Whether it is a sound image is all the same. */
static int has_no_children(const char *path, struct vd_error *err)
{
	struct vd_image **images;
	struct vd_error why;
	unsigned count;
	int r = chain_open(path, VD_OPEN_WRITE | VD_OPEN_NO_PARENT | VD_OPEN_NO_LOCK, NULL, &images,
			   &count, &why);

	if (r == -EBUSY)
		return fail(err, r, "not replaced: %s", why.text);
	if (r)
		return 0;
	while (count)
		image_close(images[--count]);
	free(images);
	return 0;
}

static int check_folder(const char *path, struct vd_error *err)
{
	CLEANUP_FREE char *copy = strdup(path);
	const char *folder = copy ? dirname(copy) : NULL;
	struct stat st;

	if (!folder)
		return fail(err, -ENOMEM, "out of memory");
	if (stat(folder, &st))
		return fail(err, -errno, "%s: %s", folder, errno == ENOENT ?
			    "there is no such folder" : strerror(errno));
	return S_ISDIR(st.st_mode) ? 0 : fail(err, -ENOTDIR, "%s: it is no folder", folder);
}

/* An existing file may be replaced only if nobody uses it. */
static int may_replace(const char *path, struct vd_error *err)
{
	struct vd_storage *s;
	struct stat st;
	int r;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : fail(err, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(err, -EEXIST, "%s exists and is no regular file", path);
	r = storage_open_file(path, true, &s, err);
	if (r)
		return r;
	r = storage_lock(s, true, err);
	storage_close(s);
	return r ? r : has_no_children(path, err);
}

/* Who could not read the old file shall not read the new one. */
static void keep_mode(const char *temporary, const char *path)
{
	struct stat st;

	if (!stat(path, &st) && S_ISREG(st.st_mode))
		(void)!chmod(temporary, st.st_mode & 0777);
}

static int take_name(const char *temporary, const char *path, bool overwrite,
		     struct vd_error *err)
{
	int r = 0;

	/* link() never replaces; a file system without links gets the race. */
	if (overwrite) {
		keep_mode(temporary, path);
		r = rename(temporary, path);
	} else if (!link(temporary, path)) {
		unlink(temporary);
	} else if (errno == EEXIST || access(path, F_OK) == 0) {
		return fail(err, -EEXIST, "%s exists already", path);
	} else {
		r = rename(temporary, path);
	}
	if (r)
		return fail(err, -errno, "%s: cannot give the new image its name: %s", path,
			    strerror(errno));
	r = sync_folder(path);
	return r ? fail(err, r, "%s: cannot sync its folder: %s", path, strerror(-r)) : 0;
}

int create_progress(const struct create_params *p, uint64_t done, uint64_t total)
{
	return p->progress && p->progress(p->opaque, done, total) ? -ECANCELED : 0;
}

int create_zeros(struct vd_storage *s, const struct create_params *p, uint64_t from, uint64_t to)
{
	int r = 0;

	while (!r && from < to) {
		uint64_t n = min_u64(ZEROS, to - from);

		r = storage_zero(s, from, n, false);
		from += n;
		if (!r)
			r = create_progress(p, from, to);
	}
	return r;
}

/* All is written: make it durable, and ask for the last time. */
static int finish_image(struct vd_storage *s, const struct create_params *p, struct vd_error *err)
{
	uint64_t size = 0;
	int r = storage_sync(s);

	if (!r)
		r = storage_size(s, &size);
	if (r)
		return fail(err, r, "%s: cannot sync the new image: %s", p->path, strerror(-r));
	r = create_progress(p, size, size);
	return r ? fail(err, r, "%s: given up, nothing was made", p->path) : 0;
}

/* The temporary name means nothing to a person. */
static void hide_temporary(const char *temporary, const char *path, struct vd_error *err)
{
	char *at = err ? strstr(err->text, temporary) : NULL;
	struct vd_error whole;

	if (!at)
		return;
	whole = *err;
	snprintf(at, sizeof(err->text) - (size_t)(at - err->text), "%s%s", path,
		 whole.text + (at - err->text) + strlen(temporary));
}

static int write_image(const struct vd_format *format, const struct create_params *p,
		       bool overwrite, struct vd_error *err)
{
	CLEANUP_FREE char *temporary = temporary_name(p->path);
	struct vd_storage *s;
	int r;

	if (!temporary)
		return fail(err, -ENOMEM, "out of memory");
	r = storage_create_file(temporary, &s, err);
	if (r) {
		hide_temporary(temporary, p->path, err);
		return r;
	}
	r = format->create(s, p, err);
	if (!r)
		r = finish_image(s, p, err);
	storage_close(s);
	if (!r)
		r = take_name(temporary, p->path, overwrite, err);
	if (r) {
		unlink(temporary);
		hide_temporary(temporary, p->path, err);
	}
	return r;
}

static int check_options(const char *path, const struct vd_create_options *o,
			 const struct vd_format **format, struct vd_error *err)
{
	*format = o->format ? format_by_name(o->format) : NULL;
	if (!*format)
		return fail(err, -EINVAL, "%s: unknown format %s", path,
			    o->format ? o->format : "(none given)");
	if (!(*format)->create)
		return fail(err, -ENOTSUP, "%s: %s images cannot be made", path, o->format);
	if (o->parent && !((*format)->info.caps & VD_CAP_DIFFERENCING))
		return fail(err, -ENOTSUP, "%s: %s has no differencing images", path, o->format);
	if (o->parent && (o->flags & VD_CREATE_FIXED))
		return fail(err, -EINVAL, "%s: a differencing image cannot be fixed", path);
	if (!o->parent && !o->size)
		return fail(err, -EINVAL, "%s: a disk of 0 bytes", path);
	return 0;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Opens the parent's whole chain: a child of something broken would be broken, too. */
static int open_parent(const char *path, const struct vd_create_options *o,
		       struct vd_disk **parent, struct vd_error *err)
{
	struct vd_open_options open = o->parent_open ? *o->parent_open :
				      (struct vd_open_options){ 0 };
	unsigned flags = o->flags & VD_CREATE_FORCE_PARENT ? VD_OPEN_FORCE_PARENT : 0;
	int r;

	if (o->parent_format)
		open.format = o->parent_format;
	r = vd_open(o->parent, flags, &open, parent, err);
	for (unsigned i = 0; !r && i < (*parent)->count; i++)
		if (same_file(path, (*parent)->image[i]->path)) {
			vd_close(*parent);
			*parent = NULL;
			return fail(err, -EINVAL, "%s is in the chain of its parent %s", path,
				    o->parent);
		}
	return r;
}

int vd_create(const char *path, const struct vd_create_options *o, struct vd_error *err)
{
	const struct vd_format *format;
	struct vd_disk *parent = NULL;
	struct create_params p = {
		.path = path, .size = o->size, .block_size = o->block_size, .uuid = o->uuid,
		.fixed = o->flags & VD_CREATE_FIXED, .comment = o->comment,
		.progress = o->progress, .opaque = o->opaque,
	};
	bool overwrite = o->flags & VD_CREATE_OVERWRITE;
	int r = check_options(path, o, &format, err);

	if (!r)
		r = check_folder(path, err);
	if (!r && !overwrite && !access(path, F_OK))
		r = fail(err, -EEXIST, "%s exists already", path);
	if (!r && o->parent)
		r = open_parent(path, o, &parent, err);
	/* After that: a parent's lock would be in our own way. */
	if (!r && overwrite)
		r = may_replace(path, err);
	if (r) {
		vd_close(parent);
		return r;
	}
	if (parent) {
		p.parent = parent->image[0];
		if (!p.size)
			p.size = parent->size;
	}
	if (vd_uuid_is_null(&p.uuid))
		uuid_fresh(&p.uuid);
	uuid_fresh(&p.modification);
	r = write_image(format, &p, overwrite, err);
	vd_close(parent);
	return r;
}
