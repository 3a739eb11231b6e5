/* SPDX-License-Identifier: GPL-2.0-or-later */
/* identify.c - IDENTIFY DEVICE (ACS-3, 7.12), with the words and strings of VirtualBox's disks. */
#include <string.h>

#include "ata/private.h"
#include "bytes.h"

#define MOST_28 0x0fffffffu

/* Words with bits that are fixed here; the others are said below. */
#define SUPPORTED_82 0x0069u	/* look-ahead, write cache, power management, SMART */
#define SUPPORTED_83 0x7400u	/* flush, flush ext, 48 bits */
#define SUPPORTED_84 0x4163u	/* WWN, FUA, general purpose logs, SMART self-tests and error log */
#define WORD_82_CACHE (1u << 5)
#define WORD_82_LOOK_AHEAD (1u << 6)

static void put_word(uint8_t *page, unsigned word, unsigned value)
{
	put_le16(page + 2 * word, (uint16_t)value);
}

/* ASCII, padded with spaces, the first character in the high byte of a word. */
static void put_text(uint8_t *page, unsigned word, unsigned words, const char *text)
{
	size_t length = strlen(text);

	for (unsigned i = 0; i < 2 * words; i++)
		page[2 * word + (i ^ 1)] = i < length ? (uint8_t)text[i] : ' ';
}

static void put_geometry(const struct ata_drive *a, uint8_t *page)
{
	uint64_t sectors = ata_sectors(a), cylinders = sectors / (16 * 63), current, capacity;

	put_word(page, 1, cylinders < 16383 ? (unsigned)cylinders : 16383);
	put_word(page, 3, 16);
	put_word(page, 5, ATA_SECTOR);
	put_word(page, 6, 63);
	current = sectors / (a->heads * a->per_track);
	current = current < 65535 ? current : 65535;
	capacity = current * a->heads * a->per_track;
	put_word(page, 54, (unsigned)current);
	put_word(page, 55, a->heads);
	put_word(page, 56, a->per_track);
	put_le32(page + 2 * 57, (uint32_t)capacity);
	put_le32(page + 2 * 60, sectors < MOST_28 ? (uint32_t)sectors : MOST_28);
	put_le64(page + 2 * 100, sectors);
}

static void put_modes(const struct ata_drive *a, uint8_t *page)
{
	unsigned mode = a->transfer_mode;

	put_word(page, 63, 7 | (mode >> 3 == 4 ? 0x100u << (mode & 7) : 0));
	put_word(page, 64, 3);
	for (unsigned word = 65; word <= 68; word++)
		put_word(page, word, 120);
	put_word(page, 88, 0x7f | (mode >> 3 == 8 ? 0x100u << (mode & 7) : 0));
	if (!a->serial)
		put_word(page, 93, 0x600b);	/* 80 wires, diagnostics passed */
}

static void put_serial_ata(const struct ata_drive *a, uint8_t *page)
{
	if (!a->serial)
		return;
	if (a->queue_depth)
		put_word(page, 75, a->queue_depth - 1);
	put_word(page, 76, 1 << 10 | (a->queue_depth ? 1 << 8 : 0) | 1 << 2 | 1 << 1);
	put_word(page, 77, 2 << 1);		/* runs at 3 Gb/s */
	put_word(page, 222, 0x101f);		/* serial, SATA 2.6 */
}

static void put_features(const struct ata_drive *a, uint8_t *page)
{
	unsigned enabled = SUPPORTED_82 & ~(WORD_82_CACHE | WORD_82_LOOK_AHEAD | 1u);

	if (a->write_cache)
		enabled |= WORD_82_CACHE;
	if (a->look_ahead)
		enabled |= WORD_82_LOOK_AHEAD;
	if (a->smart)
		enabled |= 1;
	put_word(page, 82, SUPPORTED_82);
	put_word(page, 83, SUPPORTED_83);
	put_word(page, 84, SUPPORTED_84);
	put_word(page, 85, enabled);
	put_word(page, 86, (SUPPORTED_83 & 0x3fff) | 1u << 15);
	put_word(page, 87, SUPPORTED_84);
	put_word(page, 119, 0x4008);		/* READ LOG DMA EXT */
	put_word(page, 120, 0x4008);
}

static void put_medium(const struct ata_drive *a, uint8_t *page)
{
	uint64_t wwn = device_identity(a->device)->wwn;
	unsigned ratio = device_physical_block_size(a->device) / ATA_SECTOR, log = 0;

	for (unsigned i = 0; i < 4; i++)
		put_word(page, 108 + i, (unsigned)(wwn >> (48 - 16 * i) & 0xffff));
	while (1u << log < ratio)
		log++;
	put_word(page, 106, 0x4000 | (log ? 1u << 13 | log : 0));
	put_word(page, 209, 0x4000);		/* the first sector begins a physical one */
	if (device_can_discard(a->device)) {
		put_word(page, 69, 1 << 14 | 1 << 5);	/* zeros after TRIM */
		put_word(page, 105, ATA_TRIM_BLOCKS);
		put_word(page, 169, 1);
	}
	put_word(page, 217, !device_is_rotational(a->device));
}

void ata_checksum(uint8_t page[ATA_SECTOR])
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < ATA_SECTOR - 1; i++)
		sum += page[i];
	page[ATA_SECTOR - 1] = (uint8_t)-sum;
}

void ata_identify(const struct ata_drive *a, uint8_t page[ATA_SECTOR])
{
	const struct device_identity *id = device_identity(a->device);

	memset(page, 0, ATA_SECTOR);
	put_word(page, 0, 0x0040);
	put_text(page, 10, 10, id->serial);
	put_word(page, 20, 3);
	put_word(page, 21, 512);
	put_text(page, 23, 4, id->firmware);
	put_text(page, 27, 20, id->model);
	put_word(page, 47, 0x8080);
	put_word(page, 48, 0x4000);
	put_word(page, 49, 0x0b00);		/* IORDY, LBA, DMA */
	put_word(page, 50, 0x4000);
	put_word(page, 51, 240);
	put_word(page, 52, 240);
	put_word(page, 53, 7);
	put_word(page, 59, a->multiple ? 0x100u | a->multiple : 0);
	put_word(page, 80, 0x07f0);		/* ATA-4 to ACS-3 */
	put_word(page, 81, 0x006d);		/* ACS-3 revision 5 */
	put_geometry(a, page);
	put_modes(a, page);
	put_serial_ata(a, page);
	put_features(a, page);
	put_medium(a, page);
	page[2 * 255] = 0xa5;
	ata_checksum(page);
}

bool ata_prepare_identify(struct ata_command *cmd)
{
	cmd->length = ATA_SECTOR;
	return true;
}

void ata_run_identify(struct ata_command *cmd)
{
	uint8_t page[ATA_SECTOR];

	ata_identify(cmd->drive, page);
	ata_answer(cmd, page, sizeof(page));
}
