/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk's storage stalls under NVMe: unmap and reset are answered in time, registers at once, and a
 * client that leaves is followed by the next one as soon as the storage goes on. The disk is taken
 * for a local file, whose I/O goes straight to the guest's memory: what is late does not get there.
 * Nor is it sent to memory without a descriptor, and what the guest wrote after a late reset stays.
 */
#include <time.h>

#include "emulator-test.h"
#include "front/rings.h"
#include "front/server.h"

#define REMOTE 0x10000000ull

enum { COMMAND = 4, BAR0 = 0x10, EXPRESS = 0x78 };

static struct vd_storage *stall;
static struct client c;
static struct rings g;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void set_stalled(bool on)
{
	storage_stall_set(stall, on ? FAULT_ALL : 0);
}

/* A read of a block that nobody has in memory. */
static void begin_read_to(uint64_t address)
{
	rings_submit(&g, &g.io, NVME_IO_READ, address, 64, 0, 7);
	for (unsigned i = 0; i < 5000 && !storage_stall_waiting(stall); i++)
		usleep(1000);
	CHECK(storage_stall_waiting(stall) > 0);
}

static void begin_read(void)
{
	begin_read_to(RINGS_DATA);
}

static void join(struct server *s)
{
	client_connect(&c, s->path);
	CHECK_OK(client_version(&c, NULL));
	rings_map(&g, &c);
	rings_enable(&g);
}

static void reads_work(void)
{
	rings_submit(&g, &g.io, NVME_IO_READ, RINGS_DATA, 64, 0, 7);
	CHECK_EQ(rings_await(&g, &g.io), 0);
}

/* As if the guest had its memory for other things. */
static void use_memory(void)
{
	memset(g.guest + RINGS_DATA, 0xee, 4096);
}

static void memory_is_untouched(void)
{
	for (unsigned i = 0; i < 4096; i++)
		CHECK_EQ(g.guest[RINGS_DATA + i], 0xee);
}

/* The read is over, and so is all that came of it. */
static void let_go_on(struct server *s)
{
	set_stalled(false);
	while (storage_stall_waiting(stall))
		usleep(1000);
	server_statistics(s);
}

