/* SPDX-License-Identifier: GPL-2.0-or-later */
/* READ and WRITE in all their lengths: data, flags, ends of the medium, and what is refused. */
#include "scsi-test.h"

#define BLOCKS 2048u			/* 1 MiB */

static uint8_t out[BLOCK * 64], in[BLOCK * 64];

static void fill(uint8_t seed)
{
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 512 + seed);
	memset(in, 0, sizeof(in));
}

static void test_lengths(void)
{
	lab_open(&(struct lab_options){0});
	fill(1);
	GOOD(run(out, 4 * BLOCK, 0x0a, 0, B2(5), 4, 0));
	CHECK_EQ(command.transferred, 4 * BLOCK);
	GOOD(run(in, 4 * BLOCK, 0x08, 0, B2(5), 4, 0));
	CHECK_EQ(command.direction, SCSI_DATA_IN);
	CHECK_EQ(command.transferred, 4 * BLOCK);
	CHECK(!memcmp(in, out, 4 * BLOCK));
	fill(2);
	GOOD(run(out, 8 * BLOCK, WRITE_10(100, 8)));
	GOOD(run(in, 8 * BLOCK, READ_10(100, 8)));
	CHECK(!memcmp(in, out, 8 * BLOCK));
	fill(3);
	GOOD(run(out, 8 * BLOCK, 0xaa, 0, B4(200), B4(8), 0, 0));
	GOOD(run(in, 8 * BLOCK, 0xa8, 0, B4(200), B4(8), 0, 0));
	CHECK(!memcmp(in, out, 8 * BLOCK));
	fill(4);
	GOOD(run(out, 8 * BLOCK, WRITE_16(300, 8)));
	GOOD(run(in, 8 * BLOCK, READ_16(300, 8)));
	CHECK(!memcmp(in, out, 8 * BLOCK));
	lab_close();
}

/* 6-byte commands: 0 means 256, in the others nothing. */
static void test_zero_blocks(void)
{
	static uint8_t buf[256 * BLOCK];

	lab_open(&(struct lab_options){0});
	GOOD(run(buf, sizeof(buf), 0x08, 0, B2(0), 0, 0));
	CHECK_EQ(command.transferred, sizeof(buf));
	GOOD(run(buf, sizeof(buf), 0x0a, 0, B2(0), 0, 0));
	CHECK_EQ(command.transferred, sizeof(buf));
	GOOD(run(buf, sizeof(buf), READ_10(0, 0)));
	CHECK_EQ(command.direction, SCSI_NO_DATA);
	GOOD(run(buf, sizeof(buf), WRITE_10(BLOCKS - 1, 0)));
	GOOD(run(buf, sizeof(buf), READ_16(BLOCKS, 0)));
	BEYOND(run(buf, sizeof(buf), READ_16(BLOCKS + 1, 0)));
	BEYOND(run(buf, sizeof(buf), READ_16(UINT64_MAX, 0)));
	BEYOND(run(buf, sizeof(buf), WRITE_16(1ull << 63, 0)));
	lab_close();
}

static void test_end_of_medium(void)
{
	lab_open(&(struct lab_options){0});
	GOOD(run(in, sizeof(in), READ_10(BLOCKS - 2, 2)));
	BEYOND(run(in, sizeof(in), READ_10(BLOCKS - 2, 3)));
	CHECK_EQ(command.length, 0);
	BEYOND(run(in, sizeof(in), WRITE_10(BLOCKS, 1)));
	BEYOND(run(in, sizeof(in), READ_10(UINT32_MAX, 2)));
	BEYOND(run(in, sizeof(in), READ_16(UINT64_MAX, 1)));
	BEYOND(run(in, sizeof(in), READ_16(UINT64_MAX, UINT32_MAX)));
	BEYOND(run(in, sizeof(in), WRITE_16(1ull << 55, 1)));	/* times 512 is 0 */
	BEYOND(run(in, sizeof(in), 0x08, 0x1f, B2(0xffff), 1, 0));
	BEYOND(run(in, sizeof(in), 0xa8, 0, B4(BLOCKS - 1), B4(2), 0, 0));
	CHECK(sense_read(command.sense, command.sense_length).valid);
	CHECK_EQ(sense_read(command.sense, command.sense_length).information, BLOCKS);
	lab_close();
}

static void test_flags(void)
{
	lab_open(&(struct lab_options){0});
	for (unsigned flags = 0; flags < 0x20; flags += 8) {	/* DPO, FUA */
		GOOD(run(in, BLOCK, 0x28, (uint8_t)flags, B4(0), 0, B2(1), 0));
		GOOD(run(in, BLOCK, 0x2a, (uint8_t)flags, B4(0), 0, B2(1), 0));
		GOOD(run(in, BLOCK, 0x88, (uint8_t)flags, B8(0), B4(1), 0, 0));
		GOOD(run(in, BLOCK, 0xaa, (uint8_t)flags, B4(0), B4(1), 0, 0));
	}
	for (unsigned protect = 1; protect < 8; protect++) {
		int bit = 31 - __builtin_clz(protect << 5);

		BAD_CDB(run(in, BLOCK, 0x28, (uint8_t)(protect << 5), B4(0), 0, B2(1), 0), 1, bit);
		BAD_CDB(run(in, BLOCK, 0x2a, (uint8_t)(protect << 5), B4(0), 0, B2(1), 0), 1, bit);
		BAD_CDB(run(in, BLOCK, 0xa8, (uint8_t)(protect << 5), B4(0), B4(1), 0, 0), 1, bit);
		BAD_CDB(run(in, BLOCK, 0x88, (uint8_t)(protect << 5), B8(0), B4(1), 0, 0), 1, bit);
		BAD_CDB(run(in, BLOCK, 0x8a, (uint8_t)(protect << 5), B8(0), B4(1), 0, 0), 1, bit);
	}
	BAD_CDB(run(in, BLOCK, 0x28, 0, B4(0), 0, B2(1), 0x04), 9, 2);	/* NACA */
	lab_close();
}

