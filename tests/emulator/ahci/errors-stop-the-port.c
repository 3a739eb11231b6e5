/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stops a port: errors of the disk, of plain and of queued commands (with log 10h), lists and
 * tables that are not in memory, ranges that are too few, frames that are none. ST off and on makes
 * it go on, and nothing else that was queued completes.
 */
#include "lib-ahci.h"

static struct sata s;
static struct vd_storage *fault;

static void set_up(void)
{
	struct vd_storage *lower;

	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &lower));
	CHECK_OK(storage_open_fault(lower, &fault));
	sata_new(&s, disk_on(fault), NULL);
	in_process_settle(s.p);
}

/* One read whose result is is not cached anywhere. */
static struct command a_read(uint64_t lba)
{
	return (struct command){ .command = READ_DMA_EXT, .lba = lba, .count = 8, .length = 4096 };
}

static void works(void)
{
	struct command c = a_read(64);

	CHECK_EQ(run(&s, &c), OK);
	CHECK_EQ(moved(&s), 4096);
}

/* ----------------------------------------------------------------------------- errors of the disk */

static void test_unqueued(void)
{
	struct command c = a_read(1000);

	set_up();
	put(&s, 3, &c);
	c.lba = 2000;
	put(&s, 4, &c);
	storage_fault_arm(fault, FAULT_READ, 1, -EIO, false);
	issue(&s, 3 << 3, false);
	CHECK_EQ(wait_for(&s, 3 << 3), FAILED(ATA_UNC));
	CHECK_EQ(port_reg(&s, P_IS), IS_TFES | IS_DHRS);
	CHECK_EQ(port_reg(&s, P_CI), 3 << 3);		/* neither ended */
	CHECK_EQ(port_reg(&s, P_CMD) >> CMD_CCS_SHIFT & 31, 3);
	CHECK_EQ(le32(received(&s, 0x44)) & 0xffffff, 1000);
	in_process_settle(s.p);
	CHECK_EQ(port_reg(&s, P_CI), 3 << 3);
	recover(&s);
	CHECK_EQ(port_reg(&s, P_CI), 0);
	works();

	storage_fault_arm(fault, FAULT_WRITE, 1, -EIO, false);
	c.command = WRITE_DMA_EXT;
	CHECK_EQ(run(&s, &c), FAILED(ATA_ABRT));
	storage_fault_arm(fault, FAULT_SYNC, 1, -EIO, false);
	CHECK_EQ(run(&s, &(struct command){ .command = WRITE_DMA_FUA, .count = 1,
					    .length = 512 }), FAILED(ATA_ABRT));
	sata_free(&s);

	set_up();
	storage_fault_arm(fault, FAULT_READ, 2, -EIO, false);
	CHECK_EQ(run(&s, &(struct command){ .command = VERIFY_EXT, .count = 2048 }),
		 FAILED(ATA_UNC));
	CHECK(le32(received(&s, 0x44)) & 0xffffff);	/* not the first piece */
	sata_free(&s);
}

static void test_queued(void)
{
	struct command c = { .command = READ_QUEUED, .features = 8, .length = 4096 };

	set_up();
	for (unsigned slot = 0; slot < 32; slot++) {
		c.count = (uint16_t)(slot << 3);
		c.lba = 100 * slot;
		put(&s, slot, &c);
	}
	c.lba = SECTORS - 4;			/* the wrong one */
	c.count = 7 << 3;
	put(&s, 7, &c);
	issue(&s, 0xffffffff, true);
	wait_for(&s, 0xffffffff);
	in_process_settle(s.p);
	CHECK(port_reg(&s, P_IS) & IS_TFES);
	CHECK_EQ(port_reg(&s, P_TFD) & 0xff01, ATA_IDNF << 8 | 1);
	CHECK(port_reg(&s, P_SACT) & 1u << 7);		/* it did not complete */
	recover(&s);
	CHECK_EQ(port_reg(&s, P_SACT), 0);
	/* Nothing else before the log is read. */
	c = a_read(0);
	CHECK_EQ(run(&s, &c), FAILED(ATA_ABRT));
	CHECK_EQ(run(&s, &(struct command){ .command = READ_LOG, .lba = 0x10, .count = 1,
					    .length = 512 }), OK);
	CHECK_EQ(*at(&s, DATA), 7);
	CHECK_EQ(*at(&s, DATA + 2), 0x51);
	CHECK_EQ(*at(&s, DATA + 3), ATA_IDNF);
	CHECK_EQ(le16(at(&s, DATA + 4)), SECTORS);
	works();
	sata_free(&s);
}

