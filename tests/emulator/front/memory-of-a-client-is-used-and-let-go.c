/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory mapped by descriptor: used where it lies, taken away while it is in use, or refused. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "bytes.h"
#include "front/client.h"
#include "front/server.h"
#include "front/toy.h"
#include "test.h"

#define SIZE 0x100000u

static struct client c;
static uint8_t *guest;
static int memory;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void copy(uint64_t address, uint64_t length, enum toy_go what)
{
	client_post(&c, 0, TOY_ADDRESS, address, 8);
	client_post(&c, 0, TOY_LENGTH, length, 8);
	client_post(&c, 0, TOY_GO, what, 4);
}

static uint32_t status(void)
{
	return (uint32_t)client_read(&c, 0, TOY_STATUS, 4);
}

static void mapped_memory_is_copied(void)
{
	CHECK_OK(client_map(&c, 0x10000, SIZE / 2, memory, 0));
	CHECK_OK(client_map(&c, 0x10000 + SIZE / 2, SIZE / 2, memory, SIZE / 2));
	CHECK_EQ(client_map(&c, 0x11000, 0x1000, memory, 0), -EEXIST);
	for (unsigned i = 0; i < SIZE; i++)
		guest[i] = (uint8_t)(i * 7 + i / 256);
	copy(0x10000 + SIZE / 2 - 5000, 10000, TOY_FETCH);
	CHECK_EQ(status(), TOY_DONE);
	copy(0x10000, 10000, TOY_STORE);
	CHECK_EQ(status(), TOY_DONE);
	CHECK(!memcmp(guest, guest + SIZE / 2 - 5000, 10000));
	copy(0x10000 + SIZE - 10, 11, TOY_FETCH);
	CHECK_EQ(status(), TOY_FAILED);
	CHECK_EQ(client_read(&c, 0, TOY_ERROR, 4), EFAULT);
}

static void an_unmap_waits_for_pins(void)
{
	uint16_t first, second;
	double begun;

	copy(0x10000, 4096, TOY_FETCH_AND_HOLD);
	CHECK_EQ(status(), TOY_HOLDING);
	begun = now();
	first = client_begin_unmap(&c, 0x10000, SIZE / 2);
	/* It is gone at once, and answers keep their order. */
	second = client_begin_unmap(&c, 0x10000, SIZE / 2);
	client_post(&c, 0, TOY_GO, TOY_LET_GO, 4);
	CHECK_OK(client_await(&c, first, NULL));
	CHECK_EQ(client_await(&c, second, NULL), -ENOENT);
	CHECK(now() - begun < 5);
	CHECK_EQ(status(), TOY_DONE);
	CHECK_OK(client_map(&c, 0x10000, SIZE / 2, memory, 0));
}

static void an_unmap_is_answered_when_its_time_is_up(void)
{
	struct client_message m;
	uint8_t p[16] = {0};
	uint16_t unmap, map, read;
	uint8_t mapping[32] = {32, [4] = 3};
	double begun;

	copy(0x10000, 4096, TOY_FETCH_AND_HOLD);
	CHECK_EQ(status(), TOY_HOLDING);
	begun = now();
	unmap = client_begin_unmap(&c, 0x10000, SIZE / 2);
	put_le64(mapping + 16, 0x10000);
	put_le64(mapping + 24, SIZE / 2);
	map = client_send(&c, CLIENT_DMA_MAP, 0, mapping, 32, &memory, 1);
	put_le64(p, TOY_STATUS);
	put_le32(p + 12, 4);
	read = client_send(&c, CLIENT_REGION_READ, 0, p, 16, NULL, 0);
	CHECK_OK(client_await(&c, unmap, NULL));
	CHECK(now() - begun > 0.25 && now() - begun < 5);
	CHECK_OK(client_await(&c, map, NULL));
	CHECK_OK(client_await(&c, read, &m));
	CHECK_EQ(le32(m.payload + 16), TOY_HOLDING);
	/* The late one harms nobody. */
	client_post(&c, 0, TOY_GO, TOY_LET_GO, 4);
	CHECK_EQ(status(), TOY_DONE);
	copy(0x10000, 4096, TOY_FETCH);
	CHECK_EQ(status(), TOY_DONE);
}

static void everything_is_unmapped_at_once(void)
{
	uint8_t p[24] = {24, [4] = 2};
	struct client_message m;

	CHECK_OK(client_call(&c, CLIENT_DMA_UNMAP, p, 24, &m));
	CHECK_EQ(m.length, 24);
	copy(0x10000, 4096, TOY_FETCH);
	CHECK_EQ(status(), TOY_FAILED);
	put_le64(p + 16, 4096);
	CHECK_EQ(client_call(&c, CLIENT_DMA_UNMAP, p, 24, NULL), -EINVAL);
	p[4] = 1;
	CHECK_EQ(client_call(&c, CLIENT_DMA_UNMAP, p, 24, NULL), -EINVAL);
}

