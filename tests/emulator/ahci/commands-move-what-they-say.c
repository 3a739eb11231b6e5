/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each command that moves data, right and wrong: by PIO, DMA and queued, in 28 and 48 bits and by
 * cylinder, head and sector; the ends of the disk and of 28 bits; verify, flush, power, settings; and
 * what is aborted.
 */
#include "lib-ahci.h"

static struct sata s;

static const uint8_t reads[] = {
	READ_SECTORS, 0x21, READ_SECTORS_EXT, READ_DMA, 0xc9, READ_DMA_EXT, READ_MULTIPLE,
	READ_MULTIPLE_EXT,
};
static const uint8_t writes[] = {
	WRITE_SECTORS, 0x31, WRITE_SECTORS_EXT, WRITE_DMA, 0xcb, WRITE_DMA_EXT, WRITE_MULTIPLE,
	WRITE_MULTIPLE_EXT, WRITE_DMA_FUA, 0xce,
};

static void test_pairs(void)
{
	CHECK_EQ(run(&s, &(struct command){ .command = SET_MULTIPLE, .count = 4 }), OK);
	for (unsigned w = 0; w < sizeof(writes); w++)
		for (unsigned r = 0; r < sizeof(reads); r++) {
			struct command c = { .command = writes[w], .lba = 100 + w, .count = 7,
					     .length = 7 * 512 };

			fill(at(&s, DATA), c.length, w * 16 + r);
			CHECK_EQ(run(&s, &c), OK);
			CHECK_EQ(moved(&s), c.length);
			memset(at(&s, DATA), 0, c.length + 512);
			c.command = reads[r];
			CHECK_EQ(run(&s, &c), OK);
			CHECK_EQ(moved(&s), c.length);
			CHECK(filled(at(&s, DATA), c.length, w * 16 + r));
			CHECK_EQ(*at(&s, DATA + c.length), 0);
		}
}

static void test_multiple_needs_setting(void)
{
	CHECK_EQ(run(&s, &(struct command){ .command = SET_MULTIPLE, .count = 0 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = READ_MULTIPLE, .count = 1, .length = 512 }),
		 FAILED(ATA_ABRT));
	CHECK_EQ(run(&s, &(struct command){ .command = WRITE_MULTIPLE_EXT, .count = 1,
					    .length = 512 }), FAILED(ATA_ABRT));
}

static void test_queued(void)
{
	struct command c = { .command = WRITE_QUEUED, .lba = 5000, .features = 256,
			     .length = 256 * 512 };

	for (unsigned slot = 0; slot < 32; slot++) {
		c.count = (uint16_t)(slot << 3);
		c.lba = 256 * slot;
		c.device = slot & 1 ? 0x80 : 0;		/* FUA */
		fill(at(&s, data_at(&s, slot)), c.length, slot);
		put(&s, slot, &c);
	}
	issue(&s, 0xffffffff, true);
	CHECK_EQ(port_reg(&s, P_CI), 0);		/* taken; SACT tells when they are done */
	CHECK_EQ(wait_for(&s, 0xffffffff), OK);
	for (unsigned slot = 0; slot < 32; slot++)
		memset(at(&s, data_at(&s, slot)), 0, c.length);
	c.command = READ_QUEUED;
	for (unsigned slot = 0; slot < 32; slot++) {
		c.count = (uint16_t)(slot << 3);
		c.lba = 256 * (31 - slot);
		put(&s, slot, &c);
	}
	issue(&s, 0xffffffff, true);
	CHECK_EQ(wait_for(&s, 0xffffffff), OK);
	for (unsigned slot = 0; slot < 32; slot++)
		CHECK(filled(at(&s, data_at(&s, slot)), c.length, 31 - slot));
	CHECK_EQ(received(&s, 0x58)[0], 0xa1);
	CHECK_EQ(received(&s, 0x00)[0], 0x41);
}

/* Count 0 is 256 or 65536 sectors. */
static void test_count_zero(void)
{
	struct command c = { .command = READ_DMA, .length = 256 * 512 };

	CHECK_EQ(run(&s, &c), OK);
	CHECK_EQ(moved(&s), 256 * 512);
	c.command = READ_DMA_EXT;
	CHECK_EQ(run(&s, &c), FAILED(ATA_IDNF));	/* 65536 are more than there are */
	c.command = READ_QUEUED;
	CHECK_EQ(run_queued(&s, 0, &c), FAILED(ATA_IDNF));
	CHECK_EQ(run(&s, &(struct command){ .command = READ_LOG, .lba = 0x10, .count = 1,
					    .length = 512 }), OK);
}

