/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ring.c - see ring.h: what both layouts have in common. */
#include "virtio/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"

int virtio_ring_break(struct virtio_ring *r, const char *why)
{
	if (!r->broken)
		r->broken = why;
	return -EUCLEAN;
}

int virtio_ring_start(struct virtio_ring *r)
{
	r->broken = NULL;
	r->kicks = true;
	r->in_use = r->next = r->used = 0;
	r->next_wrap = r->used_wrap = true;
	r->published = r->signalled = r->unsignalled = 0;
	if (!r->size || r->size > VIRTIO_RING_MAX)
		return -EINVAL;
	return r->packed ? virtio_packed_start(r) : virtio_split_start(r);
}

int virtio_ring_pop(struct virtio_ring *r, struct virtio_chain *c)
{
	int got;

	if (r->broken)
		return -EUCLEAN;
	virtio_chain_begin(c);
	got = r->packed ? virtio_packed_pop(r, c) : virtio_split_pop(r, c);
	/* Also a field that could not be read. */
	if (r->broken)
		return -EUCLEAN;
	if (got > 0)
		r->in_use += c->slots;
	return got;
}

void virtio_ring_forget(struct virtio_ring *r, struct virtio_chain *c)
{
	r->in_use -= c->slots;
	c->slots = 0;
}

void virtio_ring_push(struct virtio_ring *r, struct virtio_chain *c, uint32_t written)
{
	if (!r->broken && r->packed)
		virtio_packed_push(r, c, written);
	else if (!r->broken)
		virtio_split_push(r, c, written);
	virtio_ring_forget(r, c);
}

bool virtio_ring_flush(struct virtio_ring *r)
{
	bool wanted;

	if (r->broken)
		return false;
	wanted = r->packed ? virtio_packed_flush(r) : virtio_split_flush(r);
	return wanted && !r->broken;
}

static void set_kicks(struct virtio_ring *r, bool wanted)
{
	r->kicks = wanted;
	if (r->packed)
		virtio_packed_kicks(r, wanted);
	else
		virtio_split_kicks(r, wanted);
}

void virtio_ring_disable_kicks(struct virtio_ring *r)
{
	if (!r->broken && r->kicks)
		set_kicks(r, false);
}

