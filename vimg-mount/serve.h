/* SPDX-License-Identifier: GPL-2.0-or-later */
/* serve.h - mounts a disk and serves it until it is unmounted. */
#ifndef SERVE_H
#define SERVE_H

struct options;

/*
 * Returns once the mount is usable (a background process then serves it), or, in the foreground,
 * when it is unmounted. The exit status.
 */
int serve(const struct options *options);

#endif
