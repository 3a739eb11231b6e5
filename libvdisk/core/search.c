/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * search.c - finds the parent of an image, and its children, among the files around it.
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
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "core/image.h"
#include "core/search.h"

/* One image that a place holds. */
struct entry {
	char *path;		/* absolute, symlinks resolved */
	struct file_id file;
	struct identity id;
};

struct entries {
	struct entry *v;
	size_t n, room;
};

struct folder {
	char *path;		/* absolute, symlinks resolved */
	bool indexed;
	unsigned unread;	/* files in it that could not be opened */
	int error;		/* why it could not be read, or 0 */
	struct entries images;	/* by id, ascending */
};

struct search {
	struct folder **folders;	/* all that were looked at, in no order */
	size_t nfolders;
	char **dirs;			/* the caller's, resolved */
	size_t ndirs;
	char **allowed;			/* the same */
	size_t nallowed;
};

/* Where the relatives of one image may be. */
struct places {
	char *home;		/* the folder of the image, or NULL if it has none (any more) */
	struct folder **v;
	size_t n;
};

/* ------------------------------------------------------------------------------ small things */

static void file_id_from(const struct stat *st, struct file_id *out)
{
	out->device = S_ISBLK(st->st_mode);
	out->dev = out->device ? st->st_rdev : st->st_dev;
	out->ino = out->device ? 0 : st->st_ino;
}

int file_id_of(int fd, struct file_id *out)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	file_id_from(&st, out);
	return 0;
}

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
	return a->device == b->device && a->dev == b->dev && a->ino == b->ino;
}

