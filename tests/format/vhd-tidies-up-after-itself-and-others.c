/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Footers are put back, leaked space is given back, failed writes lose no space, a closed image
 * ends right behind its last block, and the check tells all of it.
 */
#include "vhd-test.h"

#include "checked.h"

#define BLOCK (64 * KIB)
#define BLOCKS 40
#define SIZE (BLOCKS * BLOCK)

static uint8_t data[BLOCK];

static struct vd_disk *open_log(struct vd_storage **s)
{
	CHECK_OK(storage_open_record(*s, s));
	return disk_of(*s, NULL, true);
}

/* What the storage holds now, as after a power cut, or after the recovery from that. The disk is
 * closed. */
static struct vd_storage *close_log(struct vd_disk *d, struct vd_storage *log, bool recovered)
{
	struct vd_storage *s, *copy;
	struct vd_image *img;

	CHECK_OK(vd_flush(d));
	CHECK_OK(storage_record_cut(log, storage_record_length(log), 0, &s));
	CHECK_OK(vd_close(d));
	if (!recovered)
		return s;
	CHECK_OK(try_image(s, true, &img, NULL));
	CHECK_OK(img->format->recover(img, NULL));
	copy = copy_of(s);
	image_close(img);
	return copy;
}

static uint64_t place_of(struct vd_storage *s, unsigned block)
{
	uint8_t entry[4];

	CHECK_OK(storage_pread(s, entry, 4, 1536 + block * 4));
	return be32(entry) * UINT64_C(512);
}

/* A disk with its first n blocks written. */
static struct vd_storage *image_with(unsigned n, bool recovered)
{
	struct vd_storage *s = new_vhd(SIZE, BLOCK, false, NULL);
	struct vd_disk *d = open_log(&s);

	for (unsigned i = 0; i < n; i++) {
		memset(data, 'a' + (int)i, BLOCK);
		CHECK_OK(vd_write(d, data, BLOCK, i * BLOCK, 0));
	}
	return close_log(d, s, recovered);
}

static void check_says(struct vd_storage *s, bool writable, const char *expected)
{
	struct vd_disk *d = disk_of(copy_of(s), NULL, writable);
	struct findings f;

	check_disk(d, writable ? VD_CHECK_REPAIR : 0, &f);
	CHECK_STR(f.text, expected);
	CHECK_OK(vd_close(d));
}

static void content_is_right(struct vd_storage *s, unsigned n)
{
	struct vd_disk *d = disk_of(copy_of(s), NULL, false);

	for (unsigned i = 0; i < n; i++) {
		CHECK_OK(vd_read(d, data, BLOCK, i * BLOCK, 0));
		CHECK(data[0] == 'a' + (int)i && data[BLOCK - 1] == 'a' + (int)i);
	}
	CHECK_OK(vd_close(d));
}

/* A file on the disk, since a memory's content is gone when it is closed. */
static void closing_gives_back_what_was_ahead(void)
{
	char *path = test_path("tidy.vhd");
	struct vd_create_options o = { .format = "vhd", .size = SIZE, .block_size = BLOCK };
	struct vd_storage *s;
	struct vd_disk *d;
	struct vd_error err;
	uint8_t tail[512], head[512];

	CHECK_OK(vd_create(path, &o, &err));
	for (unsigned i = 1; i < 8; i++) {
		CHECK_OK(vd_open(path, VD_OPEN_WRITE, NULL, &d, &err));
		CHECK_OK(vd_write(d, data, BLOCK, i * 5 * BLOCK, 0));
		CHECK_OK(vd_close(d));
		CHECK_OK(storage_open_file(path, false, &s, &err));
		/* Data is aligned, so is the end: behind the footer. */
		CHECK_EQ((place_of(s, i * 5) + 512) % 4096, 0);
		CHECK_EQ(storage_length(s), place_of(s, i * 5) + 512 + BLOCK + 4096);
		CHECK_OK(storage_pread(s, tail, 512, storage_length(s) - 512));
		CHECK_OK(storage_pread(s, head, 512, 0));
		CHECK(!memcmp(head, tail, 512));
		check_says(s, false, "");
		storage_close(s);
	}
	free(path);
}

