/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mapping.c - see mapping.h. */
#include "core/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "checked.h"
#include "cleanup.h"

#define PAGE 4096u
/* With an IOMMU each page of data may be one. The kernel allows a process twice as many. */
#define MAPPINGS 32768
/* A virtual machine has its memory in one file or a few. A client with more than that does without. */
#define MOST_FILES 64u

/* ------------------------------------------------------------------------------------ SIGBUS */

/*
 * Read by the signal handler, so without a lock: an entry is in use while its start is not 0, which
 * is set last and cleared first.
 */
static struct {
	uintptr_t start, end;
	uint64_t page;
	int protection;
	bool broken;
} entry[MAPPINGS];
static pthread_mutex_t entry_lock = PTHREAD_MUTEX_INITIALIZER;
static int next_entry;			/* where a free one is looked for first */
static unsigned breaks;

static int enter(const struct mapping *m)
{
	LOCK_SCOPE(&entry_lock);
	for (int n = 0; n < MAPPINGS; n++) {
		int i = (next_entry + n) % MAPPINGS;

		if (!entry[i].start) {
			next_entry = i + 1;
			entry[i].end = (uintptr_t)m->start + m->size;
			entry[i].page = m->page;
			entry[i].protection = m->protection;
			entry[i].broken = false;
			__atomic_store_n(&entry[i].start, (uintptr_t)m->start, __ATOMIC_RELEASE);
			return i;
		}
	}
	return -1;
}

static void leave(int slot)
{
	LOCK_SCOPE(&entry_lock);
	if (slot >= 0)
		__atomic_store_n(&entry[slot].start, 0, __ATOMIC_RELEASE);
}

static bool replace_page(uintptr_t address)
{
	uint64_t page;

	for (int i = 0; i < MAPPINGS; i++) {
		uintptr_t start = __atomic_load_n(&entry[i].start, __ATOMIC_ACQUIRE);

		if (!start || address < start || address >= entry[i].end ||
		    start != __atomic_load_n(&entry[i].start, __ATOMIC_ACQUIRE))
			continue;
		page = entry[i].page;
		__atomic_store_n(&entry[i].broken, true, __ATOMIC_RELAXED);
		__atomic_add_fetch(&breaks, 1, __ATOMIC_RELEASE);
		return mmap((void *)(address & ~(uintptr_t)(page - 1)), page, entry[i].protection,
			    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
	}
	return false;
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (!replace_page((uintptr_t)info->si_addr)) {
		/* Not guest memory: a bug of ours, to be seen as such when the access is repeated. */
		signal(signal_number, SIG_DFL);
	}
	errno = saved;
}

void mapping_catch_sigbus(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

bool mapping_is_broken(const struct mapping *m)
{
	return m->at && __atomic_load_n(&entry[m->slot].broken, __ATOMIC_RELAXED);
}

unsigned mapping_breaks(void)
{
	return __atomic_load_n(&breaks, __ATOMIC_ACQUIRE);
}

/* ------------------------------------------------------------------------------------- files */

struct mapping_file {
	struct mapping_file *next;
	dev_t device;
	ino_t inode;
	int access;			/* O_RDWR and the like */
	int fd;
	unsigned users;
};

/* The kept descriptor of this file with the same rights; NULL: there is none, and cannot be. */
static struct mapping_file *keep(struct mapping_files *files, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct mapping_file *f;
	struct stat s;

	if (flags < 0 || fstat(fd, &s))
		return NULL;
	for (f = files->first; f; f = f->next)
		if (f->device == s.st_dev && f->inode == s.st_ino &&
		    f->access == (flags & O_ACCMODE)) {
			f->users++;
			return f;
		}
	if (files->count == MOST_FILES)
		return NULL;
	f = malloc(sizeof(*f));
	if (!f)
		return NULL;
	*f = (struct mapping_file){
		.next = files->first, .device = s.st_dev, .inode = s.st_ino, .users = 1,
		.access = flags & O_ACCMODE, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
	};
	if (f->fd < 0) {
		free(f);
		return NULL;
	}
	files->first = f;
	files->count++;
	return f;
}

static void let_go(struct mapping_files *files, struct mapping_file *f)
{
	struct mapping_file **at = &files->first;

	if (!f || --f->users)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	files->count--;
	close(f->fd);
	free(f);
}

/* ---------------------------------------------------------------------------------- mappings */

/* Files of huge pages are mapped by those alone. */
static uint64_t page_of(int fd)
{
	struct statfs s;

	if (fstatfs(fd, &s) || s.f_type != HUGETLBFS_MAGIC || s.f_bsize < (long)PAGE)
		return PAGE;
	return (uint64_t)s.f_bsize;
}

/* All but the file is filled in. */
static int map(struct mapping *m, int fd, uint64_t before)
{
	m->start = mmap(NULL, m->size, m->protection, MAP_SHARED, fd, (off_t)m->offset);
	if (m->start == MAP_FAILED)
		return -errno;
	m->slot = enter(m);
	if (m->slot < 0) {
		munmap(m->start, m->size);
		return -ENOSPC;
	}
	m->at = (uint8_t *)m->start + before;
	return 0;
}

int mapping_make(struct mapping *m, struct mapping_files *files, int fd, uint64_t offset,
		 uint64_t size, int protection)
{
	uint64_t page = page_of(fd), before = offset % page;
	int r;

	if (!add_u64(before, size, &size) || !align_up(size, page, &size))
		return -EINVAL;
	m->size = size;
	m->page = page;
	m->offset = offset - before;
	m->protection = protection;
	r = map(m, fd, before);
	if (!r)
		m->file = keep(files, fd);
	return r;
}

int mapping_again(struct mapping *m, const struct mapping *of)
{
	int r;

	if (!of->file)
		return -EBADF;
	*m = (struct mapping){
		.size = of->size, .page = of->page, .offset = of->offset,
		.protection = of->protection,
	};
	r = map(m, of->file->fd, (uint64_t)(of->at - (uint8_t *)of->start));
	if (!r) {
		m->file = of->file;
		m->file->users++;
	}
	return r;
}

void mapping_free(struct mapping *m, struct mapping_files *files)
{
	if (!m->at)
		return;
	leave(m->slot);
	munmap(m->start, m->size);
	let_go(files, m->file);
	m->at = NULL;
}

/* Made elsewhere and moved there, so that the old one stays if it cannot be made. */
bool mapping_make_private(struct mapping *m)
{
	void *at;

	if (!m->at || !m->file || m->is_private)
		return m->is_private;
	at = mmap(NULL, m->size, m->protection, MAP_PRIVATE | MAP_NORESERVE, m->file->fd,
		  (off_t)m->offset);
	if (at == MAP_FAILED)
		return false;
	if (mremap(at, m->size, m->size, MREMAP_MAYMOVE | MREMAP_FIXED, m->start) == MAP_FAILED) {
		munmap(at, m->size);
		return false;
	}
	m->is_private = true;
	return true;
}
