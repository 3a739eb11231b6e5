/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A GPT lists its used slots with their numbers, names, types, GUIDs and attributes, for any
 * sector size, found without being told. A hybrid MBR does not count, but is named; an MBR of
 * its own does.
 */
#include "disk.h"

static struct gpt_disk g;

static void check_sector_size(uint32_t sector_size, uint32_t wanted)
{
	struct fs_table t;

	gpt_new(&g, 8 * MiB, sector_size);
	gpt_entry(&g, 0, GUID_ESP, 256, 300, "EFI system");
	gpt_entry(&g, 6, GUID_LINUX, 400, 400, "");
	gpt_entry(&g, 127, "0123456789abcdef", 350, 450, "last");
	put_le64(g.entries + 6 * 128 + 48, UINT64_C(0x8000000000000004));
	gpt_seal(&g);

	disk_read_sized(&g.disk, wanted, &t);
	CHECK_EQ(t.kind, FS_TABLE_GPT);
	CHECK_STR(t.name, "gpt");
	CHECK(!t.hybrid && !t.from_backup);
	CHECK_EQ(t.sector_size, sector_size);
	CHECK_STR(t.uuid, "d1d1d1d1-d1d1-d1d1-d1d1-d1d1d1d1d1d1");
	CHECK_STR(t.warnings, "");
	CHECK_EQ(t.count, 3u);
	CHECK_EQ(t.part[0].number, 1u);
	CHECK_EQ(t.part[0].start, 256u);
	CHECK_EQ(t.part[0].sectors, 45u);
	CHECK_EQ(t.part[0].offset, 256 * sector_size);
	CHECK_EQ(t.part[0].size, 45 * sector_size);
	CHECK_STR(t.part[0].type, "EFI System");
	CHECK_STR(t.part[0].type_id, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
	CHECK_STR(t.part[0].name, "EFI system");
	CHECK_STR(t.part[0].uuid, "10101010-1010-1010-1010-101010101010");
	CHECK(!t.part[0].bootable);
	CHECK_EQ(t.part[1].number, 7u);
	CHECK_EQ(t.part[1].sectors, 1u);
	CHECK_STR(t.part[1].type, "Linux filesystem");
	CHECK_STR(t.part[1].name, "");
	CHECK(t.part[1].bootable);
	CHECK(t.part[1].attributes == UINT64_C(0x8000000000000004));
	CHECK_EQ(t.part[2].number, 128u);
	CHECK_STR(t.part[2].type, "Unknown");
	CHECK_STR(t.part[2].type_id, "33323130-3534-3736-3839-616263646566");
	fs_table_free(&t);
	disk_free(&g.disk);
}

int main(void)
{
	struct fs_table t;

	check_sector_size(512, 0);
	check_sector_size(512, 512);
	check_sector_size(4096, 0);
	check_sector_size(4096, 4096);
	check_sector_size(2048, 0);

	gpt_new(&g, 8 * MiB, 512);
	gpt_entry(&g, 0, GUID_LINUX, 2048, 4095, "one");
	gpt_seal(&g);
	mbr_entry(&g.disk, 0, 2, 0x80, 0xaf, 2048, 2048);
	disk_read(&g.disk, &t);
	CHECK_STR(t.name, "gpt (hybrid MBR)");
	CHECK(t.hybrid);
	CHECK_EQ(t.count, 1u);
	CHECK_STR(t.part[0].name, "one");
	fs_table_free(&t);

	/* Asked for another sector size, it says what there is. */
	disk_read_sized(&g.disk, 4096, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK(strstr(t.warnings, "There is one for sectors of 512 bytes, not 4096"));
	fs_table_free(&t);

	/* An MBR without a protective entry was written after the GPT: it counts. */
	mbr_entry(&g.disk, 0, 0, 0, 0, 0, 0);
	disk_read(&g.disk, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK_EQ(t.count, 1u);
	fs_table_free(&t);

	/* Nothing at all in sector 0: the primary GPT counts, a backup alone does not. */
	memset(g.disk.bytes, 0, 512);
	disk_read(&g.disk, &t);
	CHECK_EQ(t.kind, FS_TABLE_GPT);
	CHECK_STR(t.warnings, "There is no protective MBR in front of the GPT.");
	fs_table_free(&t);
	memset(g.primary, 0, 512);
	disk_read(&g.disk, &t);
	CHECK_EQ(t.kind, FS_TABLE_NONE);
	disk_free(&g.disk);
	return 0;
}