static void test_ends(void)
{
	static const uint8_t commands[] = { READ_DMA, READ_DMA_EXT, WRITE_DMA, WRITE_SECTORS_EXT,
					    VERIFY, VERIFY_EXT };

	for (unsigned i = 0; i < sizeof(commands); i++) {
		struct command c = { .command = commands[i], .lba = SECTORS - 2, .count = 2,
				     .length = 1024 };
		uint64_t where;

		CHECK_EQ(run(&s, &c), OK);
		c.count = 3;
		c.length = 1536;
		CHECK_EQ(run(&s, &c), FAILED(ATA_IDNF));
		where = le32(received(&s, 0x44)) & 0xffffff;
		CHECK_EQ(where, SECTORS);	/* the first one that is not there */
		c.lba = SECTORS;
		c.count = 1;
		CHECK_EQ(run(&s, &c), FAILED(ATA_IDNF));
		c.lba = 0xffffff;
		CHECK_EQ(run(&s, &c), FAILED(ATA_IDNF));
	}
	CHECK_EQ(run(&s, &(struct command){ .command = READ_DMA_EXT, .lba = 0xffffffffffff,
					    .count = 1, .length = 512 }), FAILED(ATA_IDNF));
	CHECK_EQ(run(&s, &(struct command){ .command = 0x70, .lba = SECTORS - 1 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = 0x70, .lba = SECTORS }),
		 FAILED(ATA_IDNF));
}

static void test_cylinders(void)
{
	struct command c = { .command = WRITE_DMA, .count = 1, .length = 512, .raw_device = true };

	/* 2/5/7 is (2 * 16 + 5) * 63 + 6. */
	fill(at(&s, DATA), 512, 99);
	c.lba = 2 << 8 | 7;
	c.device = 0xa5;
	CHECK_EQ(run(&s, &c), OK);
	memset(at(&s, DATA), 0, 512);
	CHECK_EQ(run(&s, &(struct command){ .command = READ_DMA, .lba = 2337, .count = 1,
					    .length = 512 }), OK);
	CHECK(filled(at(&s, DATA), 512, 99));
	c.lba = 2 << 8;					/* sectors count from 1 */
	CHECK_EQ(run(&s, &c), FAILED(ATA_IDNF));
	c.lba = 2 << 8 | 64;
	CHECK_EQ(run(&s, &c), FAILED(ATA_IDNF));
	c.lba = 0xffff01;
	CHECK_EQ(run(&s, &c), FAILED(ATA_IDNF));
	c.command = READ_DMA_EXT;			/* knows LBA only */
	c.lba = 1;
	CHECK_EQ(run(&s, &c), FAILED(ATA_ABRT));
}

static void test_others(void)
{
	static const uint8_t fine[] = { 0x10, FLUSH, FLUSH_EXT, 0xe0, 0xe1, 0xe2, 0xe3, 0xf8, 0x27 };
	static const uint8_t aborted[] = { 0x00, 0x08, 0x3f, 0x45, 0x5b, 0x63, 0x64, 0x92, 0xa0,
					   0xa1, 0xb1, 0xe4, 0xe8, 0xf1, 0xf2, 0xf5, 0xf6, 0xff };

	for (unsigned i = 0; i < sizeof(fine); i++)
		CHECK_EQ(run(&s, &(struct command){ .command = fine[i], .lba = 7 }), OK);
	CHECK_EQ(le32(received(&s, 0x44)) & 0xffffff, SECTORS - 1);	/* native max */
	for (unsigned i = 0; i < sizeof(aborted); i++)
		CHECK_EQ(run(&s, &(struct command){ .command = aborted[i], .count = 1,
						    .length = 512 }), FAILED(ATA_ABRT));
	CHECK_EQ(run(&s, &(struct command){ .command = 0x90 }), 0x150);
	CHECK_EQ(le32(received(&s, 0x44)) & 0xffffff, 1);
}

