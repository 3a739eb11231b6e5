/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhd-check.c - tells what is wrong with a VHD. What can be mended opening it for writing mends. */
#include "formats/vhd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "bytes.h"
#include "checked.h"

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
	/* While we write, space between blocks and ahead of the footer is there on purpose. */
	bool leaks = !img->writable || s->holes_left;
	uint64_t last = vhd_headers_end(s), next;

	if (b->incomplete) {
		check_finding(c->ctx, VD_FINDING_MINOR, false, "there are more than %u blocks; "
			      "whether any overlap was not looked at", VHD_COMPARED_MAX);
		return;
	}
	for (uint32_t i = 0; i < b->count; i++, last = next + s->block_bytes) {
		next = (uint64_t)b->sector[i] * VHD_SECTOR;
		if (i && last > next)
			check_finding(c->ctx, VD_FINDING_ERROR, false, "the blocks at sectors %"
				      PRIu32 " and %" PRIu32 " overlap", b->sector[i - 1],
				      b->sector[i]);
		else if (leaks && vhd_hole(s, last, next))
			vhd_check_leak(c->ctx, last, next);
	}
	if (!img->writable && s->limit > b->end && s->limit - b->end >= s->block_bytes)
		vhd_check_leak(c->ctx, b->end, s->limit);
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
		check_finding(ctx, VD_FINDING_LEAK, true, "nothing referred to %" PRIu64 " bytes",
			      s->mended_leak);
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
