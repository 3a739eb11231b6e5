/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An Apple partition map is read in blocks of the size that its driver descriptor states, or of
 * 512 bytes where only that fits. Free space is not a partition; numbers are those of the
 * entries.
 */
#include "disk.h"

static struct disk d;

static void check(uint32_t map_block, uint16_t stated)
{
	struct fs_table t;

	disk_new(&d, 4 * MiB);
	apm_driver_descriptor(&d, stated);
	apm_entry(&d, map_block, 1, 5, 1, 63, "Apple", "Apple_partition_map");
	apm_entry(&d, map_block, 2, 5, 64, 16, "", "Apple_Free");
	/* Mac OS Roman; then UTF-8, as Linux programs write it. */
	apm_entry(&d, map_block, 3, 5, 80, 100, "caf\x8e", "Apple_HFS");
	apm_entry(&d, map_block, 4, 5, 180, 100, "caf\xc3\xa9", "Apple_UNIX_SVR2");
	apm_entry(&d, map_block, 5, 5, 280, 100, "other", "Some_Type");
	put_be32(d.bytes + 3 * map_block + 88, 0x40000033 | 8);

	disk_read(&d, &t);
	CHECK_EQ(t.kind, FS_TABLE_APM);
	CHECK_STR(t.name, "apm");
	CHECK_EQ(t.sector_size, map_block);
	CHECK_STR(t.warnings, "");
	CHECK_EQ(t.count, 4u);
	CHECK_EQ(t.part[0].number, 1u);
	CHECK_STR(t.part[0].type, "Apple partition map");
	CHECK_EQ(t.part[1].number, 3u);
	CHECK_EQ(t.part[1].offset, 80 * map_block);
	CHECK_EQ(t.part[1].size, 100 * map_block);
	CHECK_STR(t.part[1].type_id, "Apple_HFS");
	CHECK_STR(t.part[1].name, "caf\xc3\xa9");
	CHECK(t.part[1].bootable);
	CHECK_EQ(t.part[1].attributes, 0x4000003bu);
	CHECK_STR(t.part[2].name, "caf\xc3\xa9");
	CHECK(!t.part[2].bootable);
	CHECK_EQ(t.part[3].number, 5u);
	CHECK_STR(t.part[3].type, "Unknown");
	fs_table_free(&t);
	disk_free(&d);
}

static void check_damaged(size_t count, const char *warning)
{
	struct fs_table t;

	d.reads = 0;
	disk_read(&d, &t);
	CHECK_EQ(t.kind, FS_TABLE_APM);
	CHECK_EQ(t.count, count);
	CHECK(strstr(t.warnings, warning));
	CHECK(d.reads < 1000);
	fs_table_free(&t);
}

int main(void)
{
	struct fs_table t;

	check(512, 512);
	check(2048, 2048);
	check(4096, 4096);
	check(512, 2048);	/* CDs */
	check(512, 0);
	check(512, 513);

	disk_new(&d, MiB);
	apm_driver_descriptor(&d, 512);
	disk_read(&d, &t);
	CHECK_EQ(t.kind, FS_TABLE_NONE);
	apm_entry(&d, 512, 1, 3, 1, 63, "Apple", "Apple_partition_map");
	apm_entry(&d, 512, 2, 3, 2047, 2, "", "Apple_HFS");
	check_damaged(2, "number 3 is not one: the map ends there");
	check_damaged(2, "Partition 2 ends after the disk does");
	apm_entry(&d, 512, 3, 3, UINT32_MAX, UINT32_MAX, "", "Apple_HFS");
	check_damaged(2, "Partition 3 begins at sector 4294967295, after the end");
	put_be32(d.bytes + 512 + 4, UINT32_MAX);
	for (unsigned i = 2; i < 400; i++)
		apm_entry(&d, 512, i, 1, 1, 1, "", "Apple_HFS");
	check_damaged(256, "only the first 256 are read");
	disk_free(&d);
	return 0;
}
