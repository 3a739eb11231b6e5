/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MODE SENSE and MODE SELECT: pages and subpages, the values of each kind, what can be set, what is
 * refused and where. */
#include "scsi-test.h"

static uint8_t in[512], out[512];

#define CURRENT 0x00
#define CHANGEABLE 0x40
#define DEFAULT 0x80
#define SAVED 0xc0

static void test_sense(void)
{
	static const uint8_t pages[] = {0x01, 0x08, 0x0a, 0x1c};
	static const uint8_t lengths[] = {0x0a, 0x12, 0x0a, 0x0a};
	unsigned at = 12;

	GOOD(run(in, 255, MODE_SENSE_6(0x3f, 0, 255)));
	CHECK_EQ(in[0] + 1u, command.transferred);
	CHECK_EQ(in[1], 0);
	CHECK_EQ(in[2], 0x10);			/* DPO and FUA, not write-protected */
	CHECK_EQ(in[3], 8);
	CHECK_EQ(be32(in + 4), 2048);
	CHECK_EQ(be32(in + 8), 512);
	for (unsigned i = 0; i < sizeof(pages); i++) {
		CHECK_EQ(in[at], pages[i]);
		CHECK_EQ(in[at + 1], lengths[i]);
		at += 2 + lengths[i];
	}
	CHECK_EQ(at, command.transferred);

	GOOD(run(in, 255, MODE_SENSE_6(0x3f, 0xff, 255)));
	CHECK_EQ(command.transferred, at + 32);	/* and control extension */
	GOOD(run(in, 255, MODE_SENSE_6(0x0a, 0xff, 255)));
	CHECK_EQ(command.transferred, 12 + 12 + 32);
	CHECK_EQ(in[24], 0x4a);
	CHECK_EQ(in[25], 1);
	CHECK_EQ(be16(in + 26), 0x1c);
	GOOD(run(in, 255, MODE_SENSE_6(0x0a, 0x01, 255)));
	CHECK_EQ(command.transferred, 12 + 32);
	BAD_CDB(run(in, 255, MODE_SENSE_6(0x02, 0, 255)), 2, 5);
	BAD_CDB(run(in, 255, MODE_SENSE_6(0x08, 1, 255)), 2, 5);
	BAD_CDB(run(in, 255, MODE_SENSE_6(0x3f, 1, 255)), 3, -1);
	SENSE(run(in, 255, MODE_SENSE_6(SAVED | 0x3f, 0, 255)), ILLEGAL_REQUEST, 0x3900);

	GOOD(run(in, 255, 0x1a, 0x08, 0x08, 0, 255, 0));	/* no block descriptor */
	CHECK_EQ(command.transferred, 4 + 20);
	CHECK_EQ(in[3], 0);
	CHECK_EQ(in[4], 0x08);
	for (unsigned i = 0; i <= 24; i++) {
		GOOD(run(in, 255, 0x1a, 0x08, 0x08, 0, (uint8_t)i, 0));
		CHECK_EQ(command.transferred, i);
	}
}

static void test_sense_10(void)
{
	GOOD(run(in, 512, MODE_SENSE_10(0x3f, 0xff, 512)));
	CHECK_EQ(be16(in) + 2u, command.transferred);
	CHECK_EQ(in[3], 0x10);
	CHECK_EQ(in[4], 0);
	CHECK_EQ(be16(in + 6), 8);
	CHECK_EQ(be32(in + 8), 2048);
	GOOD(run(in, 512, 0x5a, 0x10, 0x08, 0, 0, 0, 0, B2(512), 0));	/* LLBAA */
	CHECK_EQ(in[4], 1);
	CHECK_EQ(be16(in + 6), 16);
	CHECK_EQ(be64(in + 8), 2048);
	CHECK_EQ(be32(in + 20), 512);
	CHECK_EQ(in[24], 0x08);
	GOOD(run(in, 512, 0x5a, 0x18, 0x08, 0, 0, 0, 0, B2(512), 0));
	CHECK_EQ(in[4], 0);
	CHECK_EQ(be16(in + 6), 0);
}

