/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mounts.h - what is mounted where, from /proc/self/mountinfo; asks no file system anything. */
#ifndef MOUNTS_H
#define MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

#define MOUNT_TYPE "fuse.vimg-mount"

struct mount_entry {
	unsigned major, minor;
	uid_t owner;		/* who mounted a FUSE file system */
	char type[64];
};

/* The topmost mount on an absolute path without symlinks. 0, -ENOENT: none; -errno. */
int mounts_find(const char *path, struct mount_entry *out);

/* The absolute path of a mount point, also where its server is dead. NULL with errno. */
char *mounts_resolve(const char *path);

#endif
