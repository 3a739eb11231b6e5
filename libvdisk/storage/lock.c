/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lock.c - keeps two programs from using one image at once, in the manner of QEMU, so that we and
 * QEMU exclude each other.
 *
 * There are four permissions on a file. Who uses it holds a read lock on byte 100 + i for each
 * permission i that it uses, and on byte 200 + i for each that nobody else may use meanwhile. Then
 * it looks whether another's locks contradict: on 200 + i for what it uses, on
 * 100 + i for what it does not share. All locks being read locks, they can be had on a file that was
 * opened read-only. The bytes need not exist. Checked against qemu 7.2, the images' own formats:
 *
 *	                    0 read  1 write  2 write same  3 resize
 *	reader uses         x
 *	writer uses         x       x                      x
 *	neither shares              x                      x
 *
 * The locks are of the open file, not of the process (F_OFD_SETLK): they hold between two openings
 * in one process, and end when the last descriptor of the opening is closed. Two that come at the
 * same moment may both be sent away, but never both be let in.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "checked.h"
#include "internal.h"
#include "lock.h"

#define USES_BASE 100
#define UNSHARED_BASE 200
#define PERMISSIONS 4

#define READ (1u << 0)
#define WRITE (1u << 1)
#define RESIZE (1u << 3)

/* What to hold, of the 8 bytes: bit i is byte 100 + i, bit 4 + i is byte 200 + i. */
#define LOCKS(uses, unshared) ((uses) | (unshared) << PERMISSIONS)

static off_t lock_byte(unsigned i)
{
	return i < PERMISSIONS ? USES_BASE + i : UNSHARED_BASE + i - PERMISSIONS;
}

/* F_OFD_SETLK or F_OFD_GETLK of one of the bytes. */
static int lock_call(int fd, int command, unsigned i, short type, pid_t *owner)
{
	struct flock fl = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = lock_byte(i),
		.l_len = 1,
	};
	int r;

	do
		r = fcntl(fd, command, &fl);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (owner)
		*owner = fl.l_type == F_UNLCK ? 0 : fl.l_pid;
	return 0;
}

static bool has_no_locks(int err)
{
	return err == -ENOLCK || err == -EINVAL || err == -ENOTSUP || err == -ENOSYS;
}

/* Which of the bytes this opening holds cannot be asked: a lock that is there is set again. */
static int set_locks(int fd, unsigned locks, short type)
{
	int err = 0;

	for (unsigned i = 0; i < 2 * PERMISSIONS && err == 0; i++)
		if (locks & 1u << i)
			err = lock_call(fd, F_OFD_SETLK, i, type, NULL);
	return err;
}

/* Does another opening hold one of these bytes? 1 and which one, 0, or -errno. */
static int find_conflict(int fd, unsigned bytes, unsigned *byte, pid_t *owner)
{
	for (unsigned i = 0; i < 2 * PERMISSIONS; i++) {
		int err = 0;

		if (bytes & 1u << i)
			err = lock_call(fd, F_OFD_GETLK, i, F_WRLCK, owner);
		if (err < 0)
			return err;
		if (bytes & 1u << i && *owner) {
			*byte = i;
			return 1;
		}
	}
	return 0;
}

int lock_file(int fd, const char *path, bool write, unsigned *held, struct vd_error *err)
{
	const unsigned uses = write ? READ | WRITE | RESIZE : READ, unshared = WRITE | RESIZE;
	const unsigned want = LOCKS(uses, unshared);
	unsigned byte = 0;
	pid_t owner = 0;
	int r;

	r = set_locks(fd, want & ~*held, F_RDLCK);
	if (r == 0)
		r = find_conflict(fd, LOCKS(unshared, uses), &byte, &owner);
	if (r == 0) {
		set_locks(fd, *held & ~want, F_UNLCK);
		*held = want;
		return 0;
	}
	set_locks(fd, want & ~*held, F_UNLCK);
	if (has_no_locks(r))
		return 0;
	/* A write lock on the byte, which is not how QEMU does it: someone else's, and in our way. */
	if (r == 1 || r == -EAGAIN || r == -EACCES)
		return storage_fail(err, -EBUSY, path, "it is in use by another process");
	return storage_fail(err, r, path, "cannot lock: %s", strerror(-r));
}
