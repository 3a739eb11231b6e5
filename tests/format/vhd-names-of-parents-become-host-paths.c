/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locators of Windows, VirtualBox on Linux and macOS, and the names that we write ourselves. */
#include "test.h"

#include <sys/stat.h>

#include "formats/vhd.h"

static void locator(uint32_t code, const void *text, uint32_t length, const char *expected)
{
	char *path = vhd_locator_path(code, text, length);

	CHECK_STR(path ? path : "(none)", expected ? expected : "(none)");
	free(path);
}

static void wide(const char *text, const char *expected)
{
	uint8_t bytes[VHD_TEXT_MAX];
	int n = vhd_utf16(text, false, bytes, sizeof(bytes));

	CHECK(n >= 0);
	locator(VHD_W2KU, bytes, (uint32_t)n, expected);
	locator(VHD_W2RU, bytes, (uint32_t)n, expected);
}

static void narrow(uint32_t code, const char *text, const char *expected)
{
	locator(code, text, (uint32_t)strlen(text), expected);
}

static void characters(void)
{
	static const char mixed[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
	uint8_t name[VHD_NAME] = { 0 }, small[8];
	char *path;

	CHECK_EQ(vhd_utf16(mixed, true, name, sizeof(name)), 10);
	path = vhd_name_path(name);
	CHECK_STR(path, mixed);
	free(path);
	CHECK_EQ(vhd_utf16(mixed, true, small, sizeof(small)), -ENAMETOOLONG);
	CHECK_EQ(vhd_utf16("a\xff", true, name, sizeof(name)), -EILSEQ);
	CHECK_EQ(vhd_utf16("\xc0\x80", true, name, sizeof(name)), -EILSEQ);
	CHECK_EQ(vhd_utf16("\xed\xa0\x80", true, name, sizeof(name)), -EILSEQ);
	/* Halves of pairs, and an odd byte. */
	locator(VHD_W2KU, "a\0\0\xdc", 4, NULL);
	locator(VHD_W2KU, "a\0\0\xd8", 4, NULL);
	locator(VHD_W2KU, "a\0\0\xd8" "b\0", 6, NULL);
	locator(VHD_W2KU, "a\0b", 3, "a");
	locator(VHD_W2KU, "", 0, NULL);
	/* The text may end with NULs that are counted. */
	locator(VHD_W2KU, "a\0\0\0b\0", 6, "a");
}

static void relative_names(void)
{
	char *folder = test_path("vms"), *below = test_path("vms/Snapshots");
	char *base = test_path("vms/base.vhd"), *child = test_path("vms/child.vhd");
	char *snapshot = test_path("vms/Snapshots/s.vhd"), *odd = test_path("vms/o\\dd.vhd");
	char *name;

	CHECK_OK(mkdir(folder, 0700));
	CHECK_OK(mkdir(below, 0700));
	fclose(fopen(base, "w"));
	fclose(fopen(odd, "w"));
	fclose(fopen(snapshot, "w"));
#define NAME(from, to, expected) do {				\
		name = vhd_relative_name(from, to);		\
		CHECK_STR(name ? name : "(none)", expected);	\
		free(name);					\
	} while (0)
	NAME(child, base, ".\\base.vhd");
	NAME(snapshot, base, "..\\base.vhd");
	NAME(child, snapshot, ".\\Snapshots\\s.vhd");
	NAME(snapshot, odd, "../o\\dd.vhd");
	NAME("/nowhere/at/all.vhd", base, "(none)");
	free(folder), free(below), free(base), free(child), free(snapshot), free(odd);
}

int main(void)
{
	wide(".\\par.vhd", "./par.vhd");
	wide("..\\Base Disks\\par.vhd", "../Base Disks/par.vhd");
	wide("C:\\vms\\par.vhd", "/vms/par.vhd");
	wide("C:/vms\\par.vhd", "/vms/par.vhd");
	wide("\\\\?\\D:\\par.vhd", "/par.vhd");
	wide("\\\\server\\share\\par.vhd", "//server/share/par.vhd");
	wide("/w/img/par.vhd", "/w/img/par.vhd");
	wide("./o\\dd.vhd", "./o\\dd.vhd");
	wide("par.vhd", "par.vhd");
	narrow(VHD_WI2K, "D:\\\xe9.vhd", "/\xc3\xa9.vhd");
	narrow(VHD_WI2R, ".\\\xc3\xa9.vhd", "./\xc3\xa9.vhd");
	narrow(VHD_MACX, "file://localhost/Volumes/my%20disks/par.vhd",
	       "/Volumes/my disks/par.vhd");
	narrow(VHD_MACX, "file:///par.vhd", "/par.vhd");
	narrow(VHD_MACX, "file://host", NULL);
	narrow(VHD_MACX, "a%00b", NULL);
	narrow(VHD_MACX, "a%4", NULL);
	narrow(VHD_CODE('M', 'a', 'c', ' '), "alias", NULL);
	narrow(0, "text", NULL);
	characters();
	relative_names();
	return 0;
}
