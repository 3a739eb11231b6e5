/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power fails at each point of a run of random operations, closing and opening included, with any
 * subset of what was not flushed yet: the image opens, is sound, and holds what was flushed or
 * newer. From one of the ruins the run goes on, for some generations.
 *
 *	power-cut-keeps-what-was-flushed [SEED]		other ones
 */
#include "history.h"

#include "checked.h"

#define GENERATIONS 3

struct run {
	struct model m;
	struct history h;
	struct rng r;
	unsigned operations;
};

static void write_(struct run *t, uint64_t offset, uint64_t length)
{
	bool fua = rng_chance(&t->r, 5);
	uint64_t begun;

	rng_fill(&t->r, t->m.bytes + offset, length);
	history_begin(&t->h, t->m.bytes, offset, length);
	CHECK_OK(vd_write(t->m.disk, t->m.bytes + offset, length, offset, fua ? VD_FUA : 0));
	history_end(&t->h, offset, length);
	if (!fua)
		return;
	begun = history_flush_begin(&t->h);
	history_flush_end(&t->h, begun);
}

static void zero(struct run *t, uint64_t offset, uint64_t length)
{
	memset(t->m.bytes + offset, 0, length);
	history_begin(&t->h, t->m.bytes, offset, length);
	if (rng_chance(&t->r, 50))
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

static void open_(struct run *t)
{
	struct vd_error err = { "" };
	int r = model_open_on(&t->m, borrow(t->h.record, true), &t->m.disk, &err);

	if (r)
		test_fail(__FILE__, __LINE__, "%s: %d: %s", t->m.what, r, err.text);
}

static void close_(struct run *t)
{
	uint64_t begun = history_flush_begin(&t->h);

	model_close(&t->m);
	history_flush_end(&t->h, begun);
}

static void step(struct run *t)
{
	uint64_t what = rng_below(&t->r, 100), offset, length;

	model_pick(&t->m, &t->r, &offset, &length);
	if (what < 55) {
		write_(t, offset, length);
	} else if (what < 80) {
		zero(t, offset, length);
	} else if (what < 97) {
		flush(t);
	} else {
		close_(t);
		open_(t);
	}
}

/* One generation: starts on `start`, which it takes over, and returns a ruin. */
static struct vd_storage *generation(struct run *t, struct vd_storage *start)
{
	struct vd_storage *record, *ruin;
	uint64_t upto;

	CHECK_OK(storage_open_record(start, &record));
	t->h.record = record;
	open_(t);
	CHECK_OK(vd_read(t->m.disk, t->m.bytes, t->m.size, 0, 0));
	history_init(&t->h, record, &t->m);
	for (unsigned i = 0; i < t->operations; i++)
		step(t);
	close_(t);
	cut_everywhere(&t->m, &t->h, &t->r, test_quick() ? 20 : 120, test_quick() ? 2 : 4);
	upto = rng_below(&t->r, storage_record_length(record) + 1);
	CHECK_OK(storage_record_cut(record, upto, rng_next(&t->r), &ruin));
	history_free(&t->h);
	storage_close(record);
	return ruin;
}

struct plan {
	unsigned parents;
	uint32_t align;
	uint64_t cache;
};

static uint64_t size_for(struct run *t, uint64_t block, uint32_t align)
{
	uint64_t unit = max_u64(block, 16384);

	return align_down(rng_between(&t->r, 3 * unit, 10 * unit), max_u64(512, align));
}

/* Parents with data and holes. */
static void build(struct run *t, const struct kind *kind, const struct plan *plan)
{
	uint64_t block = kind->block[0];
	const struct kind *base = plan->parents % 2 ? kind_of("raw", true) : kind;

	model_init(&t->m, base, base->block[0], size_for(t, block, plan->align), plan->align);
	t->m.cache_size = plan->cache;
	for (unsigned i = 0; i < plan->parents; i++) {
		model_open(&t->m, true);
		for (unsigned k = 0; k < 25; k++)
			model_step(&t->m, &t->r);
		model_close(&t->m);
		model_push(&t->m, kind, block, size_for(t, block, plan->align));
	}
}

static void run(const struct kind *kind, const struct plan *plan, uint64_t seed)
{
	struct run t = { .r = { seed }, .operations = test_quick() ? 30 : 60 };
	struct vd_storage *at;

	build(&t, kind, plan);
	CHECK_OK(storage_memory_clone(model_leaf(&t.m)->storage, &at));
	for (unsigned g = 0; g < GENERATIONS; g++) {
		snprintf(t.m.what, sizeof(t.m.what), "%s%s, %u parents, seed %" PRIu64
			 ", generation %u", kind_label(kind), kind->fixed ? " fixed" : "", plan->parents,
			 seed, g);
		at = generation(&t, at);
	}
	storage_close(at);
	model_free(&t.m);
}

int main(int argc, char **argv)
{
	static const struct plan plans[] = {
		{ 0, 1, 0 }, { 1, 1, 0 }, { 2, 512, 4096 }, { 3, 4096, 0 },
	};
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++) {
		/* Of what only differs in its header one is enough; an odd layout wants two. */
		unsigned p = k[i].torn ? 1 : k[i].adapt ? 2 : 0;
		unsigned end = k[i].adapt ? 3 : k[i].child ? ARRAY_SIZE(plans) : 1;

		for (; p < end; p++)
			run(&k[i], &plans[p], seed * 1000 + i * 10 + p);
	}
	return 0;
}
