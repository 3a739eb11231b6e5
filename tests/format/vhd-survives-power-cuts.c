/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power fails after every change of the file, with every kind of loss since the last barrier.
 * The image opens, for reading and for writing, the check finds no error, and each sector holds
 * what the last completed flush made durable or the content of a write begun since.
 */
#include "vhd-test.h"

#define BLOCK (64 * KIB)
#define SECTORS (10 * 128 + 37)
#define SIZE (SECTORS * 512u)
#define OPS 80
#define ZEROS UINT32_MAX	/* instead of a version */

struct op {
	uint32_t sector, count, version;
	uint64_t begun;		/* length of the log when it was */
};

struct barrier {
	unsigned ops;		/* that it covers */
	uint64_t done;
};

static struct op op[OPS];
static struct barrier barrier[OPS + 1];
static unsigned ops, barriers;
static bool child;
static uint8_t *parent_bytes;
static uint64_t parent_size;

static void sector_content(uint8_t *out, uint32_t sector, uint32_t version)
{
	memset(out, 0, 512);
	if (version == ZEROS || (!version && !child))
		return;
	for (unsigned i = 0; i < 512; i += 8) {
		put_le32(out + i, sector);
		put_le32(out + i + 4, version ? version : 0x70617265);
	}
}

static void put_sectors(struct vd_disk *d, const struct op *o)
{
	uint8_t *buf = malloc(o->count * 512);

	CHECK(buf);
	for (uint32_t i = 0; i < o->count; i++)
		sector_content(buf + i * 512, o->sector + i, o->version);
	if (o->version == ZEROS)
		CHECK_OK(vd_write_zeroes(d, o->sector * UINT64_C(512), o->count * 512, 0));
	else
		CHECK_OK(vd_write(d, buf, o->count * 512, o->sector * UINT64_C(512), 0));
	free(buf);
}

/* The leaf and, in a child, its parent. */
static struct vd_disk *open_cut(struct vd_storage *leaf, bool writable)
{
	return disk_of(leaf, child ? memory_of(parent_bytes, parent_size) : NULL, writable);
}

static void make_parent(void)
{
	struct vd_storage *s = new_vhd(SIZE, 0, false, NULL), *log;
	struct op all = { .count = SECTORS };
	struct vd_disk *d;

	CHECK_OK(storage_open_record(s, &log));
	d = disk_of(log, NULL, true);
	put_sectors(d, &all);
	CHECK_OK(vd_flush(d));
	CHECK_OK(storage_record_cut(log, storage_record_length(log), 0, &s));
	CHECK_OK(vd_close(d));
	parent_bytes = bytes_of(s, &parent_size);
	storage_close(s);
}

static struct vd_storage *make_leaf(void)
{
	struct vd_storage *s;
	struct vd_image *parent;

	if (!child)
		return new_vhd(SIZE, BLOCK, false, NULL);
	CHECK_OK(try_image(memory_of(parent_bytes, parent_size), false, &parent, NULL));
	s = new_vhd(SIZE, BLOCK, false, parent);
	image_close(parent);
	return s;
}

/* What op number `n` does, and when it is flushed. */
static void run(struct vd_disk *d, struct vd_storage *log, uint32_t seed)
{
	uint32_t state = seed;

	barrier[0] = (struct barrier){ 0, 0 };
	barriers = 1;
	for (ops = 0; ops < OPS; ops++) {
		struct op *o = &op[ops];

		o->sector = next_random(&state) % SECTORS;
		o->count = 1 + next_random(&state) % (next_random(&state) % 4 ? 9 : 200);
		if (o->count > SECTORS - o->sector)
			o->count = SECTORS - o->sector;
		o->version = next_random(&state) % 6 ? ops + 1 : ZEROS;
		o->begun = storage_record_length(log);
		put_sectors(d, o);
		if (next_random(&state) % 5)
			continue;
		CHECK_OK(vd_flush(d));
		barrier[barriers++] = (struct barrier){ ops + 1, storage_record_length(log) };
	}
}

