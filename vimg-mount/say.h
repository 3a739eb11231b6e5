/* SPDX-License-Identifier: GPL-2.0-or-later */
/* say.h - what vimg-mount tells a person, on stderr. */
#ifndef SAY_H
#define SAY_H

enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,	/* the command line is wrong */
};

/* "vimg-mount: " and one sentence, as one line. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
