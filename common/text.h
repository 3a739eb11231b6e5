/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * text.h - text from outside (file names, comments in images) made fit for JSON and for terminals.
 *
 * File names are bytes; JSON strings are UTF-8. A terminal obeys control characters, so that a
 * hostile comment could draw what it likes. What is not fit becomes U+FFFD.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Bytes of the UTF-8 character at `s`, which ends with a NUL; 0 where there is no valid one. */
static inline size_t text_utf8_length(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t n = *u < 0x80 ? 1 : *u >= 0xc2 && *u < 0xe0 ? 2 : *u >= 0xe0 && *u < 0xf0 ? 3 :
		   *u >= 0xf0 && *u < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what is past U+10FFFF. */
	if ((*u == 0xe0 && u[1] < 0xa0) || (*u == 0xed && u[1] > 0x9f) ||
	    (*u == 0xf0 && u[1] < 0x90) || (*u == 0xf4 && u[1] > 0x8f))
		return 0;
	return n;
}

/* Whether a terminal obeys the valid character of n bytes at `s`: C0, DEL, C1, line and paragraph
 * separators, and what reorders the text around it. */
static inline bool text_is_control(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;

	if (n == 1)
		return *u < 0x20 || *u == 0x7f;
	if (n == 2)
		return *u == 0xc2 && u[1] < 0xa0;
	return n == 3 && *u == 0xe2 && ((u[1] == 0x80 && u[2] >= 0xa8 && u[2] <= 0xae) ||
					(u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9));
}

/* Bytes that text_clean() may need for a text of that length, with the NUL. */
#define TEXT_CLEAN_ROOM(length) ((length) * 3 + 1)

/* Valid UTF-8, for a terminal without controls. `out` has room; it is returned. */
static inline char *text_clean(char *out, const char *in, bool terminal)
{
	char *at = out;

	while (*in) {
		size_t n = text_utf8_length(in);
		bool keep = n && !(terminal && text_is_control(in, n));

		memcpy(at, keep ? in : "\xef\xbf\xbd", keep ? n : 3);
		at += keep ? n : 3;
		in += n ? n : 1;
	}
	*at = '\0';
	return out;
}

#endif
