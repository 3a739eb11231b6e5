/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unmount.c - vimg-mount -u: unmounts, waits until the image is closed, tells how that went. */
#include "unmount.h"
#include "cleanup.h"
#include "control.h"
#include "mounts.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

extern char **environ;

static void read_all(int fd, char *out, size_t size)
{
	size_t used = 0;
	ssize_t n = 0;

	while (used < size - 1 && ((n = read(fd, out + used, size - 1 - used)) > 0 ||
				   (n < 0 && errno == EINTR)))
		used += n > 0 ? n : 0;
	out[used] = '\0';
}

/* For users other than root: libfuse's helper. What it says goes to `said`. */
static int run_fusermount(const char *path, char *said, size_t size)
{
	char *argv[] = { "fusermount3", "-u", "--", (char *)path, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	status = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	read_all(ends[0], said, size);
	close(ends[0]);
	if (status)
		return -status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return strstr(said, "busy") ? -EBUSY : -EPERM;
}

static bool is_others(const struct mount_entry *mount)
{
	return geteuid() && mount->owner != (uid_t)-1 && mount->owner != getuid();
}

static void say_whose(const char *path, uid_t owner)
{
	const struct passwd *user = getpwuid(owner);

	if (user)
		say("%s was mounted by %s: only %s%s can unmount it", path, user->pw_name,
		    user->pw_name, owner ? " or root" : "");
	else
		say("%s was mounted by the user with id %u: only that one or root can unmount it",
		    path, (unsigned)owner);
}

/* 0, or -errno after saying why. */
static int unmount_now(const char *path, const struct mount_entry *mount)
{
	char said[512] = "";
	int status = umount2(path, UMOUNT_NOFOLLOW) < 0 ? -errno : 0;

	if (status == -EPERM)
		status = run_fusermount(path, said, sizeof(said));
	if (status == -EBUSY) {
		say("%s is busy: a program has a file of it open, or its current folder there",
		    path);
	} else if (status && is_others(mount)) {
		say_whose(path, mount->owner);
	} else if (status) {
		said[strcspn(said, "\n")] = '\0';
		say("%s cannot be unmounted: %s", path, *said ? said : strerror(-status));
	}
	return status;
}

/* Until the server hangs up, which is its last act. */
static int wait_for_status(int fd, const char *path)
{
	char text[1024];

	read_all(fd, text, sizeof(text));
	if (!strcmp(text, CONTROL_OK))
		return STATUS_OK;
	if (*text)
		say("%s is unmounted, but %s", path, text);
	else
		say("%s is unmounted, but its server died before the image was closed", path);
	return STATUS_FAILED;
}

static int unmount_mount(const char *path, const struct mount_entry *mount)
{
	CLEANUP_CLOSE int server = control_connect(mount);

	if (unmount_now(path, mount) < 0)
		return STATUS_FAILED;
	if (server >= 0)
		return wait_for_status(server, path);
	say("%s is unmounted, but its server does not answer: whether the last flush went well is "
	    "not known", path);
	return STATUS_FAILED;
}

int unmount_and_wait(const char *mountpoint)
{
	CLEANUP_FREE char *path = mounts_resolve(mountpoint);
	struct mount_entry mount;
	int status;

	if (!path) {
		say("%s: %s", mountpoint, strerror(errno));
		return STATUS_FAILED;
	}
	status = mounts_find(path, &mount);
	if (status == -ENOENT)
		say("nothing is mounted on %s", mountpoint);
	else if (status)
		say("/proc/self/mountinfo cannot be read: %s", strerror(-status));
	else if (strcmp(mount.type, MOUNT_TYPE))
		say("%s is no mount of vimg-mount: it is of type %s", mountpoint, mount.type);
	else
		return unmount_mount(path, &mount);
	return STATUS_FAILED;
}
