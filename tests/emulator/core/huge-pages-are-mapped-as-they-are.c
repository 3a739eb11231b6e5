/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest memory on huge pages, which are mapped and unmapped, and replaced when the client takes them
 * away, by their own size only; regions begin and end anywhere in them. */
#include <linux/memfd.h>
#include <sys/mman.h>

#include "core/memory.h"
#include "test.h"

#define HUGE (2u << 20)
#define RW (MEMORY_READ | MEMORY_WRITE)

/* Lines of /proc/self/maps with the file's name. */
static unsigned mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "vimg-huge") != NULL;
	fclose(f);
	return n;
}

int main(void)
{
	int fd = memfd_create("vimg-huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	struct guest_memory *m;
	struct memory_region *region;
	uint8_t *guest, *at, byte;

	if (fd < 0 || ftruncate(fd, 2 * HUGE))
		test_skip("no huge pages");
	guest = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (guest == MAP_FAILED)
		test_skip("no two huge pages are free (sysctl vm.nr_hugepages)");
	CHECK_OK(memory_new(&m));
	/* Whole ones; from within the first into the second; a small part of one. */
	CHECK_OK(memory_map(m, 0, 2 * HUGE, fd, 0, RW));
	CHECK_OK(memory_map(m, 0x40000000, HUGE, fd, 0x3000, RW));
	CHECK_OK(memory_map(m, 0x80000000, 0x1000, fd, HUGE + 0x5000, MEMORY_READ));
	CHECK_EQ(mappings(), 4);
	guest[0x3007] = 1;
	guest[HUGE + 0x2fff] = 2;
	guest[HUGE + 0x5001] = 3;
	CHECK(memory_read(m, 0x40000007, &byte, 1) && byte == 1);
	CHECK(memory_read(m, 0x40000000 + HUGE - 1, &byte, 1) && byte == 2);
	CHECK(memory_read(m, 0x80000001, &byte, 1) && byte == 3);
	CHECK(!memory_read(m, 0x40000000 + HUGE, &byte, 1));
	CHECK(!memory_read(m, 0x80001000, &byte, 1));
	CHECK(memory_write(m, 0x40000000 + HUGE - 2, &byte, 1));
	CHECK_EQ(guest[HUGE + 0x2ffe], 3);
	CHECK_OK(memory_unmap(m, 0x80000000, 0x1000, NULL, NULL));
	CHECK_OK(memory_unmap(m, 0x40000000, HUGE, NULL, NULL));
	CHECK_EQ(mappings(), 2);
	/* What is late goes nowhere, also where no more huge pages are free for it. */
	CHECK_EQ(memory_pin(m, 0x5000, 1, RW, &region, (void **)&at), 1);
	memory_forget_all(m);
	if (!test_is_instrumented()) {
		memory_catch_sigbus();
		*(volatile uint8_t *)at = 5;
		CHECK(guest[0x5000] != 5);
	}
	memory_unpin(region);
	CHECK_EQ(mappings(), 2);
	if (!test_is_instrumented()) {
		CHECK_OK(ftruncate(fd, HUGE));
		CHECK(memory_read(m, HUGE + 0x5001, &byte, 1));
		CHECK_EQ(byte, 0);
		CHECK(memory_broken(m));
	}
	memory_free(m);
	CHECK_EQ(mappings(), 1);
	return 0;
}
