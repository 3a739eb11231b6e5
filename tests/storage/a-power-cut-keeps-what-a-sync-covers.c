/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The storage that records: what its cuts must hold, may hold, and cannot hold.
 */
#include "test.h"

#include <pthread.h>

#include "storage/storage.h"

#define SEEDS 200

static uint8_t byte_at(struct vd_storage *s, uint64_t offset)
{
	uint8_t c;

	CHECK_OK(storage_pread(s, &c, 1, offset));
	return c;
}

static uint64_t size_of(struct vd_storage *s)
{
	uint64_t size;

	CHECK_OK(storage_size(s, &size));
	return size;
}

static void fill(struct vd_storage *s, uint64_t offset, size_t n, int value)
{
	uint8_t *buf = malloc(n);

	CHECK(buf);
	memset(buf, value, n);
	CHECK_OK(storage_pwrite(s, buf, n, offset));
	free(buf);
}

static struct vd_storage *cut(struct vd_storage *s, uint64_t upto, uint64_t seed)
{
	struct vd_storage *c;

	CHECK_OK(storage_record_cut(s, upto, seed, &c));
	return c;
}

static bool same(struct vd_storage *a, struct vd_storage *b)
{
	uint64_t size = size_of(a);
	uint8_t *p = malloc(size + 1), *q = malloc(size + 1);
	bool equal = size == size_of(b);

	CHECK(p && q);
	if (equal) {
		CHECK_OK(storage_pread(a, p, size, 0));
		CHECK_OK(storage_pread(b, q, size, 0));
		equal = !memcmp(p, q, size);
	}
	free(p);
	free(q);
	return equal;
}

static struct vd_storage *recorded(uint64_t size, uint32_t align)
{
	struct vd_storage *memory, *s;

	CHECK_OK(storage_open_memory(size, align, &memory));
	if (align == 1)
		fill(memory, 0, size, 1);
	CHECK_OK(storage_open_record(memory, &s));
	return s;
}

/* With all kept, a cut is what was there after that entry. */
static void every_prefix(void)
{
	struct vd_storage *s = recorded(4096, 1), *at[40], *c;
	uint64_t n;

	at[0] = cut(s, 0, 0);
	CHECK_EQ(size_of(at[0]), 4096);
	CHECK_EQ(byte_at(at[0], 4095), 1);
	for (n = 0; n < 39;) {
		switch (n % 6) {
		case 0:
			fill(s, n * 700, 1000, n);
			break;
		case 1:
			CHECK_OK(storage_zero(s, n / 6 % 4 * 512, 512, true));
			break;
		case 2:
			CHECK_OK(storage_sync(s));
			break;
		case 3:
			fill(s, 100, 50, n);
			break;
		case 4:
			CHECK_OK(storage_truncate(s, n * 650 + 100));
			break;
		default:
			CHECK_OK(storage_truncate(s, n * 800 + 500));
		}
		CHECK_EQ(storage_record_length(s), ++n);
		/* The lower storage itself, copied by the same means. */
		at[n] = cut(s, n, 0);
		CHECK(same(at[n], s));
	}
	CHECK_EQ(storage_record_cut(s, n + 1, 0, &c), -EINVAL);
	while (n-- > 0) {	/* and going back */
		c = cut(s, n, 0);
		CHECK(same(c, at[n]));
		storage_close(c);
	}
	for (n = 0; n < 40; n++)
		storage_close(at[n]);
	storage_close(s);
}

/* What goes to the disk is a sector, with all that was in it by then. */
static void part_of_a_sector_brings_the_rest(void)
{
	struct vd_storage *s = recorded(4096, 1), *c;
	unsigned seen[6] = { 0 };

	fill(s, 512, 1024, 2);
	fill(s, 600, 10, 3);				/* one entry */
	CHECK_OK(storage_zero(s, 1000, 536, true));	/* a part, then a whole sector */
	CHECK_EQ(storage_record_length(s), 4);
	for (uint64_t seed = 0; seed < 300; seed++) {
		c = cut(s, 4, seed);
		if (byte_at(c, 605) == 3)
			CHECK_EQ(byte_at(c, 512), 2);
		if (byte_at(c, 1010) == 0)
			CHECK_EQ(byte_at(c, 605), 3);
		seen[byte_at(c, 605)]++;
		seen[byte_at(c, 1010) ? 4 : 0]++;
		seen[5] += byte_at(c, 1024) == 0 && byte_at(c, 1010);
		storage_close(c);
	}
	for (unsigned i = 0; i < 6; i++)
		CHECK(seen[i]);
	storage_close(s);
}