/* How often did the medium have to be made durable? */
static unsigned syncs(void)
{
	struct device_statistics s;

	device_get_statistics(lab.device[0], &s);
	return (unsigned)s.requests[DEVICE_FLUSH];
}

static void test_fua_read_flushes(void)
{
	unsigned before;

	lab_open(&(struct lab_options){0});
	before = syncs();
	GOOD(run(in, BLOCK, READ_10(0, 1)));
	CHECK_EQ(syncs(), before);
	GOOD(run(in, BLOCK, 0x28, 0x08, B4(0), 0, B2(1), 0));
	CHECK_EQ(syncs(), before + 1);
	lab_close();
}

/* More than the controller takes: said in VPD b0, refused here. */
static void test_too_long(void)
{
	lab_open(&(struct lab_options){.max_transfer = 64 * BLOCK});
	GOOD(run(in, sizeof(in), READ_10(0, 64)));
	BAD_CDB(run(in, sizeof(in), READ_10(0, 65)), 7, -1);
	BAD_CDB(run(in, sizeof(in), WRITE_16(0, 65)), 10, -1);
	BAD_CDB(run(in, sizeof(in), 0xaa, 0, B4(0), B4(65), 0, 0), 6, -1);
	GOOD(run(in, BLOCKS, INQUIRY(1, 0xb0, 64)));
	CHECK_EQ(be32(in + 8), 64);
	lab_close();
}

/* The guest gave less room than the cdb says. */
static void test_short_buffers(void)
{
	lab_open(&(struct lab_options){0});
	fill(9);
	GOOD(run(out, 8 * BLOCK, WRITE_10(0, 8)));
	GOOD(run(in, 3 * BLOCK + 100, READ_10(0, 8)));
	CHECK_EQ(command.transferred, 3 * BLOCK);
	CHECK_EQ(command.length, 8 * BLOCK);
	CHECK(!memcmp(in, out, 3 * BLOCK));
	CHECK_EQ(in[3 * BLOCK], 0);
	GOOD(run(in, 100, READ_10(0, 8)));
	CHECK_EQ(command.transferred, 0);
	memset(out, 0xee, sizeof(out));
	SENSE(run(out, 3 * BLOCK, WRITE_10(0, 8)), ABORTED_COMMAND, ASC_DATA_PHASE_ERROR);
	CHECK_EQ(command.transferred, 0);
	memset(in, 0, sizeof(in));
	GOOD(run(in, 8 * BLOCK, READ_10(0, 8)));
	CHECK(in[0] != 0xee);
	lab_close();
}

static void test_errors(void)
{
	lab_open(&(struct lab_options){0});
	storage_fault_arm(lab.fault[0], FAULT_READ, 1, -EIO, false);
	SENSE(run(in, BLOCK, READ_10(77, 1)), MEDIUM_ERROR, 0x1100);
	CHECK_EQ(sense_read(command.sense, command.sense_length).information, 77);
	storage_fault_arm(lab.fault[0], FAULT_WRITE, 1, -EIO, false);
	SENSE(run(in, BLOCK, WRITE_10(78, 1)), MEDIUM_ERROR, 0x0c00);
	CHECK_EQ(sense_read(command.sense, command.sense_length).information, 78);
	storage_fault_arm(lab.fault[0], FAULT_WRITE, 1, -ENOSPC, false);
	SENSE(run(in, BLOCK, WRITE_10(78, 1)), DATA_PROTECT, 0x2707);
	GOOD(run(in, BLOCK, WRITE_10(78, 1)));
	lab_close();
}

static void test_readonly(void)
{
	lab_open(&(struct lab_options){.readonly = true});
	GOOD(run(in, BLOCK, READ_10(0, 1)));
	SENSE(run(in, BLOCK, 0x0a, 0, B2(0), 1, 0), DATA_PROTECT, 0x2700);
	SENSE(run(in, BLOCK, WRITE_10(0, 1)), DATA_PROTECT, 0x2700);
	SENSE(run(in, BLOCK, 0xaa, 0, B4(0), B4(1), 0, 0), DATA_PROTECT, 0x2700);
	SENSE(run(in, BLOCK, WRITE_16(0, 1)), DATA_PROTECT, 0x2700);
	SENSE(run(in, BLOCK, 0x2e, 0, B4(0), 0, B2(1), 0), DATA_PROTECT, 0x2700);
	SENSE(run(in, 2 * BLOCK, 0x89, 0, B8(0), 0, 0, 0, 1, 0, 0), DATA_PROTECT, 0x2700);
	SENSE(run(in, BLOCK, 0x41, 0, B4(0), 0, B2(1), 0), DATA_PROTECT, 0x2700);
	SENSE(run(in, BLOCK, 0x93, 1, B8(0), B4(1), 0, 0), DATA_PROTECT, 0x2700);
	GOOD(run(in, 4, MODE_SENSE_6(0x08, 0, 4)));
	CHECK_EQ(in[2] & 0x80, 0x80);
	GOOD(run(NULL, 0, 0x35, 0, B4(0), 0, B2(0), 0));
	lab_close();
}

int main(void)
{
	test_lengths();
	test_zero_blocks();
	test_end_of_medium();
	test_flags();
	test_fua_read_flushes();
	test_too_long();
	test_short_buffers();
	test_errors();
	test_readonly();
	return 0;
}
