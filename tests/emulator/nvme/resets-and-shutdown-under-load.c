/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Controller reset, subsystem reset, PCI reset, deletion of a queue, abort, and shutdown while
 * requests are in flight, some of them held by a storage that stalls. Nothing completes after its
 * reset or deletion, nothing twice, and CSTS.RDY tells when all is quiet.
 */
#include "lib-nvme.h"

#define LOAD 20

static struct ring io;
static struct vd_storage *stall, *fault;

static void set_up(struct guest *g, bool may_stall)
{
	struct device_options o = { .discard = true, .may_stall = may_stall };
	struct vd_storage *s;

	guest_start(g);
	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	CHECK_OK(storage_open_fault(stall, &fault));
	CHECK_OK(in_process_attach(g->p, disk_on(fault), &o, NULL, NULL, NULL));
	CHECK_OK(in_process_attach(g->p, memory_disk(DISK_SIZE), NULL, NULL, NULL, NULL));
	ring_create(g, &io, 1, 64);
}

/* Reads and writes of both disks; those of the second one may end. */
static void load(struct guest *g)
{
	for (unsigned i = 0; i < LOAD; i++) {
		struct command c = rw(i & 1 ? NVME_IO_WRITE : NVME_IO_READ, g->data + i * PAGE,
				      8 * i, 8);

		c.nsid = 1 + i % 4 / 2;
		put(g, &io, &c);
	}
	ring_doorbell(g, &io);
	while (!storage_stall_waiting(stall))
		turn(g, 1);
}

static void nothing_comes(struct guest *g)
{
	struct completion c;
	unsigned n = 0;

	while (take(g, &io, &c))
		n++;
	CHECK(n <= LOAD / 2);
	storage_stall_set(stall, 0);
	in_process_settle(g->p);
	turn(g, 10);
	CHECK(!take(g, &io, &c));
}

static void works_again(struct guest *g)
{
	struct command c = rw(NVME_IO_WRITE, g->data, 0, 8);

	guest_enable(g);
	ring_create(g, &io, 1, 64);
	CHECK_EQ(status_of(g, &io, &c), 0);
	c.nsid = 2;
	c.opcode = NVME_IO_READ;
	CHECK_EQ(status_of(g, &io, &c), 0);
}

static void test_reset(bool may_stall)
{
	struct guest g;

	set_up(&g, may_stall);
	storage_stall_set(stall, FAULT_READ | FAULT_WRITE);
	load(&g);
	set_reg(&g, NVME_REG_CC, 0);
	CHECK_EQ(reg(&g, NVME_REG_CSTS), NVME_CSTS_RDY);
	turn(&g, 20);
	if (!may_stall)				/* the kernel has our buffers */
		CHECK_EQ(reg(&g, NVME_REG_CSTS), NVME_CSTS_RDY);
	if (!may_stall)
		storage_stall_set(stall, 0);
	CHECK(wait_csts(&g, ~0u, 0));
	nothing_comes(&g);
	works_again(&g);
	guest_free(&g);
}

/* CC.EN set again before the reset is over takes effect after it. */
static void test_hasty(void)
{
	struct guest g;
	struct completion c;

	set_up(&g, false);
	storage_stall_set(stall, FAULT_READ);
	load(&g);
	set_reg(&g, NVME_REG_CC, 0);
	set_reg(&g, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN);
	set_reg(&g, NVME_DOORBELLS + 8, 30);
	turn(&g, 5);
	CHECK_EQ(reg(&g, NVME_REG_CSTS), NVME_CSTS_RDY);
	storage_stall_set(stall, 0);
	in_process_settle(g.p);
	turn(&g, 5);
	CHECK_EQ(reg(&g, NVME_REG_CSTS), NVME_CSTS_RDY);
	memset(at(&g, g.admin.cq_base), 0, PAGE);
	g.admin.head = g.admin.tail = 0;
	g.admin.phase = 1;
	CHECK_EQ(delete_queue(&g, NVME_ADMIN_DELETE_SQ, 1), NVME_QUEUE_ID_INVALID | DNR);
	CHECK(!take(&g, &g.admin, &c));
	guest_free(&g);
}

static void set(void *opaque)
{
	*(bool *)opaque = true;
}

/* A PCI reset on top of a reset under way ends once, with all registers at 0. */
static void test_pci_reset(void)
{
	struct guest g;
	bool done = false;

	set_up(&g, false);
	storage_stall_set(stall, FAULT_WRITE);
	load(&g);
	set_reg(&g, NVME_REG_CC, 0);
	controller_reset(g.p->c, set, &done);
	turn(&g, 5);
	CHECK(!done);
	storage_stall_set(stall, 0);
	for (unsigned i = 0; i < 500 && !done; i++)
		loop_once(g.p->loop, 10);
	CHECK(done);
	CHECK_EQ(reg(&g, NVME_REG_CSTS), 0);
	CHECK_EQ(reg(&g, NVME_REG_AQA), 0);
	in_process_config_write(g.p, 4, 6, 2);
	works_again(&g);
	guest_free(&g);
}

