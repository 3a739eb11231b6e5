/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The PC's master boot record: four entries, and chains of extended boot records (EBR) for the
 * logical partitions beyond them. A BSD disklabel inside a partition is read too.
 *
 *	sector 0		446: entry 1..4 of 16 bytes: flag, CHS, type, CHS, start, sectors
 *	   | extended entry	510: 55 aa
 *	   v
 *	EBR			entry 1: a logical partition, start counts from this EBR
 *	   | entry 2		entry 2: the next EBR, start counts from the first one
 *	   v
 *	EBR ...
 *
 * There is no specification; this follows what Linux and Windows accept. CHS fields are ignored.
 * Limits: 256 logical partitions; labels of Solaris, Minix and UnixWare partitions are not read.
 */
#include "bytes.h"
#include "checked.h"
#include "partitions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define MAX_LOGICAL 256
#define FIRST_LOGICAL 5
#define TYPE_PROTECTIVE 0xee

void mbr_parse(const uint8_t *sector, struct mbr *mbr)
{
	*mbr = (struct mbr) {
		.valid = le16(sector + 510) == 0xaa55,
		.disk_id = le32(sector + 440),
	};
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *raw = sector + 446 + 16 * i;
		struct mbr_entry *e = &mbr->entry[i];

		e->flag = raw[0];
		e->type = raw[4];
		e->start = le32(raw + 8);
		e->sectors = le32(raw + 12);
		if (e->flag & 0x7f)
			mbr->valid = false;
		if (e->type == TYPE_PROTECTIVE)
			mbr->protective = true;
		else if (e->sectors)
			mbr->used++;
	}
	mbr->protective = mbr->protective && mbr->valid;
}

static bool entry_fits(const struct probe *p, const struct mbr_entry *e, uint32_t sector_size)
{
	uint64_t end = ((uint64_t)e->start + e->sectors) * sector_size;

	return end <= p->src->size;
}

/*
 * Would somebody have written these entries? Asked where the sector belongs to a file system, whose
 * boot code fills the place of the entries. A superfloppy with an entry for itself (it starts at
 * sector 0, as the file system does) is a file system too.
 */
static bool entries_make_sense(const struct probe *p)
{
	const struct mbr_entry *e = p->mbr.entry;

	for (unsigned i = 0; i < 4; i++) {
		if (!e[i].sectors && !e[i].type)
			continue;
		if (!e[i].sectors || !e[i].type || !e[i].start)
			return false;
		if (e[i].type != TYPE_PROTECTIVE &&
		    !entry_fits(p, &e[i], p->wanted ? p->wanted : 512))
			return false;
		for (unsigned k = 0; k < i; k++)
			if (e[k].sectors &&
			    (uint64_t)e[i].start < (uint64_t)e[k].start + e[k].sectors &&
			    (uint64_t)e[k].start < (uint64_t)e[i].start + e[i].sectors)
				return false;
	}
	return true;
}

/* The label is at sector 1 and the disk's only entry is FreeBSD's, from sector 0 on. */
static bool is_dedicated_to_bsd(struct probe *p)
{
	if (p->mbr.used != 1)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (p->mbr.entry[i].type == 0xa5 && p->mbr.entry[i].sectors)
			return !p->mbr.entry[i].start && bsd_label_at(p, 512);
	return false;
}

static bool is_mbr(struct probe *p)
{
	if (!p->mbr.valid || (!p->mbr.used && !p->mbr.protective))
		return false;
	/* A bootable CD image is an ISO file system and a disk at once, on purpose. */
	if (p->content && strcmp(p->content, "ISO 9660") && strcmp(p->content, "UDF") &&
	    !entries_make_sense(p))
		return false;
	return !is_dedicated_to_bsd(p);
}

/* How many of the entries begin with something known if sectors have this size. */
static unsigned known_entries(struct probe *p, uint32_t sector_size)
{
	unsigned known = 0;

	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *e = &p->mbr.entry[i];
		uint64_t offset = (uint64_t)e->start * sector_size;
		uint8_t signature[2];

		if (!e->sectors || !e->start)
			continue;
		if (type_is_extended(e->type))
			known += !pt_read(p, signature, sizeof(signature), offset + 510) &&
				 le16(signature) == 0xaa55;
		else
			known += content_name(p->src, offset) ||
				 bsd_label_at(p, offset + sector_size);
	}
	return known;
}

static uint32_t guess_sector_size(struct probe *p)
{
	if (p->wanted)
		return p->wanted;
	for (unsigned i = 0; i < 4; i++)
		if (!entry_fits(p, &p->mbr.entry[i], 4096))
			return 512;
	return known_entries(p, 4096) > known_entries(p, 512) ? 4096 : 512;
}

static int add_entry(struct probe *p, const struct mbr_entry *e, uint64_t base, unsigned number,
		     unsigned container)
{
	const char *type = type_of_mbr_id(e->type);
	struct fs_partition part = {
		.number = number,
		.container = container,
		.start = base + e->start,
		.sectors = e->sectors,
		.bootable = e->flag & 0x80,
	};

	snprintf(part.type, sizeof(part.type), "%s", type ? type : "Unknown");
	snprintf(part.type_id, sizeof(part.type_id), "0x%02x", e->type);
	if (p->mbr.disk_id)
		snprintf(part.uuid, sizeof(part.uuid), "%08" PRIx32 "-%02x", p->mbr.disk_id, number);
	return pt_add(p, &part);
}

/* The walk along one extended partition's chain. */
struct chain {
	const struct mbr_entry *extended;
	unsigned slot;			/* the extended partition's number */
	unsigned *number;		/* the next logical partition's */
	uint64_t seen[MAX_LOGICAL];	/* where EBRs were read: a chain may run in circles */
	unsigned count;
};

