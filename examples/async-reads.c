/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * async-reads.c - writes a disk to the standard output, like cat-disk, with many reads in flight. It
 * shows how a queue fits into a program's own poll loop: submitting never waits, and the eventfd is
 * readable while there is something to reap.
 *
 * Reads complete in any order; the output needs them in order. Piece n of the disk uses slot
 * n % SLOTS, which is free again when that piece has been written.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdisk.h>

#define SLOTS 16
#define PIECE (256u << 10)

struct slot {
	struct vd_request request;	/* the queue's from submitting to reaping */
	struct iovec iov;
	bool done;
	char data[PIECE];
};

struct reader {
	struct vd_disk *disk;
	struct vd_queue *queue;
	uint64_t pieces, submitted, written;
	struct slot slot[SLOTS];
};

static int submit(struct reader *r)
{
	for (; r->submitted < r->pieces && r->submitted < r->written + SLOTS; r->submitted++) {
		struct slot *s = &r->slot[r->submitted % SLOTS];
		uint64_t offset = r->submitted * PIECE, left = vd_size(r->disk) - offset;
		int err;

		s->iov = (struct iovec){ s->data, left < PIECE ? left : PIECE };
		s->done = false;
		s->request = (struct vd_request){
			.disk = r->disk, .op = VD_OP_READ, .offset = offset,
			.iov = &s->iov, .iovcnt = 1, .opaque = s,
		};
		err = vd_queue_submit(r->queue, &s->request);
		if (err)
			return err;
	}
	return 0;
}

static int reap(struct reader *r)
{
	struct vd_request *request[SLOTS];
	int n = vd_queue_reap(r->queue, request, SLOTS, 0);

	for (int i = 0; i < n; i++) {
		struct slot *s = request[i]->opaque;

		if (request[i]->status)
			return request[i]->status;
		s->done = true;
	}
	return n < 0 ? n : 0;
}

static int write_out(struct reader *r)
{
	for (; r->written < r->submitted; r->written++) {
		struct slot *s = &r->slot[r->written % SLOTS];

		if (!s->done)
			return 0;
		if (fwrite(s->data, 1, s->iov.iov_len, stdout) != s->iov.iov_len)
			return -errno;
	}
	return 0;
}

static int loop(struct reader *r)
{
	struct pollfd fd = { .fd = vd_queue_fd(r->queue), .events = POLLIN };
	int err = 0;

	while (!err && r->written < r->pieces) {
		err = submit(r);
		/* A real program waits here for its other events, too. */
		if (!err && poll(&fd, 1, -1) < 0 && errno != EINTR)
			err = -errno;
		if (!err)
			err = reap(r);
		if (!err)
			err = write_out(r);
	}
	return err ? err : fflush(stdout) ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct vd_error err;
	int status;

	if (argc != 2 || !r) {
		fprintf(stderr, "Usage: %s IMAGE\n", argv[0]);
		free(r);
		return 2;
	}
	if (vd_open(argv[1], 0, NULL, &r->disk, &err)) {
		fprintf(stderr, "%s\n", err.text);
		free(r);
		return EXIT_FAILURE;
	}
	r->pieces = (vd_size(r->disk) + PIECE - 1) / PIECE;
	status = vd_queue_create(&r->queue);
	if (!status) {
		status = loop(r);
		/* Waits for what is still in flight, which uses the slots: the queue goes first. */
		vd_queue_destroy(r->queue);
	}
	if (status)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-status));
	vd_close(r->disk);
	free(r);
	return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
