/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A GPT whose checksums are right may still say anything. A header that says the impossible
 * does not count, however large what it promises; an entry that does is left out.
 */
#include "disk.h"

static struct gpt_disk g;

static void begin(void)
{
	gpt_new(&g, 4 * MiB, 512);
	gpt_entry(&g, 0, GUID_LINUX, 100, 199, "one");
	gpt_seal(&g);
}

/* The header does not count, and neither does its copy. */
static void check_refused(const char *why)
{
	struct fs_table t;

	gpt_seal(&g);
	disk_read(&g.disk, &t);
	CHECK_EQ(t.kind, FS_TABLE_MBR);
	if (!strstr(t.warnings, why))
		test_fail(__FILE__, __LINE__, "\"%s\" is not in \"%s\"", why, t.warnings);
	fs_table_free(&t);
	disk_free(&g.disk);
	begin();
}

static void check_entry(uint64_t first, uint64_t last, size_t count, const char *why)
{
	struct fs_table t;

	gpt_entry(&g, 0, GUID_LINUX, first, last, "");
	gpt_seal(&g);
	disk_read(&g.disk, &t);
	CHECK_EQ(t.kind, FS_TABLE_GPT);
	CHECK_EQ(t.count, count);
	if (!strstr(t.warnings, why))
		test_fail(__FILE__, __LINE__, "\"%s\" is not in \"%s\"", why, t.warnings);
	fs_table_free(&t);
}

int main(void)
{
	static const uint32_t entry_sizes[] = { 0, 1, 64, 127, 129, 192, 8192, 1u << 31, UINT32_MAX };
	static const uint32_t counts[] = { 0, 8193, 1u << 25, UINT32_MAX };
	static const uint32_t header_sizes[] = { 0, 91, 513, UINT32_MAX };
	static const uint64_t places[] = { 8193, UINT64_MAX / 512, UINT64_MAX / 512 + 2, UINT64_MAX };
	struct fs_table t;

	begin();
	for (size_t i = 0; i < sizeof(entry_sizes) / sizeof(*entry_sizes); i++) {
		put_le32(g.primary + 84, entry_sizes[i]);
		check_refused("bytes long, not a power of two from 128 to 4096");
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		put_le32(g.primary + 80, counts[i]);
		check_refused("entries, not 1 to 8192");
	}
	for (size_t i = 0; i < sizeof(header_sizes) / sizeof(*header_sizes); i++) {
		put_le32(g.primary + 12, header_sizes[i]);
		check_refused("bytes long, not 92 to 512");
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		put_le64(g.primary + 72, places[i]);
		check_refused("pass the end of the disk");
	}
	/* gpt_seal() gives the backup a place of its own: only the primary is refused here. */
	put_le64(g.primary + 24, 2);
	gpt_seal(&g);
	disk_read(&g.disk, &t);
	CHECK(t.from_backup);
	CHECK(strstr(t.warnings, "its header says that it is at sector 2, but it is at 1"));
	fs_table_free(&t);
	disk_free(&g.disk);

	/* Larger entries than usual are fine, and so is a header that fills its sector. */
	begin();
	memset(g.entries, 0, 128 * 128);
	gpt_entry(&g, 0, GUID_LINUX, 100, 199, "one");
	gpt_entry(&g, 2, GUID_LINUX, 300, 399, "two");
	put_le32(g.primary + 80, 64);
	put_le32(g.primary + 84, 256);
	put_le32(g.primary + 12, 512);
	gpt_seal(&g);
	disk_read(&g.disk, &t);
	CHECK_EQ(t.kind, FS_TABLE_GPT);
	CHECK(!t.from_backup);
	CHECK_EQ(t.count, 2u);
	CHECK_EQ(t.part[1].number, 2u);
	CHECK_EQ(t.part[1].start, 300u);
	fs_table_free(&t);
	disk_free(&g.disk);

	begin();
	check_entry(200, 199, 0, "ends at sector 199, before it begins at 200: left out");
	check_entry(0, UINT64_MAX, 0, "before it begins");
	check_entry(1, UINT64_MAX, 1, "ends after the disk does");
	check_entry(8191, UINT64_MAX - 1, 1, "ends after the disk does");
	check_entry(8191, 8191, 1, "");
	check_entry(8192, 8192, 0, "after the end of the disk");
	check_entry(UINT64_MAX / 512 + 1, UINT64_MAX, 0, "after the end of the disk");
	check_entry(UINT64_MAX, UINT64_MAX, 0, "after the end of the disk");
	/* The table's own sectors are nobody's business. */
	check_entry(0, 0, 1, "");

	/* Every entry wrong: a bounded number of warnings, the last of which says that there are more. */
	for (unsigned i = 0; i < 128; i++)
		gpt_entry(&g, i, GUID_LINUX, 200, 100, "");
	gpt_seal(&g);
	disk_read(&g.disk, &t);
	CHECK_EQ(t.count, 0u);
	CHECK(strstr(t.warnings, "Partition 1 ends"));
	CHECK_STR(strrchr(t.warnings, '\n') + 1, "There is more that is not as it should be.");
	fs_table_free(&t);
	disk_free(&g.disk);
	return 0;
}
