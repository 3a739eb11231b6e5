/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-open.c - tells a VHD, finds its good footer, and reads its headers.
 */
#include "formats/vhd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bytes.h"
#include "checked.h"

/* ------------------------------------------------------------------------------------ probing */

static bool vhd_tail_is_old(const uint8_t *tail, uint64_t size)
{
	return size % VHD_SECTOR == VHD_FOOTER_OLD && vhd_has_footer_cookie(tail + 1);
}

static bool named_vhd(const char *path)
{
	const char *dot = path ? strrchr(path, '.') : NULL;

	return dot && !strcasecmp(dot, ".vhd");
}

/*
 * A footer at the end of something that is too short for the fixed disk it describes: a damaged VHD
 * if it is called so; else bytes that happen to end in one, such as a disk that was cut out of one.
 */
static bool is_cut_short(const struct probe *p)
{
	uint64_t disk = be64(p->tail + 48);

	return be32(p->tail + 60) == 2 && disk > p->size - VHD_FOOTER && !named_vhd(p->path);
}

bool vhd_probe(const struct probe *p)
{
	if (p->size < VHD_FOOTER)
		return false;
	if (vhd_has_footer_cookie(p->head))
		return true;
	return (vhd_has_footer_cookie(p->tail) && !is_cut_short(p)) ||
	       vhd_tail_is_old(p->tail, p->size);
}

/* The footer that counts: the one at the end, else the copy at 0. Fixed images have no copy. */
static int vhd_choose_footer(const uint8_t *head, const uint8_t *tail, uint64_t size,
			     struct vhd *s, struct vd_error *err)
{
	struct vd_error why;
	struct vhd_footer copy;
	bool old = vhd_tail_is_old(tail, size);
	uint32_t length = old ? VHD_FOOTER_OLD : VHD_FOOTER;
	int r = vhd_footer_parse(tail + old, length, &s->footer, &why);
	int c = vhd_footer_parse(head, VHD_FOOTER, &copy, NULL);

	s->old_footer = old;
	if (!r) {
		memset(s->raw_footer, 0, VHD_FOOTER);
		memcpy(s->raw_footer, tail + old, length);
		s->copy_differs = memcmp(head, s->raw_footer, length) != 0;
		return 0;
	}
	if (c || copy.disk_type == VHD_FIXED)
		return fail(err, r, "footer at byte %" PRIu64 ": %s; nor is there a good copy at 0",
			    size - length, why.text);
	s->footer = copy;
	memcpy(s->raw_footer, head, VHD_FOOTER);
	s->tail_lost = true;
	return 0;
}

/* Only images whose dynamic header is within the head that was read can be identified so: all
 * that we have seen. */
int vhd_identify(const struct probe *p, struct identity *out)
{
	struct vhd s = { 0 };
	struct vhd_dynamic d;
	const struct vhd_footer *f = &s.footer;

	if (p->size < VHD_FOOTER || vhd_choose_footer(p->head, p->tail, p->size, &s, NULL))
		return -EUCLEAN;
	*out = (struct identity){ .uuid = f->unique_id };
	if (f->disk_type != VHD_DIFFERENCING)
		return 0;
	if (!range_in(f->data_offset, VHD_HEADER, PROBE_HEAD) ||
	    vhd_dynamic_parse(p->head + f->data_offset, &d, NULL))
		return -EUCLEAN;
	out->has_parent = true;
	out->parent = d.parent_unique_id;
	return 0;
}

/* ------------------------------------------------------------------------------------ opening */

static int vhd_open_footer(struct vd_image *img, struct vhd *s, struct vd_error *err)
{
	uint8_t head[VHD_FOOTER], tail[VHD_FOOTER];
	uint64_t size = img->file[0].size;
	struct vd_error why;
	int r;

	if (size < VHD_FOOTER)
		return image_fail(img, err, -EUCLEAN, "%" PRIu64 " bytes are too few for a VHD",
				  size);
	r = file_read(&img->file[0], head, VHD_FOOTER, 0, "copy of the footer", err);
	if (!r)
		r = file_read(&img->file[0], tail, VHD_FOOTER, size - VHD_FOOTER, "footer", err);
	if (r)
		return r;
	r = vhd_choose_footer(head, tail, size, s, &why);
	if (r)
		return image_fail(img, err, r, "%s", why.text);
	s->limit = s->tail_lost ? size : size - (s->old_footer ? VHD_FOOTER_OLD : VHD_FOOTER);
	return 0;
}

