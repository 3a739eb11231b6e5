/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue's descriptor is readable while there is something to reap; reaping waits as long as it
 * was told; what cannot be taken is refused and does not complete.
 */
#include "queue-test.h"

static struct request request[4];
static struct stalling s;
static struct vd_queue *q;

static void refused(void)
{
	struct vd_request *done;

	request_make(&request[0], NULL, VD_OP_READ, 0);
	CHECK_EQ(vd_queue_submit(q, &request[0].rq), -EINVAL);
	request_make(&request[0], s.m.disk, (enum vd_op)99, 0);
	CHECK_EQ(vd_queue_submit(q, &request[0].rq), -EINVAL);
	request_make(&request[0], s.m.disk, VD_OP_READ, 0);
	request[0].rq.iovcnt = -1;
	CHECK_EQ(vd_queue_submit(q, &request[0].rq), -EINVAL);
	CHECK_EQ(vd_queue_reap(q, &done, 1, -1), 0);

	/* What is only wrong for this disk completes. */
	request_make(&request[0], s.m.disk, VD_OP_READ, (1 << 20) - 100);
	CHECK_OK(vd_queue_submit(q, &request[0].rq));
	CHECK_EQ(reap_one(q)->rq.status, -EINVAL);
	request_make(&request[0], s.m.disk, VD_OP_DISCARD, UINT64_MAX - 100);
	CHECK_OK(vd_queue_submit(q, &request[0].rq));
	CHECK_EQ(reap_one(q)->rq.status, -EINVAL);
	request_make(&request[0], s.m.disk, VD_OP_READ, 0);
	request[0].rq.iovcnt = 0;
	CHECK_OK(vd_queue_submit(q, &request[0].rq));
	CHECK_EQ(reap_one(q)->rq.status, 0);
}

static void readable_until_all_is_reaped(void)
{
	struct vd_request *done[4];
	uint64_t end = now_ms() + SOON;

	CHECK(!is_readable(q, 0));
	storage_stall_set(s.stall, FAULT_READ);
	for (unsigned i = 0; i < 4; i++) {
		request_make(&request[i], s.m.disk, VD_OP_READ, i * 4096);
		CHECK_OK(vd_queue_submit(q, &request[i].rq));
	}
	until_waiting(&s, 4);
	CHECK(!is_readable(q, 0));
	CHECK_EQ(vd_queue_reap(q, done, 4, 0), 0);
	storage_stall_set(s.stall, 0);
	CHECK(is_readable(q, SOON));
	for (unsigned n = 0; n < 3; n++) {
		reap_one(q);
		if (n < 2)
			continue;
		/* The last one may take its time. */
		CHECK(is_readable(q, SOON));
	}
	reap_one(q);
	CHECK(!is_readable(q, 0));
	CHECK(now_ms() < end);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(request[i].completed, 1);
}

static void waits_as_told(void)
{
	struct vd_request *done;
	uint64_t start = now_ms();

	/* For ever, but nothing is in flight. */
	CHECK_EQ(vd_queue_reap(q, &done, 1, -1), 0);
	storage_stall_set(s.stall, FAULT_READ);
	request_make(&request[0], s.m.disk, VD_OP_READ, 0);
	CHECK_OK(vd_queue_submit(q, &request[0].rq));
	start = now_ms();
	CHECK_EQ(vd_queue_reap(q, &done, 1, 60), 0);
	CHECK(now_ms() - start >= 59);
	storage_stall_set(s.stall, 0);
	CHECK_EQ(vd_queue_reap(q, &done, 1, -1), 1);
	CHECK(done == &request[0].rq);
}

int main(void)
{
	stalling_open(&s);
	CHECK_OK(vd_queue_create(&q));
	refused();
	readable_until_all_is_reaped();
	waits_as_told();
	vd_queue_destroy(q);
	stalling_close(&s);
	return 0;
}
