/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.c - locks the server in, so that whoever takes it over through a hostile guest or image
 * finds nothing but the disks that it serves.
 *
 * seccomp lets through the system calls that serving takes; others fail with EPERM. Landlock keeps
 * files: the control thread opens below the folders of this machine's images and those of
 * --allow-dir; a controller's thread, and what libvdisk starts from it, opens nothing. Where the
 * kernel or the build lacks one of them the other is used; *what says what is on.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "program/program.h"

#ifdef HAVE_LINUX_LANDLOCK_H
#include <linux/landlock.h>
#endif
#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define INSTRUMENTED 1		/* their runtimes do more than serving takes */
#else
#define INSTRUMENTED 0
#endif

/* -------------------------------------------------------------------------------------- landlock */

#ifdef HAVE_LINUX_LANDLOCK_H

/* Named by bits: headers of older systems lack the younger ones. */
#define REFER (1ull << 13)		/* ABI 2 */
#define TRUNCATE (1ull << 14)		/* ABI 3 */
#define FIRST_ABI ((1ull << 13) - 1)

#define USE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |		\
	     LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |		\
	     LANDLOCK_ACCESS_FS_MAKE_REG | REFER | TRUNCATE)
#define LOOK (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static uint64_t handled(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1)
		return 0;
	return FIRST_ABI | (abi >= 2 ? REFER : 0) | (abi >= 3 ? TRUNCATE : 0);
}

static int new_ruleset(uint64_t rights)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = rights};

	return (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
}

/* A folder that is not there allows nothing. */
static void allow(int ruleset, const char *folder, uint64_t rights)
{
	CLEANUP_CLOSE int fd = open(folder, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr attr = {.allowed_access = rights, .parent_fd = fd};

	if (fd >= 0)
		syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
}

/* Only so that it can be removed in the end: the folder is not otherwise the server's. */
static void allow_socket(int ruleset, const char *socket, uint64_t rights)
{
	CLEANUP_FREE char *copy = strdup(socket);

	if (copy)
		allow(ruleset, dirname(copy), LANDLOCK_ACCESS_FS_REMOVE_FILE & rights);
}

static bool restrict_files(const char *const *folders, const char *const *more,
			   const char *const *sockets)
{
	uint64_t rights = handled();
	CLEANUP_CLOSE int ruleset = rights ? new_ruleset(rights) : -1;

	if (ruleset < 0)
		return false;
	for (; folders && *folders; folders++)
		allow(ruleset, *folders, USE & rights);
	for (; more && *more; more++)
		allow(ruleset, *more, USE & rights);
	for (; sockets && *sockets; sockets++)
		allow_socket(ruleset, *sockets, rights);
	/* Who holds the lock on an image, for messages. */
	allow(ruleset, "/proc", LOOK);
	return !syscall(SYS_landlock_restrict_self, ruleset, 0);
}

void sandbox_enter_thread(void)
{
	uint64_t rights = INSTRUMENTED ? 0 : handled();
	CLEANUP_CLOSE int ruleset = rights ? new_ruleset(rights) : -1;

	if (ruleset >= 0)
		syscall(SYS_landlock_restrict_self, ruleset, 0);
}

#else

static bool restrict_files(const char *const *folders, const char *const *more,
			   const char *const *sockets)
{
	(void)folders;
	(void)more;
	(void)sockets;
	return false;
}

void sandbox_enter_thread(void)
{
}

#endif

/* --------------------------------------------------------------------------------------- seccomp */

#ifdef HAVE_SECCOMP

static const int allowed[] = {
	/* memory and threads */
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier), SCMP_SYS(prctl), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(tgkill), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
	SCMP_SYS(prlimit64), SCMP_SYS(getrlimit), SCMP_SYS(setrlimit), SCMP_SYS(getrandom),
	SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getcwd), SCMP_SYS(umask),
	/* time and waiting */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime), SCMP_SYS(timer_create), SCMP_SYS(timer_settime),
	SCMP_SYS(timer_delete),
	/* files */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(close), SCMP_SYS(read),
	SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2),
	SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat),
	SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64), SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(fadvise64), SCMP_SYS(fcntl),
	SCMP_SYS(flock), SCMP_SYS(ioctl), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(link),
	SCMP_SYS(linkat), SCMP_SYS(fchmod), SCMP_SYS(chmod), SCMP_SYS(dup), SCMP_SYS(dup2),
	SCMP_SYS(dup3), SCMP_SYS(copy_file_range), SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
	/* sockets that are there; no new ones */
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	/* the threads lock themselves in further */
	SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_restrict_self),
};

static bool restrict_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? 0 : -ENOMEM;

	for (unsigned i = 0; !r && i < sizeof(allowed) / sizeof(*allowed); i++) {
		/* Calls that this processor does not have count as allowed. */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
		if (r == -EDOM || r == -EINVAL)
			r = 0;
	}
	if (!r)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return !r;
}

#else

static bool restrict_calls(void)
{
	return false;
}

#endif

int sandbox_enter(const char *const *folders, const char *const *more,
		  const char *const *sockets, const char **what, struct vd_error *err)
{
	bool files, calls;

	*what = "none";
	if (INSTRUMENTED)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		int r = -errno;

		snprintf(err->text, sizeof(err->text), "the sandbox: %s", strerror(-r));
		return r;
	}
	files = restrict_files(folders, more, sockets);
	calls = restrict_calls();
	*what = files && calls ? "Landlock and seccomp" : files ? "Landlock" : calls ? "seccomp" :
		"none";
	return 0;
}
