/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.h - disks in memory for the tests of partition tables: built by hand, byte for byte, with
 * nothing of the code under test; and what must hold for any table that is read.
 */
#ifndef DISK_H
#define DISK_H

#include "bytes.h"
#include "fsreaders.h"
#include "test.h"

#define KiB UINT64_C(1024)
#define MiB (1024 * KiB)

struct disk {
	struct fs_source source;
	uint8_t *bytes;
	uint64_t bad, bad_len;	/* reads that touch this range give -EIO */
	unsigned reads;		/* so far */
	unsigned fail_read;	/* the read of this number, from 1 on, gives -EIO; 0: none */
	bool fail_from;		/* ... and all after it */
};

__attribute__((unused))
static int disk_pread(struct fs_source *src, void *buf, size_t len, uint64_t offset)
{
	struct disk *d = src->opaque;

	/* The contract: a reader never asks for what is not there. */
	CHECK(len > 0);
	CHECK(offset <= src->size && len <= src->size - offset);
	d->reads++;
	if (d->fail_read && (d->reads == d->fail_read || (d->fail_from && d->reads > d->fail_read)))
		return -EIO;
	if (d->bad_len && offset < d->bad + d->bad_len && d->bad < offset + len)
		return -EIO;
	memcpy(buf, d->bytes + offset, len);
	return 0;
}

__attribute__((unused))
static void disk_new(struct disk *d, uint64_t size)
{
	*d = (struct disk) { .source = { disk_pread, size, d }, .bytes = calloc(1, size ? size : 1) };
	CHECK(d->bytes);
}

__attribute__((unused))
static void disk_free(struct disk *d)
{
	free(d->bytes);
	d->bytes = NULL;
}

/* What every answer must satisfy, whatever was read. */
static void check_table(const struct disk *d, const struct fs_table *t)
{
	CHECK(t->name && *t->name);
	CHECK(t->count <= 4096);
	CHECK(memchr(t->warnings, 0, sizeof(t->warnings)));
	if (t->kind == FS_TABLE_NONE)
		CHECK_EQ(t->count, 0u);
	for (size_t i = 0; i < t->count; i++) {
		const struct fs_partition *p = &t->part[i];

		CHECK(p->size > 0);
		CHECK(p->offset < d->source.size);
		CHECK(p->size <= d->source.size - p->offset);
		CHECK_EQ(p->offset, p->start * t->sector_size);
		if (!p->past_end)
			CHECK_EQ(p->size, p->sectors * t->sector_size);
		CHECK(p->number > 0);
		CHECK(*p->type && (*p->type_id || t->kind == FS_TABLE_APM));
		if (i)
			CHECK(p->number > t->part[i - 1].number);
	}
}

__attribute__((unused))
static void disk_read_sized(struct disk *d, uint32_t sector_size, struct fs_table *t)
{
	struct fs_error err = { "" };
	int r = fs_table_read(&d->source, sector_size, t, &err);

	if (r)
		test_fail(__FILE__, __LINE__, "fs_table_read gave %d: %s", r, err.text);
	CHECK_STR(err.text, "");
	check_table(d, t);
}

__attribute__((unused))
static void disk_read(struct disk *d, struct fs_table *t)
{
	disk_read_sized(d, 0, t);
}

/* MBR and EBR */

/* Entry 0 to 3 of the boot record at a byte offset, which becomes a valid one. */
__attribute__((unused))
static void mbr_entry(struct disk *d, uint64_t offset, unsigned index, uint8_t flag, uint8_t type,
		      uint32_t start, uint32_t sectors)
{
	uint8_t *e = d->bytes + offset + 446 + 16 * index;

	put_le16(d->bytes + offset + 510, 0xaa55);
	e[0] = flag;
	e[4] = type;
	put_le32(e + 8, start);
	put_le32(e + 12, sectors);
}

/* GPT */

