/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What creating writes: sizes, limits, and the parent in every form that others read. */
#include "vhd-test.h"

#include <sys/stat.h>

static int create(const char *path, struct vd_create_options o, struct vd_error *err)
{
	o.format = "vhd";
	return vd_create(path, &o, err);
}

static void refuse(struct vd_create_options o, int code, const char *text)
{
	char *path = test_path("refused.vhd");
	struct vd_error err;

	CHECK_EQ(create(path, o, &err), code);
	if (!strstr(err.text, text))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", err.text, text);
	CHECK(access(path, F_OK));
	free(path);
}

static void limits(void)
{
	char *path = test_path("huge.vhd");
	struct vd_extent e;
	struct vd_disk *d;
	struct vd_error err;
	uint8_t byte = 1;

	refuse((struct vd_create_options){ .size = 513 }, -EINVAL, "512 bytes, not 513");
	refuse((struct vd_create_options){ .size = (UINT64_C(2040) << 30) + 512 }, -EFBIG,
	       "at most 2040 GiB");
	refuse((struct vd_create_options){ .size = MIB, .block_size = 3 * MIB }, -EINVAL,
	       "power of two");
	refuse((struct vd_create_options){ .size = MIB, .block_size = 4096 }, -EINVAL,
	       "power of two");
	refuse((struct vd_create_options){ .size = MIB, .comment = "hello" }, -ENOTSUP, "comment");
	CHECK_OK(create(path, (struct vd_create_options){ .size = VHD_SIZE_MAX }, &err));
	CHECK_OK(vd_open(path, VD_OPEN_WRITE, NULL, &d, &err));
	CHECK_EQ(vd_size(d), VHD_SIZE_MAX);
	CHECK_OK(vd_write(d, "x", 1, VHD_SIZE_MAX - 1, 0));
	CHECK_OK(vd_close(d));
	CHECK_OK(vd_open(path, 0, NULL, &d, &err));
	CHECK_OK(vd_read(d, &byte, 1, VHD_SIZE_MAX - 1, 0));
	CHECK_EQ(byte, 'x');
	CHECK_OK(vd_map(d, 0, VHD_SIZE_MAX, &e));
	CHECK_EQ(e.kind, VD_EXTENT_ZERO);
	CHECK_OK(vd_close(d));
	free(path);
}

static void utf16_is(const uint8_t *text, uint32_t length, bool big_endian, const char *expected)
{
	uint8_t bytes[VHD_TEXT_MAX];
	int n = vhd_utf16(expected, big_endian, bytes, sizeof(bytes));

	CHECK_EQ(n, length);
	CHECK(!memcmp(text, bytes, length));
}

static void names(void)
{
	char *folder = test_path("Snapshots"), *base = test_path("b\xc3\xa4se.vhd"), *real;
	char *child = test_path("Snapshots/child.vhd");
	struct vd_storage *s;
	struct vhd_dynamic h;
	uint8_t header[VHD_HEADER], text[VHD_TEXT_MAX];
	struct vd_image_info info;
	struct vd_disk *d;
	struct vd_error err;
	struct stat st;

	CHECK_OK(mkdir(folder, 0700));
	CHECK_OK(create(base, (struct vd_create_options){ .size = 5 * MIB }, &err));
	CHECK_OK(create(child, (struct vd_create_options){ .parent = base }, &err));
	real = realpath(base, NULL);
	CHECK_OK(storage_open_file(child, false, &s, &err));
	CHECK_OK(storage_pread(s, header, VHD_HEADER, 512));
	CHECK_OK(vhd_dynamic_parse(header, &h, &err));
	utf16_is(h.parent_name, 16, true, "b\xc3\xa4se.vhd");
	CHECK_EQ(h.parent_name[16] | h.parent_name[17], 0);
	CHECK_EQ(h.locator[0].code, VHD_W2KU);
	CHECK_OK(storage_pread(s, text, h.locator[0].data_length, h.locator[0].data_offset));
	utf16_is(text, h.locator[0].data_length, false, real);
	CHECK_EQ(h.locator[1].code, VHD_W2RU);
	CHECK_OK(storage_pread(s, text, h.locator[1].data_length, h.locator[1].data_offset));
	utf16_is(text, h.locator[1].data_length, false, "..\\b\xc3\xa4se.vhd");
	CHECK_OK(stat(base, &st));
	CHECK_EQ(h.parent_timestamp + UINT64_C(946684800), (uint64_t)st.st_mtime);
	storage_close(s);

	CHECK_OK(vd_open(child, 0, NULL, &d, &err));
	CHECK_OK(vd_image_info(d, 0, &info));
	CHECK_STR(info.parent_path, "../b\xc3\xa4se.vhd");
	CHECK_STR(info.variant, "differencing");
	CHECK_EQ(vd_depth(d), 2);
	CHECK_OK(vd_close(d));
	refuse((struct vd_create_options){ .parent = base, .flags = VD_CREATE_FIXED }, -EINVAL,
	       "cannot be fixed");
	free(folder), free(base), free(child), free(real);
}

int main(void)
{
	limits();
	names();
	return 0;
}
