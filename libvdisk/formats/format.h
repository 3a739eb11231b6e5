/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * format.h - one image of a chain, in one format: the driver's vtable and its contract.
 *
 * A format is a map, not an I/O path. A driver moves no guest data. It answers where guest bytes
 * are and where new ones may go, and says which bytes of metadata change and in which phase of a
 * flush; the core does the rest, the same way for every format.
 *
 * The calls fall into two kinds.
 *
 * Hot calls (map, reserve, publish, cancel, zero, begin_write, end_write) run with the disk's lock
 * held, touch memory only and never wait. They read tables with meta_peek() and change them with
 * meta_change(). When something is not in memory those note what is needed and the driver returns
 * -EAGAIN at once; the core gets it, without the lock, and makes the call again. So a hot call
 * must change nothing before its last possible -EAGAIN.
 *
 * Cold calls (probe, identify, open, recover, create, check, close) have the image to themselves
 * and may use storage_*() of their files directly. Metadata is then read with file_read().
 *
 * Every number from the file is checked before use, at the moment it is used.
 */
#ifndef VIMG_FORMAT_H
#define VIMG_FORMAT_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/gate.h"
#include "storage/storage.h"
#include "vdisk.h"

struct vd_image;

/* One file of an image: most formats have one, file[0]. */
struct vd_file {
	struct vd_image *image;
	struct vd_storage *storage;
	uint64_t size;		/* bytes; the core keeps it up to date, under the disk's lock */
	uint64_t durable_size;	/* what a power cut leaves of it at least; under the disk's lock */
	unsigned index;		/* in image->file */
	unsigned id;		/* in the disk: key of the metadata cache */
	bool data_dirty;	/* written since the last sync; atomic */
	struct gate rmw;	/* aligned writes go through; reading, modifying and writing back a
				   piece of the storage's alignment wants to be alone */
};

#define VD_IMAGE_FILES 1	/* enough for the formats that there are */

struct vd_image {
	const struct vd_format *format;
	struct vd_disk *disk;
	struct vd_file file[VD_IMAGE_FILES];
	unsigned files;
	char *path;
	unsigned level;			/* in the chain, 0 the leaf */
	bool writable;
	void *priv;			/* the driver's */

	/* Filled in by open; strings are malloc'ed and freed by the core. */
	uint64_t size;			/* virtual, bytes */
	uint64_t block_size;		/* what one reserve() may make necessary to fill, bytes,
					   a multiple of 512; 0: every byte is in place */
	struct vd_uuid uuid, modification, parent_uuid, parent_modification;
	bool has_parent;		/* a differencing image, whatever else it says */
	bool keeps_space;		/* fixed: zeroing and discarding give no host space back */
	char *parent_names[10];		/* recorded names of the parent, best first, UTF-8, in the
					   host's form; NULLs after the last */
	const char *variant;
	char *comment;
	char *warning;			/* one sentence, or NULL */
	bool needs_recovery;		/* set by end_write: recover() is to be called once more */

	/* The chain's, set by the core. */
	bool parent_unverified, parent_modified;
};

/* --------------------------------------------------------------------------------- metadata */

/* When a change may reach the disk; between two phases of a flush there is a barrier. */
enum meta_phase {
	META_NEW,	/* new tables and bitmaps, increased counters: with the data */
	META_POINTER,	/* what makes new data visible */
	META_FREE,	/* decreases and frees: applied to memory, too, only when the pointers are
			   durable */
};

#define META_PAGE 4096u	/* a peek must not cross a multiple of this */

/* The bytes of the file, valid until the driver returns; NULL: return -EAGAIN. */
const void *meta_peek(struct vd_file *file, uint64_t offset, uint32_t length);
/* 0, or -EAGAIN, or -ENOMEM. May cross pages. May lie beyond the file's end, which then grows. */
int meta_change(struct vd_file *file, uint64_t offset, const void *bytes, uint32_t length,
		enum meta_phase phase);
