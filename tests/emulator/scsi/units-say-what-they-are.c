/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INQUIRY and its vital product data, capacities, logs, LUNs: with every allocation length. */
#include "scsi-test.h"

static uint8_t in[4096];

static void test_standard_inquiry(void)
{
	lab_open(&(struct lab_options){0});
	GOOD(run(in, 260, INQUIRY(0, 0, 260)));
	CHECK_EQ(command.transferred, in[4] + 5u);
	CHECK_EQ(in[0], 0);
	CHECK_EQ(in[1], 0);
	CHECK_EQ(in[2], 6);
	CHECK_EQ(in[3] & 0x0f, 2);
	CHECK_EQ(in[7], 0x02);
	CHECK(!memcmp(in + 8, "VBOX    HARDDISK        1.0 ", 28));
	CHECK_EQ(be16(in + 58), 0x00a0);
	CHECK_EQ(be16(in + 60), 0x0460);
	CHECK_EQ(be16(in + 62), 0x04c0);
	BAD_CDB(run(in, 260, INQUIRY(0, 0x80, 260)), 2, -1);
	BAD_CDB(run(in, 260, 0x12, 0x02, 0, B2(260), 0), 1, 1);	/* CMDDT is no more */
	GOOD(run(in, 260, 0x12, 0xe0, 0, B2(260), 0));		/* a SCSI-2 initiator's LUN */
	lab_close();
}

/* Never more than asked for, never another answer. */
static void test_allocation_lengths(void)
{
	static const uint8_t pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
	uint8_t whole[256];

	lab_open(&(struct lab_options){0});
	for (unsigned p = 0; p <= sizeof(pages); p++) {
		bool vpd = p < sizeof(pages);
		uint8_t page = vpd ? pages[p] : 0;
		unsigned n;

		GOOD(run(whole, sizeof(whole), INQUIRY(vpd, page, sizeof(whole))));
		n = (unsigned)command.transferred;
		if (vpd)
			CHECK_EQ(be16(whole + 2) + 4u, n);
		for (unsigned i = 0; i <= n; i++) {
			memset(in, 0xaa, sizeof(in));
			GOOD(run(in, sizeof(in), INQUIRY(vpd, page, i)));
			CHECK_EQ(command.length, i);
			CHECK_EQ(command.transferred, i);
			CHECK(!memcmp(in, whole, i));
			CHECK_EQ(in[i], 0xaa);
			GOOD(run(in, i, INQUIRY(vpd, page, sizeof(whole))));
			CHECK_EQ(command.transferred, i);
		}
	}
	lab_close();
}

