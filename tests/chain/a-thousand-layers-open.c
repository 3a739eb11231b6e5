/* SPDX-License-Identifier: GPL-2.0-or-later */
/* With the few open files that a process may have at first, and without a look at every file for
 * every layer. Where the limit cannot be raised the message says so. */
#include <sys/resource.h>
#include <time.h>

#include "chain-test.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static bool set_limit(rlim_t soft, rlim_t hard)
{
	struct rlimit limit = { soft, hard };

	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

int main(void)
{
	const unsigned layers = test_quick() ? 300 : 1000;
	char name[32];
	struct rlimit limit;
	double start;

	fresh_folder();
	for (unsigned i = 1; i <= layers; i++) {
		snprintf(name, sizeof(name), "%u.vdi", i);
		make_vdi(name, i, i - 1);
	}
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_max < layers + 200)
		test_skip("the hard limit of open files is too low");
	CHECK(set_limit(64, limit.rlim_max));
	start = now();
	CHECK_OPENS(name, VD_OPEN_WRITE, NULL);
	CHECK_EQ(chain_length, layers);
	printf("%u layers in %.0f ms\n", layers, (now() - start) * 1e3);
	/* It takes some 50 ms; one look a layer at every file would take a minute. */
	CHECK(now() - start < 20);
	for (unsigned i = 0; i < layers; i++)
		CHECK_EQ(be32(chain[i]->uuid.byte), layers - i);
	CHECK_REFUSED("1.vdi", VD_OPEN_WRITE, NULL, -EBUSY, "/2.vdi");

	close_chain();
	if (!set_limit(32, 64))
		return 0;	/* valgrind keeps the hard limit */
	CHECK_REFUSED(name, 0, NULL, -EMFILE, "ulimit", "64");
	CHECK_OPENS("9.vdi", 0, NULL);
	close_chain();
	return 0;
}
