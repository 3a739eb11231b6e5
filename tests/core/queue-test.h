/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue-test.h - disks on storages that stall, and requests for them. */
#ifndef QUEUE_TEST_H
#define QUEUE_TEST_H

#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "model.h"

#define SOON 20000	/* ms: what takes longer is stuck, on a busy machine, too */

struct stalling {
	struct model m;
	struct vd_storage *stall;
};

/* A raw disk of 1 MiB, open for writing. */
__attribute__((unused))
static void stalling_open(struct stalling *s)
{
	struct vd_error err = { "" };

	model_init(&s->m, kind_of("raw", true), 0, 1 << 20, 1);
	CHECK_OK(storage_open_stall(borrow(s->m.layer[0].storage, true), &s->stall));
	CHECK_OK(model_open_on(&s->m, borrow(s->stall, true), &s->m.disk, &err));
}

__attribute__((unused))
static void stalling_close(struct stalling *s)
{
	model_close(&s->m);
	storage_close(s->stall);
	model_free(&s->m);
}

/* A request that owns its buffer of 4096 bytes. */
struct request {
	struct vd_request rq;
	struct iovec iov;
	unsigned completed;
	uint8_t buf[4096];
};

__attribute__((unused))
static void request_make(struct request *r, struct vd_disk *disk, enum vd_op op, uint64_t offset)
{
	r->completed = 0;
	r->iov = (struct iovec){ r->buf, sizeof(r->buf) };
	r->rq = (struct vd_request) {
		.disk = disk, .op = op, .offset = offset, .length = sizeof(r->buf),
		.iov = &r->iov, .iovcnt = 1, .opaque = r, .status = 12345,
	};
}

/* The next one to complete. */
__attribute__((unused))
static struct request *reap_one(struct vd_queue *q)
{
	struct vd_request *rq;
	struct request *r;

	CHECK_EQ(vd_queue_reap(q, &rq, 1, SOON), 1);
	r = rq->opaque;
	CHECK_EQ(++r->completed, 1);
	return r;
}

__attribute__((unused))
static bool is_readable(const struct vd_queue *q, int timeout_ms)
{
	struct pollfd p = { .fd = vd_queue_fd(q), .events = POLLIN };
	int n = poll(&p, 1, timeout_ms);

	CHECK(n >= 0);
	return n == 1;
}

__attribute__((unused))
static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

__attribute__((unused))
static void until_waiting(const struct stalling *s, unsigned n)
{
	for (uint64_t end = now_ms() + SOON; storage_stall_waiting(s->stall) < n;) {
		CHECK(now_ms() < end);
		usleep(1000);
	}
}

#endif