static void test_vpd(void)
{
	static const uint8_t pages[] = {0, 0, 0, 6, 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
	const struct device_identity *id;

	lab_open(&(struct lab_options){.size = 1 << 20});
	id = device_identity(lab.device[0]);
	GOOD(run(in, 255, INQUIRY(1, 0, 255)));
	CHECK_EQ(command.transferred, sizeof(pages));
	CHECK(!memcmp(in, pages, sizeof(pages)));
	BAD_CDB(run(in, 255, INQUIRY(1, 0x81, 255)), 2, -1);

	GOOD(run(in, 255, INQUIRY(1, 0x80, 255)));
	CHECK(!memcmp(in + 4, id->serial, strlen(id->serial)));

	GOOD(run(in, 255, INQUIRY(1, 0x83, 255)));
	CHECK_EQ(in[4], 2);
	CHECK_EQ(in[5], 1);
	CHECK(!memcmp(in + 8, "VBOX    HARDDISK        VB", 26));
	CHECK_EQ(in[4 + 4 + in[7]], 1);			/* binary */
	CHECK_EQ(in[4 + 4 + in[7] + 1], 3);		/* NAA */
	CHECK_EQ(be64(in + 4 + 4 + in[7] + 4), id->wwn);
	CHECK_EQ(id->wwn >> 60, 3);

	GOOD(run(in, 255, INQUIRY(1, 0xb0, 255)));
	CHECK_EQ(be16(in + 2), 0x3c);
	CHECK_EQ(in[4], 1);				/* WSNZ */
	CHECK(in[5] > 0);
	CHECK_EQ(be16(in + 6), 8);
	CHECK_EQ(be32(in + 8), (32u << 20) / BLOCK);
	CHECK_EQ(be32(in + 20), UINT32_MAX);
	CHECK_EQ(be32(in + 24), 256);
	CHECK_EQ(be32(in + 28), 8);
	CHECK_EQ(be64(in + 36), 0x200000);

	GOOD(run(in, 255, INQUIRY(1, 0xb1, 255)));
	CHECK_EQ(be16(in + 4), 7200);
	GOOD(run(in, 255, INQUIRY(1, 0xb2, 255)));
	CHECK_EQ(be16(in + 2), 4);
	CHECK_EQ(in[5], 0xe4);
	CHECK_EQ(in[6], 2);
	lab_close();

	lab_open(&(struct lab_options){.no_discard = true, .nonrotational = true});
	GOOD(run(in, 255, INQUIRY(1, 0xb0, 255)));
	CHECK_EQ(be32(in + 20), 0);
	CHECK_EQ(be32(in + 24), 0);
	GOOD(run(in, 255, INQUIRY(1, 0xb1, 255)));
	CHECK_EQ(be16(in + 4), 1);
	GOOD(run(in, 255, INQUIRY(1, 0xb2, 255)));
	CHECK_EQ(in[5], 0);
	lab_close();
}

static void test_capacity(void)
{
	lab_open(&(struct lab_options){.size = 3 << 20});
	GOOD(run(in, 8, 0x25, 0, B4(0), 0, 0, 0, 0));
	CHECK_EQ(command.transferred, 8);
	CHECK_EQ(be32(in), 3 * 2048 - 1);
	CHECK_EQ(be32(in + 4), 512);
	BAD_CDB(run(in, 8, 0x25, 0, B4(1), 0, 0, 0, 0), 2, -1);
	GOOD(run(in, 8, 0x25, 0, B4(1), 0, 0, 1, 0));		/* PMI */

	GOOD(run(in, 32, 0x9e, 0x10, B8(0), B4(32), 0, 0));
	CHECK_EQ(be64(in), 3 * 2048 - 1);
	CHECK_EQ(be32(in + 8), 512);
	CHECK_EQ(in[12], 0);
	CHECK_EQ(in[13], 3);
	CHECK_EQ(in[14] & 0xc0, 0xc0);
	for (unsigned i = 0; i <= 40; i++) {
		GOOD(run(in, 64, 0x9e, 0x10, B8(0), B4(i), 0, 0));
		CHECK_EQ(command.transferred, i < 32 ? i : 32);
	}
	BAD_CDB(run(in, 32, 0x9e, 0x1f, B8(0), B4(32), 0, 0), 1, 4);
	lab_close();

	lab_open(&(struct lab_options){.no_discard = true});
	GOOD(run(in, 32, 0x9e, 0x10, B8(0), B4(32), 0, 0));
	CHECK_EQ(in[14], 0);
	lab_close();

	/* What 32 bits cannot hold. */
	lab_open(&(struct lab_options){.size = 3ull << 40});
	GOOD(run(in, 8, 0x25, 0, B4(0), 0, 0, 0, 0));
	CHECK_EQ(be32(in), UINT32_MAX);
	GOOD(run(in, 32, 0x9e, 0x10, B8(0), B4(32), 0, 0));
	CHECK_EQ(be64(in), (3ull << 31) - 1);
	GOOD(run(in, 512, READ_16((3ull << 31) - 1, 1)));
	lab_close();
}

static void test_logs(void)
{
	lab_open(&(struct lab_options){0});
	GOOD(run(in, 255, 0x4d, 0, 0x40, 0, 0, B2(0), B2(255), 0));
	CHECK_EQ(command.transferred, 6);
	CHECK_EQ(in[4], 0);
	CHECK_EQ(in[5], 0x2f);
	GOOD(run(in, 255, 0x4d, 0, 0x40, 0xff, 0, B2(0), B2(255), 0));
	CHECK_EQ(in[0], 0x40);
	CHECK_EQ(be16(in + 2), 6);
	GOOD(run(in, 255, 0x4d, 0, 0x6f, 0, 0, B2(0), B2(255), 0));
	CHECK_EQ(in[0], 0x2f);
	CHECK_EQ(in[8], 0);					/* no exception */
	BAD_CDB(run(in, 255, 0x4d, 0, 0x4d, 0, 0, B2(0), B2(255), 0), 2, 5);
	BAD_CDB(run(in, 255, 0x4d, 0, 0x6f, 1, 0, B2(0), B2(255), 0), 3, -1);
	BAD_CDB(run(in, 255, 0x4d, 1, 0x40, 0, 0, B2(0), B2(255), 0), 1, 0);
	lab_close();
}

static void test_report_luns(void)
{
	lab_open(&(struct lab_options){0});
	lab_add(1, 0, 300, &(struct lab_options){0});
	lab_add(2, 0, 7, &(struct lab_options){0});
	lab_add(3, 5, 3, &(struct lab_options){0});
	GOOD(run(in, 1024, REPORT_LUNS(1024)));
	CHECK_EQ(command.transferred, 32);
	CHECK_EQ(be32(in), 24);
	CHECK_EQ(be64(in + 8), 0);
	CHECK_EQ(be64(in + 16), scsi_lun(7));
	CHECK_EQ(be64(in + 24), scsi_lun(300));
	for (unsigned i = 0; i <= 40; i++) {
		memset(in, 0xaa, sizeof(in));
		GOOD(run(in, sizeof(in), REPORT_LUNS(i)));
		CHECK_EQ(command.transferred, i < 32 ? i : 32);
		CHECK_EQ(in[i < 32 ? i : 32], 0xaa);
	}
	GOOD(run(in, 1024, 0xa0, 0, 1, 0, 0, 0, B4(1024), 0, 0));
	CHECK_EQ(be32(in), 0);				/* no well-known units */
	GOOD(run(in, 1024, 0xa0, 0, 2, 0, 0, 0, B4(1024), 0, 0));
	CHECK_EQ(be32(in), 24);
	BAD_CDB(run(in, 1024, 0xa0, 0, 3, 0, 0, 0, B4(1024), 0, 0), 2, -1);

	/* Of a target that has no LUN 0. */
	lab.target = 5;
	GOOD(run(in, 1024, REPORT_LUNS(1024)));
	CHECK_EQ(be32(in), 8);
	CHECK_EQ(be64(in + 8), scsi_lun(3));
	lab_close();
}

static void test_lun_formats(void)
{
	CHECK_EQ(scsi_lun(0), 0);
	CHECK_EQ(scsi_lun(255), 0x00ff000000000000);
	CHECK_EQ(scsi_lun(256), 0x4100000000000000);
	CHECK_EQ(scsi_lun(16383), 0x7fff000000000000);
	CHECK_EQ(scsi_lun(16384), UINT64_MAX);
	for (unsigned i = 0; i <= SCSI_LUN_MAX; i++)
		CHECK_EQ(scsi_lun_decode(scsi_lun(i)), (int)i);
	CHECK_EQ(scsi_lun_decode(0x4007000000000000), 7);	/* flat, though small */
	CHECK_EQ(scsi_lun_decode(0x0100000000000000), -1);	/* bus 1 */
	CHECK_EQ(scsi_lun_decode(0x0007000100000000), -1);	/* a second level */
	CHECK_EQ(scsi_lun_decode(0x0007000000000001), -1);
	CHECK_EQ(scsi_lun_decode(0x8000000000000000), -1);
	CHECK_EQ(scsi_lun_decode(0xc101000000000000), -1);	/* well known: REPORT LUNS */
	CHECK_EQ(scsi_lun_decode(UINT64_MAX), -1);
}

static void test_absent_units(void)
{
	static const uint64_t luns[] = {0x0001000000000000, 0x4007000000000000, UINT64_MAX, 1};

	lab_open(&(struct lab_options){0});
	for (unsigned i = 0; i < ARRAY_SIZE(luns); i++) {
		lab.lun = luns[i];
		GOOD(run(in, 255, INQUIRY(0, 0, 255)));
		CHECK_EQ(in[0], 0x7f);
		BAD_CDB(run(in, 255, INQUIRY(1, 0, 255)), 2, -1);
		GOOD(run(in, 255, REPORT_LUNS(255)));
		CHECK_EQ(be32(in), 8);
		GOOD(run(in, 18, REQUEST_SENSE(0, 18)));
		CHECK_EQ(in[2], ILLEGAL_REQUEST);
		CHECK_EQ(be16(in + 12), 0x2500);
		SENSE(run(NULL, 0, TEST_UNIT_READY), ILLEGAL_REQUEST, 0x2500);
		SENSE(run(in, 512, READ_10(0, 1)), ILLEGAL_REQUEST, 0x2500);
		SENSE(run(in, 512, 0xff, 0, 0, 0, 0, 0), ILLEGAL_REQUEST, 0x2500);
	}
	lab.lun = 0;
	lab.target = 1;
	CHECK_EQ(run(NULL, 0, TEST_UNIT_READY)->response, SCSI_NO_TARGET);
	CHECK_EQ(run(in, 255, INQUIRY(0, 0, 255))->response, SCSI_NO_TARGET);
	lab.target = UINT32_MAX;
	CHECK_EQ(run(NULL, 0, TEST_UNIT_READY)->response, SCSI_NO_TARGET);
	lab.target = 0;
	lab.initiator = 1;
	CHECK_EQ(run(NULL, 0, TEST_UNIT_READY)->response, SCSI_NO_TARGET);
	lab_close();
}

int main(void)
{
	test_standard_inquiry();
	test_allocation_lengths();
	test_vpd();
	test_capacity();
	test_logs();
	test_report_luns();
	test_lun_formats();
	test_absent_units();
	return 0;
}
