/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring.h - virtqueues as the device sees them (virtio 1.2, 2.7 split and 2.8 packed).
 *
 *	virtio_ring_pop	  the next chain of buffers that the driver made available
 *	virtio_ring_push  gives it back; the driver is told by the next virtio_ring_flush
 *
 * The driver is not trusted. Descriptors are copied once and the copy is checked: a chain has at
 * most VIRTIO_CHAIN_MAX segments, ends, has its readable segments before its writable ones, and no
 * range wraps. A driver that breaks the rules breaks the ring: nothing is popped or pushed any more.
 * Whether a segment lies in guest memory is seen by whoever uses it.
 *
 * Notifications are suppressed in both directions, by flags or by VIRTIO_F_EVENT_IDX. Each kick is
 * a message on a socket, so a user of a ring switches kicks off while it works on it:
 *
 *	virtio_ring_disable_kicks
 *	virtio_ring_pop until there is nothing
 *	virtio_ring_enable_kicks	true: something came in between, begin again
 */
#ifndef VIMG_VIRTIO_RING_H
#define VIMG_VIRTIO_RING_H

#include "core/dma.h"
#include "core/memory.h"

#define VIRTIO_RING_MAX 1024		/* entries */
#define VIRTIO_CHAIN_MAX 1024		/* segments */

struct virtio_segment {
	uint64_t address;
	uint32_t length;
};

/* Kept by its user for use after use, as its array of segments is. Zeroed memory is an empty one. */
struct virtio_chain {
	struct virtio_segment *segment;	/* the readable ones first; none is empty */
	unsigned count, readable;
	uint64_t out, in;		/* bytes to be read by the device, to be written */

	/* private */
	unsigned room;
	uint16_t id;			/* split: its head; packed: the driver's buffer id */
	uint16_t slots;			/* places that it takes of the ring */
};

struct virtio_ring {
	struct guest_memory *memory;
	bool packed, event_idx, indirect;	/* as negotiated */
	uint16_t size;
	/* Split: descriptor table, available ring, used ring. Packed: descriptor ring, the driver's
	 * and the device's event suppression. */
	uint64_t descriptors, driver, device;

	/* private */
	const char *broken;		/* why; NULL: it works */
	bool kicks;			/* are wanted */
	uint16_t in_use;		/* slots popped and not yet pushed */
	uint16_t next, used;		/* split: counters; packed: slots */
	bool next_wrap, used_wrap;	/* packed */
	uint16_t published, signalled;	/* split: used as last told, as last asked for interrupts */
	uint16_t unsignalled;		/* packed: slots pushed since */
};

/* All public fields are filled in. -EINVAL: a size or address that cannot be. */
int virtio_ring_start(struct virtio_ring *r);

/* 1: a chain; 0: there is none; -EUCLEAN: the ring is broken; -ENOMEM. */
int virtio_ring_pop(struct virtio_ring *r, struct virtio_chain *c);
/* `written`: bytes, from the start of the writable part on. */
void virtio_ring_push(struct virtio_ring *r, struct virtio_chain *c, uint32_t written);
/* Without giving it back: it ends with the ring's reset. */
void virtio_ring_forget(struct virtio_ring *r, struct virtio_chain *c);
/* Shows the driver what was pushed; true: it wants an interrupt for that. */
bool virtio_ring_flush(struct virtio_ring *r);

void virtio_ring_disable_kicks(struct virtio_ring *r);
/* True: there is a chain that no kick will tell of. */
bool virtio_ring_enable_kicks(struct virtio_ring *r);

/* Copies from the readable part, or to the writable part, `offset` bytes into it. False where the
 * part is too short, or it is not in mapped guest memory. */
bool virtio_chain_read(const struct virtio_chain *c, struct guest_memory *m, uint64_t offset,
		       void *buf, size_t n);
bool virtio_chain_write(const struct virtio_chain *c, struct guest_memory *m, uint64_t offset,
			const void *buf, size_t n);
/* Adds a range of one of the parts to a dma: DMA_TO_DEVICE the readable one. As dma_add. */
int virtio_chain_to_dma(const struct virtio_chain *c, enum dma_direction part, uint64_t offset,
			uint64_t n, struct dma *d);
void virtio_chain_free(struct virtio_chain *c);

/* ------------------------------------------------------------------- between the files of rings */

enum {
	VIRTIO_DESC_NEXT = 1 << 0,
	VIRTIO_DESC_WRITE = 1 << 1,
	VIRTIO_DESC_INDIRECT = 1 << 2,
	VIRTIO_DESC_AVAIL = 1 << 7,	/* packed */
	VIRTIO_DESC_USED = 1 << 15,
	VIRTIO_DESC_SIZE = 16,
};

struct virtio_desc {			/* a copy */
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t other;			/* split: next; packed: id */
};

int virtio_ring_break(struct virtio_ring *r, const char *why);	/* gives -EUCLEAN */
bool virtio_desc_load(struct virtio_ring *r, uint64_t address, bool packed,
		      struct virtio_desc *out);
void virtio_chain_begin(struct virtio_chain *c);
int virtio_chain_add(struct virtio_ring *r, struct virtio_chain *c, const struct virtio_desc *d);
/* Entries of an indirect table, or -EUCLEAN. */
int virtio_indirect_count(struct virtio_ring *r, const struct virtio_desc *d);

/* Fields of the ring's areas; 0 and nothing where they are not in memory: the ring breaks. */
uint16_t virtio_load16(struct virtio_ring *r, uint64_t address);
uint32_t virtio_load32(struct virtio_ring *r, uint64_t address);
void virtio_store16(struct virtio_ring *r, uint64_t address, uint16_t value);
void virtio_store32(struct virtio_ring *r, uint64_t address, uint32_t value);
/* 2.7.10: does going from `old` to `new` pass `event`? */
bool virtio_passes(uint16_t event, uint16_t new, uint16_t old);

int virtio_split_start(struct virtio_ring *r);
int virtio_split_pop(struct virtio_ring *r, struct virtio_chain *c);
void virtio_split_push(struct virtio_ring *r, const struct virtio_chain *c, uint32_t written);
bool virtio_split_flush(struct virtio_ring *r);
void virtio_split_kicks(struct virtio_ring *r, bool wanted);
bool virtio_split_pending(struct virtio_ring *r);

int virtio_packed_start(struct virtio_ring *r);
int virtio_packed_pop(struct virtio_ring *r, struct virtio_chain *c);
void virtio_packed_push(struct virtio_ring *r, const struct virtio_chain *c, uint32_t written);
bool virtio_packed_flush(struct virtio_ring *r);
void virtio_packed_kicks(struct virtio_ring *r, bool wanted);
bool virtio_packed_pending(struct virtio_ring *r);

#endif
