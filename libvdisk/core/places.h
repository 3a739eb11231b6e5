/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * places.h - the folders around an image, the images in them, and which paths may be followed.
 */
#ifndef VIMG_PLACES_H
#define VIMG_PLACES_H

#include "core/entry.h"

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

/* `path` is the image's. The folders belong to s. On failure there is nothing to clear. */
int places_of(struct search *s, const char *path, struct places *p);
void places_clear(struct places *p);
/* Fills in the images of each place that was not indexed before. */
int places_index(struct search *s, struct places *p);

/* The first image in the folder whose id is not less. */
size_t folder_find(const struct entries *e, const struct vd_uuid *id);

/* Called for each file that a recorded name may mean; not 0 ends it. `path` is resolved. */
typedef int named_fn(void *opaque, const char *path);

/* All files that the image may mean by its parent's names, as far as they may be followed. */
int each_recorded(const struct search *s, const struct places *p, const struct vd_image *img,
		  named_fn *found, void *opaque);

/*
 * The regular file that the image's names, as they are recorded, lead to first, wherever that is:
 * not to be opened. 1 and a malloc'ed path, 0 if they lead to none, or -errno.
 */
int first_recorded(const struct places *p, const struct vd_image *img, char **path,
		   struct file_id *file);

#endif
