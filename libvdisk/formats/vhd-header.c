/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-header.c - footer and dynamic header of a VHD, between bytes and structures.
 *
 * Specification: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0. All
 * numbers are big endian. Ids are stored in GUID layout, as VirtualBox and Hyper-V do. Reserved and
 * purely informative fields are not judged.
 */
#include "formats/vhd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"

#define FOOTER_COOKIE "conectix"
#define HEADER_COOKIE "cxsparse"
#define VHD_VERSION 0x00010000u
#define NO_OFFSET UINT64_MAX

#define FOOTER_CHECKSUM 64
#define HEADER_CHECKSUM 36
#define HEADER_LOCATORS 576

/* The ones' complement of the sum of all bytes but those of the field itself. */
uint32_t vhd_checksum(const uint8_t *bytes, uint32_t length, uint32_t field)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < length; i++)
		if (i < field || i >= field + 4)
			sum += bytes[i];
	return ~sum;
}

bool vhd_has_footer_cookie(const uint8_t *bytes)
{
	return !memcmp(bytes, FOOTER_COOKIE, 8);
}

static int check_sum(const uint8_t *bytes, uint32_t length, uint32_t field, struct vd_error *err)
{
	uint32_t found = be32(bytes + field), expected = vhd_checksum(bytes, length, field);

	if (found == expected)
		return 0;
	return fail(err, -EUCLEAN, "checksum is 0x%08" PRIx32 ", expected 0x%08" PRIx32, found,
		    expected);
}

static int check_version(uint32_t version, struct vd_error *err)
{
	if (version >> 16 == VHD_VERSION >> 16)
		return 0;
	return fail(err, -ENOTSUP, "version is 0x%08" PRIx32 ", only 1.x is known", version);
}

static int footer_validate(const struct vhd_footer *f, uint32_t type, struct vd_error *err)
{
	if (type != VHD_FIXED && type != VHD_DYNAMIC && type != VHD_DIFFERENCING)
		return fail(err, -ENOTSUP, "disk type is %" PRIu32 ", known are 2 (fixed), "
			    "3 (dynamic) and 4 (differencing)", type);
	if (!f->current_size || f->current_size > INT64_MAX ||
	    !is_aligned(f->current_size, VHD_SECTOR))
		return fail(err, -EUCLEAN, "size is %" PRIu64 ", expected a multiple of 512",
			    f->current_size);
	if (type == VHD_FIXED)
		return 0;
	if (f->data_offset < VHD_FOOTER || f->data_offset > VHD_FILE_MAX ||
	    !is_aligned(f->data_offset, VHD_SECTOR))
		return fail(err, -EUCLEAN, "offset of the dynamic header is 0x%" PRIx64
			    ", expected a multiple of 512 from 512 on", f->data_offset);
	return 0;
}

int vhd_footer_parse(const uint8_t *bytes, uint32_t length, struct vhd_footer *out,
		     struct vd_error *err)
{
	uint32_t type = be32(bytes + 60);
	int r;

	if (!vhd_has_footer_cookie(bytes))
		return fail(err, -EUCLEAN, "there is no footer");
	r = check_sum(bytes, length, FOOTER_CHECKSUM, err);
	if (!r)
		r = check_version(be32(bytes + 12), err);
	if (r)
		return r;
	*out = (struct vhd_footer){
		.data_offset = be64(bytes + 16),
		.timestamp = be32(bytes + 24),
		.creator_version = be32(bytes + 32),
		.original_size = be64(bytes + 40),
		.current_size = be64(bytes + 48),
		.cylinders = be16(bytes + 56),
		.heads = bytes[58],
		.sectors = bytes[59],
		.disk_type = type,
		.saved_state = bytes[84] != 0,
	};
	memcpy(out->creator_application, bytes + 28, 4);
	memcpy(out->creator_host_os, bytes + 36, 4);
	uuid_from_guid(&out->unique_id, bytes + 68);
	return footer_validate(out, type, err);
}

void vhd_footer_build(uint8_t bytes[VHD_FOOTER], const struct vhd_footer *f)
{
	memset(bytes, 0, VHD_FOOTER);
	memcpy(bytes, FOOTER_COOKIE, 8);
	put_be32(bytes + 8, 2); /* features: the reserved bit, which is always set */
	put_be32(bytes + 12, VHD_VERSION);
	put_be64(bytes + 16, f->data_offset);
	put_be32(bytes + 24, f->timestamp);
	memcpy(bytes + 28, f->creator_application, 4);
	put_be32(bytes + 32, f->creator_version);
	memcpy(bytes + 36, f->creator_host_os, 4);
	put_be64(bytes + 40, f->original_size);
	put_be64(bytes + 48, f->current_size);
	put_be16(bytes + 56, f->cylinders);
	bytes[58] = f->heads;
	bytes[59] = f->sectors;
	put_be32(bytes + 60, f->disk_type);
	uuid_to_guid(bytes + 68, &f->unique_id);
	bytes[84] = f->saved_state;
	put_be32(bytes + FOOTER_CHECKSUM, vhd_checksum(bytes, VHD_FOOTER, FOOTER_CHECKSUM));
}

