/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UNMAP, WRITE SAME, GET LBA STATUS, PRE-FETCH, SYNCHRONIZE CACHE. */
#include "scsi-test.h"

#define BLOCKS 8192u			/* 4 MiB */

static uint8_t image[BLOCKS * BLOCK], list[65536];

/* All blocks differ, none is zero. */
static void fill(void)
{
	for (unsigned i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(1 + (i + i / 512) % 255);
	GOOD(run(image, sizeof(image), WRITE_10(0, BLOCKS)));
}

static void check_image(void)
{
	static uint8_t in[sizeof(image)];

	GOOD(run(in, sizeof(in), READ_10(0, BLOCKS)));
	CHECK(!memcmp(in, image, sizeof(image)));
}

static unsigned unmap_list(unsigned n, const uint64_t (*ranges)[2])
{
	memset(list, 0, sizeof(list));
	put_be16(list, (uint16_t)(6 + 16 * n));
	put_be16(list + 2, (uint16_t)(16 * n));
	for (unsigned i = 0; i < n; i++) {
		put_be64(list + 8 + 16 * i, ranges[i][0]);
		put_be32(list + 16 + 16 * i, (uint32_t)ranges[i][1]);
	}
	return 8 + 16 * n;
}

#define UNMAP(n) 0x42, 0, 0, 0, 0, 0, 0, B2(n), 0

static void test_unmap(void)
{
	static const uint64_t ranges[][2] = {{8, 8}, {100, 1}, {0, 0}, {BLOCKS - 3, 3}, {BLOCKS, 0}};
	unsigned n = unmap_list(ARRAY_SIZE(ranges), ranges);

	fill();
	GOOD(run(list, n, UNMAP(n)));
	CHECK_EQ(command.transferred, n);
	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
		memset(image + ranges[i][0] * BLOCK, 0, ranges[i][1] * BLOCK);
	check_image();

	GOOD(run(NULL, 0, UNMAP(0)));
	GOOD(run(list, 8, UNMAP(8 + 0 * (list[3] = 0))));	/* a header alone */
	put_be16(list + 2, 15);				/* an incomplete descriptor is none */
	GOOD(run(list, n, UNMAP(n)));
	check_image();
}

static void test_bad_unmap(void)
{
	uint64_t ranges[257][2] = {{1, 1}, {BLOCKS - 1, 2}};
	unsigned n = unmap_list(2, ranges);

	fill();
	BEYOND(run(list, n, UNMAP(n)));			/* and the first is not done */
	CHECK_EQ(sense_read(command.sense, command.sense_length).information, BLOCKS);
	ranges[1][0] = UINT64_MAX;
	n = unmap_list(2, ranges);
	BEYOND(run(list, n, UNMAP(n)));
	check_image();
	SENSE(run(list, 7, UNMAP(7)), ILLEGAL_REQUEST, 0x1a00);
	SENSE(run(list, 24, UNMAP(24)), ILLEGAL_REQUEST, 0x1a00);
	BAD_CDB(run(list, n, 0x42, 1, 0, 0, 0, 0, 0, B2(n), 0), 1, 0);	/* ANCHOR */
	memset(ranges, 0, sizeof(ranges));
	n = unmap_list(257, ranges);
	BAD_LIST(run(list, n, UNMAP(n)), 2, -1);
	n = unmap_list(256, ranges);
	GOOD(run(list, n, UNMAP(n)));
}

#define SAME_10(flags, lba, blocks) 0x41, flags, B4(lba), 0, B2(blocks), 0
#define SAME_16(flags, lba, blocks) 0x93, flags, B8(lba), B4(blocks), 0, 0

static void same_in_image(uint64_t lba, uint64_t blocks, const uint8_t *block)
{
	for (; blocks--; lba++)
		memcpy(image + lba * BLOCK, block, BLOCK);
}

static void test_write_same(void)
{
	static const uint8_t zeros[BLOCK];
	uint8_t block[BLOCK];

	fill();
	for (unsigned i = 0; i < BLOCK; i++)
		block[i] = (uint8_t)(i * 3);
	GOOD(run(block, BLOCK, SAME_10(0, 5, 3)));
	CHECK_EQ(command.transferred, BLOCK);
	same_in_image(5, 3, block);
	check_image();
	GOOD(run(block, BLOCK, SAME_16(0, 1000, 5000)));	/* in pieces */
	same_in_image(1000, 5000, block);
	check_image();
	GOOD(run((void *)zeros, BLOCK, SAME_16(0, 2000, 16)));
	same_in_image(2000, 16, zeros);
	GOOD(run((void *)zeros, BLOCK, SAME_10(0x08, 3000, 1)));	/* UNMAP */
	same_in_image(3000, 1, zeros);
	GOOD(run(NULL, 0, SAME_16(0x01, 3100, 10)));			/* NDOB */
	CHECK_EQ(command.direction, SCSI_NO_DATA);
	same_in_image(3100, 10, zeros);
	GOOD(run(NULL, 0, SAME_16(0x09, 3300, BLOCKS - 3300)));
	same_in_image(3300, BLOCKS - 3300, zeros);
	GOOD(run(block, BLOCK, SAME_16(0x08, 4000, 2)));	/* data cannot be unmapped */
	same_in_image(4000, 2, block);
	check_image();
}

static void test_bad_write_same(void)
{
	uint8_t block[BLOCK] = {1};

	fill();
	BAD_CDB(run(block, BLOCK, SAME_10(0, 0, 0)), 7, -1);
	BAD_CDB(run(block, BLOCK, SAME_16(0, 0, 0)), 10, -1);
	BEYOND(run(block, BLOCK, SAME_16(0, BLOCKS + 1, 0)));
	BEYOND(run(block, BLOCK, SAME_10(0, BLOCKS - 1, 2)));
	BEYOND(run(block, BLOCK, SAME_16(0, UINT64_MAX, 1)));
	BAD_CDB(run(block, BLOCK, SAME_16(0x10, 0, 1)), 1, 4);		/* ANCHOR */
	BAD_CDB(run(block, BLOCK, SAME_10(0x18, 0, 1)), 1, 4);
	BAD_CDB(run(block, BLOCK, SAME_10(0x01, 0, 1)), 1, 0);		/* NDOB is 16's */
	BAD_CDB(run(block, BLOCK, SAME_10(0x20, 0, 1)), 1, 5);
	SENSE(run(block, BLOCK - 1, SAME_10(0, 0, 1)), ABORTED_COMMAND, ASC_DATA_PHASE_ERROR);
	storage_fault_arm(lab.fault[0], FAULT_WRITE, 2, -EIO, false);
	SENSE(run(block, BLOCK, SAME_16(0, 0, 6000)), MEDIUM_ERROR, ASC_WRITE_ERROR);
	CHECK_EQ(sense_read(command.sense, command.sense_length).information, 2048);
}

static void test_without_discard(void)
{
	uint8_t block[BLOCK] = {0};

	fill();
	BAD_CDB(run(block, BLOCK, SAME_16(0x08, 0, 1)), 1, 3);
	GOOD(run(block, BLOCK, SAME_16(0, 0, 1)));
	same_in_image(0, 1, block);
	check_image();
}

#define LBA_STATUS(lba, n) 0x9e, 0x12, B8(lba), B4(n), 0, 0

static void status_is(const uint8_t *descriptor, uint64_t lba, uint32_t blocks, uint8_t status)
{
	CHECK_EQ(be64(descriptor), lba);
	CHECK_EQ(be32(descriptor + 8), blocks);
	CHECK_EQ(descriptor[12], status);
}

/* Memory is there by 4 KiB, of which two were written, and one is unmapped again. */
static void test_holes(void)
{
	static const uint64_t range[1][2] = {{2048, 2048}};
	uint8_t in[72], one[BLOCK] = {1};
	unsigned n = unmap_list(1, range);

	GOOD(run(in, 72, LBA_STATUS(0, 72)));
	CHECK_EQ(be32(in), 20);
	status_is(in + 8, 0, BLOCKS, 1);
	GOOD(run(one, BLOCK, WRITE_10(2050, 1)));
	GOOD(run(one, BLOCK, WRITE_10(6000, 1)));
	GOOD(run(in, 72, LBA_STATUS(0, 72)));
	CHECK_EQ(be32(in), 4 + 16 * 5);			/* of which 4 have room */
	CHECK_EQ(command.transferred, 72);
	status_is(in + 8, 0, 2048, 1);
	status_is(in + 24, 2048, 8, 0);
	status_is(in + 40, 2056, 6000 - 2056, 1);
	status_is(in + 56, 6000, 8, 0);
	GOOD(run(in, 72, LBA_STATUS(2050, 72)));
	status_is(in + 8, 2050, 6, 0);
	GOOD(run(list, n, UNMAP(n)));
	GOOD(run(in, 72, LBA_STATUS(100, 72)));
	status_is(in + 8, 100, 5900, 1);
	GOOD(run(in, 72, LBA_STATUS(BLOCKS - 1, 8)));	/* a header alone */
	CHECK_EQ(command.transferred, 8);
	CHECK_EQ(be32(in), 20);
}

static void test_lba_status(void)
{
	uint8_t in[64];

	fill();
	GOOD(run(in, 64, LBA_STATUS(5, 64)));
	CHECK_EQ(command.transferred, 24);
	CHECK_EQ(be32(in), 20);
	status_is(in + 8, 5, BLOCKS - 5, 0);
	BEYOND(run(in, 64, 0x9e, 0x12, B8(BLOCKS), B4(64), 0, 0));
	BEYOND(run(in, 64, 0x9e, 0x12, B8(UINT64_MAX), B4(64), 0, 0));
}

static int no_extent(struct vd_storage *s, uint64_t offset, uint64_t limit, bool *data,
		     uint64_t *length)
{
	(void)s, (void)offset, (void)limit, (void)data, (void)length;
	return -EIO;
}

/* It only looks. */
static void test_unknown_status(void)
{
	const struct vd_storage_ops *ops = lab.fault[0]->ops;
	struct vd_storage_ops failing = *ops;
	uint8_t in[64];

	failing.extent = no_extent;
	lab.fault[0]->ops = &failing;
	SENSE(run(in, 64, LBA_STATUS(5, 64)), MEDIUM_ERROR, ASC_READ_ERROR);
	CHECK_EQ(sense_read(command.sense, command.sense_length).information, 5);
	lab.fault[0]->ops = ops;
	GOOD(run(in, 64, LBA_STATUS(5, 64)));
}

static void test_hints(void)
{
	for (unsigned immed = 0; immed <= 2; immed += 2) {
		GOOD(run(NULL, 0, 0x34, (uint8_t)immed, B4(0), 3, B2(8), 0));
		GOOD(run(NULL, 0, 0x90, (uint8_t)immed, B8(0), B4(0), 0, 0));
		GOOD(run(NULL, 0, 0x35, (uint8_t)immed, B4(0), 0, B2(0), 0));
		GOOD(run(NULL, 0, 0x91, (uint8_t)immed, B8(BLOCKS - 1), B4(1), 0, 0));
	}
	BEYOND(run(NULL, 0, 0x34, 0, B4(BLOCKS), 0, B2(1), 0));
	BEYOND(run(NULL, 0, 0x90, 0, B8(BLOCKS + 1), B4(0), 0, 0));
	BEYOND(run(NULL, 0, 0x35, 0, B4(BLOCKS - 1), 0, B2(2), 0));
	BEYOND(run(NULL, 0, 0x91, 0, B8(UINT64_MAX), B4(0), 0, 0));
	GOOD(run(image, BLOCK, WRITE_10(0, 1)));
	storage_fault_arm(lab.fault[0], FAULT_SYNC, 1, -EIO, false);
	SENSE(run(NULL, 0, 0x35, 0, B4(0), 0, B2(0), 0), MEDIUM_ERROR, ASC_WRITE_ERROR);
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_unmap, test_bad_unmap, test_write_same, test_bad_write_same,
		test_without_discard, test_lba_status, test_holes, test_unknown_status,
		test_hints,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
		lab_open(&(struct lab_options){.size = sizeof(image),
					       .no_discard = tests[i] == test_without_discard});
		tests[i]();
		lab_close();
	}
	return 0;
}
