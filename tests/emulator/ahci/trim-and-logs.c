/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of ranges that are trimmed, right and wrong; SMART and the logs as tools read them. */
#include "lib-ahci.h"

static struct sata s;

/* -------------------------------------------------------------------------------------------- TRIM */

static void entry(unsigned i, uint64_t lba, unsigned sectors)
{
	put_le64(at(&s, DATA + 8 * i), lba | (uint64_t)sectors << 48);
}

static uint32_t trim(unsigned blocks)
{
	return run(&s, &(struct command){ .command = TRIM, .features = 1,
					  .count = (uint16_t)blocks, .length = blocks * 512 });
}

static void write_all(void)
{
	for (unsigned i = 0; i < SECTORS / 1024; i++) {
		struct command c = { .command = WRITE_DMA_EXT, .lba = 1024 * i, .count = 1024,
				     .length = 1024 * 512 };

		memset(at(&s, DATA), 0x77, c.length);
		CHECK_EQ(run(&s, &c), OK);
	}
	memset(at(&s, DATA), 0, 8 * 512);
}

static bool is_zero(uint64_t lba)
{
	uint8_t *data = at(&s, data_at(&s, 0) + 0x80000);
	struct prd prd[] = { { DATA + 0x80000, 512, false }, { 0 } };
	struct command c = { .command = READ_DMA_EXT, .lba = lba, .count = 1, .prd = prd };

	CHECK_EQ(run(&s, &c), OK);
	CHECK(data[0] == 0 || data[0] == 0x77);
	return !data[0] && !memcmp(data, data + 1, 511);
}

static void test_ranges(void)
{
	write_all();
	entry(0, 10, 5);
	entry(1, 15, 5);		/* neighbours */
	entry(2, 0, 0);			/* nothing */
	entry(3, SECTORS - 1, 1);
	entry(63, 40, 1);
	entry(64, 4000, 100);		/* in the second block */
	CHECK_EQ(trim(1), OK);
	CHECK(!is_zero(9) && is_zero(10) && is_zero(19) && !is_zero(20));
	CHECK(is_zero(SECTORS - 1) && !is_zero(SECTORS - 2));
	CHECK(is_zero(40) && !is_zero(41) && !is_zero(4000));
	CHECK_EQ(trim(2), OK);
	CHECK(is_zero(4000) && is_zero(4099) && !is_zero(4100));
}

static void test_wrong_ranges(void)
{
	write_all();
	entry(0, 100, 10);
	entry(1, SECTORS - 1, 2);
	CHECK_EQ(trim(1), FAILED(ATA_IDNF));
	CHECK(!is_zero(100));		/* none is trimmed when one is wrong */
	entry(1, 0xffffffffffff, 0xffff);
	CHECK_EQ(trim(1), FAILED(ATA_IDNF));
	CHECK_EQ(trim(0), FAILED(ATA_ABRT));
	CHECK_EQ(trim(9), FAILED(ATA_ABRT));
	CHECK_EQ(run(&s, &(struct command){ .command = TRIM, .features = 2, .count = 1,
					    .length = 512 }), FAILED(ATA_ABRT));
	memset(at(&s, DATA), 0, 4096);
	CHECK_EQ(trim(8), OK);
	/* The most there can be, each alone. */
	for (unsigned i = 0; i < 512; i++)
		entry(i, 2 * i, 1);
	CHECK_EQ(trim(8), OK);
	CHECK(is_zero(1022) && !is_zero(1023));
}

/* -------------------------------------------------------------------------------------------- logs */

static uint32_t read_log(uint8_t command, unsigned address, unsigned page, unsigned count)
{
	return run(&s, &(struct command){
		.command = command, .lba = address | (uint64_t)(page & 0xff) << 8 |
					   (uint64_t)(page >> 8) << 32,
		.count = (uint16_t)count, .length = count * 512 });
}

static bool sums_to_zero(unsigned offset)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < 512; i++)
		sum += *at(&s, DATA + offset + i);
	return !sum;
}

