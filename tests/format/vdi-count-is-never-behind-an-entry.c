/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * At no power cut an entry of a VDI's table is at or above the header's count of blocks. Others put
 * their next block where that count says, and would put it over one that is there.
 */
#include "test.h"

#include "bytes.h"
#include "core/image.h"
#include "formats/vdi-header.h"

#define BLOCK 4096u
#define BLOCKS 64u

static struct vd_storage *empty_image(void)
{
	struct create_params p = { .path = "new.vdi", .size = BLOCK * BLOCKS, .block_size = BLOCK };
	struct vd_storage *s;
	struct vd_error err = { "" };

	uuid_fresh(&p.uuid);
	uuid_fresh(&p.modification);
	CHECK_OK(storage_open_memory(0, 1, &s));
	CHECK_OK(format_by_name("vdi")->create(s, &p, &err));
	return s;
}

static void check_counter(struct vd_storage *s)
{
	uint8_t buf[VDI_HEADER_BYTES], entry[4];
	struct vdi_header h;

	CHECK_OK(storage_pread(s, buf, sizeof(buf), 0));
	CHECK_OK(vdi_header_parse(buf, &h, "cut.vdi", NULL));
	for (uint32_t i = 0; i < h.blocks; i++) {
		CHECK_OK(storage_pread(s, entry, 4, h.table + 4 * i));
		CHECK(le32(entry) >= VDI_ZERO || le32(entry) < h.allocated);
	}
}

int main(void)
{
	struct vd_image **images = calloc(1, sizeof(*images));
	struct vd_storage *record, *ruin;
	struct vd_error err = { "" };
	struct vd_disk *d;

	CHECK(images);
	CHECK_OK(storage_open_record(empty_image(), &record));
	CHECK_OK(image_open(record, "test.vdi", NULL, &images[0], &err));
	CHECK_OK(disk_new(images, 1, NULL, &d, &err));
	for (uint32_t i = 0; i < 48; i++) {
		CHECK_OK(vd_write(d, "x", 1, (i * 29 % BLOCKS) * BLOCK, 0));
		if (i % 3)
			CHECK_OK(vd_flush(d));
	}
	for (uint64_t seed = 0; seed < 8; seed++)
		for (uint64_t upto = 0; upto <= storage_record_length(record); upto++) {
			CHECK_OK(storage_record_cut(record, upto, seed, &ruin));
			check_counter(ruin);
			storage_close(ruin);
		}
	CHECK_OK(vd_close(d));
	return 0;
}
