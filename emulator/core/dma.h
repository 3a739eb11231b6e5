/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dma.h - data of one command between guest memory and a device: makes an iovec of guest ranges.
 *
 *	dma_add(d, address, length) ...	   the ranges, in order
 *	dma_start(d, direction, ready)	   ready(): d->iov is there, pinned; now submit to the device
 *	dma_finish(d, finished)		   finished(): all is in the guest's memory, nothing pinned
 *	dma_reset(d)			   for the next command
 *
 * Mapped memory is used where it lies. What is remote goes through a bounce buffer: fetched before
 * ready(), or sent before finished(). Both callbacks may come before the call returns, and each
 * comes exactly once, in the controller's thread.
 *
 * A dma is part of a command that is kept for use after use: its arrays are, too.
 */
#ifndef VIMG_DMA_H
#define VIMG_DMA_H

#include <sys/uio.h>

#include "core/memory.h"

enum dma_direction {
	DMA_TO_DEVICE,			/* the device reads guest memory: a guest's write */
	DMA_FROM_DEVICE,
};

struct dma_piece;
struct dma_hold;

struct dma {
	struct iovec *iov;		/* valid between ready() and dma_finish() */
	int iovcnt;
	uint64_t length;		/* bytes of all ranges added */
	/* What the device has written, from the start; dma_start makes it all of it. No more is sent
	 * to memory that is remote. */
	uint64_t moved;
	void *opaque;			/* the caller's */

	/* private */
	struct guest_memory *memory;
	enum dma_direction direction;
	struct dma_piece *piece;
	struct dma_hold *hold;
	unsigned pieces, room, iov_room;
	unsigned waiting;
	int status;
	void (*callback)(struct dma *d, int status);
};

/* Zeroed memory is ready for dma_init; dma_free frees the arrays. */
void dma_init(struct dma *d, struct guest_memory *m, void *opaque);
void dma_free(struct dma *d);
/* Drops the ranges. Not between start and finished(). */
void dma_reset(struct dma *d);

/* Adjacent ranges are merged. 0, -ENOMEM, -E2BIG past DMA_MAX bytes or pieces, -EFAULT if it wraps.
 * Nothing is looked up yet. */
int dma_add(struct dma *d, uint64_t address, uint64_t length);
#define DMA_MAX (64u << 20)

/* ready(): 0; -EFAULT where a range is not in guest memory with that access, -ENOMEM, -ENOTCONN.
 * After an error nothing is pinned, and dma_finish is not called. */
void dma_start(struct dma *d, enum dma_direction direction,
	       void (*ready)(struct dma *d, int status));
void dma_finish(struct dma *d, void (*finished)(struct dma *d, int status));
/* Instead of dma_finish, for a command that failed: unpins at once, and sends nothing (a bounce
 * buffer that was not filled has old memory of ours in it). */
void dma_drop(struct dma *d);

/*
 * What the commands in flight of one device may have us hold: bounce buffers, and memory that they work
 * in. A controller charges each command that it begins with what that may need at most, and begins no
 * more of that device while its budget is spent; the last one may go beyond it. So a guest has us hold
 * at most DMA_BUDGET + DMA_MAX for each device that it was given (SCSI: once more for absent units),
 * and one that stands still takes room from no other. What belongs to no device (admin queues, task
 * management) is never held: its ring's size is its bound, with 1 MiB of data for each entry at most.
 * changed() tells when a budget becomes spent, and when it no longer is, from within the calls.
 */
#define DMA_BUDGET (32u << 20)
struct dma_budget {
	uint64_t charged;
	void (*changed)(void *opaque, bool spent);
	void *opaque;
};
static inline bool dma_budget_spent(const struct dma_budget *b)
{
	return b->charged >= DMA_BUDGET;
}
/* *charge is the command's: its part of what is charged, 0 to begin with. */
void dma_charge(struct dma_budget *b, uint64_t *charge, uint64_t bytes);
void dma_discharge(struct dma_budget *b, uint64_t *charge);

/* Copies between the iovec and a buffer of the caller's, from `offset` of the iovec on, at most to
 * its end; returns how many bytes. For commands that answer with a page of data. */
size_t dma_fill(const struct iovec *iov, int iovcnt, uint64_t offset, const void *buf, size_t n);
size_t dma_fetch(const struct iovec *iov, int iovcnt, uint64_t offset, void *buf, size_t n);
size_t dma_clear(const struct iovec *iov, int iovcnt, uint64_t offset, size_t n);

#endif
