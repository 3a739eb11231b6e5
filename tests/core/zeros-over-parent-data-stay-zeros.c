/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was discarded or zeroed over a parent's data stays zero: at once, after opening again, and
 * seen through another child, at each depth.
 */
#include "checked.h"
#include "model.h"

#define DEPTH 5

/* Parts of sectors, sectors, a block, blocks and a bit, by both calls; then nearly all. */
static void zero_some(struct model *m, uint64_t block)
{
	static const struct { double from, length; } ranges[] = {
		{ 0.01, 0.003 }, { 0.25, 0.5 }, { 1, 1 }, { 2.5, 1.7 }, { 6, 2 }, { 9.99, 0.02 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
		uint64_t offset = (uint64_t)(ranges[i].from * (double)block);
		uint64_t length = (uint64_t)(ranges[i].length * (double)block);

		if (i % 2)
			CHECK_OK(vd_discard(m->disk, offset, length, 0));
		else
			CHECK_OK(vd_write_zeroes(m->disk, offset, length, i ? VD_MAY_UNMAP : 0));
		memset(m->bytes + offset, 0, length);
	}
}

static void fill(struct model *m, int value)
{
	memset(m->bytes, value, m->size);
	CHECK_OK(vd_write(m->disk, m->bytes, m->size, 0, 0));
}

static void look_again(struct model *m)
{
	model_compare(m);
	model_close(m);
	model_verify_closed(m);
	model_open(m, true);
	model_map(m, 0, m->size);
	model_compare(m);
}

static void run(const struct kind *kind, const struct kind *base)
{
	uint64_t block = kind->block[0], size = 12 * block + 1024;
	struct model m;

	model_init(&m, base, base->block[0], size, 1);
	model_open(&m, true);
	fill(&m, 0x11);
	for (int depth = 2; depth <= DEPTH; depth++) {
		model_close(&m);
		model_push(&m, kind, block, size);
		model_open(&m, true);
		zero_some(&m, block);
		look_again(&m);
		if (depth % 2)
			continue;
		/* All of it at once, and data again for the next one. */
		CHECK_OK(vd_discard(m.disk, 0, m.size, 0));
		memset(m.bytes, 0, m.size);
		look_again(&m);
		fill(&m, depth);
	}
	model_free(&m);
}

int main(void)
{
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++)
		for (unsigned b = 0; k[i].child && b < n; b++)
			run(&k[i], &k[b]);
	return 0;
}
