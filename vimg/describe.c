/* SPDX-License-Identifier: GPL-2.0-or-later */
/* describe.c - see describe.h. The keys are those of vimg-mount --list --json. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "describe.h"
#include "size.h"

#define LABEL_WIDTH 15

/* ----------------------------------------------------------------------------------- for people */

void print_field(const char *label, const char *value)
{
	CLEANUP_FREE char *clean = printable(value);
	int width = LABEL_WIDTH - (int)strlen(label) - 1;

	if (clean)
		printf("%s:%*s%s\n", label, width, "", clean);
}

void print_size(const char *label, uint64_t bytes)
{
	char text[64], human[SIZE_TEXT];

	if (bytes < 1024)
		snprintf(text, sizeof(text), "%" PRIu64 " bytes", bytes);
	else
		snprintf(text, sizeof(text), "%s (%" PRIu64 " bytes)", size_format(bytes, human),
			 bytes);
	print_field(label, text);
}

static void print_uuid(const char *label, const struct vd_uuid *id)
{
	char text[VD_UUID_TEXT];

	if (!vd_uuid_is_null(id))
		print_field(label, vd_uuid_format(id, text));
}

static void print_parent(const struct vd_image_info *info, const char *parent)
{
	if (!info->has_parent)
		return;
	print_field("Parent", parent);
	print_uuid("Parent UUID", &info->parent);
	print_field("Parent name", info->parent_path);
	if (parent && info->parent_unverified)
		print_field("Note", "the parent has no id, so it is taken on trust");
	if (info->parent_modified)
		print_field("Note", "the parent was changed after this image was made on it");
}

void print_image(const struct vd_image_info *info, const char *parent)
{
	char format[64];

	snprintf(format, sizeof(format), "%s, %s", info->format, info->variant);
	print_field("Image", info->path);
	print_field("Format", format);
	print_size("Virtual size", info->virtual_size);
	print_size("File size", info->file_size);
	print_size("Allocated", info->allocated);
	if (info->block_size)
		print_size("Block size", info->block_size);
	print_uuid("UUID", &info->uuid);
	print_uuid("Modification", &info->modification);
	print_parent(info, parent);
	print_field("Comment", info->comment && *info->comment ? info->comment : NULL);
	print_field("Warning", info->warning);
}

/* --------------------------------------------------------------------------------- for programs */

struct json_object *json_image(const struct vd_image_info *info)
{
	struct json_object *o = json_object_made();

	json_put_text(o, "path", info->path);
	json_put_text(o, "format", info->format);
	json_put_text(o, "variant", info->variant);
	json_put_uuid(o, "uuid", &info->uuid);
	json_put_uuid(o, "parent-uuid", &info->parent);
	json_put_text(o, "parent-path", info->parent_path);
	json_put_number(o, "virtual-size", info->virtual_size);
	json_put_number(o, "file-size", info->file_size);
	json_put_number(o, "allocated", info->allocated);
	if (info->block_size)
		json_put_number(o, "block-size", info->block_size);
	else
		json_put(o, "block-size", NULL);
	json_put_uuid(o, "modification-uuid", &info->modification);
	json_put_uuid(o, "parent-modification-uuid", &info->parent_modification);
	json_put_bool(o, "has-parent", info->has_parent);
	json_put_bool(o, "parent-unverified", info->parent_unverified);
	json_put_bool(o, "parent-modified", info->parent_modified);
	json_put_text(o, "comment", info->comment);
	json_put_text(o, "warning", info->warning);
	return o;
}

struct json_object *json_disk(struct vd_disk *disk, const char *path, const char *note)
{
	struct json_object *o = json_object_made(), *chain = json_array_made();
	struct json_object *warnings = json_array_made();
	struct vd_image_info info;
	int r = vd_image_info(disk, 0, &info);

	json_put_text(o, "image", path);
	if (!r) {
		json_put_text(o, "format", info.format);
		json_put_text(o, "variant", info.variant);
		json_put_uuid(o, "uuid", &info.uuid);
	}
	json_put_number(o, "virtual-size", vd_size(disk));
	for (unsigned i = 0; !r && i < vd_depth(disk); i++) {
		r = vd_image_info(disk, i, &info);
		if (r)
			break;
		json_append(chain, json_image(&info));
		if (info.warning)
			json_append(warnings, json_text(info.warning));
	}
	if (note)
		json_append(warnings, json_text(note));
	json_put(o, "chain", chain);
	json_put_bool(o, "chain-complete", !r && !info.has_parent);
	json_put(o, "warnings", warnings);
	if (!r)
		return o;
	say("%s: %s", path, strerror(-r));
	json_object_put(o);
	return NULL;
}
