/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * file.c - a storage in a regular file or on a block device, through the page cache or past it.
 *
 * Past it (O_DIRECT) everything is aligned, but for what a file has behind its last multiple of the
 * alignment: that goes through the page cache, by a descriptor of its own, so that a file is never
 * longer than it should be. The kernel keeps the two in step as long as no two writes touch one
 * unit at the same time, which the core sees to.
 *
 * A regular file's size is kept here and moves with what we write: nobody else changes it, see
 * lock.c. A block device has the size that it had when it was opened, and cannot be resized.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cleanup.h"
#include "internal.h"
#include "lock.h"

#define REST_IOVS 64

struct file {
	struct vd_storage base;
	int fd;
	int end_fd;			/* direct: without O_DIRECT, for the end; else -1 */
	bool direct;
	bool device;
	uint32_t block;			/* device: logical block, the unit of zeroing; else 1 */
	unsigned locks;			/* lock.c's */
	_Atomic uint64_t size;
	/* The file system was asked and cannot. */
	atomic_bool no_punch, no_zero, no_seek, no_nowait;
};

static const struct vd_storage_ops file_ops;

static struct file *file_of(struct vd_storage *s)
{
	return (struct file *)s;
}

static void file_grew(struct file *f, uint64_t end)
{
	uint64_t size = atomic_load(&f->size);

	while (size < end && !atomic_compare_exchange_weak(&f->size, &size, end))
		;
}

