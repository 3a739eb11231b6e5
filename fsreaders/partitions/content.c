/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What begins at an offset: just enough to tell a partition's start from arbitrary data. It decides
 * between sector sizes, and whether a boot sector belongs to a file system or to an MBR.
 *
 * Limits: no consistency checks beyond the signatures; what has no signature near its start (ZFS,
 * minix) or one of two bytes only is not known.
 */
#include "bytes.h"
#include "checked.h"
#include "partitions.h"

struct signature {
	uint32_t offset;
	uint8_t len;
	const char *bytes;
	const char *name;
};

/* By offset, so that each page is read once. */
static const struct signature signatures[] = {
	{ 0, 4, "XFSB", "XFS" },
	{ 0, 6, "LUKS\xba\xbe", "LUKS" },
	{ 0, 4, "hsqs", "squashfs" },
	{ 0, 4, "\xfc\x4e\x2b\xa9", "Linux RAID" },
	{ 0, 8, "LABELONE", "LVM" },
	{ 0x20, 4, "NXSB", "APFS" },
	{ 0x200, 8, "LABELONE", "LVM" },
	{ 0x400, 4, "H+\0\4", "HFS+" },
	{ 0x400, 4, "HX\0\5", "HFSX" },
	{ 0x400, 4, "\x10\x20\xf5\xf2", "F2FS" },
	{ 0x400, 4, "\xe2\xe1\xf5\xe0", "EROFS" },
	{ 0x400, 8, "LABELONE", "LVM" },
	{ 0x600, 8, "LABELONE", "LVM" },
	{ 0xff6, 10, "SWAPSPACE2", "swap" },
	{ 0x1000, 4, "\xfc\x4e\x2b\xa9", "Linux RAID" },
	{ 0x1018, 16, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
	  "bcachefs" },
	{ 0x1018, 16, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
	  "bcachefs" },
	{ 0x255c, 4, "\x54\x19\x01\x00", "UFS" },
	{ 0x8000, 4, "JFS1", "JFS" },
	{ 0x8001, 5, "CD001", "ISO 9660" },
	{ 0x8001, 5, "BEA01", "UDF" },
	{ 0x10034, 6, "ReIsEr", "reiserfs" },
	{ 0x10040, 8, "_BHRfS_M", "btrfs" },
	{ 0x1055c, 4, "\x19\x01\x54\x19", "UFS" },
};

/* The last page read, of one look at one offset. */
struct window {
	struct fs_source *src;
	uint64_t base;
	uint64_t page;		/* relative to base; ~0: none */
	uint8_t data[4096];
};

/* `len` bytes at base + offset, not across a page; NULL if not all of them can be read. */
static const uint8_t *look(struct window *w, uint32_t offset, size_t len)
{
	uint64_t page = align_down(offset, sizeof(w->data));
	uint64_t at;
	uint64_t there;

	if (!add_u64(w->base, page, &at) || at >= w->src->size)
		return NULL;
	there = min_u64(sizeof(w->data), w->src->size - at);
	if (offset - page + len > there)
		return NULL;
	if (w->page != page) {
		w->page = ~UINT64_C(0);
		if (w->src->pread(w->src, w->data, there, at) < 0)
			return NULL;
		w->page = page;
	}
	return w->data + (offset - page);
}

/*
 * A boot sector of the FAT family or NTFS. Only the parameter block is looked at: the code around
 * it, and so the bytes where an MBR has its entries, may be anything.
 */
static const char *boot_sector_name(const uint8_t *b)
{
	uint16_t sector = le16(b + 11);
	uint8_t cluster = b[13];
	uint8_t media = b[21];

	if (le16(b + 510) != 0xaa55)
		return NULL;
	if (!memcmp(b + 3, "NTFS    ", 8))
		return "NTFS";
	if (!memcmp(b + 3, "EXFAT   ", 8))
		return "exFAT";
	if (!memcmp(b + 3, "-FVE-FS-", 8))
		return "BitLocker";
	if (b[0] != 0xeb && b[0] != 0xe9)
		return NULL;
	if (sector < 512 || sector > 4096 || !is_power_of_2(sector) || !is_power_of_2(cluster))
		return NULL;
	if (!le16(b + 14) || (media != 0xf0 && media < 0xf8))
		return NULL;
	if (!memcmp(b + 54, "HPFS    ", 8))
		return "HPFS";
	return b[16] >= 1 && b[16] <= 4 ? "FAT" : NULL;
}

/* Two bytes are little of a signature: the fields beside it must make sense too. */
static bool is_ext(const uint8_t *superblock)
{
	return le16(superblock + 0x38) == 0xef53 && le32(superblock + 0x18) <= 6 &&
	       le32(superblock) && le32(superblock + 4);
}

static bool is_hfs(const uint8_t *volume)
{
	uint32_t block = be32(volume + 0x14);

	return be16(volume) == 0x4244 && block && !(block % 512) && be16(volume + 0x12);
}

const char *content_name(struct fs_source *src, uint64_t offset)
{
	struct window w = { .src = src, .base = offset, .page = ~UINT64_C(0) };
	const uint8_t *b = look(&w, 0, 512);
	const char *name = b ? boot_sector_name(b) : NULL;

	if (name)
		return name;
	b = look(&w, 0x400, 0x40);
	if (b && is_ext(b))
		return "ext";
	if (b && is_hfs(b))
		return "HFS";
	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
		const struct signature *s = &signatures[i];

		b = look(&w, s->offset, s->len);
		if (b && !memcmp(b, s->bytes, s->len))
			return s->name;
	}
	return NULL;
}
