/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Its owner took the space so that it is there; a guest's discard must not give it away. */
#include <sys/stat.h>

#include "vdisk.h"
#include "test.h"

static uint64_t used(const char *path)
{
	struct stat st;

	CHECK_EQ(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void try(const char *format, unsigned flags, bool keeps)
{
	struct vd_create_options o = { .format = format, .size = 8 << 20, .flags = flags };
	static char ones[8 << 20], back[8 << 20];
	char path[5000];
	struct vd_disk *d;
	uint64_t before;

	snprintf(path, sizeof(path), "%s/d.%s%u", test_tmpdir(), format, flags);
	CHECK_OK(vd_create(path, &o, NULL));
	CHECK_OK(vd_open(path, VD_OPEN_WRITE, NULL, &d, NULL));
	memset(ones, 1, sizeof(ones));
	CHECK_OK(vd_write(d, ones, sizeof(ones), 0, 0));
	CHECK_OK(vd_flush(d));
	before = used(path);
	CHECK_OK(vd_discard(d, 0, sizeof(ones), 0));
	CHECK_OK(vd_flush(d));
	CHECK_OK(vd_read(d, back, sizeof(back), 0, 0));
	for (size_t i = 0; i < sizeof(back); i++)
		CHECK_EQ(back[i], 0);
	CHECK_OK(vd_close(d));
	if (keeps)
		CHECK(used(path) >= before - (64 << 10));
	else
		CHECK(used(path) < before / 2);
}

int main(void)
{
	try("raw", 0, false);
	try("vdi", 0, false);
	try("vhd", 0, false);
	try("vdi", VD_CREATE_FIXED, true);
	try("vhd", VD_CREATE_FIXED, true);
	return 0;
}
