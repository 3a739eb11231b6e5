/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several threads write, zero and flush, sharing blocks but no sectors, while reads and writes of
 * the storage fail now and then: what failed is old or new, all else is as written, also after
 * closing, and nothing is given out twice.
 *
 *	many-writers-survive-failures-now-and-then [SEED]
 */
#include <pthread.h>

#include "checked.h"
#include "model.h"

#define THREADS 4
#define SECTOR 512
#define SLICE (5 * SECTOR)
#define MAYBE 16

/* Hashes of what a sector may hold. */
struct sector {
	uint64_t may[MAYBE];
	unsigned n;
};

struct run {
	struct model m;
	struct vd_storage *fault;
	struct sector *sector;
	unsigned operations;
};

struct writer {
	pthread_t id;
	struct run *run;
	unsigned number;
	struct rng r;
	uint8_t buf[SLICE];
};

static uint64_t hash(const uint8_t *p)
{
	uint64_t h = 1, word;

	for (unsigned i = 0; i < SECTOR; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15;
		h ^= h >> 29;
	}
	return h;
}

static void note(struct run *t, uint64_t sector, const uint8_t *bytes, int status)
{
	struct sector *s = &t->sector[sector];

	/* Too many failures on end: it is not looked at until a write succeeds. */
	if (!status)
		s->n = 0;
	if (s->n < MAYBE)
		s->may[s->n++] = hash(bytes);
}

static void compare(struct run *t, uint64_t sector, const uint8_t *bytes)
{
	const struct sector *s = &t->sector[sector];
	uint64_t h = hash(bytes);

	for (unsigned i = 0; i < s->n; i++)
		if (s->may[i] == h || s->n == MAYBE)
			return;
	test_fail(__FILE__, __LINE__, "%s: sector %" PRIu64 " holds what was not written to it",
		  t->m.what, sector);
}

static void change(struct writer *w, uint64_t sector, unsigned n)
{
	struct run *t = w->run;
	uint64_t offset = sector * SECTOR, length = n * SECTOR;
	int r;

	memset(w->buf, 0, length);
	switch (rng_below(&w->r, 4)) {
	case 0:
		r = vd_discard(t->m.disk, offset, length, 0);
		break;
	case 1:
		r = vd_write_zeroes(t->m.disk, offset, length, 0);
		break;
	default:
		rng_fill(&w->r, w->buf, length);
		r = vd_write(t->m.disk, w->buf, length, offset, 0);
	}
	for (unsigned i = 0; i < n; i++)
		note(t, sector + i, w->buf + i * SECTOR, r);
}

static void look(struct writer *w, uint64_t sector, unsigned n)
{
	struct run *t = w->run;

	if (vd_read(t->m.disk, w->buf, n * SECTOR, sector * SECTOR, 0))
		return;
	for (unsigned i = 0; i < n; i++)
		compare(t, sector + i, w->buf + i * SECTOR);
}

static void rearm(struct writer *w)
{
	static const unsigned kinds[] = {
		FAULT_READ, FAULT_WRITE, FAULT_WRITE, FAULT_RESIZE, FAULT_ZERO,
		FAULT_READ | FAULT_WRITE | FAULT_RESIZE | FAULT_ZERO,
	};

	storage_fault_arm(w->run->fault, kinds[rng_below(&w->r, ARRAY_SIZE(kinds))],
			  rng_between(&w->r, 1, 12), EIO, false);
}

static void *work(void *opaque)
{
	struct writer *w = opaque;
	struct run *t = w->run;
	uint64_t slices = div_up(t->m.size, SLICE);

	for (unsigned i = 0; i < t->operations; i++) {
		uint64_t slice = align_down(rng_below(&w->r, slices), THREADS) + w->number;
		uint64_t low = slice * SLICE / SECTOR;
		uint64_t high = min_u64(low + SLICE / SECTOR, t->m.size / SECTOR), from;
		unsigned n;

		if (low >= high)
			continue;
		from = rng_between(&w->r, low, high - 1);
		n = (unsigned)rng_between(&w->r, 1, high - from);
		if (rng_chance(&w->r, 70))
			change(w, from, n);
		else
			look(w, from, n);
		if (rng_chance(&w->r, 4))
			(void)vd_flush(t->m.disk);
		if (rng_chance(&w->r, 15))
			rearm(w);
	}
	return NULL;
}

static void verify(struct run *t)
{
	uint8_t *bytes = malloc(t->m.size);
	struct rng r = { 3 };

	CHECK(bytes);
	CHECK_OK(vd_read(t->m.disk, bytes, t->m.size, 0, 0));
	for (uint64_t s = 0; s < t->m.size / SECTOR; s++)
		compare(t, s, bytes + s * SECTOR);
	(void)vd_flush(t->m.disk); /* may have been failing in the background */
	model_close(&t->m);
	memcpy(t->m.bytes, bytes, t->m.size);
	free(bytes);
	model_verify_closed(&t->m);
	model_open(&t->m, true);
	for (uint64_t at = 0; at + 20 < t->m.size; at += 4096)
		model_write(&t->m, &r, at, 20);
	model_close(&t->m);
	model_verify_closed(&t->m);
}

static void run(const struct kind *kind, unsigned parents, unsigned operations, uint64_t seed)
{
	struct run t = { .operations = operations };
	struct rng r = { seed };
	struct writer w[THREADS];
	struct vd_error err = { "" };
	uint64_t size = SECTOR * rng_between(&r, 700, 1200);

	model_init(&t.m, kind, kind->block[0], size, 1);
	for (unsigned i = 0; i < parents; i++) {
		model_open(&t.m, true);
		for (unsigned k = 0; k < 40; k++)
			model_step(&t.m, &r);
		model_close(&t.m);
		model_push(&t.m, kind, kind->block[0], size);
	}
	snprintf(t.m.what, sizeof(t.m.what), "%s, %u parents, seed %" PRIu64, kind_label(kind), parents,
		 seed);
	t.sector = calloc(size / SECTOR, sizeof(*t.sector));
	CHECK(t.sector);
	for (uint64_t s = 0; s < size / SECTOR; s++)
		note(&t, s, t.m.bytes + s * SECTOR, 0);
	CHECK_OK(storage_open_fault(borrow(model_leaf(&t.m)->storage, true), &t.fault));
	model_jitter(true);
	CHECK_OK(model_open_on(&t.m, borrow(t.fault, true), &t.m.disk, &err));
	model_jitter(false);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i].run = &t;
		w[i].number = i;
		w[i].r.state = rng_next(&r);
		CHECK_EQ(pthread_create(&w[i].id, NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(w[i].id, NULL), 0);
	storage_fault_arm(t.fault, 0, 0, EIO, false);
	verify(&t);
	storage_close(t.fault);
	free(t.sector);
	model_free(&t.m);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++)
		for (unsigned round = 0; round < (k[i].child ? 20 : 1); round++)
			/* Few leave gaps, many use them. */
			run(&k[i], k[i].child ? round % 3 : 0,
			    round % 4 || test_quick() ? 20 + round : 3000,
			    seed * 1000 + i * 50 + round);
	return 0;
}
