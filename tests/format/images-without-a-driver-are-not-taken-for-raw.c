/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VMDK that is shown as if its container were the disk is wrong data. */
#include "core/image.h"
#include "test.h"

static const char *path = "disk";

static int open_bytes(const void *bytes, size_t n, uint64_t size, uint64_t at, const char *format,
		      struct vd_error *err)
{
	struct vd_storage *s;
	struct vd_image *img;
	int r;

	CHECK_OK(storage_open_memory(size, 1, &s));
	CHECK_OK(storage_pwrite(s, bytes, n, at));
	r = image_open(s, path, format ? format_by_name(format) : NULL, &img, err);
	if (!r)
		image_close(img);
	return r;
}

int main(void)
{
	struct vd_error err;

	CHECK_EQ(open_bytes("KDMV", 4, 65536, 0, NULL, &err), -ENOTSUP);
	CHECK(strstr(err.text, "VMDK"));
	CHECK_EQ(open_bytes("# Disk DescriptorFile\n", 22, 330, 0, NULL, &err), -ENOTSUP);
	CHECK_EQ(open_bytes("QFI\xfb", 4, 65536, 0, NULL, &err), -ENOTSUP);
	CHECK_EQ(open_bytes("koly", 4, 65536, 65024, NULL, &err), -ENOTSUP);
	/* Who knows better says so. */
	CHECK_OK(open_bytes("KDMV", 4, 65536, 0, "raw", &err));
	CHECK_OK(open_bytes("nothing", 7, 65536, 0, NULL, &err));
	CHECK_EQ(open_bytes("hello\n", 6, 6, 0, NULL, &err), -EUCLEAN);
	/* A fixed VHD whose footer was cut off. */
	path = "cut.vhd";
	CHECK_EQ(open_bytes("nothing", 7, 65536, 0, NULL, &err), -EUCLEAN);
	CHECK_OK(open_bytes("nothing", 7, 65536, 0, "raw", &err));
	return 0;
}
