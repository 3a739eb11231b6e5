/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * medium.c - see medium.h.
 *
 * An immutable medium is never written: its differencing image is. That image is made afresh when
 * the machine is switched on, with the UUID it had, never when the guest resets. A file in its place
 * that is not a differencing image of this very image is left alone, and an error. When the medium is
 * closed the image is removed, or the base could not be written to by others; one that the user named
 * (diff=) stays, for a look at what the guest did, until the next power-on.
 */
#include "device/medium.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked.h"
#include "cleanup.h"
#include "core/fail.h"

#define VHD_MOST (2040ull << 30)	/* bytes that a VHD holds */

struct media {
	pthread_mutex_t lock;
	struct medium *first;		/* the shareable ones */
};

struct medium {
	unsigned references;		/* atomic */
	struct media *media;
	struct medium *next;
	dev_t device;
	ino_t inode;

	char *path, *diff;
	char *format;
	enum medium_mode mode;
	unsigned flags;			/* for vd_open */
	struct vd_open_options open;
	struct vd_group *group;
	struct vd_disk *disk;
	bool fresh;			/* the differencing image is unused yet */
	bool created;			/* it was not there before */
	bool disposable;		/* it is removed in the end */
	struct stat made;		/* its file, if we made it */
	struct vd_uuid id;		/* its id */
};

/* What a differencing image is compared with. */
struct base {
	struct vd_uuid id;		/* null for raw images */
	uint64_t size;			/* bytes */
};

static const char *const mode_names[] = {
	[MEDIUM_NORMAL] = "normal",
	[MEDIUM_WRITETHROUGH] = "writethrough",
	[MEDIUM_READONLY] = "readonly",
	[MEDIUM_IMMUTABLE] = "immutable",
	[MEDIUM_MULTIATTACH] = "multiattach",
	[MEDIUM_SHAREABLE] = "shareable",
};

const char *medium_mode_name(enum medium_mode mode)
{
	return mode_names[mode];
}

int medium_mode_parse(const char *text, enum medium_mode *out)
{
	for (unsigned i = 0; i < sizeof(mode_names) / sizeof(*mode_names); i++)
		if (!strcmp(text, mode_names[i])) {
			*out = (enum medium_mode)i;
			return 0;
		}
	return -EINVAL;
}

int media_new(struct media **out)
{
	struct media *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	pthread_mutex_init(&m->lock, NULL);
	*out = m;
	return 0;
}

