/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * entry.h - files as a search for relatives sees them: which file, and whose image it holds.
 */
#ifndef VIMG_ENTRY_H
#define VIMG_ENTRY_H

#include <sys/stat.h>
#include <sys/types.h>

#include "formats/format.h"

/* Tells files apart, whatever their names: of a block device what it stands for. */
struct file_id {
	bool device;
	dev_t dev;
	ino_t ino;
};

void file_id_from(const struct stat *st, struct file_id *out);
int file_id_of(int fd, struct file_id *out);
bool file_id_equal(const struct file_id *a, const struct file_id *b);

/* One file that holds an image. */
struct entry {
	char *path;		/* absolute, symlinks resolved */
	struct file_id file;
	struct identity id;
};

struct entries {
	struct entry *v;
	size_t n, room;
};

int entries_add(struct entries *e, const char *path, const struct file_id *file,
		const struct identity *id);
void entries_clear(struct entries *e);
const struct entry *entries_find(const struct entries *e, const struct file_id *file);

/*
 * What the file is: 1, and its identity, if it is an image with ids; 0 if it is not; -errno if it
 * cannot be told. `name` is below the open folder `dir` or AT_FDCWD, and must not be a symlink.
 */
int entry_identify(int dir, const char *name, struct file_id *file, struct identity *id);

/* For reading; never waits for a FIFO's other end. A descriptor or -errno. */
int entry_open(int dir, const char *name, int flags);

/* Does it say nothing about the one file, but that no file can be opened now? */
bool out_of_resources(int error);

/*
 * Doubles the soft limit of open files as far as the hard one allows. False: it cannot be raised.
 * This is a property of the whole process; it is never lowered again. Programs that use select()
 * on descriptors above 1023 would notice, but then they could not hold such a chain open at all.
 */
bool raise_file_limit(void);

#endif
