/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same calls against each kind of storage that can be made here give what storage.h says, and
 * the same as a plain array does.
 */
#include "test.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "storage/memory.h"
#include "storage/storage.h"

#define MIB (1u << 20)

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n > 0 && *p == 0) {
		p++;
		n--;
	}
	return n == 0;
}

static void expect(struct vd_storage *s, uint64_t offset, size_t n, int value)
{
	uint8_t *buf = malloc(n);

	CHECK(buf);
	CHECK_OK(storage_pread(s, buf, n, offset));
	for (size_t i = 0; i < n; i++)
		if (buf[i] != value)
			test_fail(__FILE__, __LINE__, "%s: byte %" PRIu64 " is %d, not %d",
				  s->ops->name, offset + i, buf[i], value);
	free(buf);
}

static void put(struct vd_storage *s, uint64_t offset, size_t n, int value)
{
	uint8_t *buf = malloc(n);

	CHECK(buf);
	memset(buf, value, n);
	CHECK_OK(storage_pwrite(s, buf, n, offset));
	free(buf);
}

static uint64_t size_of(struct vd_storage *s)
{
	uint64_t size;

	CHECK_OK(storage_size(s, &size));
	return size;
}

static void grows(struct vd_storage *s)
{
	char c = 0;

	CHECK_EQ(size_of(s), 0);
	CHECK_EQ(storage_pread(s, &c, 1, 0), -EINVAL);
	CHECK_OK(storage_pread(s, &c, 0, 0));
	put(s, 100000, 10, 7);
	CHECK_EQ(size_of(s), 100010);
	expect(s, 0, 100000, 0);
	expect(s, 100000, 10, 7);
	CHECK_EQ(storage_pread(s, &c, 1, 100010), -EINVAL);
	CHECK_EQ(storage_pread(s, &c, 1, UINT64_MAX), -EINVAL);
	CHECK_EQ(storage_pread(s, &c, 2, 100009), -EINVAL);
	CHECK_OK(storage_pread(s, &c, 0, 100010));
	CHECK_EQ(storage_pwrite(s, &c, 1, INT64_MAX), -EFBIG);
	CHECK_EQ(storage_pwrite(s, &c, 2, UINT64_MAX), -EINVAL);

	/* What was cut off is not there again. */
	CHECK_OK(storage_truncate(s, 100005));
	CHECK_OK(storage_truncate(s, 3 * MIB));
	expect(s, 100000, 5, 7);
	expect(s, 100005, 3 * MIB - 100005, 0);
	CHECK_OK(storage_sync(s));
	CHECK_EQ(storage_truncate(s, UINT64_MAX), -EFBIG);
	CHECK_OK(storage_truncate(s, 0));
	CHECK_EQ(size_of(s), 0);
}

static void zeroes(struct vd_storage *s)
{
	for (int unmap = 0; unmap <= 1; unmap++) {
		uint64_t before, after;

		put(s, 0, 4 * MIB, 9);
		CHECK_OK(storage_sync(s));
		CHECK_OK(storage_allocated(s, &before));
		CHECK_EQ(storage_zero(s, 4 * MIB - 1, 2, unmap), -EINVAL);
		CHECK_EQ(storage_zero(s, 1, UINT64_MAX, unmap), -EINVAL);
		CHECK_OK(storage_zero(s, 4 * MIB, 0, unmap));
		CHECK_OK(storage_zero(s, MIB - 3, 2 * MIB + 6, unmap));
		expect(s, 0, MIB - 3, 9);
		expect(s, MIB - 3, 2 * MIB + 6, 0);
		expect(s, 3 * MIB + 3, MIB - 3, 9);
		CHECK_OK(storage_zero(s, 10, 1, unmap));
		expect(s, 9, 1, 9);
		expect(s, 10, 1, 0);
		expect(s, 11, 1, 9);
		CHECK_EQ(size_of(s), 4 * MIB);
		CHECK_OK(storage_allocated(s, &after));
		CHECK(after <= before);
	}
}

/* The extents cover the whole, and what is called a hole reads as zeros. */
static void has_extents(struct vd_storage *s)
{
	uint8_t *buf = malloc(64 * MIB);
	uint64_t at = 0, holes = 0, length;
	bool data;

	CHECK(buf);
	CHECK_OK(storage_truncate(s, 0));
	CHECK_OK(storage_truncate(s, 64 * MIB));
	put(s, 8 * MIB, MIB, 1);
	put(s, 40 * MIB, 100, 1);
	CHECK_EQ(storage_extent(s, 64 * MIB, 1, &data, &length), -EINVAL);
	CHECK_EQ(storage_extent(s, 0, 0, &data, &length), -EINVAL);
	while (at < 64 * MIB) {
		CHECK_OK(storage_extent(s, at, UINT64_MAX, &data, &length));
		CHECK(length > 0 && length <= 64 * MIB - at);
		CHECK_OK(storage_pread(s, buf, length, at));
		CHECK(data || all_zero(buf, length));
		if (!data)
			holes += length;
		at += length;
	}
	/* Both kinds of storage are sparse, unless the file system is not. */
	if (!strcmp(s->ops->name, "memory"))
		CHECK_EQ(holes, 64 * MIB - MIB - 4096);
	CHECK_OK(storage_extent(s, 8 * MIB, 512, &data, &length));
	CHECK(data);
	CHECK(length <= 512);
	free(buf);
}

