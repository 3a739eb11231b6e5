/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VDIs that are damaged or evil: what cannot be read is an error and stays one, nothing else is
 * touched, and neither memory nor time depends on what a header promises.
 */
#include "test.h"

#include <sys/resource.h>
#include <unistd.h>

#include "bytes.h"
#include "core/image.h"
#include "formats/vdi-header.h"

#define BLOCK 4096u
#define MIB (1024u * 1024)

static struct vd_storage *memory;	/* of the image last made */

static struct vdi_header header(uint32_t blocks, uint32_t allocated)
{
	return (struct vdi_header) {
		.type = VDI_DYNAMIC, .table = 512, .data = 8192, .block_size = BLOCK,
		.blocks = blocks, .allocated = allocated, .disk_size = (uint64_t)blocks * BLOCK,
	};
}

/* An image whose blocks hold 'A', 'B', ... ; the file ends at `size`. */
static struct vd_storage *image(const struct vdi_header *h, const uint32_t *entries, uint64_t size)
{
	uint8_t buf[VDI_HEADER_BYTES], block[BLOCK];

	CHECK_OK(storage_open_memory(0, 1, &memory));
	vdi_header_build(buf, h);
	CHECK_OK(storage_pwrite(memory, buf, sizeof(buf), 0));
	for (uint32_t i = 0; i < h->blocks; i++) {
		uint8_t entry[4];

		put_le32(entry, entries[i]);
		CHECK_OK(storage_pwrite(memory, entry, 4, h->table + 4 * i));
	}
	for (uint32_t i = 0; i < h->allocated; i++) {
		memset(block, 'A' + (int)i, BLOCK);
		CHECK_OK(storage_pwrite(memory, block, BLOCK, h->data + i * BLOCK));
	}
	CHECK_OK(storage_truncate(memory, size));
	return memory;
}

static int open_disk(struct vd_storage *s, bool writable, struct vd_disk **d, struct vd_error *err)
{
	struct vd_image **images = calloc(1, sizeof(*images));
	int r;

	CHECK(images);
	s->writable = writable;
	r = image_open(s, "test.vdi", NULL, &images[0], err);
	if (r)
		free(images);
	return r ? r : disk_new(images, 1, NULL, d, err);
}

/* Else the lost part would become zeros as soon as the file grows. */
static void a_file_cut_inside_a_block_is_not_written_to(void)
{
	const struct vdi_header h = header(4, 2);
	const uint32_t entries[] = { 0, 1, VDI_FREE, VDI_FREE };
	uint64_t cut = h.data + BLOCK + 1024;
	struct vd_error err = { "" };
	uint8_t buf[BLOCK];
	struct vd_disk *d;

	CHECK_OK(open_disk(image(&h, entries, cut), false, &d, &err));
	CHECK_OK(vd_read(d, buf, 1024, BLOCK, 0));
	CHECK_EQ(buf[0], 'B');
	CHECK_EQ(vd_read(d, buf, 512, BLOCK + 1024, 0), -EIO);
	CHECK_OK(vd_close(d));
	CHECK_EQ(open_disk(image(&h, entries, cut), true, &d, &err), -EUCLEAN);
	CHECK(strstr(err.text, "block 1"));
}

/* The last block may be as short as the disk. */
static void a_file_may_end_where_the_disk_does(void)
{
	const uint32_t entries[] = { VDI_FREE, 0 };
	struct vdi_header h = header(2, 1);
	struct vd_error err = { "" };
	struct vd_disk *d;
	uint8_t buf[512];

	h.disk_size -= BLOCK - 512;
	CHECK_OK(open_disk(image(&h, entries, h.data + 512), true, &d, &err));
	CHECK_OK(vd_write(d, "x", 1, 0, 0));
	CHECK_OK(vd_read(d, buf, 512, BLOCK, 0));
	CHECK_EQ(buf[511], 'A');
	CHECK_OK(vd_close(d));
}

