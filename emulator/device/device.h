/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.h - a disk drive as a controller sees it: a slot of the controller, with a medium in it.
 *
 *	controller / command set
 *	    |  device_submit(device, request)		  request->done(request)
 *	device	   one per attachment, in the controller's thread: range checks, statistics, waiting
 *	    |	   for space, what is in flight
 *	medium	   one per image file however many devices show it (medium.h): disk, write mode, group
 *	    |
 *	vd_queue   the controller's
 *
 * Threads     All calls from the controller's thread, but the ones that say otherwise.
 */
#ifndef VIMG_DEVICE_H
#define VIMG_DEVICE_H

#include <sys/uio.h>

#include "core/loop.h"
#include "vdisk.h"

struct device;
struct device_host;
struct medium;

enum device_op {
	DEVICE_READ,
	DEVICE_WRITE,
	DEVICE_WRITE_ZEROES,
	DEVICE_DISCARD,			/* the range reads as zeros afterwards */
	DEVICE_FLUSH,			/* durable: what was done (done() called) before it */
	DEVICE_MAP,			/* which parts of the range are holes */
	DEVICE_OPS,
};

/*
 * Filled by the caller, who owns it and leaves it alone until done(). done() is called exactly once,
 * in the controller's thread, never from within device_submit. iov lives until then.
 * status: 0; -ECANCELED, ended by device_cancel or device_quiesce; -EINVAL, past the end of the
 * disk; -EROFS; -ENOSPC, the host's disk is full; -EIO and whatever else. Nothing is promised of the
 * buffer or the range after an error.
 */
struct device_request {
	enum device_op op;
	unsigned flags;			/* VD_FUA, VD_MAY_UNMAP */
	uint64_t offset;		/* bytes, in whole logical blocks */
	uint64_t length;		/* bytes; for READ and WRITE what iov holds */
	const struct iovec *iov;	/* MAP: as with VD_OP_MAP */
	int iovcnt;
	bool impatient;			/* does not wait for space on the host: -ENOSPC */
	void (*done)(struct device_request *rq);
	void *opaque;

	int status;

	/* private */
	struct device *device;
	struct vd_request vd;
	struct device_request *next, *previous;
	uint64_t begun;
	uint8_t state;
	struct bounce *bounce;
};

void device_submit(struct device *d, struct device_request *rq);
/* Asks that it ends soon; done() comes as ever, with -ECANCELED if it had not begun. */
void device_cancel(struct device_request *rq);

/*
 * The one primitive that ends I/O in flight: takes no more requests (they end with -ECANCELED),
 * cancels what is queued, throttled or waiting for space, waits for what the kernel holds, and
 * calls done() from the loop, after the done() of each request. device_resume() takes requests
 * again; there are as many resumes as quiesces. May be asked for while another one is under way.
 */
struct device_quiesce {
	void (*done)(void *opaque);
	void *opaque;
	struct device_quiesce *next;	/* private */
};
void device_quiesce(struct device *d, struct device_quiesce *q);
void device_resume(struct device *d);
unsigned device_in_flight(const struct device *d);

/* What the guest gets to see. Strings are ASCII, without padding. */
struct device_identity {
	char vendor[9];			/* SCSI: "VBOX" */
	char product[17];		/* SCSI: "HARDDISK" */
	char model[41];			/* ATA, NVMe: "VBOX HARDDISK" */
	char firmware[9];		/* "1.0" */
	char serial[21];		/* "VB%08x-%08x" of words 0 and 3 of the image's UUID */
	struct vd_uuid uuid;		/* of the image; null where it has none */
	uint64_t wwn;			/* NAA 3 (locally assigned), from uuid or path: stable */
};

const struct device_identity *device_identity(const struct device *d);
uint64_t device_size(const struct device *d);		/* bytes; changes with DEVICE_RESIZED */
uint32_t device_block_size(const struct device *d);	/* logical: 512 */
uint32_t device_physical_block_size(const struct device *d);	/* 512, or as configured */
bool device_is_readonly(const struct device *d);
bool device_is_rotational(const struct device *d);
bool device_can_discard(const struct device *d);	/* tell the guest that it may */
const char *device_name(const struct device *d);	/* for messages: the path */
/* The controller's own: what it keeps of this slot. */
void device_set_slot(struct device *d, void *slot);
void *device_slot(const struct device *d);

#endif
