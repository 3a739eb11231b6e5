/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-recover.c - mends a VHD that is opened for writing.
 *
 * What a power cut can leave behind a writer of ours: space after the last block that nothing
 * refers to, holes between blocks (reserved, but never published), a file that is longer than its
 * footer (the copy at 0 is good then). Other writers overwrite the footer first and may leave any
 * state of it; they, too, keep the copy.
 *
 * The cost of opening is one sequential reading of the block table. Only where there are holes it is
 * read once more, and for each hole one block is copied.
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

/* Blocks that are moved at one opening: it must not take for ever. Ours reserve far fewer between
 * two flushes; what is left of somebody else's is for the next opening. */
#define VHD_MOVES_MAX 4096

#define VHD_COPY (1u << 20)

/* ----------------------------------------------------------------------------- looking at blocks */

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

static int vhd_refuse_overlaps(struct vd_image *img, const struct vhd_blocks *b,
			       struct vd_error *err)
{
	const struct vhd *s = img->priv;
	char what[128];

	for (uint32_t i = 1; i < b->count && !b->incomplete; i++) {
		uint64_t next = (uint64_t)b->sector[i] * VHD_SECTOR;

		if ((uint64_t)b->sector[i - 1] * VHD_SECTOR + s->block_bytes > next) {
			snprintf(what, sizeof(what), "two blocks overlap at byte %" PRIu64, next);
			return vhd_damaged(img, err, what);
		}
	}
	return 0;
}

static int vhd_sync(struct vd_image *img, struct vd_error *err)
{
	return file_make_durable(&img->file[0], err);
}

/* -------------------------------------------------------------------------------------- holes */

/* The highest blocks, and the lowest holes to put them in; sectors. */
struct vhd_moves {
	uint32_t *from;		/* falling */
	uint32_t *to;		/* rising */
	uint32_t count;
};

static void vhd_plan_moves(const struct vhd *s, const struct vhd_blocks *b, struct vhd_moves *m)
{
	uint64_t at = vhd_headers_end(s);
	uint32_t top = b->count;

	for (uint32_t i = 0; i < top && m->count < VHD_MOVES_MAX; i++) {
		uint64_t next = (uint64_t)b->sector[i] * VHD_SECTOR, hole;

		/* Only the last block goes to a hole right below itself. */
		while (i < top && m->count < VHD_MOVES_MAX && (hole = vhd_hole(s, at, next))) {
			m->from[m->count] = b->sector[--top];
			m->to[m->count++] = (uint32_t)(hole / VHD_SECTOR);
			at = hole + s->block_bytes;
		}
		at = next + s->block_bytes;
	}
}

/* The last block of the disk may have less than a block in the file; zeros stand for the rest. */
static int vhd_copy_block(struct vd_image *img, uint8_t *buf, uint64_t from, uint64_t to)
{
	const struct vhd *s = img->priv;
	struct vd_file *f = &img->file[0];
	uint64_t there = min_u64(s->block_bytes, s->limit - from);
	int r = 0;

	for (uint64_t done = 0, n; !r && done < s->block_bytes; done += n) {
		uint64_t have = done < there ? there - done : 0;

		n = min_u64(VHD_COPY, s->block_bytes - done);
		have = min_u64(have, n);
		memset(buf + have, 0, n - have);
		if (have)
			r = file_read(f, buf, have, from + done, "block", NULL);
		if (!r)
			r = file_write(f, buf, n, to + done, "block", NULL);
	}
	return r;
}

/* As many as can be: the host's disk may be full, a block unreadable. */
static void vhd_copy_blocks(struct vd_image *img, struct vhd_moves *m)
{
	CLEANUP_FREE uint8_t *buf = malloc(VHD_COPY);

	for (uint32_t i = 0; i < m->count; i++)
		if (!buf || vhd_copy_block(img, buf, m->from[i] * (uint64_t)VHD_SECTOR,
					   m->to[i] * (uint64_t)VHD_SECTOR))
			m->count = i;
}

static int vhd_move_entry(struct vd_image *img, void *opaque, uint32_t block, uint32_t sector,
			  struct vd_error *err)
{
	const struct vhd *s = img->priv;
	const struct vhd_moves *m = opaque;
	uint32_t low = 0, high = m->count;
	uint8_t entry[4];

	if (sector < m->from[m->count - 1])
		return 0;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (sector <= m->from[middle])
			low = middle;
		else
			high = middle;
	}
	put_be32(entry, m->to[low]);
	return file_write(&img->file[0], entry, 4, s->dynamic.table_offset + (uint64_t)block * 4,
			  "block table", err);
}

/*
 * Moves the highest blocks into the holes: bitmaps and data, barrier, table entries, barrier. At
 * each instant an entry, old or new, points to the same content; nothing is put over the old places
 * before the last barrier. Where a block cannot be copied the hole stays, and check tells of it; but
 * once entries were written, only a barrier that succeeds says which of them are true.
 */
static int vhd_move_blocks(struct vd_image *img, struct vhd_blocks *b, struct vhd_moves *m,
			   struct vd_error *err)
{
	const struct vhd *s = img->priv;
	uint32_t planned = m->count;
	int r;

