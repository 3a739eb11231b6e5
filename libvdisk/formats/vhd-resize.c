/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-resize.c - makes a VHD larger.
 *
 * The size is in the footer. At each instant a good footer ends the file, the old one until all
 * else is durable: it is written at the new end, and then overwritten there.
 *
 * A dynamic image's table must have room for the new entries. Where something is in its way, a new
 * one goes behind the last block, and the dynamic header, whose numbers are in one sector, turns to
 * it; the old one's place stays empty.
 */
#include "formats/vhd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"
#include "cleanup.h"

/* Of the footer and of the dynamic header. */
enum { FOOTER_SIZE = 48, FOOTER_GEOMETRY = 56, FOOTER_CHECKSUM = 64 };
enum { HEADER_TABLE = 16, HEADER_ENTRIES = 28, HEADER_CHECKSUM = 36 };

#define PIECE (64u << 10)

static int put_footer(struct vd_image *img, const uint8_t *footer, uint64_t at,
		      struct vd_error *err)
{
	struct vd_file *f = &img->file[0];
	int r = file_write(f, footer, VHD_FOOTER, at, "footer", err);

	return r ? r : file_make_durable(f, err);
}

/* As it is, but for the size; what we do not know stays. */
static void new_footer(const struct vhd *s, uint64_t size, uint8_t footer[VHD_FOOTER])
{
	struct vhd_footer f;

	vhd_geometry(size, &f);
	memcpy(footer, s->raw_footer, VHD_FOOTER);
	put_be64(footer + FOOTER_SIZE, size);
	put_be16(footer + FOOTER_GEOMETRY, f.cylinders);
	footer[FOOTER_GEOMETRY + 2] = f.heads;
	footer[FOOTER_GEOMETRY + 3] = f.sectors;
	put_be32(footer + FOOTER_CHECKSUM, vhd_checksum(footer, VHD_FOOTER, FOOTER_CHECKSUM));
}

/* The file ends at `end` and the footer is there, saying the same; not before it is durable is what
 * was the end overwritten. */
static int move_end(struct vd_image *img, uint64_t end, struct vd_error *err)
{
	struct vhd *s = img->priv;
	int r = put_footer(img, s->raw_footer, end, err);

	if (!r)
		s->limit = end;
	return r;
}

/* ---------------------------------------------------------------------------------------- fixed */

/* As it was, if the host's disk has no room for all. */
static void move_end_back(struct vd_image *img, uint64_t end)
{
	struct vd_file *f = &img->file[0];

	if (!move_end(img, end, NULL) && !storage_truncate(f->storage, end + VHD_FOOTER)) {
		f->size = end + VHD_FOOTER;
		file_make_durable(f, NULL);
	}
}

static int resize_fixed(struct vd_image *img, uint64_t size, const uint8_t *footer,
			struct vd_error *err)
{
	struct vhd *s = img->priv;
	struct vd_file *f = &img->file[0];
	uint64_t before = s->limit;
	int r;

	if (s->limit < img->size)
		return image_fail(img, err, -EUCLEAN, "the file ends inside the disk");
	r = s->limit < size ? move_end(img, size, err) : 0;
	if (r)
		return r;
	r = file_write_zeros(f, img->size, size - img->size, true, err);
	if (!r)
		r = file_make_durable(f, err);
	if (!r)
		return put_footer(img, footer, s->limit, err);
	if (before < size && is_aligned(before, VHD_SECTOR))
		move_end_back(img, before);
	return r;
}

/* -------------------------------------------------------------------------------------- dynamic */

static int lowest_behind_table(struct vd_image *img, void *opaque, uint32_t block, uint32_t sector,
			       struct vd_error *err)
{
	const struct vhd *s = img->priv;
	uint64_t place = (uint64_t)sector * VHD_SECTOR, *lowest = opaque;

	(void)block;
	(void)err;
	if (place >= s->dynamic.table_offset)
		*lowest = min_u64(*lowest, place);
	return 0;
}

/* Up to where the table may grow. */
static int room_of_table(struct vd_image *img, uint64_t *end, struct vd_error *err)
{
	const struct vhd *s = img->priv;

	*end = s->limit;
	for (unsigned i = 0; i < s->areas; i++)
		if (s->area[i].offset > s->dynamic.table_offset)
			*end = min_u64(*end, s->area[i].offset);
	return vhd_walk(img, lowest_behind_table, end, err);
}

/* Entries [from, to) of the table at `table`, as absent. */
static int write_absent(struct vd_image *img, uint64_t table, uint64_t from, uint64_t to,
			struct vd_error *err)
{
	CLEANUP_FREE uint8_t *buf = malloc(PIECE);
	int r = 0;

	if (!buf)
		return image_fail(img, err, -ENOMEM, "out of memory");
	memset(buf, 0xff, PIECE);
	while (!r && from < to) {
		uint64_t n = min_u64(PIECE / 4, to - from);

		r = file_write(&img->file[0], buf, n * 4, table + from * 4, "block table", err);
		from += n;
	}
	return r;
}

