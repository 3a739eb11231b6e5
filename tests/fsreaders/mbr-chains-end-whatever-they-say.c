/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chain of extended boot records that runs in a circle, leaves its partition or the disk,
 * lacks its signature or has no end stops there, with a warning, and keeps what came before.
 */
#include "disk.h"

#define EXT 2048

static struct disk d;

static void begin(uint32_t extended_sectors)
{
	memset(d.bytes, 0, d.source.size);
	mbr_entry(&d, 0, 0, 0, 0x05, EXT, extended_sectors);
}

/* The EBR `at` sectors into the extended partition: one partition, and a link to `next`. */
static void ebr(uint32_t at, uint32_t next)
{
	mbr_entry(&d, (EXT + at) * 512, 0, 0, 0x83, 1, 1);
	if (next != UINT32_MAX)
		mbr_entry(&d, (EXT + at) * 512, 1, 0, 0x05, next, 2);
}

static void check(size_t count, const char *warning)
{
	struct fs_table t;

	d.reads = 0;
	disk_read(&d, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK_EQ(t.count, count);
	if (!strstr(t.warnings, warning))
		test_fail(__FILE__, __LINE__, "\"%s\" is not in \"%s\"", warning, t.warnings);
	CHECK(d.reads < 2000);
	fs_table_free(&t);
}

int main(void)
{
	disk_new(&d, 8 * MiB);

	begin(8192);
	ebr(0, 0);
	check(1, "in a circle, back to sector 2048");

	begin(8192);
	ebr(0, 100);
	ebr(100, 200);
	ebr(200, 100);
	check(3, "in a circle, back to sector 2148");

	begin(8192);
	ebr(0, 8192);
	ebr(8192, UINT32_MAX);
	check(1, "leaves it, for sector 10240");

	begin(8192);
	ebr(0, UINT32_MAX - 1);
	check(1, "leaves it, for sector 4294969342");

	/* The extended partition passes the end of the disk, and the chain follows. */
	begin(UINT32_MAX);
	ebr(0, 30000);
	check(1, "sector 32048 is after the end of the disk");

	begin(8192);
	ebr(0, 100);
	check(1, "no extended boot record at sector 2148");

	begin(8192);
	check(0, "no extended boot record at sector 2048");

	begin(8192);
	ebr(0, 100);
	ebr(100, UINT32_MAX);
	d.bad = (EXT + 100) * 512;
	d.bad_len = 1;
	check(1, "the extended boot record at sector 2148 cannot be read");
	d.bad_len = 0;

	/* More than there may be, one to an EBR and three to an EBR. */
	begin(8192);
	for (uint32_t i = 0; i < 300; i++)
		ebr(2 * i, 2 * i + 2);
	check(256, "more than 256 logical partitions");
	for (uint32_t i = 0; i < 300; i++) {
		mbr_entry(&d, (EXT + 2 * i) * 512, 2, 0, 0x83, 1, 1);
		mbr_entry(&d, (EXT + 2 * i) * 512, 3, 0, 0x83, 1, 1);
	}
	check(256, "more than 256 logical partitions");

	/* Without a single partition the links alone must end too. */
	begin(8192);
	for (uint32_t i = 0; i < 300; i++)
		mbr_entry(&d, (EXT + 2 * i) * 512, 1, 0, 0x05, 2 * i + 2, 2);
	check(0, "more than 256 logical partitions");

	/* The last two entries of a boot record count only if they make sense. */
	begin(8192);
	ebr(0, UINT32_MAX);
	mbr_entry(&d, EXT * 512, 2, 0, 0x83, 10, 8182);
	mbr_entry(&d, EXT * 512, 3, 0, 0x83, 10, 8183);
	check(2, "");

	/* Two extended partitions, one inside the other, that share their chain. */
	begin(8192);
	ebr(0, 100);
	ebr(100, UINT32_MAX);
	mbr_entry(&d, 0, 1, 0, 0x0f, EXT, 8192);
	check(4, "");

	/* A logical partition may be larger than what it is in. It is said and listed. */
	begin(200);
	ebr(0, UINT32_MAX);
	mbr_entry(&d, EXT * 512, 0, 0, 0x83, 100, 500);
	check(1, "Partition 5 is not inside its extended partition 1");
	disk_free(&d);
	return 0;
}
