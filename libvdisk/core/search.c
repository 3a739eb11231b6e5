/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* search.c - finds the parent of an image, and its children, among the files around it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "core/image.h"
#include "core/places.h"
#include "core/search.h"

struct parent_search {
	const struct vd_image *child;
	const struct file_id *child_file;
	struct entries right, wrong;	/* files with the recorded id; named ones with another */
};

static int consider_named(void *opaque, const char *path)
{
	struct parent_search *ps = opaque;
	struct file_id file;
	struct identity id;
	struct entries *e;
	int r = entry_identify(AT_FDCWD, path, &file, &id);

	if (r < 0)
		return out_of_resources(-r) ? r : 0;
	if (!r || file_id_equal(&file, ps->child_file) || vd_uuid_is_null(&id.uuid))
		return 0;
	e = vd_uuid_equal(&id.uuid, &ps->child->parent_uuid) ? &ps->right : &ps->wrong;
	return entries_find(e, &file) ? 0 : entries_add(e, path, &file, &id);
}

static int consider_indexed(struct parent_search *ps, const struct folder *f)
{
	const struct vd_uuid *want = &ps->child->parent_uuid;
	const struct entries *e = &f->images;

	for (size_t i = folder_find(e, want); i < e->n; i++) {
		const struct entry *x = &e->v[i];
		int r;

		if (!vd_uuid_equal(&x->id.uuid, want))
			break;
		if (file_id_equal(&x->file, ps->child_file) || entries_find(&ps->right, &x->file))
			continue;
		r = entries_add(&ps->right, x->path, &x->file, &x->id);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Appends a path to a list in a sentence. Of a long one the end says most; what does not fit
 * becomes "...". */
static void list_add(char *text, size_t size, const char *path, const char *note)
{
	const size_t most = 200;
	size_t n = strlen(text), length = strlen(path);
	bool cut = length > most;

	if (cut)
		path += length - most;
	if (n + strlen(path) + strlen(note) + 12 <= size)
		snprintf(text + n, size - n, "%s%s%s%s", n ? ", " : "", cut ? "..." : "", path,
			 note);
	else if (n > 5 && n + 6 <= size && strcmp(text + n - 5, ", ..."))
		strcat(text, ", ...");
}

static int parent_not_found(const struct vd_image *child, const struct places *p,
			    struct vd_error *err)
{
	const char *name = child->parent_names[0];
	char uuid[VD_UUID_TEXT], folders[512] = "", note[64] = "";
	unsigned unread = 0;

	for (size_t i = 0; i < p->n; i++) {
		list_add(folders, sizeof(folders), p->v[i]->path,
			 p->v[i]->error ? " (not readable)" : "");
		unread += p->v[i]->unread;
	}
	if (unread)
		snprintf(note, sizeof(note), "; %u file%s there could not be read", unread,
			 unread == 1 ? "" : "s");
	image_fail(child, err, -ENOENT, "its parent, id %s%s%.200s%s, was not found in %s%s",
		   vd_uuid_format(&child->parent_uuid, uuid), name ? " and name \"" : "",
		   name ? name : "", name ? "\"" : "", *folders ? folders : "any folder", note);
	return fail_remedy(err, VD_REMEDY_PARENT | VD_REMEDY_PARENT_DIR, -ENOENT);
}

static int parent_ambiguous(const struct parent_search *ps, struct vd_error *err)
{
	char uuid[VD_UUID_TEXT], files[640] = "";

	for (size_t i = 0; i < ps->right.n; i++)
		list_add(files, sizeof(files), ps->right.v[i].path, "");
	image_fail(ps->child, err, -ENOTUNIQ, "%zu different files have the id %s of its parent: %s",
		   ps->right.n, vd_uuid_format(&ps->child->parent_uuid, uuid), files);
	return fail_remedy(err, VD_REMEDY_PARENT, -ENOTUNIQ);
}

static int parent_mismatch(const struct parent_search *ps, struct vd_error *err)
{
	const struct entry *x = &ps->wrong.v[0];
	char want[VD_UUID_TEXT], have[VD_UUID_TEXT];

	image_fail(ps->child, err, -EUCLEAN,
		   "its parent should have the id %s, but %s, which it names, has the id %s",
		   vd_uuid_format(&ps->child->parent_uuid, want), x->path,
		   vd_uuid_format(&x->id.uuid, have));
	return fail_remedy(err, VD_REMEDY_PARENT | VD_REMEDY_FORCE_PARENT, -EUCLEAN);
}

static int choose_parent(const struct parent_search *ps, const struct places *p, bool force,
			 char **path, struct file_id *file, struct vd_error *err)
{
	const struct entry *x;

	if (ps->right.n > 1)
		return parent_ambiguous(ps, err);
	if (!ps->right.n && !ps->wrong.n)
		return parent_not_found(ps->child, p, err);
	if (!ps->right.n && !force)
		return parent_mismatch(ps, err);
	x = ps->right.n ? &ps->right.v[0] : &ps->wrong.v[0];
	*path = strdup(x->path);
	*file = x->file;
	return *path ? 0 : fail(err, -ENOMEM, "out of memory");
}

/* All places are looked at even when a name has led to the parent: a second file with the same id
 * may be the one with the right content, and only a person can tell. */
static int collect_parents(struct search *s, struct places *p, struct parent_search *ps)
{
	int r = each_recorded(s, p, ps->child, consider_named, ps);

	if (!r)
		r = places_index(s, p);
	for (size_t i = 0; !r && i < p->n; i++)
		r = consider_indexed(ps, p->v[i]);
	return r;
}

static int check_searchable(const struct vd_image *child, struct vd_error *err)
{
	const char *name = child->parent_names[0];

	if (vd_uuid_is_null(&child->parent_uuid)) {
		image_fail(child, err, -ENOENT,
			   "it has a parent%s%.400s%s, but records no id by which to know it",
			   name ? " named \"" : "", name ? name : "", name ? "\"" : "");
		return fail_remedy(err, VD_REMEDY_PARENT, -ENOENT);
	}
	if (vd_uuid_equal(&child->parent_uuid, &child->uuid)) {
		image_fail(child, err, -ELOOP,
			   "it records its own id as that of its parent, which would be an endless "
			   "chain");
		return fail_remedy(err, VD_REMEDY_PARENT, -ELOOP);
	}
	return 0;
}

/*
 * The id has led to one file and the name leads to another: a copy was left behind, perhaps, and
 * which of them was written to since, only a person knows. The other is not opened, as a name is
 * not to be trusted.
 */
static int warn_of_other(struct vd_image *child, const struct places *p, const char *path,
			 const struct file_id *file)
{
	CLEANUP_FREE char *named = NULL;
	struct file_id other;
	int r = first_recorded(p, child, &named, &other);

	if (r > 0 && !file_id_equal(&other, file))
		image_warn(child, "its parent is recorded under the name %s, but %s, which has the "
			   "recorded id, was taken, since no other was given", named, path);
	return r < 0 ? r : 0;
}

int search_parent(struct search *s, struct vd_image *child, const struct file_id *child_file,
		  bool force, char **path, struct file_id *file, struct vd_error *err)
{
	struct parent_search ps = { .child = child, .child_file = child_file };
	struct places p;
	int r = check_searchable(child, err);

	if (r < 0)
		return r;
	r = places_of(s, child->path, &p);
	if (r < 0)
		return image_fail(child, err, r, "looking for its parent: %s", strerror(-r));
	r = collect_parents(s, &p, &ps);
	if (r < 0)
		image_fail(child, err, r, "looking for its parent: %s", strerror(-r));
	else
		r = choose_parent(&ps, &p, force, path, file, err);
	if (!r && ps.right.n && warn_of_other(child, &p, *path, file) < 0) {
		free(*path);
		*path = NULL;
		r = fail(err, -ENOMEM, "out of memory");
	}
	entries_clear(&ps.right);
	entries_clear(&ps.wrong);
	places_clear(&p);
	return r;
}

int search_recorded_id(struct search *s, const struct vd_image *child,
		       const struct file_id *child_file, char **path, struct vd_error *err)
{
	struct parent_search ps = { .child = child, .child_file = child_file };
	struct places p;
	int r = places_of(s, child->path, &p);

	*path = NULL;
	if (!r) {
		r = collect_parents(s, &p, &ps);
		if (!r && ps.right.n) {
			*path = strdup(ps.right.v[0].path);
			r = *path ? 0 : -ENOMEM;
		}
		entries_clear(&ps.right);
		entries_clear(&ps.wrong);
		places_clear(&p);
	}
	if (r < 0)
		return image_fail(child, err, r, "looking for its parent: %s", strerror(-r));
	return 0;
}

/* ---------------------------------------------------------------------------------- children */

static int is_that_file(void *opaque, const char *path)
{
	const struct file_id *want = opaque;
	struct file_id file;
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	file_id_from(&st, &file);
	return file_id_equal(&file, want);
}

/* Does the image at `path` name the file as its parent? What is no image any more does not. */
static int names_file(struct search *s, const char *path, const struct file_id *file)
{
	struct vd_storage *storage;
	struct vd_image *img;
	struct file_id want = *file;
	struct places p;
	int r;

	do
		r = storage_open_file(path, false, &storage, NULL);
	while (r == -EMFILE && raise_file_limit());
	if (!r)
		r = image_open(storage, path, NULL, &img, NULL);
	if (r < 0)
		return out_of_resources(-r) ? r : 0;
	r = img->parent_names[0] ? places_of(s, path, &p) : 0;
	if (!r && img->parent_names[0]) {
		r = each_recorded(s, &p, img, is_that_file, &want);
		places_clear(&p);
	}
	image_close(img);
	return r;
}

static int is_child(struct search *s, const struct entry *x, const struct vd_image *img,
		    const struct file_id *img_file)
{
	if (!x->id.has_parent || file_id_equal(&x->file, img_file))
		return 0;
	if (!vd_uuid_is_null(&img->uuid) && vd_uuid_equal(&x->id.parent, &img->uuid))
		return 1;
	return names_file(s, x->path, img_file);
}

static int find_child(struct search *s, const struct places *p, const struct vd_image *img,
		      const struct file_id *img_file, char **path)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct entries *e = &p->v[i]->images;

		for (size_t j = 0; j < e->n; j++) {
			int r = is_child(s, &e->v[j], img, img_file);

			if (r < 0)
				return r;
			if (r) {
				*path = strdup(e->v[j].path);
				return *path ? 0 : -ENOMEM;
			}
		}
	}
	return 0;
}

int search_child(struct search *s, const struct vd_image *img, const struct file_id *img_file,
		 char **path, struct vd_error *err)
{
	struct places p;
	int r = places_of(s, img->path, &p);

	*path = NULL;
	if (!r) {
		r = places_index(s, &p);
		if (!r)
			r = find_child(s, &p, img, img_file, path);
		places_clear(&p);
	}
	if (r < 0)
		return image_fail(img, err, r, "looking for its children: %s", strerror(-r));
	return 0;
}
