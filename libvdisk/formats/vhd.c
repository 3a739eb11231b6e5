/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd.c - Virtual PC's and Hyper-V's VHD: fixed, dynamic, differencing.
 *
 * Specification: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0; where
 * writers differ from it, what they do. The size is the footer's, not the geometry's.
 *
 * A block is a bitmap, one bit a sector, most significant bit first, and its data. In a
 * differencing image a 0 bit shows the parent. In a dynamic image it means zeros, but several
 * programs look at no bitmap there, so that the blocks we add have all bits set and real zeros.
 *
 * Room for new blocks. The footer is the last sector. It moves ahead by several blocks, and only
 * once it is durable there may the space up to it be handed out:
 *
 *	... block | footer |			before
 *	... block | old footer | . . . . | footer |	durable, then:
 *	... block | bitmap, data |   . . | footer |
 *
 * so that at each instant a valid footer ends the file, or, where a power cut left the new length
 * without the new footer, the copy at 0 serves. The old footer's sector becomes the first sector
 * of a bitmap, or lies in the gap that aligns the data.
 *
 * Limits: blocks of 512 bytes to 256 MiB, a power of two; a file of 2 TiB, the reach of the table.
 */
#include "formats/vhd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"

/* -------------------------------------------------------------------------------------- table */

bool vhd_is_sparse(const struct vhd *s)
{
	return s->footer.disk_type != VHD_FIXED;
}

/* Is no header, table or locator in the way of a block at `place`? */
bool vhd_block_place_ok(const struct vhd *s, uint64_t place)
{
	if (place >= s->areas_end)
		return true;
	for (unsigned i = 0; i < s->areas; i++)
		if (place < s->area[i].end && s->area[i].offset < place + s->block_bytes)
			return false;
	return true;
}

uint64_t vhd_block_used(const struct vd_image *img, uint32_t block)
{
	const struct vhd *s = img->priv;

	return min_u64(img->size - ((uint64_t)block << s->shift), s->dynamic.block_size);
}

static uint64_t vhd_entry_offset(const struct vhd *s, uint32_t block)
{
	return s->dynamic.table_offset + (uint64_t)block * 4;
}

static int vhd_entry(struct vd_image *img, uint32_t block, uint32_t *entry)
{
	const struct vhd *s = img->priv;
	const void *p = meta_peek(&img->file[0], vhd_entry_offset(s, block), 4);

	if (!p)
		return -EAGAIN;
	*entry = be32(p);
	return 0;
}

/* How many entries from `block` on, which is absent, up to `last`, are absent: as far as the pages
 * are in memory. */
static uint32_t vhd_absent_run(struct vd_image *img, uint32_t block, uint32_t last)
{
	const struct vhd *s = img->priv;
	uint32_t at = block;

	while (at < last) {
		uint64_t offset = vhd_entry_offset(s, at);
		uint32_t n = (META_PAGE - offset % META_PAGE) / 4, i = 0;
		const uint8_t *p;

		if (n > last - at)
			n = last - at;
		p = meta_peek(&img->file[0], offset, n * 4);
		if (!p)
			break;
		while (i + 2 <= n && le64(p + i * 4) == UINT64_MAX)
			i += 2;
		while (i < n && le32(p + i * 4) == VHD_ABSENT)
			i++;
		at += i;
		if (i < n)
			break;
	}
	return max_u64(at, block + 1) - block;
}

/* How many bits from `from` on, before `to`, are like the one at `from`. */
static uint32_t vhd_bit_run(const uint8_t *map, uint32_t from, uint32_t to)
{
	bool set = map[from / 8] >> (7 - from % 8) & 1;
	uint32_t bytes = (to + 7) / 8, n = from;

	while (n < to) {
		uint32_t have = bytes - n / 8, bits, like;
		uint8_t rest[8] = { 0 };
		uint64_t word;

		if (have > 8)
			have = 8;
		memcpy(rest, map + n / 8, have);
		word = be64(rest) << n % 8;
		bits = have * 8 - n % 8;
		if (set)
			word = ~word;
		like = word ? (uint32_t)__builtin_clzll(word) : 64;
		if (like < bits) {
			n += like;
			break;
		}
		n += bits;
	}
	return (n < to ? n : to) - from;
}

