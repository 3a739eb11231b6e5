/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vdisk.h - virtual machine disks: the public interface of libvdisk.
 *
 * A disk is what a guest sees: one image file and, where that is a differencing image, all its
 * parents, merged. This header opens, makes, reads, writes and checks such disks in every format
 * the library knows (VDI, VHD, raw), with the same calls for each.
 *
 * Units       Every offset, length and size is in bytes.
 * Errors      A call that can fail returns 0 or a negative errno value. Calls that open, make or
 *             check images also take a struct vd_error, which receives one sentence for a person.
 *             Codes: -EINVAL the caller's mistake; -ENOTSUP valid, but not supported;
 *             -EUCLEAN the image is damaged; -EBUSY in use by another process; -EROFS the disk was
 *             opened read-only; -EIO also for every write after a failed flush; -ECANCELED; and
 *             whatever the system calls gave. -ENOSPC, -EDQUOT and -EFBIG, the host has no room,
 *             leave the disk as usable as before: the same write or flush may be tried again.
 * Ownership   What a call gives out with `**out` is the caller's, to be closed by the named call.
 *             Strings inside structures belong to the object they were asked of, and live as long.
 * Threads     vd_read, vd_write, vd_write_zeroes, vd_discard, vd_flush, vd_map, vd_queue_submit and
 *             vd_queue_submit_now may be called on one disk from any thread at any time; reads run
 *             in parallel with everything. vd_open and vd_create may be called from any thread. vd_close wants the
 *             disk to itself. The library has no global mutable state, installs no signal handler,
 *             takes no signal in a thread of its own, and never prints.
 * Durability  A write is durable once a vd_flush that was started after the write returned has
 *             itself returned 0. After a power cut at any instant the image opens again, and each
 *             512-byte sector holds what the last completed flush made durable, or the content of
 *             a write, zero or discard to it begun since.
 */
#ifndef VDISK_H
#define VDISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VD_PUBLIC __attribute__((visibility("default")))
#else
#define VD_PUBLIC
#endif

/* "1.2.3" of the library in use. */
VD_PUBLIC const char *vd_version(void);

/* ------------------------------------------------------------------------------------ errors */

/*
 * One sentence for a person: what is wrong, in which file, at which offset, what was found and
 * what was expected. Owned by the caller, usually on the stack; may be passed as NULL everywhere;
 * untouched when the call succeeds.
 */
struct vd_error {
	char text[1024];
	unsigned remedies;		/* enum vd_remedy: options that would help, if any */
};

/* Which options of the call a person may want to give next time. */
enum vd_remedy {
	VD_REMEDY_FORCE = 1u << 0,		/* VD_OPEN_FORCE */
	VD_REMEDY_PARENT = 1u << 1,		/* vd_open_options.parents: name the file */
	VD_REMEDY_PARENT_DIR = 1u << 2,		/* vd_open_options.parent_dirs: name its folder */
	VD_REMEDY_NO_PARENTS = 1u << 3,		/* do not give vd_open_options.parents */
	VD_REMEDY_FORCE_PARENT = 1u << 4,	/* VD_OPEN_FORCE_PARENT */
	VD_REMEDY_RAW = 1u << 5,		/* vd_open_options.format = "raw" */
};

/* What a program calls these options; NULL: it does not have one. */
struct vd_option_words {
	const char *force;		/* "--force" */
	const char *parent;		/* "--parent FILE" */
	const char *parent_dir;
	const char *force_parent;
	const char *raw;		/* "--format raw" */
};

/*
 * Appends to the sentence what can be done about it, in the program's words: the library says what
 * is wrong, and knows no command line. Once only: the remedies are cleared. NULL is allowed for err.
 */
VD_PUBLIC void vd_error_advise(struct vd_error *err, const struct vd_option_words *words);

/* --------------------------------------------------------------------------------------- ids */

/*
 * 16 bytes in the order of the textual form (RFC 9562). All zero is "none". Formats that store
 * the little-endian (GUID) layout are converted when read.
 */
struct vd_uuid {
	uint8_t byte[16];
};

#define VD_UUID_TEXT 37 /* bytes of the textual form with its NUL */

