/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a request costs in messages: at depth 1 an NVMe read is two posted doorbells and one
 * interrupt; nothing is answered. Between requests the controller's thread sleeps: nothing wakes it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "controllers/nvme-spec.h"
#include "emulator-test.h"
#include "front/client.h"
#include "front/server.h"

#define MEMORY (1u << 20)
#define ENTRIES 16u
#define READS 40u			/* several rounds of the rings */
#define PATTERN 0x5a
enum { ADMIN_SQ = 0x1000, ADMIN_CQ = 0x2000, IO_SQ = 0x3000, IO_CQ = 0x4000, DATA = 0x5000 };

static struct server s;
static struct client c;
static uint8_t *memory;
static int interrupt[2];

struct ring {
	uint32_t sq, cq, id, tail, head, phase;
};

static struct ring admin = {ADMIN_SQ, ADMIN_CQ, 0, 0, 0, 1}, io = {IO_SQ, IO_CQ, 1, 0, 0, 1};

static uint8_t *entry(struct ring *r, uint8_t opcode)
{
	uint8_t *to = memory + r->sq + r->tail * NVME_SQE;

	memset(to, 0, NVME_SQE);
	to[0] = opcode;
	return to;
}

/* As a driver does it: doorbell, interrupt, completion, doorbell. */
static void carry_out(struct ring *r)
{
	uint32_t last;

	r->tail = (r->tail + 1) % ENTRIES;
	client_post(&c, 0, NVME_DOORBELLS + 8 * r->id, r->tail, 4);
	CHECK_EQ(client_interrupts(interrupt[r->id]), 1);
	last = le32(memory + r->cq + r->head * NVME_CQE + 12);
	CHECK_EQ(last >> 16, r->phase);	/* and status 0 */
	r->head = (r->head + 1) % ENTRIES;
	r->phase ^= !r->head;
	client_post(&c, 0, NVME_DOORBELLS + 8 * r->id + 4, r->head, 4);
}

static void create_queue(uint8_t opcode, uint64_t base, uint32_t dword_11)
{
	uint8_t *to = entry(&admin, opcode);

	put_le64(to + 24, base);
	put_le32(to + 40, (ENTRIES - 1) << 16 | 1);
	put_le32(to + 44, dword_11);
	carry_out(&admin);
}

static void plug_in(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_OK(ftruncate(fd, MEMORY));
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(memory != MAP_FAILED);
	for (unsigned i = 0; i < 2; i++)
		CHECK((interrupt[i] = eventfd(0, EFD_CLOEXEC)) >= 0);
	CHECK_OK(client_version(&c, NULL));
	CHECK_OK(client_map(&c, 0, MEMORY, fd, 0));
	CHECK_OK(client_set_irqs(&c, CLIENT_EVENTFD | CLIENT_TRIGGER, CLIENT_MSIX, 0, 2, interrupt, 2));
	close(fd);
}

static void enable(void)
{
	client_write(&c, CLIENT_CONFIG, 4, 6, 2);	/* memory, bus master */
	client_write(&c, 0, NVME_REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
	client_write(&c, 0, NVME_REG_ASQ, ADMIN_SQ, 8);
	client_write(&c, 0, NVME_REG_ACQ, ADMIN_CQ, 8);
	client_write(&c, 0, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN, 4);
	while (!(client_read(&c, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY))
		;
	create_queue(5, IO_CQ, 1 << 16 | 3);	/* vector 1, interrupts, contiguous */
	create_queue(1, IO_SQ, 1 << 16 | 1);
}

static void read_block(unsigned block)
{
	uint8_t *to = entry(&io, NVME_IO_READ);

	put_le32(to + 4, 1);
	put_le64(to + 24, DATA);
	put_le64(to + 40, block * 8);
	put_le32(to + 48, 7);
	carry_out(&io);
	CHECK_EQ(memory[DATA], block == 3 ? PATTERN : 0);
	memory[DATA] = 1;
}

/* The answer to a register access says that all before it was carried out. */
static struct vfio_user_statistics statistics(void)
{
	client_read(&c, 0, NVME_REG_VS, 4);
	return server_statistics(&s);
}

static void messages_are_counted(void)
{
	struct vfio_user_statistics before, after;

	before = statistics();
	for (unsigned i = 0; i < READS; i++)
		read_block(i % 5);
	after = statistics();
	CHECK_EQ(after.posted - before.posted, 2 * READS);
	CHECK_EQ(after.interrupts - before.interrupts, READS);
	CHECK_EQ(after.synchronous - before.synchronous, 1);	/* of statistics() */
	CHECK_EQ(after.messages_in - before.messages_in, 2 * READS + 1);
	CHECK_EQ(after.messages_out - before.messages_out, 1);
}

static void get_id(void *opaque)
{
	*(pid_t *)opaque = (pid_t)syscall(SYS_gettid);
}

/* How often the thread went to sleep; it is asleep now. */
static unsigned long sleeps(pid_t thread)
{
	char path[64], line[256], state = '?';
	unsigned long n = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)thread);
	while (state != 'S') {
		FILE *f = fopen(path, "r");

		CHECK(f != NULL);
		while (fgets(line, sizeof(line), f)) {
			sscanf(line, "State: %c", &state);
			sscanf(line, "voluntary_ctxt_switches: %lu", &n);
		}
		fclose(f);
	}
	return n;
}

static void nothing_wakes_it(void)
{
	const struct timespec second = {.tv_sec = 1};
	unsigned long before;
	pid_t thread;

	server_call(&s, get_id, &thread);
	statistics();
	/* But the timer that watches over its last interrupt. */
	nanosleep(&second, NULL);
	before = sleeps(thread);
	nanosleep(&second, NULL);
	CHECK_EQ(sleeps(thread), before);
}

int main(void)
{
	struct vd_disk *disk = memory_disk(1 << 20);
	uint8_t data[4096];

	memset(data, PATTERN, sizeof(data));
	CHECK_OK(vd_write(disk, data, sizeof(data), 3 * sizeof(data), 0));
	server_new(&s, "nvme");
	server_attach(&s, disk);
	server_start(&s);
	client_connect(&c, s.path);
	plug_in();
	enable();
	messages_are_counted();
	nothing_wakes_it();
	client_close(&c);
	server_stop(&s);
	munmap(memory, MEMORY);
	return 0;
}
