/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * brief.h - read() and write() that end soon, on descriptors of a kind that a client shares with us.
 *
 * O_NONBLOCK belongs to the open file, which is the client's as well as ours: it may take the flag
 * off at any time, and whatever was found out before a call (poll, fcntl) need not hold in it. So a
 * timer's signal ends the call. It is set once in a while, not for each call, which costs nothing
 * that could be measured, where a look before each call, or asynchronous I/O, doubles its price.
 *
 * Threads     A brief belongs to the thread that made it, also for brief_free.
 */
#ifndef VIMG_BRIEF_H
#define VIMG_BRIEF_H

#include <stddef.h>
#include <sys/types.h>

struct brief;

/* -EAGAIN and the like where there are no timers left. */
int brief_new(struct brief **out);
void brief_free(struct brief *b);	/* NULL is allowed */

/* As read() and write(), but -errno. -ETIMEDOUT: it waited, for 100 ms at most. */
ssize_t brief_read(struct brief *b, int fd, void *buf, size_t n);
ssize_t brief_write(struct brief *b, int fd, const void *buf, size_t n);

#endif
