/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-locator.c - how a differencing VHD names its parent.
 *
 * A locator's text may be a Windows path, a path of the host (VirtualBox on Linux writes those), or
 * a file: URL. All become paths in the host's form: a drive letter is dropped, since the search for
 * parents trusts a recorded path only below folders that it knows and else takes the last part.
 * What is no valid Unicode is treated as if it were not there.
 */
#include "formats/vhd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"
#include "cleanup.h"

/* --------------------------------------------------------------------------------- characters */

static unsigned utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static char *from_utf16(const uint8_t *text, uint32_t length, bool big_endian)
{
	uint32_t units = length / 2;
	CLEANUP_FREE char *out = malloc((size_t)units * 3 + 1);
	size_t n = 0;

	if (!out)
		return NULL;
	for (uint32_t i = 0; i < units; i++) {
		uint32_t c = big_endian ? be16(text + i * 2) : le16(text + i * 2), low;

		if (!c)
			break;
		if (c >= 0xdc00 && c < 0xe000)
			return NULL;
		if (c >= 0xd800 && c < 0xdc00) {
			if (++i == units)
				return NULL;
			low = big_endian ? be16(text + i * 2) : le16(text + i * 2);
			if (low < 0xdc00 || low >= 0xe000)
				return NULL;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		}
		n += utf8_put(out + n, c);
	}
	out[n] = '\0';
	return TAKE_PTR(out);
}

/* One character; *length: its bytes. UINT32_MAX: invalid. */
static uint32_t utf8_get(const uint8_t *p, unsigned *length)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 :
		     p[0] >> 3 == 30 ? 4 : 0;
	uint32_t c;

	if (!n)
		return UINT32_MAX;
	c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if (p[i] >> 6 != 2) /* also the end of the string */
			return UINT32_MAX;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return UINT32_MAX;
	*length = n;
	return c;
}

int vhd_utf16(const char *text, bool big_endian, uint8_t *out, uint32_t size)
{
	void (*put)(void *, uint16_t) = big_endian ? put_be16 : put_le16;
	const uint8_t *p = (const uint8_t *)text;
	uint32_t n = 0, c;
	unsigned length;

	for (; *p; p += length) {
		c = utf8_get(p, &length);
		if (c == UINT32_MAX)
			return -EILSEQ;
		if (size - n < (c < 0x10000 ? 2 : 4))
			return -ENAMETOOLONG;
		if (c < 0x10000) {
			put(out + n, (uint16_t)c);
			n += 2;
			continue;
		}
		c -= 0x10000;
		put(out + n, (uint16_t)(0xd800 + (c >> 10)));
		put(out + n + 2, (uint16_t)(0xdc00 + (c & 0x3ff)));
		n += 4;
	}
	return (int)n;
}

/* Bytes of whoever wrote them: UTF-8 if they can be that, else taken as Latin-1. */
static char *from_bytes(const uint8_t *text, uint32_t length)
{
	CLEANUP_FREE char *out = malloc((size_t)length * 2 + 1);
	size_t n = 0;
	unsigned step;
	const uint8_t *p;

	if (!out)
		return NULL;
	memcpy(out, text, length);
	out[length] = '\0';
	for (p = (const uint8_t *)out; *p; p += step)
		if (utf8_get(p, &step) == UINT32_MAX)
			break;
	if (!*p)
		return TAKE_PTR(out);
	for (uint32_t i = 0; i < length && text[i]; i++)
		n += utf8_put(out + n, text[i]);
	out[n] = '\0';
	return TAKE_PTR(out);
}

/* -------------------------------------------------------------------------------------- paths */

static bool is_drive(const char *s)
{
	return ((s[0] >= 'A' && s[0] <= 'Z') || (s[0] >= 'a' && s[0] <= 'z')) && s[1] == ':' &&
	       (s[2] == '\\' || s[2] == '/');
}

