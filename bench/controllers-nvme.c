/* SPDX-License-Identifier: GPL-2.0-or-later */
/* controllers-nvme.c - see controllers.h: one queue pair, with real doorbells. */
#include "controllers.h"

#include "controllers/nvme-spec.h"

#define ENTRIES 64

struct ring {
	uint64_t sq, cq;
	uint32_t tail, head, phase;
	unsigned id;
};

static struct ring admin, io;

static uint8_t *entry(struct guest *g, struct ring *r, uint8_t opcode, uint16_t cid)
{
	uint8_t *to = g->p->memory + r->sq + r->tail * NVME_SQE;

	memset(to, 0, NVME_SQE);
	to[0] = opcode;
	put_le16(to + 2, cid);
	r->tail = (r->tail + 1) % ENTRIES;
	return to;
}

static void doorbell(struct guest *g, const struct ring *r, bool head)
{
	in_process_write(g->p, 0, NVME_DOORBELLS + 8 * r->id + (head ? 4 : 0),
			 head ? r->head : r->tail, 4);
}

static unsigned take_from(struct guest *g, struct ring *r, unsigned *slot)
{
	unsigned n = 0;

	while (n < DEPTH) {
		const uint8_t *from = g->p->memory + r->cq + r->head * NVME_CQE;
		uint32_t last = le32(from + 12);

		if ((last >> 16 & 1) != r->phase)
			break;
		if (last >> 17)
			die("nvme: status %#x", last >> 17);
		slot[n++] = last & 0xffff;
		r->head = (r->head + 1) % ENTRIES;
		r->phase ^= !r->head;
	}
	if (n)
		doorbell(g, r, true);
	return n;
}

static void wait_admin(struct guest *g)
{
	unsigned slot[DEPTH];

	doorbell(g, &admin, false);
	while (!take_from(g, &admin, slot))
		loop_once(g->p->loop, 100);
}

static void make_ring(struct guest *g, struct ring *r, unsigned id)
{
	*r = (struct ring){.sq = guest_pages(g, 1), .cq = guest_pages(g, 1), .phase = 1, .id = id};
}

static void create_queue(struct guest *g, uint8_t opcode, uint64_t base, uint32_t dword_11)
{
	uint8_t *to = entry(g, &admin, opcode, 0);

	put_le64(to + 24, base);
	put_le32(to + 40, (ENTRIES - 1) << 16 | io.id);
	put_le32(to + 44, dword_11);
	wait_admin(g);
}

static void start(struct guest *g)
{
	make_ring(g, &admin, 0);
	make_ring(g, &io, 1);
	in_process_write(g->p, 0, NVME_REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
	in_process_write(g->p, 0, NVME_REG_ASQ, admin.sq, 8);
	in_process_write(g->p, 0, NVME_REG_ACQ, admin.cq, 8);
	in_process_write(g->p, 0, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN, 4);
	while (!(in_process_read(g->p, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY))
		loop_once(g->p->loop, 100);
	create_queue(g, 5, io.cq, 1 << 16 | 3);		/* vector 1, interrupts, contiguous */
	create_queue(g, 1, io.sq, 1 << 16 | 1);
}

static void put(struct guest *g, unsigned slot, uint64_t offset)
{
	uint8_t *to = entry(g, &io, NVME_IO_READ, (uint16_t)slot);

	put_le32(to + 4, 1);
	put_le64(to + 24, g->data + slot * PAGE);
	put_le64(to + 40, offset / 512);
	put_le32(to + 48, PAGE / 512 - 1);
}

static void ring(struct guest *g)
{
	doorbell(g, &io, false);
}

static unsigned take(struct guest *g, unsigned *slot)
{
	return take_from(g, &io, slot);
}

const struct driver nvme_driver = {"nvme", 65, start, put, ring, take};
