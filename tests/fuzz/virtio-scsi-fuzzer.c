/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-scsi-fuzzer.c - a guest that does what the input says to a virtio-scsi controller: steps of
 * a byte that says what, then its parameters. The first byte chooses features. It begins with rings
 * and three disks, of which the second one's storage can be made to stall and the third comes and
 * goes.
 */
#include "bytes.h"
#include "emulator-test.h"
#include "front/in_process.h"
#include "virtio/virtio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY (1u << 20)
#define DISK (256u << 10)
#define ENTRIES 16
#define QUEUES 4			/* control, events, two for requests */
#define RING 0x2000			/* queue i's descriptors are at i * RING ... */
#define DRIVER 0x800			/* ... and its other areas so far on */
#define DEVICE 0x1000
#define HEADERS 0x10000			/* of requests, then their responses */
#define RESPONSES 0x18000
#define TABLES 0x20000
#define STEPS 400

enum step {
	REQUEST, REQUEST_LATER, TASK, EVENT_BUFFER, DESCRIPTOR, KICK, REGISTER, MEMORY_BYTES, TURN,
	STALL, PLUG, RESET, MAPPING, CONFIG, READ, IRQ, ENABLE, DRIVER_RESET, STEP_KINDS
};

static struct in_process *p;
static struct vd_storage *stall;
static struct device *third;
static uint64_t features;
static uint16_t next[QUEUES];		/* descriptors made available so far */
static uint16_t chains[QUEUES];		/* split: heads */
static bool mapped, indirect;		/* indirect: descriptors go to a table */
static unsigned entries;		/* of it */

static const uint8_t *in;
static size_t left;

static uint64_t take(unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && left; i++, left--)
		v |= (uint64_t)*in++ << 8 * i;
	return v;
}

/* Inside memory, mostly; else anything. */
static uint64_t address(void)
{
	uint32_t v = take(3);

	return v >> 20 == 0xf ? take(8) : v >> 20 == 0xe ? IN_PROCESS_REMOTE + (v & 0xffff) :
	       v % MEMORY;
}

static void put(uint64_t base, const void *bytes, uint32_t n)
{
	if (base <= MEMORY && n <= MEMORY - base)
		memcpy(p->memory + base, bytes, n);
}

static void reg(unsigned offset, uint64_t value, unsigned n)
{
	in_process_write(p, 4, offset, value, n);
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
	put(TABLES + next[queue] % 64u * 256 + 16 * entries++, raw, 16);
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
	put(queue * RING + slot * 16u, raw, sizeof(raw));
}

/* Split: the chain that begins with descriptor `head` is there. */
static void available(unsigned queue, uint16_t head)
{
	uint8_t raw[2];

	if (features & VIRTIO_F_RING_PACKED)
		return;
	put_le16(raw, head % ENTRIES);
	put(queue * RING + DRIVER + 4 + chains[queue]++ % ENTRIES * 2u, raw, 2);
	put_le16(raw, chains[queue]);
	put(queue * RING + DRIVER + 2, raw, 2);
}

static void request(bool now)
{
	unsigned queue = 2 + take(1) % 2;
	uint16_t head = next[queue];
	uint8_t header[51] = {1, 0, 0x40};
	uint32_t at = HEADERS + head % 64u * 64, shape = take(1), out = take(2), length = take(2);

	header[1] = take(1) % 4;
	header[3] = take(1) % 4;
	header[8] = (uint8_t)head;
	header[16] = shape >> 5;
	for (unsigned i = 0; i < 16; i++)
		header[19 + i] = (uint8_t)take(1);
	put(at, header, sizeof(header));
	indirect = shape & 4;
	entries = 0;
	descriptor(queue, at, sizeof(header), VIRTIO_DESC_NEXT);
	if (shape & 1)
		descriptor(queue, address(), out, VIRTIO_DESC_NEXT);
	descriptor(queue, RESPONSES + head % 64u * 256, 108,
		   VIRTIO_DESC_WRITE | (shape & 2 ? VIRTIO_DESC_NEXT : 0));
	if (shape & 2)
		descriptor(queue, address(), length, VIRTIO_DESC_WRITE);
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
	uint8_t raw[24] = {take(1) % 4};
	uint32_t at = HEADERS + 0x4000 + head % 64u * 64;

	raw[4] = take(1) % 9;
	raw[8] = 1;
	raw[9] = take(1) % 4;
	raw[10] = 0x40;
	raw[16] = (uint8_t)take(1);
	put(at, raw, sizeof(raw));
	descriptor(0, at, sizeof(raw), VIRTIO_DESC_NEXT);
	descriptor(0, at + 32, 5, VIRTIO_DESC_WRITE);
	available(0, head);
	kick(0);
}

