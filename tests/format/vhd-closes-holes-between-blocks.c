/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holes between a VHD's blocks are closed when it is opened for writing: the highest blocks move into
 * them, and the file becomes shorter. Also when the power fails meanwhile, and fails again. What is
 * no hole (padding, a name of the parent) is left alone, and so is a hole that cannot be closed.
 */
#include "vhd-test.h"

#include "checked.h"

#define BLOCK (64 * KIB)
#define BYTES (512 + BLOCK)		/* with its bitmap */
#define STRIDE (4096 + BLOCK)		/* of ours */
#define FIRST 3584u			/* so that data begins at 4096 */
#define BLOCKS 12
#define SIZE (BLOCKS * BLOCK - 60 * KIB)	/* of the last block only 4 KiB are used */
#define TABLE 1536u

struct layout {
	const char *what;
	uint32_t place[BLOCKS];		/* 0: absent */
	uint32_t cut;			/* the file ends so many bytes before its last block does */
	bool moves;
	uint32_t length;		/* of the file afterwards */
};

/* Block `n` at the `i`th place of ours. */
#define OURS(n, i) [n] = FIRST + (i) * STRIDE
/* The same where blocks follow each other closely. */
#define TIGHT(n, i) [n] = 2048 + (i) * BYTES

static const struct layout layouts[] = {
	{ .what = "no hole", .place = { OURS(3, 0), OURS(1, 1), OURS(0, 2) } },
	{ .what = "one", .place = { OURS(3, 0), OURS(1, 2), OURS(0, 3) }, .moves = true,
	  .length = FIRST + 3 * STRIDE + 512 },
	{ .what = "before the first", .place = { OURS(3, 1), OURS(1, 2) }, .moves = true,
	  .length = FIRST + 2 * STRIDE + 512 },
	{ .what = "only one block, high up", .place = { OURS(5, 7) }, .moves = true, .length = FIRST + STRIDE + 512 },
	{ .what = "several", .place = { OURS(0, 9), OURS(1, 2), OURS(2, 5), OURS(3, 7), OURS(4, 8), OURS(5, 0) },
	  .moves = true, .length = FIRST + 6 * STRIDE + 512 },
	{ .what = "the last block, which is cut", .place = { OURS(0, 1), OURS(BLOCKS - 1, 3), OURS(4, 0) },
	  .cut = 60 * KIB, .moves = true, .length = FIRST + 3 * STRIDE + 512 },
	{ .what = "a tight one", .place = { TIGHT(0, 0), TIGHT(1, 2), TIGHT(2, 1), TIGHT(7, 4), TIGHT(8, 5) },
	  .moves = true, .length = 2048 + 5 * BYTES + 3072 + 512 },
	{ .what = "padding", .place = { [0] = FIRST + 512, [1] = FIRST + 512 + BYTES + 65024 } },
	{ .what = "a lot of padding", .place = { [0] = FIRST + 512, [1] = FIRST + 512 + BYTES + BYTES - 512 } },
};

static uint8_t buf[BYTES];

static void fill(uint32_t block)
{
	memset(buf, 0xff, 512);
	for (uint32_t i = 512; i < BYTES; i++)
		buf[i] = (uint8_t)(block * 37 + i % 251);
}

static void put_entry(struct vd_storage *s, uint32_t block, uint32_t place)
{
	uint8_t entry[4];

	put_be32(entry, place / 512);
	CHECK_OK(storage_pwrite(s, entry, 4, TABLE + block * 4));
}

static struct vd_storage *plant(const struct layout *l)
{
	struct vd_storage *s = new_vhd(SIZE, BLOCK, false, NULL);
	uint64_t end = 0;
	uint8_t footer[512];

	CHECK_OK(storage_pread(s, footer, 512, 0));
	CHECK_OK(storage_truncate(s, TABLE + 512));
	for (uint32_t i = 0; i < BLOCKS; i++) {
		if (!l->place[i])
			continue;
		fill(i);
		CHECK_OK(storage_pwrite(s, buf, BYTES, l->place[i]));
		put_entry(s, i, l->place[i]);
		end = max_u64(end, l->place[i] + BYTES);
	}
	CHECK_OK(storage_truncate(s, end - l->cut));
	CHECK_OK(storage_pwrite(s, footer, 512, end - l->cut));
	return s;
}

