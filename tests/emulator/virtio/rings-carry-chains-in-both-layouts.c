/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains of all shapes go through split and packed rings, for several laps, in and out of order. */
#include "echo.h"

#define CHAINS 500
#define MOST_PIECES 5

static const uint64_t no_indirect = VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX;
static const uint64_t no_event_idx = VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC;
static const uint64_t everything = ~0ull;

struct sent {
	struct piece piece[MOST_PIECES];
	unsigned pieces;
	uint32_t out, in;
};

/* `n` is the number of the chain: its bytes follow from it. */
static void make_chain(struct driver *d, unsigned n, struct sent *s)
{
	unsigned outs = 1 + n % 3, ins = n % 7 ? 1 + n % 2 : 0;

	*s = (struct sent){.pieces = outs + ins};
	for (unsigned i = 0; i < s->pieces; i++) {
		uint32_t length = 1 + (n * 13 + i * 7) % 50;
		bool writable = i >= outs;

		s->piece[i] = (struct piece){driver_alloc(d, length), length, writable};
		memset(driver_at(d, s->piece[i].address), writable ? 0 : (int)(n + i), length);
		if (writable)
			s->in += length;
		else
			s->out += length;
	}
}

static void flatten(struct driver *d, const struct sent *s, bool writable, uint8_t *to)
{
	for (unsigned i = 0; i < s->pieces; i++)
		if (s->piece[i].writable == writable) {
			memcpy(to, driver_at(d, s->piece[i].address), s->piece[i].length);
			to += s->piece[i].length;
		}
}

static void check_echo(struct driver *d, const struct sent *s, uint32_t written)
{
	uint8_t out[512] = {0}, in[512] = {0};
	uint32_t both = s->out < s->in ? s->out : s->in;

	CHECK_EQ(written, both);
	flatten(d, s, false, out);
	flatten(d, s, true, in);
	CHECK(!memcmp(out, in, both));
}

/* Two at a time; every third pair indirect. */
static void laps(struct driver *d, bool youngest_first)
{
	struct driver_queue *q = &d->queue[1];
	struct echo *e = echo_of(d->p);
	bool indirect = d->features & VIRTIO_F_INDIRECT_DESC;
	uint64_t free_memory = d->free;
	static struct sent sent[MOST_SLOTS];

	e->hold = youngest_first;
	for (unsigned n = 0; n < CHAINS; n += 2) {
		unsigned taken = e->taken;

		d->free = free_memory;
		for (unsigned i = 0; i < 2; i++) {
			struct sent s;

			make_chain(d, n + i, &s);
			sent[queue_add(q, s.piece, s.pieces, indirect && n % 3 == 0)] = s;
		}
		queue_kick(q);
		loop_once(d->p->loop, 0);
		CHECK_EQ(e->taken, taken + 2);
		if (youngest_first)
			echo_release(e, true);
		for (unsigned i = 0; i < 2; i++) {
			uint16_t id;
			uint32_t written = queue_wait(q, &id);

			check_echo(d, &sent[id], written);
		}
	}
	e->hold = false;
	CHECK_EQ(reg_read(d->p, R_STATUS, 1), 15);
}

static void try(const char *packed, uint64_t features, uint16_t size)
{
	struct in_process *p = echo_new(packed);
	struct driver d = {0};

	driver_start(&d, p, &(struct driver_options){.features = features & ~1ull, .size = size});
	CHECK_EQ(!!(d.features & VIRTIO_F_RING_PACKED), !strcmp(packed, "on"));
	laps(&d, false);
	laps(&d, true);
	driver_free(&d);
	in_process_free(p);
}

/* A chain that fills the ring, and a table with more entries than the ring has. */
static void long_chains(const char *packed)
{
	struct in_process *p = echo_new(packed);
	struct driver d = {0};
	struct piece piece[100];

	driver_start(&d, p, &(struct driver_options){.features = everything & ~1ull});
	for (unsigned i = 0; i < 100; i++)
		piece[i] = (struct piece){driver_alloc(&d, 4), 4, i >= 50};
	queue_add(&d.queue[0], piece, ECHO_QUEUE_SIZE, false);
	queue_kick(&d.queue[0]);
	CHECK_EQ(queue_wait(&d.queue[0], NULL), 0);
	CHECK_EQ(echo_of(p)->segments, ECHO_QUEUE_SIZE);
	queue_add(&d.queue[0], piece, 100, true);
	queue_kick(&d.queue[0]);
	CHECK_EQ(queue_wait(&d.queue[0], NULL), 200);
	CHECK_EQ(echo_of(p)->segments, 100);
	driver_free(&d);
	in_process_free(p);
}

/* Split only: direct descriptors, the last of which is a table. */
static void direct_then_indirect(void)
{
	struct in_process *p = echo_new("off");
	struct driver d = {0};
	struct driver_queue *q;
	uint64_t table;

	driver_start(&d, p, &(struct driver_options){.features = everything & ~1ull});
	q = &d.queue[0];
	table = driver_alloc(&d, 32);
	put_descriptor(q, table, driver_alloc(&d, 8), 8, VIRTIO_DESC_NEXT, 1);
	put_descriptor(q, table + 16, driver_alloc(&d, 20), 20, VIRTIO_DESC_WRITE, 0);
	queue_add(q, (struct piece[]){{driver_alloc(&d, 8), 8, false}, {table, 32, false}}, 2,
		  false);
	((uint8_t *)driver_at(&d, q->descriptors + 16))[12] |= VIRTIO_DESC_INDIRECT;
	queue_kick(q);
	CHECK_EQ(queue_wait(q, NULL), 16);
	CHECK_EQ(echo_of(p)->segments, 3);
	driver_free(&d);
	in_process_free(p);
}

int main(void)
{
	static const char *const packed[] = {"off", "on"};

	for (unsigned i = 0; i < 2; i++) {
		try(packed[i], everything, 0);
		try(packed[i], no_indirect, 0);
		try(packed[i], no_event_idx, 0);
		long_chains(packed[i]);
	}
	/* A packed ring need not be a power of two. */
	try("on", everything, 11);
	try("off", everything, 8 * 2);
	direct_then_indirect();
	return 0;
}