/* In place: it only gets shorter. A backslash is a letter in a path that uses slashes. */
static void to_host_form(char *path)
{
	const char *from = path;

	if (!strncmp(from, "\\\\?\\", 4))
		from += 4;
	if (is_drive(from))
		from += 2;
	else if (strchr(from, '/'))
		return;
	memmove(path, from, strlen(from) + 1);
	for (char *p = path; *p; p++)
		if (*p == '\\')
			*p = '/';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* file://host/path, %41 for A; in place. False: no such thing. */
static bool from_url(char *url)
{
	const char *from = url;
	char *to = url;

	if (!strncmp(from, "file:", 5)) {
		from += 5;
		if (from[0] == '/' && from[1] == '/')
			from = strchr(from + 2, '/');
		if (!from)
			return false;
	}
	while (*from) {
		int high = -1, low = -1;

		if (from[0] == '%') {
			high = hex_digit(from[1]);
			low = high < 0 ? -1 : hex_digit(from[2]);
			if (low < 0 || !(high | low))
				return false;
			*to++ = (char)(high << 4 | low);
			from += 3;
			continue;
		}
		*to++ = *from++;
	}
	*to = '\0';
	return true;
}

static char *unless_empty(char *path)
{
	if (path && *path)
		return path;
	free(path);
	return NULL;
}

char *vhd_locator_path(uint32_t code, const uint8_t *text, uint32_t length)
{
	CLEANUP_FREE char *path = NULL;

	switch (code) {
	case VHD_W2RU:
	case VHD_W2KU:
		path = from_utf16(text, length, false);
		break;
	case VHD_WI2R:
	case VHD_WI2K:
		path = from_bytes(text, length);
		break;
	case VHD_MACX:
		path = from_bytes(text, length);
		if (!path || !from_url(path))
			return NULL;
		return unless_empty(TAKE_PTR(path));
	default:
		return NULL;
	}
	if (path)
		to_host_form(path);
	return unless_empty(TAKE_PTR(path));
}

char *vhd_name_path(const uint8_t name[VHD_NAME])
{
	char *path = from_utf16(name, VHD_NAME, true);

	if (path)
		to_host_form(path);
	return unless_empty(path);
}

/* Of two absolute paths. `from` is a folder. */
static char *relative_path(const char *from, const char *to)
{
	size_t common = 0, ups = 0, n = 0;
	char *out;

	for (size_t i = 0;; i++) {
		bool end_from = !from[i] || from[i] == '/', end_to = !to[i] || to[i] == '/';

		if (end_from && end_to)
			common = i;
		if (!from[i] || from[i] != to[i])
			break;
	}
	for (const char *p = from + common; *p; p++)
		ups += p[0] == '/' && p[1];
	out = malloc(ups * 3 + strlen(to + common) + 3);
	if (!out)
		return NULL;
	if (!ups) {
		memcpy(out, ".", 1);
		n = 1;
	}
	for (size_t i = 0; i < ups; i++, n += 2) {
		if (n)
			out[n++] = '/';
		memcpy(out + n, "..", 2);
	}
	if (to[common] != '/')
		out[n++] = '/';
	strcpy(out + n, to + common);
	return out;
}

static char *folder_of(const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);
	char *slash = copy ? strrchr(copy, '/') : NULL;

	if (!copy)
		return NULL;
	if (!slash)
		return realpath(".", NULL);
	slash[slash == copy] = '\0';
	return realpath(copy, NULL);
}

char *vhd_relative_name(const char *child, const char *parent)
{
	CLEANUP_FREE char *folder = folder_of(child);
	CLEANUP_FREE char *target = realpath(parent, NULL);
	char *name;

	if (!folder || !target)
		return NULL;
	if (!strcmp(folder, "/"))
		folder[0] = '\0';
	name = relative_path(folder, target);
	/* Windows' form, which others read, unless that would be ambiguous. */
	if (name && !strchr(name, '\\'))
		for (char *p = name; *p; p++)
			if (*p == '/')
				*p = '\\';
	return name;
}
