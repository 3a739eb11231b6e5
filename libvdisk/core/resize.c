/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resize.c - making a disk larger. */
#include <errno.h>

#include "core/disk.h"

int vd_resize(struct vd_disk *d, uint64_t size, struct vd_error *err)
{
	struct vd_image *leaf = disk_leaf(d);

	if (!d->writable)
		return image_fail(leaf, err, -EROFS, "not open for writing");
	if (size == d->size)
		return 0;
	if (size < d->size)
		return image_fail(leaf, err, -ENOTSUP, "the disk has %llu bytes and cannot be made"
				  " smaller", (unsigned long long)d->size);
	return image_fail(leaf, err, -ENOTSUP, "resizing %s images is not supported",
			  leaf->format->info.name);
}
