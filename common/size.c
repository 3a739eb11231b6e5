/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* size.c - see size.h. */
#include "size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checked.h"

#define SECTOR 512u

static const char units[] = "KMGTPE";

/* What the rest of a size stands for, or 0. */
static uint64_t unit_of(const char *text)
{
	const char *unit;
	uint64_t base, bytes = 1;

	if (!*text || !strcmp(text, "b") || !strcmp(text, "B"))
		return 1;
	if (!strcmp(text, "s"))
		return SECTOR;
	unit = strchr(units, *text & ~0x20);	/* upper case */
	if (!unit || !*unit)
		return 0;
	text++;
	base = !strcmp(text, "B") ? 1000 : !*text || !strcmp(text, "iB") ? 1024 : 0;
	for (const char *u = units; u <= unit; u++)
		bytes *= base;
	return bytes;
}

/* As many digits as there are; UINT64_MAX for what is more than that. */
static const char *whole_number(const char *text, uint64_t *value)
{
	*value = 0;
	for (; *text >= '0' && *text <= '9'; text++)
		if (!mul_u64(*value, 10, value) || !add_u64(*value, (uint64_t)(*text - '0'), value)) {
			*value = UINT64_MAX;
			return text + strspn(text, "0123456789");
		}
	return text;
}

/* Decimals as value / scale; at most 18, what follows them is left. */
static const char *decimals(const char *text, uint64_t *value, uint64_t *scale)
{
	*value = 0;
	*scale = 1;
	for (; *text >= '0' && *text <= '9' && *scale < UINT64_C(1000000000000000000); text++) {
		*value = *value * 10 + (uint64_t)(*text - '0');
		*scale *= 10;
	}
	return text;
}

int size_parse(const char *text, uint64_t *out)
{
	uint64_t whole, part = 0, scale = 1, unit;
	const char *rest = whole_number(text, &whole);
	unsigned __int128 bytes;

	if (rest == text)
		return -EINVAL;
	if (*rest == '.') {
		rest = decimals(rest + 1, &part, &scale);
		if (scale == 1)
			return -EINVAL;
	}
	unit = unit_of(rest);
	if (!unit || (scale > 1 && unit <= SECTOR))
		return -EINVAL;
	bytes = (unsigned __int128)whole * unit;
	if (part) {
		bytes += ((unsigned __int128)part * unit + scale - 1) / scale;
		bytes = (bytes + SECTOR - 1) / SECTOR * SECTOR;
	}
	if (bytes > INT64_MAX)
		return -ERANGE;
	*out = (uint64_t)bytes;
	return 0;
}

const char *size_fault(int error)
{
	return error == -ERANGE ? "too large; no disk has 8E or more" :
		"a size is a number of bytes or has a unit: 512, 64K, 10M, 1.5G, 2T (powers of "
		"1024)";
}

char *size_format(uint64_t size, char *text)
{
	unsigned shift = 0, unit = 0;

	if (size < 1024) {
		snprintf(text, SIZE_TEXT, "%" PRIu64, size);
		return text;
	}
	for (shift = 10; size >> shift >= 1024; shift += 10)
		unit++;
	snprintf(text, SIZE_TEXT, "%u.%u%c", (unsigned)(size >> shift),
		 (unsigned)((size >> (shift - 10)) % 1024 * 10 / 1024), units[unit]);
	return text;
}
