/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text as partition tables hold it, made fit for a terminal and for JSON: UTF-8, no control
 * characters. What cannot be converted becomes U+FFFD.
 */
#include "bytes.h"
#include "partitions.h"

#include <stdio.h>

#define REPLACEMENT 0xfffd

struct writer {
	char *out;
	size_t left;	/* with the terminator */
};

/* Controls, and what reorders the text around it: a name must not draw what it likes. */
static bool unprintable(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff;
}

/* False when there is no more room: a character is written whole or not at all. */
static bool put_char(struct writer *w, uint32_t c)
{
	uint8_t b[4];
	size_t n;

	if (unprintable(c))
		c = REPLACEMENT;
	if (c < 0x80) {
		b[0] = c;
		n = 1;
	} else if (c < 0x800) {
		b[0] = 0xc0 | c >> 6;
		b[1] = 0x80 | (c & 0x3f);
		n = 2;
	} else if (c < 0x10000) {
		b[0] = 0xe0 | c >> 12;
		b[1] = 0x80 | (c >> 6 & 0x3f);
		b[2] = 0x80 | (c & 0x3f);
		n = 3;
	} else {
		b[0] = 0xf0 | c >> 18;
		b[1] = 0x80 | (c >> 12 & 0x3f);
		b[2] = 0x80 | (c >> 6 & 0x3f);
		b[3] = 0x80 | (c & 0x3f);
		n = 4;
	}
	if (n >= w->left)
		return false;
	memcpy(w->out, b, n);
	w->out += n;
	w->left -= n;
	return true;
}

void text_guid(const uint8_t *guid, char *out)
{
	snprintf(out, GUID_TEXT, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 le32(guid), le16(guid + 4), le16(guid + 6), guid[8], guid[9], guid[10], guid[11],
		 guid[12], guid[13], guid[14], guid[15]);
}

void text_utf16(const uint8_t *units, size_t count, char *out, size_t room)
{
	struct writer w = { out, room };

	for (size_t i = 0; i < count; i++) {
		uint32_t c = le16(units + 2 * i);

		if (!c)
			break;
		if (c >= 0xd800 && c < 0xdc00 && i + 1 < count) {
			uint32_t low = le16(units + 2 * (i + 1));

			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				i++;
			}
		}
		if (!put_char(&w, c))
			break;
	}
	*w.out = 0;
}

/* Mac OS Roman from 0x80 on (Apple's table; 0xf0 is the apple, which Unicode has privately). */
static const uint16_t macroman[128] = {
	0x00c4, 0x00c5, 0x00c7, 0x00c9, 0x00d1, 0x00d6, 0x00dc, 0x00e1,
	0x00e0, 0x00e2, 0x00e4, 0x00e3, 0x00e5, 0x00e7, 0x00e9, 0x00e8,
	0x00ea, 0x00eb, 0x00ed, 0x00ec, 0x00ee, 0x00ef, 0x00f1, 0x00f3,
	0x00f2, 0x00f4, 0x00f6, 0x00f5, 0x00fa, 0x00f9, 0x00fb, 0x00fc,
	0x2020, 0x00b0, 0x00a2, 0x00a3, 0x00a7, 0x2022, 0x00b6, 0x00df,
	0x00ae, 0x00a9, 0x2122, 0x00b4, 0x00a8, 0x2260, 0x00c6, 0x00d8,
	0x221e, 0x00b1, 0x2264, 0x2265, 0x00a5, 0x00b5, 0x2202, 0x2211,
	0x220f, 0x03c0, 0x222b, 0x00aa, 0x00ba, 0x03a9, 0x00e6, 0x00f8,
	0x00bf, 0x00a1, 0x00ac, 0x221a, 0x0192, 0x2248, 0x2206, 0x00ab,
	0x00bb, 0x2026, 0x00a0, 0x00c0, 0x00c3, 0x00d5, 0x0152, 0x0153,
	0x2013, 0x2014, 0x201c, 0x201d, 0x2018, 0x2019, 0x00f7, 0x25ca,
	0x00ff, 0x0178, 0x2044, 0x20ac, 0x2039, 0x203a, 0xfb01, 0xfb02,
	0x2021, 0x00b7, 0x201a, 0x201e, 0x2030, 0x00c2, 0x00ca, 0x00c1,
	0x00cb, 0x00c8, 0x00cd, 0x00ce, 0x00cf, 0x00cc, 0x00d3, 0x00d4,
	0xf8ff, 0x00d2, 0x00da, 0x00db, 0x00d9, 0x0131, 0x02c6, 0x02dc,
	0x00af, 0x02d8, 0x02d9, 0x02da, 0x00b8, 0x02dd, 0x02db, 0x02c7,
};

/* One character of UTF-8, or 0 if there is none in valid, shortest form. */
static size_t utf8_char(const uint8_t *b, size_t len, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = b[0] < 0x80 ? 1 : b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : b[0] >= 0xc0 ? 2 : 0;

	if (!n || n > len || b[0] > 0xf4)
		return 0;
	*c = n == 1 ? b[0] : b[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (b[i] & 0x3f);
	}
	return *c < least[n] ? 0 : n;
}

static bool is_utf8(const uint8_t *bytes, size_t len)
{
	uint32_t c;
	size_t n;

	for (size_t i = 0; i < len && bytes[i]; i += n) {
		n = utf8_char(bytes + i, len - i, &c);
		if (!n)
			return false;
	}
	return true;
}

/* Text that happens to be valid UTF-8 and is Mac OS Roman all the same is not found in practice. */
void text_macroman(const uint8_t *bytes, size_t len, char *out, size_t room)
{
	struct writer w = { out, room };
	bool utf8 = is_utf8(bytes, len);
	size_t n = 1;

	for (size_t i = 0; i < len && bytes[i]; i += n) {
		uint32_t c = bytes[i] < 0x80 ? bytes[i] : macroman[bytes[i] - 0x80];

		if (utf8)
			n = utf8_char(bytes + i, len - i, &c);
		if (!put_char(&w, c))
			break;
	}
	*w.out = 0;
}