/* Whether what was changed in the range is durable. Asks for no I/O. */
bool meta_durable(struct vd_file *file, uint64_t offset, uint64_t length);
/* Whether all sectors of the range, which must not cross a page, were changed in META_NEW, in no
 * other phase, and not before the last flush took its cut. What was published together with that
 * change is then not on the disk either, so that more of the same range may be META_NEW. */
bool meta_is_new(struct vd_file *file, uint64_t offset, uint32_t length);
/* Notes that everything changed so far must be durable before the next try; returns -EAGAIN. */
int meta_need_barrier(struct vd_file *file);

/* Cold calls: straight from the storage. Past the end: -EUCLEAN with a sentence. `what` names the
 * thing ("block table"). */
int file_read(struct vd_file *file, void *buf, uint64_t length, uint64_t offset, const char *what,
	      struct vd_error *err);
int file_write(struct vd_file *file, const void *buf, uint64_t length, uint64_t offset,
	       const char *what, struct vd_error *err);

/* Zeros inside the file's size; `reserve`: with space of the host's. */
int file_write_zeros(struct vd_file *file, uint64_t offset, uint64_t length, bool reserve,
		     struct vd_error *err);
/* Makes durable what was written. After a failure nobody knows what is on the disk, and the image
 * is written to no more. */
int file_make_durable(struct vd_file *file, struct vd_error *err);

/* -------------------------------------------------------------------------------------- map */

enum map_kind {
	MAP_DATA,	/* at `offset` of `file` */
	MAP_ZERO,	/* zeros; the parent is not asked */
	MAP_ABSENT,	/* not here: the parent's, zeros in a base */
	MAP_ERROR,	/* an entry that points outside the file */
};

struct map_extent {
	enum map_kind kind;
	bool in_place;		/* DATA: may be overwritten where it is */
	uint64_t length;	/* bytes, at least 1, at most what was asked */
	struct vd_file *file;
	uint64_t offset;
};

/* A promise of space: nothing on the disk refers to it until it was published and flushed. */
struct reservation {
	/* In: what is to be written. Out: what must be filled before publishing; includes the
	 * beginning of what was asked for, and lies within one block. */
	uint64_t start, length;
	struct vd_file *file;
	uint64_t offset;	/* where `start` goes */
	uint64_t grow;		/* make the file at least this long first; 0: no need */
	bool zeroed;		/* the space reads as zeros already */
	/* Set by the core before publish(): what the range held before reads as zeros, and so does
	 * the space, durably. Whichever of data and pointer is on the disk first, each sector is
	 * old or new: publish() may use META_NEW for the pointer, which saves a sync. */
	bool unordered;
	uint64_t priv[2];	/* the driver's */
};

/* ------------------------------------------------------------------------------------ probe */

#define PROBE_HEAD 4096
#define PROBE_TAIL 512

struct probe {
	const char *path;
	const uint8_t *head;	/* PROBE_HEAD bytes, zero-filled past the end */
	const uint8_t *tail;	/* the last PROBE_TAIL bytes, zero-filled if there are fewer */
	uint64_t size;		/* of the file */
};

/* What the search for parents wants to know of a file without opening it as an image. */
struct identity {
	struct vd_uuid uuid;
	struct vd_uuid parent;
	bool has_parent;
};

/* ----------------------------------------------------------------------------------- create */

struct create_params {
	const char *path;		/* final name, for relative names of the parent */
	uint64_t size;
	uint64_t block_size;		/* 0: default */
	bool fixed;
	struct vd_uuid uuid, modification;	/* never null */
	const char *comment;		/* or NULL */
	/* A differencing image: */
	const struct vd_image *parent;	/* NULL: a base */
	int (*progress)(void *opaque, uint64_t done, uint64_t total);	/* or NULL */
	void *opaque;
};

/* To be called between pieces of what takes long. 0, or -ECANCELED, with which create must end. */
int create_progress(const struct create_params *p, uint64_t done, uint64_t total);
/* Reserves the space from `from` to `to`, inside the storage's size, as zeros, and tells the
 * progress. `to` is taken for the end of all that there is to do. */
int create_zeros(struct vd_storage *s, const struct create_params *p, uint64_t from, uint64_t to);

/* ------------------------------------------------------------------------------------ check */

