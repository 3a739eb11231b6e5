/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A boot sector of FAT, exFAT or NTFS ends in 55 aa and has code or text where an MBR has its
 * entries: a disk with a file system from its first sector on has no table. An MBR that carries
 * a parameter block and real entries is one all the same, and so is a CD image made to start as
 * a disk.
 */
#include "disk.h"

static struct disk d;

static void check_none(void)
{
	struct fs_table t;

	disk_read(&d, &t);
	CHECK_STR(t.name, "none");
	CHECK_EQ(t.kind, FS_TABLE_NONE);
	CHECK_EQ(t.count, 0u);
	CHECK_STR(t.warnings, "");
}

static void check_mbr(size_t count)
{
	struct fs_table t;

	disk_read(&d, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK_EQ(t.count, count);
	fs_table_free(&t);
}

static void clear(void)
{
	memset(d.bytes, 0, d.source.size);
}

static void put_fat(void)
{
	clear();
	memcpy(d.bytes, "\xeb\x3c\x90MSDOS5.0", 11);
	put_le16(d.bytes + 11, 512);
	d.bytes[13] = 4;
	put_le16(d.bytes + 14, 1);
	d.bytes[16] = 2;
	d.bytes[21] = 0xf8;
	put_le16(d.bytes + 510, 0xaa55);
}

int main(void)
{
	disk_new(&d, MiB);
	check_none();

	put_fat();
	check_none();
	memcpy(d.bytes + 446, "Remove disks or other media.\377\r\n", 31);
	check_none();
	/* Flags, types and places that could be an MBR's, but for one thing. */
	put_fat();
	mbr_entry(&d, 0, 0, 0, 0x06, 0, 2048);		/* itself */
	check_none();
	mbr_entry(&d, 0, 0, 0, 0x06, 1, 2048);		/* past the end */
	check_none();
	mbr_entry(&d, 0, 0, 0, 0x00, 1, 1000);		/* no type */
	check_none();
	mbr_entry(&d, 0, 0, 0, 0x06, 1, 1000);
	mbr_entry(&d, 0, 1, 0, 0x06, 1000, 1000);	/* overlap */
	check_none();
	mbr_entry(&d, 0, 1, 0, 0x06, 1001, 1048);
	check_none();
	mbr_entry(&d, 0, 1, 0, 0x06, 1001, 1047);	/* to the end */
	check_mbr(2);
	mbr_entry(&d, 0, 1, 0x42, 0x06, 1001, 1000);	/* no boot flag */
	check_none();

	clear();
	memcpy(d.bytes, "\xeb\x52\x90NTFS    ", 11);
	put_le16(d.bytes + 510, 0xaa55);
	memcpy(d.bytes + 446, "\0missing\0press Ctrl", 19);
	check_none();
	clear();
	memcpy(d.bytes, "\xeb\x76\x90" "EXFAT   ", 11);
	put_le16(d.bytes + 510, 0xaa55);
	check_none();

	/* ext leaves the first kilobyte to a boot loader. */
	clear();
	put_le16(d.bytes + 510, 0xaa55);
	put_le32(d.bytes + 1024, 16);
	put_le32(d.bytes + 1028, 1024);
	put_le16(d.bytes + 1024 + 0x38, 0xef53);
	check_none();
	mbr_entry(&d, 0, 0, 0, 0x83, 5, 100);
	check_mbr(1);

	clear();
	memcpy(d.bytes + 0x8001, "CD001", 5);
	check_none();
	mbr_entry(&d, 0, 0, 0x80, 0x17, 0, 1000);
	mbr_entry(&d, 0, 1, 0, 0x00, 4, 10);
	check_mbr(2);

	/* Garbage, and disks that are too small for anything. */
	memset(d.bytes, 0xff, d.source.size);
	check_none();
	put_le16(d.bytes + 510, 0xaa55);
	check_none();
	for (d.source.size = 0; d.source.size < 512; d.source.size += 73)
		check_none();
	d.source.size = 512;
	check_none();
	clear();
	put_le16(d.bytes + 510, 0xaa55);
	check_mbr(0);
	disk_free(&d);
	return 0;
}
