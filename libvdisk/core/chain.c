/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain.c - leaf and named parents only, until discovery lands. */
#include <errno.h>
#include <stdlib.h>

#include "core/image.h"

int chain_open(const char *path, unsigned flags, const struct vd_open_options *options,
	       struct vd_image ***images, unsigned *count, struct vd_error *err)
{
	struct vd_storage *s;
	int r;

	*images = calloc(16, sizeof(**images));
	*count = 0;
	r = storage_open_file(path, flags & VD_OPEN_WRITE, &s, err);
	if (!r)
		r = image_open(s, path, NULL, &(*images)[(*count)++], err);
	for (int i = 0; !r && options && options->parents && options->parents[i]; i++) {
		r = storage_open_file(options->parents[i], false, &s, err);
		if (!r)
			r = image_open(s, options->parents[i], NULL, &(*images)[(*count)++], err);
	}
	return r;
}