static int dynamic_validate(const struct vhd_dynamic *d, struct vd_error *err)
{
	if (d->table_offset < VHD_FOOTER || d->table_offset > VHD_FILE_MAX ||
	    !is_aligned(d->table_offset, VHD_SECTOR))
		return fail(err, -EUCLEAN, "offset of the block table is 0x%" PRIx64
			    ", expected a multiple of 512 from 512 on", d->table_offset);
	if (!is_power_of_2(d->block_size) || d->block_size < VHD_BLOCK_MIN)
		return fail(err, -EUCLEAN, "block size is %" PRIu32
			    ", expected a power of two from 512 on", d->block_size);
	if (d->block_size > VHD_BLOCK_MAX)
		return fail(err, -ENOTSUP, "block size is %" PRIu32 ", supported are at most %u",
			    d->block_size, VHD_BLOCK_MAX);
	return 0;
}

int vhd_dynamic_parse(const uint8_t bytes[VHD_HEADER], struct vhd_dynamic *out,
		      struct vd_error *err)
{
	int r;

	if (memcmp(bytes, HEADER_COOKIE, 8))
		return fail(err, -EUCLEAN, "it does not begin with \"" HEADER_COOKIE "\"");
	r = check_sum(bytes, VHD_HEADER, HEADER_CHECKSUM, err);
	if (!r)
		r = check_version(be32(bytes + 24), err);
	if (r)
		return r;
	*out = (struct vhd_dynamic){
		.table_offset = be64(bytes + 16),
		.max_table_entries = be32(bytes + 28),
		.block_size = be32(bytes + 32),
		.parent_timestamp = be32(bytes + 56),
	};
	uuid_from_guid(&out->parent_unique_id, bytes + 40);
	memcpy(out->parent_name, bytes + 64, VHD_NAME);
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const uint8_t *p = bytes + HEADER_LOCATORS + i * 24;

		out->locator[i] = (struct vhd_locator){
			.code = be32(p),
			.data_space = be32(p + 4),
			.data_length = be32(p + 8),
			.data_offset = be64(p + 16),
		};
	}
	return dynamic_validate(out, err);
}

void vhd_dynamic_build(uint8_t bytes[VHD_HEADER], const struct vhd_dynamic *d)
{
	memset(bytes, 0, VHD_HEADER);
	memcpy(bytes, HEADER_COOKIE, 8);
	put_be64(bytes + 8, NO_OFFSET);
	put_be64(bytes + 16, d->table_offset);
	put_be32(bytes + 24, VHD_VERSION);
	put_be32(bytes + 28, d->max_table_entries);
	put_be32(bytes + 32, d->block_size);
	uuid_to_guid(bytes + 40, &d->parent_unique_id);
	put_be32(bytes + 56, d->parent_timestamp);
	memcpy(bytes + 64, d->parent_name, VHD_NAME);
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		uint8_t *p = bytes + HEADER_LOCATORS + i * 24;

		put_be32(p, d->locator[i].code);
		put_be32(p + 4, d->locator[i].data_space);
		put_be32(p + 8, d->locator[i].data_length);
		put_be64(p + 16, d->locator[i].data_offset);
	}
	put_be32(bytes + HEADER_CHECKSUM, vhd_checksum(bytes, VHD_HEADER, HEADER_CHECKSUM));
}

/*
 * The specification's formula. The product may be less than the size; the size is what counts, but
 * some programs (see vhd-create.c) take the product.
 */
void vhd_geometry(uint64_t size, struct vhd_footer *f)
{
	uint64_t total = min_u64(size / VHD_SECTOR, 65535 * 16 * 255);
	uint64_t sectors, heads, tracks;

	if (total >= 65535 * 16 * 63) {
		sectors = 255;
		heads = 16;
		tracks = total / sectors;
	} else {
		sectors = 17;
		tracks = total / sectors;
		heads = max_u64(4, div_up(tracks, 1024));
		if (tracks >= heads * 1024 || heads > 16) {
			sectors = 31;
			heads = 16;
			tracks = total / sectors;
		}
		if (tracks >= heads * 1024) {
			sectors = 63;
			heads = 16;
			tracks = total / sectors;
		}
	}
	f->cylinders = (uint16_t)(tracks / heads);
	f->heads = (uint8_t)heads;
	f->sectors = (uint8_t)sectors;
}

/* A bit a sector, padded to whole sectors. */
uint32_t vhd_bitmap_size(uint32_t block_size)
{
	uint32_t bytes = (block_size / VHD_SECTOR + 7) / 8;

	return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}