/* The disk fails one of several: those that ended before are told, later ones are not. */
static void test_queued_medium(void)
{
	struct command c = { .command = READ_QUEUED, .features = 8, .length = 4096 };
	uint32_t left;

	set_up();
	storage_fault_arm(fault, FAULT_READ, 3, -EIO, false);
	for (unsigned slot = 0; slot < 8; slot++) {
		c.count = (uint16_t)(slot << 3);
		c.lba = 100 * slot;
		put(&s, slot, &c);
		issue(&s, 1u << slot, true);
	}
	CHECK_EQ(wait_for(&s, 0xff) & 0xff01, ATA_UNC << 8 | 1);
	left = port_reg(&s, P_SACT);
	CHECK(left);
	in_process_settle(s.p);
	CHECK_EQ(port_reg(&s, P_SACT), left);
	recover(&s);
	CHECK_EQ(run(&s, &(struct command){ .command = READ_LOG_DMA, .lba = 0x10, .count = 1,
					    .length = 512 }), OK);
	CHECK(left & 1u << *at(&s, DATA));
	CHECK_EQ(*at(&s, DATA + 3), ATA_UNC);
	CHECK_EQ(le16(at(&s, DATA + 4)), 100 * *at(&s, DATA));
	works();
	sata_free(&s);
}

/* A command that is not queued among queued ones ends them all. */
static void test_mixed(void)
{
	struct command c = { .command = READ_QUEUED, .features = 8, .length = 4096 };
	struct command other = a_read(0);

	set_up();
	put(&s, 0, &c);
	put(&s, 1, &other);
	set_port_reg(&s, P_SACT, 1);
	set_port_reg(&s, P_CI, 3);
	CHECK_EQ(wait_for(&s, 3), FAILED(ATA_ABRT));
	in_process_settle(s.p);
	CHECK_EQ(port_reg(&s, P_SACT), 1);
	recover(&s);
	CHECK_EQ(run(&s, &(struct command){ .command = READ_LOG, .lba = 0x10, .count = 1,
					    .length = 512 }), OK);
	CHECK_EQ(*at(&s, DATA), 0x80);
	CHECK_EQ(*at(&s, DATA + 2), 0x51);
	/* A tag that is not its slot's. */
	c.count = 5 << 3;
	put(&s, 0, &c);
	issue(&s, 1, true);
	wait_for(&s, 1);
	CHECK(port_reg(&s, P_IS) & IS_IFS);
	recover(&s);
	works();
	sata_free(&s);
}

/* ------------------------------------------------------------------------------ what is in memory */

static void fails_with(uint32_t bits)
{
	issue(&s, 1, false);
	wait_for(&s, 1);
	CHECK_EQ(port_reg(&s, P_IS) & (IS_TFES | IS_HBFS | IS_IFS | IS_OFS), bits);
	CHECK_EQ(port_reg(&s, P_CI), 1);
	CHECK(reg(&s, R_IS) & 1);
	recover(&s);
	works();
}

static void test_tables(void)
{
	static const uint64_t wrong[] = { MEMORY, 1ull << 63, ~0ull & ~127ull, IN_PROCESS_REMOTE };
	struct command c = a_read(0);

	set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		put(&s, 0, &c);
		put_le64(at(&s, header_at(&s, 0) + 8), wrong[i]);
		fails_with(IS_HBFS);
		set_port_reg(&s, P_CLB, (uint32_t)wrong[i]);
		set_port_reg(&s, P_CLBU, (uint32_t)(wrong[i] >> 32));
		issue(&s, 1, false);
		CHECK(port_reg(&s, P_IS) & IS_HBFS);
		sata_stop(&s);
		set_port_reg(&s, P_CLBU, 0);
		sata_start(&s);
	}
	works();
	sata_free(&s);
}

static void test_frames(void)
{
	struct command c = a_read(0);

	set_up();
	put(&s, 0, &c);
	*at(&s, table_at(&s, 0)) = 0x34;		/* not the host's */
	fails_with(IS_IFS);
	put(&s, 0, &c);
	*at(&s, table_at(&s, 0) + 1) |= 1;		/* behind a port multiplier */
	fails_with(IS_IFS);
	put(&s, 0, &c);
	*at(&s, header_at(&s, 0)) = 4;			/* too short */
	fails_with(IS_IFS);
	put(&s, 0, &c);
	*at(&s, header_at(&s, 0)) = 17;
	fails_with(IS_IFS);
	sata_free(&s);
}

