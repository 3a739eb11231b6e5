/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vdi.h - what the files of the VDI driver share. */
#ifndef VIMG_VDI_H
#define VIMG_VDI_H

#include "formats/vdi-header.h"

#define VDI_PIECE (1u << 20)	/* bytes of table or data moved at once */

struct vdi {
	struct vdi_header h;
	uint64_t unit;		/* from block to block */
	uint32_t next;		/* index that was never used */
	uint64_t fresh;		/* the file reads as zeros from here on */
	uint32_t *spare;	/* reserved, then cancelled */
	size_t spares, spare_room;
	unsigned reserved;	/* not yet published or cancelled */
};

/* What the whole table says. */
struct vdi_scan {
	struct vd_image *img;
	struct check_ctx *ctx;	/* to report to; NULL: silent */
	uint32_t *owner;	/* of each index: the block + 1; 0: nobody's */
	uint64_t room;		/* indices that fit the file */
	uint64_t used, top;	/* entries in use; highest index + 1 */
	uint64_t outside, shared, cut;	/* cut: counted in `used`, too */
	uint64_t bad_block;	/* the first one of those */
};

/* vdi.c */
uint64_t vdi_position(const struct vdi *v, uint32_t index);
uint64_t vdi_entry_at(const struct vdi *v, uint64_t block);
/* The caller frees s->owner. */
int vdi_scan_table(struct vd_image *img, struct check_ctx *ctx, struct vdi_scan *s,
		   struct vd_error *err);
int vdi_copy_block(struct vd_image *img, uint32_t from, uint32_t to, struct vd_error *err);
int vdi_write_entry(struct vd_image *img, uint64_t block, uint32_t entry, struct vd_error *err);
/* Durably. */
int vdi_write_allocated(struct vd_image *img, uint32_t count, struct vd_error *err);
int vdi_recover(struct vd_image *img, struct vd_error *err);

/* vdi-resize.c */
int vdi_resize(struct vd_image *img, uint64_t size, struct vd_error *err);

#endif