/*
 * May the EBR at this sector be the next? Chains may run backwards, but they stay inside their
 * extended partition and never come back.
 */
static bool may_follow(struct probe *p, struct chain *c, uint64_t lba)
{
	const struct mbr_entry *ext = c->extended;

	if (lba < ext->start || lba - ext->start >= ext->sectors) {
		pt_warn(p, "The chain of logical partitions in partition %u leaves it, for sector %"
			PRIu64 ": what follows is left out.", c->slot, lba);
		return false;
	}
	for (unsigned i = 0; i < c->count; i++) {
		if (c->seen[i] == lba) {
			pt_warn(p, "The chain of logical partitions in partition %u runs in a circle, "
				"back to sector %" PRIu64 ": it ends there.", c->slot, lba);
			return false;
		}
	}
	if (c->count == MAX_LOGICAL) {
		pt_warn(p, "Partition %u has more than %d logical partitions: the others are left "
			"out.", c->slot, MAX_LOGICAL);
		return false;
	}
	c->seen[c->count++] = lba;
	return true;
}

static bool read_ebr(struct probe *p, struct chain *c, uint64_t lba, struct mbr *ebr)
{
	uint8_t sector[512];
	int r;

	if (!may_follow(p, c, lba))
		return false;
	r = pt_read_sector(p, sector, sizeof(sector), lba, p->out->sector_size);
	if (r < 0) {
		pt_warn(p, "Partition %u: the extended boot record at sector %" PRIu64 " %s: its "
			"logical partitions from there on are left out.", c->slot, lba,
			r == -EUCLEAN ? "is after the end of the disk" : "cannot be read");
		return false;
	}
	mbr_parse(sector, ebr);
	if (le16(sector + 510) != 0xaa55) {
		pt_warn(p, "Partition %u: there is no extended boot record at sector %" PRIu64
			" (it does not end in 55 aa): its logical partitions from there on are left "
			"out.", c->slot, lba);
		return false;
	}
	return true;
}

/*
 * The partitions of one EBR: 0, -ENOMEM, or 1 when there are too many. Usually it is one, in the
 * first entry; some old tools wrote more, or the link first. The last two entries hold garbage at
 * times and must lie inside to count.
 */
static int add_logical(struct probe *p, struct chain *c, const struct mbr *ebr, uint64_t lba)
{
	const struct mbr_entry *ext = c->extended;

	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *e = &ebr->entry[i];
		uint64_t start = lba + e->start;
		int r;

		if (!e->sectors || type_is_extended(e->type))
			continue;
		if (start < ext->start || start + e->sectors > (uint64_t)ext->start + ext->sectors) {
			if (i >= 2)
				continue;
			pt_warn(p, "Partition %u is not inside its extended partition %u.",
				*c->number, c->slot);
		}
		if (*c->number >= FIRST_LOGICAL + MAX_LOGICAL) {
			pt_warn(p, "There are more than %d logical partitions: the others are left "
				"out.", MAX_LOGICAL);
			return 1;
		}
		r = add_entry(p, e, lba, (*c->number)++, c->slot);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_chain(struct probe *p, unsigned slot, unsigned *number)
{
	struct chain c = {
		.extended = &p->mbr.entry[slot - 1],
		.slot = slot,
		.number = number,
	};
	uint64_t lba = c.extended->start;
	struct mbr ebr;

	while (read_ebr(p, &c, lba, &ebr)) {
		const struct mbr_entry *link = NULL;
		int r = add_logical(p, &c, &ebr, lba);

		if (r)
			return r < 0 ? r : 0;
		for (unsigned i = 0; i < 4 && !link; i++)
			if (ebr.entry[i].sectors && type_is_extended(ebr.entry[i].type))
				link = &ebr.entry[i];
		if (!link)
			break;
		lba = (uint64_t)c.extended->start + link->start;
	}
	return 0;
}

/* Beyond the four slots, in the order in which Linux numbers them: logical ones, nested ones. */
static int add_beyond(struct probe *p)
{
	unsigned number = FIRST_LOGICAL;
	int r = 0;

	for (unsigned i = 0; i < 4 && !r; i++)
		if (p->mbr.entry[i].sectors && type_is_extended(p->mbr.entry[i].type))
			r = read_chain(p, i + 1, &number);
	for (unsigned i = 0; i < 4 && !r; i++)
		r = bsd_read_nested(p, &p->mbr.entry[i], i + 1, &number);
	return r;
}

static void set_table(struct probe *p)
{
	p->out->kind = FS_TABLE_MBR;
	p->out->name = "mbr";
	if (p->mbr.disk_id)
		snprintf(p->out->uuid, sizeof(p->out->uuid), "%08" PRIx32, p->mbr.disk_id);
}

int mbr_read(struct probe *p)
{
	if (!is_mbr(p))
		return 0;
	set_table(p);
	p->out->sector_size = guess_sector_size(p);
	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *e = &p->mbr.entry[i];
		int r;

		/* An entry of type 0 with a size is in use all the same: bootable CD images. */
		if ((!e->type && !e->sectors) || (type_is_extended(e->type) && e->sectors))
			continue;
		r = add_entry(p, e, 0, i + 1, 0);
		if (r < 0)
			return r;
	}
	return add_beyond(p) < 0 ? -ENOMEM : 1;
}

int mbr_read_empty(struct probe *p)
{
	if (!p->mbr.valid || p->mbr.used || p->content)
		return 0;
	set_table(p);
	return 1;
}
