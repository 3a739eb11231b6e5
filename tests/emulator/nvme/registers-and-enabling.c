/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers hold what the specification says, and the controller becomes ready only with admin
 * queues that it can use; otherwise it is in a fatal state, and a reset helps. */
#include "lib-nvme.h"

static void test_power_on(struct guest *g)
{
	uint64_t cap = in_process_read(g->p, 0, NVME_REG_CAP, 8);

	CHECK_EQ(cap & 0xffff, 4095);			/* MQES */
	CHECK_EQ(cap >> 16 & 1, 1);			/* CQR */
	CHECK_EQ(cap >> 32 & 0xf, 0);			/* DSTRD */
	CHECK_EQ(cap >> 36 & 1, 0);			/* NSSRS */
	CHECK_EQ(cap >> 37 & 0xff, 1);			/* CSS: NVM */
	CHECK_EQ(cap >> 48 & 0xff, 0x40);		/* MPSMIN 4 KiB, MPSMAX 64 KiB */
	CHECK_EQ(reg(g, NVME_REG_VS), 0x10400);
	CHECK_EQ(reg(g, NVME_REG_CC), 0);
	CHECK_EQ(reg(g, NVME_REG_CSTS), 0);
	CHECK_EQ(in_process_config_read(g->p, 0, 4), 0x4e5680ee);
	CHECK_EQ(in_process_config_read(g->p, 8, 4), 0x01080200);
}

static void test_access_sizes(struct guest *g)
{
	in_process_write(g->p, 0, NVME_REG_ASQ, 0x123456789abcdef0, 8);
	CHECK_EQ(in_process_read(g->p, 0, NVME_REG_ASQ, 8), 0x123456789abcd000);
	set_reg(g, NVME_REG_ASQ + 4, 7);
	CHECK_EQ(in_process_read(g->p, 0, NVME_REG_ASQ, 8), 0x79abcd000);
	CHECK_EQ(in_process_read(g->p, 0, NVME_REG_ASQ + 1, 1), 0xd0);
	CHECK_EQ(in_process_read(g->p, 0, NVME_REG_ASQ + 2, 4), 0x00079abc);
	in_process_write(g->p, 0, NVME_REG_ASQ, 0, 1);	/* neither is a write */
	in_process_write(g->p, 0, NVME_REG_ASQ + 2, 0, 4);
	CHECK_EQ(in_process_read(g->p, 0, NVME_REG_ASQ, 8), 0x79abcd000);
	set_reg(g, NVME_REG_AQA, 0xffffffff);
	CHECK_EQ(reg(g, NVME_REG_AQA), 0x0fff0fff);
	CHECK_EQ(reg(g, 0x800), 0);
}

/* Doorbells of a disabled controller are nothing at all. */
static void test_disabled(struct guest *g)
{
	set_reg(g, NVME_DOORBELLS, 3);
	set_reg(g, NVME_DOORBELLS + 4, 3);
	set_reg(g, NVME_DOORBELLS + 0xffc, 3);
	turn(g, 3);
	CHECK_EQ(reg(g, NVME_REG_CSTS), 0);
}

static void fails_to_enable(struct guest *g, uint32_t cc, uint32_t aqa, uint64_t asq, uint64_t acq)
{
	set_reg(g, NVME_REG_AQA, aqa);
	in_process_write(g->p, 0, NVME_REG_ASQ, asq, 8);
	in_process_write(g->p, 0, NVME_REG_ACQ, acq, 8);
	set_reg(g, NVME_REG_CC, cc | NVME_CC_EN);
	CHECK_EQ(reg(g, NVME_REG_CSTS), NVME_CSTS_CFS);
	set_reg(g, NVME_REG_CC, 0);
	CHECK_EQ(reg(g, NVME_REG_CSTS), 0);
}

static void test_bad_settings(struct guest *g)
{
	uint64_t sq = pages(g, 16) , cq = sq + 8 * PAGE;

	fails_to_enable(g, 0, 0x000f0000, sq, cq);	/* one entry */
	fails_to_enable(g, 0, 0x0000000f, sq, cq);
	fails_to_enable(g, 5 << 7, 0x000f000f, 0x100000, 0x200000);	/* 128 KiB pages */
	fails_to_enable(g, 1 << 7, 0x000f000f, sq | PAGE, cq);	/* off its page */
	fails_to_enable(g, 1 << 4, 0x000f000f, sq, cq);	/* a command set we have not */
	fails_to_enable(g, 1 << 11, 0x000f000f, sq, cq);	/* weighted arbitration */
}

/* Rings that are not in memory are noticed when they are used. */
static void test_rings_outside_memory(struct guest *g)
{
	set_reg(g, NVME_REG_AQA, 0x000f000f);
	in_process_write(g->p, 0, NVME_REG_ASQ, 1ull << 40, 8);
	in_process_write(g->p, 0, NVME_REG_ACQ, 1ull << 40, 8);
	set_reg(g, NVME_REG_CC, NVME_CC_EN);
	CHECK_EQ(reg(g, NVME_REG_CSTS), NVME_CSTS_RDY);
	set_reg(g, NVME_DOORBELLS, 1);
	turn(g, 3);
	CHECK_EQ(reg(g, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_CFS);
	set_reg(g, NVME_REG_CC, 0);
	CHECK(wait_csts(g, ~0u, 0));

	in_process_write(g->p, 0, NVME_REG_ASQ, pages(g, 1), 8);	/* its completions only */
	set_reg(g, NVME_REG_CC, NVME_CC_EN);
	set_reg(g, NVME_DOORBELLS, 1);
	turn(g, 3);
	CHECK_EQ(reg(g, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_CFS);
	set_reg(g, NVME_REG_CC, 0);
	CHECK(wait_csts(g, ~0u, 0));
}

static void test_enable(struct guest *g)
{
	uint32_t aqa;

	guest_enable(g);
	aqa = reg(g, NVME_REG_AQA);
	set_reg(g, NVME_REG_INTMS, 5);
	CHECK_EQ(reg(g, NVME_REG_INTMC), 5);
	set_reg(g, NVME_REG_INTMC, 1);
	CHECK_EQ(reg(g, NVME_REG_INTMS), 4);
	set_reg(g, NVME_REG_CC, 0);
	CHECK(wait_csts(g, ~0u, 0));
	CHECK_EQ(reg(g, NVME_REG_AQA), aqa);		/* kept over this reset */
	CHECK_EQ(reg(g, NVME_REG_INTMS), 0);
	guest_enable(g);
	in_process_reset(g->p);
	CHECK_EQ(reg(g, NVME_REG_AQA), 0);
	CHECK_EQ(reg(g, NVME_REG_CSTS), 0);
}

/* Not offered: nothing happens. */
static void test_subsystem_reset(struct guest *g)
{
	guest_enable(g);
	set_reg(g, NVME_REG_NSSR, NVME_SUBSYSTEM_RESET);
	CHECK_EQ(reg(g, NVME_REG_NSSR), 0);
	CHECK_EQ(reg(g, NVME_REG_CSTS), NVME_CSTS_RDY);
}

int main(void)
{
	struct guest g;

	guest_new(&g, NULL);
	test_power_on(&g);
	test_access_sizes(&g);
	test_disabled(&g);
	test_bad_settings(&g);
	test_rings_outside_memory(&g);
	test_enable(&g);
	test_subsystem_reset(&g);
	guest_free(&g);
	return 0;
}
