/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BSD disklabel of FreeBSD, NetBSD and OpenBSD (their sys/disklabel.h), over a whole disk or inside
 * an MBR partition. Little-endian.
 *
 *	0	magic		132	magic again	148	partitions of 16 bytes:
 *	40	sector size	136	checksum		size, offset, fragment size,
 *	114	version (OpenBSD)	138	partitions		type at 12
 *
 * It sits in sector 1 on PCs, 64 or 128 bytes into sector 0 on other machines. Version 1 has the
 * high 16 bits of offset and size where the fragment size was.
 *
 * Offsets count from the start of the disk in NetBSD and OpenBSD. In FreeBSD they count from
 * wherever partition c, which stands for the whole of what is labelled, says it starts: 0 or the
 * slice's start.
 *
 * Limits: big-endian labels and DragonFly's 64-bit label are not read.
 */
#include "bytes.h"
#include "checked.h"
#include "partitions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define MAGIC 0x82564557
#define TABLE 148
#define ENTRY 16
#define MAX_PARTITIONS 64
#define LABEL_MAX (TABLE + MAX_PARTITIONS * ENTRY)
#define RAW_PARTITION 2		/* c */

struct bsd_label {
	uint32_t sector_size;
	bool checksum_right;
	bool wide;			/* OpenBSD's version 1 */
	unsigned count;
	struct bsd_entry {
		uint64_t start, sectors;
		uint8_t type;
	} entry[MAX_PARTITIONS];
};

/* What the label divides, in its sectors. */
struct extent {
	uint64_t start, sectors;
};

static bool label_parse(const uint8_t *buf, size_t len, struct bsd_label *label)
{
	uint16_t sum = 0;
	size_t end;

	if (len < TABLE || le32(buf) != MAGIC || le32(buf + 132) != MAGIC)
		return false;
	label->sector_size = le32(buf + 40);
	label->count = le16(buf + 138);
	label->wide = le16(buf + 114) == 1;
	end = TABLE + (size_t)label->count * ENTRY;
	if (label->count > MAX_PARTITIONS || end > len || !is_power_of_2(label->sector_size) ||
	    label->sector_size < 512 || label->sector_size > 4096)
		return false;
	for (size_t i = 0; i < end; i += 2)
		sum ^= le16(buf + i);
	label->checksum_right = !sum;
	for (unsigned i = 0; i < label->count; i++) {
		const uint8_t *raw = buf + TABLE + ENTRY * i;
		struct bsd_entry *e = &label->entry[i];

		e->sectors = le32(raw);
		e->start = le32(raw + 4);
		e->type = raw[12];
		if (label->wide) {
			e->start |= (uint64_t)le16(raw + 8) << 32;
			e->sectors |= (uint64_t)le16(raw + 10) << 32;
		}
	}
	return true;
}

static bool label_read(struct probe *p, uint64_t offset, struct bsd_label *label)
{
	uint8_t buf[LABEL_MAX];
	size_t len;

	if (offset >= p->src->size)
		return false;
	len = min_u64(sizeof(buf), p->src->size - offset);
	return !pt_read(p, buf, len, offset) && label_parse(buf, len, label);
}

bool bsd_label_at(struct probe *p, uint64_t offset)
{
	struct bsd_label label;

	return label_read(p, offset, &label);
}

static bool inside(const struct extent *whole, uint64_t start, uint64_t sectors)
{
	return start >= whole->start && range_in(start - whole->start, sectors, whole->sectors);
}

/* Unused entries are not listed even if they have a size: no system numbers them. */
static bool is_used(const struct bsd_entry *e)
{
	return e->sectors && e->type;
}

/* Do all entries, and the whole that c stands for, lie inside if `base` is taken from their starts? */
static bool all_inside(const struct bsd_label *label, const struct extent *whole, uint64_t base)
{
	for (unsigned i = 0; i < label->count; i++) {
		const struct bsd_entry *e = &label->entry[i];

		if ((is_used(e) || (i == RAW_PARTITION && e->sectors)) &&
		    (e->start < base || !inside(whole, whole->start + e->start - base, e->sectors)))
			return false;
	}
	return true;
}

/*
 * What to add to an entry's start, modulo 2^64, for its place on the disk. For a label over the
 * whole disk that is 0; if that makes no sense, the disk may be a slice copied out of its disk.
 */
static uint64_t displacement(const struct bsd_label *label, const struct extent *whole,
			     enum bsd_flavour flavour)
{
	uint64_t raw = label->count > RAW_PARTITION && label->entry[RAW_PARTITION].sectors ?
		       label->entry[RAW_PARTITION].start : 0;

	if (whole->start)
		return flavour == BSD_FREEBSD ? whole->start - raw : 0;
	if (raw && !all_inside(label, whole, 0) && all_inside(label, whole, raw))
		return -raw;
	return 0;
}

