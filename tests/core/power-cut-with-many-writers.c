/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power fails while several threads write, zero and flush. They share blocks, but no sectors.
 *
 *	power-cut-with-many-writers [SEED]	other operations; their order is never the same
 */
#include "history.h"

#include <pthread.h>

#include "checked.h"

#define THREADS 4
#define SLICE (3 * 512)		/* no block is a multiple of it */

struct run {
	struct model m;
	struct history h;
	unsigned operations;
};

struct writer {
	pthread_t id;
	struct run *run;
	unsigned number;
	struct rng r;
};

static void change(struct writer *w, uint64_t offset, uint64_t length)
{
	struct run *t = w->run;
	bool zero = rng_chance(&w->r, 35);

	if (zero)
		memset(t->m.bytes + offset, 0, length);
	else
		rng_fill(&w->r, t->m.bytes + offset, length);
	history_begin(&t->h, t->m.bytes, offset, length);
	if (!zero)
		CHECK_OK(vd_write(t->m.disk, t->m.bytes + offset, length, offset, 0));
	else if (rng_chance(&w->r, 50))
		CHECK_OK(vd_discard(t->m.disk, offset, length, 0));
	else
		CHECK_OK(vd_write_zeroes(t->m.disk, offset, length, 0));
	history_end(&t->h, offset, length);
}

static void flush(struct run *t)
{
	uint64_t begun = history_flush_begin(&t->h);

	CHECK_OK(vd_flush(t->m.disk));
	history_flush_end(&t->h, begun);
}

static void *write_and_flush(void *opaque)
{
	struct writer *w = opaque;
	struct run *t = w->run;
	uint64_t slices = div_up(t->m.size, SLICE);

	for (unsigned i = 0; i < t->operations; i++) {
		uint64_t slice = align_down(rng_below(&w->r, slices), THREADS) + w->number;
		uint64_t low = slice * SLICE, high = min_u64(low + SLICE, t->m.size);
		uint64_t offset;

		if (low >= t->m.size)
			continue;
		offset = rng_chance(&w->r, 60) ? low : rng_between(&w->r, low, high - 1);
		change(w, offset, rng_between(&w->r, 1, high - offset));
		if (rng_chance(&w->r, 8))
			flush(t);
	}
	return NULL;
}

static void run(const struct kind *kind, unsigned parents, uint64_t seed)
{
	struct run t = { .operations = test_quick() ? 10 : 30 };
	struct rng r = { seed };
	struct writer w[THREADS];
	struct vd_storage *copy;
	uint64_t size = max_u64(512 * rng_between(&r, 300, 500), kind->block[0] * 7), begun;
	struct vd_error err = { "" };

	model_init(&t.m, kind, kind->block[0], size, 1);
	for (unsigned i = 0; i < parents; i++) {
		model_open(&t.m, true);
		for (unsigned k = 0; k < 15; k++)
			model_step(&t.m, &r);
		model_close(&t.m);
		model_push(&t.m, kind, kind->block[0], size);
	}
	snprintf(t.m.what, sizeof(t.m.what), "%s, %u parents, seed %" PRIu64, kind_label(kind), parents,
		 seed);
	CHECK_OK(storage_memory_clone(model_leaf(&t.m)->storage, &copy));
	CHECK_OK(storage_open_record(copy, &copy));
	history_init(&t.h, copy, &t.m);
	model_jitter(true);
	CHECK_OK(model_open_on(&t.m, borrow(copy, true), &t.m.disk, &err));
	model_jitter(false);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct writer){ .run = &t, .number = i, .r = { rng_next(&r) } };
		CHECK_EQ(pthread_create(&w[i].id, NULL, write_and_flush, &w[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(w[i].id, NULL), 0);
	begun = history_flush_begin(&t.h);
	model_compare(&t.m);
	model_close(&t.m);
	history_flush_end(&t.h, begun);
	cut_everywhere(&t.m, &t.h, &r, test_quick() ? 20 : 100, test_quick() ? 2 : 4);
	history_free(&t.h);
	storage_close(copy);
	model_free(&t.m);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++) {
		/* Of what only differs in its header, or little, one is enough. */
		unsigned rounds = k[i].torn ? 3 : k[i].adapt || !k[i].child ? 1 : 6;

		for (unsigned round = 0; round < rounds; round++)
			run(&k[i], k[i].child ? (round + !!k[i].adapt) % 3 : 0,
			    seed * 1000 + i * 10 + round);
	}
	return 0;
}
