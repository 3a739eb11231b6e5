/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Creation and deletion of queues with right and wrong parameters; rings wrap; a full completion
 * ring loses nothing; bad doorbells are told as events. */
#include "lib-nvme.h"

static void test_create(struct guest *g)
{
	uint64_t ring = pages(g, 64), outside = g->p->memory_size;

	CHECK_EQ(create_cq(g, 0, ring, 16, 1), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(create_cq(g, 65, ring, 16, 1), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(create_cq(g, 1, ring, 1, 1), NVME_QUEUE_SIZE_INVALID | DNR);
	CHECK_EQ(create_cq(g, 1, ring, 4097, 1), NVME_QUEUE_SIZE_INVALID | DNR);
	CHECK_EQ(create_cq(g, 1, ring, 16, 0), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(create_cq(g, 1, ring, 16, 65 << 16 | 1), NVME_VECTOR_INVALID | DNR);
	CHECK_EQ(create_cq(g, 1, ring + 16, 16, 1), NVME_PRP_BAD_OFFSET | DNR);
	CHECK_EQ(create_cq(g, 1, outside, 16, 1), NVME_DATA_TRANSFER_ERROR | DNR);
	CHECK_EQ(create_cq(g, 1, outside - PAGE, 257, 1), NVME_DATA_TRANSFER_ERROR | DNR);
	CHECK_EQ(create_cq(g, 1, ring, 16, 64 << 16 | 3), 0);
	CHECK_EQ(create_cq(g, 1, ring, 16, 1), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(create_cq(g, 64, ring + PAGE, 4096 / 16, 1), 0);

	ring += 4 * PAGE;
	CHECK_EQ(create_sq(g, 0, ring, 16, 1 << 16 | 1), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(create_sq(g, 65, ring, 16, 1 << 16 | 1), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(create_sq(g, 1, ring, 16, 1), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(create_sq(g, 1, ring, 16, 2 << 16 | 1), NVME_CQ_INVALID | DNR);
	CHECK_EQ(create_sq(g, 1, ring, 16, 200 << 16 | 1), NVME_CQ_INVALID | DNR);
	CHECK_EQ(create_sq(g, 1, ring, 1, 1 << 16 | 1), NVME_QUEUE_SIZE_INVALID | DNR);
	CHECK_EQ(create_sq(g, 1, ring, 16, 1 << 16), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(create_sq(g, 1, ring + 64, 16, 1 << 16 | 1), NVME_PRP_BAD_OFFSET | DNR);
	CHECK_EQ(create_sq(g, 1, outside, 16, 1 << 16 | 1), NVME_DATA_TRANSFER_ERROR | DNR);
	CHECK_EQ(create_sq(g, 1, ring, 16, 1 << 16 | 1), 0);
	CHECK_EQ(create_sq(g, 1, ring, 16, 1 << 16 | 1), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(create_sq(g, 2, ring + PAGE, 16, 1 << 16 | 1), 0);	/* two to one */
}

static void test_delete(struct guest *g)
{
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 0), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 3), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 300), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 1), NVME_QUEUE_DELETION_INVALID | DNR);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_SQ, 0), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_SQ, 3), NVME_QUEUE_ID_INVALID | DNR);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_SQ, 1), 0);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 1), NVME_QUEUE_DELETION_INVALID | DNR);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_SQ, 2), 0);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 1), 0);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 64), 0);
}

/* A reset takes them all, in whatever order they share each other. */
static void test_shared(struct guest *g)
{
	uint64_t ring = pages(g, 3);

	CHECK_EQ(create_cq(g, 1, ring, 16, 1), 0);
	CHECK_EQ(create_cq(g, 3, ring + PAGE, 16, 1), 0);
	CHECK_EQ(create_sq(g, 2, ring + 2 * PAGE, 16, 1 << 16 | 1), 0);
	CHECK_EQ(create_sq(g, 1, ring + 2 * PAGE, 16, 3 << 16 | 1), 0);
	set_reg(g, NVME_REG_CC, 0);
	CHECK(wait_csts(g, ~0u, 0));
	guest_enable(g);
}