static void test_deletion(bool may_stall)
{
	struct guest g;
	struct completion c;
	uint16_t cid;
	unsigned n = 0;

	set_up(&g, may_stall);
	storage_stall_set(stall, FAULT_READ | FAULT_WRITE);
	load(&g);
	cid = submit(&g, &g.admin, &(struct command){ .opcode = NVME_ADMIN_DELETE_SQ, .d10 = 1 });
	turn(&g, 5);
	if (!may_stall) {
		CHECK(!take(&g, &g.admin, &c));
		CHECK_EQ(delete_queue(&g, NVME_ADMIN_DELETE_SQ, 1), NVME_QUEUE_ID_INVALID | DNR);
		storage_stall_set(stall, 0);
	}
	c = await(&g, &g.admin);
	CHECK_EQ(c.cid, cid);
	CHECK_EQ(c.status, 0);
	io.silent = true;
	while (take(&g, &io, &c)) {
		CHECK(c.status == 0 || c.status == NVME_ABORTED_BY_DELETION);
		n++;
	}
	CHECK_EQ(n, LOAD);
	set_reg(&g, NVME_DOORBELLS + 8, 1);		/* of nothing */
	turn(&g, 5);
	CHECK_EQ(delete_queue(&g, NVME_ADMIN_DELETE_CQ, 1), 0);
	storage_stall_set(stall, 0);
	ring_create(&g, &io, 1, 16);
	CHECK_EQ(status_of(&g, &io, &(struct command){ .opcode = NVME_IO_FLUSH, .nsid = 1 }), 0);
	guest_free(&g);
}

/* A deletion that a reset overtakes has no completion. */
static void test_deletion_and_reset(void)
{
	struct guest g;

	set_up(&g, false);
	storage_stall_set(stall, FAULT_READ | FAULT_WRITE);
	load(&g);
	submit(&g, &g.admin, &(struct command){ .opcode = NVME_ADMIN_DELETE_SQ, .d10 = 1 });
	turn(&g, 5);
	set_reg(&g, NVME_REG_CC, 0);
	turn(&g, 5);
	storage_stall_set(stall, 0);
	CHECK(wait_csts(&g, ~0u, 0));
	works_again(&g);
	guest_free(&g);
}

static void test_abort(bool may_stall)
{
	struct guest g;
	struct command read, abort = { .opcode = NVME_ADMIN_ABORT };
	struct completion c;
	uint16_t target, cid;

	set_up(&g, may_stall);
	read = rw(NVME_IO_READ, g.data, 0, 8);
	abort.d10 = 1;
	CHECK_EQ(complete(&g, &g.admin, &abort).result, 1);	/* nothing is there */
	abort.d10 = 77;
	CHECK_EQ(complete(&g, &g.admin, &abort).result, 1);
	storage_stall_set(stall, FAULT_READ);
	target = submit(&g, &io, &read);
	while (!storage_stall_waiting(stall))
		turn(&g, 1);
	abort.d10 = 1 | (uint32_t)target << 16;
	cid = submit(&g, &g.admin, &abort);
	c = await(&g, &g.admin);			/* after a while */
	CHECK_EQ(c.cid, cid);
	CHECK_EQ(c.status, 0);
	CHECK_EQ(c.result, !may_stall);
	storage_stall_set(stall, 0);
	c = await(&g, &io);
	CHECK_EQ(c.cid, target);
	CHECK_EQ(c.status, may_stall ? NVME_ABORT_REQUESTED : 0);
	CHECK(!take(&g, &g.admin, &c));
	guest_free(&g);
}

static void test_abort_limit(void)
{
	struct guest g;
	struct command read, abort = { .opcode = NVME_ADMIN_ABORT };
	uint16_t target[5];
	unsigned limit = 0, refused = 0;

	set_up(&g, false);
	read = rw(NVME_IO_READ, g.data, 0, 8);
	storage_stall_set(stall, FAULT_READ);
	for (unsigned i = 0; i < 5; i++)
		target[i] = submit(&g, &io, &read);
	while (storage_stall_waiting(stall) < 5)
		turn(&g, 1);
	for (unsigned i = 0; i < 5; i++) {
		abort.d10 = 1 | (uint32_t)target[i] << 16;
		submit(&g, &g.admin, &abort);
	}
	for (unsigned i = 0; i < 5; i++) {
		struct completion c = await(&g, &g.admin);

		limit += c.status == (NVME_ABORT_LIMIT | DNR);
		refused += c.status == 0 && c.result == 1;
	}
	CHECK_EQ(limit, 1);
	CHECK_EQ(refused, 4);
	storage_stall_set(stall, 0);
	guest_free(&g);
}

