/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading through the map once gave zeros for what somebody had cut off below us. */
#include "storage/storage.h"
#include "test.h"

int main(void)
{
	char path[5000];
	struct vd_storage *s;
	uint64_t length;
	bool data;
	char buf[512];

	snprintf(path, sizeof(path), "%s/f", test_tmpdir());
	CHECK_OK(storage_create_file(path, &s, NULL));
	CHECK_OK(storage_truncate(s, 1 << 20));
	CHECK_OK(storage_extent(s, 4096, 1 << 19, &data, &length));
	CHECK(!data);
	CHECK_EQ(truncate(path, 1 << 16), 0);
	CHECK_OK(storage_extent(s, 4096, 1 << 19, &data, &length));
	CHECK(!data);
	CHECK_EQ(length, (1 << 16) - 4096);
	CHECK_OK(storage_extent(s, 1 << 16, 1 << 19, &data, &length));
	CHECK(data);
	CHECK(storage_pread(s, buf, sizeof(buf), 1 << 17) < 0);
	storage_close(s);
	return 0;
}
