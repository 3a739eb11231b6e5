/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fs.c - what the kernel asks of the mount, and the answers.
 *
 * The names, sizes and places of the files never change, so the kernel may keep them. Of the times
 * of a writable mount it keeps nothing for long.
 *
 * ENOSYS is never an answer to something that is implemented here: the kernel takes it for "never
 * ask again" and, for fsync, for success.
 */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FOR_EVER 86400.0	/* seconds */
#define FOR_A_MOMENT 1.0
#define MAX_BACKGROUND 1024

/* What -errno of the disk library means to a program that reads and writes a file. */
static int file_error(int status)
{
	switch (status) {
	case 0:
	case -ENOSPC:
	case -EDQUOT:
	case -ENOMEM:
	case -EROFS:
	case -EOPNOTSUPP:
		return -status;
	default:
		return EIO;
	}
}

static struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static double attr_timeout(const struct fs *fs)
{
	return fs->tree.rw ? FOR_A_MOMENT : FOR_EVER;
}

/* More than congestion lets come, so that what waits for coherence.c leaves enough; but not more
 * than the kernel gives to users, because then we would not know how much it is. */
static unsigned max_background(void)
{
	FILE *file = fopen("/sys/module/fuse/parameters/max_user_bgreq", "re");
	unsigned most = 12; /* the kernel's default */

	if (file) {
		if (fscanf(file, "%u", &most) != 1 || most > MAX_BACKGROUND)
			most = MAX_BACKGROUND;
		fclose(file);
	}
	return most;
}

static void fs_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	/*
	 * Opening with O_TRUNC must not make the kernel believe that a file is empty; and the pages
	 * that it has are right, whatever the times say.
	 */
	conn->want &= ~(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS |
			FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
			FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE);
	conn->max_write = BUFFER_SIZE;
	conn->max_read = fs->max_read;
	conn->max_background = max_background();
	conn->congestion_threshold = 48;
	coherence_limit(&fs->coherence, conn->max_background);
	fs->greeted(fs->opaque);
}

static void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e = {
		.attr_timeout = attr_timeout(fs),
		.entry_timeout = FOR_EVER,
	};

	/* Number 0 says that the name is not there, and that the kernel may keep that too. */
	e.ino = parent == INO_ROOT ? tree_lookup(&fs->tree, name) : 0;
	if (e.ino)
		tree_stat(&fs->tree, e.ino, &e.attr);
	fuse_reply_entry(req, &e);
}

static void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct stat st;

	(void)fi;
	/* The first question of all is always for the folder's attributes. */
	if (!__atomic_exchange_n(&fs->was_asked, true, __ATOMIC_ACQ_REL))
		fs->asked(fs->opaque);
	if (tree_stat(&fs->tree, ino, &st) < 0)
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_attr(req, &st, attr_timeout(fs));
}

/*
 * As with a block device, opening with O_TRUNC changes nothing and is no error; nor are new times.
 * That opening arrives as a size of 0 without an open file.
 */
static void fs_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int what,
		       struct fuse_file_info *fi)
{
	struct node *node = tree_node(&fs_of(req)->tree, ino);
	bool truncates = what & FUSE_SET_ATTR_SIZE && node &&
			 (uint64_t)attr->st_size != node->size;

	if (what & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		fuse_reply_err(req, EPERM);
	else if (truncates && (fi || attr->st_size))
		fuse_reply_err(req, EPERM);
	else
		fs_getattr(req, ino, fi);
}

static void fs_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fs_of(req);

	if (ino == INO_LINK)
		fuse_reply_readlink(req, fs->tree.link_target);
	else
		fuse_reply_err(req, EINVAL);
}

/* What the folder has at a position; NULL after the last. */
static const char *dir_entry(const struct tree *tree, size_t index, uint64_t *ino)
{
	size_t names = tree->count + 2;

	*ino = INO_ROOT;
	if (index < 2)
		return index ? ".." : ".";
	*ino = index < names ? INO_NODES + index - 2 : INO_LINK;
	if (index < names)
		return tree->node[index - 2].name;
	return index == names ? tree->link_name : NULL;
}

