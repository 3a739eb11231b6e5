/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trial.h - a fixed list of operations on one disk, done again and again while something fails, and
 * what the disk may hold afterwards.
 *
 * What a failed change leaves is its old or its new content. What was flushed stays. Bytes are a
 * function of place and operation, so that it is enough to remember, for each piece of the disk,
 * which operations it may come from.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include "model.h"

#define TRIAL_OPS 40	/* at most 62: bits of a word, and the initial content */

enum trial_kind { TRIAL_WRITE, TRIAL_ZERO, TRIAL_DISCARD, TRIAL_FLUSH };

struct trial_op {
	enum trial_kind kind;
	uint64_t offset, length;
	unsigned flags;
};

struct trial {
	struct model m;			/* before the operations; its leaf is copied for each run */
	struct trial_op op[TRIAL_OPS];
	unsigned ops;
	uint64_t pieces;
	uint64_t *now;			/* of each piece: which operations it may come from */
	uint64_t *since;		/* the same, if what was not flushed may be lost */
	uint8_t *buf;
	struct vd_storage *record;	/* under the leaf of this run */
	int closed;			/* what vd_close() said; 1: opening failed */
};

void trial_init(struct trial *t, const struct kind *kind, unsigned parents, uint64_t seed);
void trial_free(struct trial *t);

/* Makes record, a fresh copy of the leaf that records. */
void trial_begin(struct trial *t);
/*
 * Opens the disk with `leaf`, which is taken over and goes to record, does all that is on the list
 * and closes it. `fails(opaque, true)` is called before the first of our calls that may fail,
 * `fails(opaque, false)` after the last; what may be called between those allocates nothing itself.
 * Returns whether nothing at all failed.
 */
typedef void trial_fails_fn(void *opaque, bool on);
bool trial_run(struct trial *t, struct vd_storage *leaf, trial_fails_fn *fails, void *opaque,
	       const char *what);
/* What is there, also after a power cut now, is sound and may be there. Ends what begin began. */
void trial_end(struct trial *t, unsigned cuts, const char *what);

#endif
