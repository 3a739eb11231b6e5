/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many threads submit to several queues for several disks, cancel some, and others reap: each
 * request completes exactly once, on the queue that it was submitted to.
 */
#include <sched.h>
#include <stdatomic.h>

#include "queue-test.h"

#define DISKS 3
#define QUEUES 2
#define SUBMITTERS 4
#define EACH 400

static struct stalling disk[DISKS];
static struct vd_queue *queue[QUEUES];
static atomic_uint reaped[QUEUES], submitted[QUEUES], cancelled;
static atomic_bool all_submitted;

/* Memory of a request lives until all is over, so that any may be cancelled at any time. */
struct item {
	struct request request;
	unsigned queue;
	atomic_uint count;
};

static struct item item[SUBMITTERS][EACH];

static void *submit(void *opaque)
{
	struct item *mine = opaque;
	struct rng r = { (uintptr_t)(mine - &item[0][0]) + 1 };

	for (unsigned i = 0; i < EACH; i++) {
		struct item *it = &mine[i];

		request_make(&it->request, disk[rng_below(&r, DISKS)].m.disk,
			     (enum vd_op)rng_below(&r, VD_OP_FLUSH + 1),
			     rng_below(&r, 200) * 4096);
		it->request.rq.opaque = it;
		it->queue = (unsigned)rng_below(&r, QUEUES);
		submitted[it->queue]++;
		CHECK_OK(vd_queue_submit(queue[it->queue], &it->request.rq));
		if (rng_chance(&r, 30)) {
			int err = vd_queue_cancel(queue[it->queue], &it->request.rq);

			CHECK(err == 0 || err == -ENOENT);
		}
		if (rng_chance(&r, 10))
			sched_yield();
	}
	return NULL;
}

static void *reap(void *opaque)
{
	unsigned number = (unsigned)(uintptr_t)opaque;

	while (!all_submitted || reaped[number] < submitted[number]) {
		struct vd_request *done[7];
		int n = vd_queue_reap(queue[number], done, 7, 10);

		CHECK(n >= 0);
		for (int i = 0; i < n; i++) {
			struct item *it = done[i]->opaque;

			CHECK_EQ(it->queue, number);
			CHECK(done[i]->status == 0 || done[i]->status == -ECANCELED);
			cancelled += done[i]->status != 0;
			CHECK_EQ(atomic_fetch_add(&it->count, 1), 0);
			reaped[number]++;
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t submitter[SUBMITTERS], reaper[QUEUES * 2];

	for (unsigned i = 0; i < DISKS; i++)
		stalling_open(&disk[i]);
	for (unsigned i = 0; i < QUEUES; i++)
		CHECK_OK(vd_queue_create(&queue[i]));
	for (unsigned i = 0; i < QUEUES * 2; i++)
		CHECK_EQ(pthread_create(&reaper[i], NULL, reap, (void *)(uintptr_t)(i % QUEUES)), 0);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		CHECK_EQ(pthread_create(&submitter[i], NULL, submit, item[i]), 0);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		CHECK_EQ(pthread_join(submitter[i], NULL), 0);
	all_submitted = true;
	for (unsigned i = 0; i < QUEUES * 2; i++)
		CHECK_EQ(pthread_join(reaper[i], NULL), 0);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		for (unsigned k = 0; k < EACH; k++)
			CHECK_EQ(item[i][k].count, 1);
	for (unsigned i = 0; i < QUEUES; i++) {
		struct vd_request *none;

		CHECK_EQ(vd_queue_reap(queue[i], &none, 1, 0), 0);
		CHECK(!is_readable(queue[i], 0));
		vd_queue_destroy(queue[i]);
	}
	for (unsigned i = 0; i < DISKS; i++)
		stalling_close(&disk[i]);
	printf("%u cancelled\n", cancelled);
	return 0;
}
