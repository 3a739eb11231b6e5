/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What qemu-img writes we read, what we write it reads, also into each other's images, with sizes
 * that are no whole number of cylinders.
 */
#include "vhd-test.h"

#include <fcntl.h>
#include <sys/stat.h>

static int shell(const char *format, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command);
}

static struct vd_disk *open_path(const char *path, unsigned flags)
{
	struct vd_disk *d;
	struct vd_error err;

	if (vd_open(path, flags, NULL, &d, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return d;
}

/* The same random pieces into the disk and the raw file. */
static void scribble(const char *image, const char *raw, uint32_t seed)
{
	struct vd_disk *d = open_path(image, VD_OPEN_WRITE);
	int fd = open(raw, O_WRONLY);
	uint8_t *buf = malloc(256 * KIB);
	uint32_t state = seed;

	CHECK(fd >= 0 && buf);
	for (unsigned i = 0; i < 60; i++) {
		uint32_t n = 1 + next_random(&state) % (i % 3 ? 5000 : 256 * KIB);
		uint64_t at = next_random(&state) % (vd_size(d) - n);

		if (i == 0)
			at = vd_size(d) - n;
		for (uint32_t k = 0; k < n; k++)
			buf[k] = (uint8_t)(next_random(&state) >> 8);
		CHECK_OK(vd_write(d, buf, n, at, 0));
		CHECK_EQ(pwrite(fd, buf, n, (off_t)at), (ssize_t)n);
	}
	close(fd);
	free(buf);
	CHECK_OK(vd_close(d));
}

static void check_same(const char *image, const char *raw)
{
	struct vd_disk *d = open_path(image, 0);
	uint8_t *a = malloc(MIB), *b = malloc(MIB);
	int fd = open(raw, O_RDONLY);
	struct findings f;
	struct stat st;

	CHECK(a && b && fd >= 0 && !fstat(fd, &st));
	CHECK_EQ(vd_size(d), (uint64_t)st.st_size);
	for (uint64_t at = 0, n; at < vd_size(d); at += n) {
		n = vd_size(d) - at < MIB ? vd_size(d) - at : MIB;
		CHECK_OK(vd_read(d, a, n, at, 0));
		CHECK_EQ(pread(fd, b, n, (off_t)at), (ssize_t)n);
		CHECK(!memcmp(a, b, n));
	}
	check_disk(d, 0, &f);
	CHECK_STR(f.text, "");
	close(fd);
	free(a);
	free(b);
	CHECK_OK(vd_close(d));
	CHECK_OK(shell("qemu-img compare -q -f vpc -F raw %s %s", image, raw));
	CHECK_OK(shell("qemu-img info -f vpc %s | grep -q '(%" PRIu64 " bytes)'", image,
		       (uint64_t)st.st_size));
}

static void ours(const char *image, const char *raw, uint64_t size, unsigned flags,
		 uint64_t block_size)
{
	struct vd_create_options o = {
		.format = "vhd", .size = size, .flags = flags | VD_CREATE_OVERWRITE,
		.block_size = block_size,
	};
	struct vd_error err;

	if (vd_create(image, &o, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	CHECK_OK(shell("rm -f %s && truncate -s %" PRIu64 " %s", raw, size, raw));
	check_same(image, raw);
	for (uint32_t round = 1; round < 4; round++) {
		scribble(image, raw, (uint32_t)size + round);
		check_same(image, raw);
	}
	CHECK_OK(shell("qemu-io -f vpc -c 'write -P 77 1M 5M' %s >/dev/null", image));
	CHECK_OK(shell("qemu-io -f raw -c 'write -P 77 1M 5M' %s >/dev/null", raw));
	check_same(image, raw);
	scribble(image, raw, 99);
	check_same(image, raw);
}

static void theirs(const char *image, const char *raw, const char *options)
{
	CHECK_OK(shell("rm -f %s %s && qemu-img create -q -f vpc -o %s %s 40M", image, raw, options,
		       image));
	CHECK_OK(shell("qemu-io -f vpc -c 'write -P 1 0 1k' -c 'write -P 2 9M 5M' "
		       "-c 'write -P 3 39M 1M' %s >/dev/null", image));
	CHECK_OK(shell("qemu-img convert -f vpc -O raw %s %s", image, raw));
	check_same(image, raw);
	scribble(image, raw, 5);
	check_same(image, raw);
}

int main(void)
{
	char *image = test_path("image.vhd"), *raw = test_path("image.raw");

	if (shell("qemu-img --version >/dev/null 2>&1 && qemu-io --version >/dev/null 2>&1"))
		test_skip("there is no qemu-img or no qemu-io");
	ours(image, raw, 20000256, 0, 0);
	ours(image, raw, 20000256, VD_CREATE_FIXED, 0);
	ours(image, raw, 33 * MIB, 0, 64 * KIB);
	ours(image, raw, 30000128, 0, 8 * MIB);
	theirs(image, raw, "subformat=dynamic");
	theirs(image, raw, "subformat=fixed");
	theirs(image, raw, "subformat=dynamic,force_size=on");
	theirs(image, raw, "subformat=fixed,force_size=on");
	free(image);
	free(raw);
	return 0;
}
