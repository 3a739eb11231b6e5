/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * places.c - the folders around an image, the images in them, and which paths may be followed.
 *
 * The places of an image are the folder it is in (symlinks resolved), the folder above, a folder
 * `Snapshots` in it, and the folders that the caller named. A place is not searched below its
 * first level. What an image records is not trusted: a recorded path counts only if, symlinks
 * resolved, it lies directly in a place or anywhere below a folder that the caller allows, and
 * then only if it is a regular file that carries a known magic and an id. The same holds for a
 * `Snapshots` folder and for files in a place that are symlinks.
 *
 * Limits: the index is a snapshot of the moment in which a place is first looked at. Names that
 * differ only in case are different.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "core/places.h"
#include "core/search.h"

static char *join(const char *folder, const char *name)
{
	char *out;

	if (asprintf(&out, "%s/%s", strcmp(folder, "/") ? folder : "", name) < 0)
		return NULL;
	return out;
}

/* The folder of an absolute path. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? strdup("/") : strndup(path, slash - path);
}

/* 1: resolved; 0: there is no such thing, or it may not be seen. */
static int resolve(const char *path, char **out)
{
	*out = realpath(path, NULL);
	if (*out)
		return 1;
	return errno == ENOMEM ? -ENOMEM : 0;
}

/* ----------------------------------------------------------------------------------- folders */

/* Or the same. Both are resolved. */
static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return n == 1 || (!strncmp(path, folder, n) && (!path[n] || path[n] == '/'));
}

static bool is_below_allowed(const struct search *s, const char *path)
{
	for (size_t i = 0; i < s->nallowed; i++)
		if (is_below(path, s->allowed[i]))
			return true;
	return false;
}

/* Is it in a place, or below an allowed folder? `path` is resolved. */
static bool is_allowed(const struct search *s, const struct places *p, const char *path)
{
	size_t n = strrchr(path, '/') - path;

	for (size_t i = 0; i < p->n; i++) {
		const char *place = p->v[i]->path;

		if (n == 0 ? !strcmp(place, "/") : !strncmp(place, path, n) && !place[n])
			return true;
	}
	return is_below_allowed(s, path);
}

static int compare_ids(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return memcmp(x->id.uuid.byte, y->id.uuid.byte, sizeof(x->id.uuid.byte));
}

/*
 * One name in a folder. A symlink counts only if it leads below an allowed folder: one that leads
 * into a place is met there under its own name, all others lead out.
 */
