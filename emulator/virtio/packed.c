/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packed.c - the packed virtqueue (virtio 1.2, 2.8): one ring of descriptors, in which the device
 * overwrites what the driver made available. Bits that flip at each lap say whose a descriptor is.
 *
 *	descriptors	address 8, length 4, id 2, flags 2
 *	driver, device	event suppression: offset and wrap bit 2, flags 2
 */
#include <errno.h>

#include "virtio/ring.h"

enum { EVENT_ENABLE, EVENT_DISABLE, EVENT_DESC };

#define WRAP 0x8000u

int virtio_packed_start(struct virtio_ring *r)
{
	if (r->descriptors % 16 || r->driver % 4 || r->device % 4 ||
	    !memory_reachable(r->memory, r->descriptors, 16u * r->size,
			      MEMORY_READ | MEMORY_WRITE) ||
	    !memory_reachable(r->memory, r->driver, 4, MEMORY_READ) ||
	    !memory_reachable(r->memory, r->device, 4, MEMORY_WRITE) ||
	    memory_is_remote(r->memory, r->descriptors, 16u * r->size) ||
	    memory_is_remote(r->memory, r->driver, 4) ||
	    memory_is_remote(r->memory, r->device, 4))
		return -EINVAL;
	return 0;
}

static uint64_t slot(const struct virtio_ring *r, uint16_t index)
{
	return r->descriptors + VIRTIO_DESC_SIZE * (uint64_t)index;
}

bool virtio_packed_pending(struct virtio_ring *r)
{
	uint16_t flags = virtio_load16(r, slot(r, r->next) + 14);
	bool avail = flags & VIRTIO_DESC_AVAIL, used = flags & VIRTIO_DESC_USED;

	return !r->broken && avail == r->next_wrap && used != r->next_wrap;
}

/* All entries, in order; flags but WRITE mean nothing there. */
static int walk_indirect(struct virtio_ring *r, struct virtio_chain *c, const struct virtio_desc *d)
{
	int n = virtio_indirect_count(r, d);

	for (int i = 0; i < n; i++) {
		struct virtio_desc entry;
		int status;

		if (!virtio_desc_load(r, d->address + VIRTIO_DESC_SIZE * (uint64_t)i, true, &entry))
			return -EUCLEAN;
		if (entry.flags & VIRTIO_DESC_INDIRECT)
			return virtio_ring_break(r, "an indirect descriptor where none may be");
		status = virtio_chain_add(r, c, &entry);
		if (status)
			return status;
	}
	return n < 0 ? n : 0;
}

static void step(const struct virtio_ring *r, uint16_t *index, bool *wrap, unsigned slots)
{
	unsigned next = *index + slots;

	if (next >= r->size) {
		next -= r->size;
		*wrap = !*wrap;
	}
	*index = (uint16_t)next;
}

int virtio_packed_pop(struct virtio_ring *r, struct virtio_chain *c)
{
	uint16_t next = r->next;
	bool wrap = r->next_wrap;
	struct virtio_desc d;
	int status;

	if (!virtio_packed_pending(r))
		return 0;
	do {
		/* Past the ring's size it would run into itself, or into what we still have. */
		if (r->in_use + c->slots >= r->size)
			return virtio_ring_break(r, "a chain that is longer than the ring");
		if (!virtio_desc_load(r, slot(r, next), true, &d))
			return -EUCLEAN;
		c->slots++;
		step(r, &next, &wrap, 1);
		if (!(d.flags & VIRTIO_DESC_INDIRECT))
			status = virtio_chain_add(r, c, &d);
		else if (c->slots > 1 || d.flags & VIRTIO_DESC_NEXT)
			status = virtio_ring_break(r, "an indirect descriptor where none may be");
		else
			status = walk_indirect(r, c, &d);
		if (status)
			return status;
	} while (d.flags & VIRTIO_DESC_NEXT);
	c->id = d.other;
	r->next = next;
	r->next_wrap = wrap;
	return 1;
}

void virtio_packed_push(struct virtio_ring *r, const struct virtio_chain *c, uint32_t written)
{
	uint64_t at = slot(r, r->used);
	uint16_t flags = written ? VIRTIO_DESC_WRITE : 0;

	if (r->used_wrap)
		flags |= VIRTIO_DESC_AVAIL | VIRTIO_DESC_USED;
	virtio_store32(r, at + 8, written);
	virtio_store16(r, at + 12, c->id);
	virtio_store16(r, at + 14, flags);
	step(r, &r->used, &r->used_wrap, c->slots);
	r->unsignalled += c->slots;
}

bool virtio_packed_flush(struct virtio_ring *r)
{
	uint16_t pushed = r->unsignalled, event;
	uint32_t suppression;

	if (!pushed)
		return false;
	r->unsignalled = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	suppression = virtio_load32(r, r->driver);
	if ((suppression >> 16 & 3) != EVENT_DESC || !r->event_idx)
		return (suppression >> 16 & 3) != EVENT_DISABLE;
	/* On a line on which the ring's start, in the lap where `used` is, is 0. */
	event = suppression & (WRAP - 1);
	if (!!(suppression & WRAP) != r->used_wrap)
		event -= r->size;
	return virtio_passes(event, r->used, (uint16_t)(r->used - pushed));
}

void virtio_packed_kicks(struct virtio_ring *r, bool wanted)
{
	uint32_t where = r->next | (r->next_wrap ? WRAP : 0);
	uint32_t how = !wanted ? EVENT_DISABLE : r->event_idx ? EVENT_DESC : EVENT_ENABLE;

	virtio_store32(r, r->device, where | how << 16);
}
