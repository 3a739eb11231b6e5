/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Nth read or the Nth allocation fails, once or from then on, for every N: the answer is an
 * error with a sentence, or a table that holds what every table must; nothing leaks and nothing
 * hangs.
 */
#include "disk.h"

static unsigned allocations, fail_allocation;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	return ++allocations == fail_allocation ? NULL : __real_malloc(size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return ++allocations == fail_allocation ? NULL : __real_reallocarray(old, count, size);
}

/* 0, or what fs_table_read() failed with. */
static int try(struct disk *d)
{
	struct fs_error err = { "" };
	struct fs_table t;
	int r;

	allocations = 0;
	d->reads = 0;
	r = fs_table_read(&d->source, 0, &t, &err);
	if (r) {
		CHECK(*err.text);
		CHECK_EQ(t.count, 0u);
		CHECK(!t.part);
	} else {
		CHECK(!*err.text);
		check_table(d, &t);
	}
	fs_table_free(&t);
	return r;
}

static void check_disk(struct disk *d)
{
	unsigned reads, allocated;

	CHECK_OK(try(d));
	reads = d->reads;
	allocated = allocations;
	CHECK(reads > 0);
	for (int for_ever = 0; for_ever < 2; for_ever++) {
		d->fail_from = for_ever;
		for (d->fail_read = 1; d->fail_read <= reads; d->fail_read++)
			CHECK_EQ(try(d), d->fail_read == 1 ? -EIO : 0);
	}
	d->fail_read = 0;
	for (fail_allocation = 1; fail_allocation <= allocated; fail_allocation++)
		CHECK_EQ(try(d), -ENOMEM);
	fail_allocation = 0;
}

static void check_mbr(void)
{
	static const struct bsd_part nested[] = { { 16, 100, 7 }, { 116, 50, 1 } };
	struct disk d;

	disk_new(&d, 32 * MiB);
	mbr_entry(&d, 0, 0, 0, 0xa5, 1000, 900);
	mbr_entry(&d, 0, 1, 0, 0x05, 2000, 2000);
	bsd_label(&d, 1001 * 512, 512, 0, nested, 2);
	for (unsigned i = 0; i < 40; i++) {
		mbr_entry(&d, (2000 + 10 * i) * 512, 0, 0, 0x83, 1, 8);
		mbr_entry(&d, (2000 + 10 * i) * 512, 1, 0, 0x05, 10 * i + 10, 10);
	}
	check_disk(&d);
	disk_free(&d);
}

static void check_gpt(bool damaged)
{
	struct gpt_disk g;

	gpt_new(&g, 4 * MiB, 4096);
	for (unsigned i = 0; i < 40; i++)
		gpt_entry(&g, i, GUID_LINUX, 100 + i, 100 + i, "name");
	gpt_seal(&g);
	if (damaged)
		g.entries[0] ^= 1;
	check_disk(&g.disk);
	disk_free(&g.disk);
}

static void check_others(void)
{
	static const struct bsd_part parts[] = { { 16, 100, 7 }, { 116, 50, 1 } };
	struct disk d;

	disk_new(&d, MiB);
	check_disk(&d);
	bsd_label(&d, 64, 512, 0, parts, 2);
	check_disk(&d);
	apm_driver_descriptor(&d, 2048);
	apm_entry(&d, 2048, 1, 2, 1, 63, "", "Apple_partition_map");
	apm_entry(&d, 2048, 2, 2, 64, 64, "", "Apple_HFS");
	check_disk(&d);
	disk_free(&d);
}

int main(void)
{
	check_mbr();
	check_gpt(false);
	check_gpt(true);
	check_others();
	return 0;
}