static void check_content(const uint8_t *disk, uint64_t upto)
{
	static uint32_t durable[SECTORS];
	unsigned b = barriers - 1;
	uint8_t want[512];

	while (barrier[b].done > upto)
		b--;
	memset(durable, 0, sizeof(durable));
	for (unsigned i = 0; i < barrier[b].ops; i++)
		for (uint32_t k = 0; k < op[i].count; k++)
			durable[op[i].sector + k] = op[i].version;
	for (uint32_t s = 0; s < SECTORS; s++) {
		bool good;

		sector_content(want, s, durable[s]);
		good = !memcmp(want, disk + s * 512, 512);
		for (unsigned i = barrier[b].ops; !good && i < ops && op[i].begun <= upto; i++) {
			if (s < op[i].sector || s >= op[i].sector + op[i].count)
				continue;
			sector_content(want, s, op[i].version);
			good = !memcmp(want, disk + s * 512, 512);
		}
		if (!good)
			test_fail(__FILE__, __LINE__, "cut after %" PRIu64 ": sector %" PRIu32
				  " holds %08x %08x, durable is version %u", upto, s,
				  le32(disk + s * 512), le32(disk + s * 512 + 4), durable[s]);
	}
}

static void check_state(struct vd_disk *d, uint64_t upto, bool whole)
{
	static uint8_t disk[SIZE];
	struct findings f;

	CHECK_OK(vd_read(d, disk, SIZE, 0, 0));
	check_content(disk, upto);
	check_disk(d, 0, &f);
	if (f.result.errors)
		test_fail(__FILE__, __LINE__, "cut after %" PRIu64 ": %s", upto, f.text);
	if (whole && (f.result.minor || f.result.leaked))
		test_fail(__FILE__, __LINE__, "cut after %" PRIu64 ": %s", upto, f.text);
}

/* The place of the last footer is not used again before another one is durable. */
static void check_footer(struct vd_storage *cut, uint64_t upto)
{
	uint64_t size;
	uint8_t *bytes = bytes_of(cut, &size);
	bool found = false;

	for (uint64_t at = 1536; !found && at + 512 <= size; at += 512)
		found = !memcmp(bytes + at, bytes, 512);
	free(bytes);
	if (!found)
		test_fail(__FILE__, __LINE__, "cut after %" PRIu64 ": no footer but the copy",
			  upto);
}

static void look_at(struct vd_storage *cut, uint64_t upto)
{
	struct vd_storage *again, *log;
	struct vd_disk *d = open_cut(copy_of(cut), false);
	struct vd_image_info info;
	uint8_t *before, *after;
	uint64_t size_before, size_after;

	check_state(d, upto, false);
	CHECK_OK(vd_close(d));
	check_footer(cut, upto);

	/* One writable opening mends what there is to mend. */
	CHECK_OK(storage_open_record(cut, &log));
	d = open_cut(log, true);
	check_state(d, upto, false);
	CHECK_OK(storage_record_cut(log, storage_record_length(log), 0, &again));
	CHECK_OK(vd_close(d));
	before = bytes_of(again, &size_before);
	d = open_cut(again, false);
	check_state(d, upto, true);
	CHECK_OK(vd_image_info(d, 0, &info));
	CHECK(!info.warning);
	CHECK_OK(vd_close(d));
	/* And then there is nothing left to be done. */
	again = memory_of(before, size_before);
	CHECK_OK(storage_open_record(again, &log));
	d = open_cut(log, true);
	CHECK_EQ(storage_record_length(log), 0);
	after = bytes_of(log, &size_after);
	CHECK_EQ(size_before, size_after);
	CHECK(!memcmp(before, after, size_after));
	CHECK_OK(vd_close(d));
	free(before);
	free(after);
}

static void scenario(uint32_t seed)
{
	struct vd_storage *log, *cut;
	struct vd_disk *d;
	uint64_t length;
	uint32_t state = seed;

	CHECK_OK(storage_open_record(make_leaf(), &log));
	d = open_cut(log, true);
	run(d, log, seed);
	length = storage_record_length(log);
	CHECK(length > OPS);
	printf("%s: %u operations, %u flushes, %" PRIu64 " changes\n", child ? "child" : "base",
	       ops, barriers - 1, length);
	for (uint64_t upto = 0; upto <= length; upto += test_quick() ? 7 : 1)
		for (unsigned k = 0; k < 2; k++) {
			uint64_t loss = k ? next_random(&state) : 0;

			CHECK_OK(storage_record_cut(log, upto, loss, &cut));
			look_at(cut, upto);
		}
	CHECK_OK(vd_close(d));
}

int main(void)
{
	scenario(0x1234567);
	child = true;
	make_parent();
	scenario(0x7654321);
	free(parent_bytes);
	return 0;
}