static void test_logs(void)
{
	CHECK_EQ(read_log(READ_LOG, 0, 0, 1), OK);
	CHECK_EQ(le16(at(&s, DATA)), 1);
	CHECK_EQ(le16(at(&s, DATA + 2 * 0x04)), 2);
	CHECK_EQ(le16(at(&s, DATA + 2 * 0x10)), 1);
	CHECK_EQ(le16(at(&s, DATA + 2 * 0x30)), 6);
	CHECK_EQ(le16(at(&s, DATA + 2 * 0x11)), 1);
	CHECK_EQ(le16(at(&s, DATA + 2 * 0x12)), 0);
	CHECK_EQ(read_log(READ_LOG_DMA, 0x30, 0, 3), OK);
	CHECK_EQ(le64(at(&s, DATA)), 1ull << 63 | 1);
	CHECK_EQ(*at(&s, DATA + 512), 0x40);
	CHECK(sums_to_zero(512));
	CHECK_EQ(le64(at(&s, DATA + 1024 + 8)), 1ull << 63 | SECTORS);
	CHECK_EQ(read_log(READ_LOG_DMA, 4, 1, 1), OK);
	CHECK(le64(at(&s, DATA + 24)) << 2 > 0);	/* sectors written */
	CHECK_EQ(read_log(READ_LOG, 3, 0, 1), OK);
	CHECK(sums_to_zero(0));
	CHECK_EQ(read_log(READ_LOG, 0x10, 0, 1), OK);
	CHECK_EQ(*at(&s, DATA), 0x80);			/* no queued command failed */
	CHECK(sums_to_zero(0));
	CHECK_EQ(read_log(READ_LOG, 0x12, 0, 1), FAILED(ATA_ABRT));
	CHECK_EQ(read_log(READ_LOG, 0, 0, 2), FAILED(ATA_ABRT));
	CHECK_EQ(read_log(READ_LOG, 0, 0x100, 1), FAILED(ATA_ABRT));
	CHECK_EQ(read_log(READ_LOG, 0x30, 5, 2), FAILED(ATA_ABRT));
	CHECK_EQ(read_log(READ_LOG, 0x30, 0, 0), FAILED(ATA_ABRT));
}

/* How often a COMRESET was answered. */
static unsigned link_resets(bool forget)
{
	CHECK_EQ(run(&s, &(struct command){ .command = READ_LOG, .features = forget, .lba = 0x11,
					    .count = 1, .length = 512 }), OK);
	CHECK_EQ(le16(at(&s, DATA + 4)), 0x1001);
	CHECK_EQ(le16(at(&s, DATA + 6)), 0);
	CHECK_EQ(le16(at(&s, DATA + 8)), 0x100a);
	CHECK_EQ(le16(at(&s, DATA + 12)), 0);
	CHECK(sums_to_zero(0));
	return le16(at(&s, DATA + 10));
}

static void test_link_counters(void)
{
	unsigned before = link_resets(false);

	set_port_reg(&s, P_SCTL, 0x301);
	set_port_reg(&s, P_SCTL, 0x300);
	recover(&s);
	CHECK_EQ(link_resets(true), before + 1);
	CHECK_EQ(link_resets(false), 0);
}

static uint32_t smart(unsigned feature, unsigned low, unsigned count, unsigned length)
{
	return run(&s, &(struct command){ .command = SMART, .features = (uint16_t)feature,
					  .lba = 0xc24f00 | low, .count = (uint16_t)count,
					  .length = length });
}

