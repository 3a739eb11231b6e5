/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * storage.h - a numbered row of bytes: the vtable of the storage layer and its contract.
 *
 * A storage knows nothing of images. It is a file, a block device, memory, a LUN; or it is stacked
 * on another storage and changes how that behaves (fault, record, stall: for tests).
 *
 * Contract
 *  - All calls but close may be made from any thread at the same time.
 *  - pread and pwrite move everything or fail: 0 or -errno. Reading past the end is -EINVAL: the
 *    caller knows the size. Writing past the end grows the storage, the gap reads as zeros.
 *  - offset, length and buffers are multiples of `align` (1: any). The core bounces. Where the size
 *    need not be a multiple, pread_end and pwrite_end move what lies behind the last one.
 *  - punch makes a range inside the storage read as zeros and gives space back if it can; the size
 *    stays. -EOPNOTSUPP: the caller writes zeros. zero is the same but keeps the space reserved.
 *  - truncate sets the size; grown space reads as zeros.
 *  - sync is the only ordering point: what was completed before it was called is durable when it
 *    returns 0; without it anything since the last one may be lost or kept, sector by sector.
 *  - extent tells data from holes, which read as zeros (a storage that cannot tell has NULL here:
 *    all is data).
 *  - lock may be called again, to change between reading and writing; the old lock is kept if that
 *    fails. The size may be another one afterwards than when the storage was opened.
 */
#ifndef VIMG_STORAGE_H
#define VIMG_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vdisk.h"

struct vd_storage;

struct vd_storage_ops {
	const char *name;
	int (*preadv)(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset);
	/* As preadv, but gives up rather than wait: how many bytes it read, at least one, or
	 * -EAGAIN. NULL: it always might wait. */
	int64_t (*preadv_now)(struct vd_storage *s, const struct iovec *iov, int n,
			      uint64_t offset);
	int (*pwritev)(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset);
	/* Any alignment. NULL: sizes are multiples of `align`. */
	int (*pread_end)(struct vd_storage *s, void *buf, uint64_t length, uint64_t offset);
	int (*pwrite_end)(struct vd_storage *s, const void *buf, uint64_t length, uint64_t offset);
	int (*sync)(struct vd_storage *s);
	int (*truncate)(struct vd_storage *s, uint64_t size);
	int (*punch)(struct vd_storage *s, uint64_t offset, uint64_t length);
	int (*zero)(struct vd_storage *s, uint64_t offset, uint64_t length);
	int (*size)(struct vd_storage *s, uint64_t *size);
	/* The first extent at offset: *data says what it is, *length how long, at most `limit` and
	 * to the end. Neighbours of one kind may follow. -EINVAL where it begins past the end. */
	int (*extent)(struct vd_storage *s, uint64_t offset, uint64_t limit, bool *data,
		      uint64_t *length);
	/* Bytes of the host's disk in use. NULL: as many as the size. */
	int (*allocated)(struct vd_storage *s, uint64_t *bytes);
	/* Exclude others (see lock.c). NULL: nothing to exclude. */
	int (*lock)(struct vd_storage *s, bool write, struct vd_error *err);
	void (*close)(struct vd_storage *s);
};

/* Embedded as the first member of each storage. */
struct vd_storage {
	const struct vd_storage_ops *ops;
	uint32_t align;		/* of offset, length and buffers; 1 or a power of two */
	bool writable;
	char *path;		/* for messages; owned */
};