/* Many pieces, more than IOV_MAX, of odd lengths and from odd places. */
static void takes_long_lists(struct vd_storage *s)
{
	enum { N = 3000, EACH = 37 };
	struct iovec *iov = calloc(N, sizeof(*iov));
	uint8_t *from = malloc(N * EACH), *to = calloc(N, EACH);

	CHECK(iov && from && to);
	for (unsigned i = 0; i < N * EACH; i++)
		from[i] = i * 7 + i / 251;
	for (unsigned i = 0; i < N; i++)
		iov[i] = (struct iovec){ from + i * EACH, i % 5 ? EACH : 0 };
	CHECK_OK(storage_truncate(s, 0));
	CHECK_OK(storage_pwritev(s, iov, N, 11));
	CHECK_EQ(size_of(s), 11 + N / 5 * 4 * EACH);
	for (unsigned i = 0; i < N; i++)
		iov[i].iov_base = to + i * EACH;
	CHECK_OK(storage_preadv(s, iov, N, 11));
	for (unsigned i = 0; i < N; i++)
		CHECK(i % 5 ? !memcmp(to + i * EACH, from + i * EACH, EACH)
			    : all_zero(to + i * EACH, EACH));
	CHECK_EQ(storage_preadv(s, iov, -1, 0), -EINVAL);
	free(iov);
	free(from);
	free(to);
}

static uint32_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return *state >> 33;
}

/* Any order of calls leaves what it would leave in an array. */
static void agrees_with_an_array(struct vd_storage *s, bool resizable)
{
	const uint64_t max = 2 * MIB;
	uint8_t *model = calloc(1, max), *buf = malloc(max);
	uint64_t state = 1, size = resizable ? 0 : max, rounds = test_quick() ? 200 : 3000;

	CHECK(model && buf);
	if (resizable)
		CHECK_OK(storage_truncate(s, 0));
	else
		CHECK_OK(storage_zero(s, 0, max, false));
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t from = random_next(&state) % max, n = random_next(&state) % 200000;
		unsigned what = random_next(&state) % (resizable ? 5 : 4);

		if (n > max - from)
			n = max - from;
		if (what != 0 && what != 4 && from + n > size)
			continue;
		if (what == 0) {
			memset(model + from, i & 255, n);
			memset(buf, i & 255, n);
			CHECK_OK(storage_pwrite(s, buf, n, from));
			if (n > 0 && size < from + n)
				size = from + n;
		} else if (what == 1) {
			CHECK_OK(storage_pread(s, buf, n, from));
			CHECK(!memcmp(buf, model + from, n));
		} else if (what < 4) {
			memset(model + from, 0, n);
			CHECK_OK(storage_zero(s, from, n, what == 2));
		} else {
			if (from < size)
				memset(model + from, 0, size - from);
			CHECK_OK(storage_truncate(s, from));
			size = from;
		}
	}
	CHECK_OK(storage_pread(s, buf, size, 0));
	CHECK(!memcmp(buf, model, size));
	if (resizable)
		CHECK_EQ(size_of(s), size);
	free(model);
	free(buf);
}

static void all_of_it(struct vd_storage *s)
{
	grows(s);
	zeroes(s);
	has_extents(s);
	takes_long_lists(s);
	agrees_with_an_array(s, true);
}

