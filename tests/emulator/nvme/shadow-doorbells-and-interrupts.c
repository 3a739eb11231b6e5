/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupts: one message per vector and round, masks, INTx as a level; shadow doorbells: the host
 * rings as EventIdx tells it to, and no command is missed. */
#include "lib-nvme.h"

static const struct command flush = { .opcode = NVME_IO_FLUSH, .nsid = 1 };

static void start(struct guest *g, enum pci_irq_kind irq, unsigned vectors)
{
	struct in_process_options o = { .irq = irq, .vectors = vectors };

	guest_new(g, &o);
	guest_enable(g);
	CHECK_OK(in_process_attach(g->p, memory_disk(DISK_SIZE), NULL, NULL, NULL, NULL));
}

static void drain(struct guest *g, struct ring *r, unsigned n)
{
	while (n--)
		CHECK_EQ(await(g, r).status, 0);
}

static void test_msix(void)
{
	struct guest g;
	struct ring a, b;
	uint64_t before;

	start(&g, PCI_IRQ_MSIX, 65);
	ring_create(&g, &a, 1, 64);
	ring_create(&g, &b, 64, 64);
	CHECK(g.p->messages[0] > 0);
	before = g.p->messages[0];
	for (unsigned i = 0; i < 20; i++)		/* these fail at once: one round */
		put(&g, &a, &(struct command){ .opcode = 0xff, .nsid = 1 });
	ring_doorbell(&g, &a);
	in_process_settle(g.p);
	CHECK_EQ(g.p->messages[1], 1);
	CHECK_EQ(g.p->messages[64], 0);
	CHECK_EQ(g.p->messages[0], before);
	drain(&g, &b, 0);
	CHECK_EQ(status_of(&g, &b, &flush), 0);
	turn(&g, 3);
	CHECK_EQ(g.p->messages[64], 1);
	guest_free(&g);
}

/* A queue without interrupts is silent. */
static void test_polled(void)
{
	struct guest g;
	struct ring r = { .sq = 1, .cq = 1, .sq_size = 16, .cq_size = 16, .phase = 1 };

	start(&g, PCI_IRQ_MSIX, 65);
	r.sq_base = pages(&g, 1);
	r.cq_base = pages(&g, 1);
	CHECK_EQ(create_cq(&g, 1, r.cq_base, 16, 1 << 16 | 1), 0);
	CHECK_EQ(create_sq(&g, 1, r.sq_base, 16, 1 << 16 | 1), 0);
	CHECK_EQ(status_of(&g, &r, &flush), 0);
	turn(&g, 3);
	CHECK_EQ(g.p->messages[1], 0);
	guest_free(&g);
}

static void test_msi_mask(void)
{
	struct guest g;
	struct ring r;

	start(&g, PCI_IRQ_MSI, 4);
	ring_create(&g, &r, 2, 16);
	set_reg(&g, NVME_REG_INTMS, 1 << 2);
	CHECK_EQ(status_of(&g, &r, &flush), 0);
	turn(&g, 3);
	CHECK_EQ(g.p->messages[2], 0);
	set_reg(&g, NVME_REG_INTMC, 1 << 2);
	turn(&g, 3);
	CHECK_EQ(g.p->messages[2], 1);
	guest_free(&g);
}

static void test_intx(void)
{
	struct guest g;
	struct completion c;
	struct ring r;

	start(&g, PCI_IRQ_INTX, 0);
	ring_create(&g, &r, 1, 16);
	turn(&g, 3);
	CHECK(!g.p->level);
	submit(&g, &r, &flush);
	submit(&g, &r, &flush);
	in_process_settle(g.p);
	turn(&g, 3);
	CHECK(g.p->level);
	set_reg(&g, NVME_REG_INTMS, 1 << 1);
	CHECK(!g.p->level);
	set_reg(&g, NVME_REG_INTMC, 1 << 1);
	CHECK(g.p->level);
	CHECK(take(&g, &r, &c));
	CHECK(g.p->level);				/* one more is there */
	CHECK(take(&g, &r, &c));
	CHECK(!g.p->level);
	submit(&g, &r, &flush);
	in_process_settle(g.p);
	turn(&g, 3);
	CHECK(g.p->level);
	set_reg(&g, NVME_REG_CC, 0);
	CHECK(wait_csts(&g, ~0u, 0));
	CHECK(!g.p->level);
	guest_free(&g);
}

/* ------------------------------------------------------------------------------------ shadows */

struct shadows {
	uint8_t *value, *event;
	unsigned rung;
};

/* A host's side: writes the shadow, and the doorbell if that passes the event index. */
static void move(struct guest *g, struct shadows *s, unsigned index, uint16_t to)
{
	uint16_t old = le32(s->value + 4 * index), event;

	put_le32(s->value + 4 * index, to);
	event = le32(s->event + 4 * index);
	if ((uint16_t)(to - event - 1) >= (uint16_t)(to - old))
		return;
	s->rung++;
	set_reg(g, NVME_DOORBELLS + 4 * index, to);
}

