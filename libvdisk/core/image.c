/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image.c - opening and closing one image of a chain. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

/* A file that belongs to no image yet, to read through. */
static int read_piece(struct vd_storage *s, void *buf, uint64_t length, uint64_t offset)
{
	struct vd_file f = { .storage = s };
	struct iovec v = { buf, length };

	return length ? file_preadv(&f, &v, 1, offset) : 0;
}

int probe_read(struct vd_storage *s, const char *path, uint8_t *buf, struct probe *out,
	       struct vd_error *err)
{
	uint64_t tail;
	int r = storage_size(s, &out->size);

	memset(buf, 0, PROBE_HEAD + PROBE_TAIL);
	out->path = path;
	out->head = buf;
	out->tail = buf + PROBE_HEAD;
	if (!r)
		r = read_piece(s, buf, min_u64(out->size, PROBE_HEAD), 0);
	tail = min_u64(out->size, PROBE_TAIL);
	if (!r)
		r = read_piece(s, buf + PROBE_HEAD, tail, out->size - tail);
	return r ? fail(err, r, "%s: cannot read: %s", path, strerror(-r)) : 0;
}

const struct vd_format *probe_format(const struct probe *p)
{
	const struct vd_format *const *f = vd_formats;

	while (f[1] && !(*f)->probe(p))
		f++;
	return *f;
}

/* The extension of a format that has a signature, if that is what the path ends in. */
static const char *named_otherwise(const char *path)
{
	const char *dot = strrchr(path, '.');

	for (const struct vd_format *const *f = vd_formats; dot && f[1]; f++)
		for (const char *const *e = (*f)->info.extensions; *e; e++)
			if (!strcasecmp(dot + 1, *e))
				return *e;
	return NULL;
}

static int pick_format(struct vd_image *img, struct vd_error *err)
{
	uint8_t buf[PROBE_HEAD + PROBE_TAIL];
	struct probe p;
	int r;

	if (img->format)
		return 0;
	r = probe_read(img->file[0].storage, img->path, buf, &p, err);
	if (r)
		return r;
	img->format = probe_format(&p);
	if (!strcmp(img->format->info.name, "raw") && foreign_format(&p))
		return fail_remedy(err, VD_REMEDY_RAW,
				   image_fail(img, err, -ENOTSUP,
					      "it is %s image, which cannot be read yet",
					      foreign_format(&p)));
	if (!strcmp(img->format->info.name, "raw") && named_otherwise(img->path))
		return fail_remedy(err, VD_REMEDY_RAW,
				   image_fail(img, err, -EUCLEAN,
					      "it is called a %s, but has neither its header nor its"
					      " footer: damaged or cut short",
					      named_otherwise(img->path)));
	return 0;
}

int image_open(struct vd_storage *storage, const char *path, const struct vd_format *format,
	       struct vd_image **out, struct vd_error *err)
{
	struct vd_image *img = calloc(1, sizeof(*img));
	struct vd_file *f;
	int r;

	if (!img) {
		storage_close(storage);
		return fail(err, -ENOMEM, "%s: out of memory", path);
	}
	f = &img->file[0];
	f->image = img;
	f->storage = storage;
	gate_init(&f->rmw);
	img->files = 1;
	img->format = format;
	img->writable = storage->writable;
	img->path = strdup(path);
	r = img->path ? storage_size(storage, &f->size) : -ENOMEM;
	if (r) {
		fail(err, r, "%s: %s", path, strerror(-r));
		goto failed;
	}
	r = pick_format(img, err);
	if (!r)
		r = img->format->open(img, err);
	if (r)
		goto failed;
	*out = img;
	return 0;
failed:
	image_close(img);
	return r;
}

/* The strings of an image, which outlive its driver's state. */
struct strings {
	char *parent_names[ARRAY_SIZE(((struct vd_image *)0)->parent_names)];
	char *comment, *warning;
};

static void take_strings(struct vd_image *img, struct strings *s)
{
	memcpy(s->parent_names, img->parent_names, sizeof(s->parent_names));
	memset(img->parent_names, 0, sizeof(img->parent_names));
	s->comment = TAKE_PTR(img->comment);
	s->warning = TAKE_PTR(img->warning);
}

static void free_strings(struct vd_image *img)
{
	for (size_t i = 0; i < ARRAY_SIZE(img->parent_names); i++)
		free(img->parent_names[i]);
	free(img->comment);
	free(img->warning);
}

int image_reopen(struct vd_image *img, struct vd_error *err)
{
	struct strings s;
	int r;

	take_strings(img, &s);
	if (img->format->close)
		img->format->close(img);
	img->priv = NULL;
	img->needs_recovery = false;
	r = storage_size(img->file[0].storage, &img->file[0].size);
	if (r)
		image_fail(img, err, r, "%s", strerror(-r));
	if (!r)
		r = img->format->open(img, err);
	if (!r && img->writable && img->format->recover)
		r = img->format->recover(img, err);
	free_strings(img);
	memcpy(img->parent_names, s.parent_names, sizeof(s.parent_names));
	img->comment = s.comment;
	img->warning = s.warning;
	return r;
}

void image_close(struct vd_image *img)
{
	if (!img)
		return;
	if (img->format && img->format->close)
		img->format->close(img);
	for (unsigned i = 0; i < img->files; i++) {
		storage_close(img->file[i].storage);
		gate_free(&img->file[i].rmw);
	}
	free_strings(img);
	free(img->path);
	free(img);
}
