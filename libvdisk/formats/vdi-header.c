/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vdi-header.c - see vdi-header.h. */
#include "formats/vdi-header.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"

#define BANNER "<<< Oracle VM VirtualBox Disk Image >>>\n"
#define HEADER_1_0 384u		/* bytes from 72 on */
#define HEADER_1_1_PLUS 400u
#define FIELDS 72		/* where the versioned part begins */

static void read_comment(struct vdi_header *h, const uint8_t *p)
{
	memcpy(h->comment, p, 256);
	h->comment[256] = '\0';
}

static void parse_0(const uint8_t *b, struct vdi_header *h)
{
	h->type = le32(b + 72);
	h->flags = le32(b + 76);
	read_comment(h, b + 80);
	h->disk_size = le64(b + 352);
	h->block_size = le32(b + 360);
	h->blocks = le32(b + 364);
	h->allocated = le32(b + 368);
	uuid_from_guid(&h->create, b + 372);
	uuid_from_guid(&h->modify, b + 388);
	uuid_from_guid(&h->link, b + 404);
	h->at_allocated = 368;
	h->at_modify = 388;
	h->table = 420;
	h->data = h->table + 4 * (uint64_t)h->blocks;
}

static void parse_1(const uint8_t *b, struct vdi_header *h)
{
	h->header_size = le32(b + 72);
	h->type = le32(b + 76);
	h->flags = le32(b + 80);
	read_comment(h, b + 84);
	h->table = le32(b + 340);
	h->data = le32(b + 344);
	h->disk_size = le64(b + 368);
	h->block_size = le32(b + 376);
	h->block_extra = le32(b + 380);
	h->blocks = le32(b + 384);
	h->allocated = le32(b + 388);
	uuid_from_guid(&h->create, b + 392);
	uuid_from_guid(&h->modify, b + 408);
	uuid_from_guid(&h->link, b + 424);
	uuid_from_guid(&h->parent_modify, b + 440);
	h->at_allocated = 388;
	h->at_modify = 408;
}

static int bad(const char *path, struct vd_error *err, const char *field, uint64_t found,
	       const char *expected)
{
	return fail(err, -EUCLEAN, "%s: VDI header: %s is %llu, expected %s", path, field,
		    (unsigned long long)found, expected);
}

static int validate_layout(const struct vdi_header *h, const char *path, struct vd_error *err)
{
	uint64_t end = h->table + 4 * (uint64_t)h->blocks;
	uint64_t room;

	if (h->header_size && h->table < FIELDS + (uint64_t)h->header_size)
		return bad(path, err, "the offset of the block table", h->table,
			   "one behind the header");
	if (h->data < end)
		return bad(path, err, "the offset of the data", h->data,
			   "one behind the block table");
	if (h->block_size < 512 || !is_power_of_2(h->block_size))
		return bad(path, err, "the block size", h->block_size,
			   "a power of two, 512 or more");
	if (h->block_extra && (h->block_extra % 512 || h->block_extra > h->block_size))
		return bad(path, err, "the extra data of each block", h->block_extra,
			   "a multiple of 512, no more than a block");
	room = (uint64_t)h->blocks * h->block_size;
	if (!h->disk_size || h->disk_size > room)
		return bad(path, err, "the disk size", h->disk_size,
			   "1 to block count times block size");
	if (h->allocated > h->blocks + vdi_header_slack(h))
		return bad(path, err, "the number of allocated blocks", h->allocated,
			   "no more than there are blocks");
	return 0;
}

static int validate(struct vdi_header *h, const char *path, struct vd_error *err)
{
	if (h->version >> 16 && h->header_size < HEADER_1_0)
		return bad(path, err, "the header size", h->header_size, "384 or more");
	if (h->type < VDI_DYNAMIC || h->type > VDI_DIFF)
		return bad(path, err, "the image type", h->type,
			   "1 (dynamic), 2 (fixed), 3 (undo) or 4 (differencing)");
	if (h->flags & ~1u)
		return fail(err, -ENOTSUP, "%s: VDI header: unknown flags 0x%x", path, h->flags);
	h->disk_size -= h->disk_size % 512;	/* as VirtualBox does */
	return validate_layout(h, path, err);
}

int vdi_header_parse(const uint8_t b[VDI_HEADER_BYTES], struct vdi_header *h, const char *path,
		     struct vd_error *err)
{
	memset(h, 0, sizeof(*h));
	if (le32(b + 64) != VDI_SIGNATURE)
		return fail(err, -EUCLEAN, "%s: no VDI image: signature 0x%08x at offset 64,"
			    " expected 0x%08x", path, le32(b + 64), VDI_SIGNATURE);
	h->version = le32(b + 68);
	if (h->version == 2 || h->version == 1) /* 2: an early writer's 0.1 */
		parse_0(b, h);
	else if (h->version >> 16 == 1)
		parse_1(b, h);
	else
		return fail(err, -ENOTSUP, "%s: VDI version %u.%u, known are 0.1, 1.0 and 1.1",
			    path, h->version >> 16, h->version & 0xffff);
	return validate(h, path, err);
}

void vdi_header_build(uint8_t b[VDI_HEADER_BYTES], const struct vdi_header *h)
{
	memset(b, 0, VDI_HEADER_BYTES);
	memcpy(b, BANNER, sizeof(BANNER));
	put_le32(b + 64, VDI_SIGNATURE);
	put_le32(b + 68, 0x00010001);
	put_le32(b + 72, HEADER_1_1_PLUS);
	put_le32(b + 76, h->type);
	put_le32(b + 80, h->flags);
	memcpy(b + 84, h->comment, 256);
	put_le32(b + 340, (uint32_t)h->table);
	put_le32(b + 344, (uint32_t)h->data);
	put_le32(b + 360, 512);		/* legacy geometry: sector size */
	put_le64(b + 368, h->disk_size);
	put_le32(b + 376, h->block_size);
	put_le32(b + 380, h->block_extra);
	put_le32(b + 384, h->blocks);
	put_le32(b + 388, h->allocated);
	uuid_to_guid(b + 392, &h->create);
	uuid_to_guid(b + 408, &h->modify);
	uuid_to_guid(b + 424, &h->link);
	uuid_to_guid(b + 440, &h->parent_modify);
	put_le32(b + 468, 512);		/* geometry: sector size */
}
