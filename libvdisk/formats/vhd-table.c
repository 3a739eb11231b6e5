/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-table.c - a VHD's block table as a whole, and the places of all blocks, sorted: for recovery
 * and check. Memory: 4 bytes for each block that is there.
 */
#include "formats/vhd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"
#include "cleanup.h"

enum vhd_fault vhd_judge(const struct vd_image *img, uint32_t block, uint64_t place)
{
	const struct vhd *s = img->priv;

	if (!vhd_block_place_ok(s, place))
		return VHD_IN_HEADERS;
	if (place + s->bitmap_size + vhd_block_used(img, block) > s->limit)
		return VHD_OUTSIDE;
	return VHD_SOUND;
}

int vhd_blocks_add(struct vhd_blocks *b, uint32_t sector)
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

void vhd_blocks_sort(struct vhd_blocks *b)
{
	for (uint32_t i = 1; i < b->count; i++)
		if (b->sector[i] < b->sector[i - 1]) {
			qsort(b->sector, b->count, sizeof(*b->sector), vhd_by_sector);
			return;
		}
}

/* Table entries past the disk's end are of no use to us, but somebody reserved their space. */
uint64_t vhd_headers_end(const struct vhd *s)
{
	uint64_t end = s->dynamic.table_offset + (uint64_t)s->dynamic.max_table_entries * 4;

	end += -end & (VHD_SECTOR - 1);
	return end <= s->limit ? max_u64(s->areas_end, end) : s->areas_end;
}

#define VHD_CHUNK (64u << 10)

int vhd_walk(struct vd_image *img, vhd_block_fn *fn, void *opaque, struct vd_error *err)
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

/* ------------------------------------------------------------------------------------- holes */

/* Room kept for a parent's name, and not only its text: whole sectors. */
static uint64_t vhd_locator_end(const struct vhd_locator *l)
{
	uint64_t space = l->data_space;

	/* Sectors by the specification, but most write bytes. */
	if (space < VHD_SECTOR || !is_aligned(space, VHD_SECTOR))
		space *= VHD_SECTOR;
	return align_down(l->data_offset, VHD_SECTOR) + max_u64(space, l->data_length);
}

/* Where what is in the way of a block at `place`, and is no block, ends; 0: nothing is. */
static uint64_t vhd_obstacle(const struct vhd *s, uint64_t place)
{
	uint64_t end = place + s->block_bytes, found = 0;

	for (unsigned i = 0; i < s->areas; i++)
		if (place < s->area[i].end && s->area[i].offset < end)
			found = max_u64(found, s->area[i].end);
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator *l = &s->dynamic.locator[i];

		if (l->code && l->data_offset < end && place < vhd_locator_end(l))
			found = max_u64(found, vhd_locator_end(l));
	}
	return found;
}

uint64_t vhd_hole(const struct vhd *s, uint64_t from, uint64_t to)
{
	while (from < to && to - from >= s->block_bytes) {
		uint64_t place = vhd_align_place(s, from), end;

		/* Others align nothing, and a block of theirs may just fit. */
		if (place + s->block_bytes > to)
			place = from;
		end = vhd_obstacle(s, place);
		if (!end)
			return place;
		from = end + (-end & (VHD_SECTOR - 1));
	}
	return 0;
}