bool virtio_ring_enable_kicks(struct virtio_ring *r)
{
	if (r->broken)
		return false;
	set_kicks(r, true);
	/* The driver writes a chain, then looks whether we want to hear of it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return r->packed ? virtio_packed_pending(r) : virtio_split_pending(r);
}

bool virtio_passes(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* -------------------------------------------------------------------------------------- fields */

/* They are aligned, as virtio_ring_start saw to, so that none lies across regions. */
static void *field(struct virtio_ring *r, uint64_t address, size_t size, unsigned access)
{
	void *at = memory_at(r->memory, address, size, access);

	if (!at)
		virtio_ring_break(r, "the ring is not in guest memory");
	return at;
}

uint16_t virtio_load16(struct virtio_ring *r, uint64_t address)
{
	uint16_t *at = field(r, address, sizeof(*at), MEMORY_READ);

	return at ? le16toh(__atomic_load_n(at, __ATOMIC_ACQUIRE)) : 0;
}

uint32_t virtio_load32(struct virtio_ring *r, uint64_t address)
{
	uint32_t *at = field(r, address, sizeof(*at), MEMORY_READ);

	return at ? le32toh(__atomic_load_n(at, __ATOMIC_ACQUIRE)) : 0;
}

void virtio_store16(struct virtio_ring *r, uint64_t address, uint16_t value)
{
	uint16_t *at = field(r, address, sizeof(*at), MEMORY_WRITE);

	if (at)
		__atomic_store_n(at, htole16(value), __ATOMIC_RELEASE);
}

void virtio_store32(struct virtio_ring *r, uint64_t address, uint32_t value)
{
	uint32_t *at = field(r, address, sizeof(*at), MEMORY_WRITE);

	if (at)
		__atomic_store_n(at, htole32(value), __ATOMIC_RELEASE);
}

/* -------------------------------------------------------------------------------------- chains */

bool virtio_desc_load(struct virtio_ring *r, uint64_t address, bool packed, struct virtio_desc *out)
{
	uint8_t raw[VIRTIO_DESC_SIZE];

	if (!memory_read(r->memory, address, raw, sizeof(raw))) {
		virtio_ring_break(r, "a descriptor is not in guest memory");
		return false;
	}
	out->address = le64(raw);
	out->length = le32(raw + 8);
	out->flags = le16(raw + (packed ? 14 : 12));
	out->other = le16(raw + (packed ? 12 : 14));
	return true;
}

void virtio_chain_begin(struct virtio_chain *c)
{
	c->count = c->readable = 0;
	c->out = c->in = 0;
	c->id = c->slots = 0;
}

static int make_room(struct virtio_chain *c)
{
	unsigned room = c->room ? c->room * 2 : 8;
	struct virtio_segment *grown;

	if (c->count < c->room)
		return 0;
	grown = reallocarray(c->segment, room, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	c->segment = grown;
	c->room = room;
	return 0;
}

int virtio_chain_add(struct virtio_ring *r, struct virtio_chain *c, const struct virtio_desc *d)
{
	bool writable = d->flags & VIRTIO_DESC_WRITE;
	uint64_t end;
	int status;

	if (!writable && c->count > c->readable)
		return virtio_ring_break(r, "a readable segment after a writable one");
	if (c->count >= VIRTIO_CHAIN_MAX)
		return virtio_ring_break(r, "a chain of too many segments");
	if (!add_u64(d->address, d->length, &end))
		return virtio_ring_break(r, "a segment past the end of all addresses");
	if (!d->length)
		return 0;
	status = make_room(c);
	if (status)
		return status;
	c->segment[c->count++] = (struct virtio_segment){d->address, d->length};
	if (writable) {
		c->in += d->length;
	} else {
		c->out += d->length;
		c->readable++;
	}
	return 0;
}

int virtio_indirect_count(struct virtio_ring *r, const struct virtio_desc *d)
{
	uint64_t end;

	if (!r->indirect)
		return virtio_ring_break(r, "an indirect descriptor, which was not negotiated");
	if (!d->length || d->length % VIRTIO_DESC_SIZE ||
	    d->length / VIRTIO_DESC_SIZE > VIRTIO_CHAIN_MAX)
		return virtio_ring_break(r, "an indirect table of a wrong size");
	if (!add_u64(d->address, d->length, &end))
		return virtio_ring_break(r, "an indirect table past the end of all addresses");
	return (int)(d->length / VIRTIO_DESC_SIZE);
}

/* What is done with the pieces of a range of a chain's part. */
struct visit {
	struct guest_memory *memory;
	uint8_t *out;
	const uint8_t *in;
	struct dma *dma;
};

static int visit_piece(struct visit *v, uint64_t address, uint64_t length)
{
	if (v->dma)
		return dma_add(v->dma, address, length);
	if (v->out) {
		if (!memory_read(v->memory, address, v->out, length))
			return -EFAULT;
		v->out += length;
	} else {
		if (!memory_write(v->memory, address, v->in, length))
			return -EFAULT;
		v->in += length;
	}
	return 0;
}

static int visit(const struct virtio_chain *c, enum dma_direction part, uint64_t offset, uint64_t n,
		 struct visit *v)
{
	unsigned i = part == DMA_TO_DEVICE ? 0 : c->readable;
	unsigned end = part == DMA_TO_DEVICE ? c->readable : c->count;

	for (; i < end && n; i++) {
		const struct virtio_segment *s = &c->segment[i];
		uint64_t length;
		int status;

		if (offset >= s->length) {
			offset -= s->length;
			continue;
		}
		length = min_u64(n, s->length - offset);
		status = visit_piece(v, s->address + offset, length);
		if (status)
			return status;
		n -= length;
		offset = 0;
	}
	return n ? -EFAULT : 0;
}

bool virtio_chain_read(const struct virtio_chain *c, struct guest_memory *m, uint64_t offset,
		       void *buf, size_t n)
{
	return !visit(c, DMA_TO_DEVICE, offset, n, &(struct visit){.memory = m, .out = buf});
}

bool virtio_chain_write(const struct virtio_chain *c, struct guest_memory *m, uint64_t offset,
			const void *buf, size_t n)
{
	return !visit(c, DMA_FROM_DEVICE, offset, n, &(struct visit){.memory = m, .in = buf});
}

int virtio_chain_to_dma(const struct virtio_chain *c, enum dma_direction part, uint64_t offset,
			uint64_t n, struct dma *d)
{
	return visit(c, part, offset, n, &(struct visit){.dma = d});
}

void virtio_chain_free(struct virtio_chain *c)
{
	free(c->segment);
	c->segment = NULL;
	c->room = 0;
}
