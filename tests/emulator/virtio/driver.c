/* SPDX-License-Identifier: GPL-2.0-or-later */
/* driver.c - see driver.h. */
#include "driver.h"

#include "bytes.h"

uint32_t reg_read(struct in_process *p, unsigned offset, unsigned n)
{
	return (uint32_t)in_process_read(p, BAR, offset, n);
}

void reg_write(struct in_process *p, unsigned offset, uint64_t value, unsigned n)
{
	in_process_write(p, BAR, offset, value, n);
}

static bool is_reset(void *opaque)
{
	return !reg_read(opaque, R_STATUS, 1);
}

void driver_reset(struct in_process *p)
{
	reg_write(p, R_STATUS, 0, 1);
	CHECK(in_process_run(p, is_reset, p, 10000));
}

uint64_t driver_offered(struct in_process *p)
{
	uint64_t low, high;

	reg_write(p, R_DEVICE_FEATURE_SELECT, 0, 4);
	low = reg_read(p, R_DEVICE_FEATURE, 4);
	reg_write(p, R_DEVICE_FEATURE_SELECT, 1, 4);
	high = reg_read(p, R_DEVICE_FEATURE, 4);
	return high << 32 | low;
}

bool driver_negotiate(struct in_process *p, uint64_t features)
{
	reg_write(p, R_STATUS, VIRTIO_ACKNOWLEDGE, 1);
	reg_write(p, R_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER, 1);
	reg_write(p, R_DRIVER_FEATURE_SELECT, 0, 4);
	reg_write(p, R_DRIVER_FEATURE, (uint32_t)features, 4);
	reg_write(p, R_DRIVER_FEATURE_SELECT, 1, 4);
	reg_write(p, R_DRIVER_FEATURE, features >> 32, 4);
	reg_write(p, R_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK, 1);
	return reg_read(p, R_STATUS, 1) & VIRTIO_FEATURES_OK;
}

uint64_t driver_alloc(struct driver *d, uint64_t bytes)
{
	uint64_t at = (d->free + 15) & ~15ull;

	CHECK(at + bytes <= d->p->memory_size);
	d->free = at + bytes;
	memset(d->p->memory + at, 0, bytes);
	return at;
}

void *driver_at(struct driver *d, uint64_t address)
{
	return d->p->memory + address;
}

void driver_queue_start(struct driver *d, unsigned index, uint16_t size)
{
	struct driver_queue *q = &d->queue[index];
	struct in_process *p = d->p;

	*q = (struct driver_queue){
		.d = d, .index = index, .size = size, .next_wrap = true, .seen_wrap = true,
		.packed = d->features & VIRTIO_F_RING_PACKED,
		.event_idx = d->features & VIRTIO_F_EVENT_IDX,
	};
	reg_write(p, R_QUEUE_SELECT, index, 2);
	if (!size)
		q->size = (uint16_t)reg_read(p, R_QUEUE_SIZE, 2);
	q->descriptors = driver_alloc(d, 16u * q->size);
	q->driver = driver_alloc(d, 8 + 2u * q->size);
	q->device = driver_alloc(d, 8 + 8u * q->size);
	reg_write(p, R_QUEUE_SIZE, q->size, 2);
	reg_write(p, R_QUEUE_VECTOR, index + 1, 2);
	reg_write(p, R_QUEUE_DESC, q->descriptors, 8);
	reg_write(p, R_QUEUE_DRIVER, q->driver, 4);
	reg_write(p, R_QUEUE_DRIVER + 4, 0, 4);
	reg_write(p, R_QUEUE_DEVICE, q->device, 8);
	reg_write(p, R_QUEUE_ENABLE, 1, 2);
}

void driver_start(struct driver *d, struct in_process *p, const struct driver_options *o)
{
	*d = (struct driver){.p = p, .free = 0x10000, .queue = d->queue};
	driver_reset(p);
	d->features = (o->features & driver_offered(p)) | VIRTIO_F_VERSION_1;
	CHECK(driver_negotiate(p, d->features));
	d->queues = reg_read(p, R_NUM_QUEUES, 2);
	d->queue = realloc(d->queue, d->queues * sizeof(*d->queue));
	CHECK(d->queue != NULL);
	reg_write(p, R_CONFIG_VECTOR, 0, 2);
	for (unsigned i = 0; i < d->queues; i++)
		driver_queue_start(d, i, o->size);
	reg_write(p, R_STATUS, 15, 1);
}