static void event_buffer(void)
{
	descriptor(1, address(), take(1) % 32, VIRTIO_DESC_WRITE);
	available(1, next[1] - 1);
	kick(1);
}

static void any_descriptor(void)
{
	unsigned queue = take(1) % QUEUES;
	uint64_t at = address();
	uint32_t length = take(4);
	uint16_t flags = take(1) & 7;

	descriptor(queue, at, length, flags);
	if (!(flags & VIRTIO_DESC_NEXT))
		available(queue, take(2));
}

static void enable(void)
{
	memset(next, 0, sizeof(next));
	memset(chains, 0, sizeof(chains));
	memset(p->memory, 0, QUEUES * RING);
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

static void plug(void)
{
	if (third)
		in_process_detach(p, third);
	third = NULL;
	if (take(1) & 1)
		CHECK_OK(in_process_attach(p, memory_disk(DISK), NULL, "target=2,lun=1", &third,
					   NULL));
}

static void unmapped(void *opaque)
{
	(void)opaque;
}

static void map(bool on)
{
	if (on && !mapped)
		mapped = !memory_map(p->c->memory, 0, MEMORY, p->memory_fd, 0,
				     MEMORY_READ | MEMORY_WRITE);
	else if (!on && mapped)
		mapped = memory_unmap(p->c->memory, 0, MEMORY, unmapped, NULL) != 0;
}

static void step(void)
{
	uint32_t offset, n;

	switch ((enum step)(take(1) % STEP_KINDS)) {
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
		kick(take(1));
		break;
	case REGISTER:
		offset = take(2);
		in_process_write(p, 4, offset % 0x3010, take(8), 1u << (offset >> 14));
		break;
	case MEMORY_BYTES:
		offset = take(3);
		n = take(1);
		n = n < left ? n : left;
		put(offset % MEMORY, in, n);
		in += n;
		left -= n;
		break;
	case TURN:
		for (n = take(1) % 8; n; n--)
			loop_once(p->loop, 0);
		break;
	case STALL:
		storage_stall_set(stall, take(1) & FAULT_ALL);
		break;
	case PLUG:
		plug();
		break;
	case RESET:
		in_process_reset(p);
		break;
	case MAPPING:
		map(take(1) & 1);
		break;
	case CONFIG:
		offset = take(2);
		in_process_config_write(p, offset % 256, take(4), 1 + offset / 256 % 4);
		break;
	case READ:
		offset = take(2);
		in_process_read(p, 4, offset % 0x3010, 1u << (offset >> 14));
		in_process_config_read(p, offset % 256, 4);
		break;
	case IRQ:
		n = take(1);
		pci_set_irq(&p->c->pci, n % PCI_IRQ_KINDS, n / PCI_IRQ_KINDS);
		break;
	case DRIVER_RESET:
		reg(0x14, 0, 1);
		break;
	default:
		enable();
	}
}

static void start(uint8_t choice)
{
	static struct option_value queues = {"queues", "2"};
	struct in_process_options o = {
		.controller = "virtio-scsi", .options = {&queues, 1}, .memory_size = MEMORY,
		.remote_size = 1 << 16, .irq = PCI_IRQ_MSIX, .vectors = QUEUES + 1,
	};
	struct device_options may_stall = {.discard = true, .may_stall = true};
	struct vd_storage *s;

	features = (choice & 1 ? VIRTIO_F_RING_PACKED : 0) |
		   (choice & 2 ? VIRTIO_F_EVENT_IDX : 0) |
		   (choice & 4 ? VIRTIO_F_INDIRECT_DESC : 0) | VIRTIO_F_RING_RESET;
	CHECK_OK(in_process_new(&o, &p, NULL));
	mapped = true;
	CHECK_OK(in_process_attach(p, memory_disk(DISK), NULL, "target=0", NULL, NULL));
	CHECK_OK(storage_open_memory(DISK, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	CHECK_OK(in_process_attach(p, disk_on(stall), &may_stall, "target=1", NULL, NULL));
	CHECK_OK(in_process_attach(p, memory_disk(DISK), NULL, "target=2,lun=1", &third, NULL));
	enable();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
	start(take(1));
	for (unsigned i = 0; left && i < STEPS; i++)
		step();
	storage_stall_set(stall, 0);
	in_process_free(p);
	return 0;
}
