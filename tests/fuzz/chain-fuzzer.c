/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain-fuzzer.c - folders of up to four small files, 0 to 3, of which the first is opened.
 *
 * The input: a byte of flags for vd_open, then for each file its length (16 bits, little endian), a
 * byte whose lowest bit makes the file 1 MiB long, and that many bytes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "core/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The folder above the images is searched, too, so it is ours. */
static char top[] = "/tmp/vimg-fuzz.XXXXXX", folder[64], path[80];

static void leave(void)
{
	if (rmdir(folder) == 0)
		rmdir(top);
}

static const char *path_of(unsigned i)
{
	if (!*folder) {
		snprintf(folder, sizeof(folder), "%s/d", mkdtemp(top));
		if (mkdir(folder, 0700) < 0 || atexit(leave))
			abort();
	}
	snprintf(path, sizeof(path), "%s/%u", folder, i);
	return path;
}

static size_t make_file(unsigned i, const uint8_t *data, size_t size)
{
	size_t length = size < 3 ? 0 : le16(data) < size - 3 ? le16(data) : size - 3;
	int fd = open(path_of(i), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0 || (length && write(fd, data + 3, length) < 0) ||
	    (size >= 3 && (data[2] & 1) && ftruncate(fd, 1 << 20) < 0))
		abort();
	close(fd);
	return size < 3 ? size : 3 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vd_image **images;
	unsigned count, files = 0;

	for (size_t at = 1; files < 4 && at < size; files++)
		at += make_file(files, data + at, size - at);
	if (size && chain_open(path_of(0), data[0], NULL, &images, &count, NULL) == 0) {
		while (count)
			image_close(images[--count]);
		free(images);
	}
	while (files)
		unlink(path_of(--files));
	return 0;
}
