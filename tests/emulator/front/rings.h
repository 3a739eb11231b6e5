/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rings.h - NVMe's rings in memory shared with a server, driven by a client. Interrupts of both rings
 * come on one descriptor. */
#ifndef VIMG_TEST_RINGS_H
#define VIMG_TEST_RINGS_H

#include <sys/eventfd.h>
#include <sys/mman.h>

#include "bytes.h"
#include "controllers/nvme-spec.h"
#include "front/client.h"
#include "test.h"

#define RINGS_SIZE 0x100000u		/* of the memory */
#define RINGS_DATA 0x10000u
#define RINGS_ENTRIES 16u

struct ring {
	uint32_t sq, cq;		/* addresses */
	unsigned id, tail, head, phase;
};

struct rings {
	struct client *c;
	uint8_t *guest;
	int memory, interrupt;
	struct ring admin, io;
};

static inline void rings_submit(struct rings *g, struct ring *r, uint32_t d0, uint64_t prp,
				uint32_t d10, uint32_t d11, uint32_t d12)
{
	uint8_t *e = g->guest + r->sq + NVME_SQE * r->tail;

	memset(e, 0, NVME_SQE);
	put_le32(e, d0);
	put_le32(e + 4, r->id ? 1 : 0);
	put_le64(e + 24, prp);
	put_le32(e + 40, d10);
	put_le32(e + 44, d11);
	put_le32(e + 48, d12);
	r->tail = (r->tail + 1) % RINGS_ENTRIES;
	__sync_synchronize();
	client_post(g->c, 0, NVME_DOORBELLS + 8 * r->id, r->tail, 4);
}

/* Waits for the interrupt, and takes one completion; returns its status. */
static inline uint16_t rings_await(struct rings *g, struct ring *r)
{
	const uint8_t *e = g->guest + r->cq + NVME_CQE * r->head;
	uint16_t status;

	CHECK_EQ(client_interrupts(g->interrupt), 1);
	__sync_synchronize();
	status = le16(e + 14);
	CHECK_EQ(status & 1, r->phase);
	r->head = (r->head + 1) % RINGS_ENTRIES;
	if (!r->head)
		r->phase ^= 1;
	client_post(g->c, 0, NVME_DOORBELLS + 8 * r->id + 4, r->head, 4);
	return status >> 1;
}

static inline void rings_map(struct rings *g, struct client *c)
{
	g->c = c;
	CHECK_OK(client_map(c, 0, RINGS_SIZE, g->memory, 0));
	CHECK_OK(client_set_irqs(c, CLIENT_TRIGGER | CLIENT_EVENTFD, CLIENT_MSIX, 0, 1,
				 &g->interrupt, 1));
	client_write(c, CLIENT_CONFIG, 4, 6, 2);
}

/* Enables the controller, with a pair of rings for I/O. */
static inline void rings_enable(struct rings *g)
{
	struct ring *a = &g->admin, *i = &g->io;

	memset(g->guest, 0, 0x5000);
	*a = (struct ring){0x1000, 0x2000, 0, 0, 0, 1};
	*i = (struct ring){0x3000, 0x4000, 1, 0, 0, 1};
	client_post(g->c, 0, NVME_REG_AQA, (RINGS_ENTRIES - 1) << 16 | (RINGS_ENTRIES - 1), 4);
	client_post(g->c, 0, NVME_REG_ASQ, a->sq, 8);
	client_post(g->c, 0, NVME_REG_ACQ, a->cq, 8);
	client_post(g->c, 0, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN, 4);
	while (!(client_read(g->c, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY))
		usleep(1000);
	rings_submit(g, a, NVME_ADMIN_CREATE_CQ, i->cq, (RINGS_ENTRIES - 1) << 16 | 1, 3, 0);
	CHECK_EQ(rings_await(g, a), 0);
	rings_submit(g, a, NVME_ADMIN_CREATE_SQ, i->sq, (RINGS_ENTRIES - 1) << 16 | 1, 1 << 16 | 1,
		     0);
	CHECK_EQ(rings_await(g, a), 0);
}

static inline void rings_new(struct rings *g)
{
	g->memory = memfd_create("guest", MFD_CLOEXEC);
	CHECK_OK(ftruncate(g->memory, RINGS_SIZE));
	g->guest = mmap(NULL, RINGS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, g->memory, 0);
	CHECK(g->guest != MAP_FAILED && (g->interrupt = eventfd(0, EFD_CLOEXEC)) >= 0);
}

#endif