static void leaks(void)
{
	struct vd_storage *s = image_with(3, false), *tidy = image_with(3, true);
	char text[200];
	uint64_t end = place_of(s, 2) + 512 + BLOCK, leaked = storage_length(s) - 512 - end;

	CHECK(leaked > BLOCK);
	snprintf(text, sizeof(text), "leak: nothing refers to the %" PRIu64 " bytes from byte %"
		 PRIu64 " on\n", leaked, end);
	check_says(s, false, text);
	leaked = storage_length(s) - storage_length(tidy);
	snprintf(text, sizeof(text), "leak (mended): nothing referred to %" PRIu64 " bytes\n",
		 leaked);
	check_says(s, true, text);
	check_says(tidy, false, "");
	content_is_right(s, 3);
	content_is_right(tidy, 3);
	storage_close(s);
	storage_close(tidy);
}

/* A hole between blocks is filled by the last block when the image is opened for writing. */
static void holes(void)
{
	struct vd_storage *s = image_with(3, true);
	uint64_t place = place_of(s, 1);
	char text[200];
	struct vd_disk *d;

	CHECK_OK(storage_pwrite(s, "\xff\xff\xff\xff", 4, 1536 + 4));
	snprintf(text, sizeof(text), "leak: nothing refers to the %" PRIu64 " bytes from byte %"
		 PRIu64 " on\n", place_of(s, 2) - place_of(s, 0) - 512 - BLOCK,
		 place_of(s, 0) + 512 + BLOCK);
	check_says(s, false, text);
	snprintf(text, sizeof(text), "leak (mended): nothing referred to %u bytes\n", BLOCK + 4096);
	check_says(s, true, text);
	d = open_log(&s);
	CHECK_EQ(place_of(s, 2), place);
	s = close_log(d, s, false);
	check_says(s, false, "");
	storage_close(s);
}

static void lost_footer(void)
{
	static const uint64_t junk_size[] = { 0, 100, 512, BLOCK + 512, 3 * BLOCK + 77 };

	for (unsigned i = 0; i < ARRAY_SIZE(junk_size); i++) {
		struct vd_storage *s = image_with(3, true);
		uint64_t length = storage_length(s);
		struct vd_image_info info;
		struct vd_disk *d;
		uint8_t tail[512];

		CHECK_OK(storage_truncate(s, length - 512));
		CHECK_OK(storage_truncate(s, length - 512 + junk_size[i]));
		d = disk_of(copy_of(s), NULL, false);
		CHECK_OK(vd_image_info(d, 0, &info));
		CHECK(info.warning && strstr(info.warning, "copy at 0"));
		CHECK_OK(vd_close(d));
		content_is_right(s, 3);
		d = open_log(&s);
		CHECK_EQ(storage_length(s), length);
		CHECK_OK(storage_pread(s, tail, 512, length - 512));
		CHECK(vhd_has_footer_cookie(tail));
		CHECK_OK(vd_close(d));
	}
}

static void lost_copy(void)
{
	struct vd_storage *s = image_with(3, true);
	struct vd_disk *d;
	uint8_t head[512], tail[512];

	CHECK_OK(storage_pwrite(s, "xx", 2, 100));
	check_says(s, false, "minor: the copy of the footer at 0 differs from the one at the "
		   "end\n");
	check_says(s, true, "minor (mended): the copy of the footer at 0 differs from the one at "
		   "the end\n");
	content_is_right(s, 3);
	d = open_log(&s);
	CHECK_OK(storage_pread(s, head, 512, 0));
	CHECK_OK(storage_pread(s, tail, 512, storage_length(s) - 512));
	CHECK(!memcmp(head, tail, 512));
	CHECK_OK(vd_close(d));
}

