/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Nth read, write, sync, resize or zeroing of the leaf's storage fails, once or for ever, for
 * every N: each failing call says so, nothing that was flushed is lost, also if the power fails
 * then, and no block is given out twice.
 *
 *	a-failing-storage-loses-nothing-flushed [SEED]	other operations
 */
#include "trial.h"

#include "checked.h"

struct mode {
	const char *name;
	unsigned kinds;
	int error;
	bool for_ever;
	bool base;		/* not the leaf's storage, but that of the base below it */
};

struct arm {
	struct vd_storage *fault;
	const struct mode *mode;
	uint64_t nth;
};

static void fails(void *opaque, bool on)
{
	struct arm *a = opaque;

	if (on)
		storage_fault_arm(a->fault, a->mode->kinds, a->nth, a->mode->error,
				  a->mode->for_ever);
}

static const struct mode modes[] = {
	{ "read", FAULT_READ, EIO, false, false },
	{ "read for ever", FAULT_READ, EIO, true, false },
	{ "write", FAULT_WRITE, ENOSPC, false, false },
	{ "write for ever", FAULT_WRITE, ENOSPC, true, false },
	{ "sync", FAULT_SYNC, EIO, false, false },
	{ "sync for ever", FAULT_SYNC, ENOSPC, true, false },
	{ "resize", FAULT_RESIZE, ENOSPC, false, false },
	{ "resize for ever", FAULT_RESIZE, EIO, true, false },
	{ "zero", FAULT_ZERO, EIO, false, false },
	{ "zero for ever", FAULT_ZERO, ENOSPC, true, false },
	{ "read of the base", FAULT_READ, EIO, false, true },
	{ "read of the base for ever", FAULT_READ, EIO, true, true },
	{ "any", FAULT_ALL, ENOSPC, false, false },
	{ "any for ever", FAULT_ALL, EIO, true, false },
};

/* Returns whether it failed. */
static bool once(struct trial *t, const struct mode *mode, uint64_t nth, const char *kind)
{
	struct vd_storage **base = &t->m.layer[0].storage, *whole = *base;
	struct arm a = { .mode = mode, .nth = nth };
	char what[200];
	bool good, fired;

	snprintf(what, sizeof(what), "%s, %u layers, %s %" PRIu64 " fails", kind, t->m.depth,
		 mode->name, nth);
	trial_begin(t);
	CHECK_OK(storage_open_fault(borrow(mode->base ? whole : t->record, true), &a.fault));
	if (mode->base)
		*base = a.fault;
	good = trial_run(t, borrow(mode->base ? t->record : a.fault, true), fails, &a, what);
	*base = whole;
	fired = storage_fault_fired(a.fault);
	if (!good && !fired)
		test_fail(__FILE__, __LINE__, "%s: something failed without reason", what);
	storage_close(a.fault);
	trial_end(t, fired && !test_quick() ? 3 : 1, what);
	return fired;
}

static void run(const struct kind *kind, unsigned parents, uint64_t seed)
{
	struct trial t;

	trial_init(&t, kind, parents, seed);
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		struct rng r = { seed + i };
		uint64_t nth = 1;

		if (modes[i].base && !parents)
			continue;

		while (once(&t, &modes[i], nth, kind_label(kind)))
			nth += test_quick() ? rng_between(&r, 1, 9) : 1;
	}
	trial_free(&t);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++)
		for (unsigned round = 0; round < (!k[i].child ? 1 : test_quick() ? 2 : 5); round++)
			run(&k[i], k[i].child ? round % 3 : 0, seed * 100 + i * 10 + round);
	return 0;
}
