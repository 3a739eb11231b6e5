/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.h - what the verbs print for programs. Keys are kebab-case and do not change, sizes are
 * bytes, UUIDs lower case, and what is not there is null. One object a call of vimg.
 *
 * Where there is no memory the program ends with a message: nothing was printed, nothing is open
 * for writing.
 */
#ifndef VIMG_JSON_H
#define VIMG_JSON_H

#include <json-c/json.h>

#include "vimg.h"

struct json_object *json_object_made(void);
struct json_object *json_array_made(void);
/* All of these take the value over. */
void json_put(struct json_object *object, const char *key, struct json_object *value);
void json_append(struct json_object *array, struct json_object *value);
/* NULL is null; bytes that are no UTF-8 become U+FFFD. */
struct json_object *json_text(const char *text);
void json_put_text(struct json_object *object, const char *key, const char *text);
void json_put_number(struct json_object *object, const char *key, uint64_t n);
void json_put_bool(struct json_object *object, const char *key, bool yes);
void json_put_uuid(struct json_object *object, const char *key, const struct vd_uuid *id);
/* Prints it and frees it. */
void json_print(struct json_object *object);

#endif