/* The page alone, with a 4-byte header, in `out`, as MODE SELECT (6) wants it. */
static unsigned fetch(uint8_t code, uint8_t which)
{
	unsigned n;

	GOOD(run(out, 255, 0x1a, 0x08, code | which, 0, 255, 0));
	n = (unsigned)command.transferred;
	memset(out, 0, 4);
	return n;
}

static void test_caching(void)
{
	unsigned n = fetch(0x08, CHANGEABLE);

	CHECK_EQ(out[6], 0x04);
	for (unsigned i = 7; i < n; i++)
		CHECK_EQ(out[i], 0);
	fetch(0x08, CURRENT);
	CHECK_EQ(out[6] & 4, 4);
	out[6] &= (uint8_t)~4;
	GOOD(run(out, n, MODE_SELECT_6(n)));
	CHECK_EQ(command.transferred, n);
	fetch(0x08, CURRENT);
	CHECK_EQ(out[6] & 4, 0);
	fetch(0x08, DEFAULT);
	CHECK_EQ(out[6] & 4, 4);

	/* Each write is durable then; a failing sync is the write's failure. */
	storage_fault_arm(lab.fault[0], FAULT_SYNC, 1, -EIO, false);
	SENSE(run(in, 512, WRITE_10(0, 1)), MEDIUM_ERROR, ASC_WRITE_ERROR);
}

/* Who writes through from now on will not synchronize what came before: that is made durable. */
static void test_cache_off_flushes(void)
{
	unsigned n = fetch(0x08, CURRENT);

	GOOD(run(in, 512, WRITE_10(0, 1)));
	storage_fault_arm(lab.fault[0], FAULT_SYNC, 0, 0, false);
	GOOD(run(out, n, MODE_SELECT_6(n)));		/* stays on */
	CHECK_EQ(storage_fault_calls(lab.fault[0]), 0);
	out[6] &= (uint8_t)~4;
	GOOD(run(out, n, MODE_SELECT_6(n)));
	CHECK_EQ(storage_fault_calls(lab.fault[0]), 1);
	GOOD(run(out, n, MODE_SELECT_6(n)));		/* it is off */
	out[6] |= 4;
	GOOD(run(out, n, MODE_SELECT_6(n)));
	CHECK_EQ(storage_fault_calls(lab.fault[0]), 1);

	GOOD(run(in, 512, WRITE_10(0, 1)));
	storage_fault_arm(lab.fault[0], FAULT_SYNC, 1, -EIO, false);
	out[6] &= (uint8_t)~4;
	SENSE(run(out, n, MODE_SELECT_6(n)), MEDIUM_ERROR, ASC_WRITE_ERROR);
}

static void test_control(void)
{
	unsigned n = fetch(0x0a, CHANGEABLE);

	CHECK_EQ(out[6], 0x04);
	CHECK_EQ(out[7], 0);
	CHECK_EQ(out[8], 0x08);
	fetch(0x0a, CURRENT);
	CHECK_EQ(out[6], 0);
	out[6] = 0x04;
	GOOD(run(out, n, MODE_SELECT_6(n)));
	BEYOND(run(in, 512, READ_10(5000, 1)));
	CHECK_EQ(command.sense[0], 0x72);
	CHECK_EQ(sense_read(command.sense, command.sense_length).information, 5000);
	BAD_CDB(run(in, 512, 0x28, 0x80, B4(0), 0, B2(1), 0), 1, 7);
	CHECK_EQ(command.sense[0], 0x72);

	/* Software write protection. */
	fetch(0x0a, CURRENT);
	out[8] = 0x08;
	GOOD(run(out, n, MODE_SELECT_6(n)));
	SENSE(run(in, 512, WRITE_10(0, 1)), DATA_PROTECT, 0x2702);
	GOOD(run(in, 512, READ_10(0, 1)));
	GOOD(run(in, 4, 0x1a, 0, 0x0a, 0, 4, 0));
	CHECK_EQ(in[2], 0x90);
	fetch(0x0a, CURRENT);
	CHECK_EQ(out[8], 0x08);
	out[6] = out[8] = 0;
	GOOD(run(out, n, MODE_SELECT_6(n)));
	BEYOND(run(in, 512, READ_10(5000, 1)));
	CHECK_EQ(command.sense[0], 0xf0);
}

