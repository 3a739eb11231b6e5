/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe at depth 1 through a socket: two posted messages and one eventfd each, nothing that waits for
 * an answer; and a thread that sleeps while there is nothing to do. */
#include <sys/resource.h>

#include "emulator-test.h"
#include "front/rings.h"
#include "front/server.h"

#define READS 200u

static void thread_usage(void *opaque)
{
	CHECK_OK(getrusage(RUSAGE_THREAD, opaque));
}

int main(void)
{
	struct vfio_user_statistics before, after;
	struct server s = {0};
	struct rusage idle[2];
	struct rings g;
	struct client c;

	rings_new(&g);
	server_new(&s, "nvme");
	server_attach(&s, memory_disk(1 << 20));
	server_start(&s);
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
	rings_map(&g, &c);
	rings_enable(&g);
	before = server_statistics(&s);
	for (unsigned i = 0; i < READS; i++) {
		rings_submit(&g, &g.io, NVME_IO_READ, RINGS_DATA, i % 64, 0, 7);
		CHECK_EQ(rings_await(&g, &g.io), 0);
	}
	client_read(&c, 0, NVME_REG_CSTS, 4);
	after = server_statistics(&s);
	CHECK_EQ(after.posted - before.posted, 2 * READS);
	CHECK_EQ(after.synchronous - before.synchronous, 1);
	CHECK_EQ(after.messages_in - before.messages_in, 2 * READS + 1);
	CHECK_EQ(after.messages_out - before.messages_out, 1);
	CHECK_EQ(after.interrupts - before.interrupts, READS);
	server_call(&s, thread_usage, &idle[0]);
	usleep(300000);
	server_call(&s, thread_usage, &idle[1]);
	/* It slept, and was woken by the second call; whoever traces it stops it a few times. */
	CHECK(idle[1].ru_nvcsw - idle[0].ru_nvcsw <= 5);
	client_close(&c);
	server_stop(&s);
	return 0;
}
