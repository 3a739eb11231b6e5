/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cache's promise to drivers, with a format that has only a table: new things before pointers,
 * one barrier between, frees a flush later, guest bytes in the same sector never touched, at every
 * power cut.
 */
#include "core/disk.h"
#include "test.h"

static int stub_map(struct vd_image *img, uint64_t offset, uint64_t length,
		    struct map_extent *out)
{
	*out = (struct map_extent) { .kind = MAP_DATA, .in_place = true, .length = length,
				     .file = &img->file[0], .offset = offset };
	return 0;
}

static int stub_open(struct vd_image *img, struct vd_error *err)
{
	(void)err;
	img->size = img->file[0].size;
	return 0;
}

static const struct vd_format stub = {
	.info = { .name = "stub" }, .open = stub_open, .map = stub_map,
};

static struct vd_storage *record;

static struct vd_disk *make(uint64_t size, uint32_t align)
{
	struct vd_image **images = calloc(1, sizeof(*images));
	struct vd_storage *s;
	struct vd_disk *d;

	CHECK_OK(storage_open_memory(size, align, &s));
	CHECK_OK(storage_open_record(s, &record));
	CHECK_OK(image_open(record, "stub", &stub, &images[0], NULL));
	CHECK_OK(disk_new(images, 1, NULL, &d, NULL));
	return d;
}

static void change(struct vd_disk *d, uint64_t offset, uint8_t value, uint32_t n,
		   enum meta_phase phase)
{
	uint8_t bytes[8192];

	memset(bytes, value, n);
	pthread_mutex_lock(&d->lock);
	CHECK_OK(HOT_CALL(d, meta_change(&d->image[0]->file[0], offset, bytes, n, phase)));
	pthread_mutex_unlock(&d->lock);
}

static uint8_t byte_at(struct vd_storage *s, uint64_t offset)
{
	uint8_t sector[512];

	CHECK_OK(storage_pread(s, sector, 512, offset / 512 * 512));
	return sector[offset % 512];
}

static unsigned syncs(uint64_t from)
{
	/* Each barrier is an entry; the writes of these tests are counted apart. */
	return (unsigned)(storage_record_length(record) - from);
}

static void pointers_come_after_what_they_point_to(void)
{
	struct vd_disk *d = make(65536, 1);

	for (uint8_t round = 1; round < 20; round++) {
		change(d, 20000u + round, round, 3, META_NEW);
		change(d, 5000, round, 8, META_POINTER);
		change(d, 40000, round, 1, META_POINTER);
		CHECK_OK(vd_flush(d));
	}
	for (uint64_t upto = 0; upto <= storage_record_length(record); upto++)
		for (uint64_t seed = 0; seed < 6; seed++) {
			struct vd_storage *cut;
			uint8_t pointer;

			CHECK_OK(storage_record_cut(record, upto, seed, &cut));
			pointer = byte_at(cut, 5000);
			if (pointer)
				CHECK_EQ(byte_at(cut, 20000u + pointer), pointer);
			storage_close(cut);
		}
	CHECK_OK(vd_close(d));
}

static void an_overlap_goes_between(void)
{
	struct vd_disk *d = make(65536, 1);

	/* In one sector: a counter at 100 with pointers on both sides, new things around. */
	for (uint8_t round = 1; round < 10; round++) {
		change(d, 30000, round, 1, META_NEW);
		change(d, 100, round, 4, META_NEW);
		change(d, 90, round, 2, META_POINTER);
		change(d, 120, round, 2, META_POINTER);
		change(d, 9000, round, 2, META_POINTER);
		CHECK_OK(vd_flush(d));
	}
	for (uint64_t upto = 0; upto <= storage_record_length(record); upto++)
		for (uint64_t seed = 0; seed < 6; seed++) {
			struct vd_storage *cut;

			CHECK_OK(storage_record_cut(record, upto, seed, &cut));
			CHECK(byte_at(cut, 30000) >= byte_at(cut, 90));
			CHECK(byte_at(cut, 100) >= byte_at(cut, 9000));
			CHECK(byte_at(cut, 100) >= byte_at(cut, 120));
			storage_close(cut);
		}
	CHECK_OK(vd_close(d));
}

static void frees_wait_for_the_next_flush(void)
{
	struct vd_disk *d = make(65536, 1);
	struct vd_storage *cut;

	change(d, 1000, 1, 4, META_POINTER);
	change(d, 2000, 7, 4, META_FREE);
	CHECK(meta_is_dirty(&d->meta));
	CHECK_OK(vd_flush(d));
	CHECK_OK(storage_record_cut(record, storage_record_length(record), 0, &cut));
	CHECK_EQ(byte_at(cut, 1000), 1);
	CHECK_EQ(byte_at(cut, 2000), 0);
	storage_close(cut);
	CHECK_OK(vd_flush(d));
	CHECK_OK(storage_record_cut(record, storage_record_length(record), 0, &cut));
	CHECK_EQ(byte_at(cut, 2000), 7);
	storage_close(cut);
	CHECK(!meta_is_dirty(&d->meta));
	CHECK_OK(vd_close(d));
}