static int copy_table(struct vd_image *img, uint64_t to, struct vd_error *err)
{
	const struct vhd *s = img->priv;
	CLEANUP_FREE uint8_t *buf = malloc(PIECE);
	uint64_t length = (uint64_t)s->blocks * 4, n;
	int r = 0;

	if (!buf)
		return image_fail(img, err, -ENOMEM, "out of memory");
	for (uint64_t done = 0; !r && done < length; done += n) {
		n = min_u64(PIECE, length - done);
		r = file_read(&img->file[0], buf, n, s->dynamic.table_offset + done, "block table",
			      err);
		if (!r)
			r = file_write(&img->file[0], buf, n, to + done, "block table", err);
	}
	return r;
}

static int write_header(struct vd_image *img, uint64_t table, uint32_t entries,
			struct vd_error *err)
{
	const struct vhd *s = img->priv;
	struct vd_file *f = &img->file[0];
	uint8_t header[VHD_HEADER];
	int r = file_read(f, header, VHD_HEADER, s->footer.data_offset, "dynamic header", err);

	if (r)
		return r;
	put_be64(header + HEADER_TABLE, table);
	put_be32(header + HEADER_ENTRIES, entries);
	put_be32(header + HEADER_CHECKSUM, vhd_checksum(header, VHD_HEADER, HEADER_CHECKSUM));
	/* All that changes is in its first sector. */
	r = file_write(f, header, VHD_SECTOR, s->footer.data_offset, "dynamic header", err);
	return r ? r : file_make_durable(f, err);
}

/* Where the disk's last block is if it is there, else 0. */
static int last_block(struct vd_image *img, uint64_t *place, struct vd_error *err)
{
	const struct vhd *s = img->priv;
	uint8_t entry[4];
	int r = file_read(&img->file[0], entry, 4,
			  s->dynamic.table_offset + ((uint64_t)s->blocks - 1) * 4, "block table",
			  err);

	*place = r || be32(entry) == VHD_ABSENT ? 0 : (uint64_t)be32(entry) * VHD_SECTOR;
	return r;
}

/* What the last block holds beyond the old end becomes part of the disk. */
static int zero_behind_end(struct vd_image *img, uint64_t place, struct vd_error *err)
{
	const struct vhd *s = img->priv;
	uint64_t used = vhd_block_used(img, s->blocks - 1);

	if (!place || used == s->dynamic.block_size)
		return 0;
	return file_write_zeros(&img->file[0], place + s->bitmap_size + used,
				s->dynamic.block_size - used, false, err);
}

/* Where the table is to be, and where the file then ends. */
static int plan_layout(struct vd_image *img, uint64_t entries, uint64_t last, uint64_t *table,
		       uint64_t *end, struct vd_error *err)
{
	const struct vhd *s = img->priv;
	uint64_t length = div_up(entries * 4, VHD_SECTOR) * VHD_SECTOR, room;
	int r = room_of_table(img, &room, err);

	*table = s->dynamic.table_offset;
	/* The last block of a disk may have been cut where the disk ended. */
	*end = max_u64(s->limit, last ? last + s->block_bytes : 0);
	if (r || *table + length <= room)
		return r;
	*table = *end;
	*end += length;
	if (*end > VHD_FILE_MAX)
		return image_fail(img, err, -EFBIG, "the file would pass 2 TiB, the reach of a"
				  " VHD");
	return 0;
}

static int resize_dynamic(struct vd_image *img, uint64_t size, const uint8_t *footer,
			  struct vd_error *err)
{
	struct vhd *s = img->priv;
	struct vd_file *f = &img->file[0];
	uint64_t entries = div_up(size, s->dynamic.block_size), table, end, last;
	int r = last_block(img, &last, err);

	if (!r)
		r = plan_layout(img, entries, last, &table, &end, err);
	if (!r && end > s->limit)
		r = move_end(img, end, err);
	if (!r)
		r = zero_behind_end(img, last, err);
	if (!r && table != s->dynamic.table_offset)
		r = copy_table(img, table, err);
	if (!r)
		r = write_absent(img, table, s->blocks, div_up(entries, 128) * 128, err);
	if (!r)
		r = file_make_durable(f, err);
	if (!r)
		r = write_header(img, table, (uint32_t)max_u64(entries, table ==
				 s->dynamic.table_offset ? s->dynamic.max_table_entries : 0), err);
	/* The one at the end is what counts. */
	if (!r)
		r = put_footer(img, footer, 0, err);
	return r ? r : put_footer(img, footer, s->limit, err);
}

int vhd_resize(struct vd_image *img, uint64_t size, struct vd_error *err)
{
	struct vhd *s = img->priv;
	uint8_t footer[VHD_FOOTER];
	int r;

	if (size > VHD_SIZE_MAX)
		return image_fail(img, err, -EFBIG, "%" PRIu64 " bytes are too many for a VHD,"
				  " which holds at most 2040 GiB (%" PRIu64 ")", size,
				  VHD_SIZE_MAX);
	/* Both footers alike, and the file ends where it should. */
	r = vhd_recover(img, err);
	if (r)
		return r;
	new_footer(s, size, footer);
	return vhd_is_sparse(s) ? resize_dynamic(img, size, footer, err) :
				  resize_fixed(img, size, footer, err);
}
