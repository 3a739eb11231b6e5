/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two disks of one group, driven from two queues, get the limit between them, in the order of
 * asking, however long a request is; what is not paced is not held up; an idle group sleeps.
 */
#include <dirent.h>

#include "queue-test.h"

#define MANY 64
#define RATE (512 << 10)
#define CREDIT_MS 100

static struct request request[MANY];
static struct stalling a, b;
static struct vd_queue *qa, *qb;
static struct vd_group *group;

/* All of them, from both queues; the order in which they completed, as far as that can be seen. */
static void reap_all(unsigned n)
{
	struct vd_request *done[MANY];

	while (n) {
		int more = vd_queue_reap(n % 2 ? qa : qb, done, MANY, 5);

		CHECK(more >= 0 && (unsigned)more <= n);
		for (int i = 0; i < more; i++)
			CHECK_OK(done[i]->status);
		n -= (unsigned)more;
		if (!more && n) /* the other one's turn */
			n -= (unsigned)vd_queue_reap(n % 2 ? qb : qa, done, MANY, 5);
	}
}

static void together(void)
{
	uint64_t start = now_ms(), least = MANY * 4096 * UINT64_C(1000) / RATE;
	struct vd_group_statistics before, after;
	uint64_t allowed;

	vd_group_get_statistics(group, &before);
	for (unsigned i = 0; i < MANY; i++) {
		bool other = i % 2;

		request_make(&request[i], other ? b.m.disk : a.m.disk,
			     i % 4 < 2 ? VD_OP_READ : VD_OP_WRITE, i * 4096);
		CHECK_OK(vd_queue_submit(other ? qb : qa, &request[i].rq));
	}
	reap_all(MANY);
	/* The last one's own bytes are let go in advance, as is the credit. */
	CHECK(now_ms() - start + CREDIT_MS + 10 >= least);
	vd_group_get_statistics(group, &after);
	CHECK_EQ(after.bytes - before.bytes, MANY * 4096);
	allowed = (after.time - before.time + CREDIT_MS * UINT64_C(1000000)) * RATE / 1000000000;
	CHECK(MANY * 4096 <= allowed + 1 + 4096);
}

/* One that comes later to the other disk is not behind all that come after it. */
static void in_order(void)
{
	struct request late;
	unsigned before = 0;

	for (unsigned i = 0; i < 40; i++) {
		request_make(&request[i], a.m.disk, VD_OP_READ, i * 4096);
		CHECK_OK(vd_queue_submit(qa, &request[i].rq));
		if (i == 8) {
			request_make(&late, b.m.disk, VD_OP_READ, 0);
			CHECK_OK(vd_queue_submit(qa, &late.rq));
		}
	}
	for (unsigned i = 0, seen = 0; i < 41; i++) {
		struct request *r = reap_one(qa);

		CHECK_OK(r->rq.status);
		seen += r == &late;
		before += !seen;
	}
	CHECK(before >= 1 && before < 30);
}

/* A request longer than the credit goes, and its time is waited for by the next one. */
static void long_ones(void)
{
	static uint8_t buf[256 << 10];
	struct iovec v = { buf, sizeof(buf) };
	struct vd_request rq[3], *done;
	uint64_t start = now_ms();

	for (unsigned i = 0; i < 3; i++) {
		rq[i] = (struct vd_request){
			.disk = a.m.disk, .op = VD_OP_READ, .iov = &v, .iovcnt = 1,
		};
		CHECK_OK(vd_queue_submit(qa, &rq[i]));
	}
	/* Takes a thread, which the waiting ones do not; and goes past them. */
	request_make(&request[0], a.m.disk, VD_OP_DISCARD, 0);
	CHECK_OK(vd_queue_submit(qb, &request[0].rq));
	request_make(&request[1], a.m.disk, VD_OP_FLUSH, 0);
	CHECK_OK(vd_queue_submit(qb, &request[1].rq));
	for (unsigned i = 0; i < 2; i++)
		CHECK_OK(reap_one(qb)->rq.status);
	CHECK(now_ms() - start < 900);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(vd_queue_reap(qa, &done, 1, SOON), 1);
		CHECK_OK(done->status);
	}
	CHECK(now_ms() - start + CREDIT_MS + 10 >= 2 * sizeof(buf) * UINT64_C(1000) / RATE);
}

/* How often threads of ours went to sleep so far. */
static uint64_t sleeps(void)
{
	DIR *tasks = opendir("/proc/self/task");
	uint64_t sum = 0;
	struct dirent *e;

	CHECK(tasks);
	while ((e = readdir(tasks))) {
		char path[300], line[200];
		unsigned long n;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = *e->d_name == '.' ? NULL : fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
				sum += n;
		if (f)
			fclose(f);
	}
	closedir(tasks);
	return sum;
}

static void idle(void)
{
	uint64_t before;

	usleep(100000);
	before = sleeps();
	usleep(300000);
	/* This thread's own, and some for a thread that is just done. */
	CHECK(sleeps() - before <= 5);
}

int main(void)
{
	stalling_open(&a);
	stalling_open(&b);
	CHECK_OK(vd_queue_create(&qa));
	CHECK_OK(vd_queue_create(&qb));
	CHECK_OK(vd_group_create(RATE, &group));
	CHECK_EQ(vd_group_limit(group), RATE);
	CHECK_OK(vd_set_group(a.m.disk, group));
	CHECK_OK(vd_set_group(b.m.disk, group));
	together();
	in_order();
	long_ones();
	idle();
	/* The disks keep it. */
	vd_group_unref(group);
	CHECK_OK(vd_set_group(b.m.disk, NULL));
	request_make(&request[0], b.m.disk, VD_OP_READ, 0);
	CHECK_OK(vd_queue_submit(qa, &request[0].rq));
	CHECK_OK(reap_one(qa)->rq.status);
	vd_queue_destroy(qa);
	vd_queue_destroy(qb);
	stalling_close(&a);
	stalling_close(&b);
	return 0;
}