VD_PUBLIC bool vd_uuid_is_null(const struct vd_uuid *id);
VD_PUBLIC bool vd_uuid_equal(const struct vd_uuid *a, const struct vd_uuid *b);
/* Lower case, no braces. `text` has VD_UUID_TEXT bytes; it is returned. */
VD_PUBLIC char *vd_uuid_format(const struct vd_uuid *id, char *text);
/* Takes either case, with or without braces. -EINVAL otherwise. */
VD_PUBLIC int vd_uuid_parse(const char *text, struct vd_uuid *id);

/* ------------------------------------------------------------------------------------- open */

struct vd_disk;

enum vd_open_flag {
	VD_OPEN_WRITE = 1u << 0,	/* the leaf writable; parents never are */
	VD_OPEN_FORCE = 1u << 1,	/* write although another image names this one as parent */
	VD_OPEN_FORCE_PARENT = 1u << 2,	/* accept a parent with another id than the recorded one */
	VD_OPEN_NO_PARENT = 1u << 3,	/* only the image itself: for looking at and checking it; what
					   is absent in a differencing image then reads as -ENOENT */
	VD_OPEN_NO_LOCK = 1u << 4,	/* take no locks (a forensic copy, a lock-less file system) */
	VD_OPEN_DIRECT = 1u << 5,	/* past the host's page cache (O_DIRECT), all images of the
					   chain; -ENOTSUP where a file system cannot. Buffers need
					   no alignment, but those at 4096 bytes save a copy */
};

/* All fields may be zero or NULL. Lists end with NULL. */
struct vd_open_options {
	const char *format;		/* a format's name; NULL: by content, raw as the last resort */
	const char *const *parents;	/* files of the next parents, from the leaf down */
	const char *const *parent_dirs;	/* more folders in which parents are looked for */
	const char *const *allow_dirs;	/* folders in which a recorded path is trusted */
	uint64_t cache_size;		/* bound of the metadata caches, bytes; 0: a default */
};

/*
 * Opens the disk whose leaf is `path`. Parents are found by what each image records: in the
 * child's folder, the folder above it, a `Snapshots` folder below it, and parent_dirs; a recorded
 * path counts only where it leads, symlinks resolved, into one of those or into an allow_dir.
 * Only regular files are opened in the search. Linkage is verified. The leaf is locked shared
 * (reading) or exclusive (writing) and its parents shared, on the byte ranges that QEMU uses.
 * Each image holds a file open; where that takes it, the process's soft limit of open files is
 * raised, and not lowered again.
 *
 * Of the chain tell -ENOENT, no parent was found; -ENOTUNIQ, several files have its id; -EUCLEAN,
 * it has another id than the recorded one, or none while another file has that one; -ELOOP, the
 * chain is endless; -EINVAL, a parent was given to a base; -EBUSY, an image that others name as
 * their parent was to be written.
 */
VD_PUBLIC int vd_open(const char *path, unsigned flags, const struct vd_open_options *options,
		      struct vd_disk **out, struct vd_error *err);

/*
 * Flushes, tidies the image up and closes it. Requests of a queue that run complete first; none may
 * wait in a bandwidth group. Returns the status of the last flush; the disk is gone in any case.
 * NULL is allowed.
 */
VD_PUBLIC int vd_close(struct vd_disk *disk);

/* -------------------------------------------------------------------------------- properties */

/* What one image of the chain says of itself. */
struct vd_image_info {
	const char *path;		/* as opened */
	const char *format;		/* "vdi", "vhd", "raw" */
	const char *variant;		/* "dynamic", "fixed", "differencing", "undo" */
	struct vd_uuid uuid;		/* null where the format has none */
	struct vd_uuid modification;	/* changes with the content; null where there is none */
	struct vd_uuid parent;		/* recorded id of the parent, null for a base */
	struct vd_uuid parent_modification; /* recorded at creation, null if not */
	bool has_parent;		/* a differencing image */
	bool parent_unverified;		/* its parent carries no id to compare */
	bool parent_modified;		/* its parent changed since this image was made */
	const char *parent_path;	/* recorded name of the parent, or NULL */
	const char *comment;		/* or NULL */
	uint64_t virtual_size;		/* bytes */
	uint64_t file_size;		/* bytes: the file's length */
	uint64_t allocated;		/* bytes on the host's disk */
	uint64_t block_size;		/* bytes; 0 where the format has no blocks */
	const char *warning;		/* what is odd but usable, or NULL */
};