static void vhd_add_area(struct vhd *s, uint64_t offset, uint64_t length)
{
	struct vhd_area *a = &s->area[s->areas++];

	a->offset = align_down(offset, VHD_SECTOR);
	a->end = offset + length;
	if (!is_aligned(a->end, VHD_SECTOR))
		a->end += VHD_SECTOR - a->end % VHD_SECTOR;
	s->areas_end = max_u64(s->areas_end, a->end);
}

/* A bad locator only loses a hint, so it is passed over. */
static bool vhd_locator_is_sound(const struct vd_image *img, const struct vhd_locator *l)
{
	return l->code && l->data_length && l->data_length <= VHD_TEXT_MAX &&
	       range_in(l->data_offset, l->data_length, img->file[0].size);
}

static void vhd_add_name(struct vd_image *img, char *name)
{
	unsigned i;

	if (!name)
		return;
	for (i = 0; img->parent_names[i]; i++)
		if (!strcmp(img->parent_names[i], name)) {
			free(name);
			return;
		}
	/* The last place stays NULL; 8 locators and the header's name fit. */
	if (i + 1 < ARRAY_SIZE(img->parent_names))
		img->parent_names[i] = name;
	else
		free(name);
}

static int vhd_read_names(struct vd_image *img, const struct vhd *s, struct vd_error *err)
{
	/* Relative ones first: a chain that was moved still has those right. */
	static const uint32_t order[] = { VHD_W2RU, VHD_WI2R, VHD_W2KU, VHD_WI2K, VHD_MACX };
	uint8_t text[VHD_TEXT_MAX];

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		for (unsigned k = 0; k < VHD_LOCATORS; k++) {
			const struct vhd_locator *l = &s->dynamic.locator[k];
			int r;

			if (l->code != order[i] || !vhd_locator_is_sound(img, l))
				continue;
			r = file_read(&img->file[0], text, l->data_length, l->data_offset,
				      "name of the parent", err);
			if (r)
				return r;
			vhd_add_name(img, vhd_locator_path(l->code, text, l->data_length));
		}
	vhd_add_name(img, vhd_name_path(s->dynamic.parent_name));
	return 0;
}

/*
 * Xen's tools keep a bitmap of full blocks ("batmap") behind the block table. It stays true when
 * blocks are written, but nothing may be put over it.
 */
static int vhd_note_batmap(struct vd_image *img, struct vhd *s, struct vd_error *err)
{
	uint64_t at = s->dynamic.table_offset + (uint64_t)s->dynamic.max_table_entries * 4;
	uint64_t offset, length;
	uint8_t header[32];
	int r;

	at += -at & (VHD_SECTOR - 1);
	if (!range_in(at, sizeof(header), s->limit))
		return 0;
	r = file_read(&img->file[0], header, sizeof(header), at, "batmap header", err);
	if (r || memcmp(header, "tdbatmap", 8))
		return r;
	vhd_add_area(s, at, VHD_SECTOR);
	offset = be64(header + 8);
	length = (uint64_t)be32(header + 16) * VHD_SECTOR;
	if (is_aligned(offset, VHD_SECTOR) && range_in(offset, length, s->limit))
		vhd_add_area(s, offset, length);
	return 0;
}

