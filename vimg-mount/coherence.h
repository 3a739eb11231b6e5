/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coherence.h - answers writes, after the kernel has dropped the same bytes of other nodes.
 *
 * Telling the kernel to drop pages waits for requests that use them, which may be waiting for a
 * thread that serves them. So no thread that serves requests ever does it: a write that another
 * open node would show is handed to a thread of its own, which invalidates and then answers.
 *
 *	worker            coherence_answer() --> queue --> thread: invalidate the others, answer
 *	(serves on)       `- nobody else has those bytes open: answered at once
 *
 * What the invalidation waits for must not in turn wait for an answer in the queue. The kernel
 * counts requests in the background (read-ahead, write-back, asynchronous I/O) against one limit:
 * writes that wait here for their answers could fill it, and a read behind them would keep its
 * pages locked for ever. So at most half of that limit waits. A write that comes then is answered
 * first and invalidated afterwards; it takes hundreds at a time, all waiting for one page, to get
 * there.
 */
#ifndef COHERENCE_H
#define COHERENCE_H

#include <fuse_lowlevel.h>

#include "nodes.h"

struct coherence {
	struct tree *tree;
	struct fuse_session *session;
	pthread_t thread;
	bool running;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct answer *first, **last;	/* under the lock, as are all that follow */
	unsigned waiting;		/* answers in the queue that the kernel waits for */
	unsigned most;			/* so many may */
	bool busy, bypass, stop;
};

/* What is to be said to the kernel of a finished change of `length` bytes at `offset` of a node. */
struct answer {
	struct answer *next;
	fuse_req_t request;		/* NULL: answered already */
	struct node *node;
	uint64_t offset, length;
	int error;		/* 0 or a positive errno value */
	bool is_write;		/* answered with its length, else with the error alone */
};

/* The limit of the kernel for requests in the background; before the first answer. */
void coherence_limit(struct coherence *c, unsigned background);
/* 0 or -errno. */
int coherence_start(struct coherence *c, struct tree *tree, struct fuse_session *session);
/* Answers, now or soon. */
void coherence_answer(struct coherence *c, const struct answer *answer);
/*
 * From now on nothing waits: answers are given at once, and this returns when those that waited are
 * given. For the moment before the threads that serve requests end.
 */
void coherence_drain(struct coherence *c);
void coherence_stop(struct coherence *c);

#endif
