/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * split.c - the split virtqueue (virtio 1.2, 2.7).
 *
 *	descriptors	address 8, length 4, flags 2, next 2
 *	driver		flags 2, index 2, heads 2 each, used_event 2
 *	device		flags 2, index 2, elements (id 4, length 4) each, avail_event 2
 */
#include <errno.h>

#include "checked.h"
#include "virtio/ring.h"

#define NO_INTERRUPT 1			/* of the driver's flags */
#define NO_NOTIFY 1			/* of the device's */

static uint64_t used_event(const struct virtio_ring *r)
{
	return r->driver + 4 + 2u * r->size;
}

static uint64_t avail_event(const struct virtio_ring *r)
{
	return r->device + 4 + 8u * r->size;
}

int virtio_split_start(struct virtio_ring *r)
{
	if (r->size & (r->size - 1) ||
	    r->descriptors % 16 || r->driver % 2 || r->device % 4 ||
	    !memory_reachable(r->memory, r->descriptors, 16u * r->size, MEMORY_READ) ||
	    !memory_reachable(r->memory, r->driver, 6 + 2u * r->size, MEMORY_READ) ||
	    !memory_reachable(r->memory, r->device, 6 + 8u * r->size, MEMORY_WRITE) ||
	    memory_is_remote(r->memory, r->descriptors, 16u * r->size) ||
	    memory_is_remote(r->memory, r->driver, 6 + 2u * r->size) ||
	    memory_is_remote(r->memory, r->device, 6 + 8u * r->size))
		return -EINVAL;
	return 0;
}

bool virtio_split_pending(struct virtio_ring *r)
{
	return virtio_load16(r, r->driver + 2) != r->next;
}

/*
 * The descriptors from `first` on of a table with `entries`. A direct one may end in an indirect
 * one; more steps than entries are a loop.
 */
static int walk(struct virtio_ring *r, struct virtio_chain *c, uint64_t table, unsigned entries,
		uint16_t first, bool indirect)
{
	uint16_t index = first;

	for (unsigned steps = 0; steps < entries; steps++) {
		struct virtio_desc d;
		int status;

		if (index >= entries)
			return virtio_ring_break(r, "a descriptor past the end of its table");
		if (!virtio_desc_load(r, table + VIRTIO_DESC_SIZE * (uint64_t)index, false, &d))
			return -EUCLEAN;
		if (d.flags & VIRTIO_DESC_INDIRECT) {
			if (indirect || d.flags & VIRTIO_DESC_NEXT)
				return virtio_ring_break(r, "an indirect descriptor where none may be");
			status = virtio_indirect_count(r, &d);
			return status < 0 ? status :
			       walk(r, c, d.address, (unsigned)status, 0, true);
		}
		status = virtio_chain_add(r, c, &d);
		if (status || !(d.flags & VIRTIO_DESC_NEXT))
			return status;
		index = d.other;
	}
	return virtio_ring_break(r, "a chain of descriptors that does not end");
}

int virtio_split_pop(struct virtio_ring *r, struct virtio_chain *c)
{
	uint16_t available = virtio_load16(r, r->driver + 2);
	int status;

	if (available == r->next)
		return 0;
	/* What we have not given back cannot be made available again. */
	if ((uint16_t)(available - r->next) > r->size || r->in_use >= r->size)
		return virtio_ring_break(r, "more chains are available than the ring has entries");
	c->id = virtio_load16(r, r->driver + 4 + 2u * (r->next & (r->size - 1)));
	c->slots = 1;
	status = walk(r, c, r->descriptors, r->size, c->id, false);
	if (status)
		return status;
	r->next++;
	return 1;
}

void virtio_split_push(struct virtio_ring *r, const struct virtio_chain *c, uint32_t written)
{
	uint64_t element = r->device + 4 + 8u * (r->used & (r->size - 1));

	virtio_store32(r, element, c->id);
	virtio_store32(r, element + 4, written);
	r->used++;
}

bool virtio_split_flush(struct virtio_ring *r)
{
	uint16_t old = r->signalled;

	if (r->used != r->published)
		virtio_store16(r, r->device + 2, r->used);
	r->published = r->used;
	if (r->used == old)
		return false;
	r->signalled = r->used;
	/* The driver says what it waits for, then looks at the index once more. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r->event_idx)
		return virtio_passes(virtio_load16(r, used_event(r)), r->used, old);
	return !(virtio_load16(r, r->driver) & NO_INTERRUPT);
}

void virtio_split_kicks(struct virtio_ring *r, bool wanted)
{
	/* An event index that is left behind asks for nothing until it comes round again. */
	if (!r->event_idx)
		virtio_store16(r, r->device, wanted ? 0 : NO_NOTIFY);
	else if (wanted)
		virtio_store16(r, avail_event(r), r->next);
}
