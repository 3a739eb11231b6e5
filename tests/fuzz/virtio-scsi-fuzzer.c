/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-scsi-fuzzer.c - a guest that does what the input says to a virtio-scsi controller: steps of
 * a byte that says what, then its parameters. The first byte chooses features. It begins with rings
 * and three disks, of which the second one's storage can be made to stall and the third comes and
 * goes.
 */
#include "bytes.h"
#include "guest-script.h"
#include "virtio/virtio.h"

#define ENTRIES 16
#define QUEUES 4			/* control, events, two for requests */
#define RING 0x2000			/* queue i's descriptors are at i * RING ... */
#define DRIVER 0x800			/* ... and its other areas so far on */
#define DEVICE 0x1000
#define HEADERS 0x10000			/* of requests, then their responses */
#define RESPONSES 0x18000
#define TABLES 0x20000

enum step {
	REQUEST, REQUEST_LATER, TASK, EVENT_BUFFER, DESCRIPTOR, KICK, REGISTER,
	COMMON,				/* those of guest-script.h */
	READ = COMMON + GUEST_READ, ENABLE = COMMON + GUEST_STEPS, DRIVER_RESET, STEP_KINDS
};

static uint64_t features;
static uint16_t next[QUEUES];		/* descriptors made available so far */
static uint16_t chains[QUEUES];		/* split: heads */
static bool indirect;			/* descriptors go to a table */
static unsigned entries;		/* of it */

static void reg(unsigned offset, uint64_t value, unsigned n)
{
	in_process_write(guest.p, 4, offset, value, n);
}

static void kick(unsigned queue)
{
	reg(0x3000 + 4 * queue, queue, 2);
}

/* --------------------------------------------------------------------------------------- rings */

static void table_entry(unsigned queue, uint8_t *raw, uint16_t flags)
{
	bool packed = features & VIRTIO_F_RING_PACKED;

	put_le16(raw + (packed ? 14 : 12), flags);
	put_le16(raw + (packed ? 12 : 14), (uint16_t)(entries + 1));
	guest_put(TABLES + next[queue] % 64u * 256 + 16 * entries++, raw, 16);
}

/* The next one of a chain; packed ones are available at once. */
static void descriptor(unsigned queue, uint64_t at, uint32_t length, uint16_t flags)
{
	uint16_t slot = next[queue] % ENTRIES;
	bool lap;
	uint8_t raw[16];

	put_le64(raw, at);
	put_le32(raw + 8, length);
	if (indirect) {
		table_entry(queue, raw, flags);
		return;
	}
	lap = next[queue]++ / ENTRIES & 1;
	if (features & VIRTIO_F_RING_PACKED) {
		put_le16(raw + 12, slot);
		put_le16(raw + 14, flags | (lap ? VIRTIO_DESC_USED : VIRTIO_DESC_AVAIL));
	} else {
		put_le16(raw + 12, flags);
		put_le16(raw + 14, (slot + 1) % ENTRIES);
	}
	guest_put(queue * RING + slot * 16u, raw, sizeof(raw));
}

/* Split: the chain that begins with descriptor `head` is there. */
static void available(unsigned queue, uint16_t head)
{
	uint8_t raw[2];

	if (features & VIRTIO_F_RING_PACKED)
		return;
	put_le16(raw, head % ENTRIES);
	guest_put(queue * RING + DRIVER + 4 + chains[queue]++ % ENTRIES * 2u, raw, 2);
	put_le16(raw, chains[queue]);
	guest_put(queue * RING + DRIVER + 2, raw, 2);
}

static void request(bool now)
{
	unsigned queue = 2 + guest_take(1) % 2;
	uint16_t head = next[queue];
	uint8_t header[51] = {1, 0, 0x40};
	uint32_t at = HEADERS + head % 64u * 64, shape = guest_take(1), out = guest_take(2);
	uint32_t length = guest_take(2);

	header[1] = guest_take(1) % 4;
	header[3] = guest_take(1) % 4;
	header[8] = (uint8_t)head;
	header[16] = shape >> 5;
	for (unsigned i = 0; i < 16; i++)
		header[19 + i] = (uint8_t)guest_take(1);
	guest_put(at, header, sizeof(header));
	indirect = shape & 4;
	entries = 0;
	descriptor(queue, at, sizeof(header), VIRTIO_DESC_NEXT);
	if (shape & 1)
		descriptor(queue, guest_address(), out, VIRTIO_DESC_NEXT);
	descriptor(queue, RESPONSES + head % 64u * 256, 108,
		   VIRTIO_DESC_WRITE | (shape & 2 ? VIRTIO_DESC_NEXT : 0));
	if (shape & 2)
		descriptor(queue, guest_address(), length, VIRTIO_DESC_WRITE);
	if (indirect) {
		indirect = false;
		descriptor(queue, TABLES + head % 64u * 256, 16 * entries, VIRTIO_DESC_INDIRECT);
	}
	available(queue, head);
	if (now)
		kick(queue);
}

