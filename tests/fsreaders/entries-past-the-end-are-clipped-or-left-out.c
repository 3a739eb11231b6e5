/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An entry that ends after the disk keeps the number of sectors that its table says, and has
 * the bytes that are there; one that begins after the end, or is empty, is left out. Each is
 * said.
 */
#include "disk.h"

static struct disk d;

static void check(uint32_t start, uint32_t sectors, uint64_t size, const char *warning)
{
	struct fs_table t;

	mbr_entry(&d, 0, 1, 0, 0x83, start, sectors);
	disk_read(&d, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK_EQ(t.count, size ? 2u : 1u);
	if (size) {
		CHECK_EQ(t.part[1].sectors, sectors);
		CHECK_EQ(t.part[1].size, size);
		CHECK_EQ(t.part[1].past_end, size != (uint64_t)sectors * 512);
	}
	CHECK_STR(t.warnings, warning);
	fs_table_free(&t);
}

int main(void)
{
	/* Not a whole number of sectors. */
	disk_new(&d, 1000 * 512 + 100);
	mbr_entry(&d, 0, 0, 0, 0x83, 1, 1);
	check(1, 999, 999 * 512, "");
	check(1, 1000, 999 * 512 + 100,
	      "Partition 2 ends after the disk does: sectors 1000 to 1000 of 1000 are missing.");
	check(999, UINT32_MAX, 512 + 100,
	      "Partition 2 ends after the disk does: sectors 1000 to 4294968293 of 1000 are missing.");
	check(1000, 1, 100,
	      "Partition 2 ends after the disk does: sectors 1000 to 1000 of 1000 are missing.");
	check(1001, 1, 0, "Partition 2 begins at sector 1001, after the end of the disk (1000 sectors "
	      "of 512 bytes): left out.");
	check(UINT32_MAX, UINT32_MAX, 0, "Partition 2 begins at sector 4294967295, after the end of "
	      "the disk (1000 sectors of 512 bytes): left out.");
	check(10, 0, 0, "Partition 2 (Linux) has size 0: left out.");
	/* Larger than the disk on purpose. */
	mbr_entry(&d, 0, 0, 0, 0, 0, 0);
	mbr_entry(&d, 0, 1, 0, 0, 0, 0);
	mbr_entry(&d, 0, 2, 0, 0xee, 1, UINT32_MAX);
	struct fs_table t;
	disk_read(&d, &t);
	CHECK_EQ(t.count, 1u);
	CHECK(t.part[0].past_end);
	CHECK(!strstr(t.warnings, "missing"));
	fs_table_free(&t);
	disk_free(&d);
	return 0;
}
