/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vdi-header.h - the header of a VDI image, parsed and built.
 *
 *   0      banner, 64 bytes of text that nobody validates
 *   64     signature, version
 *   72     header 0.1 or 1.x, below
 *   then   block table: a 32-bit index for each block
 *   then   blocks, each with `block_extra` bytes of private data in front
 *
 * All numbers little endian; ids in GUID layout. Facts: VirtualBox's VDICore.h.
 */
#ifndef VIMG_VDI_HEADER_H
#define VIMG_VDI_HEADER_H

#include <stdint.h>

#include "formats/format.h"

#define VDI_SIGNATURE 0xbeda107fu
#define VDI_FREE 0xffffffffu	/* not in this image: the parent's, or zeros in a base */
#define VDI_ZERO 0xfffffffeu	/* zeros, whatever the parent has */
#define VDI_HEADER_BYTES 512	/* enough for each version */

enum vdi_type { VDI_DYNAMIC = 1, VDI_FIXED = 2, VDI_UNDO = 3, VDI_DIFF = 4 };

struct vdi_header {
	uint32_t version;		/* major << 16 | minor */
	uint32_t header_size;		/* 0 in version 0.1 */
	uint32_t type;			/* enum vdi_type */
	uint32_t flags;
	char comment[257];
	uint64_t table;			/* offset of the block table */
	uint64_t data;			/* offset of block 0's extra data */
	uint64_t disk_size;
	uint32_t block_size, block_extra;
	uint32_t blocks, allocated;
	struct vd_uuid create, modify, link, parent_modify;
	/* Where in the file the fields are that change: */
	uint32_t at_allocated, at_modify;
};

/*
 * How many indices there may be beyond the number of blocks: while the table of a full image is made
 * longer (vdi-resize.c), the blocks that give way to it are behind all others.
 */
static inline uint64_t vdi_header_slack(const struct vdi_header *h)
{
	return 8 * (uint64_t)h->blocks / h->block_size + 4;
}

/* Validates every field against the others. `path` is for the message. */
int vdi_header_parse(const uint8_t buf[VDI_HEADER_BYTES], struct vdi_header *out,
		     const char *path, struct vd_error *err);
/* Always as version 1.1 with the large header. */
void vdi_header_build(uint8_t buf[VDI_HEADER_BYTES], const struct vdi_header *h);

#endif