/* The same in the bitmap at `place`, which crosses pages; as far as they are in memory. */
static int vhd_sector_run(struct vd_image *img, uint64_t place, uint32_t from, uint32_t to,
			  bool *present, uint32_t *run)
{
	uint32_t at = from;

	*present = false;
	while (at < to) {
		uint64_t offset = place + at / 8;
		uint64_t room = (META_PAGE - offset % META_PAGE) * 8;
		uint32_t base = at - at % 8;
		uint32_t end = room < to - base ? base + (uint32_t)room : to;
		const uint8_t *p = meta_peek(&img->file[0], offset, (end - base + 7) / 8);
		bool bit;
		uint32_t n;

		if (!p && at == from)
			return -EAGAIN;
		if (!p)
			break;
		bit = p[0] >> (7 - at % 8) & 1;
		if (at == from)
			*present = bit;
		else if (bit != *present)
			break;
		n = vhd_bit_run(p, at - base, end - base);
		at += n;
		if (at < end)
			break;
	}
	*run = at - from;
	return 0;
}

/* ---------------------------------------------------------------------------------------- map */

static int vhd_map_fixed(struct vd_image *img, uint64_t offset, struct map_extent *out)
{
	const struct vhd *s = img->priv;

	if (offset >= s->limit) {
		out->kind = MAP_ERROR;
		return 0;
	}
	out->kind = MAP_DATA;
	out->in_place = true;
	out->offset = offset;
	out->length = min_u64(out->length, s->limit - offset);
	return 0;
}

/* Inside one block, whose bitmap is at `place`. */
static int vhd_map_block(struct vd_image *img, uint64_t place, uint32_t in_block,
			 struct map_extent *out)
{
	const struct vhd *s = img->priv;
	uint32_t from = in_block / VHD_SECTOR, run;
	uint32_t to = (uint32_t)div_up(in_block + out->length, VHD_SECTOR);
	uint64_t data = place + s->bitmap_size + in_block;
	bool present;
	int r;

	if (!vhd_block_place_ok(s, place) || data >= s->limit) {
		out->kind = MAP_ERROR;
		return 0;
	}
	r = vhd_sector_run(img, place, from, to, &present, &run);
	if (r)
		return r;
	out->length = min_u64(out->length, (uint64_t)(from + run) * VHD_SECTOR - in_block);
	if (!present) {
		out->kind = img->has_parent ? MAP_ABSENT : MAP_ZERO;
		return 0;
	}
	out->kind = MAP_DATA;
	out->in_place = true;
	out->offset = data;
	out->length = min_u64(out->length, s->limit - data);
	return 0;
}

static int vhd_map(struct vd_image *img, uint64_t offset, uint64_t length, struct map_extent *out)
{
	const struct vhd *s = img->priv;
	uint32_t block, last, entry;
	uint64_t start, run;
	int r;

	*out = (struct map_extent){ .length = length, .file = &img->file[0] };
	if (!vhd_is_sparse(s))
		return vhd_map_fixed(img, offset, out);
	block = (uint32_t)(offset >> s->shift);
	start = (uint64_t)block << s->shift;
	r = vhd_entry(img, block, &entry);
	if (r)
		return r;
	if (entry == VHD_ABSENT) {
		last = (uint32_t)((offset + length - 1) >> s->shift) + 1;
		run = (uint64_t)vhd_absent_run(img, block, last) << s->shift;
		out->kind = MAP_ABSENT;
		out->length = min_u64(length, start + run - offset);
		return 0;
	}
	out->length = min_u64(length, start + s->dynamic.block_size - offset);
	return vhd_map_block(img, (uint64_t)entry * VHD_SECTOR, (uint32_t)(offset - start), out);
}

/* ------------------------------------------------------------------------------------ writing */

enum { PLACE, IS_NEW };	/* of reservation.priv */

/* Blocks. Each step costs a barrier; what is ahead is a hole, and given back on closing. */
#define VHD_AHEAD_MIN 4
#define VHD_AHEAD_MAX 64

