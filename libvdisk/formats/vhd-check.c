/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-check.c - what looks at a VHD's whole block table: recovery when it is opened for writing,
 * and check.
 *
 * What a power cut can leave behind a writer of ours: space after the last block that nothing
 * refers to, holes between blocks (reserved, but never published), a file that is longer than its
 * footer (the copy at 0 is good then). Other writers overwrite the footer first and may leave any
 * state of it; they, too, keep the copy.
 */
#include "formats/vhd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"
#include "cleanup.h"

/* More blocks than this (64 MiB of memory) are not compared with each other: at 2 MiB a block the
 * table's reach ends long before. */
#define VHD_COMPARED_MAX (16u << 20)

/* Holes that are taken for new blocks again. */
#define VHD_HOLES_MAX 4096

struct vhd_blocks {
	uint32_t *sector;	/* of the bitmap of each block that is there; sorted in the end */
	uint32_t count, size;
	bool incomplete;	/* there are more than are compared */
	uint64_t end;		/* of the last block, or of the headers */
};

enum vhd_fault { VHD_SOUND, VHD_OUTSIDE, VHD_IN_HEADERS };

static enum vhd_fault vhd_judge(const struct vd_image *img, uint32_t block, uint64_t place)
{
	const struct vhd *s = img->priv;

	if (!vhd_block_place_ok(s, place))
		return VHD_IN_HEADERS;
	if (place + s->bitmap_size + vhd_block_used(img, block) > s->limit)
		return VHD_OUTSIDE;
	return VHD_SOUND;
}

