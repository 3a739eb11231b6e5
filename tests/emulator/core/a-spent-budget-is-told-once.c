/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands charge a budget with what they may need; its owner hears when it is spent, and when not. */
#include "core/dma.h"
#include "test.h"

struct owner {
	unsigned spent, freed;
	struct dma_budget budget;
};

static void changed(void *opaque, bool spent)
{
	struct owner *o = opaque;

	/* From within it is already as it is told. */
	CHECK_EQ(dma_budget_spent(&o->budget), spent);
	if (spent)
		o->spent++;
	else
		o->freed++;
}

static void expect(const struct owner *o, uint64_t charged, unsigned spent, unsigned freed)
{
	CHECK_EQ(o->budget.charged, charged);
	CHECK_EQ(o->spent, spent);
	CHECK_EQ(o->freed, freed);
	CHECK_EQ(dma_budget_spent(&o->budget), spent > freed);
}

int main(void)
{
	struct owner o = {.budget = {.changed = changed, .opaque = &o}};
	uint64_t a = 0, b = 0, c = 0, none = 0;

	expect(&o, 0, 0, 0);
	dma_charge(&o.budget, &a, DMA_BUDGET - 1);
	CHECK_EQ(a, DMA_BUDGET - 1);
	dma_charge(&o.budget, &none, 0);
	expect(&o, DMA_BUDGET - 1, 0, 0);

	/* The last one may go beyond it; so may those that had begun. */
	dma_charge(&o.budget, &b, 5000);
	expect(&o, DMA_BUDGET + 4999, 1, 0);
	dma_charge(&o.budget, &c, 1000);
	expect(&o, DMA_BUDGET + 5999, 1, 0);
	dma_discharge(&o.budget, &c);
	expect(&o, DMA_BUDGET + 4999, 1, 0);
	dma_discharge(&o.budget, &none);
	expect(&o, DMA_BUDGET + 4999, 1, 0);
	dma_discharge(&o.budget, &a);
	expect(&o, 5000, 1, 1);
	CHECK_EQ(a, 0);
	dma_discharge(&o.budget, &a);
	expect(&o, 5000, 1, 1);

	/* One command charged twice gives all of it back at once. */
	dma_charge(&o.budget, &b, DMA_BUDGET - 5000);
	expect(&o, DMA_BUDGET, 2, 1);
	dma_discharge(&o.budget, &b);
	expect(&o, 0, 2, 2);
	return 0;
}
