/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Apple partition map ("Inside Macintosh: Devices", SCSI Manager). Big-endian.
 *
 *	block 0		"ER", block size at 2: the driver descriptor
 *	block 1..n	"PM", number of map entries at 4, start at 8, blocks at 12, name at 16,
 *			type at 48, status at 88: one entry each, the first is the map itself
 *
 * CDs may state blocks of 2048 bytes and yet hold a map of 512-byte ones; what is there decides.
 * Limits: 256 entries; the processor-specific boot fields are ignored.
 */
#include "bytes.h"
#include "checked.h"
#include "partitions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#define MAX_ENTRIES 256
#define STATUS_BOOTABLE 8

/* Free space that has an entry, or what never held anything. */
static bool is_free(const char *type)
{
	static const char *const names[] = {
		"Apple_Free", "Apple_Void", "Apple_Scratch", "Apple_Extra",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcasecmp(type, names[i]))
			return true;
	return false;
}

/* The block that holds entry `number`, in units of `block` bytes. False: not a map entry. */
static bool read_entry(struct probe *p, uint32_t block, unsigned number, uint8_t entry[512])
{
	return !pt_read(p, entry, 512, (uint64_t)number * block) && be16(entry) == 0x504d;
}

/* The first entry describes the map. */
static bool is_map(const uint8_t entry[512])
{
	return !strncasecmp((const char *)entry + 48, "Apple_partition_map", 32);
}

/*
 * The block size for which block 1 holds the first entry, which is then in `entry`, or 0. With a
 * larger one than the map's own block 1 may be a later entry, so the content is asked first.
 */
static uint32_t find_block_size(struct probe *p, uint8_t entry[512])
{
	uint32_t stated = be16(p->boot + 2);
	uint32_t sizes[] = { stated, 512 };

	if (!is_power_of_2(stated) || stated < 512 || stated > 4096)
		sizes[0] = 512;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (read_entry(p, sizes[i], 1, entry) && is_map(entry))
			return sizes[i];
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (read_entry(p, sizes[i], 1, entry))
			return sizes[i];
	return 0;
}

static int add_entry(struct probe *p, const uint8_t *entry, unsigned number)
{
	struct fs_partition part = {
		.number = number,
		.start = be32(entry + 8),
		.sectors = be32(entry + 12),
		.attributes = be32(entry + 88),
	};
	const char *type;

	text_macroman(entry + 16, 32, part.name, sizeof(part.name));
	text_macroman(entry + 48, 32, part.type_id, sizeof(part.type_id));
	if (is_free(part.type_id))
		return 0;
	part.bootable = part.attributes & STATUS_BOOTABLE;
	type = type_of_apm(part.type_id);
	snprintf(part.type, sizeof(part.type), "%s", type ? type : "Unknown");
	return pt_add(p, &part);
}

int apm_read(struct probe *p)
{
	uint8_t entry[512];
	uint32_t block, count;

	if (be16(p->boot) != 0x4552)
		return 0;
	block = find_block_size(p, entry);
	if (!block)
		return 0;
	p->out->kind = FS_TABLE_APM;
	p->out->name = "apm";
	p->out->sector_size = block;
	count = be32(entry + 4);
	if (count > MAX_ENTRIES) {
		pt_warn(p, "The Apple partition map says that it has %" PRIu32 " entries: only the "
			"first %d are read.", count, MAX_ENTRIES);
		count = MAX_ENTRIES;
	}
	for (unsigned i = 1; i <= count; i++) {
		int r;

		if (!read_entry(p, block, i, entry)) {
			pt_warn(p, "The Apple partition map says that it has %" PRIu32 " entries, but "
				"number %u is not one: the map ends there.", count, i);
			break;
		}
		r = add_entry(p, entry, i);
		if (r < 0)
			return r;
	}
	return 1;
}