/* Entry sizes are set in CC before I/O queues are made. */
static void test_entry_sizes(struct guest *g)
{
	uint64_t ring = pages(g, 2);

	set_reg(g, NVME_REG_CC, 4 << 20 | 7 << 16 | NVME_CC_EN);
	CHECK_EQ(create_cq(g, 1, ring, 16, 1), 0);
	CHECK_EQ(create_sq(g, 1, ring + PAGE, 16, 1 << 16 | 1), NVME_QUEUE_SIZE_INVALID | DNR);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 1), 0);
	set_reg(g, NVME_REG_CC, 5 << 20 | 6 << 16 | NVME_CC_EN);
	CHECK_EQ(create_cq(g, 1, ring, 16, 1), NVME_QUEUE_SIZE_INVALID | DNR);
	set_reg(g, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN);
}

static void test_wrap(struct guest *g)
{
	struct command flush = { .opcode = NVME_IO_FLUSH, .nsid = 1 };
	struct ring io;

	ring_create(g, &io, 1, 3);
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(status_of(g, &io, &flush), 0);
	CHECK_EQ(io.tail, 20 % 3);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_SQ, 1), 0);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 1), 0);
}

/* More commands than the completion ring holds, from a ring deeper than the pool. */
static void test_full_ring(struct guest *g)
{
	enum { DEEP = 300, SHALLOW = 5 };
	struct command flush = { .opcode = NVME_IO_FLUSH, .nsid = 1 };
	struct ring io = { .sq = 1, .cq = 1, .sq_size = DEEP, .cq_size = SHALLOW, .phase = 1 };
	static bool seen[65536];
	uint16_t first = g->next_cid;
	struct completion c;

	io.sq_base = pages(g, 8);
	io.cq_base = pages(g, 1);
	CHECK_EQ(create_cq(g, 1, io.cq_base, SHALLOW, 1), 0);
	CHECK_EQ(create_sq(g, 1, io.sq_base, DEEP, 1 << 16 | 1), 0);
	first = g->next_cid;
	for (unsigned i = 0; i < DEEP - 1; i++)
		put(g, &io, &flush);
	ring_doorbell(g, &io);
	in_process_settle(g->p);
	turn(g, 100);
	CHECK_EQ(le32((uint8_t *)at(g, io.cq_base + 4 * NVME_CQE) + 12), 0);	/* one stays free */
	for (unsigned i = 0; i < DEEP - 1; i++) {
		c = await(g, &io);
		CHECK_EQ(c.status, 0);
		CHECK(!seen[c.cid]);
		seen[c.cid] = true;
		CHECK((uint16_t)(c.cid - first) < DEEP - 1);
	}
	turn(g, 10);
	CHECK(!take(g, &io, &c));

	/* Full, with more that waits: the deletion does not. */
	for (unsigned i = 0; i < 100; i++)
		put(g, &io, &flush);
	ring_doorbell(g, &io);
	in_process_settle(g->p);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_SQ, 1), 0);
	CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, 1), 0);
}

/* A long queue does not starve a short one. */
static void test_arbitration(struct guest *g)
{
	enum { MANY = 999 };
	struct command bad = { .opcode = 0xff, .nsid = 1 };	/* ends at once */
	struct ring a, b;
	struct completion c;
	unsigned before = 0;

	ring_create(g, &a, 1, MANY + 1);
	ring_create(g, &b, 2, 16);
	a.silent = true;
	for (unsigned i = 0; i < MANY; i++)
		put(g, &a, &bad);
	put(g, &b, &bad);
	ring_doorbell(g, &a);
	ring_doorbell(g, &b);
	turn(g, 1);
	CHECK(take(g, &b, &c));
	while (take(g, &a, &c))
		before++;
	CHECK(before >= 16 && before <= 256);
	turn(g, 10);
	while (take(g, &a, &c))
		before++;
	CHECK_EQ(before, MANY);
	for (unsigned i = 1; i <= 2; i++) {
		CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_SQ, i), 0);
		CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, i), 0);
	}
}

/* More data than one controller moves at a time: the rest waits in its rings. */
static void test_much_data(struct guest *g)
{
	enum { EACH = 100 };
	uint64_t list = pages(g, 1);
	struct command c = rw(NVME_IO_COMPARE, g->data, 0, (1 << 20) / 512);
	struct ring r[2];

	for (unsigned i = 0; i < 256; i++)
		put_le64(at(g, list + 8 * i), g->data + (i + 1) * PAGE);
	c.prp2 = list;
	memset(at(g, g->data), 0, 2 << 20);
	for (unsigned i = 0; i < 2; i++)
		ring_create(g, &r[i], 1 + i, EACH + 1);
	for (unsigned i = 0; i < 2 * EACH; i++)
		put(g, &r[i % 2], &c);
	ring_doorbell(g, &r[0]);
	ring_doorbell(g, &r[1]);
	for (unsigned i = 0; i < 2 * EACH; i++)
		CHECK_EQ(await(g, &r[i % 2]).status, 0);
	for (unsigned i = 1; i <= 2; i++) {
		CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_SQ, i), 0);
		CHECK_EQ(delete_queue(g, NVME_ADMIN_DELETE_CQ, i), 0);
	}
}