static void check_disk_holds(struct vd_disk *d, const struct layout *l)
{
	static uint8_t disk[SIZE];

	CHECK_OK(vd_read(d, disk, SIZE, 0, 0));
	for (uint32_t i = 0; i < BLOCKS; i++) {
		uint64_t used = min_u64(BLOCK, SIZE - i * BLOCK);

		if (l->place[i])
			fill(i);
		else
			memset(buf, 0, sizeof(buf));
		if (memcmp(disk + i * BLOCK, buf + 512, used))
			test_fail(__FILE__, __LINE__, "%s: block %u is damaged", l->what, i);
	}
}

/* Takes the storage over. */
static void check_closed(struct vd_storage *s, const struct layout *l)
{
	struct vd_disk *d = disk_of(s, NULL, false);
	struct findings f;

	check_disk_holds(d, l);
	check_disk(d, 0, &f);
	if (f.text[0])
		test_fail(__FILE__, __LINE__, "%s: %s", l->what, f.text);
	CHECK_OK(vd_close(d));
}

/* Opens it for writing, and returns the log of that. */
static struct vd_storage *recover(struct vd_storage *s, const struct layout *l,
				  struct vd_disk **disk)
{
	struct vd_storage *log;

	CHECK_OK(storage_open_record(s, &log));
	*disk = disk_of(log, NULL, true);
	check_disk_holds(*disk, l);
	return log;
}

/* At each point, with several subsets of what was not flushed; `deep` times in one another. */
static void cut_everywhere(struct vd_storage *s, const struct layout *l, unsigned deep)
{
	struct vd_disk *d, *reader;
	struct vd_storage *log = recover(s, l, &d), *cut;
	uint64_t length = storage_record_length(log);

	for (uint64_t upto = 0; upto <= length; upto++)
		for (uint64_t seed = 0; seed < (deep ? 8 : 3); seed++) {
			CHECK_OK(storage_record_cut(log, upto, seed, &cut));
			reader = disk_of(copy_of(cut), NULL, false);
			check_disk_holds(reader, l);
			CHECK_OK(vd_close(reader));
			if (deep)
				cut_everywhere(cut, l, deep - 1);
			else
				storage_close(cut);
		}
	CHECK_OK(storage_record_cut(log, length, 1, &cut));
	CHECK_OK(vd_close(d));
	check_closed(cut, l);
}

static void holes_are_closed(const struct layout *l)
{
	struct vd_storage *s = plant(l), *log, *after;
	struct vd_disk *d = disk_of(copy_of(s), NULL, false);
	uint64_t length = storage_length(s);
	struct findings f;

	check_disk_holds(d, l);
	check_disk(d, 0, &f);
	CHECK_EQ(!!f.result.leaked, l->moves);
	CHECK_EQ(f.result.errors, 0);
	CHECK_OK(vd_close(d));

	log = recover(copy_of(s), l, &d);
	check_disk(d, VD_CHECK_REPAIR, &f);
	CHECK_EQ(!!f.result.leaked, l->moves);
	CHECK(!l->moves || strstr(f.text, "leak (mended): "));
	CHECK_EQ(storage_record_length(log) != 0, l->moves);
	after = copy_of(log);
	CHECK_OK(vd_close(d));
	if (l->moves && storage_length(after) != l->length)
		test_fail(__FILE__, __LINE__, "%s: the file has %" PRIu64 " bytes, not %u", l->what,
			  storage_length(after), l->length);
	CHECK(l->moves || storage_length(after) == length);
	check_closed(after, l);

	cut_everywhere(s, l, test_quick() ? 0 : 1);
}

/* A name of the parent, be it in a kind of locator that we do not read, in a hole. */
static void names_are_left_alone(uint32_t data_space, uint32_t data_length)
{
	static const struct layout l = { .what = "a name", .place = { OURS(0, 0), OURS(1, 2) } };
	struct vd_storage *s = plant(&l), *log, *after;
	uint64_t at = FIRST + STRIDE + 20 * KIB, length = storage_length(s);
	uint8_t header[VHD_HEADER], text[9000], kept[9000];
	struct vhd_dynamic dynamic;
	struct vd_disk *d;

	memset(text, 'n', sizeof(text));
	CHECK_OK(storage_pwrite(s, text, data_length, at));
	CHECK_OK(storage_pread(s, header, VHD_HEADER, 512));
	CHECK_OK(vhd_dynamic_parse(header, &dynamic, NULL));
	dynamic.locator[5] = (struct vhd_locator){
		VHD_CODE('W', 'h', 'o', '?'), data_space, data_length, at,
	};
	vhd_dynamic_build(header, &dynamic);
	CHECK_OK(storage_pwrite(s, header, VHD_HEADER, 512));
	log = recover(s, &l, &d);
	CHECK_EQ(storage_record_length(log), 0);
	/* Nor do new blocks go there. */
	for (uint32_t i = 2; i < BLOCKS; i++)
		CHECK_OK(vd_write(d, "new", 3, i * BLOCK, 0));
	CHECK_OK(vd_flush(d));
	after = copy_of(log);
	CHECK_OK(vd_close(d));
	CHECK_OK(storage_pread(after, kept, data_length, at));
	CHECK(!memcmp(kept, text, data_length));
	CHECK(storage_length(after) > length);
	storage_close(after);
}

