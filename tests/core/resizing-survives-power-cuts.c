/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks of each kind are made larger, twice; the power is cut at each point of it. The image opens
 * with the old or the new size, holds what was flushed, zeros in what is new, and no errors; opened
 * for writing it is clean and can be written to. Once resizing has returned it is the new size.
 */
#include "bytes.h"
#include "checked.h"
#include "model.h"

#define STEPS 3

struct scene {
	const struct kind *kind;
	bool child, full;
	uint64_t block, size[STEPS];
};

static const struct scene *now;
static struct model m;
static struct rng r = { 1 };

/* The first block right behind the table, which has no room to grow. Of an empty image. */
static void no_gap(struct vd_storage *s)
{
	uint8_t h[512];
	uint64_t data;

	CHECK_OK(storage_pread(s, h, sizeof(h), 0));
	align_up(le32(h + 340) + 4 * (uint64_t)le32(h + 384), 512, &data);
	put_le32(h + 344, (uint32_t)data);
	CHECK_OK(storage_pwrite(s, h, sizeof(h), 0));
	CHECK_OK(storage_truncate(s, data + (uint64_t)le32(h + 388) * le32(h + 376)));
	CHECK_OK(storage_zero(s, data, (uint64_t)le32(h + 388) * le32(h + 376), false));
}

static void check_content(struct vd_disk *disk, uint64_t old, uint64_t new, const char *what)
{
	uint64_t size = vd_size(disk);
	uint8_t *is = malloc(size);

	CHECK(is);
	if (size != old && size != new)
		test_fail(__FILE__, __LINE__, "%s: the size is %" PRIu64, what, size);
	CHECK_OK(vd_read(disk, is, size, 0, 0));
	/* The model's bytes are zeros where the disk is new. */
	for (uint64_t i = 0; memcmp(is, m.bytes, size) && i < size; i++)
		if (is[i] != m.bytes[i])
			test_fail(__FILE__, __LINE__, "%s: size %" PRIu64 ", byte %" PRIu64
				  " is %02x, should be %02x", what, size, i, is[i], m.bytes[i]);
	free(is);
}

static struct vd_disk *open_on(struct vd_storage *s, bool writable, const char *what)
{
	struct vd_error err = { "" };
	struct vd_disk *disk;

	if (model_open_on(&m, borrow(s, writable), &disk, &err))
		test_fail(__FILE__, __LINE__, "%s: %s", what, err.text);
	return disk;
}

static void check_cut(struct vd_storage *record, uint64_t upto, uint64_t seed, uint64_t old,
		      uint64_t new)
{
	struct vd_storage *s;
	struct vd_disk *disk;
	uint8_t sector[512];
	char what[120];

	snprintf(what, sizeof(what), "%s%s to %" PRIu64 ", cut at %" PRIu64 ", seed %" PRIu64,
		 kind_label(now->kind), now->kind->fixed ? " fixed" : "", new, upto, seed);
	CHECK_OK(storage_record_cut(record, upto, seed, &s));
	disk = open_on(s, false, what);
	check_content(disk, old, new, what);
	check_disk(disk, 0, 1u << VD_FINDING_ERROR, what);
	CHECK_OK(vd_close(disk));
	CHECK_OK(vd_close(open_on(s, true, what)));
	disk = open_on(s, false, what);
	check_content(disk, old, new, what);
	check_disk(disk, 0, FINDINGS_ALL, what);
	CHECK_OK(vd_close(disk));
	disk = open_on(s, true, what);
	memset(sector, 0x77, sizeof(sector));
	CHECK_OK(vd_write(disk, sector, sizeof(sector), vd_size(disk) - 512, 0));
	CHECK_OK(vd_read(disk, sector, sizeof(sector), vd_size(disk) - 512, 0));
	CHECK_EQ(sector[511], 0x77);
	CHECK_OK(vd_close(disk));
	storage_close(s);
}

