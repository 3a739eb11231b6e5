/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * medium.h - what lies in a drive: an opened disk with its write mode, and drives made of it.
 *
 * Media are opened and closed by the control thread, which has the right to open files. One medium
 * may be in several drives (shareable), in several controllers' threads: it is counted, and its
 * parts that change are locked.
 */
#ifndef VIMG_MEDIUM_H
#define VIMG_MEDIUM_H

#include "core/events.h"
#include "device/device.h"

/* VirtualBox's write modes. */
enum medium_mode {
	MEDIUM_NORMAL,
	MEDIUM_WRITETHROUGH,	/* the same until there are snapshots, which leave it out */
	MEDIUM_READONLY,
	MEDIUM_IMMUTABLE,	/* a differencing image, made afresh at each power-on */
	MEDIUM_MULTIATTACH,	/* the same, kept */
	MEDIUM_SHAREABLE,	/* fixed images only; one disk, several drives */
};

const char *medium_mode_name(enum medium_mode mode);
int medium_mode_parse(const char *text, enum medium_mode *out);	/* -EINVAL */

struct medium_options {
	const char *path;
	enum medium_mode mode;
	const char *diff;		/* the differencing image; NULL: beside the image */
	const char *format;		/* NULL: by content */
	const char *const *parents;	/* as of struct vd_open_options */
	const char *const *parent_dirs, *const *allow_dirs;
	bool no_cache;			/* O_DIRECT */
	bool force;			/* write to an image that others name as their parent */
	struct vd_group *group;		/* NULL: none. Outlives the medium. */
};

/* The media of one machine: so that one file opened shareable twice is one medium. */
struct media;
int media_new(struct media **out);
void media_free(struct media *m);	/* after its media */

/*
 * Opens the image as the mode has it; immutable and multiattach make their differencing image where
 * it is missing. Any error is one sentence.
 */
int medium_open(struct media *media, const struct medium_options *options, struct medium **out,
		struct vd_error *err);
/* Takes a disk over that was opened by other means: tests. */
int medium_of_disk(struct vd_disk *disk, struct medium **out);
struct medium *medium_ref(struct medium *m);
/* The last one flushes and closes; returns its status. NULL is allowed. */
int medium_unref(struct medium *m);

/* No machine ever had it: a differencing image that was made for it is removed when it is closed. */
void medium_abandon(struct medium *m);

/* An immutable medium is as its base again: power-on. Nothing may be in flight; all its devices are
 * quiesced. The control thread's. Others: 0. */
int medium_power_on(struct medium *m, struct vd_error *err);

/* A running machine has it: the next power-on makes it afresh. The control thread's. */
void medium_in_use(struct medium *m);

struct vd_disk *medium_disk(struct medium *m);
enum medium_mode medium_mode_of(const struct medium *m);
bool medium_is_readonly(const struct medium *m);
const char *medium_path(const struct medium *m);	/* as given */
const char *medium_diff(const struct medium *m);	/* or NULL */
/* Grows the disk: the control thread's, while guests use it; its devices are to be told. */
int medium_resize(struct medium *m, uint64_t size, struct vd_error *err);
struct vd_group *medium_group(const struct medium *m);

enum device_on_full { DEVICE_FULL_WAIT, DEVICE_FULL_ERROR };

struct device_options {
	const char *serial, *model, *firmware;	/* NULL: as VirtualBox has them */
	bool nonrotational;
	bool discard;			/* told to the guest, and passed down */
	enum device_on_full on_full;
	uint32_t physical_block_size;	/* 0: 512 */
	bool may_stall;			/* its storage may take for ever: requests go through a buffer of
					   ours, and are given up when they are cancelled */
	struct events *events;		/* NULL: nobody listens */
	const char *name;		/* for events: "nvme0/1"; copied */
	bool distinct;			/* the machine has another disk over the same base: the leaf's path
					   tells them apart, and not the base alone */
};

/* A drive with that medium, which keeps a reference to it. Belongs to no controller yet. */
int device_new(struct medium *m, const struct device_options *options, struct device **out,
	       struct vd_error *err);
/* It is in no controller. NULL is allowed. */
void device_free(struct device *d);
struct medium *device_medium(const struct device *d);

/* The queue of a controller and its completions: one per controller. */
int device_host_new(struct loop *loop, struct device_host **out);
void device_host_free(struct device_host *h);	/* no devices in it */
void device_join(struct device *d, struct device_host *h);	/* controller.c: attach */
void device_leave(struct device *d);				/* nothing in flight */
/* The medium was resized: takes its new size. */
void device_refresh(struct device *d);
/* Space is there again: what waits is tried at once, not only at the next second. */
void device_retry(struct device *d);

/* Counters since the device was made; may be read from any thread. */
#define DEVICE_LATENCY_BUCKETS 128
struct device_statistics {
	uint64_t requests[DEVICE_OPS], bytes[DEVICE_OPS], errors[DEVICE_OPS];
	uint32_t in_flight, waiting_for_space;
	uint32_t deepest;		/* most in flight at once */
	uint64_t latency[DEVICE_LATENCY_BUCKETS];	/* see device_latency_bound */
};
void device_get_statistics(const struct device *d, struct device_statistics *out);
/* Nanoseconds: the upper end of a bucket (four to each power of two). */
uint64_t device_latency_bound(unsigned bucket);
/* The latency in ns that `permille` of all requests kept to. 0: none yet. */
uint64_t device_latency(const struct device_statistics *s, unsigned permille);

#endif
