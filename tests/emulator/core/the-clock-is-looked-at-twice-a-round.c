/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many requests in one round cost two looks at the clock, not two each; and their latency is right. */
#include <time.h>

#include "device/medium.h"
#include "emulator-test.h"

#define REQUESTS 32

static uint64_t now = 1000000000;
static unsigned looks;

/* In place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	looks++;
	t->tv_sec = (time_t)(now / 1000000000);
	t->tv_nsec = (long)(now % 1000000000);
	return 0;
}

static void done(struct device_request *rq)
{
	(*(unsigned *)rq->opaque)++;
}

int main(void)
{
	static char buf[REQUESTS][512];
	struct device_request rq[REQUESTS];
	struct iovec iov[REQUESTS];
	struct device_host *host;
	struct device_statistics s;
	struct medium *m;
	struct device *d;
	struct loop *l;
	unsigned n = 0, rounds = 0;

	CHECK_OK(medium_of_disk(memory_disk(1 << 20), &m));
	CHECK_OK(device_new(m, &(struct device_options){0}, &d, NULL));
	medium_unref(m);
	CHECK_OK(loop_new(&l));
	CHECK_OK(device_host_new(l, &host));
	device_join(d, host);
	loop_once(l, 0);

	looks = 0;
	for (unsigned i = 0; i < REQUESTS; i++) {
		iov[i] = (struct iovec){buf[i], 512};
		rq[i] = (struct device_request){.op = DEVICE_READ, .offset = 512u * i, .length = 512,
						.iov = &iov[i], .iovcnt = 1, .done = done,
						.opaque = &n};
		device_submit(d, &rq[i]);
	}
	now += 5000000;
	for (; n < REQUESTS; rounds++)
		loop_once(l, 1000);
	CHECK(looks <= 1 + 2 * rounds);
	device_get_statistics(d, &s);
	CHECK_EQ(s.requests[DEVICE_READ], REQUESTS);
	/* Buckets are a quarter of a power of two wide. */
	CHECK(device_latency(&s, 500) >= 5000000 && device_latency(&s, 500) <= 5000000 * 5 / 4);
	CHECK_EQ(device_latency(&s, 0), device_latency(&s, 999));

	device_leave(d);
	device_host_free(host);
	device_free(d);
	loop_free(l);
	return 0;
}
