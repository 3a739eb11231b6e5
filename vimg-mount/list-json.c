/* SPDX-License-Identifier: GPL-2.0-or-later */
/* list-json.c - vimg-mount --list --json. Sizes and offsets are bytes; keys do not change. */
#include "image.h"
#include "list.h"
#include "say.h"
#include "text.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A listing for which there is no memory ends here: nothing was printed, nothing was written. */
static void *have(void *pointer)
{
	if (pointer)
		return pointer;
	say("there is no memory left");
	exit(STATUS_FAILED);
}

/* File names are bytes, JSON strings are not: what is no UTF-8 becomes U+FFFD. */
static struct json_object *string(const char *text)
{
	char *clean = have(malloc(TEXT_CLEAN_ROOM(strlen(text))));
	struct json_object *json = have(json_object_new_string(text_clean(clean, text, false)));

	free(clean);
	return json;
}

/* Takes the value; NULL is JSON's null. */
static void put(struct json_object *object, const char *key, struct json_object *value)
{
	if (json_object_object_add(object, key, value))
		have(NULL);
}

static void put_text(struct json_object *object, const char *key, const char *text)
{
	put(object, key, string(text));
}

static void put_number(struct json_object *object, const char *key, uint64_t n)
{
	put(object, key, have(json_object_new_uint64(n)));
}

static void put_bool(struct json_object *object, const char *key, bool yes)
{
	put(object, key, have(json_object_new_boolean(yes)));
}

static void put_uuid(struct json_object *object, const char *key, const struct vd_uuid *id)
{
	char text[VD_UUID_TEXT];

	put(object, key, vd_uuid_is_null(id) ? NULL : string(vd_uuid_format(id, text)));
}

static void append(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, value))
		have(NULL);
}

static struct json_object *chain(struct image *image)
{
	struct json_object *array = have(json_object_new_array());
	struct vd_image_info info;

	for (unsigned level = 0; level < vd_depth(image->disk); level++) {
		struct json_object *link;

		if (vd_image_info(image->disk, level, &info) < 0)
			continue;
		link = have(json_object_new_object());
		put_text(link, "path", info.path);
		put_text(link, "format", info.format);
		put_text(link, "variant", info.variant);
		put_uuid(link, "uuid", &info.uuid);
		put_uuid(link, "parent-uuid", &info.parent);
		put_number(link, "virtual-size", info.virtual_size);
		put_number(link, "allocated", info.allocated);
		put_bool(link, "parent-unverified", info.parent_unverified);
		put_bool(link, "parent-modified", info.parent_modified);
		append(array, link);
	}
	return array;
}

static struct json_object *partitions(const struct fs_table *table)
{
	struct json_object *array = have(json_object_new_array());
	char volume[24];

	for (size_t i = 0; i < table->count; i++) {
		const struct fs_partition *part = &table->part[i];
		struct json_object *object = have(json_object_new_object());

		snprintf(volume, sizeof(volume), "vol%zu", i);
		put_number(object, "number", part->number);
		put_text(object, "volume", volume);
		put_number(object, "start", part->start);
		put_number(object, "sectors", part->sectors);
		put_number(object, "offset", part->offset);
		put_number(object, "size", part->size);
		put_text(object, "type", part->type);
		put_text(object, "type-id", part->type_id);
		put_bool(object, "bootable", part->bootable);
		put_text(object, "name", part->name);
		put_text(object, "uuid", part->uuid);
		append(array, object);
	}
	return array;
}

static void add_warning(void *opaque, const char *text)
{
	append(opaque, string(text));
}

int list_json(struct image *image)
{
	struct json_object *root = have(json_object_new_object());
	struct json_object *warnings = have(json_object_new_array());
	struct vd_image_info info;
	int status = vd_image_info(image->disk, 0, &info);

	if (status < 0)
		return status;
	put_text(root, "image", image->path);
	put_text(root, "format", info.format);
	put_uuid(root, "uuid", &info.uuid);
	put_number(root, "virtual-size", vd_size(image->disk));
	put_number(root, "sector-size", image->table.sector_size);
	put(root, "chain", chain(image));
	put_text(root, "table", image->table.name);
	put(root, "partitions", partitions(&image->table));
	image_notes(image, add_warning, warnings);
	put(root, "warnings", warnings);
	puts(have((void *)json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
			JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)));
	json_object_put(root);
	return 0;
}