/* A table that ends in the middle of a sector, as in old packed images. */
static void guest_bytes_in_a_shared_sector_stay(uint32_t align)
{
	struct vd_disk *d = make(65536, align);
	uint8_t guest[600], back[600];

	memset(guest, 0x55, sizeof(guest));
	change(d, 400, 1, 20, META_POINTER);		/* the page is in memory now */
	CHECK_OK(vd_write(d, guest, sizeof(guest), 420, 0));
	change(d, 404, 2, 8, META_POINTER);
	CHECK_OK(vd_flush(d));
	CHECK_OK(vd_read(d, back, sizeof(back), 420, 0));
	CHECK(!memcmp(guest, back, sizeof(guest)));
	CHECK_OK(vd_read(d, back, 20, 400, 0));
	CHECK_EQ(back[0], 1);
	CHECK_EQ(back[4], 2);
	CHECK_OK(vd_close(d));
}

static void a_flush_costs_what_it_must(void)
{
	struct vd_disk *d = make(65536, 1);
	uint64_t before;

	CHECK_OK(vd_write(d, "x", 1, 9, 0));
	before = storage_record_length(record);
	CHECK_OK(vd_flush(d));
	CHECK_EQ(syncs(before), 1);
	before = storage_record_length(record);
	CHECK_OK(vd_flush(d));
	CHECK_EQ(syncs(before), 0);
	change(d, 1000, 1, 4, META_POINTER);
	CHECK_OK(vd_write(d, "x", 1, 9, 0));
	before = storage_record_length(record);
	CHECK_OK(vd_flush(d));
	CHECK_EQ(syncs(before), 3); /* sync, one write, sync */
	CHECK_OK(vd_close(d));
}

/* More changes than the cache holds. */
static void changes_survive_a_small_cache(void)
{
	struct vd_disk *d = make(16 << 20, 1);
	struct vd_storage *cut;

	for (unsigned i = 0; i < 3000; i++)
		change(d, i * 5000u, (uint8_t)(i % 250 + 1), 4, META_NEW);
	CHECK_OK(vd_flush(d));
	CHECK_OK(storage_record_cut(record, storage_record_length(record), 0, &cut));
	for (unsigned i = 0; i < 3000; i++)
		CHECK_EQ(byte_at(cut, i * 5000u), i % 250 + 1);
	storage_close(cut);
	CHECK(d->meta.count <= d->meta.limit + 3000);
	CHECK_OK(vd_close(d));
}

/* Its pointers may be on the disk already, so that what it called new is new no more. */
static void what_a_failed_flush_wrote_is_not_new(void)
{
	struct vd_image **images = calloc(1, sizeof(*images));
	struct vd_storage *s, *fault;
	struct vd_file *f;
	struct vd_disk *d;

	CHECK_OK(storage_open_memory(65536, 1, &s));
	CHECK_OK(storage_open_fault(s, &fault));
	CHECK_OK(image_open(fault, "stub", &stub, &images[0], NULL));
	CHECK_OK(disk_new(images, 1, NULL, &d, NULL));
	f = &d->image[0]->file[0];
	change(d, 8192, 1, 512, META_NEW);
	change(d, 1000, 1, 4, META_POINTER);
	change(d, 3000, 1, 4, META_POINTER);
	CHECK(meta_is_new(f, 8192, 512));
	/* The new sector and the first pointer arrive, the second pointer does not. */
	storage_fault_arm(fault, FAULT_WRITE, 3, -EIO, false);
	CHECK_EQ(vd_flush(d), -EIO);
	CHECK(!meta_is_new(f, 8192, 512));
	CHECK_OK(vd_flush(d));
	change(d, 8192, 2, 512, META_NEW);
	CHECK(meta_is_new(f, 8192, 512));
	CHECK_OK(vd_close(d));
}

int main(void)
{
	pointers_come_after_what_they_point_to();
	an_overlap_goes_between();
	frees_wait_for_the_next_flush();
	guest_bytes_in_a_shared_sector_stay(1);
	guest_bytes_in_a_shared_sector_stay(512);
	guest_bytes_in_a_shared_sector_stay(4096);
	a_flush_costs_what_it_must();
	changes_survive_a_small_cache();
	what_a_failed_flush_wrote_is_not_new();
	return 0;
}
