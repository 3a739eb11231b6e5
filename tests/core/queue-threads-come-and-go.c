/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads submit reads and writes of files to one queue and end at once, while others reap it with
 * and without waiting: each request completes once and does what it should, though the kernel
 * cancels what an ended thread had in a ring.
 */
#include <stdatomic.h>

#include "file-disk.h"

#define SUBMITTERS 4
#define ROUNDS 12
#define EACH 16
#define TOTAL (SUBMITTERS * EACH)
#define PIECE UINT64_C(4096)

static struct file_disk f;
static struct vd_queue *q;
static struct request request[TOTAL];
static atomic_uint reaped;
static unsigned round_now;

static void fill(uint8_t *buf, uint64_t piece, unsigned round)
{
	struct rng r = { piece * 1000 + round + 1 };

	rng_fill(&r, buf, PIECE);
}

/* Even ones are written in this round, odd ones were written before the first. */
static void *submit(void *opaque)
{
	unsigned from = (unsigned)(uintptr_t)opaque * EACH;

	for (unsigned i = from; i < from + EACH; i++) {
		request_make(&request[i], f.disk, i % 2 ? VD_OP_READ : VD_OP_WRITE, i * PIECE);
		if (i % 2 == 0)
			fill(request[i].buf, i, round_now);
		CHECK_OK(vd_queue_submit(q, &request[i].rq));
	}
	return NULL;
}

static void *reap(void *opaque)
{
	struct vd_request *done[5];
	int timeout = opaque ? 2 : 0;

	while (reaped < TOTAL) {
		int n = vd_queue_reap(q, done, 5, timeout);

		CHECK(n >= 0);
		for (int i = 0; i < n; i++) {
			struct request *rq = done[i]->opaque;

			CHECK_OK(rq->rq.status);
			CHECK_EQ(++rq->completed, 1);
		}
		reaped += (unsigned)n;
		if (!timeout)
			usleep(200);
	}
	return NULL;
}

static void check(void)
{
	uint8_t want[PIECE], is[PIECE];

	for (unsigned i = 0; i < TOTAL; i++) {
		fill(want, i, i % 2 ? 0 : round_now);
		if (i % 2)
			CHECK(!memcmp(request[i].buf, want, PIECE));
		CHECK_OK(vd_read(f.disk, is, PIECE, i * PIECE, 0));
		CHECK(!memcmp(is, want, PIECE));
	}
}

static void rounds(unsigned ways)
{
	pthread_t submitter[SUBMITTERS], reaper[2];
	uint8_t buf[PIECE];

	file_disk_open(&f, ways == QUEUE_RING ? "ring" : "all", "raw", NULL, TOTAL * PIECE, 0);
	for (unsigned i = 0; i < TOTAL; i++) {
		fill(buf, i, 0);
		CHECK_OK(vd_write(f.disk, buf, PIECE, i * PIECE, 0));
	}
	CHECK_OK(vd_queue_create(&q));
	queue_limit_ways(q, ways);
	for (round_now = 1; round_now <= ROUNDS; round_now++) {
		make_cold(&f);
		reaped = 0;
		for (uintptr_t i = 0; i < 2; i++)
			CHECK_EQ(pthread_create(&reaper[i], NULL, reap, (void *)i), 0);
		for (uintptr_t i = 0; i < SUBMITTERS; i++)
			CHECK_EQ(pthread_create(&submitter[i], NULL, submit, (void *)i), 0);
		for (unsigned i = 0; i < SUBMITTERS; i++)
			CHECK_EQ(pthread_join(submitter[i], NULL), 0);
		for (unsigned i = 0; i < 2; i++)
			CHECK_EQ(pthread_join(reaper[i], NULL), 0);
		CHECK(!is_readable(q, 0));
		check();
	}
	round_now--;
	vd_queue_destroy(q);
	file_disk_close(&f);
}

int main(void)
{
	rounds(QUEUE_ALL_WAYS);
	rounds(QUEUE_RING);
	return 0;
}
