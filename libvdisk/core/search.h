/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * search.h - finds the parent of an image, and its children, among the files around it.
 *
 * One search serves the opening of one chain and indexes each folder once, so that a thousand
 * layers in one folder cost one pass over it.
 */
#ifndef VIMG_SEARCH_H
#define VIMG_SEARCH_H

#include "core/entry.h"

struct search;

/* Folders that were named and cannot be used are an error. The lists may be NULL. */
int search_new(const char *const *parent_dirs, const char *const *allow_dirs, struct search **out,
	       struct vd_error *err);
void search_free(struct search *s); /* NULL is allowed */

/*
 * The file of child's parent, by what child records: a malloc'ed path, symlinks resolved, and which
 * file it is. With `force` a file that child names is taken although it has another id. Only files
 * with a known magic and an id are ever found. -ENOENT with a sentence if there is none, -ENOTUNIQ
 * if there are several, -EUCLEAN if there is only one with another id. Where the recorded name leads
 * to another file than the id, child gets a warning.
 */
int search_parent(struct search *s, struct vd_image *child, const struct file_id *child_file,
		  bool force, char **path, struct file_id *file, struct vd_error *err);

/*
 * A file with the recorded id of child's parent, looked for in the same way: a malloc'ed path, NULL
 * if there is none. For a parent that was chosen by hand and carries no id itself.
 */
int search_recorded_id(struct search *s, const struct vd_image *child,
		       const struct file_id *child_file, char **path, struct vd_error *err);

/*
 * An image in the folders where img's relatives are looked for that records img as its parent, by
 * id or by name: a malloc'ed path, NULL if there is none.
 */
int search_child(struct search *s, const struct vd_image *img, const struct file_id *img_file,
		 char **path, struct vd_error *err);

#endif
