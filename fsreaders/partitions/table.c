/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fs_table_read(): which kind of partition table is on a disk, and what all readers need.
 */
#include "checked.h"
#include "partitions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The first that says yes has it. GPT comes before MBR because a GPT disk has an MBR too; an MBR
 * without partitions comes last because a boot sector may sit over the other two.
 */
static int (*const readers[])(struct probe *) = {
	gpt_read,
	mbr_read,
	apm_read,
	bsd_read,
	mbr_read_empty,
};

int pt_read(struct probe *p, void *buf, size_t len, uint64_t offset)
{
	if (!len)
		return 0;
	if (!range_in(offset, len, p->src->size))
		return -EUCLEAN;
	return p->src->pread(p->src, buf, len, offset);
}

int pt_read_sector(struct probe *p, void *buf, size_t len, uint64_t lba, uint32_t sector_size)
{
	uint64_t offset;

	if (!mul_u64(lba, sector_size, &offset))
		return -EUCLEAN;
	return pt_read(p, buf, len, offset);
}

void pt_warn(struct probe *p, const char *format, ...)
{
	static const char more[] = "\nThere is more that is not as it should be.";
	char *text = p->out->warnings;
	size_t used = strlen(text);
	size_t room = sizeof(p->out->warnings) - sizeof(more) - used;
	char line[400];
	va_list args;
	int len;

	/* Once the last line stands there, nothing follows it. */
	if (used > sizeof(more) && !strcmp(text + used - (sizeof(more) - 1), more))
		return;
	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len < 0)
		return;
	if (strlen(line) + 2 > room)
		strcat(text, more);
	else
		sprintf(text + used, "%s%s", used ? "\n" : "", line);
}

static int make_room(struct probe *p)
{
	size_t room = p->room ? p->room * 2 : 16;
	struct fs_partition *part;

	if (p->out->count < p->room)
		return 0;
	part = reallocarray(p->out->part, room, sizeof(*part));
	if (!part)
		return -ENOMEM;
	p->out->part = part;
	p->room = room;
	return 0;
}

int pt_add(struct probe *p, const struct fs_partition *part)
{
	uint32_t unit = p->out->sector_size;
	uint64_t offset, length, end;
	struct fs_partition *new;
	int r;

	if (!part->sectors) {
		pt_warn(p, "Partition %u (%s) has size 0: left out.", part->number, part->type);
		return 0;
	}
	if (!mul_u64(part->start, unit, &offset) || offset >= p->src->size) {
		pt_warn(p, "Partition %u begins at sector %" PRIu64 ", after the end of the disk "
			"(%" PRIu64 " sectors of %" PRIu32 " bytes): left out.", part->number,
			part->start, p->src->size / unit, unit);
		return 0;
	}
	if (p->out->count >= PT_MAX_PARTITIONS) {
		pt_warn(p, "There are more than %d partitions: the others are left out.",
			PT_MAX_PARTITIONS);
		return 0;
	}
	r = make_room(p);
	if (r < 0)
		return r;

	new = &p->out->part[p->out->count++];
	*new = *part;
	new->offset = offset;
	if (mul_u64(part->sectors, unit, &length) && add_u64(offset, length, &end) &&
	    end <= p->src->size) {
		new->size = length;
		return 0;
	}
	new->size = p->src->size - offset;
	new->past_end = true;
	/* A protective entry says "all of it and more" on purpose. */
	if (strcmp(new->type_id, "0xee"))
		pt_warn(p, "Partition %u ends after the disk does: sectors %" PRIu64 " to %" PRIu64
			" of %" PRIu64 " are missing.", part->number, p->src->size / unit,
			part->start + part->sectors - 1, p->src->size / unit);
	return 0;
}

void pt_clear(struct probe *p)
{
	fs_table_free(p->out);
	p->room = 0;
}

const uint32_t *pt_sector_sizes(const struct probe *p, uint32_t only[2])
{
	static const uint32_t all[] = { 512, 4096, 2048, 1024, 0 };

	if (!p->wanted)
		return all;
	only[0] = p->wanted;
	only[1] = 0;
	return only;
}

__attribute__((format(printf, 3, 4)))
static int fail(struct fs_error *err, int code, const char *format, ...)
{
	va_list args;

	if (err) {
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
	}
	return code;
}

int fs_table_read(struct fs_source *src, uint32_t sector_size, struct fs_table *out,
		  struct fs_error *err)
{
	struct probe p = { .src = src, .out = out, .wanted = sector_size };
	int r;

	*out = (struct fs_table) {
		.kind = FS_TABLE_NONE,
		.name = "none",
		.sector_size = sector_size ? sector_size : 512,
	};
	if (sector_size &&
	    (!is_power_of_2(sector_size) || sector_size < 512 || sector_size > 4096))
		return fail(err, -EINVAL, "The sector size %" PRIu32 " is not one of 512, 1024, 2048 "
			    "and 4096 bytes.", sector_size);
	if (src->size < sizeof(p.boot))
		return 0;
	r = pt_read(&p, p.boot, sizeof(p.boot), 0);
	if (r < 0)
		return fail(err, r, "The first sector, where a partition table would be, cannot be "
			    "read: %s.", strerror(-r));
	mbr_parse(p.boot, &p.mbr);
	p.content = content_name(src, 0);

	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		r = readers[i](&p);
		if (r < 0) {
			fs_table_free(out);
			return fail(err, r, "The partition table cannot be read: %s.", strerror(-r));
		}
		if (r > 0)
			break;
	}
	return 0;
}

void fs_table_free(struct fs_table *table)
{
	free(table->part);
	table->part = NULL;
	table->count = 0;
}
