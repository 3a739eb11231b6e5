/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passthrough.c - the limit of a FUSE server: serves one existing file as MOUNTPOINT/disk with plain
 * pread and pwrite. No format work at all, so nothing that decodes a disk image can be faster than
 * this but by letting the kernel ask for more at once. Built and used by bench/bench.py.
 * Usage: passthrough FILE [fuse options] MOUNTPOINT
 */
#define FUSE_USE_VERSION 34
#include <fuse_lowlevel.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fd, use_splice;

static void fill(fuse_ino_t ino, struct stat *st)
{
	struct stat b;
	memset(st, 0, sizeof *st);
	st->st_ino = ino;
	if (ino == 1) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
	} else {
		fstat(fd, &b);
		st->st_mode = S_IFREG | 0600;
		st->st_nlink = 1;
		st->st_size = b.st_size;
		st->st_blksize = 4096;
	}
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e;
	if (parent != 1 || strcmp(name, "disk")) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	memset(&e, 0, sizeof e);
	e.ino = 2;
	e.attr_timeout = e.entry_timeout = 60;
	fill(2, &e.attr);
	fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	(void)fi;
	fill(ino, &st);
	fuse_reply_attr(req, &st, 60);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *a, int to_set, struct fuse_file_info *fi)
{
	(void)a; (void)to_set;
	op_getattr(req, ino, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino; (void)fi;
	if (use_splice) {
		struct fuse_bufvec b = FUSE_BUFVEC_INIT(size);
		b.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
		b.buf[0].fd = fd;
		b.buf[0].pos = off;
		fuse_reply_data(req, &b, FUSE_BUF_SPLICE_MOVE);
		return;
	}
	static __thread char *buf;
	static __thread size_t cap;
	if (cap < size) {
		free(buf);
		if (posix_memalign((void **)&buf, 4096, size)) {
			fuse_reply_err(req, ENOMEM);
			return;
		}
		cap = size;
	}
	ssize_t n = pread(fd, buf, size, off);
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_buf(req, buf, n);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	(void)ino; (void)fi;
	ssize_t n = pwrite(fd, buf, size, off);
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_write(req, n);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int ds, struct fuse_file_info *fi)
{
	(void)ino; (void)ds; (void)fi;
	fuse_reply_err(req, fdatasync(fd) ? errno : 0);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = op_lookup, .getattr = op_getattr, .setattr = op_setattr,
	.read = op_read, .write = op_write, .fsync = op_fsync,
};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_cmdline_opts o;
	struct fuse_loop_config cfg;
	int i, rc = 1;
	if (argc < 3)
		return 2;
	fd = open(argv[1], O_RDWR);
	if (fd < 0 && (fd = open(argv[1], O_RDONLY)) < 0)
		return 1;
	fuse_opt_add_arg(&args, argv[0]);
	for (i = 2; i < argc; i++)
		if (!strcmp(argv[i], "--splice"))
			use_splice = 1;
		else
			fuse_opt_add_arg(&args, argv[i]);
	if (fuse_parse_cmdline(&args, &o))
		return 2;
	struct fuse_session *se = fuse_session_new(&args, &ops, sizeof ops, NULL);
	if (!se || fuse_set_signal_handlers(se) || fuse_session_mount(se, o.mountpoint))
		return 1;
	cfg.clone_fd = o.clone_fd;
	cfg.max_idle_threads = o.max_idle_threads;
	rc = o.singlethread ? fuse_session_loop(se) : fuse_session_loop_mt(se, &cfg);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	return rc ? 1 : 0;
}
