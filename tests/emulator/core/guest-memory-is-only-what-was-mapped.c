/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest memory: overlaps, gaps, access rights, pins that outlive an unmap, data that goes by
 * messages, and a client that truncates its file under us. */
#include <sys/mman.h>

#include "core/dma.h"
#include "core/memory.h"
#include "emulator-test.h"

#define PAGE 4096u
#define RW (MEMORY_READ | MEMORY_WRITE)

static struct guest_memory *m;
static int fd;

static void set(void *opaque)
{
	*(bool *)opaque = true;
}

static void test_mapping(void)
{
	CHECK_OK(memory_map(m, 0x10000, 0x4000, fd, 0, RW));
	CHECK_EQ(memory_map(m, 0x13000, 0x1000, fd, 0, RW), -EEXIST);
	CHECK_EQ(memory_map(m, 0xf000, 0x2000, fd, 0, RW), -EEXIST);
	CHECK_EQ(memory_map(m, 0x0, 0x100000, fd, 0, RW), -EEXIST);
	CHECK_OK(memory_map(m, 0x14000, 0x1000, fd, 0x4000, MEMORY_READ));
	CHECK_EQ(memory_map(m, 0x20000, 0, fd, 0, RW), -EINVAL);
	CHECK_EQ(memory_map(m, 0x20001, PAGE, fd, 0, RW), -EINVAL);
	CHECK_EQ(memory_map(m, 0x20000, 100, fd, 0, RW), -EINVAL);
	CHECK_EQ(memory_map(m, UINT64_MAX - PAGE + 1, 2 * PAGE, fd, 0, RW), -EINVAL);
	CHECK_OK(memory_map(m, UINT64_MAX - PAGE + 1, PAGE, -1, 0, RW));
	CHECK(memory_at(m, 0xffff, 1, MEMORY_READ) == NULL);
	CHECK(memory_at(m, 0x10000, 0x4000, RW) != NULL);
	CHECK(memory_at(m, 0x10000, 0x4001, MEMORY_READ) == NULL);
	CHECK(memory_at(m, 0x14000, 1, MEMORY_WRITE) == NULL);
	CHECK(memory_at(m, 0x14000, 1, MEMORY_READ) != NULL);
	CHECK(memory_at(m, UINT64_MAX, 1, MEMORY_READ) == NULL);
	CHECK(memory_reachable(m, 0x10000, 0x5000, MEMORY_READ));
	CHECK(!memory_reachable(m, 0x10000, 0x5000, MEMORY_WRITE));
	CHECK(!memory_reachable(m, 0x10000, 0x5001, MEMORY_READ));
	CHECK(memory_is_remote(m, UINT64_MAX - 10, 5));
	CHECK(!memory_is_remote(m, 0x10000, 5));
}

static void test_copying(void)
{
	char text[16] = "";

	/* Across the border of two regions that lie side by side in the file, too. */
	CHECK(memory_write(m, 0x13ff8, "12345678", 8));
	CHECK_EQ(pwrite(fd, "abcdefgh", 8, 0x4000), 8);
	CHECK(memory_read(m, 0x13ff8, text, 15));
	CHECK(!memcmp(text, "12345678abcdefg", 15));
	CHECK(!memory_write(m, 0x13ffc, text, 8));
	CHECK(!memory_read(m, 0x14ffc, text, 8));
}

static void test_unmapping(void)
{
	struct memory_region *region;
	bool done = false;
	void *at;

	CHECK_EQ(memory_unmap(m, 0x10000, 0x2000, set, &done), -EINVAL);
	CHECK_EQ(memory_unmap(m, 0x30000, 0x1000, set, &done), -ENOENT);
	CHECK(!done);
	CHECK_EQ(memory_pin(m, 0x12000, 0x5000, MEMORY_READ, &region, &at), 0x2000);
	CHECK_OK(memory_unmap(m, 0x10000, 0x5000, set, &done));
	CHECK(!done);
	CHECK(memory_at(m, 0x12000, 1, MEMORY_READ) == NULL);
	CHECK_EQ(memory_pin(m, 0x12000, 1, MEMORY_READ, &region, &at), 0);
	*(volatile char *)at = 1;	/* still there */
	/* The place may be taken by another while the old one is pinned. */
	CHECK_OK(memory_map(m, 0x10000, 0x1000, fd, 0, RW));
	memory_unpin(region);
	CHECK(done);
	CHECK(memory_at(m, 0x10000, 1, RW) != NULL);
}