static int vhd_blocks_add(struct vhd_blocks *b, uint32_t sector)
{
	if (b->count == VHD_COMPARED_MAX) {
		b->incomplete = true;
		return 0;
	}
	if (b->count == b->size) {
		uint32_t size = b->size ? b->size * 2 : 1024;
		uint32_t *more = realloc(b->sector, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		b->sector = more;
		b->size = size;
	}
	b->sector[b->count++] = sector;
	return 0;
}

static int vhd_by_sector(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void vhd_blocks_sort(struct vhd_blocks *b)
{
	for (uint32_t i = 1; i < b->count; i++)
		if (b->sector[i] < b->sector[i - 1]) {
			qsort(b->sector, b->count, sizeof(*b->sector), vhd_by_sector);
			return;
		}
}

/* Table entries past the disk's end are of no use to us, but somebody reserved their space. */
static uint64_t vhd_headers_end(const struct vhd *s)
{
	uint64_t end = s->dynamic.table_offset + (uint64_t)s->dynamic.max_table_entries * 4;

	end += -end & (VHD_SECTOR - 1);
	return end <= s->limit ? max_u64(s->areas_end, end) : s->areas_end;
}

/* Called for each block that is there. */
typedef int vhd_block_fn(struct vd_image *img, void *opaque, uint32_t block, uint32_t sector,
			 struct vd_error *err);

#define VHD_CHUNK (64u << 10)

static int vhd_walk(struct vd_image *img, vhd_block_fn *fn, void *opaque, struct vd_error *err)
{
	const struct vhd *s = img->priv;
	CLEANUP_FREE uint8_t *chunk = malloc(VHD_CHUNK);
	uint32_t n;

	if (!chunk)
		return image_fail(img, err, -ENOMEM, "out of memory");
	for (uint64_t at = 0; at < s->blocks; at += n) {
		int r;

		n = (uint32_t)min_u64(s->blocks - at, VHD_CHUNK / 4);
		r = file_read(&img->file[0], chunk, n * 4, s->dynamic.table_offset + at * 4,
			      "block table", err);
		for (uint32_t i = 0; !r && i < n; i++) {
			uint32_t sector = be32(chunk + i * 4);

			if (sector != VHD_ABSENT)
				r = fn(img, opaque, (uint32_t)at + i, sector, err);
		}
		if (r)
			return r;
	}
	return 0;
}

/* ----------------------------------------------------------------------------------- recovery */

static int vhd_damaged(struct vd_image *img, struct vd_error *err, const char *what)
{
	return image_fail(img, err, -EUCLEAN, "%s; it can be read, but not written before it is "
			  "mended: see what vimg check says", what);
}

static int vhd_recover_block(struct vd_image *img, void *opaque, uint32_t block, uint32_t sector,
			     struct vd_error *err)
{
	const struct vhd *s = img->priv;
	struct vhd_blocks *b = opaque;
	uint64_t place = (uint64_t)sector * VHD_SECTOR;
	enum vhd_fault fault = vhd_judge(img, block, place);
	char what[128];

	if (fault != VHD_SOUND) {
		snprintf(what, sizeof(what), "block %" PRIu32 " at byte %" PRIu64 " %s", block,
			 place, fault == VHD_OUTSIDE ? "passes the end of the file" :
			 "overlaps the headers");
		return vhd_damaged(img, err, what);
	}
	b->end = max_u64(b->end, place + s->block_bytes);
	if (vhd_blocks_add(b, sector))
		return image_fail(img, err, -ENOMEM, "out of memory");
	return 0;
}

/* Holes between blocks, where blocks were reserved when the power failed, are used again. */
static int vhd_take_hole(struct vhd *s, uint64_t from, uint64_t to)
{
	uint64_t place = vhd_align_place(s, from);
	int r = 0;

	for (; !r && place + s->block_bytes <= to && s->free_count < VHD_HOLES_MAX;
	     place += s->stride)
		if (vhd_block_place_ok(s, place))
			r = vhd_free_push(s, place);
	return r;
}

static int vhd_take_holes(struct vd_image *img, const struct vhd_blocks *b, struct vd_error *err)
{
	struct vhd *s = img->priv;
	char what[128];

	for (uint32_t i = 1; i < b->count && !b->incomplete; i++) {
		uint64_t end = (uint64_t)b->sector[i - 1] * VHD_SECTOR + s->block_bytes;
		uint64_t next = (uint64_t)b->sector[i] * VHD_SECTOR;

		if (end > next) {
			snprintf(what, sizeof(what), "two blocks overlap at byte %" PRIu64, next);
			return vhd_damaged(img, err, what);
		}
		if (vhd_take_hole(s, end, next))
			return image_fail(img, err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int vhd_sync(struct vd_image *img, struct vd_error *err)
{
	int r = storage_sync(img->file[0].storage);

	return r ? image_fail(img, err, r, "cannot be flushed: %s", strerror(-r)) : 0;
}

static int vhd_write_footer(struct vd_image *img, uint64_t at, struct vd_error *err)
{
	const struct vhd *s = img->priv;
	int r = file_write(&img->file[0], s->raw_footer, VHD_FOOTER, at, "footer", err);

	return r ? r : vhd_sync(img, err);
}

/*
 * The footer at `at`, and nothing behind it. Until the file is cut the old footer, if it was good,
 * is still its end; afterwards the new one is, which is durable by then.
 */
static int vhd_place_footer(struct vd_image *img, uint64_t at, struct vd_error *err)
{
	struct vd_file *f = &img->file[0];
	struct vhd *s = img->priv;
	int r = vhd_write_footer(img, at, err);

	if (r)
		return r;
	f->size = max_u64(f->size, at + VHD_FOOTER);
	if (f->size > at + VHD_FOOTER) {
		r = storage_truncate(f->storage, at + VHD_FOOTER);
		if (r)
			return image_fail(img, err, r, "cannot be cut to %" PRIu64 " bytes: %s",
					  at + VHD_FOOTER, strerror(-r));
		f->size = at + VHD_FOOTER;
		r = vhd_sync(img, err);
		if (r)
			return r;
	}
	s->limit = at;
	s->tail_lost = s->old_footer = false;
	return 0;
}

/* Order: the copy at 0 is good and durable before the footer at the end is touched. */
static int vhd_restore(struct vd_image *img, uint64_t end, struct vd_error *err)
{
	struct vhd *s = img->priv;
	uint64_t place = vhd_align_place(s, end);
	bool kept = !s->tail_lost && !s->old_footer && s->limit >= end && s->limit <= place &&
		    is_aligned(s->limit, VHD_SECTOR);
	int r;

	if (s->copy_differs) {
		r = vhd_write_footer(img, 0, err);
		if (r)
			return r;
		s->copy_differs = false;
		s->mended_copy = true;
	}
	if (!kept) {
		s->mended_tail = s->tail_lost;
		if (s->limit > place && s->limit - place >= s->block_bytes)
			s->mended_leak = s->limit - place;
		r = vhd_place_footer(img, place, err);
		if (r)
			return r;
	}
	s->next = s->first_next = s->limit;
	s->virgin = img->file[0].size;
	return 0;
}

int vhd_recover(struct vd_image *img, struct vd_error *err)
{
	struct vhd *s = img->priv;
	struct vhd_blocks b = { 0 };
	int r;

	if (!vhd_is_sparse(s))
		return 0;
	b.end = vhd_headers_end(s);
	s->free_count = 0;
	r = vhd_walk(img, vhd_recover_block, &b, err);
	vhd_blocks_sort(&b);
	if (!r)
		r = vhd_take_holes(img, &b, err);
	free(b.sector);
	return r ? r : vhd_restore(img, b.end, err);
}

/* -------------------------------------------------------------------------------------- check */

struct vhd_check {
	struct check_ctx *ctx;
	struct vhd_blocks blocks;
	/* Neighbours with the same fault are one finding. */
	enum vhd_fault fault;
	uint32_t first, last, sector;
};

static void vhd_check_report(struct vhd_check *c)
{
	static const char *const text[] = {
		[VHD_OUTSIDE] = "past the end of the file",
		[VHD_IN_HEADERS] = "among the headers",
	};

	if (c->fault == VHD_SOUND)
		return;
	if (c->first == c->last)
		check_finding(c->ctx, VD_FINDING_ERROR, false, "block %" PRIu32 " is at sector %"
			      PRIu32 ", %s", c->first, c->sector, text[c->fault]);
	else
		check_finding(c->ctx, VD_FINDING_ERROR, false, "blocks %" PRIu32 " to %" PRIu32
			      ", the first at sector %" PRIu32 ", are %s", c->first,
			      c->last, c->sector, text[c->fault]);
	c->fault = VHD_SOUND;
}

static int vhd_check_block(struct vd_image *img, void *opaque, uint32_t block, uint32_t sector,
			   struct vd_error *err)
{
	const struct vhd *s = img->priv;
	struct vhd_check *c = opaque;
	uint64_t place = (uint64_t)sector * VHD_SECTOR;
	enum vhd_fault fault = vhd_judge(img, block, place);

	c->ctx->result->allocated_blocks++;
	if (fault != c->fault || block != c->last + 1)
		vhd_check_report(c);
	if (fault != VHD_SOUND) {
		if (c->fault == VHD_SOUND) {
			c->first = block;
			c->sector = sector;
		}
		c->fault = fault;
		c->last = block;
		return 0;
	}
	c->blocks.end = max_u64(c->blocks.end, place + s->block_bytes);
	if (vhd_blocks_add(&c->blocks, sector))
		return image_fail(img, err, -ENOMEM, "out of memory");
	return 0;
}

static void vhd_check_leak(struct check_ctx *ctx, uint64_t from, uint64_t to)
{
	check_finding(ctx, VD_FINDING_LEAK, false, "nothing refers to the %" PRIu64
		      " bytes from byte %" PRIu64 " on", to - from, from);
	ctx->result->leaked += to - from;
}

/* Of the sorted blocks: overlaps, and holes that a block fits in. */
static void vhd_check_places(struct vd_image *img, struct vhd_check *c)
{
	const struct vhd *s = img->priv;
	const struct vhd_blocks *b = &c->blocks;
	uint64_t end = b->end;

	if (b->incomplete) {
		check_finding(c->ctx, VD_FINDING_MINOR, false, "there are more than %u blocks; "
			      "whether any overlap was not looked at", VHD_COMPARED_MAX);
		return;
	}
	for (uint32_t i = 1; i < b->count; i++) {
		uint64_t last = (uint64_t)b->sector[i - 1] * VHD_SECTOR + s->block_bytes;
		uint64_t next = (uint64_t)b->sector[i] * VHD_SECTOR;

		if (last > next)
			check_finding(c->ctx, VD_FINDING_ERROR, false, "the blocks at sectors %"
				      PRIu32 " and %" PRIu32 " overlap", b->sector[i - 1],
				      b->sector[i]);
		else if (next - last >= s->block_bytes)
			vhd_check_leak(c->ctx, last, next);
	}
	/* While we write, space ahead of the footer is there on purpose. */
	if (!img->writable && s->limit > end && s->limit - end >= s->block_bytes)
		vhd_check_leak(c->ctx, end, s->limit);
}

/* Bits behind the disk's end, in the last block. */
static int vhd_check_last_bitmap(struct vd_image *img, struct check_ctx *ctx)
{
	const struct vhd *s = img->priv;
	uint32_t block = s->blocks - 1;
	uint64_t used = vhd_block_used(img, block), place;
	uint32_t first = (uint32_t)(used / VHD_SECTOR), end = s->dynamic.block_size / VHD_SECTOR;
	uint8_t entry[4], map[VHD_SECTOR];
	int r;

	if (used == s->dynamic.block_size || !img->has_parent)
		return 0; /* a base's bitmaps are all ones */
	r = file_read(&img->file[0], entry, 4, s->dynamic.table_offset + (uint64_t)block * 4,
		      "block table", ctx->err);
	if (r || be32(entry) == VHD_ABSENT)
		return r;
	place = (uint64_t)be32(entry) * VHD_SECTOR;
	if (vhd_judge(img, block, place) != VHD_SOUND)
		return 0;
	for (uint32_t i = first; i < end; i++) {
		uint32_t in = i % (VHD_SECTOR * 8);

		if (i == first || !in)
			r = file_read(&img->file[0], map, VHD_SECTOR, place + (i - in) / 8,
				      "bitmap", ctx->err);
		if (r)
			return r;
		if (map[in / 8] >> (7 - in % 8) & 1) {
			check_finding(ctx, VD_FINDING_MINOR, false, "the bitmap of the last block "
				      "has bits set behind the end of the disk");
			return 0;
		}
	}
	return 0;
}

/* What opening the image for writing has mended already is reported as such. */
static void vhd_check_footers(const struct vd_image *img, struct check_ctx *ctx)
{
	const struct vhd *s = img->priv;

	if (s->tail_lost || s->mended_tail)
		check_finding(ctx, VD_FINDING_MINOR, s->mended_tail, "the footer at the end is "
			      "damaged or missing; its copy at 0 is good");
	if (!s->tail_lost && (s->copy_differs || s->mended_copy))
		check_finding(ctx, VD_FINDING_MINOR, s->mended_copy, "the copy of the footer at 0 "
			      "differs from the one at the end");
	if (s->mended_leak) {
		check_finding(ctx, VD_FINDING_LEAK, true, "nothing referred to the last %" PRIu64
			      " bytes", s->mended_leak);
		ctx->result->leaked += s->mended_leak;
	}
}

int vhd_check(struct vd_image *img, struct check_ctx *ctx)
{
	const struct vhd *s = img->priv;
	struct vhd_check c = { .ctx = ctx };
	int r;

	if (!vhd_is_sparse(s)) {
		if (s->limit < img->size)
			check_finding(ctx, VD_FINDING_ERROR, false, "the disk has %" PRIu64
				      " bytes, the file only %" PRIu64 " for them", img->size,
				      s->limit);
		else if (s->limit - img->size >= VHD_SECTOR)
			vhd_check_leak(ctx, img->size, s->limit);
		return 0;
	}
	ctx->result->total_blocks = s->blocks;
	c.blocks.end = vhd_headers_end(s);
	r = vhd_walk(img, vhd_check_block, &c, ctx->err);
	vhd_check_report(&c);
	vhd_blocks_sort(&c.blocks);
	if (!r)
		vhd_check_places(img, &c);
	free(c.blocks.sector);
	if (!r)
		r = vhd_check_last_bitmap(img, ctx);
	vhd_check_footers(img, ctx);
	return r;
}
