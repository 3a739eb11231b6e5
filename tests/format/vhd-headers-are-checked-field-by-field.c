/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is built is parsed to the same, what is damaged is refused with the field's name and both
 * values, and the geometry is the specification's.
 */
#include "test.h"

#include "bytes.h"
#include "formats/vhd.h"

static struct vhd_footer sample_footer(void)
{
	struct vhd_footer f = {
		.data_offset = 512, .timestamp = 0x3293998a, .creator_application = "vbox",
		.creator_version = 0x70002, .creator_host_os = "Wi2k", .original_size = 100000256,
		.current_size = 100000256, .disk_type = VHD_DYNAMIC, .saved_state = true,
	};

	vhd_geometry(f.current_size, &f);
	CHECK_OK(vd_uuid_parse("bbbbbbbb-0000-4000-8000-000000000001", &f.unique_id));
	return f;
}

static void footers(void)
{
	struct vhd_footer f = sample_footer(), g;
	uint8_t bytes[VHD_FOOTER], again[VHD_FOOTER];

	vhd_footer_build(bytes, &f);
	CHECK(!memcmp(bytes + 68, "\xbb\xbb\xbb\xbb\0\0\0\x40\x80\0\0\0\0\0\0\1", 16));
	CHECK_OK(vhd_footer_parse(bytes, VHD_FOOTER, &g, NULL));
	vhd_footer_build(again, &g);
	CHECK(!memcmp(bytes, again, VHD_FOOTER));
	CHECK_EQ(g.current_size, 100000256);
	CHECK_EQ(g.disk_type, VHD_DYNAMIC);
	CHECK(vd_uuid_equal(&f.unique_id, &g.unique_id));
	CHECK_OK(vhd_footer_parse(bytes, VHD_FOOTER_OLD, &g, NULL));
}

/* What the real VirtualBox wrote for a disk of 64 MiB. */
static void checksum_is_virtualbox_s(void)
{
	static const uint8_t start[84] = {
		0x63, 0x6f, 0x6e, 0x65, 0x63, 0x74, 0x69, 0x78, 0, 0, 0, 2, 0, 1, 0, 0,
		0, 0, 0, 0, 0, 0, 2, 0, 0x32, 0x93, 0x9b, 0xca, 0x76, 0x62, 0x6f, 0x78,
		0, 7, 0, 2, 0x57, 0x69, 0x32, 0x6b, 0, 0, 0, 0, 4, 0, 0, 0,
		0, 0, 0, 0, 4, 0, 0, 0, 3, 0xc3, 8, 0x11, 0, 0, 0, 3,
		0xff, 0xff, 0xf2, 0xb7, 0xbb, 0xbb, 0xbb, 0xbb, 0, 0, 0, 0x40, 0x80, 0, 0, 0,
		0, 0, 0, 1,
	};
	uint8_t bytes[VHD_FOOTER] = { 0 }, again[VHD_FOOTER];
	struct vhd_footer f;

	memcpy(bytes, start, sizeof(start));
	CHECK_OK(vhd_footer_parse(bytes, VHD_FOOTER, &f, NULL));
	vhd_footer_build(again, &f);
	CHECK(!memcmp(bytes, again, VHD_FOOTER));
	vhd_geometry(f.current_size, &f);
	vhd_footer_build(again, &f);
	CHECK(!memcmp(bytes, again, VHD_FOOTER));
}

static void footer_refused(void (*damage)(uint8_t *), bool mend_sum, int code, const char *text)
{
	struct vhd_footer f = sample_footer();
	uint8_t bytes[VHD_FOOTER];
	struct vd_error err;

	vhd_footer_build(bytes, &f);
	damage(bytes);
	if (mend_sum)
		put_be32(bytes + 64, vhd_checksum(bytes, VHD_FOOTER, 64));
	CHECK_EQ(vhd_footer_parse(bytes, VHD_FOOTER, &f, &err), code);
	if (!strstr(err.text, text))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", err.text, text);
}

static void no_cookie(uint8_t *b) { b[0] = 'C'; }
static void bad_sum(uint8_t *b) { put_be32(b + 64, 1); }
static void version_2(uint8_t *b) { put_be32(b + 12, 0x20000); }
static void type_5(uint8_t *b) { put_be32(b + 60, 5); }
static void size_0(uint8_t *b) { put_be64(b + 48, 0); }
static void size_odd(uint8_t *b) { put_be64(b + 48, 513); }
static void size_huge(uint8_t *b) { put_be64(b + 48, -512); }
static void header_odd(uint8_t *b) { put_be64(b + 16, 513); }
static void header_none(uint8_t *b) { put_be64(b + 16, UINT64_MAX); }