/* What was taken ends, then all is flushed; what came after waits for ever. */
static void test_shutdown(uint32_t kind)
{
	struct guest g;
	struct command flush = { .opcode = NVME_IO_FLUSH, .nsid = 1 };
	struct completion c;
	unsigned n = 0;

	set_up(&g, false);
	storage_stall_set(stall, FAULT_WRITE);
	load(&g);
	set_reg(&g, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN | kind << 14);
	submit(&g, &io, &flush);
	turn(&g, 10);
	CHECK_EQ(reg(&g, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_SHST_BUSY);
	storage_fault_arm(fault, FAULT_SYNC, 0, 0, false);
	storage_stall_set(stall, FAULT_SYNC);
	while (!storage_stall_waiting(stall))
		loop_once(g.p->loop, 10);
	turn(&g, 10);
	CHECK_EQ(reg(&g, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_SHST_BUSY);
	storage_stall_set(stall, 0);
	CHECK(wait_csts(&g, ~0u, NVME_CSTS_RDY | NVME_CSTS_SHST_DONE));
	CHECK_EQ(storage_fault_calls(fault), 1);
	while (take(&g, &io, &c))
		n++;
	CHECK_EQ(n, LOAD);
	set_reg(&g, NVME_REG_CC, 0);
	CHECK(wait_csts(&g, ~0u, 0));
	works_again(&g);
	guest_free(&g);
}

/* A disabled controller can be shut down, too, and enabled after that. */
static void test_shutdown_disabled(void)
{
	struct guest g;

	set_up(&g, false);
	set_reg(&g, NVME_REG_CC, 0);
	CHECK(wait_csts(&g, ~0u, 0));
	set_reg(&g, NVME_REG_CC, 1 << 14);
	CHECK(wait_csts(&g, ~0u, NVME_CSTS_SHST_DONE));
	works_again(&g);
	guest_free(&g);
}

/* A host that does not wait for a shutdown, goes on writing, and shuts down again. */
static void test_second_shutdown(void)
{
	struct guest g;
	struct command c;

	set_up(&g, false);
	c = rw(NVME_IO_WRITE, g.data, 0, 8);
	CHECK_EQ(status_of(&g, &io, &c), 0);
	set_reg(&g, NVME_REG_CC, 0);
	CHECK(wait_csts(&g, ~0u, 0));
	storage_stall_set(stall, FAULT_SYNC);
	set_reg(&g, NVME_REG_CC, 1 << 14);
	while (!storage_stall_waiting(stall))
		turn(&g, 1);
	guest_enable(&g);
	ring_create(&g, &io, 1, 64);
	CHECK_EQ(status_of(&g, &io, &c), 0);
	set_reg(&g, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN | 1 << 14);
	turn(&g, 10);
	CHECK_EQ(reg(&g, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_SHST_BUSY);
	storage_fault_arm(fault, FAULT_SYNC, 0, 0, false);
	storage_stall_set(stall, 0);
	CHECK(wait_csts(&g, ~0u, NVME_CSTS_RDY | NVME_CSTS_SHST_DONE));
	CHECK_EQ(storage_fault_calls(fault), 1);	/* the write's */
	set_reg(&g, NVME_REG_CC, 0);
	CHECK(wait_csts(&g, ~0u, 0));
	works_again(&g);
	guest_free(&g);
}

/* A reset during a shutdown's flush ends both. */
static void test_reset_in_shutdown(void)
{
	struct guest g;
	struct command c;

	set_up(&g, false);
	c = rw(NVME_IO_WRITE, g.data, 0, 8);
	CHECK_EQ(status_of(&g, &io, &c), 0);
	storage_stall_set(stall, FAULT_SYNC);
	set_reg(&g, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN | 1 << 14);
	while (!storage_stall_waiting(stall))
		turn(&g, 1);
	set_reg(&g, NVME_REG_CC, 0);
	turn(&g, 5);
	storage_stall_set(stall, 0);
	CHECK(wait_csts(&g, ~0u, 0));
	works_again(&g);
	guest_free(&g);
}

/* Memory goes away under the rings of a busy controller. */
static void test_unmap(void)
{
	struct guest g;
	bool done = false;

	set_up(&g, false);
	storage_stall_set(stall, FAULT_READ | FAULT_WRITE);
	load(&g);
	memory_unmap_all(g.p->c->memory, set, &done);
	turn(&g, 5);
	CHECK(!done);					/* pinned */
	storage_stall_set(stall, 0);
	for (unsigned i = 0; i < 500 && !done; i++)
		loop_once(g.p->loop, 10);
	CHECK(done);
	turn(&g, 5);
	CHECK_EQ(reg(&g, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_CFS);
	set_reg(&g, NVME_REG_CC, 0);
	CHECK(wait_csts(&g, ~0u, 0));
	CHECK_OK(memory_map(g.p->c->memory, 0, g.p->memory_size, g.p->memory_fd, 0,
			    MEMORY_READ | MEMORY_WRITE));
	works_again(&g);
	guest_free(&g);
}

int main(void)
{
	test_reset(false);
	test_reset(true);
	test_hasty();
	test_pci_reset();
	test_deletion(false);
	test_deletion(true);
	test_deletion_and_reset();
	test_abort(false);
	test_abort(true);
	test_abort_limit();
	test_shutdown(1);
	test_shutdown(2);
	test_shutdown_disabled();
	test_second_shutdown();
	test_reset_in_shutdown();
	test_unmap();
	return 0;
}
