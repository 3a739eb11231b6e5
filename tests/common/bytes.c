/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads and stores give the same bytes in the same order at every alignment. */
#include "bytes.h"
#include "test.h"

static void loads_at(const unsigned char *p)
{
	CHECK_EQ(le16(p), 0x2301);
	CHECK_EQ(le32(p), 0x67452301);
	CHECK_EQ(le64(p), 0xefcdab8967452301);
	CHECK_EQ(be16(p), 0x0123);
	CHECK_EQ(be32(p), 0x01234567);
	CHECK_EQ(be64(p), 0x0123456789abcdef);
}

static void stores_at(unsigned char *p)
{
	put_le16(p, 0x1122);
	CHECK(!memcmp(p, "\x22\x11\xee", 3));
	put_le32(p, 0x11223344);
	CHECK(!memcmp(p, "\x44\x33\x22\x11\xee", 5));
	put_le64(p, 0x1122334455667788);
	CHECK(!memcmp(p, "\x88\x77\x66\x55\x44\x33\x22\x11\xee", 9));
	memset(p, 0xee, 9);
	put_be16(p, 0x1122);
	CHECK(!memcmp(p, "\x11\x22\xee", 3));
	put_be32(p, 0x11223344);
	CHECK(!memcmp(p, "\x11\x22\x33\x44\xee", 5));
	put_be64(p, 0x1122334455667788);
	CHECK(!memcmp(p, "\x11\x22\x33\x44\x55\x66\x77\x88\xee", 9));
}

int main(void)
{
	static const unsigned char bytes[] = { 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	_Alignas(8) unsigned char buf[24];

	for (unsigned at = 0; at < 8; at++) {
		memset(buf, 0xee, sizeof(buf));
		memcpy(buf + at, bytes, sizeof(bytes));
		loads_at(buf + at);
		memset(buf, 0xee, sizeof(buf));
		stores_at(buf + at);
	}
	return 0;
}