VD_PUBLIC uint64_t vd_size(const struct vd_disk *disk);		/* of the leaf */
VD_PUBLIC bool vd_is_writable(const struct vd_disk *disk);
VD_PUBLIC unsigned vd_depth(const struct vd_disk *disk);	/* images in the chain, 1 or more */
/* Image `level` of the chain, 0 the leaf. -EINVAL past the end. */
VD_PUBLIC int vd_image_info(struct vd_disk *disk, unsigned level, struct vd_image_info *out);

/* ---------------------------------------------------------------------------------------- I/O */

enum vd_io_flag {
	VD_FUA = 1u << 0,	/* durable when done, as if followed by vd_flush */
	VD_MAY_UNMAP = 1u << 1,	/* vd_write_zeroes: host space may be given back */
};

/* All or nothing is reported: 0, or -errno with the buffer's or range's content undefined.
 * Past the end of the disk: -EINVAL. A length of 0 succeeds. */
VD_PUBLIC int vd_read(struct vd_disk *disk, void *buf, uint64_t length, uint64_t offset,
		      unsigned flags);
VD_PUBLIC int vd_write(struct vd_disk *disk, const void *buf, uint64_t length, uint64_t offset,
		       unsigned flags);
/* The same with scattered buffers of any alignment; the range is as long as the buffers. */
VD_PUBLIC int vd_readv(struct vd_disk *disk, const struct iovec *iov, int iovcnt, uint64_t offset,
		       unsigned flags);
VD_PUBLIC int vd_writev(struct vd_disk *disk, const struct iovec *iov, int iovcnt, uint64_t offset,
			unsigned flags);

/* After either call the range reads as zeros, in every format and at every depth of a chain. */
VD_PUBLIC int vd_write_zeroes(struct vd_disk *disk, uint64_t offset, uint64_t length,
			      unsigned flags);
/* Gives host space back where the format can. */
VD_PUBLIC int vd_discard(struct vd_disk *disk, uint64_t offset, uint64_t length, unsigned flags);

/* Makes durable all writes that were completed before the call. An error of a flush in the
 * background is given to the next caller, unless the host had no room and has it by then. Where
 * the host could not make durable what it had taken, all writes fail with -EIO from then on. */
VD_PUBLIC int vd_flush(struct vd_disk *disk);

/* ---------------------------------------------------------------------------------------- map */

enum vd_extent_kind {
	VD_EXTENT_DATA,		/* stored; may be anything */
	VD_EXTENT_ZERO,		/* reads as zeros and needs no reading */
	VD_EXTENT_ERROR,	/* reading it fails: an entry that points outside its file */
};

struct vd_extent {
	enum vd_extent_kind kind;
	uint64_t offset, length;	/* the guest's range, bytes */
	unsigned level;			/* DATA: the image it is in, 0 the leaf */
	uint64_t file_offset;		/* DATA: where it begins in that image's file */
};

/*
 * The extent at `offset`, at most `length` long. May be shorter than the longest possible one;
 * neighbours of one kind may follow. Holes of the host's file count as ZERO.
 */
VD_PUBLIC int vd_map(struct vd_disk *disk, uint64_t offset, uint64_t length,
		     struct vd_extent *out);

/* -------------------------------------------------------------------------------------- create */

enum vd_create_flag {
	VD_CREATE_FIXED = 1u << 0,	/* all space is there from the start */
	VD_CREATE_OVERWRITE = 1u << 1,	/* replace an existing file; else -EEXIST */
	VD_CREATE_FORCE_PARENT = 1u << 2, /* accept a parent whose own linkage mismatches */
};

struct vd_create_options {
	const char *format;		/* required */
	uint64_t size;			/* bytes; required for a base; 0 with a parent: the parent's */
	unsigned flags;			/* enum vd_create_flag */
	const char *parent;		/* makes a differencing image on this file */
	const char *parent_format;	/* NULL: by content */
	const struct vd_open_options *parent_open; /* how to open the parent's chain, or NULL */
	uint64_t block_size;		/* bytes; 0: the format's default */
	struct vd_uuid uuid;		/* null: a fresh one */
	const char *comment;		/* or NULL */

