/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chain of 64 images in turning formats reads as the model says, with the smallest cache, too. */
#include "checked.h"
#include "model.h"

int main(void)
{
	struct rng r = { 64 };
	const struct kind *k;
	unsigned n = kinds(&k);
	struct model m;

	model_init(&m, &k[0], k[0].block[0], 700 * 512, 1);
	for (unsigned i = 0; m.depth < MODEL_DEPTH; i++) {
		const struct kind *next = &k[i % n];

		if (!next->child)
			continue;
		model_push(&m, next, next->block[0], 512 * rng_between(&r, 500, 900));
		m.cache_size = m.depth % 3 ? 0 : 4096;
		model_open(&m, true);
		for (unsigned op = 0; op < 12; op++) {
			uint64_t offset, length;

			model_pick(&m, &r, &offset, &length);
			length = min_u64(length, 6000);
			if (op % 3)
				model_write(&m, &r, offset, length);
			else
				model_zero(&m, &r, offset, length);
		}
		model_compare(&m);
		model_close(&m);
	}
	for (int small = 0; small < 2; small++) {
		m.cache_size = small ? 4096 : 0;
		model_verify_closed(&m);
		model_open(&m, false);
		for (unsigned i = 0; i < 2000; i++) {
			uint64_t offset, length;

			model_pick(&m, &r, &offset, &length);
			if (i % 4)
				model_read(&m, &r, offset, length);
			else
				model_map(&m, offset, length);
		}
		model_close(&m);
	}
	model_free(&m);
	return 0;
}
