/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * raw.c - the disk's bytes, one after the other, and nothing else. The format of whatever no other
 * format recognises, so it is the last of the list. Records no ids and no parent.
 */
#include <errno.h>
#include <string.h>

#include "checked.h"
#include "formats/format.h"

static bool raw_probe(const struct probe *p)
{
	(void)p;
	return true;
}

static int raw_open(struct vd_image *img, struct vd_error *err)
{
	uint64_t size = img->file[0].size;

	if (!size)
		return image_fail(img, err, -EUCLEAN, "the file is empty, so it is no disk");
	if (size < 512)
		return image_fail(img, err, -EUCLEAN, "no disk image, and with %llu bytes too short"
				  " for a raw disk, which has 512 or more",
				  (unsigned long long)size);
	if (size % 512)
		image_warn(img, "a raw disk of %llu bytes, which is no multiple of 512",
			   (unsigned long long)size);
	img->size = size;
	img->variant = "fixed";
	return 0;
}

static int raw_map(struct vd_image *img, uint64_t offset, uint64_t length, struct map_extent *out)
{
	*out = (struct map_extent) {
		.kind = MAP_DATA, .in_place = true, .length = length,
		.file = &img->file[0], .offset = offset,
	};
	return 0;
}

static int raw_resize(struct vd_image *img, uint64_t size, struct vd_error *err)
{
	int r = storage_truncate(img->file[0].storage, size);

	if (r == -ENOTSUP)
		return image_fail(img, err, r, "what it is on keeps its size");
	if (r)
		return image_fail(img, err, r, "cannot be made %llu bytes long: %s",
				  (unsigned long long)size, strerror(-r));
	return file_make_durable(&img->file[0], err);
}

static int raw_create(struct vd_storage *s, const struct create_params *p, struct vd_error *err)
{
	int r;

	if (p->parent)
		return fail(err, -ENOTSUP, "%s: raw images have no parent", p->path);
	if (p->size < 512)
		return fail(err, -EINVAL, "%s: a size of %llu bytes, a raw disk has 512 or more",
			    p->path, (unsigned long long)p->size);
	r = storage_truncate(s, p->size);
	if (!r && p->fixed)
		r = create_zeros(s, p, 0, p->size);
	return r ? fail(err, r, "%s: cannot make room for %llu bytes: %s", p->path,
			(unsigned long long)p->size, strerror(-r)) : 0;
}

static const char *const raw_extensions[] = { "raw", "img", "dd", "bin", NULL };

const struct vd_format vd_format_raw = {
	.info = {
		.name = "raw",
		.description = "the disk's bytes alone",
		.extensions = raw_extensions,
		.caps = VD_CAP_CREATE_DYNAMIC | VD_CAP_CREATE_FIXED | VD_CAP_WRITE,
	},
	.probe = raw_probe,
	.open = raw_open,
	.map = raw_map,
	.create = raw_create,
	.resize = raw_resize,
};
