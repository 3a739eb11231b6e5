/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fail.h - says in a sentence for a person what went wrong. */
#ifndef VIMG_FAIL_H
#define VIMG_FAIL_H

#include "vdisk.h"

/* Fills *err, which may be NULL, and returns the code, so that it can end a function. The sentence
 * is all: no option of libvdisk's would help. */
int fail_with(struct vd_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
