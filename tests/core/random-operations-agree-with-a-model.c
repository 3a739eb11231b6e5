/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random operations on chains of depth 1 to 5, in mixed formats, of images of odd sizes, agree with
 * plain bytes in memory: one thread, several threads that share blocks but no bytes, and a queue
 * with many requests in flight. At least 10,000 operations a format, always the same ones.
 *
 *	random-operations-agree-with-a-model [SEED]	other ones
 */
#include "model.h"

#include <pthread.h>

#include "checked.h"

#define DEPTH 5
#define THREADS 4

static uint64_t seed0 = 1;

struct scenario {
	const struct kind *kind;
	unsigned run;
	struct rng r;
	struct model m;
	unsigned operations;
};

static uint64_t pick_block(struct scenario *s, const struct kind *k)
{
	return k->block[rng_below(&s->r, ARRAY_SIZE(k->block))];
}

/* No multiple of the block, but of what the storage may want. */
static uint64_t pick_size(struct scenario *s, const struct kind *k, uint64_t block, uint32_t align)
{
	uint64_t unit = max_u64(512, align);
	uint64_t low = 3 * max_u64(block, 16384), high = min_u64(2 << 20, low * 20);

	(void)k;
	if (high < low + 512)
		high = low * 2;
	return align_down(rng_between(&s->r, low, high), unit) + unit;
}

static void start(struct scenario *s)
{
	static const uint32_t aligns[] = { 1, 512, 1, 4096, 1, 1 };
	uint32_t align = aligns[s->run % ARRAY_SIZE(aligns)];
	const struct kind *base = s->kind;
	uint64_t block;

	/* Every other time the base is of another kind. */
	if (base->child && s->run % 2) {
		const struct kind *k;
		unsigned n = kinds(&k);

		base = &k[rng_below(&s->r, n)];
	}
	block = pick_block(s, base);
	model_init(&s->m, base, block, pick_size(s, base, block, align), align);
	snprintf(s->m.what, sizeof(s->m.what), "%s%s, seed %" PRIu64 ", run %u", kind_label(s->kind),
		 s->kind->fixed ? " fixed" : "", seed0, s->run);
	/* As small as it gets, so that it is evicted all the time. */
	if (s->run % 3 == 1)
		s->m.cache_size = 4096;
	model_open(&s->m, true);
}

/* Freezes what there is below a new child, longer or shorter. */
static void push(struct scenario *s)
{
	uint64_t block = pick_block(s, s->kind);

	model_close(&s->m);
	model_push(&s->m, s->kind, block, pick_size(s, s->kind, block, s->m.align));
	model_open(&s->m, true);
}

static void alone(struct scenario *s, unsigned count)
{
	while (count--) {
		model_step(&s->m, &s->r);
		s->operations++;
	}
}

/* -------------------------------------------------------------------------------------- threads */

/* Slices of odd lengths, dealt to the threads in turn. */
struct slices {
	uint64_t *start;
	unsigned count;
};

struct thread {
	pthread_t id;
	struct scenario *s;
	const struct slices *slices;
	unsigned number, operations;
	struct rng r;
};

static void cut_slices(struct scenario *s, struct slices *a)
{
	uint64_t at = 0;

	a->start = malloc((s->m.size / 100 + 2) * sizeof(*a->start));
	a->count = 0;
	CHECK(a->start);
	while (at < s->m.size) {
		a->start[a->count++] = at;
		at += rng_between(&s->r, 100, rng_chance(&s->r, 20) ? 40000 : 3000);
	}
	a->start[a->count] = s->m.size;
}

static void *threads_run(void *opaque)
{
	struct thread *t = opaque;
	struct model *m = &t->s->m;

	for (unsigned i = 0; i < t->operations; i++) {
		unsigned n = (unsigned)rng_below(&t->r, t->slices->count);
		uint64_t low, high, offset, length;

		n = n - n % THREADS + t->number;
		if (n >= t->slices->count)
			continue;
		low = t->slices->start[n];
		high = t->slices->start[n + 1];
		offset = rng_between(&t->r, low, high);
		length = rng_below(&t->r, high - offset + 1);
		if (rng_chance(&t->r, 30)) {
			offset = low;
			length = high - low;
		}
		if (rng_chance(&t->r, 50))
			model_write(m, &t->r, offset, length);
		else if (rng_chance(&t->r, 50))
			model_zero(m, &t->r, offset, length);
		else if (rng_chance(&t->r, 90))
			model_read(m, &t->r, offset, length);
		else
			model_flush(m);
	}
	return NULL;
}

