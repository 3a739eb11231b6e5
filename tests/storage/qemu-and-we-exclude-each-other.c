/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks against the real qemu-nbd and qemu-io, both ways round, and the bytes that they are on.
 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "storage/storage.h"

static char *path, *sock;

static pid_t start(const char *const *argv)
{
	pid_t child = fork();

	if (child == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	CHECK(child > 0);
	return child;
}

static int run(const char *const *argv)
{
	int status;

	CHECK(waitpid(start(argv), &status, 0) > 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* qemu-nbd greets once it has the image; the socket is there before. */
static bool greets(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char magic[8];
	bool greeted;

	if (strlen(sock) >= sizeof(address.sun_path))
		test_skip("TMPDIR is too long for a socket");
	strcpy(address.sun_path, sock);
	greeted = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		  read(fd, magic, sizeof(magic)) == sizeof(magic);
	close(fd);
	return greeted;
}

/* Returns when the image is open; -1 if qemu-nbd gave up. */
static pid_t qemu_nbd(bool write)
{
	const char *rw[] = { "qemu-nbd", "-t", "-k", sock, "-f", "vdi", path, NULL };
	const char *ro[] = { "qemu-nbd", "-r", "-t", "-k", sock, "-f", "vdi", path, NULL };
	pid_t child;
	int status;

	unlink(sock);
	child = start(write ? rw : ro);
	for (int i = 0; !greets(); i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return -1;
		CHECK(i < 500);
		usleep(20000);
	}
	return child;
}

static void stop(pid_t child)
{
	CHECK(child > 0);
	kill(child, SIGTERM);
	waitpid(child, NULL, 0);
}

static bool qemu_io(bool write)
{
	const char *w[] = { "qemu-io", "-f", "vdi", "-c", "write 0 512", path, NULL };
	const char *r[] = { "qemu-io", "-r", "-f", "vdi", "-c", "read 0 512", path, NULL };

	return run(write ? w : r) == 0;
}

/* 0, or how it failed. */
static int we(bool write, struct vd_storage **out, struct vd_error *err)
{
	int r;

	CHECK_OK(storage_open_file(path, write, out, err));
	r = storage_lock(*out, write, err);
	if (r < 0)
		storage_close(*out);
	return r;
}

static void they_first(void)
{
	for (int theirs = 0; theirs <= 1; theirs++) {
		pid_t child = qemu_nbd(theirs);
		struct vd_error err = { "" };
		struct vd_storage *s;
		char want[128];

		CHECK(child > 0);
		snprintf(want, sizeof(want),
			 "in use by qemu-nbd (process %d), which has it open for %s", (int)child,
			 theirs ? "writing" : "reading");
		CHECK_EQ(we(true, &s, &err), -EBUSY);
		if (!strstr(err.text, want))
			test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", err.text, want);
		if (theirs) {
			CHECK_EQ(we(false, &s, &err), -EBUSY);
			CHECK(strstr(err.text, want));
		} else {
			CHECK_OK(we(false, &s, &err));
			storage_close(s);
		}
		stop(child);
		CHECK_OK(we(true, &s, &err));
		storage_close(s);
	}
}

static void we_first(void)
{
	struct vd_storage *s, *t;
	struct vd_error err;

	CHECK_OK(we(true, &s, &err));
	CHECK(!qemu_io(false));
	CHECK(!qemu_io(true));
	CHECK_EQ(qemu_nbd(false), -1);
	storage_close(s);

	CHECK_OK(we(false, &s, &err));
	CHECK_OK(we(false, &t, &err));
	CHECK(qemu_io(false));
	CHECK(!qemu_io(true));
	storage_close(s);
	CHECK(!qemu_io(true));
	storage_close(t);
	CHECK(qemu_io(true));
}

/* The lock lines of a process's fdinfo about this inode: their ranges, in the kernel's order. */
static void ranges(pid_t pid, ino_t inode, char *out, size_t size)
{
	char command[256];
	FILE *f;

	snprintf(command, sizeof(command), "cat /proc/%d/fdinfo/* 2>/dev/null | "
		 "awk '/^lock:/ && /:%llu / { print $(NF-1) \"-\" $NF }' | sort | tr '\\n' ' '",
		 (int)pid, (unsigned long long)inode);
	f = popen(command, "r");
	CHECK(f);
	if (!fgets(out, size, f))
		*out = 0;
	pclose(f);
}

static void same_bytes(void)
{
	for (int write = 0; write <= 1; write++) {
		char theirs[256], ours[256];
		struct vd_storage *s;
		struct vd_error err;
		struct stat st;
		pid_t child;

		CHECK_EQ(stat(path, &st), 0);
		child = qemu_nbd(write);
		CHECK(child > 0);
		ranges(child, st.st_ino, theirs, sizeof(theirs));
		stop(child);
		CHECK_OK(we(write, &s, &err));
		ranges(getpid(), st.st_ino, ours, sizeof(ours));
		storage_close(s);
		CHECK_STR(ours, theirs);
		CHECK_STR(ours, write ? "100-101 103-103 201-201 203-203 "
				      : "100-100 201-201 203-203 ");
	}
}

int main(void)
{
	const char *create[] = { "qemu-img", "create", "-f", "vdi", NULL, "4M", NULL };

	path = test_path("x.vdi");
	sock = test_path("nbd.sock");
	create[4] = path;
	if (run(create) || !qemu_io(false))
		test_skip("no qemu-img, or no qemu-io");
	if (run((const char *const[]){ "qemu-nbd", "--version", NULL }))
		test_skip("no qemu-nbd");
	if (access("/proc/self/fdinfo", R_OK))
		test_skip("no /proc");
	they_first();
	we_first();
	same_bytes();
	free(path);
	free(sock);
	return 0;
}
