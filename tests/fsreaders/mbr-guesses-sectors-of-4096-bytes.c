/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An MBR does not say how large its sectors are: 512 bytes, unless with 4096 more of the
 * entries begin with something known. What the caller says counts more.
 */
#include "disk.h"

static struct disk d;

static void put_ext(uint64_t offset)
{
	uint8_t *sb = d.bytes + offset + 1024;

	put_le32(sb, 16);
	put_le32(sb + 4, 1024);
	put_le16(sb + 0x38, 0xef53);
}

static void check(uint32_t wanted, uint32_t sector_size, uint64_t first_offset, size_t count)
{
	struct fs_table t;

	disk_read_sized(&d, wanted, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK_EQ(t.sector_size, sector_size);
	CHECK_EQ(t.count, count);
	CHECK_EQ(t.part[0].offset, first_offset);
	fs_table_free(&t);
}

int main(void)
{
	struct fs_table t;

	disk_new(&d, 32 * MiB);
	mbr_entry(&d, 0, 0, 0, 0x83, 256, 256);
	/* Nothing known anywhere. */
	check(0, 512, 256 * 512, 1);
	check(4096, 4096, MiB, 1);
	/* Something with 4096 only; with both; with 512 only. */
	put_ext(MiB);
	check(0, 4096, MiB, 1);
	check(512, 512, 256 * 512, 1);
	put_ext(256 * 512);
	check(0, 512, 256 * 512, 1);
	memset(d.bytes + MiB, 0, 4096);
	check(0, 512, 256 * 512, 1);

	/* A second partition so placed that 512 hits the first one's start by accident. */
	memset(d.bytes + 256 * 512, 0, 4096);
	mbr_entry(&d, 0, 1, 0, 0x83, 2048, 1024);
	put_ext(MiB);
	put_ext(8 * MiB);
	check(0, 4096, MiB, 2);

	/* An entry that would pass the end with 4096 rules it out. */
	mbr_entry(&d, 0, 2, 0, 0x83, 8000, 193);
	check(0, 512, 256 * 512, 3);
	mbr_entry(&d, 0, 2, 0, 0x83, 8000, 192);
	check(0, 4096, MiB, 3);
	mbr_entry(&d, 0, 2, 0, 0, 0, 0);

	/* A chain of logical partitions is found where its boot record is. */
	memset(d.bytes + 512, 0, d.source.size - 512);
	mbr_entry(&d, 0, 1, 0, 0x05, 512, 1024);
	mbr_entry(&d, 2 * MiB, 0, 0, 0x83, 8, 8);
	disk_read(&d, &t);
	CHECK_EQ(t.sector_size, 4096u);
	CHECK_EQ(t.count, 2u);
	CHECK_EQ(t.part[1].offset, 2 * MiB + 8 * 4096);
	CHECK_EQ(t.part[1].size, 8u * 4096);
	fs_table_free(&t);

	/* Sizes that no sector has. */
	struct fs_error err = { "" };
	CHECK_EQ(fs_table_read(&d.source, 513, &t, &err), -EINVAL);
	CHECK(strstr(err.text, "513"));
	CHECK_EQ(t.count, 0u);
	CHECK_EQ(fs_table_read(&d.source, 256, &t, NULL), -EINVAL);
	CHECK_EQ(fs_table_read(&d.source, 8192, &t, NULL), -EINVAL);
	disk_free(&d);
	return 0;
}
