/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chainmap.h - the merged map of a chain: where each byte of the disk is, whatever image has it.
 *
 * Guest space is cut into buckets of 2 MiB. A bucket holds runs that cover it without gaps, at byte
 * precision; it is filled and evicted whole, and writes that move something patch it. So a look-up
 * costs the same at every depth of a chain. Not thread safe: the disk's lock protects it.
 */
#ifndef VIMG_CHAINMAP_H
#define VIMG_CHAINMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUCKET_SHIFT 21
#define BUCKET_SIZE (UINT64_C(1) << BUCKET_SHIFT)

enum run_kind {
	RUN_DATA,
	RUN_ZERO,	/* also: absent everywhere */
	RUN_ERROR,	/* an entry that points outside its file */
	RUN_ABSENT,	/* the missing parent's: only without parents (VD_OPEN_NO_PARENT) */
};

/* A piece of the disk. */
struct run {
	uint64_t start, length;	/* in the disk */
	uint64_t offset;	/* in the file */
	uint16_t level;		/* image; DATA only */
	uint8_t file;		/* of that image */
	uint8_t kind;		/* enum run_kind */
	bool in_place;		/* the leaf's, and may be overwritten there */
};

struct bucket;

struct chainmap {
	struct bucket **table;
	size_t mask;		/* slots - 1 */
	size_t count;
	size_t bytes, limit;
	struct bucket *newest, *oldest;
};

int chainmap_init(struct chainmap *m, size_t limit);
void chainmap_free(struct chainmap *m);

/* The runs from offset on, at most max and at most length bytes, cut to that. 0: not filled. */
unsigned chainmap_get(struct chainmap *m, uint64_t offset, uint64_t length, struct run *out,
		      unsigned max);
/* Fills the bucket at `start`, a multiple of BUCKET_SIZE. The runs follow each other without gap
 * from start on. -ENOMEM is harmless: it stays unfilled. */
int chainmap_put(struct chainmap *m, uint64_t start, const struct run *runs, unsigned count);
/* What is known of the run's range now is this. May cross buckets. */
void chainmap_patch(struct chainmap *m, const struct run *run);
/* Forget what touches the range. */
void chainmap_drop(struct chainmap *m, uint64_t offset, uint64_t length);

#endif
