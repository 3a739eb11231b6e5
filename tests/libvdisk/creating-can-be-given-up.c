/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vd_create tells how far it is, never goes back, and where the caller says stop, at whichever call,
 * gives -ECANCELED and leaves nothing behind: what was there before is still there.
 */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "vdisk.h"

#define MIB (UINT64_C(1) << 20)

static char *path;

struct teller {
	unsigned calls, stop_at;
	uint64_t done, total;
};

static int tell(void *opaque, uint64_t done, uint64_t total)
{
	struct teller *t = opaque;

	CHECK(done <= total);
	CHECK(done >= t->done);
	t->done = done;
	t->total = total;
	return ++t->calls == t->stop_at;
}

static int make(const char *format, unsigned flags, uint64_t size, struct teller *t)
{
	struct vd_create_options o = {
		.format = format, .size = size, .flags = flags, .progress = tell, .opaque = t,
	};

	return vd_create(path, &o, NULL);
}

static unsigned files(void)
{
	DIR *d = opendir(test_tmpdir());
	unsigned n = 0;

	CHECK(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void give_up_everywhere(const char *format, unsigned flags, uint64_t size)
{
	struct teller all = { 0 };
	struct stat st;

	CHECK_OK(make(format, flags, size, &all));
	CHECK(all.calls > 1);
	CHECK_EQ(all.done, all.total);
	CHECK_OK(unlink(path));
	for (unsigned i = 1; i <= all.calls; i++) {
		struct teller t = { .stop_at = i };

		CHECK_EQ(make(format, flags, size, &t), -ECANCELED);
		CHECK_EQ(t.calls, i);
		CHECK_EQ(files(), 0);
	}

	/* A file that was to be replaced stays as it was. */
	struct teller t = { .stop_at = all.calls };
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "old", 3), 3);
	close(fd);
	CHECK_EQ(make(format, flags | VD_CREATE_OVERWRITE, size, &t), -ECANCELED);
	CHECK_EQ(files(), 1);
	CHECK_OK(stat(path, &st));
	CHECK_EQ(st.st_size, 3);
	CHECK_OK(unlink(path));
}

int main(void)
{
	path = test_path("disk");
	give_up_everywhere("raw", VD_CREATE_FIXED, 130 * MIB);
	give_up_everywhere("vdi", VD_CREATE_FIXED, 130 * MIB + 512);
	give_up_everywhere("vdi", 0, UINT64_C(4) << 40);
	give_up_everywhere("vhd", VD_CREATE_FIXED, 130 * MIB + 512);
	give_up_everywhere("vhd", 0, UINT64_C(2000) << 30);
	free(path);
	return 0;
}
