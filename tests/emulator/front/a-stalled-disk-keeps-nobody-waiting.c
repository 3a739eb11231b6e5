/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk's storage stalls under NVMe: unmap and reset are answered in time, registers at once, and a
 * client that leaves is followed by the next one as soon as the storage goes on.
 */
#include <time.h>

#include "emulator-test.h"
#include "front/rings.h"
#include "front/server.h"

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
static void begin_read(void)
{
	rings_submit(&g, &g.io, NVME_IO_READ, RINGS_DATA, 64, 0, 7);
	for (unsigned i = 0; i < 5000 && !storage_stall_waiting(stall); i++)
		usleep(1000);
	CHECK(storage_stall_waiting(stall) > 0);
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

static void an_unmap_is_answered(void)
{
	double begun;

	set_stalled(true);
	begin_read();
	begun = now();
	CHECK_OK(client_unmap(&c, 0, RINGS_SIZE));
	CHECK(now() - begun < 5);
	begun = now();
	CHECK(client_read(&c, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY);
	CHECK(now() - begun < 5);
	set_stalled(false);
}

static void a_reset_is_answered(void)
{
	double begun;

	set_stalled(true);
	begin_read();
	begun = now();
	CHECK_OK(client_reset(&c));
	CHECK(now() - begun < 5);
	set_stalled(false);
	/* When what was late is over, it is as if it had been in time. */
	CHECK_OK(client_reset(&c));
	client_write(&c, CLIENT_CONFIG, 4, 6, 2);
	rings_enable(&g);
	reads_work();
}

static void the_next_client_finds_order(struct server *s)
{
	set_stalled(true);
	begin_read();
	client_close(&c);
	usleep(100000);
	set_stalled(false);
	join(s);
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
	an_unmap_is_answered();
	client_close(&c);
	join(&s);
	reads_work();
	a_reset_is_answered();
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