	vhd_copy_blocks(img, m);
	b->holes = m->count < planned || planned == VHD_MOVES_MAX;
	if (!m->count)
		return 0;
	r = vhd_sync(img, err);
	if (!r)
		r = vhd_walk(img, vhd_move_entry, m, err);
	if (!r)
		r = vhd_sync(img, err);
	if (r)
		return r;
	b->moved = m->count;
	b->count -= m->count;
	b->end = max_u64(vhd_headers_end(s), m->to[m->count - 1] * (uint64_t)VHD_SECTOR +
			 s->block_bytes);
	if (b->count)
		b->end = max_u64(b->end, b->sector[b->count - 1] * (uint64_t)VHD_SECTOR +
				 s->block_bytes);
	return 0;
}

static int vhd_close_holes(struct vd_image *img, struct vhd_blocks *b, struct vd_error *err)
{
	size_t most = min_u64(b->count, VHD_MOVES_MAX);
	CLEANUP_FREE uint32_t *sectors = malloc(2 * most * sizeof(*sectors) + 1);
	struct vhd_moves m = { 0 };

	if (b->incomplete)
		return 0;
	if (!sectors)
		return image_fail(img, err, -ENOMEM, "out of memory");
	m.from = sectors;
	m.to = sectors + most;
	vhd_plan_moves(img->priv, b, &m);
	return m.count ? vhd_move_blocks(img, b, &m, err) : 0;
}

/* ------------------------------------------------------------------------------------ footers */

static int vhd_write_footer(struct vd_image *img, uint64_t at, struct vd_error *err)
{
	const struct vhd *s = img->priv;
	int r = file_write(&img->file[0], s->raw_footer, VHD_FOOTER, at, "footer", err);

	return r ? r : vhd_sync(img, err);
}

/* A device keeps its size, and has the footer at its end. What is before that is room for blocks. */
static int vhd_end_device(struct vd_image *img, struct vd_error *err)
{
	struct vhd *s = img->priv;
	uint64_t at = align_down(img->file[0].size, VHD_SECTOR) - VHD_FOOTER;
	int r = vhd_write_footer(img, at, err);

	if (!r) {
		s->limit = at;
		s->tail_lost = s->old_footer = false;
	}
	return r;
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
		if (r == -ENOTSUP)
			return vhd_end_device(img, err);
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

static int vhd_restore_copy(struct vd_image *img, struct vd_error *err)
{
	struct vhd *s = img->priv;
	int r = s->copy_differs ? vhd_write_footer(img, 0, err) : 0;

	if (!r && s->copy_differs)
		s->mended_copy = true;
	if (!r)
		s->copy_differs = false;
	return r;
}

/* Behind the last block, and that is where the file ends. */
static int vhd_restore_tail(struct vd_image *img, const struct vhd_blocks *b, struct vd_error *err)
{
	struct vhd *s = img->priv;
	uint64_t place = vhd_align_place(s, b->end);
	bool kept = !s->tail_lost && !s->old_footer && s->limit >= b->end && s->limit <= place &&
		    is_aligned(s->limit, VHD_SECTOR);
	int r;

	if (!kept) {
		s->mended_tail = s->tail_lost;
		if (s->limit > place && (b->moved || s->limit - place >= s->block_bytes))
			s->mended_leak = s->limit - place;
		r = vhd_place_footer(img, place, err);
		if (r)
			return r;
	}
	s->next = kept ? s->limit : place;
	s->virgin = img->file[0].size;
	return 0;
}

/* ------------------------------------------------------------------------------------- fixed */

static bool is_zero(const uint8_t *p, uint64_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

/* What is between a fixed disk and the footer, if it is nothing: zeros, perhaps behind another of the
 * same footer. Reading only; whatever else it may be stays. */
static bool vhd_slack_is_empty(struct vd_image *img)
{
	const struct vhd *s = img->priv;
	CLEANUP_FREE uint8_t *buf = malloc(VHD_COPY);
	uint64_t n;

	for (uint64_t at = img->size; buf && at < s->limit; at += n) {
		bool first = at == img->size;

		n = min_u64(VHD_COPY, s->limit - at);
		if (file_read(&img->file[0], buf, n, at, "space before the footer", NULL))
			return false;
		if (first && n >= VHD_FOOTER && !memcmp(buf, s->raw_footer, VHD_FOOTER))
			memset(buf, 0, VHD_FOOTER);
		if (!is_zero(buf, n))
			return false;
	}
	return buf;
}

/* Making it larger was cut off (vhd-resize.c). */
static int vhd_recover_fixed(struct vd_image *img, struct vd_error *err)
{
	struct vhd *s = img->priv;
	uint64_t slack = s->limit > img->size ? s->limit - img->size : 0;
	int r;

	if (!slack || s->old_footer || !vhd_slack_is_empty(img))
		return 0;
	r = vhd_place_footer(img, img->size, err);
	if (!r)
		s->mended_leak = slack;
	return r;
}

/* Order: the copy at 0 is good and durable before the footer at the end is touched. */
int vhd_recover(struct vd_image *img, struct vd_error *err)
{
	struct vhd *s = img->priv;
	struct vhd_blocks b = { 0 };
	int r;

	if (!vhd_is_sparse(s))
		return vhd_recover_fixed(img, err);
	b.end = vhd_headers_end(s);
	s->free_count = 0;
	r = vhd_walk(img, vhd_recover_block, &b, err);
	vhd_blocks_sort(&b);
	if (!r)
		r = vhd_refuse_overlaps(img, &b, err);
	if (!r)
		r = vhd_restore_copy(img, err);
	if (!r)
		r = vhd_close_holes(img, &b, err);
	if (!r)
		r = vhd_restore_tail(img, &b, err);
	s->holes_left = b.holes;
	free(b.sector);
	return r;
}