/*
 * Partition c says "all of it" and divides nothing. Another one that covers all of a slice is
 * listed as the slice already; over a whole disk it may be the only one.
 */
static bool is_whole(const struct probe *p, const struct extent *whole, unsigned index,
		     const struct bsd_entry *e, uint64_t start)
{
	bool covers = (start <= whole->start &&
		       range_in(whole->start - start, whole->sectors, e->sectors)) ||
		      (!start && e->sectors >= p->src->size / p->out->sector_size);

	return covers && (whole->start || index == RAW_PARTITION);
}

/* What an MBR entry tells already: disklabel programs copy those beside the slice. */
static bool is_mbr_partition(const struct probe *p, uint64_t start, uint64_t sectors)
{
	for (size_t i = 0; i < p->out->count; i++)
		if (p->out->part[i].start == start && p->out->part[i].sectors == sectors)
			return true;
	return false;
}

static int add_entry(struct probe *p, const struct bsd_entry *e, uint64_t start, unsigned index,
		     unsigned number, unsigned container, enum bsd_flavour flavour)
{
	const char *type = type_of_bsd(e->type, flavour);
	struct fs_partition part = {
		.number = number,
		.container = container,
		.start = start,
		.sectors = e->sectors,
	};

	snprintf(part.type, sizeof(part.type), "%s", type ? type : "Unknown");
	snprintf(part.type_id, sizeof(part.type_id), "bsd:%u", e->type);
	if (index < 26)
		snprintf(part.name, sizeof(part.name), "%c", 'a' + index);
	return pt_add(p, &part);
}

static void warn_of_checksum(struct probe *p, const struct bsd_label *label)
{
	if (!label->checksum_right)
		pt_warn(p, "The BSD disklabel's checksum is wrong: its partitions may be too.");
}

static int add_nested(struct probe *p, const struct bsd_label *label, const struct extent *slice,
		      unsigned slot, enum bsd_flavour flavour, unsigned *number)
{
	uint64_t add = displacement(label, slice, flavour);

	for (unsigned i = 0; i < label->count; i++) {
		const struct bsd_entry *e = &label->entry[i];
		uint64_t start = e->start + add;
		int r;

		if (!is_used(e) || is_whole(p, slice, i, e, start))
			continue;
		if (!inside(slice, start, e->sectors)) {
			if (!is_mbr_partition(p, start, e->sectors))
				pt_warn(p, "Partition %c of the disklabel in partition %u is not "
					"inside it: left out.", i < 26 ? 'a' + i : '?', slot);
			continue;
		}
		r = add_entry(p, e, start, i, (*number)++, slot, flavour);
		if (r < 0)
			return r;
	}
	return 0;
}

int bsd_read_nested(struct probe *p, const struct mbr_entry *slice, unsigned slot, unsigned *number)
{
	uint32_t unit = p->out->sector_size;
	struct extent extent = { slice->start, slice->sectors };
	enum bsd_flavour flavour;
	struct bsd_label label;

	if (slice->type == 0xa5)
		flavour = BSD_FREEBSD;
	else if (slice->type == 0xa6)
		flavour = BSD_OPENBSD;
	else if (slice->type == 0xa9)
		flavour = BSD_NETBSD;
	else
		return 0;
	if (slice->sectors < 2 ||
	    !label_read(p, ((uint64_t)slice->start + 1) * unit, &label))
		return 0;
	if (label.sector_size != unit) {
		pt_warn(p, "The disklabel in partition %u counts in sectors of %" PRIu32 " bytes, the "
			"MBR in %" PRIu32 ": its partitions are left out.", slot, label.sector_size,
			unit);
		return 0;
	}
	warn_of_checksum(p, &label);
	return add_nested(p, &label, &extent, slot, flavour, number);
}

int bsd_read(struct probe *p)
{
	static const uint16_t places[] = { 512, 4096, 2048, 1024, 64, 128 };
	struct bsd_label label;
	struct extent disk = { 0 };
	enum bsd_flavour flavour;
	bool found = false;
	uint64_t add;

	for (size_t i = 0; i < ARRAY_SIZE(places) && !found; i++)
		found = label_read(p, places[i], &label);
	if (!found)
		return 0;
	p->out->kind = FS_TABLE_BSD;
	p->out->name = "bsd";
	p->out->sector_size = label.sector_size;
	warn_of_checksum(p, &label);
	disk.sectors = p->src->size / label.sector_size;
	flavour = label.wide ? BSD_OPENBSD : BSD_FREEBSD;
	add = displacement(&label, &disk, flavour);
	for (unsigned i = 0; i < label.count; i++) {
		const struct bsd_entry *e = &label.entry[i];
		uint64_t start = e->start + add;
		int r;

		if (!is_used(e) || is_whole(p, &disk, i, e, start))
			continue;
		r = add_entry(p, e, start, i, i + 1, 0, flavour);
		if (r < 0)
			return r;
	}
	return 1;
}