static void covered_is_kept_the_rest_varies(void)
{
	struct vd_storage *s = recorded(64 << 10, 1), *c, *d;
	unsigned whole = 0, none = 0, part = 0, grown = 0, zeroed = 0;

	fill(s, 0, 8192, 2);
	CHECK_OK(storage_truncate(s, 100 << 10));
	CHECK_OK(storage_sync(s));
	CHECK_EQ(storage_record_length(s), 3);
	fill(s, 8192 + 100, 8192, 3);		/* torn anywhere */
	fill(s, 200 << 10, 4096, 4);		/* growing */
	CHECK_OK(storage_zero(s, 32 << 10, 4096, true));
	for (uint64_t seed = 1; seed < SEEDS; seed++) {
		unsigned kept = 0;

		c = cut(s, 6, seed);
		d = cut(s, 6, seed);
		CHECK(same(c, d));
		storage_close(d);
		CHECK_EQ(byte_at(c, 0), 2);
		CHECK_EQ(byte_at(c, 8191), 2);
		CHECK_EQ(byte_at(c, 8192), 1);
		CHECK_EQ(byte_at(c, 99 << 10), 0);
		for (uint64_t at = 8192 + 100, next; at < 16384 + 100; at = next) {
			uint8_t v = byte_at(c, at);

			next = (at / 512 + 1) * 512;
			if (next > 16384 + 100)
				next = 16384 + 100;
			CHECK(v == 1 || v == 3);
			CHECK_EQ(byte_at(c, next - 1), v);	/* sectors are whole */
			kept += v == 3;
		}
		if (seed % 2)
			CHECK(kept == 0 || kept == 17);
		none += kept == 0;
		whole += kept == 17;
		part += kept > 0 && kept < 17;
		grown += size_of(c) > 200 << 10;
		CHECK(size_of(c) == 100 << 10 || size_of(c) > 200 << 10);
		if (size_of(c) > 200 << 10)
			CHECK_EQ(byte_at(c, 150 << 10), 0);
		zeroed += byte_at(c, 32 << 10) == 0;
		CHECK_EQ(byte_at(c, 32 << 10), byte_at(c, (36 << 10) - 1));
		storage_close(c);
	}
	CHECK(whole && none && part);
	CHECK(grown && grown < SEEDS - 1);
	CHECK(zeroed && zeroed < SEEDS - 1);
	/* The state at the barrier knows nothing of later writes. */
	for (uint64_t seed = 0; seed < 4; seed++) {
		c = cut(s, 3, seed);
		CHECK_EQ(byte_at(c, 9000), 1);
		CHECK_EQ(byte_at(c, 0), 2);
		storage_close(c);
	}
	storage_close(s);
}

struct job {
	struct vd_storage *s;
	uint64_t offset;
};

static void *write_two(void *opaque)
{
	struct job *job = opaque;

	fill(job->s, job->offset, 512, 2);
	return NULL;
}

static void *sync_one(void *opaque)
{
	CHECK_OK(storage_sync(opaque));
	return NULL;
}

static void until_waiting(struct vd_storage *stall, unsigned n)
{
	for (int i = 0; storage_stall_waiting(stall) != n; i++) {
		CHECK(i < 5000);
		usleep(2000);
	}
}

/* How many of the seeds find value `v` at the offset. */
static unsigned found(struct vd_storage *s, uint64_t upto, uint64_t offset, uint8_t v)
{
	unsigned n = 0;

	for (uint64_t seed = 1; seed < SEEDS; seed++) {
		struct vd_storage *c = cut(s, upto, seed);

		n += byte_at(c, offset) == v;
		storage_close(c);
	}
	return n;
}

