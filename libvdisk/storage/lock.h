/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lock.h - keeps others out of an image file while it is in use. See lock.c.
 */
#ifndef VIMG_STORAGE_LOCK_H
#define VIMG_STORAGE_LOCK_H

#include <stdbool.h>

#include "vdisk.h"

/*
 * Locks the open file for reading (shared with other readers) or writing (alone); when it is locked
 * already, changes the lock, and keeps the old one on failure. -EBUSY: err says who has it. Closing
 * fd, or the last duplicate of it, unlocks. 0 where the file system has no locks. *held, which
 * begins as 0, is kept for the next call.
 */
int lock_file(int fd, const char *path, bool write, unsigned *held, struct vd_error *err);

#endif
