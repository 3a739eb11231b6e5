/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nodes.h - the files of a mount, and who has them open.
 *
 *	ino 1	the folder
 *	ino 2	a symlink named like the image, leading to it
 *	ino 3+	vhdd, vol0, vol1 ...: ranges of one disk, which may overlap
 *
 * Nodes that overlap are the same bytes under two inodes, and the kernel keeps a page cache for
 * each. So two of them are never open for writing at a time, and each node knows whether pages of
 * it that the kernel may have kept are stale. See coherence.h for the writes themselves.
 */
#ifndef NODES_H
#define NODES_H

#include "image.h"
#include "options.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define INO_ROOT 1
#define INO_LINK 2
#define INO_NODES 3

struct node {
	char name[24];
	uint64_t offset, size;	/* its range of the disk, bytes */

	/* under the tree's lock */
	unsigned opens, writers;
	bool closing;		/* a descriptor of a writer was closed; its release may be near */
	bool stale;		/* written through another node while this one was not open */
};

struct tree {
	struct node *node;
	size_t count;
	char *link_name;	/* NULL: no symlink */
	char *link_target;
	bool rw;
	uint64_t allocated;	/* bytes that the images take on the host */
	struct timespec changed;

	pthread_mutex_t lock;
	pthread_cond_t released;
};

/* 0, or -errno after saying why. tree_free() in both cases. */
int tree_build(struct image *image, const struct options *options, struct tree *out);
void tree_free(struct tree *tree);

/* The number of a name in the folder, 0 where there is none. */
uint64_t tree_lookup(const struct tree *tree, const char *name);
/* The node with a number, NULL where it is no node's. */
struct node *tree_node(const struct tree *tree, uint64_t ino);
uint64_t tree_ino(const struct tree *tree, const struct node *node);
/* -ENOENT where there is no such number. */
int tree_stat(struct tree *tree, uint64_t ino, struct stat *out);

/*
 * Opens a node. -EBUSY where `write` is asked for and an overlapping one is open for writing.
 * *keep_cache: the kernel may use the pages that it has of it.
 */
int tree_open(struct tree *tree, struct node *node, bool write, bool *keep_cache);
/* A descriptor of a writer was closed; others of the same opening may be left. */
void tree_flushed(struct tree *tree, struct node *node);
/* An opening ends. `unseen`: the kernel never learned of it. */
void tree_release(struct tree *tree, struct node *node, bool write, bool unseen);

/*
 * The range was written through `by`. Marks the overlapping nodes that are not open as stale and
 * returns whether any overlapping one is open, so that the kernel must be told.
 */
bool tree_written(struct tree *tree, struct node *by, uint64_t offset, uint64_t length);
/* The part of a node that covers a range of the disk. False where there is none. */
bool node_shadow(const struct node *node, uint64_t offset, uint64_t length, uint64_t *node_offset,
		 uint64_t *node_length);

#endif
