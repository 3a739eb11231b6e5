/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of a device: bad ones, cancelled ones, ones that wait for space, that a quiesce ends, and
 * that were given up because their storage stalls; done() comes once, and never from within. */
#include "device/medium.h"
#include "emulator-test.h"

#define SIZE (1u << 20)

static struct loop *l;
static struct device_host *host;
static struct device *d;
static struct vd_storage *stall, *fault;

static unsigned dones;
static bool inside;

static void count(struct device_request *rq)
{
	CHECK(!inside);
	(*(unsigned *)rq->opaque)++;
	dones++;
}

static void submit(struct device_request *rq)
{
	inside = true;
	device_submit(d, rq);
	inside = false;
}

static void set_up(const struct device_options *o)
{
	struct vd_storage *s;
	struct medium *m;

	CHECK_OK(storage_open_memory(SIZE, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	CHECK_OK(storage_open_fault(stall, &fault));
	CHECK_OK(medium_of_disk(disk_on(fault), &m));
	CHECK_OK(device_new(m, o, &d, NULL));
	medium_unref(m);
	CHECK_OK(loop_new(&l));
	CHECK_OK(device_host_new(l, &host));
	device_join(d, host);
}

static void tear_down(void)
{
	device_leave(d);
	device_host_free(host);
	device_free(d);
	loop_free(l);
}

/* One request from begin to end. */
static int io(enum device_op op, uint64_t offset, void *buf, uint64_t length)
{
	unsigned n = 0;
	struct iovec iov = {buf, length};
	struct device_request rq = {.op = op, .offset = offset, .length = length, .iov = &iov,
				    .iovcnt = 1, .done = count, .opaque = &n};

	submit(&rq);
	while (!n)
		loop_once(l, 100);
	loop_once(l, 0);
	CHECK_EQ(n, 1);
	return rq.status;
}

static void test_io(void)
{
	char out[4096], in[4096];
	struct device_statistics s;

	set_up(&(struct device_options){0});
	memset(out, 'x', sizeof(out));
	CHECK_OK(io(DEVICE_WRITE, 8192, out, sizeof(out)));
	CHECK_OK(io(DEVICE_READ, 8192, in, sizeof(in)));
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK_OK(io(DEVICE_DISCARD, 8192, NULL, 4096));
	CHECK_OK(io(DEVICE_READ, 8192, in, sizeof(in)));
	CHECK(!in[0] && !memcmp(in, in + 1, sizeof(in) - 1));
	CHECK_OK(io(DEVICE_FLUSH, 0, NULL, 0));
	CHECK_EQ(io(DEVICE_READ, SIZE - 512, in, 1024), -EINVAL);
	CHECK_EQ(io(DEVICE_READ, UINT64_MAX - 511, in, 1024), -EINVAL);
	storage_fault_arm(fault, FAULT_READ, 1, -EIO, false);
	CHECK_EQ(io(DEVICE_READ, 0, in, 512), -EIO);

	device_get_statistics(d, &s);
	CHECK_EQ(s.requests[DEVICE_READ], 5);
	CHECK_EQ(s.errors[DEVICE_READ], 3);
	CHECK_EQ(s.bytes[DEVICE_READ], 8192);
	CHECK_EQ(s.in_flight, 0);
	CHECK(device_latency(&s, 500) > 0 && device_latency(&s, 999) >= device_latency(&s, 500));
	tear_down();
}

static void flag(void *opaque)
{
	CHECK(!inside);
	(*(unsigned *)opaque)++;
}

/* A quiesce waits for what its storage holds, ends the rest, and refuses what comes. */
static void test_quiesce(void)
{
	static char buf[64][512];
	struct device_request rq[64];
	struct iovec iov[64];
	unsigned n[64] = {0}, quiesced = 0, late = 0;
	struct device_quiesce q = {.done = flag, .opaque = &quiesced};
	struct device_request more = {.op = DEVICE_READ, .length = 512, .iov = iov, .iovcnt = 1,
				      .done = count, .opaque = &late};

	set_up(&(struct device_options){0});
	storage_stall_set(stall, FAULT_READ);
	for (int i = 0; i < 64; i++) {
		iov[i] = (struct iovec){buf[i], 512};
		rq[i] = (struct device_request){.op = DEVICE_READ, .offset = 512u * i, .length = 512,
						.iov = &iov[i], .iovcnt = 1, .done = count,
						.opaque = &n[i]};
		submit(&rq[i]);
	}
	while (!storage_stall_waiting(stall))
		loop_once(l, 1);
	inside = true;
	device_quiesce(d, &q);
	inside = false;
	submit(&more);
	for (int i = 0; i < 20; i++)
		loop_once(l, 1);
	CHECK_EQ(late, 1);
	CHECK_EQ(more.status, -ECANCELED);
	CHECK_EQ(quiesced, 0);
	storage_stall_set(stall, 0);
	while (!quiesced)
		loop_once(l, 100);
	for (int i = 0; i < 64; i++) {
		CHECK_EQ(n[i], 1);
		CHECK(!rq[i].status || rq[i].status == -ECANCELED);
	}
	CHECK_EQ(rq[63].status, -ECANCELED);
	CHECK_EQ(device_in_flight(d), 0);
	device_resume(d);
	CHECK_OK(io(DEVICE_READ, 0, buf[0], 512));
	tear_down();
}

static char last_event[64];

static void on_event(void *opaque, const struct event *e)
{
	(void)opaque;
	snprintf(last_event, sizeof(last_event), "%s", e->name);
}

/* A full host's disk: the request waits, can be cancelled, and goes on when there is space. */
static void test_full(void)
{
	static char buf[512];
	struct events *events;
	struct iovec iov = {buf, 512};
	unsigned n[2] = {0};
	struct device_request rq[2];

	CHECK_OK(events_new(&events));
	events_listen(events, on_event, NULL);
	set_up(&(struct device_options){.events = events, .name = "nvme0/1"});
	storage_fault_arm(fault, FAULT_WRITE, 1, -ENOSPC, true);
	for (int i = 0; i < 2; i++) {
		rq[i] = (struct device_request){.op = DEVICE_WRITE, .length = 512, .iov = &iov,
						.iovcnt = 1, .done = count, .opaque = &n[i]};
		submit(&rq[i]);
	}
	while (strcmp(last_event, "disk-full"))
		loop_once(l, 100);
	for (int i = 0; i < 20; i++)
		loop_once(l, 1);
	CHECK(!n[0] && !n[1]);
	device_cancel(&rq[0]);
	while (!n[0])
		loop_once(l, 100);
	CHECK_EQ(rq[0].status, -ECANCELED);
	storage_fault_arm(fault, 0, 0, 0, false);
	device_retry(d);
	while (!n[1])
		loop_once(l, 100);
	CHECK_EQ(rq[1].status, 0);
	CHECK_STR(last_event, "disk-space");
	CHECK_EQ(n[0] + n[1], 2);
	tear_down();

	set_up(&(struct device_options){.on_full = DEVICE_FULL_ERROR});
	storage_fault_arm(fault, FAULT_WRITE, 1, -ENOSPC, true);
	CHECK_EQ(io(DEVICE_WRITE, 0, buf, 512), -ENOSPC);
	tear_down();
	events_free(events);
}

/* That there is space again is told once, whatever finds it out. */
static void test_space(void)
{
	static char buf[512];
	struct events *events;

	CHECK_OK(events_new(&events));
	events_listen(events, on_event, NULL);
	for (int how = 0; how < 4; how++) {
		set_up(&(struct device_options){.events = events, .name = "nvme0/1",
						.on_full = DEVICE_FULL_ERROR});
		storage_fault_arm(fault, FAULT_WRITE, 1, -ENOSPC, true);
		CHECK_EQ(io(DEVICE_WRITE, 0, buf, 512), -ENOSPC);
		CHECK_STR(last_event, "disk-full");
		storage_fault_arm(fault, 0, 0, 0, false);
		CHECK_OK(io(DEVICE_READ, 0, buf, 512));
		CHECK_STR(last_event, "disk-full");
		if (how == 0)
			CHECK_OK(io(DEVICE_WRITE_ZEROES, 0, NULL, 4096));
		else if (how == 1)
			CHECK_OK(io(DEVICE_DISCARD, 0, NULL, 4096));
		else if (how == 2)
			CHECK_OK(io(DEVICE_WRITE, 0, buf, 512));
		else
			device_leave(d);	/* a disk that is taken out waits for nothing */
		CHECK_STR(last_event, "disk-space");
		strcpy(last_event, "none");
		tear_down();
		CHECK_STR(last_event, "none");
	}
	events_free(events);
}

/* What the kernel could not make durable is lost, whatever it says the reason is: nothing waits for
 * space, and nothing is written any more. */
static void test_failed_sync(void)
{
	static char buf[512];

	set_up(&(struct device_options){0});
	CHECK_OK(io(DEVICE_WRITE, 0, buf, 512));
	storage_fault_arm(fault, FAULT_SYNC, 1, -ENOSPC, false);
	CHECK_EQ(io(DEVICE_FLUSH, 0, NULL, 0), -EIO);
	CHECK_EQ(io(DEVICE_WRITE, 0, buf, 512), -EIO);
	CHECK_EQ(io(DEVICE_FLUSH, 0, NULL, 0), -EIO);
	CHECK_OK(io(DEVICE_READ, 0, buf, 512));
	tear_down();
}

/* Requests to a storage that stalls are given up; what comes over them waits until they landed. */
static void test_orphans(void)
{
	static char old[4096], new[4096], in[4096];
	struct iovec iov[2] = {{old, 4096}, {new, 4096}};
	unsigned n[2] = {0};
	struct device_request rq[2];

	set_up(&(struct device_options){.may_stall = true});
	memset(old, 'o', sizeof(old));
	memset(new, 'n', sizeof(new));
	storage_stall_set(stall, FAULT_WRITE);
	for (int i = 0; i < 2; i++)
		rq[i] = (struct device_request){.op = DEVICE_WRITE, .offset = 4096u * i,
						.length = 4096, .iov = &iov[i], .iovcnt = 1,
						.done = count, .opaque = &n[i]};
	submit(&rq[0]);
	while (!storage_stall_waiting(stall))
		loop_once(l, 1);
	device_cancel(&rq[0]);
	while (!n[0])
		loop_once(l, 100);
	CHECK_EQ(rq[0].status, -ECANCELED);
	memset(old, '?', sizeof(old));	/* the caller's again */

	rq[1].offset = 2048;
	submit(&rq[1]);
	for (int i = 0; i < 20; i++)
		loop_once(l, 1);
	CHECK_EQ(n[1], 0);
	CHECK_EQ(storage_stall_waiting(stall), 1);
	storage_stall_set(stall, 0);
	while (!n[1])
		loop_once(l, 100);
	CHECK_OK(rq[1].status);
	CHECK_OK(io(DEVICE_READ, 0, in, sizeof(in)));
	CHECK(in[0] == 'o' && in[2047] == 'o' && in[2048] == 'n');
	tear_down();
}

/* What it is, not what is left in its iov, says where one that was given up lands. */
static void test_orphan_without_data(void)
{
	static char old[4096], new[512], in[4096];
	struct iovec iov[2] = {{old, 4096}, {new, 512}};
	unsigned n[2] = {0};
	struct device_request rq[2] = {
		{.op = DEVICE_WRITE_ZEROES, .length = 4096},
		{.op = DEVICE_WRITE, .offset = 2048, .length = 512},
	};

	set_up(&(struct device_options){.may_stall = true});
	memset(old, 'o', sizeof(old));
	memset(new, 'n', sizeof(new));
	CHECK_OK(io(DEVICE_WRITE, 0, old, 4096));
	storage_stall_set(stall, FAULT_WRITE | FAULT_ZERO);
	for (int i = 0; i < 2; i++) {
		rq[i].iov = &iov[i];
		rq[i].iovcnt = 1;
		rq[i].done = count;
		rq[i].opaque = &n[i];
	}
	submit(&rq[0]);
	while (!storage_stall_waiting(stall))
		loop_once(l, 1);
	device_cancel(&rq[0]);
	while (!n[0])
		loop_once(l, 100);
	submit(&rq[1]);
	for (int i = 0; i < 20; i++)
		loop_once(l, 1);
	CHECK_EQ(storage_stall_waiting(stall), 1);
	storage_stall_set(stall, 0);
	while (!n[1])
		loop_once(l, 100);
	CHECK_OK(rq[1].status);
	CHECK_OK(io(DEVICE_READ, 0, in, sizeof(in)));
	CHECK(!in[0] && !in[2047] && in[2048] == 'n' && !in[2560]);
	tear_down();
}

int main(void)
{
	alarm(120);
	test_io();
	test_quiesce();
	test_full();
	test_space();
	test_failed_sync();
	test_orphans();
	test_orphan_without_data();
	return 0;
}