static void expect_event(struct guest *g, uint32_t offset, uint32_t value, uint32_t information)
{
	struct completion c;
	uint16_t cid = submit(g, &g->admin,
			      &(struct command){ .opcode = NVME_ADMIN_EVENT_REQUEST });

	turn(g, 3);
	CHECK(!take(g, &g->admin, &c));
	set_reg(g, offset, value);
	c = await(g, &g->admin);
	CHECK_EQ(c.cid, cid);
	CHECK_EQ(c.status, 0);
	CHECK_EQ(c.result, NVME_LOG_ERRORS << 16 | information << 8 | NVME_EVENT_ERROR);
	CHECK_EQ(get_log(g, NVME_LOG_ERRORS), 0);
}

static void test_bad_doorbells(struct guest *g)
{
	struct ring io;

	ring_create(g, &io, 3, 16);
	expect_event(g, NVME_DOORBELLS + 8 * 2, 1, NVME_ERROR_DOORBELL_REGISTER);
	expect_event(g, NVME_DOORBELLS + 8 * 2 + 4, 1, NVME_ERROR_DOORBELL_REGISTER);
	expect_event(g, NVME_DOORBELLS + 8 * 400, 1, NVME_ERROR_DOORBELL_REGISTER);
	expect_event(g, NVME_DOORBELLS + 8 * 3, 16, NVME_ERROR_DOORBELL_VALUE);
	expect_event(g, NVME_DOORBELLS + 8 * 3 + 4, 16, NVME_ERROR_DOORBELL_VALUE);
	expect_event(g, NVME_DOORBELLS + 8 * 3 + 4, 1, NVME_ERROR_DOORBELL_VALUE);	/* empty */
	CHECK_EQ(status_of(g, &io, &(struct command){ .opcode = NVME_IO_FLUSH, .nsid = 1 }), 0);
}

/* As with an IOMMU: each page is a region of its own. */
static void test_scattered(struct guest *g)
{
	struct guest_memory *m = g->p->c->memory;
	unsigned access = MEMORY_READ | MEMORY_WRITE;
	struct command write = rw(NVME_IO_WRITE, g->data, 8, 64);
	struct ring r;

	memory_unmap_all(m, NULL, NULL);
	for (uint64_t p = 0; p < g->p->memory_size; p += PAGE)
		CHECK_OK(memory_map(m, p, PAGE, g->p->memory_fd, p, access));
	ring_create(g, &r, 9, 512);
	for (unsigned i = 0; i < 1200; i++)
		CHECK_EQ(status_of(g, &r, &(struct command){ .opcode = NVME_IO_FLUSH, .nsid = 1 }), 0);
	write.prp2 = pages(g, 1);
	for (unsigned i = 1; i < 8; i++)
		put_le64((uint8_t *)at(g, write.prp2) + 8 * (i - 1), g->data + i * PAGE);
	memset(at(g, g->data), 0x5a, 8 * PAGE);
	CHECK_EQ(status_of(g, &r, &write), 0);
	memset(at(g, g->data), 0, 8 * PAGE);
	write.opcode = NVME_IO_READ;
	CHECK_EQ(status_of(g, &r, &write), 0);
	for (unsigned i = 0; i < 8 * PAGE; i++)
		CHECK_EQ(*((uint8_t *)at(g, g->data) + i), 0x5a);
}

int main(void)
{
	struct guest g;

	guest_start(&g);
	CHECK_OK(in_process_attach(g.p, memory_disk(DISK_SIZE), NULL, NULL, NULL, NULL));
	test_create(&g);
	test_delete(&g);
	test_shared(&g);
	test_entry_sizes(&g);
	test_wrap(&g);
	test_full_ring(&g);
	test_arbitration(&g);
	test_much_data(&g);
	test_bad_doorbells(&g);
	test_scattered(&g);
	guest_free(&g);
	return 0;
}
