/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An MBR lists its primaries by slot, then the logical partitions from number 5 on, in chain
 * order, and not the extended partition itself; all with the numbers that the entries say.
 */
#include "disk.h"

static void check_part(const struct fs_partition *p, unsigned number, unsigned container,
		       uint64_t start, uint64_t sectors, const char *type_id, const char *uuid)
{
	CHECK_EQ(p->number, number);
	CHECK_EQ(p->container, container);
	CHECK_EQ(p->start, start);
	CHECK_EQ(p->sectors, sectors);
	CHECK_EQ(p->offset, start * 512);
	CHECK_STR(p->type_id, type_id);
	CHECK_STR(p->uuid, uuid);
}

int main(void)
{
	struct fs_table t;
	struct disk d;

	disk_new(&d, 8 * MiB);
	put_le32(d.bytes + 440, 0xcafebabe);
	mbr_entry(&d, 0, 0, 0, 0x83, 64, 100);
	mbr_entry(&d, 0, 1, 0, 0x05, 2048, 8192);
	mbr_entry(&d, 0, 3, 0x80, 0x07, 1000, 500);
	/* A chain that runs backwards, with an EBR that holds no partition, and one that holds its
	   link first. */
	mbr_entry(&d, 2048 * 512, 0, 0, 0x82, 10, 20);
	mbr_entry(&d, 2048 * 512, 1, 0, 0x05, 4000, 1000);
	mbr_entry(&d, 6048 * 512, 1, 0, 0x0f, 1000, 1000);
	mbr_entry(&d, 3048 * 512, 0, 0, 0x85, 2000, 1000);
	mbr_entry(&d, 3048 * 512, 1, 0, 0xda, 1, 999);
	mbr_entry(&d, 4048 * 512, 0, 0, 0x0b, 63, 64);

	disk_read(&d, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK_STR(t.name, "mbr");
	CHECK_STR(t.uuid, "cafebabe");
	CHECK_STR(t.warnings, "");
	CHECK_EQ(t.sector_size, 512u);
	CHECK_EQ(t.count, 5u);
	check_part(&t.part[0], 1, 0, 64, 100, "0x83", "cafebabe-01");
	check_part(&t.part[1], 4, 0, 1000, 500, "0x07", "cafebabe-04");
	check_part(&t.part[2], 5, 2, 2058, 20, "0x82", "cafebabe-05");
	check_part(&t.part[3], 6, 2, 3049, 999, "0xda", "cafebabe-06");
	check_part(&t.part[4], 7, 2, 4111, 64, "0x0b", "cafebabe-07");
	CHECK(!t.part[0].bootable && t.part[1].bootable);
	CHECK_STR(t.part[0].type, "Linux");
	CHECK_STR(t.part[1].type, "NTFS / exFAT / HPFS");
	CHECK_STR(t.part[4].type, "FAT32");
	fs_table_free(&t);
	CHECK_EQ(t.count, 0u);
	fs_table_free(&t);

	/* Slots are numbers: an empty one leaves a gap; entry order need not be disk order. */
	mbr_entry(&d, 0, 1, 0, 0, 0, 0);
	disk_read(&d, &t);
	CHECK_EQ(t.count, 2u);
	CHECK_EQ(t.part[1].number, 4u);
	fs_table_free(&t);

	/* No entry at all is a table too; so is an unknown type, and overlaps are the owner's. */
	memset(d.bytes + 446, 0, 64);
	disk_read(&d, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK_EQ(t.count, 0u);
	mbr_entry(&d, 0, 2, 0, 0x99, 64, 100);
	mbr_entry(&d, 0, 3, 0, 0x83, 32, 100);
	disk_read(&d, &t);
	CHECK_EQ(t.count, 2u);
	CHECK_STR(t.part[0].type, "Unknown");
	CHECK_STR(t.warnings, "");
	fs_table_free(&t);
	disk_free(&d);
	return 0;
}