static uint8_t in_file(uint64_t offset)
{
	uint8_t byte;

	CHECK_EQ(pread(fd, &byte, 1, (off_t)offset), 1);
	return byte;
}

/* What is late in an unmap goes nowhere, and finds what the guest has there. */
static void test_forgetting(void)
{
	struct memory_region *region[2];
	bool done[2] = {false};
	uint8_t *at[2];

	CHECK_OK(memory_map(m, 0x50000, 0x2000, fd, 0x5000, RW));
	CHECK_OK(memory_map(m, 0x60000, 0x1000, fd, 0x7000, RW));
	CHECK_EQ(memory_pin(m, 0x50800, 0x1800, RW, &region[0], (void **)&at[0]), 0x1800);
	CHECK_EQ(memory_pin(m, 0x60000, 0x1000, RW, &region[1], (void **)&at[1]), 0x1000);
	CHECK_OK(memory_unmap(m, 0x50000, 0x2000, set, &done[0]));
	CHECK_OK(memory_unmap(m, 0x60000, 0x1000, set, &done[1]));
	at[0][0] = 1;
	CHECK_EQ(in_file(0x5800), 1);	/* not late yet */
	memory_forget(m, &done[0]);
	memory_forget(m, &done[0]);
	at[0][0] = 2;
	at[1][0] = 3;
	CHECK_EQ(in_file(0x5800), 1);
	CHECK_EQ(in_file(0x7000), 3);	/* another unmap's */
	CHECK_EQ(pwrite(fd, "\x04", 1, 0x6000), 1);
	CHECK_EQ(at[0][0x800], 4);
	CHECK(!done[0] && !done[1]);
	memory_unpin(region[0]);
	memory_unpin(region[1]);
	CHECK(done[0] && done[1]);
}

/* The same for all that is under way, while the memory stays for what comes after it. */
static void test_forgetting_all(void)
{
	struct memory_region *old, *new, *left, *still;
	uint8_t *at, *now, *gone, byte;
	bool done = false;
	void *same;

	CHECK_OK(memory_map(m, 0x50000, 0x1000, fd, 0x5000, RW));
	CHECK_OK(memory_map(m, 0x51000, 0x1000, fd, 0x6000, RW));
	CHECK_OK(memory_map(m, 0x60000, 0x1000, fd, 0x7000, RW));
	CHECK_EQ(memory_pin(m, 0x50000, 0x1000, RW, &old, (void **)&at), 0x1000);
	CHECK_EQ(memory_pin(m, 0x60000, 0x1000, RW, &left, (void **)&gone), 0x1000);
	CHECK_OK(memory_unmap(m, 0x60000, 0x1000, set, &done));
	memory_forget_all(m);
	at[0] = 11;
	gone[0] = 12;
	CHECK(in_file(0x5000) != 11);
	CHECK(in_file(0x7000) != 12);
	CHECK(memory_write(m, 0x50000, "\x0d", 1));
	CHECK_EQ(in_file(0x5000), 13);
	CHECK(memory_read(m, 0x50000, &byte, 1) && byte == 13);
	CHECK_EQ(at[0], 11);
	CHECK_EQ(memory_pin(m, 0x50000, 0x2000, RW, &new, (void **)&now), 0x1000);
	now[1] = 14;
	CHECK_EQ(in_file(0x5001), 14);
	memory_unpin(old);
	memory_unpin(left);
	CHECK(done);
	/* The new one is as any other. */
	done = false;
	CHECK_OK(memory_unmap(m, 0x50000, 0x2000, set, &done));
	CHECK_EQ(memory_pin(m, 0x50000, 1, RW, &still, &same), 0);
	CHECK(!done);
	memory_unpin(new);
	CHECK(done);
}

/* ---------------------------------------------------------------------------------- by messages */

static char far_away[PAGE];
static void (*pending)(void *arg, int status);
static void *pending_arg;

static void far_read(void *opaque, uint64_t address, void *buf, size_t n,
		     void (*done)(void *arg, int status), void *arg)
{
	(void)opaque;
	memcpy(buf, far_away + address % PAGE, n);
	pending = done;
	pending_arg = arg;
}