/* 0xfffffffd, which is outside the file, is not followed by 0xfffffffe. */
static void the_last_index_has_no_next_one(void)
{
	const struct vdi_header h = header(2, 0);
	const uint32_t entries[] = { VDI_ZERO - 1, VDI_ZERO };
	struct vd_error err = { "" };
	struct vd_disk *d;
	uint8_t byte = 1;

	CHECK_OK(open_disk(image(&h, entries, h.data), false, &d, &err));
	CHECK_EQ(vd_read(d, &byte, 1, 0, 0), -EIO);
	CHECK_OK(vd_read(d, &byte, 1, BLOCK, 0));
	CHECK_EQ(byte, 0);
	CHECK_OK(vd_close(d));
}

static void a_table_inside_the_header_is_refused(void)
{
	const struct vdi_header h = header(4, 0);
	const uint32_t entries[] = { VDI_FREE, VDI_FREE, VDI_FREE, VDI_FREE };
	struct vd_error err = { "" };
	struct vd_storage *s = image(&h, entries, h.data);
	struct vd_disk *d;
	uint8_t field[4];

	put_le32(field, 0);
	CHECK_OK(storage_pwrite(s, field, 4, 72));	/* size of the header */
	put_le32(field, 384);
	CHECK_OK(storage_pwrite(s, field, 4, 340));	/* table: over the counter */
	CHECK_EQ(open_disk(s, false, &d, &err), -EUCLEAN);
	CHECK(strstr(err.text, "header size"));
}

static uint64_t peak(void)
{
	struct rusage u;

	CHECK_OK(getrusage(RUSAGE_SELF, &u));
	return (uint64_t)u.ru_maxrss * 1024;
}

/* 128 Mi blocks of 512 bytes in a file that is nothing but holes, so all have the same index. */
static void a_promise_of_many_blocks_costs_nothing(void)
{
	struct vdi_header h = header(128 * MIB, 0);
	char *path = test_path("many.vdi");
	struct vd_error err = { "" };
	uint8_t buf[VDI_HEADER_BYTES];
	struct vd_storage *s;
	struct vd_disk *d;
	uint64_t before = peak();

	h.block_size = 512;
	h.disk_size = (uint64_t)h.blocks * 512;
	h.data = 1024 + 4 * (uint64_t)h.blocks;
	vdi_header_build(buf, &h);
	CHECK_OK(storage_create_file(path, &s, &err));
	CHECK_OK(storage_truncate(s, h.data + h.disk_size));
	CHECK_OK(storage_pwrite(s, buf, sizeof(buf), 0));
	CHECK_EQ(open_disk(s, true, &d, &err), -EUCLEAN);
	CHECK(strstr(err.text, "block 1"));
	if (!test_is_instrumented())
		CHECK(peak() - before < 256 * MIB);
	free(path);
}

struct told {
	uint64_t calls;
	char last[512];
};

static void count(void *opaque, enum vd_finding_kind kind, bool repaired, const char *text)
{
	struct told *t = opaque;

	(void)kind;
	(void)repaired;
	t->calls++;
	snprintf(t->last, sizeof(t->last), "%s", text);
}

static void a_check_counts_all_but_does_not_tell_for_ever(void)
{
	static uint32_t entries[100000];
	struct vdi_header h = header(100000, 0);
	struct vd_check_result result;
	struct vd_error err = { "" };
	struct told told = { 0 };
	struct vd_disk *d;

	h.data = 512 + sizeof(entries);
	memset(entries, 0x77, sizeof(entries));
	CHECK_OK(open_disk(image(&h, entries, h.data), false, &d, &err));
	CHECK_OK(vd_check(d, 0, 0, count, &told, &result, &err));
	CHECK_EQ(result.errors, 100000);
	CHECK(told.calls < 10000);
	CHECK_OK(vd_close(d));
}

int main(void)
{
	a_file_cut_inside_a_block_is_not_written_to();
	a_file_may_end_where_the_disk_does();
	the_last_index_has_no_next_one();
	a_table_inside_the_header_is_refused();
	a_promise_of_many_blocks_costs_nothing();
	a_check_counts_all_but_does_not_tell_for_ever();
	return 0;
}
