/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lock.c - keeps two programs from using one image at once, in the manner of QEMU, so that we and
 * QEMU exclude each other.
 *
 * There are four permissions on a file. Who uses it holds a read lock on byte 100 + i for each
 * permission i that it uses, and on byte 200 + i for each that nobody else may use meanwhile. Then
 * it looks whether another's locks contradict: on 200 + i for what it uses, on 100 + i for what it
 * does not share. All locks being read locks, they can be had on a file that was opened read-only.
 * The bytes need not exist. Seen with qemu 7.2, which does this for every format but raw (there it
 * shares more):
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
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
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

/*
 * Who is it? An OFD lock has no process, so F_OFD_GETLK does not tell. But each /proc/PID/fdinfo/FD
 * that we may read lists the locks of its opening:
 *
 *	lock:	1: OFDLCK ADVISORY  READ -1 fe:00:10953074 100 101
 *
 * The file's id in there need not be what stat says (btrfs), so it is taken from our own locks.
 */
#define ID_TEXT 64
#define FILES_MAX 50000
#define MILLISECONDS_MAX 500

struct search {
	const char *id;
	off_t byte;
	int own_fd;			/* of this process: not the one that is looked for */
	unsigned files;
	struct timespec end;
	pid_t pid;
	bool writes;			/* it holds the byte of writing */
};

/* Reads a file of /proc, of which the beginning is enough. */
static bool slurp(int dir, const char *name, char *buf, size_t size)
{
	CLEANUP_CLOSE int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t done = 0;

	while (fd >= 0 && done < size - 1) {
		ssize_t r = read(fd, buf + done, size - 1 - done);

		if (r <= 0)
			break;
		done += r;
	}
	buf[done] = 0;
	return done > 0;
}

/* The next OFD lock in the text of a fdinfo, or NULL; moves *text past it. */
static bool next_lock(char **text, char id[ID_TEXT], unsigned long long *first,
		      unsigned long long *last)
{
	char end[32];

	while ((*text = strstr(*text, "lock:"))) {
		int n = sscanf(*text, "lock: %*d: OFDLCK %*s %*s %*d %63s %llu %31s", id, first,
			       end);

		*text += strlen("lock:");
		if (n != 3)
			continue;
		*last = strcmp(end, "EOF") ? strtoull(end, NULL, 10) : UINT64_MAX;
		return true;
	}
	return false;
}

static bool file_id(int fd, char id[ID_TEXT])
{
	char name[64], text[4096], *at = text;
	unsigned long long first, last;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	return slurp(AT_FDCWD, name, text, sizeof(text)) && next_lock(&at, id, &first, &last);
}

static bool search_one(struct search *s, int dir, const char *fd)
{
	char text[4096], id[ID_TEXT], *at = text;
	unsigned long long first, last;
	bool found = false;

	if (!slurp(dir, fd, text, sizeof(text)))
		return false;
	s->writes = false;
	while (next_lock(&at, id, &first, &last)) {
		if (strcmp(id, s->id))
			continue;
		if (first <= (uint64_t)s->byte && (uint64_t)s->byte <= last)
			found = true;
		if (first <= USES_BASE + 1 && USES_BASE + 1 <= last)
			s->writes = true;
	}
	return found;
}

static bool search_over(struct search *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return ++s->files > FILES_MAX || now.tv_sec > s->end.tv_sec ||
	       (now.tv_sec == s->end.tv_sec && now.tv_nsec > s->end.tv_nsec);
}

static bool search_process(struct search *s, const char *pid)
{
	bool own = strtol(pid, NULL, 10) == getpid(), found = false;
	char name[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%.20s/fdinfo", pid);
	dir = opendir(name);
	while (dir && !found && !search_over(s) && (entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name) &&
		    !(own && strtol(entry->d_name, NULL, 10) == s->own_fd))
			found = search_one(s, dirfd(dir), entry->d_name);
	if (dir)
		closedir(dir);
	if (found)
		s->pid = strtol(pid, NULL, 10);
	return found;
}

static bool search(struct search *s)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &s->end);
	s->end.tv_nsec += MILLISECONDS_MAX * 1000000;
	if (s->end.tv_nsec >= 1000000000) {
		s->end.tv_nsec -= 1000000000;
		s->end.tv_sec++;
	}
	while (dir && !found && !search_over(s) && (entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			found = search_process(s, entry->d_name);
	if (dir)
		closedir(dir);
	return found;
}

/* A process's name may be anything; only what is plain text goes into a sentence. */
static void process_name(pid_t pid, char *name, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (!slurp(AT_FDCWD, path, name, size))
		snprintf(name, size, "a program");
	name[strcspn(name, "\n")] = 0;
	for (char *c = name; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
}

static int fail_busy(int fd, const char *path, const char *id, unsigned byte, pid_t owner,
		     struct vd_error *err)
{
	struct search s = { .id = id, .byte = lock_byte(byte), .own_fd = fd };
	char name[64];

	if (!err)
		return -EBUSY;
	if (owner > 0) {	/* a lock of the old kind, over these bytes */
		process_name(owner, name, sizeof(name));
		return storage_fail(err, -EBUSY, path, "in use by %s (process %d), which has "
				    "locked it", name, (int)owner);
	}
	if (!*id || !search(&s))
		return storage_fail(err, -EBUSY, path, "in use by another process");
	process_name(s.pid, name, sizeof(name));
	return storage_fail(err, -EBUSY, path, "in use by %s (process %d), which has it open "
			    "for %s", name, (int)s.pid, s.writes ? "writing" : "reading");
}

int lock_file(int fd, const char *path, bool write, unsigned *held, struct vd_error *err)
{
	const unsigned uses = write ? READ | WRITE | RESIZE : READ, unshared = WRITE | RESIZE;
	const unsigned want = LOCKS(uses, unshared);
	char id[ID_TEXT] = "";
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
	/* Asked while we still hold a lock on the file. */
	if (r == 1 && !file_id(fd, id))
		*id = 0;
	set_locks(fd, want & ~*held, F_UNLCK);
	if (has_no_locks(r))
		return 0;
	if (r == 1)
		return fail_busy(fd, path, id, byte, owner, err);
	/* A write lock, which is not how QEMU does it: someone else's, and in our way. */
	if (r == -EAGAIN || r == -EACCES)
		return storage_fail(err, -EBUSY, path, "locked by another process");
	return storage_fail(err, r, path, "cannot lock: %s", strerror(-r));
}
