/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vdi-resize.c - makes a VDI larger.
 *
 * The size and the number of blocks are in the header's first sector, which is written whole, last.
 * Before that the table must have room for the new entries. Where there is none before the first
 * block, blocks give way to it, and as an index counts from the first block, all entries change:
 *
 *	header | table     | 0 1 2 3 4 5 |			k = 2 blocks give way:
 *	header | table     | . . 2 3 4 5 0' 1' |		copied, durable, then entries
 *	header | .... | new table | 0" 1" 2" 3" 4" 5" |	new table, durable, then the header
 *
 * where 2 has become 0". Each step alone is a sound image: before the header is written it is one
 * with a gap, which recover() closes again. The new table lies where the old one is not.
 */
#include "formats/vdi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"
#include "cleanup.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCKS_MAX ((UINT32_MAX - 3 * MIB) / 4)

static int make_durable(struct vd_image *img, struct vd_error *err)
{
	return file_make_durable(&img->file[0], err);
}

/* Layout and counts, durably and at once: they are in one sector. */
static int write_header(struct vd_image *img, const struct vdi_header *h, struct vd_error *err)
{
	struct vdi *v = img->priv;
	uint8_t sector[512];
	int r = file_read(&img->file[0], sector, sizeof(sector), 0, "VDI header", err);

	if (r)
		return r;
	put_le32(sector + 340, (uint32_t)h->table);
	put_le32(sector + 344, (uint32_t)h->data);
	put_le64(sector + 368, h->disk_size);
	put_le32(sector + 384, h->blocks);
	put_le32(sector + 388, h->allocated);
	r = file_write(&img->file[0], sector, sizeof(sector), 0, "VDI header", err);
	if (!r)
		r = make_durable(img, err);
	if (!r)
		v->h = *h;
	return r;
}

/* ---------------------------------------------------------------------------------------- table */

/* Entries [from, to) of the table at `table`, as free ones. */
static int write_free(struct vd_image *img, uint64_t table, uint64_t from, uint64_t to,
		      struct vd_error *err)
{
	CLEANUP_FREE uint8_t *buf = malloc(VDI_PIECE);
	int r = 0;

	if (!buf)
		return image_fail(img, err, -ENOMEM, "out of memory");
	memset(buf, 0xff, VDI_PIECE);
	while (!r && from < to) {
		uint64_t n = min_u64(VDI_PIECE / 4, to - from);

		r = file_write(&img->file[0], buf, n * 4, table + from * 4, "block table", err);
		from += n;
	}
	return r;
}

/* The old entries, for a first block that is `shift` blocks further on. */
static int copy_table(struct vd_image *img, uint64_t table, uint32_t shift, struct vd_error *err)
{
	struct vdi *v = img->priv;
	CLEANUP_FREE uint8_t *buf = malloc(VDI_PIECE);
	int r = 0;

	if (!buf)
		return image_fail(img, err, -ENOMEM, "out of memory");
	for (uint64_t block = 0; !r && block < v->h.blocks;) {
		uint64_t n = min_u64(VDI_PIECE / 4, v->h.blocks - block);

		r = file_read(&img->file[0], buf, n * 4, vdi_entry_at(v, block), "block table",
			      err);
		for (uint64_t i = 0; !r && i < n; i++)
			if (le32(buf + 4 * i) < VDI_ZERO)
				put_le32(buf + 4 * i, le32(buf + 4 * i) - shift);
		if (!r)
			r = file_write(&img->file[0], buf, n * 4, table + block * 4, "block table",
				       err);
		block += n;
	}
	return r;
}

/* A table of `blocks` entries in another place, and how many blocks have to give way to it. */
struct plan {
	uint64_t blocks, table;
	uint32_t shift;
};

static void plan_table(const struct vdi *v, uint64_t blocks, struct plan *p)
{
	uint64_t end = v->h.table + 4 * (uint64_t)v->h.blocks;

	p->blocks = blocks;
	p->shift = 0;
	/* Behind the header, where a table may have been before. */
	p->table = MIB;
	if (p->table + 4 * blocks <= v->h.table)
		return;
	align_up(end, 512, &p->table);
	end = p->table + 4 * blocks;
	if (end > v->h.data)
		p->shift = (uint32_t)div_up(end - v->h.data, v->unit);
}

/* Copies the first blocks behind all others, and lets their entries say so. */
static int give_way(struct vd_image *img, const struct plan *p, struct vdi_scan *s,
		    struct vd_error *err)
{
	uint32_t behind = (uint32_t)max_u64(s->used, p->shift);
	uint32_t n = (uint32_t)min_u64(s->used, p->shift);
	/* The count is never behind an entry. */
	int r = vdi_write_allocated(img, behind + n, err);

	for (uint32_t i = 0; !r && i < n; i++)
		r = vdi_copy_block(img, i, behind + i, err);
	if (!r)
		r = make_durable(img, err);
	for (uint32_t i = 0; !r && i < n; i++)
		r = vdi_write_entry(img, s->owner[i] - 1, behind + i, err);
	return r ? r : make_durable(img, err);
}

static int move_table(struct vd_image *img, const struct plan *p, struct vdi_scan *s,
		      struct vd_error *err)
{
	struct vdi *v = img->priv;
	struct vdi_header h;
	int r = p->shift ? give_way(img, p, s, err) : 0;