void driver_free(struct driver *d)
{
	free(d->queue);
	d->queue = NULL;
}

/* ---------------------------------------------------------------------------------- descriptors */

void put_descriptor(struct driver_queue *q, uint64_t at, uint64_t address, uint32_t length,
		    uint16_t flags, uint16_t other)
{
	uint8_t *raw = driver_at(q->d, at);

	put_le64(raw, address);
	put_le32(raw + 8, length);
	put_le16(raw + (q->packed ? 14 : 12), flags);
	put_le16(raw + (q->packed ? 12 : 14), other);
}

static uint64_t put_table(struct driver_queue *q, const struct piece *piece, unsigned n)
{
	uint64_t table = driver_alloc(q->d, 16u * n);

	for (unsigned i = 0; i < n; i++) {
		uint16_t flags = piece[i].writable ? VIRTIO_DESC_WRITE : 0;

		if (!q->packed && i + 1 < n)
			flags |= VIRTIO_DESC_NEXT;
		put_descriptor(q, table + 16u * i, piece[i].address, piece[i].length, flags,
			       q->packed ? 0 : (uint16_t)(i + 1));
	}
	return table;
}

static uint16_t free_descriptor(struct driver_queue *q)
{
	for (uint16_t i = 0; i < q->size; i++)
		if (!q->busy[i]) {
			q->busy[i] = true;
			return i;
		}
	test_fail(__FILE__, __LINE__, "no descriptor is free");
}

static uint16_t add_split(struct driver_queue *q, const struct piece *piece, unsigned n,
			  uint16_t flags)
{
	uint16_t head = free_descriptor(q), at = head;

	for (unsigned i = 0; i < n; i++) {
		uint16_t next = i + 1 < n ? free_descriptor(q) : 0;

		put_descriptor(q, q->descriptors + 16u * at, piece[i].address, piece[i].length,
			       flags | (piece[i].writable ? VIRTIO_DESC_WRITE : 0) |
			       (i + 1 < n ? VIRTIO_DESC_NEXT : 0), next);
		at = next;
	}
	put_le16(driver_at(q->d, q->driver + 4 + 2u * (q->next % q->size)), head);
	q->next++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	put_le16(driver_at(q->d, q->driver + 2), q->next);
	return head;
}

static void free_split(struct driver_queue *q, uint16_t head)
{
	for (;;) {
		const uint8_t *raw = driver_at(q->d, q->descriptors + 16u * head);

		CHECK(q->busy[head]);
		q->busy[head] = false;
		if (!(le16(raw + 12) & VIRTIO_DESC_NEXT))
			return;
		head = le16(raw + 14);
	}
}

/* The first descriptor's flags last: that makes the chain available. */
static uint16_t add_packed(struct driver_queue *q, const struct piece *piece, unsigned n,
			   uint16_t more)
{
	uint16_t id = q->next, first = q->next, first_flags = 0;

	while (q->slots[id])
		id = (uint16_t)((id + 1) % q->size);
	for (unsigned i = 0; i < n; i++) {
		uint16_t flags = more | (piece[i].writable ? VIRTIO_DESC_WRITE : 0) |
				 (i + 1 < n ? VIRTIO_DESC_NEXT : 0) |
				 (q->next_wrap ? VIRTIO_DESC_AVAIL : VIRTIO_DESC_USED);

		put_descriptor(q, q->descriptors + 16u * q->next, piece[i].address, piece[i].length,
			       i ? flags : (uint16_t)(flags ^ 0x8080), id);
		if (!i)
			first_flags = flags;
		if (++q->next == q->size) {
			q->next = 0;
			q->next_wrap = !q->next_wrap;
		}
	}
	q->slots[id] = (uint16_t)n;
	q->unkicked += (uint16_t)n;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	put_le16(driver_at(q->d, q->descriptors + 16u * first + 14), first_flags);
	return id;
}

uint16_t queue_add(struct driver_queue *q, const struct piece *piece, unsigned n, bool indirect)
{
	struct piece table;
	uint16_t flags = 0;

	if (indirect) {
		table = (struct piece){put_table(q, piece, n), 16 * n, false};
		piece = &table;
		n = 1;
		flags = VIRTIO_DESC_INDIRECT;
	}
	return q->packed ? add_packed(q, piece, n, flags) : add_split(q, piece, n, flags);
}