/* The calls below may be interrupted or move less than asked; neither is an error. */
static int fd_preadv(int fd, const struct iovec *iov, int n, uint64_t offset)
{
	uint64_t length = storage_iov_length(iov, n), done = 0;
	const struct iovec *now = iov;
	struct iovec rest[REST_IOVS];
	int count = n;

	while (done < length) {
		ssize_t r = preadv(fd, now, count, offset + done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -EIO;	/* inside the size: somebody cut the file */
		done += r;
		if (done == length)
			break;
		count = storage_iov_part(rest, REST_IOVS, iov, n, done, UINT64_MAX);
		now = rest;
	}
	return 0;
}

static int file_preadv(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	return fd_preadv(file_of(s)->fd, iov, n, offset);
}

static int file_pread_end(struct vd_storage *s, void *buf, uint64_t length, uint64_t offset)
{
	struct file *f = file_of(s);
	struct iovec v = { buf, length };

	return fd_preadv(f->end_fd >= 0 ? f->end_fd : f->fd, &v, 1, offset);
}

/* What is in the page cache. */
static int64_t file_preadv_now(struct vd_storage *s, const struct iovec *iov, int n,
			       uint64_t offset)
{
	struct file *f = file_of(s);
	ssize_t r;

	/* A direct one does not wait for its turn, but for the disk. */
	if (f->no_nowait || f->direct)
		return -EAGAIN;
	r = preadv2(f->fd, iov, n, offset, RWF_NOWAIT);
	if (r > 0)
		return r;
	if (r < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
		f->no_nowait = true;
	return -EAGAIN;
}

static int fd_pwritev(struct file *f, int fd, const struct iovec *iov, int n, uint64_t offset)
{
	uint64_t length = storage_iov_length(iov, n), done = 0;
	const struct iovec *now = iov;
	struct iovec rest[REST_IOVS];
	int count = n;

	if (f->device && offset + length > f->size)
		return -ENOSPC;
	while (done < length) {
		ssize_t r = pwritev(fd, now, count, offset + done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -EIO;
		done += r;
		/* Also when the rest fails: the file is that long now. */
		file_grew(f, offset + done);
		if (done == length)
			break;
		count = storage_iov_part(rest, REST_IOVS, iov, n, done, UINT64_MAX);
		now = rest;
	}
	return 0;
}

static int file_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	return fd_pwritev(file_of(s), file_of(s)->fd, iov, n, offset);
}

static int file_pwrite_end(struct vd_storage *s, const void *buf, uint64_t length, uint64_t offset)
{
	struct file *f = file_of(s);
	struct iovec v = { (void *)buf, length };

	return fd_pwritev(f, f->end_fd >= 0 ? f->end_fd : f->fd, &v, 1, offset);
}

/* Flushes the size too where reading back what was written needs it, and a device's own cache. */
static int file_sync(struct vd_storage *s)
{
	int r;

	do
		r = fdatasync(file_of(s)->fd);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int file_truncate(struct vd_storage *s, uint64_t size)
{
	struct file *f = file_of(s);
	int r;

	if (f->device)
		return size == f->size ? 0 : -ENOTSUP;
	do
		r = ftruncate(f->fd, size);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	atomic_store(&f->size, size);
	return 0;
}

static int file_fallocate(struct file *f, int mode, uint64_t offset, uint64_t length)
{
	int r;

	do
		r = fallocate(f->fd, mode | FALLOC_FL_KEEP_SIZE, offset, length);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return 0;
	return errno == ENOSYS || errno == ENODEV ? -EOPNOTSUPP : -errno;
}

/* On a block device this unmaps only where it promises zeros after; BLKDISCARD promises nothing. */
static int file_unmap(struct file *f, uint64_t offset, uint64_t length)
{
	int err;

	if (f->no_punch)
		return -EOPNOTSUPP;
	err = file_fallocate(f, FALLOC_FL_PUNCH_HOLE, offset, length);
	if (err == -EOPNOTSUPP)
		f->no_punch = true;
	return err;
}

static int file_zero_range(struct file *f, uint64_t offset, uint64_t length)
{
	uint64_t range[2] = { offset, length };
	int err;

	if (f->device) {
		err = ioctl(f->fd, BLKZEROOUT, range) < 0 ? -errno : 0;
		return err == -ENOTTY || err == -EINVAL ? -EOPNOTSUPP : err;
	}
	if (!f->no_zero) {
		err = file_fallocate(f, FALLOC_FL_ZERO_RANGE, offset, length);
		if (err != -EOPNOTSUPP)
			return err;
		f->no_zero = true;
	}
	err = file_unmap(f, offset, length);
	return err < 0 ? err : file_fallocate(f, 0, offset, length);
}

typedef int range_fn(struct file *f, uint64_t offset, uint64_t length);

/* A device takes whole blocks only: the ends are written. */
static int file_by_blocks(struct file *f, range_fn *fn, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;
	uint64_t first = offset + (-offset & (f->block - 1)), last = end & -(uint64_t)f->block;
	int err;

	if (first >= last)
		return storage_write_zeros(&f->base, offset, length);
	err = fn(f, first, last - first);
	if (err == 0)
		err = storage_write_zeros(&f->base, offset, first - offset);
	return err < 0 ? err : storage_write_zeros(&f->base, last, end - last);
}

static int file_punch(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	return file_by_blocks(file_of(s), file_unmap, offset, length);
}

static int file_zero(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	return file_by_blocks(file_of(s), file_zero_range, offset, length);
}

static int file_size(struct vd_storage *s, uint64_t *size)
{
	*size = atomic_load(&file_of(s)->size);
	return 0;
}

static int hole_to_the_end(const struct file *f, uint64_t offset, bool *data, uint64_t *length)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	/* Somebody cut the file: what is missing is no hole, and reading it shall fail. */
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size <= offset)
		return 0;
	*data = false;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size - offset < *length)
		*length = (uint64_t)st.st_size - offset;
	return 0;
}

/*
 * lseek moves the file offset that all threads share, which harms nobody: every other call here
 * brings its own.
 */
static int file_extent(struct vd_storage *s, uint64_t offset, uint64_t limit, bool *data,
		       uint64_t *length)
{
	struct file *f = file_of(s);
	off_t next;

	*data = true;
	*length = limit;
	if (f->no_seek)
		return 0;
	next = lseek(f->fd, offset, SEEK_DATA);
	if (next < 0 && errno == ENXIO)
		return hole_to_the_end(f, offset, data, length);
	if (next < 0 && errno == EINVAL) {
		f->no_seek = true;
		return 0;
	}
	if (next < 0)
		return -errno;
	if ((uint64_t)next > offset) {
		*data = false;
	} else {
		next = lseek(f->fd, offset, SEEK_HOLE);
		if (next < 0 && errno != ENXIO)
			return -errno;
		/* A hole made since the first look: what it was then is still an answer. */
		if (next < 0 || (uint64_t)next <= offset)
			return 0;
	}
	if ((uint64_t)next - offset < limit)
		*length = (uint64_t)next - offset;
	return 0;
}