	if (!r)
		r = copy_table(img, p->table, p->shift, err);
	if (!r)
		r = write_free(img, p->table, v->h.blocks, p->blocks, err);
	if (!r)
		r = make_durable(img, err);
	if (r)
		return r;
	h = v->h;
	h.table = p->table;
	h.data += p->shift * v->unit;
	h.blocks = (uint32_t)p->blocks;
	h.allocated = (uint32_t)s->used;
	return write_header(img, &h, err);
}

/* Where there is room already. */
static int extend_table(struct vd_image *img, uint64_t blocks, struct vd_error *err)
{
	struct vdi *v = img->priv;
	struct vdi_header h = v->h;
	int r = write_free(img, h.table, h.blocks, blocks, err);

	if (!r)
		r = make_durable(img, err);
	h.blocks = (uint32_t)blocks;
	return r ? r : write_header(img, &h, err);
}

/* To `blocks` entries or, where blocks give way and a full image has too few indices for that, as
 * far as it goes: with a longer table there are more. */
static int grow_table(struct vd_image *img, uint64_t blocks, struct vd_error *err)
{
	struct vdi *v = img->priv;
	struct vdi_scan s;
	struct plan p;
	int r;

	if (v->h.table + 4 * blocks <= v->h.data)
		return extend_table(img, blocks, err);
	r = vdi_scan_table(img, NULL, &s, err);
	plan_table(v, blocks, &p);
	if (max_u64(s.used, p.shift) + min_u64(s.used, p.shift) >
	    v->h.blocks + vdi_header_slack(&v->h))
		plan_table(v, min_u64(blocks, 2 * (uint64_t)v->h.blocks), &p);
	if (!r && v->h.data + p.shift * v->unit > UINT32_MAX)
		r = image_fail(img, err, -EFBIG, "the block table for that size has no room"
			       " before the first block");
	if (!r)
		r = move_table(img, &p, &s, err);
	free(s.owner);
	return r;
}

/* ------------------------------------------------------------------------------------ new space */

/* What blocks that are there hold beyond the old end becomes part of the disk. */
static int zero_behind_end(struct vd_image *img, struct vd_error *err)
{
	struct vdi *v = img->priv;
	struct vd_file *f = &img->file[0];
	uint64_t in = v->h.disk_size % v->h.block_size;

	for (uint64_t b = v->h.disk_size / v->h.block_size; b < v->h.blocks; b++, in = 0) {
		uint64_t at, end;
		uint8_t bytes[4];
		int r = file_read(f, bytes, 4, vdi_entry_at(v, b), "block table", err);

		if (r)
			return r;
		if (le32(bytes) >= VDI_ZERO)
			continue;
		at = vdi_position(v, le32(bytes)) + in;
		end = vdi_position(v, le32(bytes)) + v->h.block_size;
		if (end > f->size) {
			r = storage_truncate(f->storage, end);
			if (r)
				return image_fail(img, err, r, "cannot make the file longer: %s",
						  strerror(-r));
			f->size = end;
		}
		r = file_write_zeros(f, at, end - at, img->keeps_space, err);
		if (r)
			return r;
	}
	return make_durable(img, err);
}

/* A fixed image has all its blocks: space, durable, then the count, then entries. */
static int add_blocks(struct vd_image *img, uint64_t from, struct vd_error *err)
{
	struct vdi *v = img->priv;
	struct vd_file *f = &img->file[0];
	uint32_t index = v->h.allocated, n = (uint32_t)(v->h.blocks - from);
	uint64_t start = v->h.data + index * v->unit, end = start + n * v->unit;
	int r;

	if (!n)
		return 0;
	r = storage_truncate(f->storage, end);
	if (r)
		return image_fail(img, err, r, "cannot make the file longer: %s", strerror(-r));
	f->size = end;
	r = file_write_zeros(f, start, end - start, true, err);
	if (!r)
		r = make_durable(img, err);
	if (!r)
		r = vdi_write_allocated(img, index + n, err);
	for (uint32_t i = 0; !r && i < n; i++)
		r = vdi_write_entry(img, from + i, index + i, err);
	return r ? r : make_durable(img, err);
}

static int check_request(struct vd_image *img, uint64_t size, struct vd_error *err)
{
	struct vdi *v = img->priv;

	if (v->h.version >> 16 == 0)
		return image_fail(img, err, -ENOTSUP, "a VDI of version 0.1 keeps its size");
	if (div_up(size, v->h.block_size) > BLOCKS_MAX)
		return image_fail(img, err, -EFBIG, "%llu bytes are too many for a VDI with blocks"
				  " of %u", (unsigned long long)size, v->h.block_size);
	return 0;
}

int vdi_resize(struct vd_image *img, uint64_t size, struct vd_error *err)
{
	struct vdi *v = img->priv;
	uint64_t blocks = div_up(size, v->h.block_size), before = v->h.blocks;
	struct vdi_header h;
	int r = check_request(img, size, err);

	/* No gaps, a right count, nothing behind the last block. */
	if (!r)
		r = vdi_recover(img, err);
	if (!r)
		r = zero_behind_end(img, err);
	while (!r && v->h.blocks < blocks)
		r = grow_table(img, blocks, err);
	if (!r && img->keeps_space)
		r = add_blocks(img, before, err);
	if (r)
		return r;
	h = v->h;
	h.disk_size = size;
	return write_header(img, &h, err);
}