static void test_smart(void)
{
	CHECK_EQ(smart(0xd0, 0, 0, 512), OK);
	CHECK(sums_to_zero(0));
	CHECK_EQ(le16(at(&s, DATA)), 0x10);
	CHECK_EQ(*at(&s, DATA + 2), 5);
	CHECK_EQ(smart(0xd1, 0, 0, 512), OK);
	CHECK(sums_to_zero(0));
	CHECK_EQ(*at(&s, DATA + 2), 5);
	CHECK_EQ(smart(0xda, 0, 0, 0), OK);
	CHECK_EQ(le32(received(&s, 0x44)) & 0xffff00, 0xc24f00);	/* it is well */
	CHECK_EQ(smart(0xd5, 1, 1, 512), OK);
	CHECK(sums_to_zero(0));
	CHECK_EQ(smart(0xd5, 0x10, 1, 512), FAILED(ATA_ABRT));
	CHECK_EQ(smart(0xd2, 0, 0xf1, 0), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = SMART, .features = 0xd0, .length = 512 }),
		 FAILED(ATA_ABRT));				/* without the key */
	CHECK_EQ(smart(0xd9, 0, 0, 0), OK);
	CHECK_EQ(smart(0xd0, 0, 0, 512), FAILED(ATA_ABRT));
	CHECK_EQ(smart(0xd8, 0, 0, 0), OK);
	CHECK_EQ(smart(0xd0, 0, 0, 512), OK);
}

static uint8_t data_page(unsigned offset)
{
	CHECK_EQ(smart(0xd0, 0, 0, 512), OK);
	return *at(&s, DATA + offset);
}

/* The newest self-test in log 06h and in 07h, with how many there are. */
static void last_test_is(uint8_t function, unsigned count)
{
	CHECK_EQ(smart(0xd5, 6, 1, 512), OK);
	CHECK(sums_to_zero(0));
	CHECK_EQ(le16(at(&s, DATA)), 1);
	CHECK_EQ(*at(&s, DATA + 508), count);
	CHECK_EQ(*at(&s, DATA + 2 + (count - 1) * 24), function);
	CHECK_EQ(*at(&s, DATA + 2 + (count - 1) * 24 + 1), 0);	/* no error */
	CHECK_EQ(*at(&s, DATA + 2 + count * 24), 0);
	CHECK_EQ(read_log(READ_LOG, 7, 0, 1), OK);
	CHECK(sums_to_zero(0));
	CHECK_EQ(*at(&s, DATA), 1);
	CHECK_EQ(le16(at(&s, DATA + 2)), count);
	CHECK_EQ(*at(&s, DATA + 4 + (count - 1) * 26), function);
}

static void test_self_tests(void)
{
	CHECK_EQ(data_page(362), 0);
	CHECK_EQ(data_page(367), 0x11);
	CHECK_EQ(smart(0xd4, 0, 0, 0), OK);
	CHECK_EQ(data_page(362), 2);
	CHECK_EQ(smart(0xd5, 6, 1, 512), OK);
	CHECK_EQ(*at(&s, DATA + 508), 0);
	CHECK_EQ(smart(0xd4, 1, 0, 0), OK);
	last_test_is(1, 1);
	CHECK_EQ(smart(0xd4, 0x82, 0, 0), OK);
	CHECK_EQ(le32(received(&s, 0x44)) & 0xffff00, 0xc24f00);	/* it found nothing */
	last_test_is(0x82, 2);
	CHECK_EQ(smart(0xd4, 0x7f, 0, 0), OK);		/* nothing to abort */
	CHECK_EQ(smart(0xd4, 3, 0, 0), FAILED(ATA_ABRT));
	CHECK_EQ(smart(0xd4, 0xff, 0, 0), FAILED(ATA_ABRT));
	last_test_is(0x82, 2);
	for (unsigned i = 0; i < 30; i++)
		CHECK_EQ(smart(0xd4, 2, 0, 0), OK);
	CHECK_EQ(smart(0xd4, 0x81, 0, 0), OK);
	last_test_is(0x81, 19);
}

int main(void)
{
	sata_new(&s, memory_disk(DISK_SIZE), NULL);
	test_ranges();
	test_wrong_ranges();
	test_logs();
	test_smart();
	test_self_tests();
	test_link_counters();
	sata_free(&s);
	return 0;
}