bool search_raise_file_limit(void)
{
	struct rlimit limit;
	rlim_t old;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
		return false;
	old = limit.rlim_cur;
	limit.rlim_cur = old < limit.rlim_max / 2 ? old * 2 : limit.rlim_max;
	if (limit.rlim_cur < 16)
		limit.rlim_cur = limit.rlim_max < 16 ? limit.rlim_max : 16;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* What says nothing about the one file, but that no file can be opened now. */
static bool out_of_resources(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

static int open_at(int dir, const char *name, int flags)
{
	int fd;

	do
		fd = openat(dir, name, flags | O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	while (fd < 0 && errno == EMFILE && search_raise_file_limit());
	return fd < 0 ? -errno : fd;
}

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

static int entries_add(struct entries *e, const char *path, const struct file_id *file,
		       const struct identity *id)
{
	size_t room = e->room ? e->room * 2 : 16;
	struct entry *v;
	char *copy;

	if (e->n == e->room) {
		v = reallocarray(e->v, room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		e->v = v;
		e->room = room;
	}
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	e->v[e->n++] = (struct entry){ .path = copy, .file = *file, .id = *id };
	return 0;
}

static void entries_clear(struct entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].path);
	free(e->v);
	*e = (struct entries){ 0 };
}

static const struct entry *entries_find(const struct entries *e, const struct file_id *file)
{
	for (size_t i = 0; i < e->n; i++)
		if (file_id_equal(&e->v[i].file, file))
			return &e->v[i];
	return NULL;
}

/* ------------------------------------------------------------------------------ single files */

static bool pread_all(int fd, void *buf, size_t length, uint64_t offset)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = pread(fd, (char *)buf + done, length - done, offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

/*
 * What the file is: 1, and its identity, if it is an image with ids; 0 if it is not; -errno if it
 * cannot be told.
 */
static int identify_fd(int fd, const char *path, struct file_id *file, struct identity *id)
{
	uint8_t buf[PROBE_HEAD + PROBE_TAIL] = { 0 };
	struct probe p = { .path = path, .head = buf, .tail = buf + PROBE_HEAD };
	const struct vd_format *format;
	struct stat st;
	size_t head, tail;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return 0;
	p.size = st.st_size;
	head = p.size < PROBE_HEAD ? p.size : PROBE_HEAD;
	tail = p.size < PROBE_TAIL ? p.size : PROBE_TAIL;
	if (!pread_all(fd, buf, head, 0) ||
	    !pread_all(fd, buf + PROBE_HEAD, tail, p.size - tail))
		return -EIO;
	format = probe_format(&p);
	if (!format->identify)
		return 0;
	*id = (struct identity){ 0 };
	if (format->identify(&p, id) < 0)
		return 0;
	file_id_from(&st, file);
	return 1;
}

/*
 * The same by name, below the open folder `dir` if that is not AT_FDCWD. The name must not be a
 * symlink. Looks before it opens, for opening a FIFO or a device may have effects.
 */
static int identify_file(int dir, const char *name, struct file_id *file, struct identity *id)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return 0;
	fd = open_at(dir, name, O_NOFOLLOW);
	if (fd < 0)
		return fd;
	return identify_fd(fd, name, file, id);
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
		r = identify_file(AT_FDCWD, target, &file, &id);
	} else {
		r = identify_file(dir, d->d_name, &file, &id);
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
	fd = open_at(AT_FDCWD, f->path, O_DIRECTORY);
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

/* The first image in the folder whose id is not less. */
static size_t lower_bound(const struct entries *e, const struct vd_uuid *id)
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

static void places_clear(struct places *p)
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
static int places_of(struct search *s, const char *path, struct places *p)
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

static int places_index(struct search *s, struct places *p)
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

/* Called for each file that a recorded name may mean; not 0 ends it. `path` is resolved. */
typedef int named_fn(void *opaque, const char *path);

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

static int each_recorded(const struct search *s, const struct places *p,
			 const struct vd_image *img, named_fn *found, void *opaque)
{
	const size_t max = sizeof(img->parent_names) / sizeof(img->parent_names[0]);
	int r = 0;

	for (size_t i = 0; !r && i < max && img->parent_names[i]; i++)
		r = each_named(s, p, img->parent_names[i], found, opaque);
	return r;
}

/* ------------------------------------------------------------------------------------ parent */

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
	int r = identify_file(AT_FDCWD, path, &file, &id);

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

	for (size_t i = lower_bound(e, want); i < e->n; i++) {
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

/* Appends to a list in a sentence; what does not fit becomes "...". */
static void list_add(char *text, size_t size, const char *item, const char *note)
{
	size_t n = strlen(text);

	if (n + strlen(item) + strlen(note) + 8 > size) {
		if (n + 6 <= size && (n < 3 || strcmp(text + n - 3, "...")))
			strcat(text, n ? ", ..." : "...");
		return;
	}
	snprintf(text + n, size - n, "%s%s%s", n ? ", " : "", item, note);
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
	return image_fail(child, err, -ENOENT,
			  "its parent, id %s%s%.200s%s, was not found in %s%s; give the file with "
			  "--parent FILE or its folder with --parent-dir DIR",
			  vd_uuid_format(&child->parent_uuid, uuid),
			  name ? " and name \"" : "", name ? name : "", name ? "\"" : "",
			  *folders ? folders : "any folder", note);
}

static int parent_ambiguous(const struct parent_search *ps, struct vd_error *err)
{
	char uuid[VD_UUID_TEXT], files[640] = "";

	for (size_t i = 0; i < ps->right.n; i++)
		list_add(files, sizeof(files), ps->right.v[i].path, "");
	return image_fail(ps->child, err, -ENOTUNIQ,
			  "%zu different files have the id %s of its parent: %s; say which with "
			  "--parent FILE", ps->right.n,
			  vd_uuid_format(&ps->child->parent_uuid, uuid), files);
}

static int parent_mismatch(const struct parent_search *ps, struct vd_error *err)
{
	const struct entry *x = &ps->wrong.v[0];
	char want[VD_UUID_TEXT], have[VD_UUID_TEXT];

	return image_fail(ps->child, err, -EUCLEAN,
			  "its parent should have the id %s, but %s, which it names, has the id "
			  "%s; give the right file with --parent FILE, or take this one with "
			  "--force-parent", vd_uuid_format(&ps->child->parent_uuid, want), x->path,
			  vd_uuid_format(&x->id.uuid, have));
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

	if (vd_uuid_is_null(&child->parent_uuid))
		return image_fail(child, err, -ENOENT,
				  "it has a parent%s%.400s%s, but records no id by which to know "
				  "it; give the file with --parent FILE", name ? " named \"" : "",
				  name ? name : "", name ? "\"" : "");
	if (vd_uuid_equal(&child->parent_uuid, &child->uuid))
		return image_fail(child, err, -ELOOP,
				  "it records its own id as that of its parent, which would be an "
				  "endless chain; give the right file with --parent FILE");
	return 0;
}

int search_parent(struct search *s, const struct vd_image *child, const struct file_id *child_file,
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
	entries_clear(&ps.right);
	entries_clear(&ps.wrong);
	places_clear(&p);
	return r;
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
	while (r == -EMFILE && search_raise_file_limit());
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

/* ------------------------------------------------------------------------- making and freeing */

static void free_list(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

static int resolve_dirs(const char *const *names, const char *option, char ***out, size_t *n,
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
			return fail(err, -errno, "%s: the folder given with %s cannot be used: %s",
				    names[i], option, strerror(errno));
		(*out)[(*n)++] = real;
		if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
			return fail(err, -ENOTDIR, "%s: given with %s, but it is no folder",
				    names[i], option);
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
	r = resolve_dirs(parent_dirs, "--parent-dir", &s->dirs, &s->ndirs, err);
	if (!r)
		r = resolve_dirs(allow_dirs, "--allow-dir", &s->allowed, &s->nallowed, err);
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
