/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * partitions.h - what the readers of partition tables share.
 *
 * One file per kind of table, each with one reader of this contract:
 *
 *	int xxx_read(struct probe *p)
 *		1	the disk has this table: p->out has its kind, name, sector size and partitions
 *		0	it has not: p->out is as it was, but for warnings
 *		-errno	reading must stop: no memory
 *
 * table.c calls them in the order of its list. A reader checks every number from the disk itself,
 * at the moment it uses it; pt_read() and pt_add() refuse what lies outside the source.
 */
#ifndef PARTITIONS_H
#define PARTITIONS_H

#include "fsreaders.h"

/* Nothing real comes near; more are left out with a warning. */
#define PT_MAX_PARTITIONS 4096

/* An MBR's four entries, and what the sector as a whole says. */
struct mbr {
	bool valid;		/* signature there, each boot flag 0x00 or 0x80 */
	bool protective;	/* valid, and an entry of type 0xee is there */
	unsigned used;		/* entries with a size, without those of type 0xee */
	uint32_t disk_id;
	struct mbr_entry {
		uint8_t flag, type;
		uint32_t start, sectors;	/* start is relative in an extended boot record */
	} entry[4];
};

/* One call of fs_table_read(), on its stack. */
struct probe {
	struct fs_source *src;
	struct fs_table *out;
	uint32_t wanted;	/* the caller's sector size, or 0 */
	uint8_t boot[512];	/* the first sector */
	struct mbr mbr;		/* ... parsed */
	const char *content;	/* what begins at byte 0, from content_name() */
	size_t room;		/* partitions that out->part has room for */
};

/* table.c */

/* Read bytes of the disk. -EUCLEAN if they are not all inside it; otherwise pread()'s answer. */
int pt_read(struct probe *p, void *buf, size_t len, uint64_t offset);
/* Like it for sector `lba`, whose byte offset may overflow. */
int pt_read_sector(struct probe *p, void *buf, size_t len, uint64_t lba, uint32_t sector_size);
/* Add a sentence to out->warnings. */
void pt_warn(struct probe *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * Append a partition of which all but offset, size and past_end is filled in, in units of
 * out->sector_size. One that has no bytes inside the disk is left out, with a warning.
 * 0, or -ENOMEM.
 */
int pt_add(struct probe *p, const struct fs_partition *part);
/* Forget all partitions. */
void pt_clear(struct probe *p);

/* The sector sizes to try: the one wanted, or all in order of likelihood. Ends with 0. */
const uint32_t *pt_sector_sizes(const struct probe *p, uint32_t only[2]);

/* mbr.c, gpt.c, apm.c, bsd.c */

int gpt_read(struct probe *p);
int mbr_read(struct probe *p);
int apm_read(struct probe *p);
int bsd_read(struct probe *p);
/* An MBR without a single partition, which a disklabel or an Apple map may share sector 0 with. */
int mbr_read_empty(struct probe *p);

/* Parse a sector of 512 bytes, a master or an extended boot record. */
void mbr_parse(const uint8_t *sector, struct mbr *mbr);

/* Is there a disklabel `offset` bytes into the disk? */
bool bsd_label_at(struct probe *p, uint64_t offset);
/*
 * Add the partitions of the disklabel in an MBR partition, if there is one, numbered from *number
 * on, which is advanced. 0 or -ENOMEM.
 */
int bsd_read_nested(struct probe *p, const struct mbr_entry *slice, unsigned slot,
		    unsigned *number);

/* content.c */

/* The name of the file system or volume that begins at a byte offset ("ext", "NTFS"), or NULL. */
const char *content_name(struct fs_source *src, uint64_t offset);

/* types.c: names for people, static. NULL: unknown. */

enum bsd_flavour { BSD_FREEBSD, BSD_NETBSD, BSD_OPENBSD };

const char *type_of_guid(const char *guid);	/* lower case */
const char *type_of_mbr_id(uint8_t id);
const char *type_of_apm(const char *type);
const char *type_of_bsd(uint8_t fstype, enum bsd_flavour flavour);
bool type_is_extended(uint8_t id);

/* text.c: all write valid UTF-8 without control characters, always terminated. */

#define GUID_TEXT 37

void text_guid(const uint8_t *guid, char *out);	/* 16 bytes, mixed-endian; GUID_TEXT of room */
void text_utf16(const uint8_t *units, size_t count, char *out, size_t room);
/* Mac OS Roman, or UTF-8, which other systems write into Apple maps. */
void text_macroman(const uint8_t *bytes, size_t len, char *out, size_t room);

#endif