	/* Called now and then, in the caller's thread, with how much of the new file is written,
	 * bytes; last when all is there and durable. Not 0: nothing is made, the file is removed,
	 * and vd_create returns -ECANCELED. NULL: not called. */
	int (*progress)(void *opaque, uint64_t done, uint64_t total);
	void *opaque;
};

/*
 * Makes an empty image. It is written beside its final name and renamed when it is complete and
 * durable, so no half-made file is ever seen under `path`.
 */
VD_PUBLIC int vd_create(const char *path, const struct vd_create_options *options,
			struct vd_error *err);

/* -------------------------------------------------------------------------------------- resize */

/*
 * Makes the disk larger: the new end reads as zeros. Requests for the old range may run meanwhile;
 * the new one can be used when the call returns, and is durable then. After a power cut on the way
 * the image has the old size or the new one. Only the leaf changes. -EROFS: it is not writable;
 * -ENOTSUP: to make it smaller, what the format cannot do, and a child whose parent is larger, which
 * would show; -EINVAL: no multiple of 512, the sentence names the next one; -EFBIG: too large for
 * the format.
 */
VD_PUBLIC int vd_resize(struct vd_disk *disk, uint64_t size, struct vd_error *err);

/* --------------------------------------------------------------------------------------- check */

enum vd_check_flag {
	VD_CHECK_REPAIR = 1u << 0,	/* mend what can be mended without guessing */
};

enum vd_finding_kind {
	VD_FINDING_ERROR,	/* data is damaged or lost */
	VD_FINDING_LEAK,	/* space is lost, no data */
	VD_FINDING_MINOR,	/* a redundant field or copy is stale */
};

struct vd_check_result {
	uint64_t errors, leaks, minor;	/* findings */
	uint64_t repaired;		/* of them, mended */
	uint64_t leaked;		/* bytes */
	uint64_t allocated_blocks, total_blocks; /* 0 where the format has no blocks */
};

/* Called for each finding, in the caller's thread; `text` lives for the call. */
typedef void vd_finding_fn(void *opaque, enum vd_finding_kind kind, bool repaired,
			   const char *text);

/*
 * Checks the metadata of one image of the chain (`level` 0: the leaf). Returns 0 when the check
 * could be done, whatever it found. Repairing wants the leaf of a writable disk.
 */
VD_PUBLIC int vd_check(struct vd_disk *disk, unsigned level, unsigned flags, vd_finding_fn *found,
		       void *opaque, struct vd_check_result *out, struct vd_error *err);

/* --------------------------------------------------------------------------------------- queue */

/*
 * A queue runs requests in the background. Submitting never waits for a storage. Each request
 * completes exactly once, also when it is cancelled. Completions are collected from the queue that
 * the request was submitted to, in any order; overlapping requests are unordered. One queue may
 * carry requests for many disks, and one disk requests from many queues.
 * Any thread may submit, cancel and reap; a queue used from one thread needs no other care.
 *
 * What needs no waiting is done when submitting returns. Requests for files run in io_uring where
 * that is allowed, else in threads; with io_uring, system calls of the submitting thread may end
 * with EINTR though no signal came (epoll_wait does). A child made by fork() must not use a queue
 * of its parent.
 */
struct vd_queue;

enum vd_op {
	VD_OP_READ,
	VD_OP_WRITE,
	VD_OP_WRITE_ZEROES,
	VD_OP_DISCARD,
	VD_OP_FLUSH,
	VD_OP_MAP,			/* vd_map, again and again */
};

/*
 * Owned by the caller, filled before submission, not touched until it was reaped. A flush covers
 * the requests that were completed before it was submitted.
 */
struct vd_request {
	struct vd_disk *disk;
	enum vd_op op;
	unsigned flags;			/* enum vd_io_flag */
	uint64_t offset;		/* bytes */
	uint64_t length;		/* WRITE_ZEROES, DISCARD, MAP; READ and WRITE take it from iov */
	/* READ, WRITE: lives until the request is reaped. MAP: one, an array of struct vd_extent,
	 * which is filled until it or the range ends; the rest of it is zeroed. */
	const struct iovec *iov;
	int iovcnt;
	void *opaque;			/* the caller's */

	int status;			/* when reaped: 0 or -errno */

	void *private_[6];		/* the queue's */
};