static void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	char *buf = malloc(size);
	const char *name;
	size_t used = 0;
	uint64_t number;

	(void)ino;
	(void)fi;
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (size_t i = off; (name = dir_entry(&fs->tree, i, &number)); i++) {
		struct stat st;
		size_t n;

		tree_stat(&fs->tree, number, &st);
		n = fuse_add_direntry(req, buf + used, size - used, name, &st, i + 1);
		if (n > size - used)
			break;
		used += n;
	}
	fuse_reply_buf(req, buf, used);
	free(buf);
}

static void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *node = tree_node(&fs->tree, ino);
	bool write = (fi->flags & O_ACCMODE) != O_RDONLY, keep;
	int status;

	if (!node) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	if (write && !fs->tree.rw) {
		fuse_reply_err(req, EROFS);
		return;
	}
	status = tree_open(&fs->tree, node, write, &keep);
	if (status) {
		fuse_reply_err(req, -status);
		return;
	}
	fi->fh = write;
	fi->keep_cache = keep;
	fi->direct_io = fs->direct_io;
	fi->noflush = !write;
	/* The kernel does not take the answer where the caller was interrupted. */
	if (fuse_reply_open(req, fi) == -ENOENT)
		tree_release(&fs->tree, node, write, true);
}

static void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *node = tree_node(&fs->tree, ino);

	if (node && fi->fh)
		tree_flushed(&fs->tree, node);
	fuse_reply_err(req, 0);
}

static void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *node = tree_node(&fs->tree, ino);

	if (node)
		tree_release(&fs->tree, node, fi->fh, false);
	fuse_reply_err(req, 0);
}

/*
 * Zeros to answer with where nothing is stored. Never written but writable, so all of its pages
 * are the kernel's one page of zeros: they take no memory and stay in the processor's cache.
 */
static char zeros[BUFFER_SIZE];
#define WORTH_A_LOOK (64u << 10)	/* below, looking where holes are costs what it gains */

static bool is_hole(struct fs *fs, uint64_t offset, size_t size)
{
	struct vd_extent extent;

	return size >= WORTH_A_LOOK && vd_map(fs->disk, offset, size, &extent) == 0 &&
	       extent.kind == VD_EXTENT_ZERO && extent.length == size;
}

static void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *node = tree_node(&fs->tree, ino);
	int status = 0;
	void *buf;

	(void)fi;
	if (!node || off < 0 || (uint64_t)off >= node->size) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > node->size - off)
		size = node->size - off;
	if (size > BUFFER_SIZE)
		size = BUFFER_SIZE;
	if (is_hole(fs, node->offset + off, size)) {
		fuse_reply_buf(req, zeros, size);
		return;
	}
	buf = buffer_get(&fs->buffers);
	if (!buf)
		status = -ENOMEM;
	else
		status = vd_read(fs->disk, buf, size, node->offset + off, 0);
	if (status)
		fuse_reply_err(req, file_error(status));
	else
		fuse_reply_buf(req, buf, size);
	if (buf)
		buffer_put(&fs->buffers, buf);
}

static void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct answer a = { .request = req, .node = tree_node(&fs->tree, ino), .is_write = true };

	(void)fi;
	/* Past the end there is no space, as on a block device. */
	if (!a.node || !fs->tree.rw || off < 0 || (uint64_t)off >= a.node->size) {
		fuse_reply_err(req, !a.node ? ENOENT : !fs->tree.rw ? EROFS : ENOSPC);
		return;
	}
	a.offset = off;
	a.length = size < a.node->size - off ? size : a.node->size - off;
	a.error = file_error(vd_write(fs->disk, buf, a.length, a.node->offset + off, 0));
	coherence_answer(&fs->coherence, &a);
}

static void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);

	(void)ino;
	(void)datasync;
	(void)fi;
	fuse_reply_err(req, fs->tree.rw ? file_error(vd_flush(fs->disk)) : 0);
}

/*
 * Zeros, with the space given back. To promise space ahead is more than an image can: others may
 * fill the host's disk. So what only allocates is not supported.
 */
