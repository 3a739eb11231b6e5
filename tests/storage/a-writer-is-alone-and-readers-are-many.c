/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks between openings of our own, in one process and in two.
 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

#include "storage/storage.h"

static char *path;

static struct vd_storage *opened(bool writable)
{
	struct vd_storage *s;
	struct vd_error err;

	CHECK_OK(storage_open_file(path, writable, &s, &err));
	return s;
}

static void allowed(struct vd_storage *s, bool write)
{
	struct vd_error err = { "" };

	if (storage_lock(s, write, &err) < 0)
		test_fail(__FILE__, __LINE__, "%s", err.text);
}

/* `by`: who has it, or NULL where that does not matter. */
static void busy(struct vd_storage *s, bool write, pid_t by, const char *how)
{
	struct vd_error err = { "" };
	char want[128];

	CHECK_EQ(storage_lock(s, write, NULL), -EBUSY);
	CHECK_EQ(storage_lock(s, write, &err), -EBUSY);
	if (access("/proc/self/fdinfo", R_OK))
		return;
	snprintf(want, sizeof(want), "(process %d), which has it open for %s", (int)by, how);
	if (!strstr(err.text, want) || strncmp(err.text, path, strlen(path)))
		test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", err.text, want);
}

static void in_one_process(void)
{
	struct vd_storage *a = opened(false), *b = opened(false), *w = opened(true);
	struct vd_storage *v = opened(true);

	allowed(a, false);
	allowed(b, false);
	busy(w, true, getpid(), "reading");
	storage_close(a);
	busy(w, true, getpid(), "reading");
	allowed(w, false);	/* writable, and not written to */
	storage_close(b);
	allowed(w, true);	/* what it holds itself is in nobody's way */
	allowed(w, true);
	busy(v, true, getpid(), "writing");
	busy(v, false, getpid(), "writing");
	allowed(w, false);
	allowed(v, false);
	busy(v, true, getpid(), "reading");
	/* A refused change keeps the lock that was there. */
	storage_close(w);
	w = opened(true);
	busy(w, true, getpid(), "reading");
	storage_close(v);
	allowed(w, true);
	storage_close(w);
}

static void in_two_processes(void)
{
	struct vd_storage *s;
	int ready[2], go[2];
	pid_t child;
	char c = 0;

	CHECK_EQ(pipe(ready), 0);
	CHECK_EQ(pipe(go), 0);
	child = fork();
	if (child == 0) {
		s = opened(true);
		allowed(s, true);
		CHECK_EQ(write(ready[1], &c, 1), 1);
		CHECK_EQ(read(go[0], &c, 1), 1);
		_exit(0);	/* not closed: dying does that */
	}
	CHECK_EQ(read(ready[0], &c, 1), 1);
	s = opened(true);
	busy(s, false, child, "writing");
	busy(s, true, child, "writing");
	CHECK_EQ(write(go[1], &c, 1), 1);
	waitpid(child, NULL, 0);
	allowed(s, true);
	storage_close(s);
}

/* fcntl's older locks belong to a process; a whole-file one covers our bytes. */
static void against_an_older_lock(void)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct vd_error err = { "" };
	struct vd_storage *s;
	int ready[2], fd;
	pid_t child;
	char c = 0;

	CHECK_EQ(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open(path, O_RDWR);
		CHECK_EQ(fcntl(fd, F_SETLK, &whole), 0);
		CHECK_EQ(write(ready[1], &c, 1), 1);
		pause();
		_exit(0);
	}
	CHECK_EQ(read(ready[0], &c, 1), 1);
	s = opened(false);
	CHECK_EQ(storage_lock(s, false, &err), -EBUSY);
	CHECK(strstr(err.text, "locked by another process"));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	allowed(s, false);
	storage_close(s);
}

/* Locking brings the size up to date: the file may have grown between opening and locking. */
static void sees_the_size(void)
{
	struct vd_storage *s = opened(false), *w = opened(true);
	uint64_t size;

	CHECK_OK(storage_truncate(w, 12345));
	allowed(s, false);
	CHECK_OK(storage_size(s, &size));
	CHECK_EQ(size, 12345);
	storage_close(s);
	storage_close(w);
}

int main(void)
{
	struct vd_storage *s;
	struct vd_error err;

	path = test_path("x.vdi");
	CHECK_OK(storage_create_file(path, &s, &err));
	storage_close(s);
	in_one_process();
	in_two_processes();
	against_an_older_lock();
	sees_the_size();
	CHECK_OK(storage_open_memory(0, 1, &s));
	CHECK_OK(storage_lock(s, true, &err));
	storage_close(s);
	free(path);
	return 0;
}
