/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * meta.h - the write-back cache of metadata, one for all files of a disk.
 *
 * Pages of META_PAGE bytes, valid by 512-byte sectors; dirty, in each sector, is one range of
 * bytes a phase (format.h). Only dirty bytes are written, so that guest data that happens to share
 * a page, or in packed old images a sector, with a table is never touched. A flush takes a cut:
 * copies of all that is dirty, written phase by phase.
 *
 * All calls want the disk's lock, but for meta_load() and meta_cut_write(), which do I/O.
 */
#ifndef VIMG_META_H
#define VIMG_META_H

#include <pthread.h>

#include "formats/format.h"

#define META_SECTOR 512u

struct meta_page;

struct meta {
	struct meta_page **table;
	size_t mask, count;
	size_t limit;			/* pages */
	size_t dirty_pages;
	struct meta_page *newest, *oldest;	/* all pages */
	struct meta_page *dirty;		/* list of those with dirty sectors */
	struct meta_later *later, **later_end;	/* META_FREE changes, not yet applied */

	/* What the last hot call needs before it can go on. */
	struct {
		struct vd_file *file;	/* NULL: nothing is to be loaded */
		uint64_t offset;	/* of the page */
		bool barrier;
	} need;
	pthread_cond_t loaded;		/* some page finished loading */
};

/* A change that is applied only when a flush has made the pointers durable. */
struct meta_later {
	struct meta_later *next;
	struct vd_file *file;
	uint64_t offset;
	uint32_t length;
	uint8_t bytes[];
};

int meta_init(struct meta *m, size_t bytes);
void meta_free(struct meta *m);

/* Loads the page that was needed, or waits for the thread that does. Called with `lock` held,
 * which it drops meanwhile. */
int meta_load(struct meta *m, pthread_mutex_t *lock);

/* Drops all that is clean: somebody changed the files behind the cache. */
void meta_forget(struct meta *m);

bool meta_is_dirty(const struct meta *m);
/* Whether a writer should flush before it makes more pages dirty. */
bool meta_is_crowded(const struct meta *m);

/* A cut: what a flush has to write. */
struct meta_item {
	struct vd_file *file;
	uint64_t offset;	/* of the first byte */
	uint32_t length;	/* within one sector */
	struct meta_page *page;	/* stays in memory until the cut ends */
	uint8_t order;		/* enum meta_order */
	uint8_t phases;		/* bits it was dirty in, to make it dirty again */
	uint8_t data[META_SECTOR];
};

/* Between any two of these is a barrier. Where the ranges of new things and of pointers overlap in
 * a sector it goes whole between the two. */
enum meta_order { ORDER_NEW, ORDER_MIXED, ORDER_POINTER, ORDERS };

struct meta_cut {
	struct meta_item *item;
	size_t count;
	struct meta_item **sorted;	/* by order, file, offset */
	struct meta_later *later;	/* to be applied as META_NEW when the cut is durable */
};

int meta_cut_take(struct meta *m, struct meta_cut *cut);
/* Writes the items of one order. Without the lock. *wrote: whether there were any. */
int meta_cut_write(struct meta_cut *cut, enum meta_order order, bool *wrote);
/* The flush is over. With an error everything in the cut is dirty again. */
void meta_cut_end(struct meta *m, struct meta_cut *cut, int error);

#endif