static void fs_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t length,
			 struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct answer a = { .request = req, .node = tree_node(&fs->tree, ino) };
	bool punch = mode & FALLOC_FL_PUNCH_HOLE, keep_size = mode & FALLOC_FL_KEEP_SIZE;
	uint64_t size = a.node ? a.node->size : 0, end;

	(void)fi;
	if (!a.node || !fs->tree.rw) {
		fuse_reply_err(req, a.node ? EROFS : ENOENT);
		return;
	}
	if (!punch && !(mode & FALLOC_FL_ZERO_RANGE)) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	if (off < 0 || length <= 0 || __builtin_add_overflow((uint64_t)off, length, &end)) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (end > size && !keep_size) {
		fuse_reply_err(req, ENOSPC);
		return;
	}
	if ((uint64_t)off >= size) {
		fuse_reply_err(req, 0);
		return;
	}
	a.offset = off;
	a.length = (end < size ? end : size) - off;
	a.error = file_error(punch ?
		vd_discard(fs->disk, a.node->offset + off, a.length, 0) :
		vd_write_zeroes(fs->disk, a.node->offset + off, a.length, VD_MAY_UNMAP));
	coherence_answer(&fs->coherence, &a);
}

/* The first byte from `pos` on that is in a hole, or is not. 0, or a positive errno value. */
static int seek(fuse_req_t req, const struct node *node, uint64_t *pos, bool hole)
{
	struct vd_extent extent;
	int status;

	while (*pos < node->size) {
		status = vd_map(fs_of(req)->disk, node->offset + *pos, node->size - *pos, &extent);
		if (status < 0 || !extent.length)
			return status < 0 ? file_error(status) : EIO;
		/* What cannot be read is data, so that it is read and seen to fail. */
		if ((extent.kind == VD_EXTENT_ZERO) == hole)
			return 0;
		*pos += extent.length;
		if (fuse_req_interrupted(req))
			return EINTR;
	}
	*pos = node->size;
	return hole ? 0 : ENXIO;
}

static void fs_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
		     struct fuse_file_info *fi)
{
	struct node *node = tree_node(&fs_of(req)->tree, ino);
	uint64_t pos = off;
	int error;

	(void)fi;
	if (!node || (whence != SEEK_DATA && whence != SEEK_HOLE))
		error = EINVAL;
	else if (off < 0 || pos >= node->size)
		error = ENXIO;
	else
		error = seek(req, node, &pos, whence == SEEK_HOLE);
	if (error)
		fuse_reply_err(req, error);
	else
		fuse_reply_lseek(req, pos);
}

static void fs_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fs_of(req);
	struct statvfs st = {
		.f_bsize = 4096,
		.f_frsize = 512,
		.f_blocks = vd_size(fs->disk) / 512,
		.f_files = fs->tree.count + 1,
		.f_namemax = 255,
	};

	(void)ino;
	fuse_reply_statfs(req, &st);
}

/* Nothing is made, moved or removed here: said so, and not that it is unknown how to. */

static void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	(void)parent, (void)name, (void)mode, (void)fi;
	fuse_reply_err(req, EPERM);
}

static void fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	(void)parent, (void)name, (void)mode, (void)dev;
	fuse_reply_err(req, EPERM);
}

static void fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)parent, (void)name, (void)mode;
	fuse_reply_err(req, EPERM);
}

static void fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent, (void)name;
	fuse_reply_err(req, EPERM);
}

static void fs_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target, (void)parent, (void)name;
	fuse_reply_err(req, EPERM);
}

static void fs_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)ino, (void)parent, (void)name;
	fuse_reply_err(req, EPERM);
}

static void fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned flags)
{
	(void)parent, (void)name, (void)new_parent, (void)new_name, (void)flags;
	fuse_reply_err(req, EPERM);
}

const struct fuse_lowlevel_ops fs_operations = {
	.init = fs_init,
	.lookup = fs_lookup,
	.getattr = fs_getattr,
	.setattr = fs_setattr,
	.readlink = fs_readlink,
	.readdir = fs_readdir,
	.open = fs_open,
	.flush = fs_flush,
	.release = fs_release,
	.read = fs_read,
	.write = fs_write,
	.fsync = fs_fsync,
	.fallocate = fs_fallocate,
	.lseek = fs_lseek,
	.statfs = fs_statfs,
	.create = fs_create,
	.mknod = fs_mknod,
	.mkdir = fs_mkdir,
	.unlink = fs_unlink,
	.rmdir = fs_unlink,
	.symlink = fs_symlink,
	.link = fs_link,
	.rename = fs_rename,
};