/* Reading the block or writing to the hole fails for ever, or once: the hole stays, and is told of. */
static void what_cannot_be_moved_stays(enum fault_kind kind, uint64_t nth, bool for_ever)
{
	const struct layout *l = &layouts[4];
	struct vd_storage *s = plant(l), *log, *fault;
	struct vd_image **images = calloc(1, sizeof(*images));
	struct vd_disk *d;
	struct findings f;
	struct vd_error err;

	CHECK(images);
	CHECK_OK(storage_open_record(s, &log));
	CHECK_OK(storage_open_fault(log, &fault));
	CHECK_OK(try_image(fault, true, &images[0], NULL));
	storage_fault_arm(fault, kind, nth, -EIO, for_ever);
	CHECK_OK(disk_new(images, 1, NULL, &d, &err));
	CHECK(storage_fault_fired(fault));
	storage_fault_arm(fault, kind, 0, 0, false);
	check_disk(d, 0, &f);
	CHECK(strstr(f.text, "leak: nothing refers to"));
	check_disk_holds(d, l);
	for (uint32_t i = 0; i < BLOCKS; i++) {
		memset(buf, 'w', sizeof(buf));
		if (!l->place[i])
			CHECK_OK(vd_write(d, buf, 4096, i * BLOCK, 0));
	}
	CHECK_OK(vd_flush(d));
	CHECK_OK(storage_record_cut(log, storage_record_length(log), 0, &s));
	CHECK_OK(vd_close(d));
	for (unsigned round = 0; round < 2; round++) {
		d = disk_of(copy_of(s), NULL, true);
		check_disk(d, 0, &f);
		CHECK(!strstr(f.text, "leak: "));
		for (uint32_t i = 0; i < BLOCKS; i++) {
			CHECK_OK(vd_read(d, buf, 4096, i * BLOCK, 0));
			CHECK(l->place[i] || buf[77] == 'w');
		}
		CHECK_OK(vd_close(d));
	}
	storage_close(s);
}

/* A block device keeps its length: what was given back is before the footer then, and used again. */
static void a_device_keeps_its_length(void)
{
	const struct layout *l = &layouts[4];
	struct vd_storage *s = plant(l), *log, *fault;
	struct vd_image **images = calloc(1, sizeof(*images));
	uint64_t length = storage_length(s);
	struct vd_disk *d;
	struct vd_error err;

	CHECK(images);
	CHECK_OK(storage_open_record(s, &log));
	CHECK_OK(storage_open_fault(log, &fault));
	CHECK_OK(try_image(fault, true, &images[0], NULL));
	storage_fault_arm(fault, FAULT_RESIZE, 1, ENOTSUP, true);
	CHECK_OK(disk_new(images, 1, NULL, &d, &err));
	check_disk_holds(d, l);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_OK(vd_write(d, "new", 3, (6 + i) * BLOCK, 0));
	CHECK_OK(vd_flush(d));
	CHECK_EQ(storage_length(log), length);
	s = copy_of(log);
	CHECK_OK(vd_close(d));
	d = disk_of(s, NULL, false);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_OK(vd_read(d, buf, 512, (6 + i) * BLOCK, 0));
		CHECK(!memcmp(buf, "new", 4));
	}
	CHECK_OK(vd_close(d));
}

int main(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++)
		holes_are_closed(&layouts[i]);
	names_are_left_alone(512, 300);
	names_are_left_alone(1, 300);
	names_are_left_alone(16384, 9000);
	/* The first reading is that of the table; if one block was moved it is read again. */
	what_cannot_be_moved_stays(FAULT_READ, 2, false);
	what_cannot_be_moved_stays(FAULT_READ, 2, true);
	what_cannot_be_moved_stays(FAULT_READ, 3, false);
	what_cannot_be_moved_stays(FAULT_WRITE, 1, false);
	what_cannot_be_moved_stays(FAULT_WRITE, 1, true);
	what_cannot_be_moved_stays(FAULT_WRITE, 2, false);
	a_device_keeps_its_length();
	return 0;
}
