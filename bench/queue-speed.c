/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue-speed.c - random requests of 4 KiB to a disk image: how many a second, and how much
 * processor time each, by each of the ways that a queue has, and with plain system calls.
 *
 *	queue-speed IMAGE [SECONDS [write]]
 *
 * The image's bytes should be allocated; with `write` its content is lost. As a controller does,
 * the program reaps after each submission without waiting, and waits only with as many
 * requests in flight as it may have.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "io/queue.h"
#include "vdisk.h"

#define SIZE 4096u
#define DEPTH_MAX 32

struct slot {
	struct vd_request rq;
	struct iovec iov;
	char *buf;
};

static struct slot slot[DEPTH_MAX];
static struct vd_disk *disk;
static uint64_t blocks;
static double seconds = 1;
static uint64_t state = 88172645463325252;

static void die(const char *what, int r)
{
	fprintf(stderr, "queue-speed: %s: %s\n", what, strerror(-r));
	exit(1);
}

static uint64_t next_offset(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % blocks * SIZE;
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct measure {
	double start, cpu;
	uint64_t done;
};

static void begin(struct measure *m)
{
	m->done = 0;
	m->cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	m->start = now(CLOCK_MONOTONIC);
}

static void report(const struct measure *m, const char *op, const char *way, unsigned depth)
{
	double took = now(CLOCK_MONOTONIC) - m->start;
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID) - m->cpu;

	printf("%-6s %-14s depth %2u: %9.0f a second, %6.2f us each, %6.2f us of processor\n", op,
	       way, depth, (double)m->done / took, took / (double)m->done * 1e6 * depth,
	       cpu / (double)m->done * 1e6);
}

static void plain(int fd, bool write)
{
	char *buf = slot[0].buf;
	struct measure m;

	begin(&m);
	while (now(CLOCK_MONOTONIC) - m.start < seconds)
		for (unsigned i = 0; i < 64; i++, m.done++) {
			off_t at = (off_t)next_offset();
			ssize_t r = write ? pwrite(fd, buf, SIZE, at) : pread(fd, buf, SIZE, at);

			if (r != SIZE)
				die("a system call", -errno);
		}
	report(&m, write ? "write" : "read", write ? "pwrite" : "pread", 1);
}

static void synchronous(bool write)
{
	char *buf = slot[0].buf;
	struct measure m;

	begin(&m);
	while (now(CLOCK_MONOTONIC) - m.start < seconds)
		for (unsigned i = 0; i < 64; i++, m.done++) {
			uint64_t at = next_offset();
			int r = write ? vd_write(disk, buf, SIZE, at, 0) :
					vd_read(disk, buf, SIZE, at, 0);

			if (r)
				die("a synchronous call", r);
		}
	report(&m, write ? "write" : "read", write ? "vd_write" : "vd_read", 1);
}

static void queued(enum vd_op op, const char *name, unsigned ways, unsigned depth)
{
	struct vd_request *done[DEPTH_MAX];
	struct slot *idle[DEPTH_MAX];
	unsigned free = depth;
	struct vd_queue *q;
	struct measure m;

	if (vd_queue_create(&q))
		die("vd_queue_create", -ENOMEM);
	queue_limit_ways(q, ways);
	for (unsigned i = 0; i < depth; i++)
		idle[i] = &slot[i];
	begin(&m);
	for (bool end = false; !end || free < depth;) {
		int n;

		if (!(m.done & 63))
			end = now(CLOCK_MONOTONIC) - m.start >= seconds;
		if (free && !end) {
			struct slot *s = idle[--free];

			s->iov = (struct iovec){ s->buf, SIZE };
			s->rq = (struct vd_request){
				.disk = disk, .op = op, .offset = next_offset(),
				.iov = &s->iov, .iovcnt = 1, .opaque = s,
			};
			if (vd_queue_submit(q, &s->rq))
				die("vd_queue_submit", -EIO);
		}
		n = vd_queue_reap(q, done, DEPTH_MAX, free && !end ? 0 : -1);
		for (int i = 0; i < n; i++, m.done++) {
			if (done[i]->status)
				die("a request", done[i]->status);
			idle[free++] = done[i]->opaque;
		}
	}
	report(&m, op == VD_OP_READ ? "read" : "write", name, depth);
	vd_queue_destroy(q);
}

/* All the content, into the page cache and into memory of ours that can be written back. */
static void warm(void)
{
	char *buf = malloc(1 << 20);

	for (uint64_t at = 0; buf && at < blocks * SIZE; at += 1 << 20) {
		uint64_t n = blocks * SIZE - at < 1 << 20 ? blocks * SIZE - at : 1 << 20;

		if (vd_read(disk, buf, n, at, 0))
			die("reading", -EIO);
	}
	free(buf);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned ways;
	} way[] = { { "threads", 0 }, { "ring alone", QUEUE_RING }, { "as made", QUEUE_ALL_WAYS } };
	struct vd_error err;
	int fd;

	if (argc < 2 || (argc > 2 && (seconds = atof(argv[2])) <= 0)) {
		fprintf(stderr, "usage: queue-speed IMAGE [SECONDS [write]]\n");
		return 2;
	}
	if (vd_open(argv[1], VD_OPEN_WRITE, NULL, &disk, &err)) {
		fprintf(stderr, "queue-speed: %s\n", err.text);
		return 1;
	}
	for (unsigned i = 0; i < DEPTH_MAX; i++)
		if (posix_memalign((void **)&slot[i].buf, SIZE, SIZE))
			die("memory", -ENOMEM);
	blocks = vd_size(disk) / SIZE;
	warm();
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(argv[1], -errno);
	for (int write = 0; write <= (argc > 3); write++) {
		plain(fd, write);
		synchronous(write);
		for (unsigned depth = 1; depth <= DEPTH_MAX; depth *= DEPTH_MAX)
			for (unsigned i = 0; i < 3; i++)
				queued(write ? VD_OP_WRITE : VD_OP_READ, way[i].name, way[i].ways,
				       depth);
	}
	close(fd);
	return vd_close(disk) != 0;
}
