/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Damaged and evil images: refused when they are opened, an error where they are read, or not
 * written; never wrong data. And old footers, which are right.
 */
#include "vhd-test.h"

#define BLOCK (64 * KIB)
#define BLOCKS 8
#define SIZE (BLOCKS * BLOCK)

static uint8_t *good;		/* a dynamic image with blocks 0, 1 and 3 */
static uint64_t good_size;

static void make_good(void)
{
	static uint8_t data[BLOCK];
	struct vd_storage *s;
	struct vd_disk *d;

	CHECK_OK(storage_open_record(new_vhd(SIZE, BLOCK, false, NULL), &s));
	d = disk_of(s, NULL, true);
	for (unsigned i = 0; i < 4; i++) {
		memset(data, 'a' + (int)i, BLOCK);
		if (i != 2)
			CHECK_OK(vd_write(d, data, BLOCK, i * BLOCK, 0));
	}
	CHECK_OK(vd_flush(d));
	CHECK_OK(storage_record_cut(s, storage_record_length(s), 0, &s));
	CHECK_OK(vd_close(d));
	/* Opened and closed once more: without the space ahead. */
	CHECK_OK(storage_open_record(s, &s));
	d = disk_of(s, NULL, true);
	good = bytes_of(s, &good_size);
	CHECK_OK(vd_close(d));
	CHECK_EQ(good_size % 4096, 0);
}

static uint32_t entry_of(const uint8_t *image, unsigned block)
{
	return be32(image + 1536 + block * 4);
}

static void sum(uint8_t *image, uint64_t size)
{
	put_be32(image + 64, vhd_checksum(image, 512, 64));
	memcpy(image + size - 512, image, 512);
	put_be32(image + 512 + 36, vhd_checksum(image + 512, 1024, 36));
}

typedef void damage_fn(uint8_t *image, uint64_t *size);

static struct vd_storage *damaged(damage_fn *damage)
{
	uint64_t size = good_size;
	uint8_t *image = malloc(size + MIB);
	struct vd_storage *s;

	CHECK(image);
	memcpy(image, good, size);
	memset(image + size, 0, MIB);
	damage(image, &size);
	s = memory_of(image, size);
	free(image);
	return s;
}

static void expect_text(const char *text, const char *expected)
{
	if (!strstr(text, expected))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", text, expected);
}

static void refused(damage_fn *damage, const char *text)
{
	struct vd_storage *s[] = { damaged(damage), NULL };
	struct vd_disk *d;
	struct vd_error err;

	CHECK(try_disk(s, false, &d, &err) < 0);
	expect_text(err.text, "test.vhd: ");
	expect_text(err.text, text);
}

static void header_sum(uint8_t *b, uint64_t *size)
{
	(void)size;
	put_be32(b + 512 + 36, 0x12345678);
}

static void both_footers(uint8_t *b, uint64_t *size)
{
	b[70] ^= 1;
	b[*size - 512 + 70] ^= 1;
}

static void fixed_in_copy(uint8_t *b, uint64_t *size)
{
	put_be32(b + 60, VHD_FIXED);
	sum(b, *size);
	b[*size - 1] ^= 1;
}

static void few_entries(uint8_t *b, uint64_t *size)
{
	put_be32(b + 512 + 28, BLOCKS - 1);
	sum(b, *size);
}

static void table_past_end(uint8_t *b, uint64_t *size)
{
	put_be64(b + 512 + 16, *size - 512);
	sum(b, *size);
}

static void table_on_header(uint8_t *b, uint64_t *size)
{
	put_be64(b + 512 + 16, 1024);
	sum(b, *size);
}

static void header_past_end(uint8_t *b, uint64_t *size)
{
	put_be64(b + 16, (*size + 511) / 512 * 512);
	sum(b, *size);
}

static void size_overflows(uint8_t *b, uint64_t *size)
{
	put_be64(b + 48, UINT64_C(0x7ffffffffffffe00));
	sum(b, *size);
}

static void entries_overflow(uint8_t *b, uint64_t *size)
{
	put_be64(b + 48, UINT64_C(0xffffffff) * BLOCK);
	put_be32(b + 512 + 28, 0xffffffff);
	sum(b, *size);
}

static void only_footer(uint8_t *b, uint64_t *size)
{
	(void)b;
	*size = 512;
}

static void child_without_header(uint8_t *b, uint64_t *size)
{
	put_be32(b + 60, VHD_DIFFERENCING);
	put_be64(b + 16, 1536);
	sum(b, *size);
}