/* -------------------------------------------------------------------------------- notifications */

static bool passes(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static bool wants_kick_split(struct driver_queue *q)
{
	uint16_t old = q->kicked;

	q->kicked = q->next;
	if (q->event_idx)
		return passes(le16(driver_at(q->d, q->device + 4 + 8u * q->size)), q->next, old);
	return !(le16(driver_at(q->d, q->device)) & 1);
}

static bool wants_kick_packed(struct driver_queue *q)
{
	const uint8_t *raw = driver_at(q->d, q->device);
	uint16_t event = le16(raw) & 0x7fff, added = q->unkicked;

	q->unkicked = 0;
	if (le16(raw + 2) < 2)
		return !le16(raw + 2);
	CHECK(q->event_idx);
	if (!!(le16(raw) & 0x8000) != q->next_wrap)
		event -= q->size;
	return passes(event, q->next, (uint16_t)(q->next - added));
}

void queue_notify(struct driver_queue *q)
{
	q->kicks++;
	reg_write(q->d->p, R_NOTIFY + 4 * q->index, q->index, 2);
}

bool queue_kick(struct driver_queue *q)
{
	bool wanted = q->packed ? wants_kick_packed(q) : wants_kick_split(q);

	if (wanted)
		queue_notify(q);
	return wanted;
}

static bool get_split(struct driver_queue *q, uint16_t *id, uint32_t *written)
{
	const uint8_t *element;

	if (le16(driver_at(q->d, q->device + 2)) == q->seen)
		return false;
	element = driver_at(q->d, q->device + 4 + 8u * (q->seen++ % q->size));
	CHECK(le32(element) < q->size);
	*id = le16(element);
	*written = le32(element + 4);
	free_split(q, *id);
	return true;
}

static bool get_packed(struct driver_queue *q, uint16_t *id, uint32_t *written)
{
	const uint8_t *raw = driver_at(q->d, q->descriptors + 16u * q->seen);
	uint16_t flags = le16(raw + 14);

	if (!!(flags & VIRTIO_DESC_AVAIL) != q->seen_wrap ||
	    !!(flags & VIRTIO_DESC_USED) != q->seen_wrap)
		return false;
	*id = le16(raw + 12);
	*written = le32(raw + 8);
	CHECK(*id < q->size && q->slots[*id]);
	q->seen += q->slots[*id];
	q->slots[*id] = 0;
	if (q->seen >= q->size) {
		q->seen -= q->size;
		q->seen_wrap = !q->seen_wrap;
	}
	return true;
}

bool queue_get(struct driver_queue *q, uint16_t *id, uint32_t *written)
{
	return q->packed ? get_packed(q, id, written) : get_split(q, id, written);
}

uint32_t queue_wait(struct driver_queue *q, uint16_t *id)
{
	uint16_t any;
	uint32_t written;

	for (unsigned turns = 0; !queue_get(q, id ? id : &any, &written); turns++) {
		CHECK(turns < 10000);
		loop_once(q->d->p->loop, 10);
	}
	return written;
}

void queue_want_interrupts(struct driver_queue *q, bool wanted)
{
	if (q->packed)
		put_le16(driver_at(q->d, q->driver + 2), !wanted);
	else if (!q->event_idx)
		put_le16(driver_at(q->d, q->driver), !wanted);
	else	/* where it will not come soon */
		put_le16(driver_at(q->d, q->driver + 4 + 2u * q->size),
			 wanted ? q->seen : (uint16_t)(q->seen - 1));
}

void queue_want_interrupt_after(struct driver_queue *q, uint16_t more)
{
	unsigned slot = q->seen + more - 1u;
	bool wrap = q->seen_wrap;

	CHECK(q->event_idx);
	if (!q->packed) {
		put_le16(driver_at(q->d, q->driver + 4 + 2u * q->size), (uint16_t)slot);
		return;
	}
	if (slot >= q->size) {
		slot -= q->size;
		wrap = !wrap;
	}
	put_le16(driver_at(q->d, q->driver), (uint16_t)(slot | (wrap ? 0x8000 : 0)));
	put_le16(driver_at(q->d, q->driver + 2), 2);
}