static void test_power(void)
{
	CHECK_EQ(run(&s, &(struct command){ .command = 0xe5 }), OK);
	CHECK_EQ(received(&s, 0x4c)[0], 0xff);
	CHECK_EQ(run(&s, &(struct command){ .command = 0xe0 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = 0xe5 }), OK);
	CHECK_EQ(received(&s, 0x4c)[0], 0x00);
	CHECK_EQ(run(&s, &(struct command){ .command = READ_DMA, .count = 1, .length = 512 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = 0xe5 }), OK);
	CHECK_EQ(received(&s, 0x4c)[0], 0xff);
	CHECK_EQ(run(&s, &(struct command){ .command = 0xe6 }), OK);	/* sleeps until a reset */
	CHECK_EQ(run(&s, &(struct command){ .command = READ_DMA, .count = 1, .length = 512 }),
		 FAILED(ATA_ABRT));
	set_port_reg(&s, P_SCTL, 1);
	set_port_reg(&s, P_SCTL, 0);
	CHECK_EQ(run(&s, &(struct command){ .command = READ_DMA, .count = 1, .length = 512 }), OK);
}

/* 28 bits reach 2^28 sectors, whatever there is beyond. */
static void test_28_bits(void)
{
	struct command c = { .command = READ_DMA, .lba = 0xffffff, .device = 0x0f, .count = 1,
			     .length = 512 };

	sata_new(&s, memory_disk(((1ull << 28) + 8) * 512), NULL);
	CHECK_EQ(run(&s, &c), OK);
	c.count = 2;
	CHECK_EQ(run(&s, &c), FAILED(ATA_IDNF));
	c.command = WRITE_DMA_EXT;
	c.device = 0;
	c.lba = (1u << 28) - 1;
	c.length = 1024;
	fill(at(&s, DATA), 1024, 3);
	CHECK_EQ(run(&s, &c), OK);
	c.command = READ_DMA_EXT;
	c.lba = 1u << 28;
	c.count = 8;
	c.length = 4096;
	CHECK_EQ(run(&s, &c), OK);
	fill(at(&s, DATA + 4096), 1024, 3);
	CHECK(!memcmp(at(&s, DATA), at(&s, DATA + 4096 + 512), 512));
	c.count = 9;
	c.length = 9 * 512;
	CHECK_EQ(run(&s, &c), FAILED(ATA_IDNF));
	CHECK_EQ(run(&s, &(struct command){ .command = 0xf8 }), OK);
	CHECK_EQ(le32(received(&s, 0x44)), 0x4fffffff);
	sata_free(&s);
}

/* As much as the slots can ask for: more than is moved at once. */
static void test_much(void)
{
	struct prd prd[9] = { { 0 } };
	struct command c = { .command = READ_QUEUED, .prd = prd };	/* 65536 sectors */

	sata_new(&s, memory_disk(64u << 20), NULL);
	for (unsigned i = 0; i < 8; i++)
		prd[i] = (struct prd){ DATA, 4u << 20, false };
	for (unsigned slot = 0; slot < 12; slot++) {
		c.count = (uint16_t)(slot << 3);
		put(&s, slot, &c);
	}
	issue(&s, 0xfff, true);
	CHECK(port_reg(&s, P_CI) != 0);			/* some wait */
	CHECK_EQ(wait_for(&s, 0xfff), OK);
	CHECK_EQ(port_reg(&s, P_CI), 0);
	in_process_settle(s.p);
	CHECK_EQ(((struct ahci *)s.p->c)->port[0].budget.charged, 0);
	sata_free(&s);
}

static void test_read_only(void)
{
	struct vd_storage *storage;

	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &storage));
	storage->writable = false;
	sata_new(&s, disk_on(storage), NULL);
	CHECK_EQ(run(&s, &(struct command){ .command = READ_DMA, .count = 1, .length = 512 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = WRITE_DMA, .count = 1, .length = 512 }),
		 FAILED(ATA_WP | ATA_ABRT));
	CHECK_EQ(run(&s, &(struct command){ .command = TRIM, .features = 1, .count = 1,
					    .length = 512 }), FAILED(ATA_ABRT));
	CHECK_EQ(run(&s, &(struct command){ .command = FLUSH_EXT }), OK);
	sata_free(&s);
}

int main(void)
{
	sata_new(&s, memory_disk(DISK_SIZE), NULL);
	test_pairs();
	test_multiple_needs_setting();
	test_queued();
	test_count_zero();
	test_ends();
	test_cylinders();
	test_others();
	test_power();
	sata_free(&s);
	test_28_bits();
	test_much();
	test_read_only();
	return 0;
}