static int file_allocated(struct vd_storage *s, uint64_t *bytes)
{
	struct file *f = file_of(s);
	struct stat st;

	if (f->device)
		return file_size(s, bytes);
	if (fstat(f->fd, &st) < 0)
		return -errno;
	*bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int file_measure(struct file *f, struct vd_error *err)
{
	struct stat st;
	uint64_t bytes;
	int block;

	if (f->device) {
		if (ioctl(f->fd, BLKGETSIZE64, &bytes) < 0 || ioctl(f->fd, BLKSSZGET, &block) < 0)
			goto fail;
		f->block = block;
	} else {
		if (fstat(f->fd, &st) < 0)
			goto fail;
		bytes = st.st_size;
		f->block = 1;
	}
	atomic_store(&f->size, bytes);
	return 0;
fail:
	return storage_fail(err, -errno, f->base.path, "cannot find out its size: %s",
			    strerror(errno));
}

static int file_lock(struct vd_storage *s, bool write, struct vd_error *err)
{
	struct file *f = file_of(s);
	int r = lock_file(f->fd, s->path, write, &f->locks, err);

	/* Whoever had it before us may have changed the size after we opened it. */
	return r < 0 ? r : file_measure(f, err);
}

static void file_close(struct vd_storage *s)
{
	struct file *f = file_of(s);

	if (f->fd >= 0)
		close(f->fd);
	if (f->end_fd >= 0)
		close(f->end_fd);
	free(s->path);
	free(f);
}

static const struct vd_storage_ops file_ops = {
	.name = "file",
	.preadv = file_preadv,
	.preadv_now = file_preadv_now,
	.pwritev = file_pwritev,
	.pread_end = file_pread_end,
	.pwrite_end = file_pwrite_end,
	.sync = file_sync,
	.truncate = file_truncate,
	.punch = file_punch,
	.zero = file_zero,
	.size = file_size,
	.extent = file_extent,
	.allocated = file_allocated,
	.lock = file_lock,
	.close = file_close,
};

int storage_file_fd(struct vd_storage *s)
{
	return s->ops == &file_ops ? file_of(s)->fd : -1;
}

/* ------------------------------------------------------------------------------------- direct */

#define DIRECT_MOST 4096u	/* the core's and the storage layer's own buffers have it */

/* As the kernel tells it; 0: it does not. */
static uint32_t told_alignment(int fd)
{
#ifdef STATX_DIOALIGN
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 &&
	    sx.stx_mask & STATX_DIOALIGN)
		return sx.stx_dio_mem_align > sx.stx_dio_offset_align ? sx.stx_dio_mem_align :
									sx.stx_dio_offset_align;
#else
	(void)fd;
#endif
	return 0;
}

/* The least that a read takes; 0: none. */
static uint32_t tried_alignment(const struct file *f)
{
	CLEANUP_FREE char *buf = NULL;

	/* Twice the buffer, so that an address can be of one alignment and no greater. */
	if (posix_memalign((void **)&buf, 2 * DIRECT_MOST, 2 * DIRECT_MOST))
		return 0;
	for (uint32_t align = 512; align <= DIRECT_MOST; align *= 2)
		if (f->size < align || pread(f->fd, buf + align, align, 0) >= 0)
			return align < f->block ? f->block : align;
	return 0;
}

