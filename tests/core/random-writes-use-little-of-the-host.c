/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 200 random writes of 4 KiB into an empty VDI or VHD use at most 2 MiB of the host's disk. */
#include <fcntl.h>
#include <sys/stat.h>

#include "model.h"

#define WRITES 200
#define SIZE (UINT64_C(10) << 30)

static bool has_holes(void)
{
	char *path = test_path("hole");
	int fd = open(path, O_CREAT | O_RDWR, 0600);
	struct stat st;

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, 8 << 20), 0);
	CHECK_EQ(fstat(fd, &st), 0);
	close(fd);
	free(path);
	return st.st_blocks * 512 < 1 << 20;
}

static void run(const char *format)
{
	struct vd_create_options create = { .format = format, .size = SIZE };
	struct rng r = { 7 };
	char *path = test_path(format);
	struct vd_error err = { "" };
	struct vd_image_info info;
	struct vd_disk *disk;
	uint8_t buf[4096];

	CHECK_OK(vd_create(path, &create, &err));
	CHECK_OK(vd_open(path, VD_OPEN_WRITE, NULL, &disk, &err));
	for (unsigned i = 0; i < WRITES; i++) {
		rng_fill(&r, buf, sizeof(buf));
		CHECK_OK(vd_write(disk, buf, sizeof(buf), rng_below(&r, SIZE / 4096) * 4096, 0));
	}
	CHECK_OK(vd_close(disk));
	CHECK_OK(vd_open(path, 0, NULL, &disk, &err));
	CHECK_OK(vd_image_info(disk, 0, &info));
	printf("%s: %" PRIu64 " bytes for %u of data\n", format, info.allocated, WRITES * 4096);
	CHECK(info.allocated <= 2 << 20);
	CHECK_OK(vd_close(disk));
	free(path);
}

int main(void)
{
	if (!has_holes())
		test_skip("the file system has no holes");
	run("vdi");
	if (format_by_name("vhd"))
		run("vhd");
	return 0;
}
