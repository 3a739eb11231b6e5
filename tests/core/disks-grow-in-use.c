/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vd_resize while threads read and write the old range, by the queue and without: no request fails
 * or sees anything else; what is new reads as zeros, also where a parent ends earlier; what cannot
 * be is refused with a sentence and changes nothing.
 */
#include <stdatomic.h>

#include "file-disk.h"

#define SIZE UINT64_C(1048576)
#define THREADS 3
#define PIECE 4096

static struct file_disk f;
static atomic_bool enough;
static uint8_t last[SIZE / PIECE];

/* Each its own pieces of the old range. */
static void *use(void *opaque)
{
	unsigned number = (unsigned)(uintptr_t)opaque;
	struct rng r = { number + 1 };
	struct request rq;
	struct vd_queue *q;

	CHECK_OK(vd_queue_create(&q));
	while (!enough) {
		uint64_t piece = rng_below(&r, SIZE / PIECE / THREADS) * THREADS + number;
		bool write = rng_chance(&r, 50);

		request_make(&rq, f.disk, write ? VD_OP_WRITE : VD_OP_READ, piece * PIECE);
		if (write)
			memset(rq.buf, ++last[piece], PIECE);
		CHECK_OK(vd_queue_submit(q, &rq.rq));
		CHECK_OK(reap_one(q)->rq.status);
		CHECK_EQ(rq.buf[PIECE - 1], last[piece]);
		CHECK_OK(vd_read(f.disk, rq.buf, PIECE, piece * PIECE, 0));
		CHECK_EQ(rq.buf[0], last[piece]);
	}
	vd_queue_destroy(q);
	return NULL;
}

static void zeros(uint64_t from, uint64_t to)
{
	uint8_t *buf = malloc(to - from);

	CHECK(buf);
	CHECK_OK(vd_read(f.disk, buf, to - from, from, 0));
	for (uint64_t i = 0; i < to - from; i++)
		CHECK_EQ(buf[i], 0);
	free(buf);
}

static void grow(uint64_t size)
{
	struct vd_error err = { "" };
	uint64_t before = vd_size(f.disk);

	if (vd_resize(f.disk, size, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	CHECK_EQ(vd_size(f.disk), size);
	zeros(before, size);
	CHECK_OK(vd_write(f.disk, "end", 3, size - 3, 0));
	CHECK_OK(vd_write_zeroes(f.disk, size - 512, 512, 0));
}

static void refused(void)
{
	struct vd_error err = { "" };
	uint64_t size = vd_size(f.disk);

	CHECK_EQ(vd_resize(f.disk, size - 512, &err), -ENOTSUP);
	CHECK(strstr(err.text, "cannot be made smaller"));
	CHECK_EQ(vd_resize(f.disk, size + 100, &err), -EINVAL);
	CHECK(strstr(err.text, "multiple of 512; the next one is"));
	CHECK_OK(vd_resize(f.disk, size, &err));
	CHECK_EQ(vd_size(f.disk), size);
}

static void run(const char *name, const char *format, const char *parent, uint64_t size,
		unsigned flags)
{
	pthread_t thread[THREADS];
	struct vd_error err = { "" };

	file_disk_open(&f, name, format, parent, size, flags);
	enough = false;
	memset(last, 0, sizeof(last));
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, use, (void *)i), 0);
	for (unsigned i = 1; i < 8; i++) {
		grow(size + i * i * 70 * 512);
		refused();
		usleep(5000);
	}
	enough = true;
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_OK(vd_close(f.disk));
	CHECK_OK(vd_open(f.path, 0, NULL, &f.disk, &err));
	CHECK_EQ(vd_size(f.disk), size + 49 * 70 * 512);
	CHECK_EQ(vd_resize(f.disk, UINT64_C(1) << 30, &err), -EROFS);
	check_disk(f.disk, 0, FINDINGS_ALL, name);
	file_disk_close(&f);
}

int main(void)
{
	char *base = test_path("base.vdi");

	file_disk_open(&f, "base.vdi", "vdi", NULL, SIZE, 0);
	file_disk_close(&f);
	run("a.raw", "raw", NULL, SIZE, 0);
	run("a.vhd", "vhd", NULL, SIZE, 0);
	run("a.vdi", "vdi", NULL, SIZE, 0);
	run("child.vdi", "vdi", base, SIZE + (8 << 20), 0);
	run("child.vhd", "vhd", base, SIZE + (8 << 20), 0);
	free(base);
	return 0;
}
