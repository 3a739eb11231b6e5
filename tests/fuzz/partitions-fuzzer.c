/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes are a disk. The first byte chooses: bits 0-1 the sector size, bit 2 that the checksums
 * of a GPT are put right, bit 3 that the two halves lie at both ends of a large disk.
 */
#include "fsreaders/disk.h"

#define LARGE (64 * MiB)

struct halves {
	const uint8_t *data;
	size_t head, tail;
};

static int halves_pread(struct fs_source *src, void *buf, size_t len, uint64_t offset)
{
	const struct halves *h = src->opaque;
	uint64_t gap = src->size - h->tail - h->head;

	CHECK(len && offset <= src->size && len <= src->size - offset);
	for (uint8_t *b = buf; len; len--, offset++)
		*b++ = offset < h->head ? h->data[offset] :
		       offset < h->head + gap ? 0 : h->data[offset - gap];
	return 0;
}

/* The checksums of a primary GPT, as far as it and its array are inside. */
static void seal(uint8_t *data, size_t size, uint32_t unit)
{
	uint8_t *h = data + unit;
	if (size < 2 * unit || le32(h + 12) < 92 || le32(h + 12) > unit)
		return;
	uint64_t len = (uint64_t)le32(h + 80) * le32(h + 84);
	uint64_t array = le64(h + 72) * unit;
	if (array <= size && len <= size - array)
		put_le32(h + 88, gpt_crc(data + array, len));
	put_le32(h + 16, 0);
	put_le32(h + 16, gpt_crc(h, le32(h + 12)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t sector_sizes[] = { 0, 512, 4096, 2048 };
	uint8_t choice = size ? data[0] : 0;
	size_t len = size ? size - 1 : 0;
	uint8_t *copy = malloc(len + 1);
	struct halves h = { copy, choice & 8 ? len / 2 : len, choice & 8 ? len - len / 2 : 0 };
	struct disk disk = { .source = { halves_pread, choice & 8 ? LARGE : len, &h } };
	struct fs_table table;

	CHECK(copy && len < LARGE);
	memcpy(copy, data + !!size, len);
	for (uint32_t unit = 512; choice & 4 && unit <= 4096; unit *= 8)
		seal(copy, len, unit);
	CHECK_OK(fs_table_read(&disk.source, sector_sizes[choice & 3], &table, NULL));
	check_table(&disk, &table);
	fs_table_free(&table);
	free(copy);
	return 0;
}