static void together(struct scenario *s, unsigned count)
{
	struct thread t[THREADS];
	struct slices slices;

	model_close(&s->m);
	model_jitter(true);
	model_open(&s->m, true);
	model_jitter(false);
	cut_slices(s, &slices);
	for (unsigned i = 0; i < THREADS; i++) {
		t[i] = (struct thread){ .s = s, .slices = &slices, .number = i,
					.operations = count / THREADS, .r = { rng_next(&s->r) } };
		CHECK_EQ(pthread_create(&t[i].id, NULL, threads_run, &t[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i].id, NULL), 0);
	free(slices.start);
	s->operations += count;
	model_compare(&s->m);
}

/* ---------------------------------------------------------------------------------------- queue */

#define IN_FLIGHT 24

struct job {
	struct vd_request rq;
	struct scatter scatter;
	uint64_t length;
	bool busy;
};

static bool is_free(const struct job *jobs, uint64_t offset, uint64_t length)
{
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		if (jobs[i].busy && jobs[i].rq.op != VD_OP_FLUSH &&
		    offset < jobs[i].rq.offset + jobs[i].length &&
		    jobs[i].rq.offset < offset + length)
			return false;
	return true;
}

static void job_submit(struct scenario *s, struct vd_queue *q, struct job *j, uint64_t offset,
		       uint64_t length)
{
	struct model *m = &s->m;
	uint64_t what = rng_below(&s->r, 100);

	memset(&j->rq, 0, sizeof(j->rq));
	j->rq.disk = m->disk;
	j->rq.offset = offset;
	j->rq.length = j->length = length;
	j->rq.opaque = j;
	j->rq.op = what < 45 ? VD_OP_WRITE : what < 75 ? VD_OP_READ :
		   what < 87 ? VD_OP_WRITE_ZEROES : what < 97 ? VD_OP_DISCARD : VD_OP_FLUSH;
	j->rq.flags = j->rq.op != VD_OP_WRITE_ZEROES ? 0 :
		      rng_chance(&s->r, 50) ? VD_MAY_UNMAP : VD_FUA;
	scatter_make(&j->scatter, &s->r, length);
	if (j->rq.op == VD_OP_WRITE) {
		rng_fill(&s->r, m->bytes + offset, length);
		scatter_load(&j->scatter, m->bytes + offset);
	}
	if (j->rq.op == VD_OP_WRITE_ZEROES || j->rq.op == VD_OP_DISCARD)
		memset(m->bytes + offset, 0, length);
	j->rq.iov = j->scatter.iov;
	j->rq.iovcnt = j->scatter.n;
	j->busy = true;
	CHECK_OK(vd_queue_submit(q, &j->rq));
}

static void reap(struct scenario *s, struct vd_queue *q)
{
	struct vd_request *done[IN_FLIGHT];
	int n = vd_queue_reap(q, done, (unsigned)rng_between(&s->r, 1, IN_FLIGHT), -1);

	CHECK(n > 0);
	for (int i = 0; i < n; i++) {
		struct job *j = done[i]->opaque;

		CHECK_OK(j->rq.status);
		CHECK(j->busy);
		j->busy = false;
		if (j->rq.op == VD_OP_READ) {
			CHECK(scatter_equals(&j->scatter, s->m.bytes + j->rq.offset));
			CHECK(scatter_gaps_intact(&j->scatter));
		}
		scatter_free(&j->scatter);
	}
}

static void queued(struct scenario *s, unsigned count)
{
	struct job jobs[IN_FLIGHT] = { 0 };
	struct vd_queue *q;
	unsigned busy;

	CHECK_OK(vd_queue_create(&q));
	for (unsigned i = 0; i < count; i++) {
		uint64_t offset, length;
		struct job *j = NULL;

		model_pick(&s->m, &s->r, &offset, &length);
		while (!j) {
			for (unsigned k = 0; k < IN_FLIGHT && is_free(jobs, offset, length); k++)
				if (!jobs[k].busy)
					j = &jobs[k];
			if (!j)
				reap(s, q);
		}
		job_submit(s, q, j, offset, length);
	}
	do {
		busy = 0;
		for (unsigned k = 0; k < IN_FLIGHT; k++)
			busy += jobs[k].busy;
		if (busy)
			reap(s, q);
	} while (busy);
	vd_queue_destroy(q);
	s->operations += count;
	model_compare(&s->m);
}

/* ----------------------------------------------------------------------------------------- runs */

static void again(struct scenario *s)
{
	model_close(&s->m);
	model_verify_closed(&s->m);
	model_open(&s->m, true);
}

static unsigned run(const struct kind *kind, unsigned number)
{
	unsigned part = test_quick() ? 15 : 150;
	struct scenario s = { .kind = kind, .run = number };

	s.r.state = seed0 * 1000003 + number * 101 + (uint64_t)(kind->name[1] + kind->fixed * 7);
	model_no_holes(number == 4);
	start(&s);
	for (unsigned depth = 1; depth <= DEPTH; depth++) {
		if (depth > 1 && kind->child)
			push(&s);
		alone(&s, part);
		together(&s, part);
		again(&s);
		queued(&s, part);
		alone(&s, part / 3);
	}
	model_close(&s.m);
	model_verify_closed(&s.m);
	model_free(&s.m);
	return s.operations;
}

int main(int argc, char **argv)
{
	const struct kind *k;
	unsigned n = kinds(&k);

	if (argc > 1)
		seed0 = strtoull(argv[1], NULL, 0);
	for (unsigned i = 0; i < n; i++) {
		unsigned operations = 0;

		for (unsigned number = 0; number < 6; number++)
			operations += run(&k[i], number);
		printf("%s%s: %u operations\n", kind_label(&k[i]), k[i].fixed ? " fixed" : "",
		       operations);
		CHECK(test_quick() || operations >= 10000);
	}
	return 0;
}
