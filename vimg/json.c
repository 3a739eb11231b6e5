/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json.c - see json.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "text.h"

static void *have(void *pointer)
{
	if (pointer)
		return pointer;
	say("out of memory");
	exit(STATUS_FAILED);
}

struct json_object *json_object_made(void)
{
	return have(json_object_new_object());
}

struct json_object *json_array_made(void)
{
	return have(json_object_new_array());
}

void json_put(struct json_object *object, const char *key, struct json_object *value)
{
	if (json_object_object_add(object, key, value))
		have(NULL);
}

void json_append(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, value))
		have(NULL);
}

struct json_object *json_text(const char *text)
{
	CLEANUP_FREE char *clean = NULL;

	if (!text)
		return NULL;
	clean = have(malloc(TEXT_CLEAN_ROOM(strlen(text))));
	return have(json_object_new_string(text_clean(clean, text, false)));
}

void json_put_text(struct json_object *object, const char *key, const char *text)
{
	json_put(object, key, json_text(text));
}

void json_put_number(struct json_object *object, const char *key, uint64_t n)
{
	json_put(object, key, have(json_object_new_uint64(n)));
}

void json_put_bool(struct json_object *object, const char *key, bool yes)
{
	json_put(object, key, have(json_object_new_boolean(yes)));
}

void json_put_uuid(struct json_object *object, const char *key, const struct vd_uuid *id)
{
	char text[VD_UUID_TEXT];

	json_put_text(object, key, vd_uuid_is_null(id) ? NULL : vd_uuid_format(id, text));
}

void json_print(struct json_object *object)
{
	puts(have((void *)json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
			JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)));
	json_object_put(object);
}