static void test_bad_lists(void)
{
	unsigned n = fetch(0x0a, CURRENT);

	/* What cannot be changed, and what is not there. */
	out[7] ^= 0x10;
	BAD_LIST(run(out, n, MODE_SELECT_6(n)), 7, 4);
	fetch(0x0a, CURRENT);
	out[4] = 0x02;
	BAD_LIST(run(out, n, MODE_SELECT_6(n)), 4, 5);
	fetch(0x0a, CURRENT);
	out[4] |= 0x40;				/* subpage 10 */
	BAD_LIST(run(out, n, MODE_SELECT_6(n)), 4, 5);
	fetch(0x0a, CURRENT);
	out[5]--;
	BAD_LIST(run(out, n, MODE_SELECT_6(n)), 5, -1);
	fetch(0x0a, CURRENT);
	SENSE(run(out, n - 1, MODE_SELECT_6(n - 1)), ILLEGAL_REQUEST, 0x1a00);
	SENSE(run(out, 3, MODE_SELECT_6(3)), ILLEGAL_REQUEST, 0x1a00);
	SENSE(run(out, 5, MODE_SELECT_6(5)), ILLEGAL_REQUEST, 0x1a00);
	out[3] = 8;				/* descriptor past the end */
	SENSE(run(out, 8, MODE_SELECT_6(8)), ILLEGAL_REQUEST, 0x1a00);
	out[3] = 7;
	BAD_LIST(run(out, n, MODE_SELECT_6(n)), 3, -1);
	fetch(0x0a, CURRENT);
	SENSE(run(out, n - 4, MODE_SELECT_6(n)), ABORTED_COMMAND, ASC_DATA_PHASE_ERROR);
	BAD_CDB(run(out, n, 0x15, 0x11, 0, 0, (uint8_t)n, 0), 1, 0);
	BAD_CDB(run(out, n, 0x15, 0x00, 0, 0, (uint8_t)n, 0), 1, 4);
	GOOD(run(NULL, 0, MODE_SELECT_6(0)));
	GOOD(run(out, 4, MODE_SELECT_6(4)));	/* a header alone */

	/* Two pages, the second wrong: the first is not taken over either. */
	n = fetch(0x08, CURRENT);
	out[6] ^= 4;
	out[n] = 0x33;
	out[n + 1] = 0;
	BAD_LIST(run(out, n + 2, MODE_SELECT_6(n + 2)), n, 5);
	GOOD(run(in, 255, 0x1a, 0x08, 0x08, 0, 255, 0));
	CHECK_EQ(in[6] & 4, (out[6] & 4) ^ 4);
}

static void test_block_descriptor(void)
{
	unsigned n;

	GOOD(run(out, 255, MODE_SENSE_6(0x08, 0, 255)));
	n = (unsigned)command.transferred;
	out[0] = out[2] = 0;
	GOOD(run(out, n, MODE_SELECT_6(n)));
	put_be32(out + 4, 0);
	GOOD(run(out, n, MODE_SELECT_6(n)));
	put_be32(out + 4, 1000);
	BAD_LIST(run(out, n, MODE_SELECT_6(n)), 4, -1);
	put_be32(out + 4, UINT32_MAX);
	GOOD(run(out, n, MODE_SELECT_6(n)));
	put_be32(out + 8, 4096);
	BAD_LIST(run(out, n, MODE_SELECT_6(n)), 9, -1);

	GOOD(run(out, 512, 0x5a, 0x10, 0x08, 0, 0, 0, 0, B2(512), 0));
	n = (unsigned)command.transferred;
	out[0] = out[1] = out[3] = 0;
	GOOD(run(out, n, MODE_SELECT_10(n)));
	put_be64(out + 8, 77);
	BAD_LIST(run(out, n, MODE_SELECT_10(n)), 8, -1);
	out[4] = 0;				/* not long, but 16 bytes */
	BAD_LIST(run(out, n, MODE_SELECT_10(n)), 6, -1);
	SENSE(run(out, 512, MODE_SELECT_10(513)), ILLEGAL_REQUEST, 0x1a00);
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_sense, test_sense_10, test_caching, test_cache_off_flushes, test_control,
		test_bad_lists, test_block_descriptor,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
		lab_open(&(struct lab_options){0});
		tests[i]();
		lab_close();
	}
	return 0;
}
