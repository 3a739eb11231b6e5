/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scribble IMAGE BYTES SEED - does random operations on a disk: writes of any alignment, zeros,
 * discards, flushes, closing and opening. BYTES is a file of what the disk holds, made if there is
 * none, and kept up to date without reading from the image: so it says what the image should hold,
 * whoever reads it.
 */
#include "core/model.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "checked.h"

#define OPERATIONS 120

static struct vd_disk *open_(const char *path)
{
	struct vd_error err = { "" };
	struct vd_disk *disk;

	if (vd_open(path, VD_OPEN_WRITE, NULL, &disk, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return disk;
}

static uint8_t *map_bytes(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint8_t *bytes;

	CHECK(fd >= 0);
	CHECK(ftruncate(fd, (off_t)size) == 0);
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(bytes != MAP_FAILED);
	close(fd);
	return bytes;
}

/* Ends of blocks, and of the disk, are where mistakes are made. */
static void pick(struct rng *r, uint64_t size, uint64_t *offset, uint64_t *length)
{
	static const uint64_t lengths[] = { 700, 4096, 100000, UINT64_C(3) << 20 };

	*length = min_u64(rng_between(r, 1, lengths[rng_below(r, ARRAY_SIZE(lengths))]), size);
	*offset = rng_below(r, size - *length + 1);
	if (rng_chance(r, 40))
		*offset = align_down(*offset, rng_chance(r, 50) ? 1 << 20 : 512);
	else if (rng_chance(r, 10))
		*offset = size - *length;
	if (rng_chance(r, 20)) {
		*offset = align_down(*offset, 1 << 20);
		*length = min_u64(2 << 20, size - *offset);
	}
}

static void step(struct vd_disk *disk, struct rng *r, uint8_t *bytes)
{
	uint64_t what = rng_below(r, 100), offset, length;

	pick(r, vd_size(disk), &offset, &length);
	if (what < 55) {
		rng_fill(r, bytes + offset, length - 1);
		bytes[offset + length - 1] = (uint8_t)what;
		CHECK_OK(vd_write(disk, bytes + offset, length, offset, 0));
	} else if (what < 98) {
		memset(bytes + offset, 0, length);
		if (what < 75)
			CHECK_OK(vd_write_zeroes(disk, offset, length, what & 1 ? VD_MAY_UNMAP : 0));
		else
			CHECK_OK(vd_discard(disk, offset, length, 0));
	} else {
		CHECK_OK(vd_flush(disk));
	}
}

int main(int argc, char **argv)
{
	struct vd_disk *disk;
	struct rng r;
	uint64_t size;
	uint8_t *bytes;

	if (argc != 4) {
		fprintf(stderr, "usage: scribble IMAGE BYTES SEED\n");
		return 2;
	}
	r.state = strtoull(argv[3], NULL, 0);
	disk = open_(argv[1]);
	size = vd_size(disk);
	bytes = map_bytes(argv[2], size);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		step(disk, &r, bytes);
		if (rng_chance(&r, 2)) {
			CHECK_OK(vd_close(disk));
			disk = open_(argv[1]);
		}
	}
	CHECK_OK(vd_close(disk));
	CHECK(munmap(bytes, size) == 0);
	return 0;
}
