/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - a chain of images on memory storages, and beside it the plain bytes that the disk made
 * of it should hold. Everything is a function of a seed.
 *
 * Images are opened through a storage that does not close what is below it, so that an image can be
 * closed and opened again.
 */
#ifndef MODEL_H
#define MODEL_H

#include "core/image.h"
#include "storage/memory.h"
#include "test.h"

/* ------------------------------------------------------------------------------- random numbers */

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n);		/* 0 to n - 1 */
uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high);	/* both, too */
bool rng_chance(struct rng *r, unsigned percent);
void rng_fill(struct rng *r, void *buf, size_t length);

/* -------------------------------------------------------------------------------- kinds of image */

struct kind {
	const char *name;	/* the format's */
	bool fixed, child;	/* child: can have a parent */
	bool torn;		/* guest sectors lie across those of the file */
	uint32_t align;		/* the most that a storage under it may want */
	uint64_t block[4];	/* sizes to choose from */
	void (*adapt)(struct vd_storage *s);	/* makes it of what was created, or NULL */
	const char *label;	/* for messages; NULL: the name */
};

static inline const char *kind_label(const struct kind *k)
{
	return k->label ? k->label : k->name;
}

/* A new format is one line more in model.c. A format that is not built in is not among them. */
unsigned kinds(const struct kind **out);
/* NULL if there is no such kind. */
const struct kind *kind_of(const char *name, bool fixed);

/* ---------------------------------------------------------------------------------------- model */

#define MODEL_DEPTH 64

struct layer {
	const struct kind *kind;
	const struct vd_format *format;
	struct vd_storage *storage;	/* the model's */
	uint64_t block;
};

struct model {
	struct layer layer[MODEL_DEPTH];	/* the base first */
	unsigned depth;
	struct vd_disk *disk;		/* NULL while it is closed */
	uint64_t size;
	uint8_t *bytes;			/* what the disk should hold */
	uint64_t cache_size;		/* for opening */
	uint32_t align;			/* of storages made from now on */
	char what[128];			/* for messages */
};

/* Storages that are made while it is on cannot punch. */
void model_no_holes(bool on);
/* A base of that kind, closed. */
void model_init(struct model *m, const struct kind *kind, uint64_t block, uint64_t size,
		uint32_t align);
/* A child on what there is, which must be closed. */
void model_push(struct model *m, const struct kind *kind, uint64_t block, uint64_t size);
void model_free(struct model *m);

struct layer *model_leaf(struct model *m);

/* Where in each guest sector one of the file's ends; 0: they are the same sectors. A power cut may
 * tear the guest's sector there. */
unsigned model_tear(const struct model *m);

/* A storage that goes to `lower`, but leaves it open when it is closed. */
struct vd_storage *borrow(struct vd_storage *lower, bool writable);
/* Not 0 while a thread is below such a storage. */
extern _Thread_local unsigned model_in_storage;
/* Those made while it is on wait now and then, so that threads meet in more ways. */
void model_jitter(bool on);
/* Called once, in the thread that is next to write to such a storage, before that is done. */
void model_before_write(void (*fn)(void *opaque), void *opaque);
/* Opens the chain with `leaf`, which is taken over, in place of the model's own. */
int model_open_on(struct model *m, struct vd_storage *leaf, struct vd_disk **out,
		  struct vd_error *err);
void model_open(struct model *m, bool writable);
void model_close(struct model *m);

/* Complains about what vd_check finds of these kinds (bits 1 << enum vd_finding_kind). */
#define FINDINGS_ALL 7u
void check_disk(struct vd_disk *disk, unsigned level, unsigned kinds, const char *what);
/* Opens the closed model read-only: nothing is to be found at any level, and the bytes agree. */
void model_verify_closed(struct model *m);
/* The whole disk agrees with the model. */
void model_compare(struct model *m);

/* Operations on the disk and on the model, that CHECK themselves. */
void model_write(struct model *m, struct rng *r, uint64_t offset, uint64_t length);
void model_zero(struct model *m, struct rng *r, uint64_t offset, uint64_t length);
void model_read(struct model *m, struct rng *r, uint64_t offset, uint64_t length);
void model_map(struct model *m, uint64_t offset, uint64_t length);
void model_flush(struct model *m);
/* A range that likes borders of blocks. */
void model_pick(const struct model *m, struct rng *r, uint64_t *offset, uint64_t *length);
/* One of all these. */
void model_step(struct model *m, struct rng *r);

/* Pieces of a buffer, of odd lengths, with gaps between them; for `length` bytes. */
struct scatter {
	struct iovec iov[100];
	int n;
	uint8_t *buf;
	size_t room;
};

void scatter_make(struct scatter *s, struct rng *r, uint64_t length);
void scatter_load(const struct scatter *s, const uint8_t *from);
bool scatter_equals(const struct scatter *s, const uint8_t *bytes);
bool scatter_gaps_intact(const struct scatter *s);
void scatter_free(struct scatter *s);

#endif
