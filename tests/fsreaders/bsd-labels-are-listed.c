/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A BSD disklabel is read over a whole disk, at each of its places, and in an MBR partition,
 * where its partitions follow the last logical one; FreeBSD counts from the slice or from the
 * disk, the others from the disk.
 */
#include "disk.h"

static struct disk d;
static struct fs_table t;

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void read_disk(size_t count, const char *warning)
{
	fs_table_free(&t);
	disk_read(&d, &t);
	CHECK_EQ(t.count, count);
	if (!strstr(t.warnings, warning) || (!*warning && *t.warnings))
		test_fail(__FILE__, __LINE__, "expected \"%s\", got \"%s\"", warning, t.warnings);
}

static void clear(void)
{
	memset(d.bytes, 0, d.source.size);
}

static void check_whole_disk(uint64_t place, uint32_t sector_size)
{
	uint64_t sectors = d.source.size / sector_size;
	const struct bsd_part parts[] = {
		{ 16, 100, 7 }, { 116, 50, 1 }, { 0, sectors, 0 }, { 0, 0, 0 }, { 200, 40, 27 },
	};

	clear();
	bsd_label(&d, place, sector_size, 0, parts, COUNT(parts));
	read_disk(3, "");
	CHECK_EQ(t.kind, FS_TABLE_BSD);
	CHECK_STR(t.name, "bsd");
	CHECK_EQ(t.sector_size, sector_size);
	CHECK_EQ(t.part[0].number, 1u);
	CHECK_STR(t.part[0].name, "a");
	CHECK_STR(t.part[0].type_id, "bsd:7");
	CHECK_EQ(t.part[0].offset, 16 * sector_size);
	CHECK_STR(t.part[1].type, "Swap");
	CHECK_EQ(t.part[2].number, 5u);
	CHECK_STR(t.part[2].type, "ZFS");
}

/*
 * In slice 2, which holds 1000 to 2999; logical partition 5 is in 3. Starts count from `base`, and
 * c says that it starts at `whole`.
 */
static void check_nested(uint8_t type, unsigned version, uint64_t base, uint64_t whole)
{
	const struct bsd_part parts[] = {
		{ base + 16, 100, 7 }, { base + 116, 50, 1 }, { whole, 2000, 0 },
		{ 0, d.source.size / 512, 0 }, { base + 200, 1800, 7 }, { base + 200, 1801, 7 },
		{ 64, 64, 8 },
	};
	/* The last one copies an MBR entry, if it counts from the disk. */
	bool absolute = base == 1000;

	clear();
	mbr_entry(&d, 0, 0, 0, 0x0c, 64, 64);
	mbr_entry(&d, 0, 1, 0, type, 1000, 2000);
	mbr_entry(&d, 0, 2, 0, 0x05, 4000, 100);
	mbr_entry(&d, 4000 * 512, 0, 0, 0x83, 1, 10);
	bsd_label(&d, 1001 * 512, 512, version, parts, absolute ? 7 : 6);
	read_disk(6, "Partition f of the disklabel in partition 2 is not inside it: left out.");
	CHECK(!strchr(t.warnings, '\n'));
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	CHECK_EQ(t.part[2].number, 5u);
	CHECK_EQ(t.part[2].container, 3u);
	CHECK_EQ(t.part[3].number, 6u);
	CHECK_EQ(t.part[3].container, 2u);
	CHECK_EQ(t.part[3].start, 1016u);
	CHECK_STR(t.part[3].name, "a");
	CHECK_EQ(t.part[4].start, 1116u);
	CHECK_EQ(t.part[5].number, 8u);
	CHECK_STR(t.part[5].name, "e");
	CHECK_EQ(t.part[5].start, 1200u);
}

int main(void)
{
	/* A slice that was copied out of its disk counts from sectors that are not there. */
	static const struct bsd_part copied[] = {
		{ 7696, 100, 7 }, { 7796, 50, 1 }, { 7680, 8192, 0 },
	};
	static const struct bsd_part whole[] = { { 0, 8192, 7 } };
	static const struct bsd_part large[] = { { 16, 100, 7 }, { 0x100000000, 1, 7 },
						 { 200, 0x100000001, 7 } };
	static const struct bsd_part dedicated[] = { { 16, 100, 7 }, { 6000, 100, 7 } };

	disk_new(&d, 4 * MiB);
	check_whole_disk(512, 512);
	check_whole_disk(64, 512);
	check_whole_disk(128, 512);
	check_whole_disk(4096, 4096);
	check_whole_disk(2048, 2048);

	check_nested(0xa5, 0, 0, 0);
	check_nested(0xa5, 0, 1000, 1000);
	check_nested(0xa6, 0, 1000, 0);
	check_nested(0xa6, 1, 1000, 0);
	check_nested(0xa9, 0, 1000, 1000);

	clear();
	bsd_label(&d, 512, 512, 0, copied, COUNT(copied));
	read_disk(2, "");
	CHECK_EQ(t.part[0].start, 16u);
	CHECK_EQ(t.part[1].start, 116u);

	/* The only partition may be all of the disk. */
	clear();
	bsd_label(&d, 512, 512, 0, whole, COUNT(whole));
	read_disk(1, "");

	/* OpenBSD's 48 bits; the same bytes mean something else in version 0. */
	clear();
	bsd_label(&d, 512, 512, 1, large, COUNT(large));
	read_disk(2, "Partition 2 begins at sector 4294967296, after the end");
	CHECK_EQ(t.part[1].sectors, 0x100000001u);
	CHECK(t.part[1].past_end);

	/* FreeBSD's "dangerously dedicated" disk: an MBR entry that is not to be believed. */
	clear();
	bsd_label(&d, 512, 512, 0, dedicated, COUNT(dedicated));
	mbr_entry(&d, 0, 3, 0x80, 0xa5, 0, 5000);
	read_disk(2, "");
	CHECK_EQ(t.kind, FS_TABLE_BSD);

	/* Damaged ones. */
	d.bytes[512 + 60] ^= 1;
	read_disk(2, "The BSD disklabel's checksum is wrong");
	put_le16(d.bytes + 512 + 138, 65);
	read_disk(1, "");
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	put_le16(d.bytes + 512 + 138, 2);
	put_le32(d.bytes + 512 + 40, 500);
	read_disk(1, "");
	put_le32(d.bytes + 512 + 40, 2048);
	mbr_entry(&d, 0, 3, 0x80, 0xa5, 1, 5000);
	memmove(d.bytes + 1024, d.bytes + 512, 512);
	read_disk(1, "counts in sectors of 2048 bytes, the MBR in 512");
	fs_table_free(&t);
	disk_free(&d);
	return 0;
}