static void refusals(void)
{
	refused(header_sum, "dynamic header at byte 512: checksum is 0x12345678, expected 0x");
	refused(both_footers, "checksum is 0x");
	refused(fixed_in_copy, "nor is there a good copy at 0");
	refused(few_entries,
		"block table has 7 entries, but 524288 bytes in blocks of 65536 need 8");
	refused(table_past_end, "passes the end of the blocks");
	refused(table_on_header, "overlaps the dynamic header");
	refused(header_past_end, "dynamic header");
	refused(size_overflows, "block table has");
	refused(entries_overflow, "passes the end of the blocks");
	refused(only_footer, "dynamic header");
	refused(child_without_header, "dynamic header at byte 1536: it does not begin with");
}

/* Block 1 cannot be read, all others can; nothing may be written. */
static void unreadable(damage_fn *damage, uint64_t readable, const char *why)
{
	static uint8_t data[BLOCK];
	struct vd_storage *s = damaged(damage), *t[] = { copy_of(s), NULL };
	struct vd_disk *d = disk_of(s, NULL, false);
	struct vd_extent e;
	struct vd_error err;

	CHECK_EQ(vd_read(d, data, BLOCK, BLOCK, 0), -EIO);
	CHECK_EQ(vd_read(d, data, 1, BLOCK + readable, 0), -EIO);
	if (readable)
		CHECK_OK(vd_read(d, data, readable, BLOCK, 0));
	CHECK_OK(vd_map(d, BLOCK + readable, BLOCK - readable, &e));
	CHECK_EQ(e.kind, VD_EXTENT_ERROR);
	CHECK_EQ(e.length, BLOCK - readable);
	CHECK_OK(vd_read(d, data, BLOCK, 0, 0));
	CHECK_EQ(data[BLOCK - 1], 'a');
	CHECK_OK(vd_read(d, data, BLOCK, 3 * BLOCK, 0));
	CHECK_EQ(data[BLOCK - 1], 'd');
	CHECK_OK(vd_close(d));
	CHECK_EQ(try_disk(t, true, &d, &err), -EUCLEAN);
	expect_text(err.text, why);
	expect_text(err.text, "vimg check");
}

static void entry_past_end(uint8_t *b, uint64_t *size)
{
	put_be32(b + 1540, (uint32_t)(*size / 512));
}

static void entry_huge(uint8_t *b, uint64_t *size)
{
	(void)size;
	put_be32(b + 1540, 0xfffffffe);
}

static void entry_into_header(uint8_t *b, uint64_t *size)
{
	(void)size;
	put_be32(b + 1540, 2);
}

static void entry_into_table(uint8_t *b, uint64_t *size)
{
	(void)size;
	put_be32(b + 1540, 3);
}

static void entry_0(uint8_t *b, uint64_t *size)
{
	(void)size;
	put_be32(b + 1540, 0);
}

static void overlap(uint8_t *b, uint64_t *size)
{
	(void)size;
	put_be32(b + 1536 + 3 * 4, entry_of(b, 1) + 1);
}

static void entries(void)
{
	struct vd_storage *s[] = { damaged(overlap), NULL };
	struct vd_disk *d;
	struct vd_error err;

	unreadable(entry_past_end, 0, "block 1 at byte");
	unreadable(entry_huge, 0, "passes the end of the file");
	unreadable(entry_into_header, 0, "overlaps the headers");
	unreadable(entry_into_table, 0, "overlaps the headers");
	unreadable(entry_0, 0, "overlaps the headers");
	CHECK_EQ(try_disk(s, true, &d, &err), -EUCLEAN);
	expect_text(err.text, "two blocks overlap");
}

/* Block 3 is the last in the file, so that cutting into it spoils no other. */
static void truncated_end(uint8_t *b, uint64_t *size)
{
	uint32_t a = entry_of(b, 1);

	put_be32(b + 1536 + 4, entry_of(b, 3));
	put_be32(b + 1536 + 12, a);
	*size = entry_of(b, 1) * UINT64_C(512) + 512 + 1024;
}

static void cut_short(void)
{
	static uint8_t data[BLOCK];
	struct vd_storage *s = damaged(truncated_end);
	struct vd_disk *d = disk_of(s, NULL, false);
	struct vd_extent e;
	struct findings f;

	CHECK_OK(vd_read(d, data, 1024, BLOCK, 0));
	CHECK_EQ(data[1023], 'd');
	CHECK_EQ(vd_read(d, data, 1, BLOCK + 1024, 0), -EIO);
	CHECK_OK(vd_map(d, BLOCK + 1024, BLOCK, &e));
	CHECK_EQ(e.kind, VD_EXTENT_ERROR);
	check_disk(d, 0, &f);
	expect_text(f.text, "error: block 1 is at sector ");
	expect_text(f.text, "minor: the footer at the end is damaged or missing");
	CHECK_OK(vd_close(d));
}

