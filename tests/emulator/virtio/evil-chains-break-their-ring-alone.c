/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver that breaks the rules of rings: the device asks for a reset, takes nothing more, ends
 * what it had of other queues, and works again after the reset.
 */
#include "bytes.h"
#include "echo.h"

enum { NEXT = VIRTIO_DESC_NEXT, WRITE = VIRTIO_DESC_WRITE, INDIRECT = VIRTIO_DESC_INDIRECT };

static uint64_t table_of(struct driver_queue *q, unsigned entries)
{
	return driver_alloc(q->d, 16u * entries);
}

/* Descriptor `i` of the ring; packed ones are made available (in the first lap). */
static void ring_desc(struct driver_queue *q, unsigned i, uint64_t address, uint32_t length,
		      uint16_t flags, uint16_t next)
{
	if (q->packed)
		flags |= VIRTIO_DESC_AVAIL;
	put_descriptor(q, q->descriptors + 16u * i, address, length, flags, next);
}

static void available(struct driver_queue *q, uint16_t head, uint16_t index)
{
	if (q->packed)
		return;
	put_le16(driver_at(q->d, q->driver + 4), head);
	put_le16(driver_at(q->d, q->driver + 2), index);
}

/* Each makes one evil chain. False: has no meaning in that layout. */

static bool loop_of_one(struct driver_queue *q)
{
	ring_desc(q, 0, 0x8000, 16, NEXT, 0);
	available(q, 0, 1);
	return !q->packed;
}

static bool loop_of_many(struct driver_queue *q)
{
	for (unsigned i = 0; i < q->size; i++)
		ring_desc(q, i, 0x8000, 16, NEXT, (uint16_t)((i + 1) % q->size));
	available(q, 0, 1);
	return true;
}

static bool loop_in_a_table(struct driver_queue *q)
{
	uint64_t table = table_of(q, 2);

	put_descriptor(q, table, 0x8000, 4, NEXT, 1);
	put_descriptor(q, table + 16, 0x8000, 4, NEXT, 0);
	ring_desc(q, 0, table, 32, INDIRECT, 0);
	available(q, 0, 1);
	return !q->packed;
}

static bool next_past_the_table(struct driver_queue *q)
{
	ring_desc(q, 0, 0x8000, 16, NEXT, q->size);
	available(q, 0, 1);
	return !q->packed;
}

static bool next_past_the_indirect_table(struct driver_queue *q)
{
	uint64_t table = table_of(q, 2);

	put_descriptor(q, table, 0x8000, 4, NEXT, 2);
	ring_desc(q, 0, table, 32, INDIRECT, 0);
	available(q, 0, 1);
	return !q->packed;
}

static bool head_past_the_table(struct driver_queue *q)
{
	available(q, q->size, 1);
	return !q->packed;
}

static bool index_jumps(struct driver_queue *q)
{
	ring_desc(q, 0, 0x8000, 16, 0, 0);
	available(q, 0, q->size + 1);
	return !q->packed;
}

static bool length_wraps(struct driver_queue *q)
{
	ring_desc(q, 0, UINT64_MAX - 10, 16, 0, 0);
	available(q, 0, 1);
	return true;
}

static bool readable_after_writable(struct driver_queue *q)
{
	ring_desc(q, 0, 0x8000, 16, NEXT | WRITE, 1);
	ring_desc(q, 1, 0x8000, 16, 0, 0);
	available(q, 0, 1);
	return true;
}

static bool indirect_inside_indirect(struct driver_queue *q)
{
	uint64_t table = table_of(q, 2);

	put_descriptor(q, table, table, 16, INDIRECT, 0);
	ring_desc(q, 0, table, 32, INDIRECT, 0);
	available(q, 0, 1);
	return true;
}

static bool indirect_and_next(struct driver_queue *q)
{
	uint64_t table = table_of(q, 2);

	ring_desc(q, 0, table, 32, INDIRECT | NEXT, 1);
	ring_desc(q, 1, 0x8000, 16, 0, 0);
	available(q, 0, 1);
	return true;
}

static bool indirect_after_direct(struct driver_queue *q)
{
	uint64_t table = table_of(q, 2);

	ring_desc(q, 0, 0x8000, 16, NEXT, 1);
	ring_desc(q, 1, table, 32, INDIRECT, 0);
	return q->packed;
}

static bool indirect_of_no_length(struct driver_queue *q)
{
	ring_desc(q, 0, table_of(q, 1), 0, INDIRECT, 0);
	available(q, 0, 1);
	return true;
}

static bool indirect_of_odd_length(struct driver_queue *q)
{
	ring_desc(q, 0, table_of(q, 2), 24, INDIRECT, 0);
	available(q, 0, 1);
	return true;
}

static bool indirect_too_long(struct driver_queue *q)
{
	ring_desc(q, 0, table_of(q, 2048), 16 * 2048, INDIRECT, 0);
	available(q, 0, 1);
	return true;
}

static bool indirect_nowhere(struct driver_queue *q)
{
	ring_desc(q, 0, 1ull << 40, 32, INDIRECT, 0);
	available(q, 0, 1);
	return true;
}

static bool indirect_wraps(struct driver_queue *q)
{
	ring_desc(q, 0, UINT64_MAX - 15, 32, INDIRECT, 0);
	available(q, 0, 1);
	return true;
}

