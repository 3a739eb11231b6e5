/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VD_OPEN_DIRECT: what is read and written is not left in the host's page cache, in no image of
 * the chain, and by no way of a queue. Where a file system cannot, it says so.
 */
#include <sys/mman.h>

#include "file-disk.h"

#define SIZE (UINT64_C(4) << 20)

/* How many pages of the file are in memory. */
static unsigned cached(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	size_t pages = ((size_t)size + 4095) / 4096;
	unsigned char *in = malloc(pages);
	unsigned n = 0;
	void *p;

	CHECK(fd >= 0 && in);
	p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(mincore(p, (size_t)size, in), 0);
	for (size_t i = 0; i < pages; i++)
		n += in[i] & 1;
	munmap(p, (size_t)size);
	free(in);
	close(fd);
	return n;
}

static void use(struct vd_disk *disk)
{
	static struct request request[64] __attribute__((aligned(4096)));
	uint8_t *buf = aligned_alloc(4096, SIZE);
	struct vd_queue *q;

	CHECK(buf);
	CHECK_OK(vd_read(disk, buf, SIZE, 0, 0));
	CHECK_OK(vd_write(disk, buf, SIZE / 2, 0, 0));
	CHECK_OK(vd_queue_create(&q));
	for (unsigned i = 0; i < 64; i++) {
		request_make(&request[i], disk, i % 2 ? VD_OP_READ : VD_OP_WRITE, i * 8192);
		request[i].iov.iov_base = buf + i * 4096;
		CHECK_OK(vd_queue_submit(q, &request[i].rq));
	}
	for (unsigned i = 0; i < 64; i++)
		CHECK_OK(reap_one(q)->rq.status);
	vd_queue_destroy(q);
	CHECK_OK(vd_flush(disk));
	free(buf);
}

static void fill(struct file_disk *f)
{
	uint8_t *buf = malloc(SIZE);

	CHECK(buf);
	memset(buf, 0x31, SIZE);
	CHECK_OK(vd_write(f->disk, buf, SIZE, 0, 0));
	free(buf);
	CHECK_OK(vd_close(f->disk));
	make_cold(f);
}

static void refused(void)
{
	struct vd_error err = { "" };
	struct vd_disk *disk;
	int r = vd_open("/proc/self/maps", VD_OPEN_DIRECT, NULL, &disk, &err);

	CHECK_EQ(r, -ENOTSUP);
	CHECK(strstr(err.text, "/proc/self/maps: its file system cannot do without"));
}

int main(void)
{
	struct vd_error err = { "" };
	struct file_disk base, child;
	unsigned before;
	int r;

	refused();
	file_disk_open(&base, "base.vdi", "vdi", NULL, SIZE, 0);
	fill(&base);
	file_disk_open(&child, "child.vdi", "vdi", base.path, SIZE, 0);
	CHECK_OK(vd_close(child.disk));
	make_cold(&child);
	before = cached(base.path) + cached(child.path);
	if (before > 64)
		test_skip("files here stay in memory");
	r = vd_open(child.path, VD_OPEN_WRITE | VD_OPEN_DIRECT, NULL, &child.disk, &err);
	if (r == -ENOTSUP)
		test_skip(err.text);
	CHECK_OK(r);
	use(child.disk);
	CHECK_OK(vd_close(child.disk));
	/* The search for parents looks at heads and tails of files, and the host reads ahead. */
	CHECK(cached(base.path) + cached(child.path) <= before + 40);
	free(base.path);
	free(child.path);
	return 0;
}
