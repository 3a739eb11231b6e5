/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd.h - what the files of the VHD driver share.
 *
 *   vhd-header.c    footer, dynamic header, geometry: bytes <-> structures, nothing else
 *   vhd-locator.c   names of the parent: locators and UTF-16 <-> paths of the host
 *   vhd-open.c      telling a VHD, reading its headers
 *   vhd.c           the map, and space for new blocks
 *   vhd-table.c     the whole table: places of blocks, holes between them
 *   vhd-recover.c   what opening for writing mends
 *   vhd-check.c     what is wrong with an image
 *   vhd-create.c    new images
 *
 * A file of a dynamic or differencing image:
 *
 *   footer copy | dynamic header | block table | locators | block | block | ... | footer
 *   0             512              1536                     bitmap, then data     last 512 bytes
 *
 * Only the footer has a fixed place: the others are where the one before them says.
 */
#ifndef VIMG_VHD_H
#define VIMG_VHD_H

#include "formats/format.h"

#define VHD_SECTOR 512u
#define VHD_FOOTER 512u
#define VHD_FOOTER_OLD 511u		/* some old writers leave the last byte out */
#define VHD_HEADER 1024u
#define VHD_BLOCK_MIN 512u
#define VHD_BLOCK_MAX (256u << 20)
#define VHD_BLOCK_DEFAULT (2u << 20)
#define VHD_ABSENT UINT32_MAX		/* of the block table */
#define VHD_LOCATORS 8
#define VHD_NAME 512			/* bytes of the parent's name in the header */
#define VHD_TEXT_MAX 4096u		/* bytes of a locator's text that we care to read */
#define VHD_EPOCH 946684800		/* 2000-01-01T00:00:00Z in Unix time */
#define VHD_SIZE_MAX (UINT64_C(2040) << 30)	/* what others accept at most */
#define VHD_FILE_MAX (UINT64_C(0xffffffff) * VHD_SECTOR) /* reach of a table entry */

enum vhd_type { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

struct vhd_footer {
	uint64_t data_offset;		/* of the dynamic header; all ones: none */
	uint32_t timestamp;		/* of creation, seconds since VHD_EPOCH */
	char creator_application[4];
	uint32_t creator_version;
	char creator_host_os[4];
	uint64_t original_size, current_size;
	uint16_t cylinders;
	uint8_t heads, sectors;
	enum vhd_type disk_type;
	struct vd_uuid unique_id;
	bool saved_state;
};

#define VHD_CODE(a, b, c, d)							\
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define VHD_WI2R VHD_CODE('W', 'i', '2', 'r')	/* relative, 8 bits a character */
#define VHD_WI2K VHD_CODE('W', 'i', '2', 'k')	/* absolute, the same */
#define VHD_W2RU VHD_CODE('W', '2', 'r', 'u')	/* relative, UTF-16 little endian */
#define VHD_W2KU VHD_CODE('W', '2', 'k', 'u')	/* absolute, the same */
#define VHD_MACX VHD_CODE('M', 'a', 'c', 'X')	/* file: URL */

struct vhd_locator {
	uint32_t code;			/* 0: not used */
	uint32_t data_space;		/* sectors by the specification, bytes in practice */
	uint32_t data_length;		/* of the text, bytes */
	uint64_t data_offset;
};

struct vhd_dynamic {
	uint64_t table_offset;
	uint32_t max_table_entries;
	uint32_t block_size;		/* of data */
	struct vd_uuid parent_unique_id;
	uint32_t parent_timestamp;
	uint8_t parent_name[VHD_NAME];	/* UTF-16 big endian */
	struct vhd_locator locator[VHD_LOCATORS];
};

struct vhd_area {
	uint64_t offset, end;
};

struct vhd {
	struct vhd_footer footer;
	struct vhd_dynamic dynamic;
	uint8_t raw_footer[VHD_FOOTER];	/* as it is written back: keeps what we do not know */
	bool copy_differs;		/* the footer at 0 is not the one at the end */
	bool tail_lost;			/* the one at the end is unusable: the copy was taken */
	bool old_footer;		/* it has 511 bytes */
	bool mended_copy, mended_tail;	/* what opening for writing has put right */
	uint64_t mended_leak;		/* bytes */
	bool holes_left;		/* between blocks: they could not be closed */

	/* Where blocks end at the latest: at the footer, or the end of the file if that is lost.
	 * While growing this moves only when the new footer is durable. */
	uint64_t limit;

	/* Dynamic and differencing: */
	uint32_t blocks;
	unsigned shift;			/* log2 of the block size */
	uint32_t bitmap_size;		/* bytes, whole sectors */
	uint32_t block_bytes;		/* bitmap and data */
	uint32_t align;			/* data of new blocks begins at a multiple of it */
	uint32_t stride;		/* from one new block to the next */
	struct vhd_area area[VHD_LOCATORS + 4];	/* where no block may be */
	unsigned areas;
	uint64_t areas_end;