int storage_file_set_direct(struct vd_storage *s, struct vd_error *err)
{
	struct file *f = file_of(s);
	char again[64];
	uint32_t align;

	if (fcntl(f->fd, F_SETFL, fcntl(f->fd, F_GETFL) | O_DIRECT) < 0)
		return storage_fail(err, -ENOTSUP, s->path, "its file system cannot do without the"
				    " host's cache (O_DIRECT: %s)", strerror(errno));
	align = told_alignment(f->fd);
	if (!align)
		align = tried_alignment(f);
	if (!align || align > DIRECT_MOST || (align & (align - 1)))
		return storage_fail(err, -ENOTSUP, s->path, "without the host's cache its file"
				    " system wants an alignment of %u bytes, at most %u are"
				    " supported", align, DIRECT_MOST);
	if (!f->device && align > 1) {
		snprintf(again, sizeof(again), "/proc/self/fd/%d", f->fd);
		f->end_fd = open(again, (s->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		if (f->end_fd < 0)
			return storage_fail(err, -errno, s->path, "cannot open it a second time:"
					    " %s", strerror(errno));
	}
	f->direct = true;
	s->align = align;
	return 0;
}

/* ------------------------------------------------------------------------------------- opening */

static int check_kind(const char *path, const struct stat *st, struct vd_error *err)
{
	const char *what;

	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFBLK:
		return 0;
	case S_IFDIR:
		what = "a directory";
		break;
	case S_IFIFO:
		what = "a named pipe";
		break;
	case S_IFSOCK:
		what = "a socket";
		break;
	case S_IFCHR:
		what = "a character device";
		break;
	default:
		what = "of an unknown kind";
	}
	return storage_fail(err, S_ISDIR(st->st_mode) ? -EISDIR : -ENOTSUP, path,
			    "it is %s; only a regular file or a block device can hold a disk",
			    what);
}

/* Gives back a storage around fd, which it takes over also when it fails. */
static int file_wrap(int fd, const char *path, bool writable, struct vd_storage **out,
		     struct vd_error *err)
{
	struct file *f = calloc(1, sizeof(*f));
	struct stat st;
	int r;

	if (!f) {
		close(fd);
		return storage_fail(err, -ENOMEM, path, "cannot open: %s", strerror(ENOMEM));
	}
	f->base.ops = &file_ops;
	f->base.align = 1;
	f->base.writable = writable;
	f->fd = fd;
	f->end_fd = -1;
	f->base.path = strdup(path);
	if (!f->base.path || fstat(fd, &st) < 0) {
		r = f->base.path ? -errno : -ENOMEM;
		storage_fail(err, r, path, "cannot open: %s", strerror(-r));
		goto fail;
	}
	r = check_kind(path, &st, err);
	if (r < 0)
		goto fail;
	f->device = S_ISBLK(st.st_mode);
	r = file_measure(f, err);
	if (r < 0)
		goto fail;
	*out = &f->base;
	return 0;
fail:
	file_close(&f->base);
	return r;
}

int storage_open_file(const char *path, bool writable, struct vd_storage **out,
		      struct vd_error *err)
{
	const char *how = writable ? "cannot open for writing" : "cannot open";
	struct stat st;
	int flags, fd, r;

	/* Looked at first: opening alone makes some devices act. */
	if (stat(path, &st) < 0)
		return storage_fail(err, -errno, path, "%s: %s", how, strerror(errno));
	r = check_kind(path, &st, err);
	if (r < 0)
		return r;
	/* By now it may be a FIFO: do not wait for its other end, file_wrap looks again. Of a block
	 * device O_EXCL asks that the kernel has not mounted it. */
	flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	if (writable && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	do
		fd = open(path, flags);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return storage_fail(err, -errno, path, "%s: %s", how, strerror(errno));
	r = file_wrap(fd, path, writable, out, err);
	if (r < 0)
		return r;
	/* io_uring would take it for "fail rather than wait". */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return 0;
}

int storage_create_file(const char *path, struct vd_storage **out, struct vd_error *err)
{
	int fd, r;

	do
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return storage_fail(err, -errno, path, "cannot create: %s", strerror(errno));
	r = file_wrap(fd, path, true, out, err);
	if (r < 0)
		unlink(path);
	return r;
}