static void file(void)
{
	char *path = test_path("x.img");
	struct vd_storage *s, *t;
	struct vd_error err;
	struct stat st;
	mode_t old = umask(027);
	uint64_t bytes;
	char c = 1;

	CHECK_OK(storage_create_file(path, &s, &err));
	umask(old);
	CHECK_EQ(fstat(storage_file_fd(s), &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0640);
	CHECK(fcntl(storage_file_fd(s), F_GETFD) & FD_CLOEXEC);
	CHECK_STR(s->path, path);
	CHECK_EQ(storage_create_file(path, &t, &err), -EEXIST);
	CHECK(strstr(err.text, path) && strstr(err.text, "cannot create: File exists"));
	all_of_it(s);

	CHECK_OK(storage_truncate(s, 5 * MIB));
	CHECK_OK(storage_open_file(path, false, &t, &err));
	CHECK(!(fcntl(storage_file_fd(t), F_GETFL) & O_NONBLOCK));
	CHECK_EQ(size_of(t), 5 * MIB);
	CHECK_EQ(storage_pwrite(t, &c, 1, 0), -EROFS);
	CHECK_EQ(storage_truncate(t, 1), -EROFS);
	CHECK_EQ(storage_zero(t, 0, 1, true), -EROFS);
	CHECK_OK(storage_truncate(s, 0));
	CHECK_OK(storage_allocated(t, &bytes));
	CHECK_EQ(storage_pread(t, &c, 1, 0), -EIO);	/* cut behind its back */
	storage_close(t);
	storage_close(s);
	free(path);
}

static void memory(void)
{
	struct vd_storage *s, *t;
	uint8_t *buf = aligned_alloc(4096, 4096);
	uint64_t bytes, length;
	bool data;

	CHECK_EQ(storage_open_memory(0, 0, &s), -EINVAL);
	CHECK_EQ(storage_open_memory(0, 3, &s), -EINVAL);
	CHECK_EQ(storage_open_memory(100, 512, &s), -EINVAL);
	CHECK_OK(storage_open_memory(0, 1, &s));
	CHECK_EQ(storage_file_fd(s), -1);
	all_of_it(s);

	/* Vast and empty, then not quite empty. */
	CHECK_OK(storage_truncate(s, 0));
	CHECK_OK(storage_truncate(s, INT64_MAX));
	CHECK_OK(storage_allocated(s, &bytes));
	CHECK_EQ(bytes, 0);
	put(s, INT64_MAX - 10, 10, 3);
	put(s, 5, 1, 4);
	expect(s, INT64_MAX - 20, 10, 0);
	expect(s, INT64_MAX - 10, 10, 3);
	CHECK_OK(storage_extent(s, 4096, UINT64_MAX, &data, &length));
	CHECK(!data);
	CHECK_EQ(length, (uint64_t)INT64_MAX / 4096 * 4096 - 4096);

	/* Clones go separate ways. */
	CHECK_OK(storage_memory_clone(s, &t));
	put(s, 5, 1, 5);
	put(t, 1 << 30, 1, 6);
	expect(t, 5, 1, 4);
	expect(s, 1 << 30, 1, 0);
	CHECK_OK(storage_zero(t, 0, INT64_MAX, true));
	expect(s, INT64_MAX - 10, 10, 3);
	storage_close(s);
	expect(t, 5, 1, 0);
	CHECK_OK(storage_allocated(t, &bytes));
	CHECK_EQ(bytes, 0);
	storage_close(t);

	CHECK_OK(storage_open_memory(8192, 512, &s));
	CHECK_EQ(storage_pread(s, buf, 512, 1), -EINVAL);
	CHECK_EQ(storage_pread(s, buf, 511, 0), -EINVAL);
	CHECK_EQ(storage_pread(s, buf + 8, 512, 0), -EINVAL);
	CHECK_EQ(storage_zero(s, 0, 1, true), -EINVAL);
	CHECK_EQ(storage_truncate(s, 1), -EINVAL);
	CHECK_OK(storage_pread(s, buf + 512, 512, 7680));
	storage_close(s);
	free(buf);
	storage_close(NULL);
}

/* Only root can make one. */
static void block_device(void)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n, loop = -1, back = -1;
	char device[64], *path = test_path("loop.img"), c = 0;
	struct vd_storage *s;
	struct vd_error err;

	n = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	snprintf(device, sizeof(device), "/dev/loop%d", n);
	if (n >= 0) {
		loop = open(device, O_RDWR | O_CLOEXEC);
		back = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		CHECK_EQ(ftruncate(back, 2 * MIB), 0);
	}
	if (loop >= 0 && ioctl(loop, LOOP_SET_FD, back) == 0) {
		CHECK_OK(storage_open_file(device, true, &s, &err));
		CHECK_EQ(size_of(s), 2 * MIB);
		agrees_with_an_array(s, false);
		CHECK_EQ(storage_pwrite(s, &c, 1, 2 * MIB), -ENOSPC);
		CHECK_EQ(storage_truncate(s, MIB), -ENOTSUP);
		CHECK_OK(storage_truncate(s, 2 * MIB));
		CHECK_OK(storage_sync(s));
		CHECK_OK(storage_lock(s, true, &err));
		CHECK_EQ(size_of(s), 2 * MIB);
		storage_close(s);
		CHECK_EQ(ioctl(loop, LOOP_CLR_FD, 0), 0);
	} else {
		puts("no loop device: block devices were not tried");
	}
	if (loop >= 0)
		close(loop);
	if (back >= 0)
		close(back);
	if (control >= 0)
		close(control);
	free(path);
}

int main(void)
{
	file();
	memory();
	block_device();
	return 0;
}