/* Room for one more, and for all that may be cancelled, so that cancelling cannot fail. */
static int vhd_free_room(struct vhd *s)
{
	size_t want = s->free_count + s->reserved + 1, size = s->free_size ? s->free_size * 2 : 16;
	uint64_t *more;

	if (want <= s->free_size)
		return 0;
	more = realloc(s->free, size * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->free = more;
	s->free_size = size;
	return 0;
}

uint64_t vhd_align_place(const struct vhd *s, uint64_t offset)
{
	uint64_t data = offset + s->bitmap_size;

	return offset + (-data & (s->align - 1));
}

/* Begins to move the footer ahead. */
static int vhd_grow(struct vd_image *img)
{
	struct vhd *s = img->priv;
	uint64_t next = vhd_align_place(s, s->limit), ahead = next / s->stride / 4, footer;
	int r;

	ahead = ahead < VHD_AHEAD_MIN ? VHD_AHEAD_MIN : min_u64(ahead, VHD_AHEAD_MAX);
	if (next + ahead * s->stride > VHD_FILE_MAX)
		ahead = 1;
	footer = next + ahead * s->stride;
	if (footer > VHD_FILE_MAX)
		return -EFBIG;
	r = meta_change(&img->file[0], footer, s->raw_footer, VHD_FOOTER, META_NEW);
	if (r)
		return r;
	s->next = next;
	s->growing = footer;
	return 0;
}

/* Space for one block at s->next. */
static int vhd_make_room(struct vd_image *img)
{
	struct vhd *s = img->priv;
	int r;

	if (s->next + s->block_bytes <= s->limit)
		return 0;
	if (!s->growing) {
		r = vhd_grow(img);
		if (r)
			return r;
	}
	if (!meta_durable(&img->file[0], s->growing, VHD_FOOTER))
		return meta_need_barrier(&img->file[0]);
	s->limit = s->growing;
	s->growing = 0;
	return 0;
}

static int vhd_reserve_new(struct vd_image *img, struct reservation *r)
{
	struct vhd *s = img->priv;
	uint64_t place;
	int err = vhd_free_room(s);

	if (err)
		return err;
	if (s->free_count) {
		place = s->free[--s->free_count];
	} else {
		err = vhd_make_room(img);
		if (err)
			return err;
		place = s->next;
		s->next += s->stride;
	}
	s->reserved++;
	r->priv[PLACE] = place;
	r->priv[IS_NEW] = true;
	return 0;
}

static int vhd_reserve(struct vd_image *img, struct reservation *r)
{
	const struct vhd *s = img->priv;
	uint32_t block = (uint32_t)(r->start >> s->shift), entry;
	uint64_t start = (uint64_t)block << s->shift;
	uint64_t end = min_u64(r->start + r->length, start + vhd_block_used(img, block));
	uint64_t data;
	int err = vhd_entry(img, block, &entry);

	if (err)
		return err;
	if (entry == VHD_ABSENT) {
		err = vhd_reserve_new(img, r);
		if (err)
			return err;
	} else {
		r->priv[PLACE] = (uint64_t)entry * VHD_SECTOR;
		r->priv[IS_NEW] = false;
		if (!vhd_block_place_ok(s, r->priv[PLACE]) ||
		    r->priv[PLACE] + s->bitmap_size + (end - start) > s->limit)
			return -EUCLEAN;
	}
	data = r->priv[PLACE] + s->bitmap_size;
	if (r->priv[IS_NEW] && !img->has_parent) {
		r->start = start;
		end = start + vhd_block_used(img, block);
	}
	r->start = align_down(r->start, VHD_SECTOR);
	r->length = div_up(end - r->start, VHD_SECTOR) * VHD_SECTOR;
	r->file = &img->file[0];
	r->offset = data + (r->start - start);
	r->grow = 0;
	r->zeroed = r->priv[IS_NEW] && data >= s->virgin;
	return 0;
}

static void vhd_set_bits(uint8_t *map, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		if (i % 8 == 0 && to - i >= 8) {
			map[i / 8] = 0xff;
			i += 7;
		} else {
			map[i / 8] |= (uint8_t)(0x80 >> i % 8);
		}
	}
}

#define BITS_A_SECTOR (VHD_SECTOR * 8)

/* The bits [from, to) of the bitmap's sector number `sector`, set in `map`. */
static void vhd_set_bits_in(uint8_t *map, uint32_t sector, uint32_t from, uint32_t to)
{
	uint32_t base = sector * BITS_A_SECTOR;

	from = from > base ? from - base : 0;
	to = to > base ? to - base : 0;
	vhd_set_bits(map, from, to < BITS_A_SECTOR ? to : BITS_A_SECTOR);
}

static int vhd_publish_new(struct vd_image *img, uint64_t place, uint32_t block, uint32_t from,
			   uint32_t to)
{
	const struct vhd *s = img->priv;
	uint64_t at = vhd_entry_offset(s, block);
	uint8_t entry[4];
	int r;

	if (!meta_peek(&img->file[0], at, 4))
		return -EAGAIN;
	if (!img->has_parent) {
		from = 0;
		to = s->dynamic.block_size / VHD_SECTOR;
	}
	/* Whole sectors need no reading, so nothing here gives -EAGAIN. */
	for (uint32_t i = 0; i < s->bitmap_size / VHD_SECTOR; i++) {
		uint8_t map[VHD_SECTOR] = { 0 };

		vhd_set_bits_in(map, i, from, to);
		r = meta_change(&img->file[0], place + i * VHD_SECTOR, map, VHD_SECTOR, META_NEW);
		if (r)
			return r;
	}
	put_be32(entry, (uint32_t)(place / VHD_SECTOR));
	return meta_change(&img->file[0], at, entry, 4, META_POINTER);
}