static int index_name(const struct search *s, struct folder *f, int dir, const struct dirent *d)
{
	CLEANUP_FREE char *path = join(f->path, d->d_name);
	CLEANUP_FREE char *target = NULL;
	struct file_id file;
	struct identity id;
	struct stat st;
	int r;

	if (!path)
		return -ENOMEM;
	if (d->d_type == DT_UNKNOWN && fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (d->d_type == DT_LNK || (d->d_type == DT_UNKNOWN && S_ISLNK(st.st_mode))) {
		r = s->nallowed ? resolve(path, &target) : 0;
		if (r <= 0 || !is_below_allowed(s, target))
			return r < 0 ? r : 0;
		r = entry_identify(AT_FDCWD, target, &file, &id);
	} else {
		r = entry_identify(dir, d->d_name, &file, &id);
	}
	if (r < 0 && out_of_resources(-r))
		return r;
	if (r < 0)
		f->unread++;
	/* An image with neither an id nor a parent can be nobody's relative. */
	if (r <= 0 || (vd_uuid_is_null(&id.uuid) && !id.has_parent))
		return 0;
	return entries_add(&f->images, target ? target : path, &file, &id);
}

static bool may_be_image(const struct dirent *d)
{
	return d->d_type == DT_REG || d->d_type == DT_LNK || d->d_type == DT_UNKNOWN;
}

static int index_folder(const struct search *s, struct folder *f)
{
	struct dirent *d;
	DIR *dir;
	int fd, r = 0;

	if (f->indexed)
		return 0;
	fd = entry_open(AT_FDCWD, f->path, O_DIRECTORY);
	if (fd < 0) {
		if (out_of_resources(-fd))
			return fd;
		f->error = -fd;
		f->indexed = true;
		return 0;
	}
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	while (!r && (d = readdir(dir)))
		if (may_be_image(d))
			r = index_name(s, f, dirfd(dir), d);
	closedir(dir);
	if (r < 0) {
		entries_clear(&f->images);
		return r;
	}
	if (f->images.n)
		qsort(f->images.v, f->images.n, sizeof(*f->images.v), compare_ids);
	f->indexed = true;
	return 0;
}

size_t folder_find(const struct entries *e, const struct vd_uuid *id)
{
	size_t low = 0, high = e->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(e->v[mid].id.uuid.byte, id->byte, sizeof(id->byte)) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void folder_free(struct folder *f)
{
	if (!f)
		return;
	entries_clear(&f->images);
	free(f->path);
	free(f);
}

static int get_folder(struct search *s, const char *path, struct folder **out)
{
	struct folder **v;
	struct folder *f;

	for (size_t i = 0; i < s->nfolders; i++) {
		*out = s->folders[i];
		if (!strcmp((*out)->path, path))
			return 0;
	}
	v = reallocarray(s->folders, s->nfolders + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->folders = v;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->path = strdup(path);
	if (!f->path) {
		folder_free(f);
		return -ENOMEM;
	}
	s->folders[s->nfolders++] = *out = f;
	return 0;
}

/* ------------------------------------------------------------------------------------ places */

void places_clear(struct places *p)
{
	free(p->home);
	free(p->v);
	*p = (struct places){ 0 };
}

static int places_add(struct search *s, struct places *p, const char *path)
{
	struct folder *f;
	int r = get_folder(s, path, &f);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i] == f)
			return 0;
	p->v[p->n++] = f;
	return 0;
}

/* A `Snapshots` that is a symlink could lead anywhere: the rule for recorded paths holds for it. */
static int places_add_snapshots(struct search *s, struct places *p)
{
	CLEANUP_FREE char *path = join(p->home, "Snapshots");
	CLEANUP_FREE char *target = NULL;
	struct stat st;
	int r;

	if (!path)
		return -ENOMEM;
	r = resolve(path, &target);
	if (r <= 0)
		return r;
	if ((strcmp(path, target) && !is_below_allowed(s, target)) || stat(target, &st) < 0 ||
	    !S_ISDIR(st.st_mode))
		return 0;
	return places_add(s, p, target);
}

static int places_fill(struct search *s, struct places *p)
{
	CLEANUP_FREE char *above = NULL;
	int r;

	if (p->home) {
		above = parent_of(p->home);
		if (!above)
			return -ENOMEM;
		r = places_add(s, p, p->home);
		if (!r)
			r = places_add(s, p, above);
		if (!r)
			r = places_add_snapshots(s, p);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < s->ndirs; i++) {
		r = places_add(s, p, s->dirs[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* An image whose path does not resolve (it was unlinked, say) has the caller's folders only. */
int places_of(struct search *s, const char *path, struct places *p)
{
	CLEANUP_FREE char *real = NULL;
	int r;

	*p = (struct places){ .v = calloc(3 + s->ndirs, sizeof(*p->v)) };
	r = p->v ? resolve(path, &real) : -ENOMEM;
	if (r > 0) {
		p->home = parent_of(real);
		r = p->home ? 0 : -ENOMEM;
	}
	if (!r)
		r = places_fill(s, p);
	if (r < 0)
		places_clear(p);
	return r;
}

int places_index(struct search *s, struct places *p)
{
	for (size_t i = 0; i < p->n; i++) {
		int r = index_folder(s, p->v[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---------------------------------------------------------------------------- recorded names */

/* The last part of a name, be it written the Unix or the Windows way; NULL if that is none. */
static const char *base_name(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *back = strrchr(slash ? slash : name, '\\');
	const char *base = back ? back + 1 : slash ? slash + 1 : name;

	return *base && strcmp(base, ".") && strcmp(base, "..") ? base : NULL;
}

static int try_name(const struct search *s, const struct places *p, const char *folder,
		    const char *name, named_fn *found, void *opaque)
{
	CLEANUP_FREE char *path = folder ? join(folder, name) : strdup(name);
	CLEANUP_FREE char *real = NULL;
	int r;

	if (!path)
		return -ENOMEM;
	r = resolve(path, &real);
	if (r <= 0 || !is_allowed(s, p, real))
		return r < 0 ? r : 0;
	return found(opaque, real);
}

/* First as it is recorded, then its last part in every place. */
static int each_named(const struct search *s, const struct places *p, const char *name,
		      named_fn *found, void *opaque)
{
	const char *base = base_name(name);
	int r = 0;

	if (*name == '/')
		r = try_name(s, p, NULL, name, found, opaque);
	else if (*name && p->home)
		r = try_name(s, p, p->home, name, found, opaque);
	for (size_t i = 0; base && !r && i < p->n; i++)
		r = try_name(s, p, p->v[i]->path, base, found, opaque);
	return r;
}

int each_recorded(const struct search *s, const struct places *p, const struct vd_image *img,
		  named_fn *found, void *opaque)
{
	const size_t max = sizeof(img->parent_names) / sizeof(img->parent_names[0]);
	int r = 0;

	for (size_t i = 0; !r && i < max && img->parent_names[i]; i++)
		r = each_named(s, p, img->parent_names[i], found, opaque);
	return r;
}

int first_recorded(const struct places *p, const struct vd_image *img, char **path,
		   struct file_id *file)
{
	const size_t max = sizeof(img->parent_names) / sizeof(img->parent_names[0]);

	for (size_t i = 0; i < max && img->parent_names[i]; i++) {
		const char *name = img->parent_names[i];
		CLEANUP_FREE char *at = NULL;
		struct stat st;

		if (!*name || (*name != '/' && !p->home))
			continue;
		at = *name == '/' ? strdup(name) : join(p->home, name);
		if (!at)
			return -ENOMEM;
		if (stat(at, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		file_id_from(&st, file);
		*path = TAKE_PTR(at);
		return 1;
	}
	return 0;
}

/* ------------------------------------------------------------------------- making and freeing */

static void free_list(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

static int resolve_dirs(const char *const *names, const char *purpose, char ***out, size_t *n,
			struct vd_error *err)
{
	size_t count = 0;
	struct stat st;

	while (names && names[count])
		count++;
	*out = calloc(count + 1, sizeof(**out));
	if (!*out)
		return fail(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		char *real = realpath(names[i], NULL);

		if (!real)
			return fail(err, -errno, "%s: cannot be used as a folder %s: %s", names[i],
				    purpose, strerror(errno));
		(*out)[(*n)++] = real;
		if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
			return fail(err, -ENOTDIR, "%s: given as a folder %s, but it is no folder",
				    names[i], purpose);
	}
	return 0;
}

int search_new(const char *const *parent_dirs, const char *const *allow_dirs, struct search **out,
	       struct vd_error *err)
{
	struct search *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return fail(err, -ENOMEM, "out of memory");
	r = resolve_dirs(parent_dirs, "in which to look for parents", &s->dirs, &s->ndirs, err);
	if (!r)
		r = resolve_dirs(allow_dirs, "whose files may be parents", &s->allowed, &s->nallowed,
				 err);
	if (r < 0) {
		search_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void search_free(struct search *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nfolders; i++)
		folder_free(s->folders[i]);
	free(s->folders);
	free_list(s->dirs, s->ndirs);
	free_list(s->allowed, s->nallowed);
	free(s);
}