void media_free(struct media *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* -------------------------------------------------------------------------- differencing images */

static bool has_diff(const struct medium *m)
{
	return m->mode == MEDIUM_IMMUTABLE || m->mode == MEDIUM_MULTIATTACH;
}

/*
 * In the format of the image where that has differencing images. Where it has none (raw) it has no
 * id either, by which a VDI would know its parent; a VHD names it, so that whoever opens the image
 * for writing is warned.
 */
static const char *diff_format(const struct vd_image_info *base)
{
	struct vd_format_info info;

	for (unsigned i = 0; !vd_format_info(i, &info); i++)
		if (!strcmp(info.name, base->format) && info.caps & VD_CAP_DIFFERENCING)
			return info.name;
	return base->virtual_size > VHD_MOST ? "vdi" : "vhd";
}

/* disk.vdi -> disk-immutable.vdi, in the same folder. */
static char *default_diff(const struct medium *m, enum medium_mode mode, const char *format)
{
	const char *slash = strrchr(m->path, '/'), *dot = strrchr(m->path, '.');
	int stem = dot && dot != m->path && (!slash || dot > slash + 1) ? (int)(dot - m->path) :
		   (int)strlen(m->path);
	char *name;

	if (asprintf(&name, "%.*s-%s.%s", stem, m->path, medium_mode_name(mode), format) < 0)
		return NULL;
	return name;
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

/*
 * What it is called unless the user named it, and in which format it is made. A VDI over a raw image
 * is what earlier releases made: it may hold writes.
 */
static int name_diff(struct medium *m, const struct vd_image_info *base)
{
	const char *format = diff_format(base);

	if (!m->diff) {
		CLEANUP_FREE char *vdi = default_diff(m, m->mode, "vdi");

		m->diff = default_diff(m, m->mode, format);
		if (!m->diff || !vdi)
			return -ENOMEM;
		if (strcmp(format, base->format) && !exists(m->diff) && exists(vdi)) {
			free(m->diff);
			m->diff = TAKE_PTR(vdi);
			format = "vdi";
		}
	}
	m->format = strdup(format);
	return m->format ? 0 : -ENOMEM;
}

/* Does the name that a differencing image has of its parent lead to our image? */
static bool names_base(const struct medium *m, const char *name)
{
	const char *slash = strrchr(m->diff, '/');
	CLEANUP_FREE char *path = NULL;
	struct stat named, base;

	if (!name || asprintf(&path, "%.*s%s", *name == '/' || !slash ? 0 : (int)(slash + 1 - m->diff),
			      m->diff, name) < 0)
		return false;
	return !stat(path, &named) && !stat(m->path, &base) && named.st_dev == base.st_dev &&
	       named.st_ino == base.st_ino;
}

/*
 * Ids tell, and where the base has none the recorded name. A format that records no name (VDI) is
 * believed where the disk's size is right and nothing is thrown away.
 */
static bool is_child(const struct medium *m, const struct vd_image_info *diff,
		     const struct base *base)
{
	if (!diff->has_parent || !vd_uuid_equal(&base->id, &diff->parent))
		return false;
	if (!vd_uuid_is_null(&base->id) || names_base(m, diff->parent_path))
		return true;
	return !diff->parent_path && m->mode == MEDIUM_MULTIATTACH &&
	       diff->virtual_size == base->size;
}

/* Is the file at m->diff a child of our image, and which UUID has it? Only then may it be used. */
static int inspect_diff(struct medium *m, const struct base *base, struct vd_error *err)
{
	struct vd_image_info info;
	struct vd_disk *disk;
	int r = vd_open(m->diff, VD_OPEN_NO_PARENT | VD_OPEN_NO_LOCK, NULL, &disk, err);

	if (r) {
		err->remedies = 0;	/* the options are about the image */
		return r;
	}
	r = vd_image_info(disk, 0, &info);
	if (!r && !is_child(m, &info, base))
		r = fail_with(err, -EEXIST,
			      "%s: it is there already, and no differencing image of %s; "
			      "name another with diff=", m->diff, m->path);
	if (!r)
		m->id = info.uuid;
	vd_close(disk);
	return r;
}

/* With the id that it had, if it had one. */
static int make_diff(struct medium *m, struct vd_error *err)
{
	struct vd_open_options parent = m->open;
	struct vd_create_options o = {
		.format = m->format, .parent = m->path, .parent_format = m->open.format,
		.parent_open = &parent, .uuid = m->id,
	};
	int r;

	if (exists(m->diff))
		o.flags = VD_CREATE_OVERWRITE;
	r = vd_create(m->diff, &o, err);
	if (r == -EINVAL)
		r = -ENOTSUP;		/* the image's size, not what the caller said */
	if (!r && lstat(m->diff, &m->made))
		m->made = (struct stat){0};
	return r;
}

/* ---------------------------------------------------------------------------------------- open */

/* The base is the first of the parents that are named; the ones the user named come after it. */
static int open_diff(struct medium *m, struct vd_error *err)
{
	struct vd_open_options open = m->open;
	CLEANUP_FREE const char **parents = NULL;
	struct vd_image_info info;
	unsigned n = 0;
	int r;

	while (open.parents && open.parents[n])
		n++;
	parents = calloc(n + 2, sizeof(*parents));
	if (!parents)
		return fail_with(err, -ENOMEM, "%s: out of memory", m->path);
	parents[0] = m->path;
	for (unsigned i = 0; i < n; i++)
		parents[i + 1] = open.parents[i];
	open.parents = parents;
	open.format = NULL;
	r = vd_open(m->diff, m->flags | VD_OPEN_WRITE, &open, &m->disk, err);
	if (!r && !vd_image_info(m->disk, 0, &info))
		m->id = info.uuid;
	return r;
}

/* Is the file still the one that we made? */
static bool is_made(const struct medium *m)
{
	struct stat st;

	return m->made.st_ino && !lstat(m->diff, &st) && st.st_ino == m->made.st_ino &&
	       st.st_dev == m->made.st_dev;
}

/* While its lock is held, so that it is nobody else's; and only if it is still that file. */
static bool remove_diff(struct medium *m)
{
	if (!m->disposable || !is_made(m))
		return false;
	/* A power-on that failed closed it. */
	if (!m->disk && vd_open(m->diff, VD_OPEN_WRITE | VD_OPEN_NO_PARENT, NULL, &m->disk, NULL))
		return false;
	return is_made(m) && !unlink(m->diff);
}

static int close_disk(struct medium *m)
{
	bool removed = remove_diff(m);
	int r = vd_close(m->disk);

	m->disk = NULL;
	return removed ? 0 : r;
}

/* An image cannot be written to, since another stands on it: perhaps one that a killed server left. */
static void explain_leftover(const struct medium *m, struct vd_error *err)
{
	static const char *const formats[] = {"vdi", "vhd"};

	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		CLEANUP_FREE char *diff = default_diff(m, MEDIUM_IMMUTABLE, formats[i]);
		const char *slash = diff ? strrchr(diff, '/') : NULL;
		const char *name = slash ? slash + 1 : diff;
		size_t n = strlen(err->text);

		if (!diff || !exists(diff) || !strstr(err->text, name))
			continue;
		snprintf(err->text + n, sizeof(err->text) - n, "; %s was left behind by mode=immutable "
			 "when its server was killed, and may be removed", name);
		err->remedies = 0;
	}
}

static int base_properties(struct medium *m, struct base *base, struct vd_error *err)
{
	struct vd_image_info info;
	struct vd_disk *disk;
	int r = vd_open(m->path, m->flags & ~(unsigned)VD_OPEN_FORCE, &m->open, &disk, err);

	if (r)
		return r;
	r = vd_image_info(disk, 0, &info);
	if (!r) {
		*base = (struct base){ info.uuid, info.virtual_size };
		r = name_diff(m, &info);
		if (r)
			r = fail_with(err, -ENOMEM, "%s: out of memory", m->path);
	}
	vd_close(disk);
	return r;
}

static int open_with_diff(struct medium *m, struct vd_error *err)
{
	struct base base;
	int r = base_properties(m, &base, err);
	bool there;

	if (r)
		return r;
	there = exists(m->diff);
	if (there)
		r = inspect_diff(m, &base, err);
	if (!r && (!there || m->mode == MEDIUM_IMMUTABLE)) {
		/* Somebody who uses it has it locked: it must not be pulled away under him. */
		if (there) {
			r = open_diff(m, err);
			if (!r)
				vd_close(m->disk);
			m->disk = NULL;
		}
		if (!r)
			r = make_diff(m, err);
		m->created = !r && !there;
	}
	if (!r)
		r = open_diff(m, err);
	m->fresh = !r;
	return r;
}

static int check_shareable(struct medium *m, struct vd_error *err)
{
	struct vd_image_info info;
	int r = vd_image_info(m->disk, 0, &info);

	if (r)
		return fail_with(err, r, "%s: %s", m->path, strerror(-r));
	if (strcmp(info.variant, "fixed") || vd_depth(m->disk) > 1)
		return fail_with(err, -ENOTSUP,
				 "%s: it is a %s image; only fixed ones can be shareable",
				 m->path, info.variant);
	return 0;
}

static int open_disk(struct medium *m, struct vd_error *err)
{
	int r;

	if (has_diff(m))
		return open_with_diff(m, err);
	if (m->mode != MEDIUM_READONLY)
		m->flags |= VD_OPEN_WRITE;
	r = vd_open(m->path, m->flags, &m->open, &m->disk, err);
	if (r == -EBUSY && err && err->remedies & VD_REMEDY_FORCE)
		explain_leftover(m, err);
	if (!r && m->mode == MEDIUM_SHAREABLE)
		r = check_shareable(m, err);
	return r;
}

static int join_group(struct medium *m, struct vd_error *err)
{
	int r = m->group ? vd_set_group(m->disk, m->group) : 0;

	return r ? fail_with(err, r, "%s: bandwidth group: %s", m->path, strerror(-r)) : 0;
}

/* A list that ends with NULL, and its strings. */
static const char *const *copy_list(const char *const *list, bool *failed)
{
	unsigned n = 0;
	char **copy;

	if (!list)
		return NULL;
	while (list[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	*failed |= !copy;
	for (unsigned i = 0; copy && i < n; i++) {
		copy[i] = strdup(list[i]);
		*failed |= !copy[i];
	}
	return (const char *const *)copy;
}

static void free_list(const char *const *list)
{
	for (unsigned i = 0; list && list[i]; i++)
		free((char *)list[i]);
	free((void *)list);
}

static void medium_free(struct medium *m)
{
	free_list(m->open.parents);
	free_list(m->open.parent_dirs);
	free_list(m->open.allow_dirs);
	free((char *)m->open.format);
	free(m->format);
	free(m->path);
	free(m->diff);
	free(m);
}

static struct medium *medium_make(struct media *media, const struct medium_options *o)
{
	struct medium *m = calloc(1, sizeof(*m));
	bool failed = false;

	if (!m)
		return NULL;
	m->references = 1;
	m->media = media;
	m->mode = o->mode;
	m->flags = (o->no_cache ? VD_OPEN_DIRECT : 0) | (o->force ? VD_OPEN_FORCE : 0);
	m->path = strdup(o->path);
	m->diff = o->diff ? strdup(o->diff) : NULL;
	m->disposable = o->mode == MEDIUM_IMMUTABLE && !o->diff;
	m->open = (struct vd_open_options){
		.format = o->format ? strdup(o->format) : NULL,
		.parents = copy_list(o->parents, &failed),
		.parent_dirs = copy_list(o->parent_dirs, &failed),
		.allow_dirs = copy_list(o->allow_dirs, &failed),
	};
	if (failed || !m->path || (o->diff && !m->diff) || (o->format && !m->open.format)) {
		medium_free(m);
		return NULL;
	}
	m->group = o->group;
	return m;
}

static struct medium *find_shared(struct media *media, const struct stat *st)
{
	LOCK_SCOPE(&media->lock);
	for (struct medium *m = media->first; m; m = m->next)
		if (m->device == st->st_dev && m->inode == st->st_ino)
			return medium_ref(m);
	return NULL;
}

static void remember_shared(struct medium *m, const struct stat *st)
{
	LOCK_SCOPE(&m->media->lock);
	m->device = st->st_dev;
	m->inode = st->st_ino;
	m->next = m->media->first;
	m->media->first = m;
}

int medium_open(struct media *media, const struct medium_options *o, struct medium **out,
		struct vd_error *err)
{
	struct medium *m;
	struct stat st;
	bool shared = o->mode == MEDIUM_SHAREABLE && media && !stat(o->path, &st);
	int r;

	if (o->diff && o->mode != MEDIUM_IMMUTABLE && o->mode != MEDIUM_MULTIATTACH)
		return fail_with(err, -EINVAL,
				 "%s: diff= goes with mode=immutable and mode=multiattach",
				 o->path);
	if (shared) {
		*out = find_shared(media, &st);
		if (*out)
			return 0;
	}
	m = medium_make(media, o);
	if (!m)
		return fail_with(err, -ENOMEM, "%s: out of memory", o->path);
	r = open_disk(m, err);
	if (!r)
		r = join_group(m, err);
	if (r) {
		medium_abandon(m);
		close_disk(m);
		medium_free(m);
		return r;
	}
	if (shared)
		remember_shared(m, &st);
	*out = m;
	return 0;
}

int medium_of_disk(struct vd_disk *disk, struct medium **out)
{
	struct vd_image_info info;
	struct medium *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->references = 1;
	m->disk = disk;
	m->mode = vd_is_writable(disk) ? MEDIUM_NORMAL : MEDIUM_READONLY;
	m->path = strdup(!vd_image_info(disk, 0, &info) && info.path ? info.path : "disk");
	if (!m->path) {
		free(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

struct medium *medium_ref(struct medium *m)
{
	__atomic_add_fetch(&m->references, 1, __ATOMIC_RELAXED);
	return m;
}

static bool drop_reference(struct medium *m)
{
	struct media *media = m->media;

	if (!media)
		return !__atomic_sub_fetch(&m->references, 1, __ATOMIC_ACQ_REL);
	/* Under the lock, so that nobody finds it on its way out. */
	LOCK_SCOPE(&media->lock);
	if (__atomic_sub_fetch(&m->references, 1, __ATOMIC_ACQ_REL))
		return false;
	for (struct medium **at = &media->first; *at; at = &(*at)->next)
		if (*at == m) {
			*at = m->next;
			break;
		}
	return true;
}

int medium_unref(struct medium *m)
{
	int r;

	if (!m || !drop_reference(m))
		return 0;
	r = close_disk(m);
	medium_free(m);
	return r;
}

/* ------------------------------------------------------------------------------------- later */

int medium_power_on(struct medium *m, struct vd_error *err)
{
	bool ours;
	int r;

	if (m->mode != MEDIUM_IMMUTABLE)
		return 0;
	if (m->fresh) {
		m->fresh = false;
		return 0;
	}
	ours = is_made(m) || !exists(m->diff);
	/* What it holds is thrown away: whether that could be made durable does not matter. */
	vd_close(m->disk);
	m->disk = NULL;
	r = ours ? make_diff(m, err) :
	    fail_with(err, -EEXIST, "%s: somebody put another file there, which is left alone", m->diff);
	if (!r)
		r = open_diff(m, err);
	if (!r)
		r = join_group(m, err);
	return r;
}

void medium_abandon(struct medium *m)
{
	m->disposable |= m->created;
}

void medium_in_use(struct medium *m)
{
	m->fresh = false;
}

int medium_resize(struct medium *m, uint64_t size, struct vd_error *err)
{
	if (!m->disk)
		return fail_with(err, -EIO, "%s: it is not open", m->path);
	if (medium_is_readonly(m))
		return fail_with(err, -EROFS, "%s: it is read-only", m->path);
	return vd_resize(m->disk, size, err);
}

struct vd_disk *medium_disk(struct medium *m)
{
	return m->disk;
}

enum medium_mode medium_mode_of(const struct medium *m)
{
	return m->mode;
}

bool medium_is_readonly(const struct medium *m)
{
	return m->mode == MEDIUM_READONLY;
}

const char *medium_path(const struct medium *m)
{
	return m->path;
}

const char *medium_diff(const struct medium *m)
{
	return m->diff;
}

struct vd_group *medium_group(const struct medium *m)
{
	return m->group;
}
