/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history.h - what each sector of a disk may hold after a power cut: what the last completed flush
 * made durable, or the content of a write, zero or discard to it begun since. Where a format lays
 * guest sectors across those of the file, which alone are written whole or not at all, that holds
 * for each of the two parts of a guest sector.
 *
 * Beneath the disk is a storage that records (storage/record.c); "when" is a length of its log.
 * Threads may add to the history at the same time as long as no two of them touch one sector.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdatomic.h>

#include "model.h"

struct history {
	struct vd_storage *record;
	uint64_t size;
	unsigned tear;			/* a part ends so far in each sector; 0: they are whole */
	struct past *sector;
	atomic_uint_fast64_t clock;	/* orders ends of operations and beginnings of flushes */
	pthread_mutex_t lock;		/* of the following */
	struct flushed *flush;
	unsigned flushes;
};

/* What `m` says is there and durable; its leaf is on `record`. */
void history_init(struct history *h, struct vd_storage *record, const struct model *m);
void history_free(struct history *h);

/* The range is about to change to what `bytes`, the whole disk, says. */
void history_begin(struct history *h, const uint8_t *bytes, uint64_t offset, uint64_t length);
void history_end(struct history *h, uint64_t offset, uint64_t length);
uint64_t history_flush_begin(struct history *h);
void history_flush_end(struct history *h, uint64_t begun);

/* NULL if the content may be there when power fails with a log of that length, else why not. */
const char *history_wrong(struct history *h, uint64_t upto, const uint8_t *bytes);

/*
 * The disk of `m` with a leaf as the cut left it: opens read-only without errors and as the history
 * says; opens for writing; and is without any finding afterwards, with the same bytes; and can be
 * written to. `deep`: the first writable opening is itself cut at each point.
 */
struct cut {
	struct model *m;
	struct history *h;
	uint64_t upto, seed;
	bool deep;
};

void cut_check(const struct cut *c);
/* At every point of the log, or at most `most` of them, with as many subsets of what was not yet
 * flushed. */
void cut_everywhere(struct model *m, struct history *h, struct rng *r, unsigned most,
		    unsigned subsets);

#endif
