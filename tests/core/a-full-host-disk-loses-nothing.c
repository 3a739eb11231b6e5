/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's disk is full: the write or flush that meets it says so, nothing else suffers, and when
 * there is room again the same write and the same flush succeed. At every call of a storage that
 * could say so, and on a small file system, by all ways of a queue.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "checked.h"
#include "file-disk.h"

/* --------------------------------------------------------------------------- at every single call */

struct step {
	enum { WRITE, ZERO, FLUSH } op;
	uint64_t offset, length;
};

static int take(struct vd_disk *disk, const struct step *s, const uint8_t *bytes)
{
	switch (s->op) {
	case WRITE:
		return vd_write(disk, bytes + s->offset, s->length, s->offset, 0);
	case ZERO:
		return vd_discard(disk, s->offset, s->length, 0);
	default:
		return vd_flush(disk);
	}
}

static unsigned refusals;

/* Whether the fault came to pass. */
static bool one(const struct kind *kind, bool child, uint64_t nth, int error)
{
	uint64_t block = kind->block[0] ? kind->block[0] : 4096, size = block * 5 + 512;
	const struct step steps[] = {
		{ WRITE, 700, 100 }, { FLUSH, 0, 0 }, { WRITE, block * 2 - 300, block },
		{ WRITE, block * 4, block + 512 }, { ZERO, block * 2, block }, { FLUSH, 0, 0 },
		{ WRITE, block * 2 + 512, 2000 }, { WRITE, block, 512 }, { FLUSH, 0, 0 },
	};
	struct rng r = { nth + 1 };
	struct vd_storage *fault;
	struct vd_error err;
	struct model m;
	bool fired;

	model_init(&m, kind, kind->block[0], size, 1);
	if (child)
		model_push(&m, kind, kind->block[0], size);
	CHECK_OK(storage_open_fault(borrow(model_leaf(&m)->storage, true), &fault));
	CHECK_OK(model_open_on(&m, borrow(fault, true), &m.disk, &err));
	storage_fault_arm(fault, FAULT_WRITE | FAULT_RESIZE | FAULT_ZERO, nth, error, true);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		const struct step *s = &steps[i];
		int status;

		if (s->op == WRITE)
			rng_fill(&r, m.bytes + s->offset, s->length);
		else if (s->op == ZERO)
			memset(m.bytes + s->offset, 0, s->length);
		status = take(m.disk, s, m.bytes);
		if (!status)
			continue;
		CHECK_EQ(status, -error);
		refusals++;
		/* Room again, and full at the next call again. */
		storage_fault_arm(fault, 0, 0, 0, false);
		CHECK_OK(take(m.disk, s, m.bytes));
		model_compare(&m);
		storage_fault_arm(fault, FAULT_WRITE | FAULT_RESIZE | FAULT_ZERO, nth, error,
				  true);
	}
	fired = storage_fault_fired(fault);
	storage_fault_arm(fault, 0, 0, 0, false);
	CHECK_OK(vd_flush(m.disk));
	model_close(&m);
	model_verify_closed(&m);
	storage_close(fault);
	model_free(&m);
	return fired;
}

/* The background's flush met it: the next one need not know. */
static void in_background(void)
{
	const struct kind *kind = kind_of("vdi", false);
	struct vd_storage *fault;
	struct vd_error err;
	struct model m;

	model_init(&m, kind, 4096, 65536, 1);
	CHECK_OK(storage_open_fault(borrow(model_leaf(&m)->storage, true), &fault));
	CHECK_OK(model_open_on(&m, borrow(fault, true), &m.disk, &err));
	memset(m.bytes, 0x66, 4096);
	CHECK_OK(vd_write(m.disk, m.bytes, 4096, 0, 0));
	storage_fault_arm(fault, FAULT_WRITE, 1, ENOSPC, true);
	for (uint64_t end = now_ms() + SOON; !storage_fault_fired(fault); usleep(100000))
		CHECK(now_ms() < end);
	storage_fault_arm(fault, 0, 0, 0, false);
	CHECK_OK(vd_flush(m.disk));
	model_compare(&m);
	model_close(&m);
	model_verify_closed(&m);
	storage_close(fault);
	model_free(&m);
}

/* ---------------------------------------------------------------------- on a small file system */

#define DISK (UINT64_C(3) << 20)
#define PIECE 16384

static void ballast(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(posix_fallocate(fd, 0, (off_t)size), 0);
	close(fd);
}

static void check_all(struct vd_disk *disk)
{
	uint8_t *buf = malloc(DISK);

	CHECK(buf);
	CHECK_OK(vd_read(disk, buf, DISK, 0, 0));
	for (uint64_t i = 0; i < DISK; i++)
		CHECK_EQ(buf[i], (uint8_t)(1 + i / PIECE));
	free(buf);
}

/* Fills the disk; whoever meets the end of space removes the ballast and tries again. */
static void fill(const char *name, const char *format, unsigned ways)
{
	static uint8_t buf[PIECE];
	char *weight = test_path("full/ballast");
	struct iovec v = { buf, PIECE };
	struct vd_error err = { "" };
	struct file_disk f;
	struct vd_queue *q;
	unsigned met = 0;

	ballast(weight, 4 << 20);
	file_disk_open(&f, name, format, NULL, DISK, 0);
	CHECK_OK(vd_queue_create(&q));
	queue_limit_ways(q, ways);
	for (uint64_t at = 0; at < DISK;) {
		struct vd_request rq = {
			.disk = f.disk, .op = VD_OP_WRITE, .offset = at, .iov = &v, .iovcnt = 1,
		}, *done;

		memset(buf, (int)(1 + at / PIECE), PIECE);
		CHECK_OK(vd_queue_submit(q, &rq));
		CHECK_EQ(vd_queue_reap(q, &done, 1, SOON), 1);
		if (!rq.status) {
			at += PIECE;
			continue;
		}
		CHECK_EQ(rq.status, -ENOSPC);
		if (!met++)
			continue; /* nor a second time */
		CHECK_EQ(met, 2);
		CHECK_EQ(unlink(weight), 0);
	}
	CHECK(met == 2);
	CHECK_OK(vd_flush(f.disk));
	check_all(f.disk);
	vd_queue_destroy(q);
	CHECK_OK(vd_close(f.disk));
	CHECK_OK(vd_open(f.path, 0, NULL, &f.disk, &err));
	check_all(f.disk);
	check_disk(f.disk, 0, FINDINGS_ALL, name);
	CHECK_EQ(unlink(f.path), 0);
	file_disk_close(&f);
	free(weight);
}

static void on_a_small_file_system(void)
{
	char *folder = test_path("full");

	CHECK_EQ(mkdir(folder, 0700), 0);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL) ||
	    mount("vimg-test", folder, "tmpfs", 0, "size=6m")) {
		printf("no small file system: %s\n", strerror(errno));
		free(folder);
		return;
	}
	for (unsigned ways = 0; ways <= QUEUE_ALL_WAYS; ways += QUEUE_ALL_WAYS) {
		fill("full/a.raw", "raw", ways);
		fill("full/a.vdi", "vdi", ways);
		fill("full/a.vhd", "vhd", ways);
	}
	CHECK_EQ(umount(folder), 0);
	free(folder);
}

int main(void)
{
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++)
		for (unsigned child = 0; child <= k[i].child; child++)
			for (uint64_t nth = 1; one(&k[i], child, nth, nth % 3 ? ENOSPC : EDQUOT);
			     nth += test_quick() ? 2 : 1)
				;
	printf("%u refusals\n", refusals);
	CHECK(refusals > 20);
	on_a_small_file_system();
	in_background();
	return 0;
}
