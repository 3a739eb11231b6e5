/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-create.c - new VHD images: fixed, dynamic, differencing.
 *
 * Laid out as VirtualBox does. The creator is given as "win ", because QEMU takes the size from the
 * geometry, which is less or more than the size, unless it is one of a few creators that it knows;
 * nobody else looks at it.
 */
#include "formats/vhd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bytes.h"
#include "checked.h"
#include "cleanup.h"

#define TABLE_OFFSET (VHD_FOOTER + VHD_HEADER)
#define LOCATOR_SPACE 1024u	/* each has at least this much */
#define BLOCK_CREATE_MIN (64u << 10)

/* Text of the locators, made before anything is written. */
struct vhd_names {
	uint8_t text[2][VHD_TEXT_MAX];
	uint32_t length[2];
};

static uint32_t vhd_timestamp(time_t t)
{
	return t > VHD_EPOCH ? (uint32_t)(t - VHD_EPOCH) : 0;
}

static void vhd_new_footer(const struct create_params *p, struct vhd_footer *f)
{
	*f = (struct vhd_footer){
		.data_offset = p->fixed ? UINT64_MAX : VHD_FOOTER,
		.timestamp = vhd_timestamp(time(NULL)),
		.creator_version = 0x000a0000,
		.original_size = p->size,
		.current_size = p->size,
		.disk_type = p->fixed ? VHD_FIXED : p->parent ? VHD_DIFFERENCING : VHD_DYNAMIC,
		.unique_id = p->uuid,
	};
	memcpy(f->creator_application, "win ", 4);
	memcpy(f->creator_host_os, "Wi2k", 4);
	vhd_geometry(p->size, f);
}

static int vhd_create_validate(const struct create_params *p, struct vd_error *err)
{
	uint64_t block = p->block_size;

	if (!p->size || !is_aligned(p->size, VHD_SECTOR))
		return fail(err, -EINVAL, "%s: a VHD's size is a multiple of 512 bytes, not %"
			    PRIu64, p->path, p->size);
	if (p->size > VHD_SIZE_MAX)
		return fail(err, -EFBIG, "%s: %" PRIu64 " bytes are too many for a VHD, which "
			    "holds at most 2040 GiB (%" PRIu64 ")", p->path, p->size,
			    VHD_SIZE_MAX);
	if (p->fixed && p->parent)
		return fail(err, -EINVAL, "%s: a differencing VHD cannot be fixed", p->path);
	if (p->fixed && block)
		return fail(err, -EINVAL, "%s: a fixed VHD has no blocks", p->path);
	if (block && (!is_power_of_2(block) || block < BLOCK_CREATE_MIN || block > VHD_BLOCK_MAX))
		return fail(err, -EINVAL, "%s: a VHD's block size is a power of two from %u to %u, "
			    "not %" PRIu64, p->path, BLOCK_CREATE_MIN, VHD_BLOCK_MAX, block);
	if (p->comment)
		return fail(err, -ENOTSUP, "%s: a VHD has no room for a comment", p->path);
	return 0;
}

/* ----------------------------------------------------------------------------- name of parent */

static int vhd_new_locator(struct vhd_dynamic *d, struct vhd_names *names, unsigned i,
			   uint32_t code, const char *text)
{
	int n = vhd_utf16(text, false, names->text[i], VHD_TEXT_MAX);

	if (n < 0)
		return n;
	names->length[i] = (uint32_t)n;
	d->locator[i].code = code;
	d->locator[i].data_length = (uint32_t)n;
	/* Bytes, as everybody writes, although the specification says sectors. */
	d->locator[i].data_space = n > (int)LOCATOR_SPACE ?
		(uint32_t)(div_up((uint64_t)n, VHD_SECTOR) * VHD_SECTOR) : LOCATOR_SPACE;
	return 0;
}

static int vhd_new_names(const struct create_params *p, struct vhd_dynamic *d,
			 struct vhd_names *names, struct vd_error *err)
{
	const char *path = p->parent->path, *slash = strrchr(path, '/');
	CLEANUP_FREE char *absolute = realpath(path, NULL);
	CLEANUP_FREE char *relative = vhd_relative_name(p->path, path);
	int r = vhd_utf16(slash ? slash + 1 : path, true, d->parent_name, VHD_NAME);