/* In a base 0 bits are zeros, whatever is there. */
static void holes_in_bitmaps(void)
{
	static uint8_t data[BLOCK];
	uint8_t *image = malloc(good_size);
	struct vd_extent e;
	struct vd_disk *d;

	memcpy(image, good, good_size);
	image[entry_of(image, 1) * 512] = 0xf7;
	d = disk_of(memory_of(image, good_size), NULL, true);
	CHECK_OK(vd_read(d, data, BLOCK, BLOCK, 0));
	CHECK_EQ(data[4 * 512 - 1], 'b');
	CHECK_EQ(data[4 * 512], 0);
	CHECK_EQ(data[5 * 512 - 1], 0);
	CHECK_EQ(data[5 * 512], 'b');
	CHECK_OK(vd_map(d, BLOCK + 2048, 4096, &e));
	CHECK_EQ(e.kind, VD_EXTENT_ZERO);
	CHECK_EQ(e.length, 512);
	CHECK_OK(vd_write(d, "x", 1, BLOCK + 2048 + 7, 0));
	CHECK_OK(vd_read(d, data, BLOCK, BLOCK, 0));
	CHECK_EQ(data[4 * 512], 0);
	CHECK_EQ(data[4 * 512 + 7], 'x');
	CHECK_EQ(data[5 * 512 - 1], 0);
	CHECK_OK(vd_close(d));
	free(image);
}

/* Old writers leave the last byte of the footer out. */
static void old_footers(void)
{
	struct vd_storage *s = new_vhd(SIZE, 0, true, NULL);
	uint8_t last;
	struct vd_disk *d;

	CHECK_OK(storage_truncate(s, SIZE + 511));
	d = disk_of(s, NULL, true);
	CHECK_EQ(vd_size(d), SIZE);
	CHECK_OK(vd_write(d, "z", 1, SIZE - 1, 0));
	CHECK_OK(vd_read(d, &last, 1, SIZE - 1, 0));
	CHECK_EQ(last, 'z');
	CHECK_OK(vd_close(d));

	s = memory_of(good, good_size - 1);
	d = disk_of(copy_of(s), NULL, false);
	CHECK_OK(vd_read(d, &last, 1, BLOCK, 0));
	CHECK_EQ(last, 'b');
	CHECK_OK(vd_close(d));
	d = disk_of(s, NULL, true);
	CHECK_OK(vd_write(d, "z", 1, SIZE - 1, 0));
	CHECK_OK(vd_close(d));
}

/* A fixed image that is shorter than its footer says. */
static void short_fixed(void)
{
	struct vd_storage *s = new_vhd(SIZE, 0, true, NULL);
	uint8_t footer[512], byte;
	struct findings f;
	struct vd_disk *d;

	CHECK_OK(storage_pread(s, footer, 512, SIZE));
	CHECK_OK(storage_pwrite(s, footer, 512, SIZE / 2));
	CHECK_OK(storage_truncate(s, SIZE / 2 + 512));
	d = disk_of(s, NULL, false);
	CHECK_OK(vd_read(d, &byte, 1, SIZE / 2 - 1, 0));
	CHECK_EQ(vd_read(d, &byte, 1, SIZE / 2, 0), -EIO);
	check_disk(d, 0, &f);
	expect_text(f.text, "error: the disk has 524288 bytes, the file only 262144");
	CHECK_OK(vd_close(d));
}

/* Any single bit, and any length: no crash, no endless loop. */
static void random_damage(void)
{
	static uint8_t data[SIZE];
	uint32_t state = 4711;
	uint8_t *image = malloc(good_size);

	for (unsigned i = 0; i < (test_quick() ? 300 : 3000); i++) {
		uint64_t size = next_random(&state) % 8 ? good_size :
				next_random(&state) % good_size;
		struct vd_storage *s[] = { NULL, NULL };
		struct findings f;
		struct vd_disk *d;

		memcpy(image, good, good_size);
		for (unsigned k = 0; k < 1 + i % 3; k++) {
			uint32_t at = next_random(&state) % 2048;

			image[at] ^= (uint8_t)(1 << next_random(&state) % 8);
		}
		if (i % 2) {
			put_be32(image + 64, vhd_checksum(image, 512, 64));
			memcpy(image + good_size - 512, image, 512);
			put_be32(image + 548, vhd_checksum(image + 512, 1024, 36));
		}
		s[0] = memory_of(image, size);
		if (try_disk(s, i % 4 == 1, &d, NULL))
			continue;
		for (uint64_t at = 0; at < vd_size(d) && at < SIZE; at += BLOCK)
			(void)vd_read(d, data, BLOCK, at, 0);
		if (vd_is_writable(d))
			(void)vd_write(d, data, 1000, 4 * BLOCK - 500, 0);
		check_disk(d, 0, &f);
		(void)vd_close(d);
	}
	free(image);
}

int main(void)
{
	make_good();
	refusals();
	entries();
	cut_short();
	holes_in_bitmaps();
	old_footers();
	short_fixed();
	random_damage();
	free(good);
	return 0;
}
