/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes are understood as written, or refused; and written so that they promise no more than is. */
#include "size.h"
#include "test.h"

static void sizes_are_understood(void)
{
	static const struct { const char *text; uint64_t size; } good[] = {
		{"0", 0}, {"1", 1}, {"01000", 1000}, {"512b", 512}, {"12B", 12}, {"4s", 2048},
		{"1k", 1024}, {"1K", 1024}, {"20M", 20 << 20}, {"20m", 20 << 20},
		{"20MiB", 20 << 20}, {"20MB", 20000000}, {"7kB", 7000}, {"7KB", 7000},
		{"2GiB", 2ull << 30}, {"3T", 3ull << 40}, {"1P", 1ull << 50}, {"7E", 7ull << 60},
		{"9EB", 9000000000000000000}, {"0E", 0},
		{"00000000000000000000000000001M", 1 << 20},
		{"9223372036854775807", INT64_MAX},
		/* Fractions, rounded up to sectors. */
		{"1.5M", 1572864}, {"1.25GiB", 1342177280}, {"2.5KB", 2560}, {"0.5K", 512},
		{"0.0000001K", 512}, {"1.3G", 1395864576}, {"1.0K", 1024}, {"1.000KB", 1000},
		{"0.999999999999999999E", 1ull << 60},
		{"7.999E", 9222219115350169088},
	};
	uint64_t n;

	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		int r = size_parse(good[i].text, &n);

		if (r || n != good[i].size)
			test_fail(__FILE__, __LINE__, "%s: %d, %" PRIu64, good[i].text, r, n);
	}
}

static void refused(const char *const *text, int error)
{
	for (; *text; text++) {
		uint64_t n = 77;

		if (size_parse(*text, &n) != error || n != 77)
			test_fail(__FILE__, __LINE__, "\"%s\" is not refused with %d", *text, error);
	}
}

static void mistakes_are_refused(void)
{
	static const char *const wrong[] = {
		"", " ", "M", "-1", "+5", "-1M", " 1", "1 ", "1 G", "1X", "1KK", "1MM", "1Ki",
		"1iB", "1kb", "1Mb", "1bB", "1S", "1ss", "0x10", "1e6", "nan", "inf", "1,5G",
		"1_000", "1\n", "\xd9\xa1G",
		"1.", "1.G", ".5G", "1.5", "1.5s", "1.5b", "1.1.1G", "1.5.K", "-0.5K",
		/* More decimals than are read. */
		"0.1234567890123456789G",
		NULL
	};
	static const char *const large[] = {
		"8E", "8.0E", "8192P", "99999999999999P", "9223372036854775808",
		"18446744073709551615", "18446744073709551616", "99999999999999999999",
		"9999999999999999999999E", "18446744073709551615.9E", "9.3EB",
		"9223372036854775807.5K", NULL
	};

	refused(wrong, -EINVAL);
	refused(large, -ERANGE);
	CHECK(strstr(size_fault(-EINVAL), "a size is") != NULL);
	CHECK(strstr(size_fault(-ERANGE), "too large") != NULL);
}

static void sizes_are_written(void)
{
	static const struct { uint64_t size; const char *text; } all[] = {
		{0, "0"}, {1, "1"}, {1023, "1023"}, {1024, "1.0K"}, {1536, "1.5K"},
		{1048575, "1023.9K"}, {1048576, "1.0M"}, {209715199, "199.9M"},
		{20 << 20, "20.0M"}, {1ull << 40, "1.0T"}, {INT64_MAX, "7.9E"},
		{UINT64_MAX, "15.9E"}, {(1ull << 60) - 1, "1023.9P"},
	};
	char text[SIZE_TEXT];

	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		CHECK_STR(size_format(all[i].size, text), all[i].text);
}

int main(void)
{
	sizes_are_understood();
	mistakes_are_refused();
	sizes_are_written();
	return 0;
}