static void test_ranges(void)
{
	static const struct prd short_by_two[] = { { DATA, 4094, false }, { 0 } };
	static const struct prd two[] = { { DATA, 1024, false }, { DATA + 8192, 3072, true },
					  { 0 } };
	static const struct prd much[] = { { DATA, 1 << 22, false }, { 1ull << 40, 4096, false },
					   { 0 } };
	static const struct prd outside[] = { { DATA, 2048, false }, { MEMORY - 1024, 2048, false },
					      { 0 } };
	static const struct prd wraps[] = { { ~0ull - 1, 4096, false }, { 0 } };
	static const struct prd odd[] = { { DATA + 1, 4095, false }, { 0 } };
	static const struct prd remote[] = { { IN_PROCESS_REMOTE + 2, 2048, false },
					     { DATA, 2048, false }, { 0 } };
	static const struct prd remote_end[] = {
		{ IN_PROCESS_REMOTE + (1 << 20) - 2, 4096, false }, { 0 } };
	struct command c = a_read(64);

	set_up();
	fill(at(&s, DATA), 4096, 4);
	c.command = WRITE_DMA_EXT;
	CHECK_EQ(run(&s, &c), OK);
	c.command = READ_DMA_EXT;

	c.prd = short_by_two;
	put(&s, 0, &c);
	fails_with(IS_OFS | IS_IFS);
	c.prd = outside;
	put(&s, 0, &c);
	fails_with(IS_HBFS);
	c.prd = wraps;
	put(&s, 0, &c);
	fails_with(IS_HBFS);
	c.prd = remote_end;
	put(&s, 0, &c);
	fails_with(IS_HBFS);
	put(&s, 0, &c);
	put_le32(at(&s, header_at(&s, 0)), 5);		/* none */
	fails_with(IS_OFS | IS_IFS);
	put(&s, 0, &c);
	put_le32(at(&s, header_at(&s, 0)), 0xffff0005);	/* most of them not in its page */
	put_le64(at(&s, table_at(&s, 0) + 0x80), DATA);
	issue(&s, 1, false);
	wait_for(&s, 1);
	recover(&s);

	c.prd = much;					/* what is not needed is not looked at */
	memset(at(&s, DATA), 0, 8192);
	CHECK_EQ(run(&s, &c), OK);
	CHECK_EQ(moved(&s), 4096);
	CHECK(filled(at(&s, DATA), 4096, 4));
	c.prd = two;
	put(&s, 0, &c);
	set_port_reg(&s, P_IS, ~0u);
	issue(&s, 1, false);
	CHECK_EQ(wait_for(&s, 1), OK);
	CHECK(port_reg(&s, P_IS) & IS_DPS);
	memcpy(at(&s, DATA + 1024), at(&s, DATA + 8192), 3072);
	CHECK(filled(at(&s, DATA), 4096, 4));
	c.prd = odd;					/* the bits that say so are not there */
	memset(at(&s, DATA), 0, 4096);
	CHECK_EQ(run(&s, &c), OK);
	CHECK(filled(at(&s, DATA), 4096, 4));
	c.prd = remote;
	memset(at(&s, DATA), 0, 4096);
	CHECK_EQ(run(&s, &c), OK);
	memcpy(at(&s, DATA + 8192), s.p->remote + 2, 2048);
	memcpy(at(&s, DATA + 8192 + 2048), at(&s, DATA), 2048);
	CHECK(filled(at(&s, DATA + 8192), 4096, 4));
	c.command = WRITE_DMA_EXT;
	c.lba = 640;
	CHECK_EQ(run(&s, &c), OK);
	c = a_read(640);
	CHECK_EQ(run(&s, &c), OK);
	CHECK(filled(at(&s, DATA), 4096, 4));
	sata_free(&s);
}

/* A read that failed sends nothing to memory that is reached by messages. */
static void test_failed_read_shows_nothing(void)
{
	static const struct prd remote[] = { { IN_PROCESS_REMOTE, 4096, false }, { 0 } };
	struct command c = a_read(0);

	set_up();
	c.prd = remote;
	memset(s.p->remote, 0x11, 4096);
	storage_fault_arm(fault, FAULT_READ, 1, -EIO, false);
	CHECK_EQ(run(&s, &c), FAILED(ATA_UNC));
	CHECK(s.p->remote[0] == 0x11 && !memcmp(s.p->remote, s.p->remote + 1, 4095));
	sata_free(&s);
}

static void test_no_bus_master(void)
{
	struct command c = a_read(0);

	set_up();
	put(&s, 0, &c);
	in_process_config_write(s.p, 4, 2, 2);
	issue(&s, 1, false);
	CHECK(port_reg(&s, P_IS) & IS_HBFS);
	in_process_config_write(s.p, 4, 6, 2);
	recover(&s);
	works();
	/* Frames have nowhere to go. */
	sata_stop(&s);
	set_port_reg(&s, P_FBU, 0x7fffffff);
	set_port_reg(&s, P_CMD, port_reg(&s, P_CMD) | CMD_ST);
	put(&s, 0, &c);
	issue(&s, 1, false);
	wait_for(&s, 1);
	CHECK(port_reg(&s, P_IS) & IS_HBFS);
	sata_free(&s);
}

int main(void)
{
	test_unqueued();
	test_queued();
	test_queued_medium();
	test_mixed();
	test_tables();
	test_frames();
	test_ranges();
	test_failed_read_shows_nothing();
	test_no_bus_master();
	return 0;
}
