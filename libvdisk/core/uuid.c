/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uuid.c - ids, by libuuid, in the textual order of RFC 9562. */
#include <errno.h>
#include <string.h>
#include <uuid.h>

#include "formats/format.h"

bool vd_uuid_is_null(const struct vd_uuid *id)
{
	return uuid_is_null(id->byte);
}

bool vd_uuid_equal(const struct vd_uuid *a, const struct vd_uuid *b)
{
	return !memcmp(a->byte, b->byte, sizeof(a->byte));
}

char *vd_uuid_format(const struct vd_uuid *id, char *text)
{
	uuid_unparse_lower(id->byte, text);
	return text;
}

int vd_uuid_parse(const char *text, struct vd_uuid *id)
{
	char plain[VD_UUID_TEXT];
	size_t n = strlen(text);

	if (n == VD_UUID_TEXT + 1 && text[0] == '{' && text[n - 1] == '}') {
		text++;
		n -= 2;
	}
	if (n != VD_UUID_TEXT - 1)
		return -EINVAL;
	memcpy(plain, text, n);
	plain[n] = '\0';
	return uuid_parse(plain, id->byte) ? -EINVAL : 0;
}

/* The first three fields are little endian in a GUID. */
static void swap_fields(uint8_t out[16], const uint8_t in[16])
{
	static const uint8_t from[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (int i = 0; i < 16; i++)
		out[i] = in[from[i]];
}

void uuid_from_guid(struct vd_uuid *out, const uint8_t guid[16])
{
	swap_fields(out->byte, guid);
}

void uuid_to_guid(uint8_t guid[16], const struct vd_uuid *id)
{
	swap_fields(guid, id->byte);
}

void uuid_fresh(struct vd_uuid *out)
{
	uuid_generate_random(out->byte);
}
