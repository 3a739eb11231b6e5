/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GUID partition table (UEFI specification, chapter 5). Little-endian.
 *
 *	LBA 0		protective MBR: an entry of type 0xee
 *	LBA 1		header: "EFI PART", with a CRC of itself and one of the array
 *	LBA 2...	array of entries
 *	   ...		partitions
 *	last LBA	the backup header, behind its own array
 *
 * A header counts only if both its CRCs are right. The backup counts only behind a protective MBR:
 * without one it is most likely a leftover.
 * Limits: arrays of up to 1 MiB (8192 entries of 128 bytes).
 */
#include "bytes.h"
#include "checked.h"
#include "cleanup.h"
#include "partitions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define HEADER_MIN 92
#define ENTRY_MIN 128
#define ENTRY_MAX 4096
#define ARRAY_MAX (1 << 20)
#define NAME_UNITS 36
#define ATTRIBUTE_LEGACY_BOOT 4

struct gpt {
	uint32_t sector_size;
	uint64_t lba, alternate_lba;	/* of this header, and of the other */
	uint64_t last_usable;
	uint64_t array_lba;
	uint32_t count, entry_size;
	uint32_t array_crc;
	uint8_t guid[16];
	uint8_t *array;
};

/* Why a header does not count: for a person, and whether there is one at all. */
struct verdict {
	bool present;
	char why[160];
};