static void far_write(void *opaque, uint64_t address, const void *buf, size_t n,
		      void (*done)(void *arg, int status), void *arg)
{
	(void)opaque;
	memcpy(far_away + address % PAGE, buf, n);
	pending = done;
	pending_arg = arg;
}

static int last_status;
static unsigned calls;

static void called(struct dma *d, int status)
{
	(void)d;
	last_status = status;
	calls++;
}

static void test_dma(void)
{
	struct memory_remote remote = {far_read, far_write, NULL};
	struct dma d = {0};
	char *near;

	memory_set_remote(m, &remote);
	CHECK_OK(memory_map(m, 0x80000, PAGE, -1, 0, RW));
	near = memory_at(m, 0x10000, PAGE, RW);
	memcpy(near, "near", 4);
	memcpy(far_away, "faraway", 7);
	dma_init(&d, m, NULL);
	CHECK_OK(dma_add(&d, 0x10000, 2));
	CHECK_OK(dma_add(&d, 0x10002, 2));
	CHECK_OK(dma_add(&d, 0x80000, 7));
	CHECK_EQ(dma_add(&d, UINT64_MAX, 2), -EFAULT);
	CHECK_EQ(dma_add(&d, 0, DMA_MAX), -E2BIG);
	CHECK_EQ(d.length, 11);

	dma_start(&d, DMA_TO_DEVICE, called);
	CHECK_EQ(calls, 0);
	pending(pending_arg, 0);
	CHECK_EQ(calls, 1);
	CHECK_EQ(d.iovcnt, 2);
	CHECK(!memcmp(d.iov[0].iov_base, "near", 4) && !memcmp(d.iov[1].iov_base, "faraway", 7));
	dma_finish(&d, called);
	CHECK_EQ(calls, 2);

	dma_start(&d, DMA_FROM_DEVICE, called);
	CHECK_EQ(calls, 3);
	CHECK_EQ(dma_fill(d.iov, d.iovcnt, 2, "0123456789", 10), 9);
	dma_finish(&d, called);
	CHECK_EQ(calls, 3);
	pending(pending_arg, 0);
	CHECK_EQ(calls, 4);
	CHECK(!memcmp(near, "ne01", 4) && !memcmp(far_away, "2345678", 7));

	/* What is not there is found before anything moves. */
	dma_reset(&d);
	CHECK_OK(dma_add(&d, 0x80000, 7));
	CHECK_OK(dma_add(&d, 0x90000, 7));
	dma_start(&d, DMA_TO_DEVICE, called);
	CHECK_EQ(calls, 5);
	CHECK_EQ(last_status, -EFAULT);
	dma_free(&d);
}

static void test_truncation(void)
{
	struct guest_memory *other;
	char byte = 1;
	int other_fd;

	if (test_is_instrumented())
		return;		/* they have handlers of their own */
	memory_catch_sigbus();
	CHECK(!memory_broken(m));
	/* Another's is no concern of ours. */
	other_fd = memfd_create("other", MFD_CLOEXEC);
	CHECK(other_fd >= 0 && !ftruncate(other_fd, PAGE));
	CHECK_OK(memory_new(&other));
	CHECK_OK(memory_map(other, 0, PAGE, other_fd, 0, RW));
	CHECK(!ftruncate(other_fd, 0));
	CHECK(memory_read(other, 0, &byte, 1));
	CHECK(memory_broken(other) && memory_broken(other));
	CHECK(!memory_broken(m) && !memory_broken(m));
	memory_free(other);
	close(other_fd);
	byte = 1;
	CHECK(!ftruncate(fd, 0));
	CHECK(memory_read(m, 0x10000, &byte, 1));
	CHECK_EQ(byte, 0);
	CHECK(memory_broken(m) && memory_broken(m));
}

int main(void)
{
	fd = memfd_create("guest", MFD_CLOEXEC);
	CHECK(fd >= 0 && !ftruncate(fd, 0x8000));
	CHECK_OK(memory_new(&m));
	test_mapping();
	test_copying();
	test_unmapping();
	test_forgetting();
	test_forgetting_all();
	test_dma();
	test_truncation();
	memory_free(m);
	close(fd);
	return 0;
}