struct check_ctx {
	unsigned flags;
	struct vd_check_result *result;
	vd_finding_fn *found;
	void *opaque;
	struct vd_error *err;
};

void check_finding(struct check_ctx *ctx, enum vd_finding_kind kind, bool repaired,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ----------------------------------------------------------------------------------- vtable */

struct vd_format {
	struct vd_format_info info;

	/* Is it this format, be it damaged? */
	bool (*probe)(const struct probe *p);
	/* NULL: the format has no ids. 0, or -EUCLEAN. */
	int (*identify)(const struct probe *p, struct identity *out);

	/* Reads and validates the header, fills in the image. Reads no table. On failure close is
	 * called too, with whatever priv is. */
	int (*open)(struct vd_image *img, struct vd_error *err);
	void (*close)(struct vd_image *img);
	/* A writable image, before anything else: mends what a power cut leaves (leaks, a high
	 * counter, a footer to restore), in an order that another cut does not harm. NULL: there
	 * is nothing to mend. */
	int (*recover)(struct vd_image *img, struct vd_error *err);

	/* The extent at offset; off + length is inside the virtual size. Long runs in few calls:
	 * goes on while entries continue the run and their pages are in memory. */
	int (*map)(struct vd_image *img, uint64_t offset, uint64_t length, struct map_extent *out);

	/* NULL in all of the following: every byte is in place. */

	/* Once, before the first change: modification ids and the like. */
	int (*begin_write)(struct vd_image *img);
	/* Before closing an image that was changed. *final_size: the length to cut the file to, at
	 * most its size, once what was changed is durable. */
	int (*end_write)(struct vd_image *img, uint64_t *final_size);

	int (*reserve)(struct vd_image *img, struct reservation *r);
	/* Makes it visible; from now on map() gives it as in-place data. */
	int (*publish)(struct vd_image *img, const struct reservation *r);
	void (*cancel)(struct vd_image *img, const struct reservation *r);

	/* Makes a prefix of the range, which is absent or zero here, zero by a change of map alone.
	 * *done: how much; 0: the core allocates. NULL: always allocates. */
	int (*zero)(struct vd_image *img, uint64_t offset, uint64_t length, uint64_t *done);

	/* Writes an empty image into an empty storage. NULL: not possible. */
	int (*create)(struct vd_storage *s, const struct create_params *p, struct vd_error *err);
	/*
	 * Makes the disk `size` bytes long, a multiple of 512 and more than it has; what is new reads
	 * as zeros. A cold call: nothing is dirty and nothing else runs. At each instant the image
	 * is sound on the disk, with the old size or the new; what is in memory need not agree with
	 * it afterwards, for the core closes and opens the driver again and recovers. NULL: not
	 * possible.
	 */
	int (*resize)(struct vd_image *img, uint64_t size, struct vd_error *err);
	/* Reports all that is wrong, and mends it if ctx says so. 0, or -errno if it could not go
	 * on. NULL: there is nothing to check. */
	int (*check)(struct vd_image *img, struct check_ctx *ctx);
};

/* formats.c: in probing order, NULL last. The last one, raw, takes what nobody else wants. */
extern const struct vd_format *const vd_formats[];

const struct vd_format *format_by_name(const char *name);	/* NULL if unknown */

/* foreign.c: "a VMDK" for an image in a format that has no driver; NULL for all else. */
const char *foreign_format(const struct probe *p);

/* --------------------------------------------------------------------------------- messages */

/* Fills err, if any, and returns code. */
int fail(struct vd_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Adds to what was just filled in which options would help, enum vd_remedy; returns code. */
int fail_remedy(struct vd_error *err, unsigned remedies, int code);
/* fail() with the image's path in front. */
int image_fail(const struct vd_image *img, struct vd_error *err, int code, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));
/* Sets img->warning unless there is one. */
void image_warn(struct vd_image *img, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* GUID layout (first three fields little endian) to and from the textual order. */
void uuid_from_guid(struct vd_uuid *out, const uint8_t guid[16]);
void uuid_to_guid(uint8_t guid[16], const struct vd_uuid *id);
void uuid_fresh(struct vd_uuid *out);

#endif
