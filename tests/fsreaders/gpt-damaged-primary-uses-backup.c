/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever is damaged in the primary GPT, header or entries, or cannot be read, the backup at
 * the end of the disk gives the same partitions, and a warning says so. With both damaged, the
 * protective entry is what remains, and a warning says why. A damaged backup is mentioned.
 */
#include "disk.h"

static struct gpt_disk g;

static void check_from_backup(void)
{
	struct fs_table t;

	disk_read(&g.disk, &t);
	CHECK_EQ(t.kind, FS_TABLE_GPT);
	CHECK(t.from_backup);
	CHECK_EQ(t.sector_size, g.sector_size);
	CHECK(strstr(t.warnings, "The primary GPT is damaged: "));
	CHECK(strstr(t.warnings, "The backup at sector "));
	CHECK(!strchr(t.warnings, '\n'));
	CHECK_EQ(t.count, 2u);
	CHECK_STR(t.part[0].name, "one");
	CHECK_EQ(t.part[1].number, 128u);
	fs_table_free(&t);
}

static void check_each_damage(uint32_t sector_size)
{
	struct fs_table t;

	gpt_new(&g, 4 * MiB, sector_size);
	gpt_entry(&g, 0, GUID_LINUX, 100, 199, "one");
	gpt_entry(&g, 127, GUID_LINUX, 200, 299, "two");
	gpt_seal(&g);
	for (unsigned i = 0; i < 92; i++) {
		g.primary[i] ^= 0x10;
		check_from_backup();
		g.primary[i] ^= 0x10;
	}
	for (unsigned i = 0; i < 128 * 128; i += 511) {
		g.entries[i] ^= 1;
		check_from_backup();
		g.entries[i] ^= 1;
	}
	for (unsigned i = 1; i < 3; i++) {
		g.disk.bad = i * sector_size;
		g.disk.bad_len = 1;
		check_from_backup();
	}
	g.disk.bad_len = 0;
	disk_read(&g.disk, &t);
	CHECK(!t.from_backup);
	CHECK_STR(t.warnings, "");
	fs_table_free(&t);

	g.backup[20] ^= 1;
	disk_read(&g.disk, &t);
	CHECK_EQ(t.count, 2u);
	CHECK(!t.from_backup);
	CHECK(strstr(t.warnings, "The backup GPT is damaged or missing: its header's checksum"));
	fs_table_free(&t);
	g.primary[60] ^= 1;
	disk_read(&g.disk, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK_EQ(t.count, 1u);
	CHECK_STR(t.part[0].type_id, "0xee");
	CHECK_STR(t.part[0].type, "GPT protective");
	CHECK(strstr(t.warnings, "The primary: its header's checksum is wrong. The backup: its head"));
	fs_table_free(&t);
	disk_free(&g.disk);
}

int main(void)
{
	struct fs_table t;

	check_each_damage(512);
	check_each_damage(4096);

	/* An enlarged disk: the backup is where the primary says, not at the end. */
	gpt_new(&g, 4 * MiB, 512);
	gpt_entry(&g, 0, GUID_LINUX, 100, 199, "one");
	gpt_entry(&g, 127, GUID_LINUX, 200, 299, "two");
	gpt_seal(&g);
	g.disk.bytes = realloc(g.disk.bytes, 5 * MiB);
	CHECK(g.disk.bytes);
	memset(g.disk.bytes + 4 * MiB, 0, MiB);
	g.disk.source.size = 5 * MiB;
	disk_read(&g.disk, &t);
	CHECK_STR(t.warnings, "");
	fs_table_free(&t);
	g.disk.bytes[1024] ^= 1;
	check_from_backup();

	/* A truncated one: what is there is listed. */
	g.disk.bytes[1024] ^= 1;
	g.disk.source.size = 150 * 512;
	disk_read(&g.disk, &t);
	CHECK_EQ(t.kind, FS_TABLE_GPT);
	CHECK_EQ(t.count, 1u);
	CHECK(t.part[0].past_end);
	CHECK_EQ(t.part[0].size, 50u * 512);
	CHECK_EQ(t.part[0].sectors, 100u);
	CHECK(strstr(t.warnings, "made for a larger disk"));
	CHECK(strstr(t.warnings, "Partition 1 ends after the disk does: sectors 150 to 199 of 150"));
	CHECK(strstr(t.warnings, "Partition 128 begins at sector 200, after the end"));
	fs_table_free(&t);
	disk_free(&g.disk);
	return 0;
}
