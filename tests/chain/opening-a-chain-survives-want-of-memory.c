/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Nth allocation fails, for every N: opening says so, and holds neither memory nor files
 * after. It must not take a parent for missing that it had no memory to look at. */
#include <stdatomic.h>

#include "chain-test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int main(void)
{
	test_skip("a sanitizer has its own allocator");
}
#else

/* libc, too, is to call these: strdup() and realpath() get memory. */
#pragma GCC visibility push(default)

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

/* Volatile: the compiler knows that malloc() and free() change no variable of ours. */
static volatile unsigned long countdown, calls;
static volatile long live;

static bool fails(void)
{
	calls++;
	if (!countdown || --countdown)
		return false;
	errno = ENOMEM;
	return true;
}

static void *count(void *p)
{
	live += p != NULL;
	return p;
}

void *malloc(size_t n)
{
	return fails() ? NULL : count(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
	void *q = fails() ? NULL : __libc_realloc(p, n);

	live += !p && q;
	return q;
}

void *memalign(size_t align, size_t n)
{
	return fails() ? NULL : count(__libc_memalign(align, n));
}

void *aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	*out = memalign(align, n);
	return *out ? 0 : ENOMEM;
}

void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}

#pragma GCC visibility pop

static int open_once(const char *path, unsigned flags, const struct vd_open_options *options,
		     unsigned long nth)
{
	unsigned descriptors = open_descriptors(), n;
	struct vd_error err = { "" };
	struct vd_image **images;
	long before = live;
	int r;

	countdown = nth;
	r = chain_open(path, flags, options, &images, &n, &err);
	countdown = 0;
	if (r < 0)
		CHECK(*err.text);
	for (unsigned i = 0; r == 0 && i < n; i++)
		image_close(images[i]);
	if (r == 0)
		free(images);
	CHECK_EQ(live, before);
	CHECK_EQ(open_descriptors(), descriptors);
	if (r < 0 && nth && r != -ENOMEM)
		test_fail(__FILE__, __LINE__, "allocation %lu: %s", nth, err.text);
	return r;
}

static void open_starved(const char *path, unsigned flags, const struct vd_open_options *options)
{
	unsigned long needed, failed = 0;

	calls = 0;
	CHECK_OK(open_once(path, flags, options, 0));
	needed = calls;
	for (unsigned long n = 1; n <= needed; n++)
		failed += open_once(path, flags, options, n) < 0;
	printf("%s: %lu allocations, %lu fatal\n", path, needed, failed);
	CHECK(failed > needed / 2);
}

/* Valgrind puts its own in the place of some of them. */
static bool is_ours(void)
{
	char *volatile p = strdup("x");
	long after = live;

	free(p);
	return calls == 1 && after == 1 && live == 0;
}

int main(void)
{
	if (!is_ours())
		test_skip("the allocator is not ours (valgrind?)");
	fresh_folder();
	make_folder("Snapshots");
	make_folder("far");
	make_vdi("far/base.vdi", 1, 0);
	CHECK_OK(symlink("far/base.vdi", "link.vdi"));
	make_vhd("one.vhd", 2, 1, "x.vdi", "/w/base.vdi");
	make_vhd("Snapshots/two.vhd", 3, 2, "..\\one.vhd", "/w/one.vhd");
	make_vdi("Snapshots/three.vdi", 4, 3);
	make_vhd("Snapshots/wrong.vhd", 5, 9, "three.vdi", NULL);
	open_starved("Snapshots/three.vdi", 0, WITH(.allow_dirs = LIST("far")));
	open_starved("Snapshots/three.vdi", VD_OPEN_WRITE | VD_OPEN_FORCE,
		     WITH(.parent_dirs = LIST("far")));
	open_starved("Snapshots/wrong.vhd", VD_OPEN_WRITE | VD_OPEN_FORCE_PARENT,
		     WITH(.parents = LIST("one.vhd", "far/base.vdi"), .format = "vhd"));
	return 0;
}
#endif