__attribute__((unused))
static uint32_t gpt_crc(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xffffffff;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

#define GUID_LINUX "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4"
#define GUID_ESP "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b"

/* A table of 128 entries of 128 bytes at its usual places, and how to change it. */
struct gpt_disk {
	struct disk disk;
	uint32_t sector_size;
	uint8_t *primary, *backup;	/* headers */
	uint8_t *entries, *backup_entries;
};

/* Make both copies agree and their checksums right, after `entries` or `primary` were changed. */
__attribute__((unused))
static void gpt_seal(struct gpt_disk *g)
{
	uint32_t count = le32(g->primary + 80);
	uint32_t entry_size = le32(g->primary + 84);
	uint64_t last = g->disk.source.size / g->sector_size - 1;
	uint64_t array = 128 * 128 / g->sector_size;

	/* Impossible ones have no array to speak of. */
	if ((uint64_t)count * entry_size == 128 * 128)
		put_le32(g->primary + 88, gpt_crc(g->entries, 128 * 128));
	memcpy(g->backup_entries, g->entries, 128 * 128);
	memcpy(g->backup, g->primary, 92);
	put_le64(g->backup + 24, last);
	put_le64(g->backup + 32, 1);
	if (le64(g->primary + 72) == 2)
		put_le64(g->backup + 72, last - array);
	for (int i = 0; i < 2; i++) {
		uint8_t *h = i ? g->backup : g->primary;
		uint32_t size = le32(h + 12);

		put_le32(h + 16, 0);
		put_le32(h + 16, gpt_crc(h, size <= g->sector_size ? size : 92));
	}
}

__attribute__((unused))
static void gpt_entry(struct gpt_disk *g, unsigned index, const char *type, uint64_t first,
		      uint64_t last, const char *ascii_name)
{
	uint8_t *e = g->entries + 128 * index;

	memset(e, 0, 128);
	memcpy(e, type, 16);
	memset(e + 16, 0x10 + index, 16);
	put_le64(e + 32, first);
	put_le64(e + 40, last);
	for (size_t i = 0; i < strlen(ascii_name); i++)
		put_le16(e + 56 + 2 * i, ascii_name[i]);
}

/* An empty table with its protective MBR; to be filled with gpt_entry() and sealed. */
__attribute__((unused))
static void gpt_new(struct gpt_disk *g, uint64_t size, uint32_t sector_size)
{
	uint64_t last = size / sector_size - 1;
	uint64_t array = 128 * 128 / sector_size;

	disk_new(&g->disk, size);
	g->sector_size = sector_size;
	g->primary = g->disk.bytes + sector_size;
	g->backup = g->disk.bytes + last * sector_size;
	g->entries = g->disk.bytes + 2 * sector_size;
	g->backup_entries = g->backup - 128 * 128;
	mbr_entry(&g->disk, 0, 0, 0, 0xee, 1, last);
	memcpy(g->primary, "EFI PART", 8);
	put_le32(g->primary + 8, 0x10000);
	put_le32(g->primary + 12, 92);
	put_le64(g->primary + 24, 1);
	put_le64(g->primary + 32, last);
	put_le64(g->primary + 40, 2 + array);
	put_le64(g->primary + 48, last - array - 1);
	memset(g->primary + 56, 0xd1, 16);
	put_le64(g->primary + 72, 2);
	put_le32(g->primary + 80, 128);
	put_le32(g->primary + 84, 128);
	gpt_seal(g);
}

/* Apple partition map */

/* Entry `number`, from 1 on, of a map in blocks of `block` bytes that has `count` entries. */
__attribute__((unused))
static void apm_entry(struct disk *d, uint32_t block, unsigned number, uint32_t count,
		      uint32_t start, uint32_t blocks, const char *name, const char *type)
{
	uint8_t *e = d->bytes + (uint64_t)number * block;

	memcpy(e, "PM", 2);
	put_be32(e + 4, count);
	put_be32(e + 8, start);
	put_be32(e + 12, blocks);
	memcpy(e + 16, name, strlen(name));
	memcpy(e + 48, type, strlen(type));
}

__attribute__((unused))
static void apm_driver_descriptor(struct disk *d, uint16_t block)
{
	memcpy(d->bytes, "ER", 2);
	put_be16(d->bytes + 2, block);
}

/* BSD disklabel */

struct bsd_part {
	uint64_t start, sectors;
	uint8_t type;
};

/* A label at a byte offset; version 1 is OpenBSD's. */
__attribute__((unused))
static void bsd_label(struct disk *d, uint64_t offset, uint32_t sector_size, unsigned version,
		      const struct bsd_part *part, unsigned count)
{
	uint8_t *l = d->bytes + offset;
	uint16_t sum = 0;

	put_le32(l, 0x82564557);
	put_le32(l + 40, sector_size);
	put_le16(l + 114, version);
	put_le32(l + 132, 0x82564557);
	put_le16(l + 136, 0);
	put_le16(l + 138, count);
	for (unsigned i = 0; i < count; i++) {
		uint8_t *e = l + 148 + 16 * i;

		put_le32(e, part[i].sectors);
		put_le32(e + 4, part[i].start);
		if (version) {
			put_le16(e + 8, part[i].start >> 32);
			put_le16(e + 10, part[i].sectors >> 32);
		}
		e[12] = part[i].type;
	}
	for (unsigned i = 0; i < 148 + 16 * count; i += 2)
		sum ^= le16(l + i);
	put_le16(l + 136, sum);
}

#endif
