/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket.h - Unix sockets with a path: those of controllers, and the control socket.
 *
 * Calls return 0 or -errno, with a sentence in *err that names the path; err may be NULL.
 */
#ifndef VIMG_EMULATOR_SOCKET_H
#define VIMG_EMULATOR_SOCKET_H

#include "vdisk.h"

/*
 * Makes the path a socket of mode 0600 and listens on it; *fd does not block. The path must not
 * exist, or be a socket that nobody listens on: what a process left that was killed is replaced.
 */
int socket_listen(const char *path, int *fd, struct vd_error *err);
/* *fd blocks. */
int socket_connect(const char *path, int *fd, struct vd_error *err);

#endif