static void an_unmap_is_answered(struct server *s)
{
	double begun;

	set_stalled(true);
	begin_read();
	use_memory();
	begun = now();
	CHECK_OK(client_unmap(&c, 0, RINGS_SIZE));
	CHECK(now() - begun < 5);
	begun = now();
	CHECK(client_read(&c, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY);
	CHECK(now() - begun < 5);
	let_go_on(s);
	memory_is_untouched();
}

static void a_reset_is_answered(struct server *s)
{
	double begun;

	set_stalled(true);
	begin_read();
	use_memory();
	begun = now();
	CHECK_OK(client_reset(&c));
	CHECK(now() - begun < 5);
	let_go_on(s);
	/* When what was late is over, it is as if it had been in time. */
	CHECK_OK(client_reset(&c));
	memory_is_untouched();
	client_write(&c, CLIENT_CONFIG, 4, 6, 2);
	rings_enable(&g);
	reads_work();
}

static void map_remote(void)
{
	CHECK_OK(client_map(&c, REMOTE, RINGS_SIZE, -1, 0));
}

/* The answers to these come after all that was sent before them. */
static void nothing_is_sent(struct server *s)
{
	let_go_on(s);
	for (unsigned i = 0; i < 2; i++)
		client_read(&c, 0, NVME_REG_CSTS, 4);
	CHECK_EQ(c.dma_writes, 0);
}

static void remote_memory_is_spared(struct server *s)
{
	struct client_message m;

	c.remote = calloc(1, RINGS_SIZE);
	c.remote_address = REMOTE;
	c.remote_size = RINGS_SIZE;
	map_remote();
	set_stalled(true);
	begin_read_to(REMOTE);
	CHECK_OK(client_unmap(&c, REMOTE, RINGS_SIZE));
	/* Others may have the addresses by now. */
	map_remote();
	nothing_is_sent(s);
	CHECK(rings_await(&g, &g.io) != 0);
	set_stalled(true);
	begin_read_to(REMOTE);
	CHECK_OK(client_reset(&c));
	nothing_is_sent(s);
	/* It is not for ever. */
	CHECK_OK(client_reset(&c));
	client_write(&c, CLIENT_CONFIG, 4, 6, 2);
	rings_enable(&g);
	rings_submit(&g, &g.io, NVME_IO_READ, REMOTE, 64, 0, 7);
	CHECK(client_receive(&c, &m));
	client_serve(&c, &m);
	CHECK_EQ(rings_await(&g, &g.io), 0);
	CHECK_EQ(c.dma_writes, 1);
	free(c.remote);
	c.remote = NULL;
}

static uint32_t config(uint32_t at, unsigned n)
{
	return (uint32_t)client_read(&c, CLIENT_CONFIG, at, n);
}

static bool is_pending(void)
{
	return config(EXPRESS + 10, 2) & 1u << 5;
}

/* Answered while the read is still under way: all is as at power-on, but that it says so. */
static void reset_function_late(void)
{
	client_write(&c, CLIENT_CONFIG, EXPRESS + 8, 1u << 15, 2);
	CHECK(is_pending());
	CHECK(client_read(&c, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY);
	CHECK_EQ(config(COMMAND, 2), 0);
	CHECK_EQ(config(BAR0, 4) >> 16, 0);
	CHECK_EQ(client_read(&c, 0, NVME_REG_ASQ, 8), 0);
	CHECK_EQ(client_read(&c, 0, NVME_REG_CC, 4), 0);
}

/* What the guest sets up after a function-level reset is not undone when its late end comes. */
static void a_late_reset_undoes_nothing(struct server *s)
{
	CHECK_EQ(config(EXPRESS, 1), 0x10);
	CHECK(!is_pending());
	set_stalled(true);
	begin_read();
	/* Twice: the second one finds the first under way. */
	for (unsigned i = 0; i < 2; i++) {
		reset_function_late();
		client_write(&c, CLIENT_CONFIG, COMMAND, 6, 2);
		client_write(&c, CLIENT_CONFIG, BAR0, 0xfebf0000, 4);
		client_write(&c, 0, NVME_REG_ASQ, 0x1000, 8);
		client_write(&c, 0, NVME_REG_CC, 4 << 20 | 6 << 16, 4);
	}
	let_go_on(s);
	while (is_pending())
		usleep(1000);
	CHECK_EQ(config(COMMAND, 2), 6);
	CHECK_EQ(config(BAR0, 4) >> 16, 0xfebf);
	CHECK_EQ(client_read(&c, 0, NVME_REG_ASQ, 8), 0x1000);
	CHECK_EQ(client_read(&c, 0, NVME_REG_CC, 4), 4 << 20 | 6 << 16);
	CHECK_EQ(client_read(&c, 0, NVME_REG_CSTS, 4), 0);
	rings_enable(&g);
	reads_work();
}

static void the_next_client_finds_order(struct server *s)
{
	set_stalled(true);
	begin_read();
	use_memory();
	client_close(&c);
	/* The server has seen it. */
	while (server_count(s, "client-disconnected") < 2)
		usleep(1000);
	let_go_on(s);
	join(s);
	memory_is_untouched();
	reads_work();
}

int main(void)
{
	struct server s = {.answer_ms = 300};
	struct vd_storage *memory;

	CHECK_OK(storage_open_memory(1 << 20, 1, &memory));
	CHECK_OK(storage_open_stall(memory, &stall));
	rings_new(&g);
	server_new(&s, "nvme");
	server_attach(&s, disk_on(stall));
	server_start(&s);
	join(&s);
	reads_work();
	an_unmap_is_answered(&s);
	client_close(&c);
	join(&s);
	reads_work();
	a_reset_is_answered(&s);
	remote_memory_is_spared(&s);
	a_late_reset_undoes_nothing(&s);
	the_next_client_finds_order(&s);
	/* A server that stops ends it, too. */
	set_stalled(true);
	begin_read();
	usleep(10000);
	set_stalled(false);
	client_close(&c);
	server_stop(&s);
	return 0;
}