static void what_is_no_memory_is_refused(struct server *s)
{
	int pair[2], small = memfd_create("small", MFD_CLOEXEC), null = open("/dev/zero", O_RDWR);
	int readonly = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), two[2] = {memory, memory};
	uint8_t p[32] = {32, [4] = 3, [18] = 1, [25] = 0x10};

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK_OK(ftruncate(small, 4096));
	CHECK_EQ(client_map(&c, 0x10000, 4096, pair[0], 0), -EINVAL);
	CHECK_EQ(client_map(&c, 0x10000, 4096, null, 0), -EINVAL);
	CHECK(server_saw(s, "not of a file"));
	CHECK_EQ(client_map(&c, 0x10000, 8192, small, 0), -EINVAL);
	CHECK(server_saw(s, "8192 bytes at 0 of a file that has 4096"));
	CHECK_EQ(client_map(&c, 0x10000, 4096, small, 4096), -EINVAL);
	CHECK_EQ(client_map(&c, 0x10000, 4096, small, UINT64_MAX - 4095), -EINVAL);
	CHECK_EQ(client_map(&c, 0x10000, 4096, readonly, 0), -EACCES);
	CHECK_EQ(client_map(&c, 0x10000, 0, small, 0), -EINVAL);
	CHECK_EQ(client_map(&c, 0x10001, 4096, small, 0), -EINVAL);
	CHECK_EQ(client_map(&c, UINT64_MAX - 4095, 8192, -1, 0), -EINVAL);
	CHECK_EQ(client_await(&c, client_send(&c, CLIENT_DMA_MAP, 0, p, 32, two, 2), NULL),
		 -EINVAL);
	CHECK_EQ(client_await(&c, client_send(&c, CLIENT_DMA_MAP, 0, p, 31, two, 1), NULL),
		 -EINVAL);
	p[4] = 7;
	CHECK_EQ(client_await(&c, client_send(&c, CLIENT_DMA_MAP, 0, p, 32, two, 1), NULL),
		 -EINVAL);
	/* Descriptors where none belong. */
	CHECK_EQ(client_await(&c, client_send(&c, CLIENT_RESET, 0, NULL, 0, two, 1), NULL),
		 -EINVAL);
	CHECK_OK(client_map(&c, 0x10000, 4096, small, 0));
	close(pair[0]);
	close(pair[1]);
	close(small);
	close(null);
	close(readonly);
}

static void memory_that_is_not_shared_has_a_cure(struct server *s)
{
	CHECK_OK(client_map(&c, 0x800000, 0x10000, -1, 0));
	client_write(&c, 0, TOY_ADDRESS, 0x800000, 8);
	CHECK_EQ(client_read(&c, 0, TOY_PEEK, 4), 0xffffffff);
	CHECK_EQ(client_read(&c, 0, TOY_PEEK, 4), 0xffffffff);
	CHECK(server_saw(s, "memory-backend-memfd"));
	CHECK_EQ(server_count(s, "memory-backend-memfd"), 1);
}

static void truncated_memory_ends_the_connection(struct server *s)
{
	int short_lived = memfd_create("short-lived", MFD_CLOEXEC);
	uint8_t p[16] = {0};

	CHECK_OK(ftruncate(short_lived, 65536));
	CHECK_OK(client_map(&c, 0x900000, 65536, short_lived, 0));
	client_write(&c, 0, TOY_ADDRESS, 0x90f000, 8);
	CHECK_EQ(client_read(&c, 0, TOY_PEEK, 4), 0);
	CHECK_OK(ftruncate(short_lived, 4096));
	put_le64(p, TOY_PEEK);
	put_le32(p + 12, 4);
	client_send(&c, CLIENT_REGION_READ, 0, p, 16, NULL, 0);
	CHECK(client_is_dropped(&c));
	CHECK(server_saw(s, "truncating"));
	client_close(&c);
	close(short_lived);
}

int main(void)
{
	struct server s = {.answer_ms = 300};

	memory = memfd_create("guest", MFD_CLOEXEC);
	CHECK_OK(ftruncate(memory, SIZE));
	guest = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	CHECK(guest != MAP_FAILED);
	server_new(&s, NULL);
	server_start(&s);
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
	mapped_memory_is_copied();
	an_unmap_waits_for_pins();
	an_unmap_is_answered_when_its_time_is_up();
	everything_is_unmapped_at_once();
	what_is_no_memory_is_refused(&s);
	memory_that_is_not_shared_has_a_cure(&s);
	truncated_memory_ends_the_connection(&s);
	/* The next client has nothing to do with it. */
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
	CHECK_OK(client_map(&c, 0x10000, SIZE, memory, 0));
	copy(0x10000, 4096, TOY_FETCH);
	CHECK_EQ(status(), TOY_DONE);
	client_close(&c);
	server_stop(&s);
	return 0;
}
