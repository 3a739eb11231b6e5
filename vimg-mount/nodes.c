/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nodes.c - the files of a mount, and who has them open. */
#include "nodes.h"
#include "cleanup.h"
#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * The kernel releases a file a moment after close() returned. Who opens an overlapping node in that
 * moment would get EBUSY for a file that nobody has open any more, so an opening waits a little
 * where a writer has closed.
 */
#define RELEASE_GRACE_MS 200

static int add_node(struct tree *tree, const char *name, uint64_t offset, uint64_t size)
{
	struct node *more = realloc(tree->node, (tree->count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	tree->node = more;
	tree->node[tree->count] = (struct node){ .offset = offset, .size = size };
	snprintf(tree->node[tree->count++].name, sizeof(more->name), "%s", name);
	return 0;
}

static int add_volumes(struct tree *tree, const struct fs_table *table)
{
	char name[24];
	int status = 0;

	for (size_t i = 0; i < table->count && !status; i++) {
		snprintf(name, sizeof(name), "vol%zu", i);
		status = add_node(tree, name, table->part[i].offset, table->part[i].size);
	}
	return status;
}

/* -p: vhdd alone, being that partition. */
static int add_partition(struct tree *tree, const struct image *image, long number)
{
	const struct fs_partition *part = image_partition(image, number);

	if (part)
		return add_node(tree, "vhdd", part->offset, part->size);
	if (image->table_status < 0)
		say("%s: the partition table cannot be read: %s", image->path,
		    *image->table_error.text ? image->table_error.text :
		    strerror(-image->table_status));
	else if (image->table.kind == FS_TABLE_NONE)
		say("%s: there is no partition %ld: the disk has no partition table", image->path,
		    number);
	else
		say("%s: there is no partition %ld in the partition table; vimg-mount --list shows "
		    "those there are", image->path, number);
	return -ENOENT;
}

static int add_nodes(struct tree *tree, struct image *image, long partition)
{
	int status;

	if (partition > 0)
		return add_partition(tree, image, partition);
	status = add_node(tree, "vhdd", 0, vd_size(image->disk));
	if (!status && partition == EVERY_PARTITION)
		status = add_volumes(tree, &image->table);
	return status;
}

static uint64_t allocated_by_chain(struct vd_disk *disk)
{
	struct vd_image_info info;
	uint64_t sum = 0;

	for (unsigned level = 0; level < vd_depth(disk); level++)
		if (vd_image_info(disk, level, &info) == 0)
			sum += info.allocated;
	return sum;
}

int tree_build(struct image *image, const struct options *o, struct tree *tree)
{
	struct stat st;
	const char *name = strrchr(image->path, '/') + 1;
	int status;

	*tree = (struct tree){
		.rw = o->rw,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.released = PTHREAD_COND_INITIALIZER,
		.allocated = allocated_by_chain(image->disk),
	};
	if (stat(image->path, &st) == 0)
		tree->changed = st.st_mtim;
	status = add_nodes(tree, image, o->partition);
	if (status)
		return status;
	/* An image that is named like a node has no link: the node's name wins. */
	if (tree_lookup(tree, name))
		return 0;
	tree->link_name = strdup(name);
	tree->link_target = strdup(image->path);
	if (tree->link_name && tree->link_target)
		return 0;
	say("there is no memory left");
	return -ENOMEM;
}

void tree_free(struct tree *tree)
{
	free(tree->node);
	free(tree->link_name);
	free(tree->link_target);
}

uint64_t tree_lookup(const struct tree *tree, const char *name)
{
	if (tree->link_name && !strcmp(name, tree->link_name))
		return INO_LINK;
	for (size_t i = 0; i < tree->count; i++)
		if (!strcmp(name, tree->node[i].name))
			return INO_NODES + i;
	return 0;
}

struct node *tree_node(const struct tree *tree, uint64_t ino)
{
	return ino >= INO_NODES && ino - INO_NODES < tree->count ? &tree->node[ino - INO_NODES] :
								   NULL;
}

uint64_t tree_ino(const struct tree *tree, const struct node *node)
{
	return INO_NODES + (node - tree->node);
}

int tree_stat(struct tree *tree, uint64_t ino, struct stat *out)
{
	const struct node *node = tree_node(tree, ino);

	*out = (struct stat){ .st_ino = ino, .st_nlink = 1, .st_uid = getuid() };
	out->st_gid = getgid();
	if (ino == INO_ROOT) {
		out->st_mode = S_IFDIR | 0555;
		out->st_nlink = 2;
	} else if (ino == INO_LINK && tree->link_name) {
		out->st_mode = S_IFLNK | 0777;
		out->st_size = strlen(tree->link_target);
	} else if (node) {
		out->st_mode = S_IFREG | (tree->rw ? 0644 : 0444);
		out->st_size = node->size;
		out->st_blksize = 4096;
		/* Less than the size tells programs to look for holes; 0 would tell them that
		   there is nothing to read. */
		out->st_blocks = (tree->allocated < node->size ? tree->allocated :
								 node->size) / 512;
		if (!out->st_blocks)
			out->st_blocks = 1;
	} else {
		return -ENOENT;
	}
	LOCK_SCOPE(&tree->lock);
	out->st_atim = out->st_mtim = out->st_ctim = tree->changed;
	return 0;
}

static bool overlap(const struct node *a, const struct node *b)
{
	return a != b && a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

/* An overlapping node that is open for writing, or NULL. */
static struct node *other_writer_locked(const struct tree *tree, const struct node *node)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->node[i].writers && overlap(node, &tree->node[i]))
			return &tree->node[i];
	return NULL;
}

static bool wait_for_writers_locked(struct tree *tree, const struct node *node)
{
	struct timespec end;
	struct node *other;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += RELEASE_GRACE_MS * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000L;
	end.tv_nsec %= 1000000000L;
	while ((other = other_writer_locked(tree, node)))
		if (!other->closing || pthread_cond_timedwait(&tree->released, &tree->lock, &end))
			return !other_writer_locked(tree, node);
	return true;
}

int tree_open(struct tree *tree, struct node *node, bool write, bool *keep_cache)
{
	LOCK_SCOPE(&tree->lock);

	if (write && !wait_for_writers_locked(tree, node))
		return -EBUSY;
	node->opens++;
	node->writers += write;
	/* Stale until the last one closes: only then is it sure that the kernel has dropped the
	   pages, which it does after it learned of the opening. */
	*keep_cache = !node->stale;
	return 0;
}

void tree_flushed(struct tree *tree, struct node *node)
{
	LOCK_SCOPE(&tree->lock);
	node->closing = true;
}

void tree_release(struct tree *tree, struct node *node, bool write, bool unseen)
{
	LOCK_SCOPE(&tree->lock);

	node->opens--;
	node->writers -= write;
	if (!node->writers)
		node->closing = false;
	if (!node->opens && !unseen)
		node->stale = false;
	pthread_cond_broadcast(&tree->released);
}

bool tree_written(struct tree *tree, struct node *by, uint64_t offset, uint64_t length)
{
	uint64_t ignored;
	bool open = false;

	LOCK_SCOPE(&tree->lock);
	clock_gettime(CLOCK_REALTIME_COARSE, &tree->changed);
	for (size_t i = 0; i < tree->count; i++) {
		struct node *other = &tree->node[i];

		if (other == by || !node_shadow(other, offset, length, &ignored, &ignored))
			continue;
		if (other->opens)
			open = true;
		else
			other->stale = true;
	}
	return open;
}

bool node_shadow(const struct node *node, uint64_t offset, uint64_t length, uint64_t *node_offset,
		 uint64_t *node_length)
{
	uint64_t begin = offset > node->offset ? offset : node->offset;
	uint64_t end = offset + length < node->offset + node->size ? offset + length :
								     node->offset + node->size;

	if (begin >= end)
		return false;
	*node_offset = begin - node->offset;
	*node_length = end - begin;
	return true;
}
