/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random writes, zeros and discards into chains of up to five VHDs, with another block size at each
 * level and a disk that ends in the middle of a block, agree with a flat model in memory, also
 * after closing and opening.
 */
#include "vhd-test.h"

#include <sys/stat.h>

#define SECTORS (37 * 128 + 61)
#define SIZE (SECTORS * UINT64_C(512))

static uint8_t model[SIZE], disk[SIZE];
static uint32_t state = 20260101;

static uint32_t below(uint32_t n)
{
	return next_random(&state) % n;
}

static char *image_path(unsigned level)
{
	char name[32];

	snprintf(name, sizeof(name), "level%u.vhd", level);
	return test_path(name);
}

static void make_level(unsigned level)
{
	static const uint64_t block_size[] = { 2 * MIB, 64 * KIB, 128 * KIB, 8 * MIB, 64 * KIB };
	char *path = image_path(level), *parent = level ? image_path(level - 1) : NULL;
	struct vd_create_options o = {
		.format = "vhd", .size = level ? 0 : SIZE, .block_size = block_size[level],
		.parent = parent,
	};
	struct vd_error err;

	if (vd_create(path, &o, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	free(path);
	free(parent);
}

static struct vd_disk *open_level(unsigned level, unsigned flags)
{
	char *path = image_path(level);
	struct vd_disk *d;
	struct vd_error err;

	if (vd_open(path, flags, NULL, &d, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	CHECK_EQ(vd_depth(d), level + 1);
	free(path);
	return d;
}

static void one_op(struct vd_disk *d)
{
	uint64_t at = below(SIZE - 1), n = 1 + below(below(5) ? 3000 : 400000);
	uint8_t *buf = model + at;

	if (below(3) == 0)
		at -= at % 512;
	if (n > SIZE - at)
		n = SIZE - at;
	buf = model + at;
	switch (below(8)) {
	case 0:
		memset(buf, 0, n);
		CHECK_OK(vd_write_zeroes(d, at, n, below(2) ? VD_MAY_UNMAP : 0));
		break;
	case 1:
		memset(buf, 0, n);
		CHECK_OK(vd_discard(d, at, n, 0));
		break;
	case 2:
		CHECK_OK(vd_read(d, disk, n, at, 0));
		CHECK(!memcmp(disk, buf, n));
		break;
	case 3:
		if (!below(6))
			CHECK_OK(vd_flush(d));
		break;
	default:
		for (uint64_t i = 0; i < n; i += 4)
			memcpy(buf + i, &(uint32_t){ next_random(&state) }, n - i < 4 ? n - i : 4);
		CHECK_OK(vd_write(d, buf, n, at, 0));
	}
}

/* What the map says is zero is zero, and the extents cover the disk. */
static void check_map(struct vd_disk *d)
{
	struct vd_extent e;

	for (uint64_t at = 0; at < SIZE; at += e.length) {
		CHECK_OK(vd_map(d, at, SIZE - at, &e));
		CHECK(e.length && e.length <= SIZE - at);
		CHECK(e.kind != VD_EXTENT_ERROR);
		for (uint64_t i = 0; e.kind == VD_EXTENT_ZERO && i < e.length; i++)
			CHECK_EQ(model[at + i], 0);
	}
}

static void check_level(unsigned level)
{
	struct vd_disk *d = open_level(level, 0);
	struct findings f;

	CHECK_OK(vd_read(d, disk, SIZE, 0, 0));
	CHECK(!memcmp(disk, model, SIZE));
	check_map(d);
	check_disk(d, 0, &f);
	CHECK_STR(f.text, "");
	CHECK_OK(vd_close(d));
}

/* A child into which somebody else wrote through its parent would be wrong: parents stay as they
 * are. */
static void parents_stay(unsigned level)
{
	static struct stat before[8];

	for (unsigned i = 0; i < level; i++) {
		char *path = image_path(i);
		struct stat st;

		CHECK_OK(stat(path, &st));
		if (before[i].st_size)
			CHECK(st.st_size == before[i].st_size &&
			      st.st_mtim.tv_nsec == before[i].st_mtim.tv_nsec);
		before[i] = st;
		free(path);
	}
}

int main(void)
{
	unsigned ops = test_quick() ? 200 : 2100;

	for (unsigned level = 0; level < 5; level++) {
		make_level(level);
		check_level(level);
		for (unsigned round = 0; round < 3; round++) {
			struct vd_disk *d = open_level(level, VD_OPEN_WRITE);

			for (unsigned i = 0; i < ops / 3; i++)
				one_op(d);
			CHECK_OK(vd_read(d, disk, SIZE, 0, 0));
			CHECK(!memcmp(disk, model, SIZE));
			CHECK_OK(vd_close(d));
			check_level(level);
		}
		parents_stay(level);
	}
	return 0;
}