	/* Writing: */
	uint64_t next;			/* where the next new block goes */
	uint64_t virgin;		/* from here on nothing was ever written */
	uint64_t growing;		/* a footer on its way to here; 0: none */
	uint64_t *free;			/* places given back */
	size_t free_count, free_size;
	size_t reserved;		/* new blocks, not yet published or cancelled */
};

/* vhd-header.c */
uint32_t vhd_checksum(const uint8_t *bytes, uint32_t length, uint32_t field);
bool vhd_has_footer_cookie(const uint8_t *bytes);
/* `length` is VHD_FOOTER or VHD_FOOTER_OLD. -EUCLEAN, -ENOTSUP. */
int vhd_footer_parse(const uint8_t *bytes, uint32_t length, struct vhd_footer *out,
		     struct vd_error *err);
void vhd_footer_build(uint8_t bytes[VHD_FOOTER], const struct vhd_footer *f);
int vhd_dynamic_parse(const uint8_t bytes[VHD_HEADER], struct vhd_dynamic *out,
		      struct vd_error *err);
void vhd_dynamic_build(uint8_t bytes[VHD_HEADER], const struct vhd_dynamic *d);
void vhd_geometry(uint64_t size, struct vhd_footer *f);
uint32_t vhd_bitmap_size(uint32_t block_size);

/* vhd-locator.c: malloc'ed paths in the host's form, or NULL */
char *vhd_locator_path(uint32_t code, const uint8_t *text, uint32_t length);
char *vhd_name_path(const uint8_t name[VHD_NAME]);
/* UTF-16 of a UTF-8 string: bytes written, or -EILSEQ, or -ENAMETOOLONG. */
int vhd_utf16(const char *text, bool big_endian, uint8_t *out, uint32_t size);
/* The way from child's folder to parent, as locators have it (".\base.vhd"); NULL if unknown. */
char *vhd_relative_name(const char *child, const char *parent);

/* vhd-open.c */
bool vhd_probe(const struct probe *p);
int vhd_identify(const struct probe *p, struct identity *out);
int vhd_open(struct vd_image *img, struct vd_error *err);
void vhd_close(struct vd_image *img);

/* vhd.c */
bool vhd_is_sparse(const struct vhd *s);
bool vhd_block_place_ok(const struct vhd *s, uint64_t place);
/* Bytes of the block's data that lie inside the disk. */
uint64_t vhd_block_used(const struct vd_image *img, uint32_t block);
/* The first place for a new block at or past `offset`. */
uint64_t vhd_align_place(const struct vhd *s, uint64_t offset);

/* vhd-table.c */

/* More blocks than this (64 MiB of memory) are not compared with each other: at 2 MiB a block the
 * table's reach ends long before. */
#define VHD_COMPARED_MAX (16u << 20)

struct vhd_blocks {
	uint32_t *sector;	/* of the bitmap of each block that is there; sorted in the end */
	uint32_t count, size;
	bool incomplete;	/* there are more than are compared */
	uint64_t end;		/* of the last block, or of the headers */
	uint32_t moved;		/* into holes */
	bool holes;		/* that are left */
};

enum vhd_fault { VHD_SOUND, VHD_OUTSIDE, VHD_IN_HEADERS };

/* Called for each block that is there. */
typedef int vhd_block_fn(struct vd_image *img, void *opaque, uint32_t block, uint32_t sector,
			 struct vd_error *err);

int vhd_walk(struct vd_image *img, vhd_block_fn *fn, void *opaque, struct vd_error *err);
enum vhd_fault vhd_judge(const struct vd_image *img, uint32_t block, uint64_t place);
int vhd_blocks_add(struct vhd_blocks *b, uint32_t sector);
void vhd_blocks_sort(struct vhd_blocks *b);
/* Blocks begin here at the earliest: behind all that is not a block, as far as it is known. */
uint64_t vhd_headers_end(const struct vhd *s);
/* The first place between two blocks where one more fits and nothing is; 0: none. Less than a block
 * is padding. */
uint64_t vhd_hole(const struct vhd *s, uint64_t from, uint64_t to);

/* vhd-recover.c */
int vhd_recover(struct vd_image *img, struct vd_error *err);

/* vhd-check.c */
int vhd_check(struct vd_image *img, struct check_ctx *ctx);

/* vhd-create.c */
int vhd_create(struct vd_storage *s, const struct create_params *p, struct vd_error *err);

/* vhd-resize.c */
int vhd_resize(struct vd_image *img, uint64_t size, struct vd_error *err);

#endif