static void write_some(struct vd_disk *disk, uint64_t size)
{
	for (uint64_t at = 0; at < size;) {
		uint64_t n = min_u64(now->full ? 8192 : rng_between(&r, 512, 9000), size - at);

		rng_fill(&r, m.bytes + at, n);
		CHECK_OK(vd_write(disk, m.bytes + at, n, at, 0));
		at += n + (now->full ? 0 : rng_below(&r, 5 * (now->block ? now->block : 4096)));
	}
	/* Up to the end, so that the last block holds something. */
	rng_fill(&r, m.bytes + size - 700, 700);
	CHECK_OK(vd_write(disk, m.bytes + size - 700, 700, size - 700, 0));
	CHECK_OK(vd_flush(disk));
}

static void run(const struct scene *scene)
{
	struct vd_storage *record;
	struct vd_error err = { "" };
	struct vd_disk *disk;
	unsigned cuts = 0, most = test_quick() ? 60 : 600;

	now = scene;
	model_init(&m, scene->kind, scene->block, scene->size[0], 1);
	if (scene->child)
		model_push(&m, scene->kind, scene->block, scene->size[0]);
	m.bytes = realloc(m.bytes, scene->size[STEPS - 1]);
	CHECK(m.bytes);
	memset(m.bytes, 0, scene->size[STEPS - 1]);
	CHECK_OK(storage_open_record(borrow(model_leaf(&m)->storage, true), &record));
	disk = open_on(record, true, "at first");
	for (unsigned i = 1; i < STEPS; i++) {
		uint64_t old = scene->size[i - 1], new = scene->size[i], begun, end;

		write_some(disk, old);
		begun = storage_record_length(record);
		if (vd_resize(disk, new, &err))
			test_fail(__FILE__, __LINE__, "%s: %s", m.what, err.text);
		CHECK_EQ(vd_size(disk), new);
		end = storage_record_length(record);
		check_content(disk, new, new, m.what);
		for (uint64_t at = begun; at <= end; at += 1 + (end - begun) / most)
			for (uint64_t seed = 0; seed < (test_quick() ? 3 : 6); seed++, cuts++)
				check_cut(record, at, seed, old, new);
		for (uint64_t seed = 0; seed < 3; seed++)
			check_cut(record, end, seed, new, new);
	}
	write_some(disk, scene->size[STEPS - 1]);
	CHECK_OK(vd_close(disk));
	disk = open_on(record, false, "in the end");
	check_content(disk, scene->size[STEPS - 1], scene->size[STEPS - 1], m.what);
	check_disk(disk, 0, FINDINGS_ALL, m.what);
	CHECK_OK(vd_close(disk));
	storage_close(record);
	model_free(&m);
	printf("%s%s%s: %u cuts\n", kind_label(scene->kind), scene->kind->fixed ? " fixed" : "",
	       scene->child ? " child" : "", cuts);
}

int main(void)
{
	static const struct kind tight = {
		.name = "vdi", .child = true, .align = 1, .adapt = no_gap,
		.label = "vdi without gap",
	}, tight_fixed = {
		.name = "vdi", .fixed = true, .align = 1, .adapt = no_gap,
		.label = "vdi without gap",
	};
	const struct scene scenes[] = {
		{ kind_of("raw", true), .size = { 50000 / 512 * 512, 60416, 70656 } },
		{ kind_of("vdi", false), .block = 4096, .size = { 41472, 43008, 90112 } },
		{ kind_of("vdi", false), .block = 4096, .size = { 41472, 43008, 90112 },
		  .child = true },
		{ kind_of("vdi", true), .block = 4096, .size = { 41472, 43008, 90112 } },
		{ &tight, .block = 4096, .size = { 128 * 4096, 129 * 4096, 400 * 4096 } },
		{ &tight, .block = 4096, .size = { 128 * 4096, 129 * 4096, 400 * 4096 },
		  .child = true },
		{ &tight, .block = 4096, .size = { 128 * 4096, 1500 * 4096, 1600 * 4096 },
		  .full = true },
		{ &tight_fixed, .block = 4096, .size = { 128 * 4096, 129 * 4096, 300 * 4096 } },
		{ kind_of("vhd", false), .block = 65536,
		  .size = { 100 * 512 + 65536, 3 * 65536, 200 * 65536 } },
		{ kind_of("vhd", false), .block = 65536,
		  .size = { 100 * 512 + 65536, 3 * 65536, 200 * 65536 }, .child = true },
		{ kind_of("vhd", true), .size = { 50176, 50688, 90112 } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(scenes); i++)
		run(&scenes[i]);
	return 0;
}
