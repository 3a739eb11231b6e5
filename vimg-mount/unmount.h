/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unmount.h - vimg-mount -u. */
#ifndef UNMOUNT_H
#define UNMOUNT_H

/* Unmounts, and returns when everything is durable and the image is free. The exit status. */
int unmount_and_wait(const char *mountpoint);

#endif
