/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names come from whoever made the disk. They arrive as valid UTF-8 that fits, without
 * characters that control a terminal or reorder a line; what cannot be shown is U+FFFD.
 */
#include "disk.h"

#define R "\xef\xbf\xbd"

static struct gpt_disk g;
static struct disk d;

static void check_utf16(const uint16_t *units, size_t count, const char *expected)
{
	struct fs_table t;

	gpt_entry(&g, 0, GUID_LINUX, 100, 199, "");
	for (size_t i = 0; i < count; i++)
		put_le16(g.entries + 56 + 2 * i, units[i]);
	gpt_seal(&g);
	disk_read(&g.disk, &t);
	CHECK_EQ(t.count, 1u);
	CHECK_STR(t.part[0].name, expected);
	fs_table_free(&t);
}

static void check_apple(const char *bytes, const char *expected)
{
	struct fs_table t;

	memset(d.bytes + 512 + 16, 0, 32);
	memcpy(d.bytes + 512 + 16, bytes, strlen(bytes));
	disk_read(&d, &t);
	CHECK_EQ(t.count, 1u);
	CHECK_STR(t.part[0].name, expected);
	fs_table_free(&t);
}

int main(void)
{
	static const uint16_t plain[] = { 'B', 0xef, 'g', ' ', 0x4e2d };
	static const uint16_t pair[] = { 0xd83d, 0xdcbe, 'x' };
	static const uint16_t broken[] = { 0xdcbe, 0xd83d, 'x', 0xd83d };
	static const uint16_t control[] = { 'a', 0x1b, '[', '2', 'J', '\n', 0x7f, 0x9b, 0x202e, 'z' };
	uint16_t full[36];
	char expected[128] = "";

	gpt_new(&g, 4 * MiB, 512);
	check_utf16(plain, 5, "B\xc3\xafg \xe4\xb8\xad");
	check_utf16(pair, 3, "\xf0\x9f\x92\xbex");
	check_utf16(broken, 4, R R "x" R);
	check_utf16(control, 10, "a" R "[2J" R R R R "z");
	/* All 36 units, no terminator, three bytes each. */
	for (int i = 0; i < 36; i++) {
		full[i] = 0x4e2d;
		strcat(expected, "\xe4\xb8\xad");
	}
	check_utf16(full, 36, expected);
	/* A pair cut off by the field's end. */
	full[35] = 0xd83d;
	strcpy(expected + 35 * 3, R);
	check_utf16(full, 36, expected);
	disk_free(&g.disk);

	disk_new(&d, MiB);
	apm_driver_descriptor(&d, 512);
	apm_entry(&d, 512, 1, 1, 1, 63, "", "Apple_HFS");
	check_apple("\x80", "\xc3\x84");
	check_apple("a\x1b\x7f", "a" R R);
	/* UTF-8 that is not shortest form, or cut off, is Mac OS Roman then. */
	check_apple("\xc0\x80", "\xc2\xbf\xc3\x84");
	check_apple("x\xc3", "x\xe2\x88\x9a");
	/* U+009B, U+202E, as UTF-8. */
	check_apple("\xc2\x9b\xe2\x80\xae", R R);
	check_apple("01234567890123456789012345678901", "01234567890123456789012345678901");
	check_apple("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
		    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		    "\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87"
		    "\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87"
		    "\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87"
		    "\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87\xcb\x87");

	/* A type that is too long for its place is cut between characters. */
	struct fs_table t;
	memset(d.bytes + 512 + 48, 0x8e, 32);
	disk_read(&d, &t);
	CHECK_EQ(t.count, 1u);
	CHECK_EQ(strlen(t.part[0].type_id), 38u);
	CHECK_EQ(strlen(t.part[0].name), 64u);
	fs_table_free(&t);
	disk_free(&d);
	return 0;
}