/* What the layers above call. These split, check and fill in for missing callbacks. */
int storage_pread(struct vd_storage *s, void *buf, uint64_t length, uint64_t offset);
int storage_pwrite(struct vd_storage *s, const void *buf, uint64_t length, uint64_t offset);
int storage_preadv(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset);
int storage_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset);
/* How many bytes, or an error: then preadv knows better. At most IOV_MAX pieces. */
int64_t storage_preadv_now(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset);
/* Behind the last multiple of the alignment; -EINVAL where there can be nothing. */
int storage_pread_end(struct vd_storage *s, void *buf, uint64_t length, uint64_t offset);
int storage_pwrite_end(struct vd_storage *s, const void *buf, uint64_t length, uint64_t offset);
bool storage_has_end(const struct vd_storage *s);
int storage_sync(struct vd_storage *s);
int storage_truncate(struct vd_storage *s, uint64_t size);
/* Zeros by the best means there is: punch (unmap) or zero, else written. Inside the size. */
int storage_zero(struct vd_storage *s, uint64_t offset, uint64_t length, bool unmap);
int storage_size(struct vd_storage *s, uint64_t *size);
int storage_extent(struct vd_storage *s, uint64_t offset, uint64_t limit, bool *data,
		   uint64_t *length);
int storage_allocated(struct vd_storage *s, uint64_t *bytes);
int storage_lock(struct vd_storage *s, bool write, struct vd_error *err);
void storage_close(struct vd_storage *s); /* NULL is allowed */

/* storage/file.c: a regular file or block device. Opens without following into anything but those
 * two kinds (a FIFO never blocks it). */
int storage_open_file(const char *path, bool writable, struct vd_storage **out,
		      struct vd_error *err);
/* Makes a new file; -EEXIST if there is one. */
int storage_create_file(const char *path, struct vd_storage **out, struct vd_error *err);
int storage_file_fd(struct vd_storage *s);	/* -1 if it is no file */
/* Past the page cache from now on; before anybody uses the file. Sets `align`. */
int storage_file_set_direct(struct vd_storage *s, struct vd_error *err);

/* storage/memory.c: bytes in memory, zero-filled, `size` long, growing with writes. Sparse: memory
 * is taken by 4 KiB pieces that were written. `align` as above, to test alignment. */
int storage_open_memory(uint64_t size, uint32_t align, struct vd_storage **out);

/*
 * Stacked storages for tests. Each takes over `lower` and closes it.
 *
 * storage/fault.c: the Nth call of a kind fails with `error`, once or from then on.
 */
enum fault_kind {
	FAULT_READ = 1, FAULT_WRITE = 2, FAULT_SYNC = 4, FAULT_RESIZE = 8, FAULT_ZERO = 16,
	FAULT_ALL = 31,
};
int storage_open_fault(struct vd_storage *lower, struct vd_storage **out);
/* Counts from the next call: the `nth` (from 1) of `kinds` fails; 0 only counts. */
void storage_fault_arm(struct vd_storage *s, unsigned kinds, uint64_t nth, int error,
		       bool for_ever);
bool storage_fault_fired(struct vd_storage *s);
uint64_t storage_fault_calls(struct vd_storage *s);	/* seen since it was armed */

/*
 * storage/record.c: keeps a log of all that changes the storage, with the barriers between, and
 * makes from it what a power cut could have left: the state at the start, with all writes before
 * the last kept barrier, and any subset of the 512-byte sectors written after it.
 */
int storage_open_record(struct vd_storage *lower, struct vd_storage **out);
uint64_t storage_record_length(struct vd_storage *s);	/* entries so far, barriers included */
/*
 * The storage as a power cut could leave it once the first `upto` entries have begun (a barrier:
 * has ended), as a fresh memory storage. What a barrier among them covers is there: all that had
 * been completed when that sync began. Of the other entries seed 0 keeps all, another seed a
 * pseudo-random subset: whole entries for odd seeds; for even ones single sectors of writes, and
 * other entries whole. Where a write that made the storage grow is kept in part, the lost sectors
 * read as zeros. The same question has the same answer. Cheap when asked with growing `upto`.
 */
int storage_record_cut(struct vd_storage *s, uint64_t upto, uint64_t seed,
		       struct vd_storage **out);

/* storage/stall.c: while it is on, calls of these kinds (enum fault_kind) wait. */
int storage_open_stall(struct vd_storage *lower, struct vd_storage **out);
void storage_stall_set(struct vd_storage *s, unsigned kinds);	/* 0 lets all go on */
unsigned storage_stall_waiting(struct vd_storage *s);

#endif
