/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * entry.c - files as a search for relatives sees them: which file, and whose image it holds.
 *
 * Reads a head and a tail as long as formats need for telling, and opens nothing but regular files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cleanup.h"
#include "core/entry.h"
#include "core/image.h"

void file_id_from(const struct stat *st, struct file_id *out)
{
	out->device = S_ISBLK(st->st_mode);
	out->dev = out->device ? st->st_rdev : st->st_dev;
	out->ino = out->device ? 0 : st->st_ino;
}

int file_id_of(int fd, struct file_id *out)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	file_id_from(&st, out);
	return 0;
}

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
	return a->device == b->device && a->dev == b->dev && a->ino == b->ino;
}

bool raise_file_limit(void)
{
	struct rlimit limit;
	rlim_t old;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
		return false;
	old = limit.rlim_cur;
	limit.rlim_cur = old < limit.rlim_max / 2 ? old * 2 : limit.rlim_max;
	if (limit.rlim_cur < 16)
		limit.rlim_cur = limit.rlim_max < 16 ? limit.rlim_max : 16;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

bool out_of_resources(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

int entry_open(int dir, const char *name, int flags)
{
	int fd;

	do
		fd = openat(dir, name, flags | O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	while (fd < 0 && errno == EMFILE && raise_file_limit());
	return fd < 0 ? -errno : fd;
}

static bool pread_all(int fd, void *buf, size_t length, uint64_t offset)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = pread(fd, (char *)buf + done, length - done, offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

static int identify_fd(int fd, const char *path, struct file_id *file, struct identity *id)
{
	uint8_t buf[PROBE_HEAD + PROBE_TAIL] = { 0 };
	struct probe p = { .path = path, .head = buf, .tail = buf + PROBE_HEAD };
	const struct vd_format *format;
	struct stat st;
	size_t head, tail;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return 0;
	p.size = st.st_size;
	head = p.size < PROBE_HEAD ? p.size : PROBE_HEAD;
	tail = p.size < PROBE_TAIL ? p.size : PROBE_TAIL;
	if (!pread_all(fd, buf, head, 0) ||
	    !pread_all(fd, buf + PROBE_HEAD, tail, p.size - tail))
		return -EIO;
	format = probe_format(&p);
	if (!format->identify)
		return 0;
	*id = (struct identity){ 0 };
	if (format->identify(&p, id) < 0)
		return 0;
	file_id_from(&st, file);
	return 1;
}

/* Looks before it opens, for opening a FIFO or a device may have effects. */
int entry_identify(int dir, const char *name, struct file_id *file, struct identity *id)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return 0;
	fd = entry_open(dir, name, O_NOFOLLOW);
	if (fd < 0)
		return fd;
	return identify_fd(fd, name, file, id);
}

int entries_add(struct entries *e, const char *path, const struct file_id *file,
		const struct identity *id)
{
	size_t room = e->room ? e->room * 2 : 16;
	struct entry *v;
	char *copy;

	if (e->n == e->room) {
		v = reallocarray(e->v, room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		e->v = v;
		e->room = room;
	}
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	e->v[e->n++] = (struct entry){ .path = copy, .file = *file, .id = *id };
	return 0;
}

void entries_clear(struct entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].path);
	free(e->v);
	*e = (struct entries){ 0 };
}

const struct entry *entries_find(const struct entries *e, const struct file_id *file)
{
	for (size_t i = 0; i < e->n; i++)
		if (file_id_equal(&e->v[i].file, file))
			return &e->v[i];
	return NULL;
}
