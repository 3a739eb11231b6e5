/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * While the storage of one disk answers nothing, submitting to it and to others takes no time, the
 * others' requests complete, on the same queue and on another, and destroying the queue waits.
 */
#include <stdatomic.h>

#include "queue-test.h"

#define STUCK 100
#define OTHERS 50

static struct request stuck[STUCK], others[OTHERS];
static atomic_bool gone;

static void *destroy(void *q)
{
	vd_queue_destroy(q);
	gone = true;
	return NULL;
}

int main(void)
{
	static const enum vd_op ops[] = {
		VD_OP_WRITE, VD_OP_READ, VD_OP_FLUSH, VD_OP_DISCARD, VD_OP_WRITE_ZEROES,
	};
	struct vd_queue *q, *second;
	struct stalling bad, good;
	pthread_t destroyer;
	uint64_t start;

	stalling_open(&bad);
	stalling_open(&good);
	CHECK_OK(vd_queue_create(&q));
	CHECK_OK(vd_queue_create(&second));
	storage_stall_set(bad.stall, FAULT_ALL);
	start = now_ms();
	for (unsigned i = 0; i < STUCK; i++) {
		request_make(&stuck[i], bad.m.disk, ops[i % 5], i * 4096);
		CHECK_OK(vd_queue_submit(q, &stuck[i].rq));
	}
	for (unsigned i = 0; i < OTHERS; i++) {
		request_make(&others[i], good.m.disk, ops[i % 5], i * 4096);
		CHECK_OK(vd_queue_submit(i % 2 ? q : second, &others[i].rq));
	}
	for (unsigned i = 0; i < OTHERS;) {
		struct request *r = reap_one(i % 2 ? q : second);

		CHECK_EQ(r->rq.status, 0);
		if (r >= others && r < others + OTHERS)
			i++;
		else
			CHECK_EQ(r->rq.op, VD_OP_FLUSH); /* of nothing: needs no storage */
	}
	CHECK(now_ms() - start < SOON);
	vd_queue_destroy(second);

	CHECK_EQ(pthread_create(&destroyer, NULL, destroy, q), 0);
	usleep(50000);
	CHECK(!gone);
	storage_stall_set(bad.stall, 0);
	CHECK_EQ(pthread_join(destroyer, NULL), 0);
	for (unsigned i = 0; i < STUCK; i++)
		CHECK_EQ(stuck[i].rq.status, 0);
	stalling_close(&good);
	stalling_close(&bad);
	return 0;
}
