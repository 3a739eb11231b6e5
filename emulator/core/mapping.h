/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mapping.h - a part of a client's file, mapped here: for memory.c.
 *
 * The client may truncate the file; touching what is gone then raises SIGBUS. The handler finds the
 * mapping in a table of all of the process, puts zeros in its place and marks it.
 *
 * I/O that cannot be ended in time must not reach the client's memory later. Its addresses stay
 * valid, but become a private copy of the file: what a late read brings lands where nobody sees it,
 * and a late write still finds what the guest has there. Limit: pages that the kernel has pinned for
 * direct I/O (--cache off) are the file's until that I/O is over.
 *
 * Threads     As guest memory: the controller's thread; the handler runs in any.
 */
#ifndef VIMG_MAPPING_H
#define VIMG_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

/* Descriptors that are kept, one for each file, however many mappings there are of it. */
struct mapping_file;
struct mapping_files {
	struct mapping_file *first;
	unsigned count;
};

struct mapping {
	uint8_t *at;			/* of the first byte that was asked for; NULL: none */

	/* private */
	void *start;			/* whole pages of the file */
	uint64_t size, page, offset;	/* offset: in the file */
	int protection, slot;
	bool is_private;
	struct mapping_file *file;	/* NULL: not kept */
};

/* *m is zeroed. fd is not taken over. After an error there is nothing to free. */
int mapping_make(struct mapping *m, struct mapping_files *files, int fd, uint64_t offset,
		 uint64_t size, int protection);
void mapping_free(struct mapping *m, struct mapping_files *files);	/* also if there is none */

/* The same part of the same file once more, elsewhere. -EBADF: its descriptor was not kept. */
int mapping_again(struct mapping *m, const struct mapping *of);
/* False where it cannot be done: it is as it was. */
bool mapping_make_private(struct mapping *m);

bool mapping_is_broken(const struct mapping *m);
/* How often any was broken in this process: who remembers it need not look at all of his again. */
unsigned mapping_breaks(void);
void mapping_catch_sigbus(void);

#endif
