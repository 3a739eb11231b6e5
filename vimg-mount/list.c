/* SPDX-License-Identifier: GPL-2.0-or-later */
/* list.c - vimg-mount --list, in the layout of VirtualBox's manual. */
#include "list.h"
#include "cleanup.h"
#include "image.h"
#include "options.h"
#include "say.h"
#include "size.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *uuid_text(const struct vd_uuid *id, char *out)
{
	if (vd_uuid_is_null(id))
		return strcpy(out, "none");
	return vd_uuid_format(id, out);
}

/* Names and comments are somebody else's, and a terminal obeys what it gets. */
static void print_text(const char *before, const char *text, const char *after)
{
	CLEANUP_FREE char *clean = malloc(TEXT_CLEAN_ROOM(strlen(text)));

	printf("%s%s%s", before, clean ? text_clean(clean, text, true) : "?", after);
}

static void print_verbose(const struct vd_image_info *info)
{
	char id[VD_UUID_TEXT], size[SIZE_TEXT];

	printf("         Format: %s, %s\n", info->format, info->variant);
	printf("         Size:   %s (%" PRIu64 " bytes)", size_format(info->virtual_size, size),
	       info->virtual_size);
	printf(", %s on the host\n", size_format(info->allocated, size));
	printf("         UUID:   %s\n", uuid_text(&info->uuid, id));
	if (info->has_parent)
		printf("         Parent: %s\n", uuid_text(&info->parent, id));
	if (info->comment)
		print_text("         Note:   ", info->comment, "\n");
}

/* The base, then what lies above it up to the image that was asked for. */
static void print_chain(struct image *image, bool verbose)
{
	char id[VD_UUID_TEXT];
	struct vd_image_info info;
	unsigned depth = vd_depth(image->disk);

	printf("\nVirtual disk image:\n\n");
	for (unsigned level = depth; level-- > 0;) {
		if (vd_image_info(image->disk, level, &info) < 0)
			continue;
		print_text(level == depth - 1 ? "   Path: " : "   Diff: ", info.path, "\n");
		if (verbose)
			print_verbose(&info);
	}
	if (vd_image_info(image->disk, 0, &info) == 0)
		printf("   UUID: %s\n", uuid_text(&info.uuid, id));
}

static void print_note(void *opaque, const char *text)
{
	(void)opaque;
	print_text("   Note: ", text, "\n");
}

static int digits(uint64_t n)
{
	return snprintf(NULL, 0, "%" PRIu64, n);
}

/* Column widths: those of the manual, more where the numbers need it. */
struct widths {
	int number, start, sectors, offset;
};

static void widen(int *width, uint64_t n, int gap)
{
	if (digits(n) + gap > *width)
		*width = digits(n) + gap;
}

static struct widths measure(const struct fs_table *table)
{
	struct widths w = { .number = 2, .start = 10, .sectors = 10, .offset = 13 };

	for (size_t i = 0; i < table->count; i++) {
		const struct fs_partition *part = &table->part[i];

		widen(&w.number, part->number, 1);
		widen(&w.start, part->start, 2);
		widen(&w.sectors, part->sectors, 2);
		widen(&w.offset, part->offset, 2);
	}
	return w;
}

static void print_partition(const struct fs_partition *part, size_t volume, const struct widths *w,
			    bool wide)
{
	char size[SIZE_TEXT];

	printf("%*u%*" PRIu64 "%*" PRIu64 "%9s%*" PRIu64 "  ", w->number, part->number, w->start,
	       part->start, w->sectors, part->sectors, size_format(part->size, size), w->offset,
	       part->offset);
	if (!wide) {
		printf("%s\n", part->type);
		return;
	}
	printf("vol%-5zu %-4s  %-36s  %s", volume, part->bootable ? "*" : "", part->type_id,
	       part->type);
	if (*part->name)
		print_text("  \"", part->name, "\"");
	putchar('\n');
}

static void print_table(const struct fs_table *table, bool wide)
{
	struct widths w = measure(table);

	if (table->kind == FS_TABLE_NONE) {
		printf("   (no partition table)\n");
		return;
	}
	printf("%*s%*s%*s%9s%*s  %sType\n", w.number, "#", w.start, "Start", w.sectors, "Sectors",
	       "Size", w.offset, "Offset",
	       wide ? "Volume   Boot  Type id                               " : "");
	for (size_t i = 0; i < table->count; i++)
		print_partition(&table->part[i], i, &w, wide);
	if (!table->count)
		printf("   (no partitions)\n");
}

static int list_opened(const struct options *o, struct image *image)
{
	if (image->table_status < 0) {
		say("%s: the partition table cannot be read: %s", o->image,
		    *image->table_error.text ? image->table_error.text :
		    strerror(-image->table_status));
		return STATUS_FAILED;
	}
	if (o->json)
		return list_json(image) == 0 ? STATUS_OK : STATUS_FAILED;
	print_chain(image, o->verbose);
	image_notes(image, print_note, NULL);
	if (o->verbose)
		printf("   Table: %s, %" PRIu32 "-byte sectors\n", image->table.name,
		       image->table.sector_size);
	putchar('\n');
	print_table(&image->table, o->verbose || o->wide);
	return STATUS_OK;
}

int list_image(const struct options *o)
{
	struct image image;
	int status = STATUS_FAILED;

	if (image_open(o, &image) == 0)
		status = list_opened(o, &image);
	image_close(&image);
	return status;
}