/* A sync covers what was completed when it began: no write still running, none begun since. */
static void a_sync_covers_no_running_write(void)
{
	struct vd_storage *memory, *stall, *s;
	struct job job = { NULL, 0 };
	pthread_t writer, syncer;

	CHECK_OK(storage_open_memory(4096, 1, &memory));
	CHECK_OK(storage_open_stall(memory, &stall));
	CHECK_OK(storage_open_record(stall, &s));
	job.s = s;

	storage_stall_set(stall, FAULT_WRITE);
	CHECK_EQ(pthread_create(&writer, NULL, write_two, &job), 0);
	until_waiting(stall, 1);
	CHECK_OK(storage_sync(s));			/* entry 1; the write is entry 0 */
	storage_stall_set(stall, 0);
	CHECK_EQ(pthread_join(writer, NULL), 0);
	CHECK_EQ(storage_record_length(s), 2);
	CHECK(found(s, 2, 0, 2) > 0);
	CHECK(found(s, 2, 0, 0) > 0);

	storage_stall_set(stall, FAULT_SYNC);
	CHECK_EQ(pthread_create(&syncer, NULL, sync_one, s), 0);
	until_waiting(stall, 1);
	fill(s, 512, 512, 3);				/* entry 2, while the sync runs */
	CHECK_EQ(storage_record_length(s), 3);
	CHECK(found(s, 3, 0, 0) > 0);			/* the sync has not ended yet */
	storage_stall_set(stall, 0);
	CHECK_EQ(pthread_join(syncer, NULL), 0);	/* entry 3 */
	CHECK_EQ(found(s, 4, 0, 2), SEEDS - 1);
	CHECK(found(s, 4, 512, 3) > 0);
	CHECK(found(s, 4, 512, 0) > 0);
	CHECK_OK(storage_sync(s));
	CHECK_EQ(found(s, 5, 512, 3), SEEDS - 1);
	storage_close(s);
}

static void a_failed_sync_is_no_barrier(void)
{
	struct vd_storage *memory, *fault, *s;
	uint8_t c = 2;

	CHECK_OK(storage_open_memory(4096, 1, &memory));
	CHECK_OK(storage_open_fault(memory, &fault));
	CHECK_OK(storage_open_record(fault, &s));
	fill(s, 0, 512, 2);
	storage_fault_arm(fault, FAULT_SYNC | FAULT_WRITE, 1, EIO, true);
	CHECK_EQ(storage_sync(s), -EIO);
	CHECK_EQ(storage_record_length(s), 1);
	CHECK(found(s, 1, 0, 0) > 0);
	/* A failed write may have reached the disk, whatever is flushed later. */
	CHECK_EQ(storage_pwrite(s, &c, 1, 1000), -EIO);
	storage_fault_arm(fault, FAULT_SYNC, 0, EIO, true);
	CHECK_OK(storage_sync(s));
	CHECK_EQ(found(s, 3, 0, 2), SEEDS - 1);
	CHECK(found(s, 3, 1000, 0) > 0);
	CHECK(found(s, 3, 1000, 2) > 0);
	storage_close(s);
}

static void alignment_stays(void)
{
	struct vd_storage *s = recorded(8192, 4096), *c;
	uint8_t *buf = aligned_alloc(4096, 8192);

	memset(buf, 5, 8192);
	CHECK_OK(storage_pwrite(s, buf, 8192, 8192));
	for (uint64_t seed = 0; seed < 20; seed++) {
		c = cut(s, 1, seed);
		CHECK_EQ(c->align, 4096);
		CHECK_EQ(size_of(c) % 4096, 0);
		CHECK_OK(storage_pread(c, buf, 4096, 0));
		storage_close(c);
	}
	free(buf);
	storage_close(s);
}

/* The content of a sparse file is there too. */
static void from_a_file(void)
{
	char *path = test_path("x.img");
	struct vd_storage *file, *s, *c;
	struct vd_error err;

	CHECK_OK(storage_create_file(path, &file, &err));
	CHECK_OK(storage_truncate(file, 1ull << 40));
	fill(file, 1ull << 39, 3 << 20, 6);
	CHECK_OK(storage_open_record(file, &s));
	CHECK_OK(storage_zero(s, 1ull << 39, 4096, false));
	c = cut(s, 0, 0);
	CHECK_EQ(size_of(c), 1ull << 40);
	CHECK_EQ(byte_at(c, 1ull << 39), 6);
	CHECK_EQ(byte_at(c, (1ull << 39) + (3 << 20) - 1), 6);
	CHECK_EQ(byte_at(c, (1ull << 39) + (3 << 20)), 0);
	storage_close(c);
	c = cut(s, storage_record_length(s), 0);
	CHECK_EQ(byte_at(c, (1ull << 39) + 4095), 0);
	CHECK_EQ(byte_at(c, (1ull << 39) + 4096), 6);
	storage_close(c);
	storage_close(s);
	free(path);
}

int main(void)
{
	every_prefix();
	part_of_a_sector_brings_the_rest();
	covered_is_kept_the_rest_varies();
	a_sync_covers_no_running_write();
	a_failed_sync_is_no_barrier();
	alignment_stays();
	from_a_file();
	return 0;
}
