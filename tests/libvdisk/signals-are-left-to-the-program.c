/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library's threads take no signals: a program that blocks one everywhere, to wait for it with
 * sigwait or a signalfd, gets it.
 */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "core/image.h"
#include "test.h"

static struct vd_disk *memory_disk(void)
{
	struct vd_image **images = calloc(1, sizeof(*images));
	struct vd_storage *s;
	struct vd_disk *d;

	CHECK(images);
	CHECK_OK(storage_open_memory(65536, 1, &s));
	CHECK_OK(image_open(s, "test.raw", format_by_name("raw"), &images[0], NULL));
	CHECK_OK(disk_new(images, 1, NULL, &d, NULL));
	return d;
}

int main(void)
{
	struct timespec soon = { 5, 0 };
	struct vd_disk *d = memory_disk();
	struct vd_request rq = { .disk = d, .op = VD_OP_WRITE }, *done;
	struct iovec v = { "x", 1 };
	struct vd_queue *q;
	sigset_t set;

	CHECK_OK(vd_queue_create(&q));
	rq.iov = &v;
	rq.iovcnt = 1;
	CHECK_OK(vd_queue_submit(q, &rq));	/* starts a worker, which starts the flusher */
	CHECK_EQ(vd_queue_reap(q, &done, 1, -1), 1);
	CHECK_OK(vd_write(d, "x", 1, 9, 0));

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
	CHECK_OK(kill(getpid(), SIGUSR1));	/* would end the process in another thread */
	CHECK_EQ(sigtimedwait(&set, NULL, &soon), SIGUSR1);
	vd_queue_destroy(q);
	CHECK_OK(vd_close(d));
	return 0;
}