/* More sectors of a block that is there. Of one that no flush has seen yet the bitmap goes to the
 * disk before the table entry anyway; else the bits are what makes the data visible. */
static int vhd_publish_bits(struct vd_image *img, uint64_t place, uint32_t from, uint32_t to)
{
	struct vd_file *f = &img->file[0];
	uint32_t first = from / BITS_A_SECTOR, last = (to - 1) / BITS_A_SECTOR;
	int r;

	for (uint32_t i = first; i <= last; i++)
		if (!meta_peek(f, place + i * VHD_SECTOR, VHD_SECTOR))
			return -EAGAIN;
	for (uint32_t i = first; i <= last; i++) {
		uint64_t at = place + i * VHD_SECTOR;
		const uint8_t *p = meta_peek(f, at, VHD_SECTOR);
		uint8_t map[VHD_SECTOR];

		if (!p)
			return -EAGAIN;
		memcpy(map, p, VHD_SECTOR);
		vhd_set_bits_in(map, i, from, to);
		r = meta_change(f, at, map, VHD_SECTOR,
				meta_is_new(f, at, VHD_SECTOR) ? META_NEW : META_POINTER);
		if (r)
			return r;
	}
	return 0;
}

static int vhd_publish(struct vd_image *img, const struct reservation *r)
{
	struct vhd *s = img->priv;
	uint32_t block = (uint32_t)(r->start >> s->shift);
	uint32_t in_block = (uint32_t)(r->start - ((uint64_t)block << s->shift));
	uint32_t from = in_block / VHD_SECTOR;
	uint32_t to = (uint32_t)div_up(in_block + r->length, VHD_SECTOR);
	int err;

	if (!r->priv[IS_NEW])
		return vhd_publish_bits(img, r->priv[PLACE], from, to);
	err = vhd_publish_new(img, r->priv[PLACE], block, from, to);
	if (!err)
		s->reserved--;
	return err;
}

static void vhd_cancel(struct vd_image *img, const struct reservation *r)
{
	struct vhd *s = img->priv;

	if (!r->priv[IS_NEW])
		return;
	/* Part of it may have been written. */
	s->virgin = max_u64(s->virgin, r->priv[PLACE] + s->block_bytes);
	s->reserved--;
	s->free[s->free_count++] = r->priv[PLACE];
}

/* Gives back what lies free before the footer, then puts the footer there. */
static int vhd_end_write(struct vd_image *img, uint64_t *final_size)
{
	struct vhd *s = img->priv;
	int r;

	*final_size = img->file[0].size;
	if (!vhd_is_sparse(s))
		return 0;
	for (size_t i = 0; i < s->free_count; i++)
		if (s->free[i] == s->next - s->stride) {
			s->next = s->free[i];
			s->free[i] = s->free[--s->free_count];
			i = (size_t)-1;
		}
	if (s->next < s->limit) {
		r = meta_change(&img->file[0], s->next, s->raw_footer, VHD_FOOTER, META_NEW);
		if (r)
			return r;
		s->limit = s->next;
	}
	s->growing = 0;
	img->needs_recovery = s->free_count; /* holes */
	*final_size = s->limit + VHD_FOOTER;
	return 0;
}

static const char *const vhd_extensions[] = { "vhd", "vpc", "avhd", NULL };

const struct vd_format vd_format_vhd = {
	.info = {
		.name = "vhd",
		.description = "Virtual PC and Hyper-V virtual hard disk",
		.extensions = vhd_extensions,
		.caps = VD_CAP_CREATE_DYNAMIC | VD_CAP_CREATE_FIXED | VD_CAP_DIFFERENCING |
			VD_CAP_WRITE | VD_CAP_UUID,
	},
	.probe = vhd_probe,
	.identify = vhd_identify,
	.open = vhd_open,
	.close = vhd_close,
	.recover = vhd_recover,
	.map = vhd_map,
	.end_write = vhd_end_write,
	.reserve = vhd_reserve,
	.publish = vhd_publish,
	.cancel = vhd_cancel,
	.create = vhd_create,
	.resize = vhd_resize,
	.check = vhd_check,
};
