/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest may ask for more data of a disk than we hold at once: the rest waits in its rings, and is
 * served when there is room again, whoever asked. Other disks and the admin queue do not notice. */
#include "controllers/nvme.h"
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

static uint64_t charged(struct guest *g)
{
	return nvme_of(g->p->c)->ns[1].budget.charged;
}

/* While nsid 1 stands still and has no more room. */
static void expect_others(struct guest *g, struct ring *r)
{
	struct command c = rw(NVME_IO_READ, g->data, 0, PAGE / 512);

	c.nsid = 2;
	for (unsigned i = 0; i < 2 * NVME_COMMANDS; i++)
		CHECK_EQ(status_of(g, r, &c), 0);
	CHECK_EQ(admin(g, &(struct command){ .opcode = NVME_ADMIN_IDENTIFY, .prp1 = g->data,
					     .d10 = 1 }), 0);
	CHECK_EQ(admin(g, &(struct command){ .opcode = NVME_ADMIN_IDENTIFY, .prp1 = g->data,
					     .nsid = 1 }), 0);
}

int main(void)
{
	struct device_options may_stall = { .may_stall = true };
	struct vd_storage *s, *stall;
	struct completion c;
	struct ring a, b, other, mixed;
	struct command second;
	struct guest g;

	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	guest_start(&g);
	CHECK_OK(in_process_attach(g.p, disk_on(stall), &may_stall, NULL, NULL, NULL));
	CHECK_OK(in_process_attach(g.p, memory_disk(DISK_SIZE), NULL, "nsid=2", NULL, NULL));
	ring_create(&g, &a, 1, 256);
	ring_create(&g, &b, 2, 256);
	ring_create(&g, &other, 3, 256);
	ring_create(&g, &mixed, 4, 256);

	storage_stall_set(stall, FAULT_READ);
	ask(&g, &a, FIRST);
	ask(&g, &b, SECOND);
	CHECK_EQ(charged(&g), DMA_BUDGET);	/* and not FIRST + SECOND times LENGTH */
	CHECK(!take(&g, &a, &c) && !take(&g, &b, &c));
	expect_others(&g, &other);
	/* A ring keeps its order: what is held holds what comes after it. */
	ask(&g, &mixed, 1);
	second = rw(NVME_IO_READ, g.data, 0, 8);
	second.nsid = 2;
	submit(&g, &mixed, &second);
	turn(&g, 20);
	CHECK(!take(&g, &mixed, &c));
	storage_stall_set(stall, 0);
	expect(&g, &mixed, 2);
	expect(&g, &a, FIRST);
	expect(&g, &b, SECOND);
	CHECK_EQ(charged(&g), 0);

	/* Also when a reset ends what is under way. */
	storage_stall_set(stall, FAULT_READ);
	ask(&g, &a, FIRST);
	ask(&g, &b, SECOND);
	CHECK_EQ(charged(&g), DMA_BUDGET);
	set_reg(&g, NVME_REG_CC, 0);
	storage_stall_set(stall, 0);
	CHECK(wait_csts(&g, NVME_CSTS_RDY, 0));
	CHECK_EQ(charged(&g), 0);
	guest_enable(&g);
	ring_create(&g, &a, 1, 8);
	ask(&g, &a, 1);
	expect(&g, &a, 1);
	guest_free(&g);
	return 0;
}