/* The footer cannot be written where it is lost: every step of mending may fail. */
static void mending_that_fails(void)
{
	for (uint64_t nth = 1;; nth++) {
		struct vd_storage *s = image_with(3, false), *keep, *fault;
		struct vd_image *img;
		struct vd_error err;
		bool fired;
		int r;

		CHECK_OK(storage_pwrite(s, "junk", 4, storage_length(s) - 512));
		CHECK_OK(storage_open_record(s, &keep));
		CHECK_OK(storage_open_fault(keep, &fault));
		CHECK_OK(try_image(fault, true, &img, NULL));
		storage_fault_arm(fault, FAULT_ALL, nth, -EIO, false);
		r = img->format->recover(img, &err);
		fired = storage_fault_fired(fault);
		CHECK_EQ(r, fired ? -EIO : 0);
		CHECK_OK(storage_record_cut(keep, storage_record_length(keep), 0, &s));
		image_close(img);
		content_is_right(s, 3);
		storage_close(s);
		if (!fired)
			break;
	}
}

#define PIECES 100

/* A write that fails gives its block back; the next one takes it, and sees nothing of it. */
static void failed_writes(void)
{
	struct vd_storage *s = new_vhd(SIZE, BLOCK, false, NULL), *log, *fault;
	struct iovec iov[PIECES];
	struct vd_disk *d;
	uint64_t length;

	CHECK_OK(storage_open_record(s, &log));
	CHECK_OK(storage_open_fault(log, &fault));
	d = disk_of(fault, NULL, true);
	CHECK_OK(vd_write(d, "0", 1, 0, 0));
	CHECK_OK(vd_flush(d));
	memset(data, 'z', BLOCK);
	/* The core writes so many pieces in several calls, and the second one fails. */
	for (unsigned i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){ data + i * 100, 100 };
	for (unsigned i = 0; i < 100; i++) {
		storage_fault_arm(fault, FAULT_WRITE, 2, -EIO, false);
		CHECK_EQ(vd_writev(d, iov, PIECES, 5 * BLOCK + 1000, 0), -EIO);
		CHECK(storage_fault_fired(fault));
		storage_fault_arm(fault, FAULT_ALL, 0, 0, false);
	}
	CHECK_OK(vd_write(d, "1", 1, 7 * BLOCK + 1000, 0));
	CHECK_OK(vd_flush(d));
	length = storage_length(log);
	CHECK(length < 8 * (BLOCK + 4096));
	CHECK_OK(vd_read(d, data, BLOCK, 7 * BLOCK, 0));
	for (unsigned i = 0; i < BLOCK; i++)
		CHECK_EQ(data[i], i == 1000 ? '1' : 0);
	CHECK_OK(vd_close(d));
}

static void entries_beyond(void)
{
	struct vd_storage *s = image_with(5, true);
	uint32_t sectors = (uint32_t)(storage_length(s) / 512);
	uint8_t entry[8];
	char text[400];

	put_be32(entry, sectors);
	put_be32(entry + 4, sectors + 7);
	CHECK_OK(storage_pwrite(s, entry, 8, 1536 + 7 * 4));
	put_be32(entry, 1);
	CHECK_OK(storage_pwrite(s, entry, 4, 1536 + 9 * 4));
	put_be32(entry, (uint32_t)(place_of(s, 1) / 512) + 1);
	CHECK_OK(storage_pwrite(s, entry, 4, 1536 + 11 * 4));
	snprintf(text, sizeof(text),
		 "error: blocks 7 to 8, the first at sector %" PRIu32 ", are past the end of the "
		 "file\nerror: block 9 is at sector 1, among the headers\n"
		 "error: the blocks at sectors %" PRIu64 " and %" PRIu64 " overlap\n", sectors,
		 place_of(s, 1) / 512, place_of(s, 1) / 512 + 1);
	{
		struct vd_disk *d = disk_of(s, NULL, false);
		struct findings f;

		check_disk(d, 0, &f);
		f.text[strlen(text)] = '\0'; /* a leak may follow */
		CHECK_STR(f.text, text);
		CHECK_EQ(f.result.errors, 3);
		CHECK_EQ(f.result.allocated_blocks, 9);
		CHECK_EQ(f.result.total_blocks, BLOCKS);
		CHECK_OK(vd_close(d));
	}
}

int main(void)
{
	closing_gives_back_what_was_ahead();
	leaks();
	holes();
	lost_footer();
	lost_copy();
	mending_that_fails();
	failed_writes();
	entries_beyond();
	return 0;
}