static int vhd_validate_table(struct vd_image *img, struct vhd *s, struct vd_error *err)
{
	const struct vhd_dynamic *d = &s->dynamic;
	uint64_t blocks = div_up(s->footer.current_size, d->block_size);
	uint64_t header = s->footer.data_offset;

	if (blocks > d->max_table_entries)
		return image_fail(img, err, -EUCLEAN, "block table has %" PRIu32 " entries, but %"
				  PRIu64 " bytes in blocks of %" PRIu32 " need %" PRIu64,
				  d->max_table_entries, s->footer.current_size, d->block_size,
				  blocks);
	if (!range_in(d->table_offset, blocks * 4, s->limit))
		return image_fail(img, err, -EUCLEAN, "block table at byte %" PRIu64 ", %" PRIu64
				  " bytes long, passes the end of the blocks at %" PRIu64,
				  d->table_offset, blocks * 4, s->limit);
	if (d->table_offset < header + VHD_HEADER && header < d->table_offset + blocks * 4)
		return image_fail(img, err, -EUCLEAN, "block table at byte %" PRIu64
				  " overlaps the dynamic header at %" PRIu64, d->table_offset,
				  header);
	s->blocks = (uint32_t)blocks;
	return 0;
}

static int vhd_open_dynamic(struct vd_image *img, struct vhd *s, struct vd_error *err)
{
	struct vhd_dynamic *d = &s->dynamic;
	uint8_t header[VHD_HEADER];
	struct vd_error why;
	int r;

	r = file_read(&img->file[0], header, VHD_HEADER, s->footer.data_offset, "dynamic header",
		      err);
	if (r)
		return r;
	r = vhd_dynamic_parse(header, d, &why);
	if (r)
		return image_fail(img, err, r, "dynamic header at byte %" PRIu64 ": %s",
				  s->footer.data_offset, why.text);
	r = vhd_validate_table(img, s, err);
	if (r)
		return r;
	s->shift = (unsigned)__builtin_ctz(d->block_size);
	s->bitmap_size = vhd_bitmap_size(d->block_size);
	s->block_bytes = s->bitmap_size + d->block_size;
	/* Data on page boundaries spares the host reading and writing halves of pages. */
	s->align = d->block_size >= 64 << 10 ? 4096 : VHD_SECTOR;
	s->stride = (s->block_bytes + s->align - 1) / s->align * s->align;

	vhd_add_area(s, 0, VHD_FOOTER);
	vhd_add_area(s, s->footer.data_offset, VHD_HEADER);
	vhd_add_area(s, d->table_offset, (uint64_t)s->blocks * 4);
	for (unsigned i = 0; i < VHD_LOCATORS; i++)
		if (vhd_locator_is_sound(img, &d->locator[i]))
			vhd_add_area(s, d->locator[i].data_offset, d->locator[i].data_length);
	return vhd_note_batmap(img, s, err);
}

int vhd_open(struct vd_image *img, struct vd_error *err)
{
	static const char *const variant[] = { "", "", "fixed", "dynamic", "differencing" };
	struct vhd *s = calloc(1, sizeof(*s));
	int r;

	img->priv = s;
	if (!s)
		return image_fail(img, err, -ENOMEM, "out of memory");
	r = vhd_open_footer(img, s, err);
	if (r)
		return r;
	img->size = s->footer.current_size;
	img->uuid = s->footer.unique_id;
	img->variant = variant[s->footer.disk_type];
	img->keeps_space = s->footer.disk_type == VHD_FIXED;
	if (vhd_is_sparse(s)) {
		r = vhd_open_dynamic(img, s, err);
		if (r)
			return r;
		img->block_size = s->dynamic.block_size;
	}
	if (s->footer.disk_type == VHD_DIFFERENCING) {
		img->has_parent = true;
		img->parent_uuid = s->dynamic.parent_unique_id;
		r = vhd_read_names(img, s, err);
	}
	if (s->tail_lost)
		image_warn(img, "the footer at the end is damaged or missing; its copy at 0 is "
			   "used");
	else if (vhd_is_sparse(s) && s->copy_differs)
		image_warn(img, "the copy of the footer at 0 differs from the one at the end");
	else if (s->footer.saved_state)
		image_warn(img, "a virtual machine's saved state belongs to this disk");
	return r;
}

void vhd_close(struct vd_image *img)
{
	struct vhd *s = img->priv;

	if (!s)
		return;
	free(s->free);
	free(s);
	img->priv = NULL;
}