static void bad_footers(void)
{
	footer_refused(no_cookie, true, -EUCLEAN, "no footer");
	footer_refused(bad_sum, false, -EUCLEAN, "checksum is 0x00000001, expected 0x");
	footer_refused(version_2, true, -ENOTSUP, "version is 0x00020000");
	footer_refused(type_5, true, -ENOTSUP, "disk type is 5");
	footer_refused(size_0, true, -EUCLEAN, "size is 0");
	footer_refused(size_odd, true, -EUCLEAN, "size is 513");
	footer_refused(size_huge, true, -EUCLEAN, "size is 18446744073709551104");
	footer_refused(header_odd, true, -EUCLEAN, "dynamic header is 0x201");
	footer_refused(header_none, true, -EUCLEAN, "dynamic header is 0xffffffffffffffff");
}

static struct vhd_dynamic sample_header(void)
{
	struct vhd_dynamic d = {
		.table_offset = 1536, .max_table_entries = 32, .block_size = 2 << 20,
		.parent_timestamp = 7,
		.locator[7] = { VHD_W2RU, 1024, 14, 4096 },
	};

	memset(d.parent_name, 'x', 20);
	uuid_fresh(&d.parent_unique_id);
	return d;
}

static void headers(void)
{
	struct vhd_dynamic d = sample_header(), e;
	uint8_t bytes[VHD_HEADER], again[VHD_HEADER];

	vhd_dynamic_build(bytes, &d);
	CHECK_OK(vhd_dynamic_parse(bytes, &e, NULL));
	vhd_dynamic_build(again, &e);
	CHECK(!memcmp(bytes, again, VHD_HEADER));
	CHECK_EQ(e.locator[7].data_offset, 4096);
	CHECK(vd_uuid_equal(&d.parent_unique_id, &e.parent_unique_id));
}

static void header_refused(uint32_t at, uint32_t value, bool mend_sum, int code, const char *text)
{
	struct vhd_dynamic d = sample_header();
	uint8_t bytes[VHD_HEADER];
	struct vd_error err;

	vhd_dynamic_build(bytes, &d);
	put_be32(bytes + at, value);
	if (mend_sum)
		put_be32(bytes + 36, vhd_checksum(bytes, VHD_HEADER, 36));
	CHECK_EQ(vhd_dynamic_parse(bytes, &d, &err), code);
	if (!strstr(err.text, text))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", err.text, text);
}

static void bad_headers(void)
{
	header_refused(0, 0, true, -EUCLEAN, "cxsparse");
	header_refused(36, 2, false, -EUCLEAN, "checksum is 0x00000002, expected 0x");
	header_refused(24, 0x30000, true, -ENOTSUP, "version is 0x00030000");
	header_refused(20, 1537, true, -EUCLEAN, "block table is 0x601");
	header_refused(20, 0, true, -EUCLEAN, "block table is 0x0");
	header_refused(16, 0x80000000, true, -EUCLEAN, "block table is 0x8000000000000600");
	header_refused(32, 0, true, -EUCLEAN, "block size is 0");
	header_refused(32, 256, true, -EUCLEAN, "block size is 256");
	header_refused(32, 3 << 20, true, -EUCLEAN, "block size is 3145728");
	header_refused(32, 512 << 20, true, -ENOTSUP, "block size is 536870912");
}

static void geometry(uint64_t size, unsigned c, unsigned h, unsigned s)
{
	struct vhd_footer f;

	vhd_geometry(size, &f);
	CHECK_EQ(f.cylinders, c);
	CHECK_EQ(f.heads, h);
	CHECK_EQ(f.sectors, s);
}

static void geometries(void)
{
	geometry(16 << 20, 481, 4, 17);
	geometry(64 << 20, 963, 8, 17);
	geometry(UINT64_C(1) << 30, 2080, 16, 63);
	geometry(UINT64_C(127) << 30, 65278, 16, 255);
	geometry(VHD_SIZE_MAX, 65535, 16, 255);
	geometry(512, 0, 4, 17);
}

int main(void)
{
	footers();
	checksum_is_virtualbox_s();
	bad_footers();
	headers();
	bad_headers();
	geometries();
	CHECK_EQ(vhd_bitmap_size(2 << 20), 512);
	CHECK_EQ(vhd_bitmap_size(512), 512);
	CHECK_EQ(vhd_bitmap_size(256 << 20), 65536);
	CHECK_EQ(vhd_bitmap_size(4 << 20), 1024);
	return 0;
}