static void task(void)
{
	uint16_t head = next[0];
	uint8_t raw[24] = {guest_take(1) % 4};
	uint32_t at = HEADERS + 0x4000 + head % 64u * 64;

	raw[4] = guest_take(1) % 9;
	raw[8] = 1;
	raw[9] = guest_take(1) % 4;
	raw[10] = 0x40;
	raw[16] = (uint8_t)guest_take(1);
	guest_put(at, raw, sizeof(raw));
	descriptor(0, at, sizeof(raw), VIRTIO_DESC_NEXT);
	descriptor(0, at + 32, 5, VIRTIO_DESC_WRITE);
	available(0, head);
	kick(0);
}

static void event_buffer(void)
{
	uint64_t at = guest_address();

	descriptor(1, at, guest_take(1) % 32, VIRTIO_DESC_WRITE);
	available(1, next[1] - 1);
	kick(1);
}

static void any_descriptor(void)
{
	unsigned queue = guest_take(1) % QUEUES;
	uint64_t at = guest_address();
	uint32_t length = guest_take(4);
	uint16_t flags = guest_take(1) & 7;

	descriptor(queue, at, length, flags);
	if (!(flags & VIRTIO_DESC_NEXT))
		available(queue, guest_take(2));
}

static void enable(void)
{
	memset(next, 0, sizeof(next));
	memset(chains, 0, sizeof(chains));
	memset(guest.p->memory, 0, QUEUES * RING);
	reg(0x14, 3, 1);
	for (unsigned i = 0; i < 2; i++) {
		reg(0x08, i, 4);
		reg(0x0c, (features | VIRTIO_F_VERSION_1 | 6) >> 32 * i, 4);
	}
	reg(0x14, 11, 1);
	reg(0x10, 0, 2);
	for (unsigned i = 0; i < QUEUES; i++) {
		reg(0x16, i, 2);
		reg(0x18, ENTRIES, 2);
		reg(0x1a, i + 1, 2);
		reg(0x20, i * RING, 8);
		reg(0x28, i * RING + DRIVER, 8);
		reg(0x30, i * RING + DEVICE, 8);
		reg(0x1c, 1, 2);
	}
	reg(0x14, 15, 1);
}

/* --------------------------------------------------------------------------------------- steps */

static void step(void)
{
	unsigned what = guest_take(1) % STEP_KINDS;
	uint32_t offset;

	switch (what) {
	case REQUEST:
		request(true);
		break;
	case REQUEST_LATER:
		request(false);
		break;
	case TASK:
		task();
		break;
	case EVENT_BUFFER:
		event_buffer();
		break;
	case DESCRIPTOR:
		any_descriptor();
		break;
	case KICK:
		kick(guest_take(1));
		break;
	case REGISTER:
		offset = guest_take(2);
		in_process_write(guest.p, 4, offset % 0x3010, guest_take(8), 1u << (offset >> 14));
		break;
	case READ:
		offset = guest_take(2);
		in_process_read(guest.p, 4, offset % 0x3010, 1u << (offset >> 14));
		in_process_config_read(guest.p, offset % 256, 4);
		break;
	case DRIVER_RESET:
		reg(0x14, 0, 1);
		break;
	case ENABLE:
		enable();
		break;
	default:
		guest_step(what - COMMON);
	}
}

static void start(uint8_t choice)
{
	static struct option_value queues = {"queues", "2"};
	struct in_process_options o = {
		.controller = "virtio-scsi", .options = {&queues, 1}, .memory_size = GUEST_MEMORY,
		.remote_size = 1 << 16, .irq = PCI_IRQ_MSIX, .vectors = QUEUES + 1,
	};
	static const char *const address[] = {"target=0", "target=1", "target=2,lun=1"};

	features = (choice & 1 ? VIRTIO_F_RING_PACKED : 0) |
		   (choice & 2 ? VIRTIO_F_EVENT_IDX : 0) |
		   (choice & 4 ? VIRTIO_F_INDIRECT_DESC : 0) | VIRTIO_F_RING_RESET;
	guest_start(&o, address);
	enable();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	guest_script(data, size);
	start(guest_take(1));
	guest_play(step);
	storage_stall_set(guest.stall, 0);
	in_process_free(guest.p);
	return 0;
}
