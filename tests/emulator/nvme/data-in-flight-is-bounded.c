/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest may ask for more data than we hold at once: the rest waits in its rings, and is served when
 * there is room again, whoever asked. */
#include "lib-nvme.h"

#define LENGTH (1u << 20)
#define FIRST 128u			/* commands of each ring: the first takes all there is */
#define SECOND 60u

static void ask(struct guest *g, struct ring *r, unsigned commands)
{
	uint64_t list = pages(g, 1);
	struct command c = rw(NVME_IO_READ, g->data, 0, LENGTH / 512);

	/* All of it to one page. */
	for (unsigned i = 0; i < LENGTH / PAGE - 1; i++)
		put_le64(at(g, list + 8 * i), g->data);
	c.prp2 = list;
	for (unsigned i = 0; i < commands; i++)
		put(g, r, &c);
	ring_doorbell(g, r);
	turn(g, 20);
}

static void expect(struct guest *g, struct ring *r, unsigned commands)
{
	struct completion c;

	for (unsigned i = 0; i < commands; i++)
		CHECK_EQ(await(g, r).status, 0);
	CHECK(!take(g, r, &c));
}

int main(void)
{
	struct device_options may_stall = { .may_stall = true };
	struct vd_storage *s, *stall;
	struct completion c;
	struct ring a, b;
	struct guest g;

	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	guest_start(&g);
	CHECK_OK(in_process_attach(g.p, disk_on(stall), &may_stall, NULL, NULL, NULL));
	ring_create(&g, &a, 1, 256);
	ring_create(&g, &b, 2, 256);

	storage_stall_set(stall, FAULT_READ);
	ask(&g, &a, FIRST);
	ask(&g, &b, SECOND);
	CHECK_EQ(g.p->c->budget.charged, DMA_BUDGET);	/* and not FIRST + SECOND times LENGTH */
	CHECK(!take(&g, &a, &c) && !take(&g, &b, &c));
	storage_stall_set(stall, 0);
	expect(&g, &a, FIRST);
	expect(&g, &b, SECOND);
	CHECK_EQ(g.p->c->budget.charged, 0);

	/* Also when a reset ends what is under way. */
	storage_stall_set(stall, FAULT_READ);
	ask(&g, &a, FIRST);
	ask(&g, &b, SECOND);
	CHECK_EQ(g.p->c->budget.charged, DMA_BUDGET);
	set_reg(&g, NVME_REG_CC, 0);
	storage_stall_set(stall, 0);
	CHECK(wait_csts(&g, NVME_CSTS_RDY, 0));
	CHECK_EQ(g.p->c->budget.charged, 0);
	guest_enable(&g);
	ring_create(&g, &a, 1, 8);
	ask(&g, &a, 1);
	expect(&g, &a, 1);
	guest_free(&g);
	return 0;
}