static void shadows_on(struct guest *g, struct shadows *s)
{
	uint64_t p = pages(g, 2);
	struct command c = { .opcode = NVME_ADMIN_DOORBELL_BUFFER, .prp1 = p, .prp2 = p + PAGE };
	struct command bad = c;

	bad.prp1 += 4;
	CHECK_EQ(admin(g, &bad), NVME_INVALID_FIELD | DNR);
	bad = c;
	bad.prp2 = 0;
	CHECK_EQ(admin(g, &bad), NVME_INVALID_FIELD | DNR);
	bad.prp2 = 1ull << 40;
	CHECK_EQ(admin(g, &bad), NVME_DATA_TRANSFER_ERROR | DNR);
	CHECK_EQ(admin(g, &c), 0);
	*s = (struct shadows){ .value = at(g, p), .event = at(g, p + PAGE) };
}

static void one(struct guest *g, struct shadows *s, struct ring *r)
{
	struct completion c;

	put(g, r, &flush);
	move(g, s, 2 * r->sq, r->tail);
	c = await(g, r);
	CHECK_EQ(c.status, 0);
	move(g, s, 2 * r->cq + 1, r->head);
}

/* At depth 1 each command rings once, and its completion hardly ever. */
static void test_few_doorbells(void)
{
	struct guest g;
	struct shadows s;
	struct ring before, after;

	start(&g, PCI_IRQ_MSIX, 65);
	ring_create(&g, &before, 1, 64);
	shadows_on(&g, &s);
	ring_create(&g, &after, 2, 64);
	before.silent = after.silent = true;
	for (unsigned i = 0; i < 640; i++)
		one(&g, &s, i & 1 ? &before : &after);
	CHECK(s.rung >= 640 && s.rung < 640 + 40);
	guest_free(&g);
}

/* A full completion ring asks for the head. */
static void test_full(void)
{
	enum { N = 100 };
	struct guest g;
	struct shadows s;
	struct ring r = { .sq = 1, .cq = 1, .sq_size = 128, .cq_size = 4, .phase = 1,
			  .silent = true };

	start(&g, PCI_IRQ_MSIX, 65);
	r.sq_base = pages(&g, 2);
	r.cq_base = pages(&g, 1);
	shadows_on(&g, &s);
	CHECK_EQ(create_cq(&g, 1, r.cq_base, 4, 1 << 16 | 3), 0);
	CHECK_EQ(create_sq(&g, 1, r.sq_base, 128, 1 << 16 | 1), 0);
	for (unsigned i = 0; i < N; i++)
		put(&g, &r, &flush);
	move(&g, &s, 2, r.tail);
	for (unsigned i = 0; i < N; i++) {
		CHECK_EQ(await(&g, &r).status, 0);
		move(&g, &s, 3, r.head);
	}
	guest_free(&g);
}

static void test_bad_values(void)
{
	struct guest g;
	struct shadows s;
	struct ring r;
	struct completion c;

	start(&g, PCI_IRQ_MSIX, 65);
	shadows_on(&g, &s);
	ring_create(&g, &r, 1, 16);
	r.silent = true;
	submit(&g, &g.admin, &(struct command){ .opcode = NVME_ADMIN_EVENT_REQUEST });
	put_le32(s.value + 8, 16);
	set_reg(&g, NVME_DOORBELLS + 8, 16);
	c = await(&g, &g.admin);
	CHECK_EQ(c.result, NVME_LOG_ERRORS << 16 | NVME_ERROR_DOORBELL_VALUE << 8);
	put_le32(s.value + 8, 0);
	one(&g, &s, &r);
	guest_free(&g);
}

/* INTx has to fall, so it needs each head. */
static void test_shadow_intx(void)
{
	struct guest g;
	struct shadows s;
	struct ring r;

	start(&g, PCI_IRQ_INTX, 0);
	shadows_on(&g, &s);
	ring_create(&g, &r, 1, 16);
	r.silent = true;
	for (unsigned i = 0; i < 40; i++) {
		put(&g, &r, &flush);
		move(&g, &s, 2, r.tail);
		in_process_settle(g.p);
		turn(&g, 3);
		CHECK(g.p->level);
		one(&g, &s, &r);
		CHECK_EQ(await(&g, &r).status, 0);
		move(&g, &s, 3, r.head);
		turn(&g, 3);
		CHECK(!g.p->level);
	}
	guest_free(&g);
}

int main(void)
{
	test_msix();
	test_polled();
	test_msi_mask();
	test_intx();
	test_few_doorbells();
	test_full();
	test_bad_values();
	test_shadow_intx();
	return 0;
}
