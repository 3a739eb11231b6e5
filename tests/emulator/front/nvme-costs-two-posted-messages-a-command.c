/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe at depth 1 through a socket: two posted messages and one eventfd each, nothing that waits for
 * an answer; and a thread that sleeps while there is nothing to do. */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "bytes.h"
#include "controllers/nvme-spec.h"
#include "emulator-test.h"
#include "front/client.h"
#include "front/server.h"

#define SIZE 0x100000u
#define ENTRIES 16u
#define READS 200u

struct ring {
	uint32_t sq, cq;		/* addresses */
	unsigned id, tail, head, phase;
};

static struct client c;
static uint8_t *guest;
static int interrupt;

static void submit(struct ring *r, uint32_t d0, uint32_t nsid, uint64_t prp, uint32_t d10,
		   uint32_t d11, uint32_t d12)
{
	uint8_t *e = guest + r->sq + NVME_SQE * r->tail;

	memset(e, 0, NVME_SQE);
	put_le32(e, d0);
	put_le32(e + 4, nsid);
	put_le64(e + 24, prp);
	put_le32(e + 40, d10);
	put_le32(e + 44, d11);
	put_le32(e + 48, d12);
	r->tail = (r->tail + 1) % ENTRIES;
	__sync_synchronize();
	client_post(&c, 0, NVME_DOORBELLS + 8 * r->id, r->tail, 4);
}

static void await(struct ring *r)
{
	const uint8_t *e = guest + r->cq + NVME_CQE * r->head;

	CHECK_EQ(client_interrupts(interrupt), 1);
	__sync_synchronize();
	CHECK_EQ(le16(e + 14), r->phase);
	r->head = (r->head + 1) % ENTRIES;
	if (!r->head)
		r->phase ^= 1;
	client_post(&c, 0, NVME_DOORBELLS + 8 * r->id + 4, r->head, 4);
}

static void start(struct ring *admin, struct ring *io)
{
	client_write(&c, CLIENT_CONFIG, 4, 6, 2);
	client_post(&c, 0, NVME_REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
	client_post(&c, 0, NVME_REG_ASQ, admin->sq, 8);
	client_post(&c, 0, NVME_REG_ACQ, admin->cq, 8);
	client_post(&c, 0, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN, 4);
	while (!(client_read(&c, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY))
		usleep(1000);
	submit(admin, NVME_ADMIN_CREATE_CQ, 0, io->cq, (ENTRIES - 1) << 16 | 1, 3, 0);
	await(admin);
	submit(admin, NVME_ADMIN_CREATE_SQ, 0, io->sq, (ENTRIES - 1) << 16 | 1, 1 << 16 | 1, 0);
	await(admin);
}

static void thread_usage(void *opaque)
{
	CHECK_OK(getrusage(RUSAGE_THREAD, opaque));
}

int main(void)
{
	struct ring admin = {0x1000, 0x2000, 0, 0, 0, 1}, io = {0x3000, 0x4000, 1, 0, 0, 1};
	struct server s = {0};
	struct vfio_user_statistics before, after;
	struct rusage idle[2];
	int memory = memfd_create("guest", MFD_CLOEXEC);

	CHECK_OK(ftruncate(memory, SIZE));
	guest = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	CHECK(guest != MAP_FAILED && (interrupt = eventfd(0, EFD_CLOEXEC)) >= 0);
	server_new(&s, "nvme");
	server_attach(&s, memory_disk(1 << 20));
	server_start(&s);
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
	CHECK_OK(client_map(&c, 0, SIZE, memory, 0));
	CHECK_OK(client_set_irqs(&c, CLIENT_TRIGGER | CLIENT_EVENTFD, CLIENT_MSIX, 0, 1,
				 &interrupt, 1));
	start(&admin, &io);
	/* Both rings' interrupts are wanted on one descriptor: vector 0. */
	before = server_statistics(&s);
	for (unsigned i = 0; i < READS; i++) {
		submit(&io, 2, 1, 0x10000, i % 64, 0, 7);
		await(&io);
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
	/* It slept, and was woken by the second call. */
	CHECK(idle[1].ru_nvcsw - idle[0].ru_nvcsw <= 2);
	client_close(&c);
	server_stop(&s);
	return 0;
}
