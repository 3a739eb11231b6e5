/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk.h - a disk from inside the library: its parts and how they are locked.
 *
 *   vd_readv ---> chain map ---> (file, offset) ---> storage            no lock while data moves
 *                    | miss
 *                    v
 *                 resolve: format->map() of the leaf, its parent, ...   memory only, under `lock`
 *                    | -EAGAIN
 *                    v
 *                 metadata cache: loads a page without the lock, tries again
 *
 * Locks, in the order in which they are taken:
 *   gate         every transfer of the guest's data goes through; who moves data that is there, or
 *                closes the disk, shuts it
 *   range        a thread that holds one (rangelock.h) may take all that follow
 *   flush_lock   one flush at a time
 *   grow_lock    a file grows in one thread at a time
 *   lock         drivers' state, metadata cache, chain map. Held for memory work only.
 */
#ifndef VIMG_DISK_H
#define VIMG_DISK_H

#include <pthread.h>

#include "core/image.h"
#include "core/chainmap.h"
#include "core/gate.h"
#include "core/meta.h"
#include "core/rangelock.h"

struct engine;
struct ring_op;

struct vd_disk {
	struct vd_image **image;	/* leaf first */
	unsigned count;
	uint64_t size;
	bool writable;
	unsigned files;			/* of all images: ids of the metadata cache */

	struct gate gate;
	struct rangelocks ranges;
	pthread_mutex_t flush_lock;
	pthread_mutex_t grow_lock;
	pthread_mutex_t lock;

	/* Under lock. */
	struct meta meta;
	struct chainmap map;
	uint64_t patches;		/* how often the leaf's map changed */
	bool begun;			/* the leaf was changed since it was opened */

	int failed;			/* atomic: a sync failed; no more writes */
	int background_error;		/* atomic: for the next vd_flush */

	/* flush.c: the thread that flushes in the background; under bg_lock. */
	pthread_mutex_t bg_lock;
	pthread_cond_t bg_wake;
	pthread_t bg_thread;
	bool bg_running, bg_stop, bg_now;
	bool bg_dirty;			/* atomic: something is not durable yet */
	uint64_t bg_bytes;		/* atomic: written since the last flush began */

	pthread_mutex_t engine_lock;	/* before a group's; of the following */
	struct engine *engine;		/* io/engine.c; NULL until the first request */
	struct vd_group *group;		/* atomic; io/group.c, or NULL */

	pthread_mutex_t ops_lock;	/* last of all; of: */
	struct ring_op *ops;		/* io/ring.c: requests in rings */
};

static inline struct vd_image *disk_leaf(const struct vd_disk *d)
{
	return d->image[0];
}

/* resolve.c: the merged extent at offset, straight from the drivers. Under lock; 0 or -EAGAIN. */
int resolve(struct vd_disk *d, uint64_t offset, uint64_t length, struct run *out);

/*
 * resolve.c: up to `max` runs that begin at offset and cover at most length bytes, from the chain
 * map, which is filled as needed. Takes the lock, may wait for metadata. *covered: how far they
 * reach. Returns the number of runs or -errno.
 */
int lookup(struct vd_disk *d, uint64_t offset, uint64_t length, struct run *runs, unsigned max,
	   uint64_t *covered);

/* The same without waiting for anything: 0 where not all that is needed is in memory. */
unsigned lookup_in_memory(struct vd_disk *d, uint64_t offset, uint64_t length, struct run *runs,
			  unsigned max, uint64_t *covered);

/* Calls a hot call of a driver until it no longer says -EAGAIN. `disk_wait` is called with the
 * lock held and returns with it held: it gets what was needed. */
int disk_wait(struct vd_disk *d);

#define HOT_CALL(d, call) ({					\
	int hot_r_;						\
	while ((hot_r_ = (call)) == -EAGAIN) {			\
		hot_r_ = disk_wait(d);				\
		if (hot_r_)					\
			break;					\
	}							\
	hot_r_;							\
})

/* transfer.c: data between caller's memory and one file, of any alignment. */
int file_preadv(struct vd_file *f, const struct iovec *iov, int n, uint64_t offset);
int file_pwritev(struct vd_file *f, const struct iovec *iov, int n, uint64_t offset);
int file_zero(struct vd_file *f, uint64_t offset, uint64_t length, bool unmap);
/* Whether such a transfer needs no bouncing. */
bool file_aligned(const struct vd_file *f, const struct iovec *iov, int n, uint64_t offset);

/* write.c: whether the leaf may be changed; makes it ready for its first change. */
int disk_begin(struct vd_disk *d);

/* flush.c */
int disk_flush(struct vd_disk *d);
/* Whether a flush would find nothing to do, as far as that is seen without waiting. */
bool disk_is_flushed(struct vd_disk *d);
/* Something is to be flushed. Starts the thread. */
void disk_mark_dirty(struct vd_disk *d, uint64_t bytes);
void disk_stop_background(struct vd_disk *d);

/* A cursor over an iovec. */
struct cursor {
	const struct iovec *iov;
	int n;
	size_t skip;	/* of iov[0] */
};

/* Takes the next `length` bytes as at most `max` pieces; the cursor moves on. Returns the bytes in
 * the *n pieces (less than length when there are more pieces). */
uint64_t cursor_take(struct cursor *c, uint64_t length, struct iovec *out, int max, int *n);
void cursor_skip(struct cursor *c, uint64_t n);
uint64_t iov_bytes(const struct iovec *iov, int n);

/* The next `length` bytes to or from one place of a file. */
int cursor_read(struct cursor *c, struct vd_file *f, uint64_t offset, uint64_t length);
int cursor_write(struct cursor *c, struct vd_file *f, uint64_t offset, uint64_t length);
void cursor_zero(struct cursor *c, uint64_t length);

/* io/queue.c: waits for all requests of the disk that are in a ring; the caller sees to it that no
 * more come that matter. */
void disk_drain(struct vd_disk *d);

/* io/engine.c */
void engine_free(struct engine *e);
/* pthread_create() for a thread of ours: it takes none of the program's signals. */
int engine_thread(pthread_t *thread, void *(*run)(void *), void *opaque);

#endif