/* What the device has not given back is made available once more. */
static bool the_same_again(struct driver_queue *q)
{
	ring_desc(q, 0, 0x8000, 16, 0, 0);
	for (unsigned i = 0; i < q->size; i++)
		put_le16(driver_at(q->d, q->driver + 4 + 2 * i), 0);
	put_le16(driver_at(q->d, q->driver + 2), q->size);
	queue_notify(q);
	loop_once(q->d->p->loop, 0);
	CHECK_EQ(reg_read(q->d->p, R_STATUS, 1), 15);
	put_le16(driver_at(q->d, q->driver + 2), q->size + 1);
	return !q->packed;
}

static bool (*const evil[])(struct driver_queue *q) = {
	loop_of_one, loop_of_many, loop_in_a_table, next_past_the_table,
	next_past_the_indirect_table, head_past_the_table, index_jumps, length_wraps,
	readable_after_writable, indirect_inside_indirect, indirect_and_next,
	indirect_after_direct, indirect_of_no_length, indirect_of_odd_length, indirect_too_long,
	indirect_nowhere, indirect_wraps, the_same_again,
};

static const struct piece good[] = {{0x8000, 16, false}, {0x9000, 16, true}};

static void check_works(struct driver *d, unsigned queue)
{
	queue_add(&d->queue[queue], good, 2, false);
	queue_kick(&d->queue[queue]);
	CHECK_EQ(queue_wait(&d->queue[queue], NULL), 16);
}

static void try(struct in_process *p, struct driver *d, unsigned n)
{
	struct echo *e = echo_of(p);
	struct driver_options o = {.features = ~1ull};
	uint64_t config_interrupts;
	unsigned taken;

	driver_start(d, p, &o);
	e->hold = true;
	if (!evil[n](&d->queue[0])) {
		echo_release(e, false);
		return;
	}
	config_interrupts = p->messages[0];
	queue_add(&d->queue[1], good, 2, false);
	queue_notify(&d->queue[1]);
	loop_once(p->loop, 0);
	taken = e->taken;
	queue_notify(&d->queue[0]);
	for (unsigned i = 0; i < 3; i++)
		loop_once(p->loop, 0);
	if (reg_read(p, R_STATUS, 1) != (15 | VIRTIO_NEEDS_RESET))
		test_fail(__FILE__, __LINE__, "evil chain %u was taken (packed: %d)", n,
			  d->queue[0].packed);
	CHECK_EQ(p->messages[0], config_interrupts + 1);

	/* Nothing more is taken, of any queue, but the other one's request ends. */
	queue_add(&d->queue[1], good, 2, false);
	queue_notify(&d->queue[1]);
	loop_once(p->loop, 0);
	CHECK_EQ(e->taken, taken);
	echo_release(e, false);
	CHECK_EQ(queue_wait(&d->queue[1], NULL), 16);

	e->hold = false;
	driver_start(d, p, &o);
	check_works(d, 0);
	check_works(d, 1);
}

/* Indirect descriptors are evil where they were not negotiated. */
static void indirect_unasked(struct in_process *p, struct driver *d)
{
	driver_start(d, p, &(struct driver_options){.features = ~1ull & ~VIRTIO_F_INDIRECT_DESC});
	queue_add(&d->queue[0], good, 2, true);
	queue_kick(&d->queue[0]);
	loop_once(p->loop, 0);
	CHECK_EQ(reg_read(p, R_STATUS, 1), 15 | VIRTIO_NEEDS_RESET);
}

/* A packed chain must not run into what is still out. */
static void longer_than_what_is_left(struct in_process *p, struct driver *d)
{
	struct echo *e = echo_of(p);
	struct driver_queue *q;

	driver_start(d, p, &(struct driver_options){.features = ~1ull});
	q = &d->queue[0];
	e->hold = true;
	queue_add(q, good, 2, false);
	queue_notify(q);
	loop_once(p->loop, 0);
	for (unsigned i = 2; i < q->size; i++)
		ring_desc(q, i, 0x8000, 16, NEXT, 0);
	queue_notify(q);
	loop_once(p->loop, 0);
	CHECK_EQ(reg_read(p, R_STATUS, 1), 15 | VIRTIO_NEEDS_RESET);
	echo_release(e, false);
	e->hold = false;
}

/* The client takes the memory away under the ring. */
static void memory_goes(struct in_process *p, struct driver *d)
{
	struct echo *e = echo_of(p);

	driver_start(d, p, &(struct driver_options){.features = ~1ull});
	e->hold = true;
	queue_add(&d->queue[0], good, 2, false);
	queue_notify(&d->queue[0]);
	loop_once(p->loop, 0);
	memory_unmap_all(p->c->memory, NULL, NULL);
	e->hold = false;
	echo_release(e, false);
	loop_once(p->loop, 0);
	CHECK_EQ(reg_read(p, R_STATUS, 1), 15 | VIRTIO_NEEDS_RESET);
	driver_reset(p);
}

int main(void)
{
	static const char *const packed[] = {"off", "on"};

	for (unsigned layout = 0; layout < 2; layout++) {
		struct in_process *p = echo_new(packed[layout]);
		struct driver d = {0};

		for (unsigned n = 0; n < sizeof(evil) / sizeof(*evil); n++)
			try(p, &d, n);
		indirect_unasked(p, &d);
		if (layout)
			longer_than_what_is_left(p, &d);
		memory_goes(p, &d);
		driver_free(&d);
		in_process_free(p);
	}
	return 0;
}
