/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cancelled request that waits completes at once with -ECANCELED and does nothing; one that runs
 * ends as it would; one that the queue does not hold is -ENOENT.
 */
#include "queue-test.h"

#define MANY 64		/* more than run at the same time */

static struct request request[MANY];

int main(void)
{
	struct vd_queue *q, *other;
	struct stalling s;
	unsigned running, early = 0;
	uint8_t zero[4096] = { 0 }, buf[4096];

	stalling_open(&s);
	CHECK_OK(vd_queue_create(&q));
	CHECK_OK(vd_queue_create(&other));
	request_make(&request[0], s.m.disk, VD_OP_WRITE, 0);
	CHECK_EQ(vd_queue_cancel(q, &request[0].rq), -ENOENT);

	storage_stall_set(s.stall, FAULT_WRITE);
	for (unsigned i = 0; i < MANY; i++) {
		request_make(&request[i], s.m.disk, VD_OP_WRITE, i * 4096);
		memset(request[i].buf, 0x55, sizeof(request[i].buf));
		CHECK_OK(vd_queue_submit(q, &request[i].rq));
	}
	until_waiting(&s, 1);
	/* The last ones cannot have begun. */
	CHECK_EQ(vd_queue_cancel(other, &request[MANY - 1].rq), -ENOENT);
	for (unsigned i = MANY - 8; i < MANY; i++)
		CHECK_OK(vd_queue_cancel(q, &request[i].rq));
	for (unsigned i = 0; i < 8; i++) {
		struct request *r = reap_one(q);

		CHECK_EQ(r->rq.status, -ECANCELED);
		CHECK(r >= &request[MANY - 8]);
		CHECK_EQ(vd_queue_cancel(q, &r->rq), -ENOENT);
	}
	/* The first runs. Cancelling twice completes it once. */
	CHECK_OK(vd_queue_cancel(q, &request[0].rq));
	CHECK_OK(vd_queue_cancel(q, &request[0].rq));
	CHECK(!is_readable(q, 20));
	running = storage_stall_waiting(s.stall);
	CHECK(running >= 1);
	for (unsigned i = 1; i < MANY - 8; i++)
		CHECK_OK(vd_queue_cancel(q, &request[i].rq));
	storage_stall_set(s.stall, 0);
	for (unsigned i = 0; i < MANY - 8; i++) {
		struct request *r = reap_one(q);

		CHECK(r->rq.status == 0 || r->rq.status == -ECANCELED);
		early += r->rq.status == -ECANCELED;
	}
	CHECK_EQ(request[0].rq.status, 0);
	CHECK(early <= MANY - 8 - running);
	for (unsigned i = 0; i < MANY; i++) {
		CHECK_EQ(request[i].completed, 1);
		CHECK_OK(vd_read(s.m.disk, buf, sizeof(buf), i * 4096, 0));
		CHECK(!memcmp(buf, request[i].rq.status ? zero : request[i].buf, sizeof(buf)));
	}
	vd_queue_destroy(q);
	vd_queue_destroy(other);
	stalling_close(&s);
	return 0;
}
