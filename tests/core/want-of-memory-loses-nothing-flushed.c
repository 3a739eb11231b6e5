/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Nth allocation fails, once or for ever, for every N: the call that needed it says so, and
 * nothing that was flushed is lost. Storages in memory have all that they need.
 *
 *	want-of-memory-loses-nothing-flushed [SEED]	other operations
 */
#include "trial.h"

#include <stdatomic.h>

/* The linker sends all calls of ours here, --wrap in local.mk; those inside libc it cannot. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
int __real_posix_memalign(void **out, size_t align, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
int __wrap_posix_memalign(void **out, size_t align, size_t n);
char *__wrap_strdup(const char *s);

static atomic_bool armed;
static bool for_ever;
static uint64_t nth;
static atomic_uint_fast64_t calls;

static bool due(void)
{
	uint64_t call;

	if (!armed || model_in_storage)
		return false;
	call = ++calls;
	return call == nth || (for_ever && call > nth);
}

void *__wrap_malloc(size_t n)
{
	return due() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return due() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return due() ? NULL : __real_realloc(p, n);
}

int __wrap_posix_memalign(void **out, size_t align, size_t n)
{
	return due() ? ENOMEM : __real_posix_memalign(out, align, n);
}

char *__wrap_strdup(const char *s)
{
	return due() ? NULL : __real_strdup(s);
}

static void fails(void *opaque, bool on)
{
	(void)opaque;
	armed = on;
}

/* Returns whether there were that many allocations. */
static bool once(struct trial *t, const char *kind)
{
	char what[200];
	bool good, fired;

	snprintf(what, sizeof(what), "%s, %u layers, allocation %" PRIu64 " fails%s", kind,
		 t->m.depth, nth, for_ever ? " for ever" : "");
	trial_begin(t);
	calls = 0;
	good = trial_run(t, borrow(t->record, true), fails, NULL, what);
	fired = calls >= nth;
	if (!good && !fired)
		test_fail(__FILE__, __LINE__, "%s: something failed without reason", what);
	trial_end(t, 1, what);
	return fired;
}

static void run(const struct kind *kind, unsigned parents, uint64_t seed)
{
	struct rng r = { seed };
	struct trial t;

	trial_init(&t, kind, parents, seed);
	for (int mode = 0; mode < 2; mode++) {
		for_ever = mode;
		nth = 1;
		while (once(&t, kind_label(kind)))
			nth += test_quick() ? rng_between(&r, 1, 15) : 1;
	}
	trial_free(&t);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++)
		for (unsigned round = 0; round < (k[i].child && !test_quick() ? 9 : 1); round++)
			run(&k[i], k[i].child ? round % 3 : 0, seed * 100 + i * 10 + round);
	return 0;
}