VD_PUBLIC int vd_queue_create(struct vd_queue **out);
/* Waits for the requests that are still running and drops their completions. */
VD_PUBLIC void vd_queue_destroy(struct vd_queue *queue);
/* An eventfd, readable while there is something to reap. Owned by the queue; reaping resets it. */
VD_PUBLIC int vd_queue_fd(const struct vd_queue *queue);
/* 0; or -EINVAL, -ENOMEM or -EAGAIN (no thread to run it): then it is not taken, and does not
 * complete. */
VD_PUBLIC int vd_queue_submit(struct vd_queue *queue, struct vd_request *request);
/*
 * The same for a caller that takes completions where it submits: 1 if the request was done without
 * waiting. Then it has succeeded, is not to be reaped, and the descriptor does not tell of it.
 */
VD_PUBLIC int vd_queue_submit_now(struct vd_queue *queue, struct vd_request *request);
/*
 * Collects up to `max` completed requests. Waits for the first one at most timeout_ms
 * milliseconds (0: not at all, -1: for ever, but not when nothing is in flight). Returns how many,
 * or -errno.
 */
VD_PUBLIC int vd_queue_reap(struct vd_queue *queue, struct vd_request **out, unsigned max,
			    int timeout_ms);
/*
 * Asks that a request ends early. One that has not begun completes with -ECANCELED; one that runs
 * ends as it would. Either way it completes once and must be reaped. 0, or -ENOENT if the queue
 * does not hold it (any more).
 */
VD_PUBLIC int vd_queue_cancel(struct vd_queue *queue, struct vd_request *request);

/* ----------------------------------------------------------------------------- bandwidth groups */

/*
 * Disks of one group share a limit in bytes per second, reads and writes together, whatever queues
 * their requests come from. What exceeds it waits, first come first served; a long request goes
 * when the earlier ones are paid for, and those after it wait its time out. It is the requests of a
 * queue that are paced, not the synchronous calls, and no flush, zeroing or discard. A waiting
 * request takes up no thread and has taken nothing of the limit: cancelled, it completes at once.
 * All calls may be made from any thread.
 */
struct vd_group;

/* 0: no limit. */
VD_PUBLIC int vd_group_create(uint64_t bytes_per_second, struct vd_group **out);
/* The program's own reference; each disk in the group has another. NULL is allowed. */
VD_PUBLIC void vd_group_unref(struct vd_group *group);
/* Counts at once, also for requests that wait already. */
VD_PUBLIC void vd_group_set_limit(struct vd_group *group, uint64_t bytes_per_second);
VD_PUBLIC uint64_t vd_group_limit(struct vd_group *group);

/* What came by since the group was made. Between two looks at the same limit, no more bytes are let
 * go than the limit gives in that time and 0.1 s, and those of one request. */
struct vd_group_statistics {
	uint64_t time;			/* of the look: CLOCK_MONOTONIC, ns */
	uint64_t requests, bytes;	/* let go, at once or later; reads and writes */
	uint64_t delayed;		/* of these requests: had to wait */
	uint64_t cancelled;		/* while they waited: not among the requests */
	uint64_t waiting;		/* now */
};
VD_PUBLIC void vd_group_get_statistics(struct vd_group *group, struct vd_group_statistics *out);
/* Into that group, out of the one before; NULL: into none. -EBUSY while requests of the disk wait
 * in the one before. */
VD_PUBLIC int vd_set_group(struct vd_disk *disk, struct vd_group *group);

/* ------------------------------------------------------------------------------------- formats */

enum vd_format_cap {
	VD_CAP_CREATE_DYNAMIC = 1u << 0,
	VD_CAP_CREATE_FIXED = 1u << 1,
	VD_CAP_DIFFERENCING = 1u << 2,
	VD_CAP_WRITE = 1u << 3,
	VD_CAP_UUID = 1u << 4,
};

struct vd_format_info {
	const char *name;		/* "vdi" */
	const char *description;
	const char *const *extensions;	/* without the dot, ends with NULL */
	unsigned caps;
};

/* Format `index` (from 0) of those known, in probing order. -EINVAL past the end. */
VD_PUBLIC int vd_format_info(unsigned index, struct vd_format_info *out);

#ifdef __cplusplus
}
#endif
#endif
