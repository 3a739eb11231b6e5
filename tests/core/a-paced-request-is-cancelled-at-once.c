/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that wait in a group for hours: cancelled, they complete at once and cost nothing; with
 * another limit, they go; their disk cannot leave the group meanwhile.
 */
#include "queue-test.h"

#define MANY 64

static struct request request[MANY];
static struct stalling s;
static struct vd_queue *q;
static struct vd_group *group;

/* The first goes, and owes; the others wait. */
static void submit_all(void)
{
	for (unsigned i = 0; i < MANY; i++) {
		request_make(&request[i], s.m.disk, VD_OP_WRITE, i * 4096);
		memset(request[i].buf, 0x77, sizeof(request[i].buf));
		CHECK_OK(vd_queue_submit(q, &request[i].rq));
	}
	CHECK(reap_one(q) == &request[0]);
	CHECK(!is_readable(q, 30));
}

static void counts_are(uint64_t requests, uint64_t delayed, uint64_t gone, uint64_t waiting)
{
	struct vd_group_statistics now;

	vd_group_get_statistics(group, &now);
	CHECK_EQ(now.requests, requests);
	CHECK_EQ(now.bytes, requests * 4096);
	CHECK_EQ(now.delayed, delayed);
	CHECK_EQ(now.cancelled, gone);
	CHECK_EQ(now.waiting, waiting);
}

static void cancelled(void)
{
	static const uint8_t zero[4096];
	uint64_t start = now_ms();
	uint8_t buf[4096];

	submit_all();
	counts_are(1, 0, 0, MANY - 1);
	/* From the middle, from the front and from the end. */
	for (unsigned i = 0; i < MANY - 1; i++) {
		struct request *r = &request[1 + i * 25 % (MANY - 1)];

		CHECK_OK(vd_queue_cancel(q, &r->rq));
		CHECK(is_readable(q, 0));
		CHECK(reap_one(q) == r);
		CHECK_EQ(r->rq.status, -ECANCELED);
		CHECK_EQ(vd_queue_cancel(q, &r->rq), -ENOENT);
		CHECK_OK(vd_read(s.m.disk, buf, sizeof(buf), r->rq.offset, 0));
		CHECK(!memcmp(buf, zero, sizeof(buf)));
	}
	CHECK(now_ms() - start < SOON);
	counts_are(1, 0, MANY - 1, 0);
	vd_group_set_limit(group, 0);
}

static void let_go_by(uint64_t limit)
{
	uint64_t start;

	vd_group_set_limit(group, 1);
	submit_all();
	CHECK_EQ(vd_set_group(s.m.disk, NULL), -EBUSY);
	start = now_ms();
	vd_group_set_limit(group, limit);
	CHECK_EQ(vd_group_limit(group), limit);
	for (unsigned i = 1; i < MANY; i++)
		CHECK_OK(reap_one(q)->rq.status);
	CHECK(now_ms() - start < 5000);
	vd_group_set_limit(group, 0);
}

/* A lower one does not make those wait for what was let go before. */
static void slowed_down(void)
{
	uint64_t start = now_ms();

	vd_group_set_limit(group, 16 << 10);
	submit_all(); /* the first one's debt: 250 ms, less the credit */
	vd_group_set_limit(group, 1);
	CHECK(reap_one(q)->rq.status == 0);
	CHECK(now_ms() - start < SOON / 2);
	CHECK(!is_readable(q, 30));
	vd_group_set_limit(group, 0);
	for (unsigned i = 2; i < MANY; i++)
		CHECK_OK(reap_one(q)->rq.status);
}

int main(void)
{
	stalling_open(&s);
	CHECK_OK(vd_queue_create(&q));
	CHECK_OK(vd_group_create(1, &group));
	CHECK_OK(vd_set_group(s.m.disk, group));
	CHECK_OK(vd_set_group(s.m.disk, group));
	cancelled();
	let_go_by(0);
	counts_are(1 + MANY, MANY - 1, MANY - 1, 0);
	let_go_by(UINT64_C(100) << 20);
	slowed_down();
	/* The line is empty: it may leave, and come back. */
	CHECK_OK(vd_set_group(s.m.disk, NULL));
	CHECK_OK(vd_set_group(s.m.disk, group));
	vd_queue_destroy(q);
	stalling_close(&s);
	vd_group_unref(group);
	return 0;
}