/* CRC-32 as in zlib, four bits at a time; `crc` is 0 or what the bytes before gave. */
static uint32_t crc32_le(uint32_t crc, const uint8_t *buf, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	crc = ~crc;
	while (len--) {
		crc ^= *buf++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

__attribute__((format(printf, 2, 3)))
static bool refuse(struct verdict *v, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(v->why, sizeof(v->why), format, args);
	va_end(args);
	return false;
}

static bool header_crc_right(const uint8_t *sector, uint32_t size)
{
	static const uint8_t zero[4];
	uint32_t crc;

	crc = crc32_le(0, sector, 16);
	crc = crc32_le(crc, zero, sizeof(zero));
	crc = crc32_le(crc, sector + 20, size - 20);
	return crc == le32(sector + 16);
}

/* A header in a sector of `sector_size` bytes that was read at `lba`. */
static bool header_parse(const uint8_t *sector, uint32_t sector_size, uint64_t lba, struct gpt *g,
			 struct verdict *v)
{
	uint32_t size = le32(sector + 12);

	v->present = !memcmp(sector, "EFI PART", 8);
	if (!v->present)
		return refuse(v, "sector %" PRIu64 " does not hold \"EFI PART\"", lba);
	if (size < HEADER_MIN || size > sector_size)
		return refuse(v, "its header says that it is %" PRIu32 " bytes long, not %d to %"
			      PRIu32, size, HEADER_MIN, sector_size);
	if (!header_crc_right(sector, size))
		return refuse(v, "its header's checksum is wrong");

	*g = (struct gpt) {
		.sector_size = sector_size,
		.lba = le64(sector + 24),
		.alternate_lba = le64(sector + 32),
		.last_usable = le64(sector + 48),
		.array_lba = le64(sector + 72),
		.count = le32(sector + 80),
		.entry_size = le32(sector + 84),
		.array_crc = le32(sector + 88),
	};
	memcpy(g->guid, sector + 56, sizeof(g->guid));
	if (g->lba != lba)
		return refuse(v, "its header says that it is at sector %" PRIu64 ", but it is at %"
			      PRIu64, g->lba, lba);
	if (g->entry_size < ENTRY_MIN || g->entry_size > ENTRY_MAX || !is_power_of_2(g->entry_size))
		return refuse(v, "its entries are %" PRIu32 " bytes long, not a power of two from "
			      "%d to %d", g->entry_size, ENTRY_MIN, ENTRY_MAX);
	if (!g->count || g->count > ARRAY_MAX / g->entry_size)
		return refuse(v, "it has %" PRIu32 " entries, not 1 to %" PRIu32, g->count,
			      ARRAY_MAX / g->entry_size);
	return true;
}

/*
 * Read header and array at `lba`: 1, 0 with the reason in *v, or -ENOMEM. After 0, g->alternate_lba
 * is not 0 if the header itself was good. The array is the caller's to free after 1.
 */
static int gpt_load(struct probe *p, uint32_t sector_size, uint64_t lba, struct gpt *g,
		    struct verdict *v)
{
	uint8_t sector[4096];
	CLEANUP_FREE uint8_t *array = NULL;
	size_t len;
	int r;

	*g = (struct gpt) { 0 };
	*v = (struct verdict) { 0 };
	r = pt_read_sector(p, sector, sector_size, lba, sector_size);
	if (r < 0) {
		refuse(v, r == -EUCLEAN ? "sector %" PRIu64 " is after the end of the disk" :
		       "sector %" PRIu64 " cannot be read", lba);
		return 0;
	}
	if (!header_parse(sector, sector_size, lba, g, v))
		return 0;

	len = (size_t)g->count * g->entry_size;
	array = malloc(len);
	if (!array)
		return -ENOMEM;
	r = pt_read_sector(p, array, len, g->array_lba, sector_size);
	if (r < 0) {
		refuse(v, r == -EUCLEAN ? "its entries, from sector %" PRIu64 " on, pass the end of "
		       "the disk" : "its entries, from sector %" PRIu64 " on, cannot be read",
		       g->array_lba);
		return 0;
	}
	if (crc32_le(0, array, len) != g->array_crc) {
		refuse(v, "the checksum of its entries is wrong");
		return 0;
	}
	g->array = TAKE_PTR(array);
	return 1;
}

/* The other header, which a single damaged sector or an enlarged disk makes useless, unnoticed. */
static int check_backup(struct probe *p, const struct gpt *primary)
{
	struct gpt backup;
	struct verdict v;
	int r = gpt_load(p, primary->sector_size, primary->alternate_lba, &backup, &v);

	if (r == 0)
		pt_warn(p, "The backup GPT is damaged or missing: %s.", v.why);
	if (r > 0)
		free(backup.array);
	return r < 0 ? r : 0;
}

/*
 * gpt_load() in a search: keeps in *g and *v what the first header that is there at all came to, or
 * the first place looked at.
 */
static int try(struct probe *p, uint32_t sector_size, uint64_t lba, struct gpt *g,
	       struct verdict *v)
{
	struct verdict here;
	struct gpt found;
	int r = gpt_load(p, sector_size, lba, &found, &here);

	if (r > 0 || !v->why[0] || (here.present && !v->present)) {
		*g = found;
		*v = here;
	}
	return r;
}

/* The primary, with any of the sector sizes. */
static int find_primary(struct probe *p, struct gpt *g, struct verdict *v)
{
	uint32_t only[2];
	int r = 0;

	*v = (struct verdict) { 0 };
	for (const uint32_t *size = pt_sector_sizes(p, only); *size && !r; size++)
		r = try(p, *size, 1, g, v);
	return r;
}

/* The backup: where a damaged primary says, or in the last sector. */
static int find_backup(struct probe *p, const struct gpt *primary, struct gpt *g,
		       struct verdict *v)
{
	uint32_t only[2];
	int r = 0;

	*v = (struct verdict) { 0 };
	if (primary->alternate_lba > 1)
		r = try(p, primary->sector_size, primary->alternate_lba, g, v);
	for (const uint32_t *size = pt_sector_sizes(p, only); *size && !r; size++)
		if (p->src->size / *size >= 3)
			r = try(p, *size, p->src->size / *size - 1, g, v);
	return r;
}

static int add_entry(struct probe *p, const uint8_t *entry, unsigned number)
{
	static const uint8_t unused[16];
	struct fs_partition part = {
		.number = number,
		.start = le64(entry + 32),
		.attributes = le64(entry + 48),
	};
	uint64_t last = le64(entry + 40);
	const char *type;

	if (!memcmp(entry, unused, sizeof(unused)))
		return 0;
	text_guid(entry, part.type_id);
	text_guid(entry + 16, part.uuid);
	text_utf16(entry + 56, NAME_UNITS, part.name, sizeof(part.name));
	part.bootable = part.attributes & ATTRIBUTE_LEGACY_BOOT;
	type = type_of_guid(part.type_id);
	snprintf(part.type, sizeof(part.type), "%s", type ? type : "Unknown");
	if (last < part.start || last - part.start == UINT64_MAX) {
		pt_warn(p, "Partition %u ends at sector %" PRIu64 ", before it begins at %" PRIu64
			": left out.", number, last, part.start);
		return 0;
	}
	part.sectors = last - part.start + 1;
	return pt_add(p, &part);
}

static int use(struct probe *p, const struct gpt *g, bool from_backup)
{
	uint64_t sectors = p->src->size / g->sector_size;

	p->out->kind = FS_TABLE_GPT;
	p->out->sector_size = g->sector_size;
	p->out->from_backup = from_backup;
	p->out->hybrid = p->mbr.protective && p->mbr.used;
	p->out->name = p->out->hybrid ? "gpt (hybrid MBR)" : "gpt";
	text_guid(g->guid, p->out->uuid);
	if (g->last_usable >= sectors)
		pt_warn(p, "The GPT was made for a larger disk: its last usable sector is %" PRIu64
			", but the disk has only %" PRIu64 " sectors.", g->last_usable, sectors);
	for (uint32_t i = 0; i < g->count; i++) {
		int r = add_entry(p, g->array + (size_t)i * g->entry_size, i + 1);

		if (r < 0)
			return r;
	}
	return 1;
}

static int use_primary(struct probe *p, const struct gpt *g)
{
	int r;

	if (!p->mbr.protective)
		pt_warn(p, "There is no protective MBR in front of the GPT.");
	r = check_backup(p, g);
	return r < 0 ? r : use(p, g, false);
}

static int use_backup(struct probe *p, const struct gpt *g, const struct verdict *primary)
{
	pt_warn(p, "The primary GPT is damaged: %s. The backup at sector %" PRIu64 " is used.",
		primary->why, g->lba);
	return use(p, g, true);
}

/* A protective MBR, and nothing that it protects. */
static void explain_absence(struct probe *p, const struct verdict *primary,
			    const struct verdict *backup)
{
	struct probe other = *p;
	struct verdict v;
	struct gpt g = { 0 };

	pt_warn(p, "The MBR announces a GPT, but none is valid. The primary: %s. The backup: %s.",
		primary->why, backup->why[0] ? backup->why : "there is no room for one");
	other.wanted = 0;
	if (p->wanted && find_primary(&other, &g, &v) > 0) {
		pt_warn(p, "There is one for sectors of %" PRIu32 " bytes, not %" PRIu32 ".",
			g.sector_size, p->wanted);
		free(g.array);
	}
}

int gpt_read(struct probe *p)
{
	CLEANUP_FREE uint8_t *array = NULL;
	struct verdict primary, backup;
	struct gpt g = { 0 }, other = { 0 };
	int r;

	/* An MBR of its own, or a file system from the first sector on, over a GPT left behind. */
	if (!p->mbr.protective && (p->content || (p->mbr.valid && p->mbr.used)))
		return 0;
	r = find_primary(p, &g, &primary);
	array = g.array;
	if (r)
		return r < 0 ? r : use_primary(p, &g);
	if (!p->mbr.protective)
		return 0;
	r = find_backup(p, &g, &other, &backup);
	array = other.array;
	if (r)
		return r < 0 ? r : use_backup(p, &other, &primary);
	explain_absence(p, &primary, &backup);
	return 0;
}