	if (r >= 0)
		r = vhd_new_locator(d, names, 0, VHD_W2KU, absolute ? absolute : path);
	if (r >= 0)
		r = vhd_new_locator(d, names, 1, VHD_W2RU, relative ? relative : path);
	if (r == -EILSEQ)
		return fail(err, r, "%s: the parent's name %s is not valid UTF-8, and a VHD can "
			    "record no other", p->path, path);
	if (r < 0)
		return fail(err, r, "%s: the parent's name %s is too long to be recorded", p->path,
			    path);
	return 0;
}

static int vhd_new_parent(const struct create_params *p, struct vhd_dynamic *d,
			  struct vhd_names *names, struct vd_error *err)
{
	struct stat st;

	d->parent_unique_id = p->parent->uuid;
	d->parent_timestamp = vhd_timestamp(stat(p->parent->path, &st) ? time(NULL) : st.st_mtime);
	return vhd_new_names(p, d, names, err);
}

/* ------------------------------------------------------------------------------------ writing */

static int vhd_fill(struct vd_storage *s, const struct create_params *p, uint64_t offset,
		    uint64_t length)
{
	uint64_t n = min_u64(length, 256 << 10);
	CLEANUP_FREE uint8_t *ones = malloc(n);
	int r = 0;

	if (!ones)
		return -ENOMEM;
	memset(ones, 0xff, n);
	for (uint64_t done = 0; !r && done < length; done += n) {
		n = min_u64(n, length - done);
		r = storage_pwrite(s, ones, n, offset + done);
		if (!r)
			r = create_progress(p, done + n, length);
	}
	return r;
}

/* Everything but the footers. *end: where it ends. */
static int vhd_write_dynamic(struct vd_storage *s, const struct create_params *p,
			     struct vhd_dynamic *d, const struct vhd_names *names, uint64_t *end)
{
	uint8_t header[VHD_HEADER];
	uint64_t table = div_up((uint64_t)d->max_table_entries * 4, VHD_SECTOR) * VHD_SECTOR;
	uint64_t at = d->table_offset + table;
	int r = vhd_fill(s, p, d->table_offset, table);

	for (unsigned i = 0; !r && i < VHD_LOCATORS && d->locator[i].code; i++) {
		d->locator[i].data_offset = at;
		r = storage_pwrite(s, names->text[i], names->length[i], at);
		at += d->locator[i].data_space;
	}
	if (r)
		return r;
	vhd_dynamic_build(header, d);
	*end = at;
	return storage_pwrite(s, header, VHD_HEADER, VHD_FOOTER);
}

int vhd_create(struct vd_storage *s, const struct create_params *p, struct vd_error *err)
{
	struct vhd_footer f;
	struct vhd_dynamic d = { .table_offset = TABLE_OFFSET };
	CLEANUP_FREE struct vhd_names *names = NULL;
	uint8_t footer[VHD_FOOTER];
	uint64_t end = p->size;
	int r = vhd_create_validate(p, err);

	if (r)
		return r;
	vhd_new_footer(p, &f);
	vhd_footer_build(footer, &f);
	if (!p->fixed) {
		names = calloc(1, sizeof(*names));
		if (!names)
			return fail(err, -ENOMEM, "%s: out of memory", p->path);
		d.block_size = p->block_size ? (uint32_t)p->block_size : VHD_BLOCK_DEFAULT;
		d.max_table_entries = (uint32_t)div_up(p->size, d.block_size);
		if (p->parent)
			r = vhd_new_parent(p, &d, names, err);
		if (r)
			return r;
		r = vhd_write_dynamic(s, p, &d, names, &end);
		if (!r)
			r = storage_pwrite(s, footer, VHD_FOOTER, 0);
	} else {
		r = storage_truncate(s, p->size + VHD_FOOTER);
		if (!r)
			r = create_zeros(s, p, 0, p->size);
	}
	if (!r)
		r = storage_pwrite(s, footer, VHD_FOOTER, end);
	return r ? fail(err, r, "%s: cannot be written: %s", p->path, strerror(-r)) : 0;
}
