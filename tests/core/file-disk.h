/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file-disk.h - disks in real files, which is where a queue has more ways than its threads. */
#ifndef FILE_DISK_H
#define FILE_DISK_H

#include <fcntl.h>

#include "io/queue.h"
#include "queue-test.h"

struct file_disk {
	struct vd_disk *disk;
	char *path;
	uint64_t size;
};

/* Makes and opens one for writing; `parent` may be NULL. */
__attribute__((unused))
static void file_disk_open(struct file_disk *f, const char *name, const char *format,
			   const char *parent, uint64_t size, unsigned flags)
{
	struct vd_create_options o = { .format = format, .size = size, .parent = parent };
	struct vd_error err = { "" };

	if (!strcmp(format, "vdi"))
		o.block_size = 65536;
	f->path = test_path(name);
	f->size = size;
	if (vd_create(f->path, &o, &err) ||
	    vd_open(f->path, VD_OPEN_WRITE | flags, NULL, &f->disk, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
}

__attribute__((unused))
static void file_disk_close(struct file_disk *f)
{
	CHECK_OK(vd_close(f->disk));
	free(f->path);
}

/* Out of the page cache with what is not dirty: reading it waits for the host's disk. */
__attribute__((unused))
static void make_cold(const struct file_disk *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(fdatasync(fd), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

#endif
