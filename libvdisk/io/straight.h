/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * straight.h - requests that need nothing but bytes moved between the caller's memory and files:
 * what is to be moved, as known from memory alone, so that the submitter's thread may ask.
 *
 * Reads of what is stored or zero, and writes over what is in place in the leaf. All else (tables
 * to load, space to allocate, alignment to bounce, storages that are no files) is the engine's.
 */
#ifndef VIMG_STRAIGHT_H
#define VIMG_STRAIGHT_H

#include "core/disk.h"

#define STRAIGHT_PIECES 8
/* Longer ones would keep the submitter's thread busy copying. */
#define STRAIGHT_MOST (UINT64_C(1) << 20)

struct piece {
	struct vd_file *file;	/* NULL: zeros */
	uint64_t offset, length;
};

struct straight {
	struct vd_request *rq;
	struct cursor c;	/* what is not moved yet */
	struct piece piece[STRAIGHT_PIECES];
	unsigned pieces, at;	/* those before `at` are moved; that one's rest is what it says */
};

/* Whether the request goes straight. It then holds its disk, and a file that wants alignment,
 * until straight_end(). */
bool straight_begin(struct straight *s, struct vd_request *rq);
/* Of a read, moves what takes no waiting: zeros, and from files what they have at hand, if they
 * shall be asked. Stops at the first that does. Whether that was all. */
bool straight_now(struct straight *s, bool ask_files);
/* The first n bytes of what is left are moved. */
void straight_moved(struct straight *s, uint64_t n);
/* `began`: bytes may have been written. */
void straight_end(struct straight *s, bool began);

#endif
