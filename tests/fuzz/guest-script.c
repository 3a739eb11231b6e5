/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest-script.c - see guest-script.h. */
#include "guest-script.h"

#include "checked.h"

#define STEPS 400

struct guest guest;

static const uint8_t *in;
static size_t left;

/* -------------------------------------------------------------------------------------- script */

void guest_script(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
}

void guest_play(void (*step)(void))
{
	for (unsigned i = 0; i < STEPS && left; i++)
		step();
}

uint64_t guest_take(unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && left; i++, left--)
		v |= (uint64_t)*in++ << 8 * i;
	return v;
}

size_t guest_left(void)
{
	return left;
}

uint64_t guest_address(void)
{
	uint32_t v = guest_take(3);

	return v >> 20 == 0xf ? guest_take(8) :
	       v >> 20 == 0xe ? IN_PROCESS_REMOTE + (v & 0xffff) : v % GUEST_MEMORY;
}

/* --------------------------------------------------------------------------------------- guest */

struct vd_disk *guest_stalling_disk(uint64_t size, struct vd_storage **stall)
{
	struct vd_storage *s;

	CHECK_OK(storage_open_memory(size, 1, &s));
	CHECK_OK(storage_open_stall(s, stall));
	return disk_on(*stall);
}

void guest_start(const struct in_process_options *o, const char *const address[3])
{
	struct device_options may_stall = {.discard = true, .may_stall = true};
	struct in_process *p;
	struct vd_disk *second;

	CHECK_OK(in_process_new(o, &p, NULL));
	guest = (struct guest){.p = p, .mapped = true, .third_address = address[2]};
	CHECK_OK(in_process_attach(p, memory_disk(GUEST_DISK), NULL, address[0], NULL, NULL));
	second = guest_stalling_disk(GUEST_DISK, &guest.stall);
	CHECK_OK(in_process_attach(p, second, &may_stall, address[1], NULL, NULL));
	CHECK_OK(in_process_attach(p, memory_disk(GUEST_DISK), NULL, address[2], &guest.third,
				   NULL));
}

static void unmapped(void *opaque)
{
	(void)opaque;
}

void guest_map(bool on)
{
	struct guest_memory *m = guest.p->c->memory;

	if (on && !guest.mapped)
		guest.mapped = !memory_map(m, 0, GUEST_MEMORY, guest.p->memory_fd, 0,
					   MEMORY_READ | MEMORY_WRITE);
	else if (!on && guest.mapped)
		guest.mapped = memory_unmap(m, 0, GUEST_MEMORY, unmapped, NULL) != 0;
}

void guest_put(uint64_t address, const void *bytes, uint32_t n)
{
	if (range_in(address, n, GUEST_MEMORY))
		memcpy(guest.p->memory + address, bytes, n);
}

/* ---------------------------------------------------------------------------------- its steps */

static void put_bytes(void)
{
	uint64_t address = guest_take(3) % GUEST_MEMORY;
	uint32_t n = guest_take(1);

	n = min_u64(n, left);
	guest_put(address, in, n);
	in += n;
	left -= n;
}

static void plug(void)
{
	if (guest.third)
		in_process_detach(guest.p, guest.third);
	guest.third = NULL;
	if (guest_take(1) & 1)
		CHECK_OK(in_process_attach(guest.p, memory_disk(GUEST_DISK), NULL,
					   guest.third_address, &guest.third, NULL));
}

void guest_step(enum guest_step what)
{
	uint32_t offset, n;

	switch (what) {
	case GUEST_MEMORY_BYTES:
		put_bytes();
		break;
	case GUEST_TURN:
		for (n = guest_take(1) % 8; n; n--)
			loop_once(guest.p->loop, 0);
		break;
	case GUEST_STALL:
		storage_stall_set(guest.stall, guest_take(1) & FAULT_ALL);
		break;
	case GUEST_PLUG:
		plug();
		break;
	case GUEST_RESET:
		in_process_reset(guest.p);
		break;
	case GUEST_MAPPING:
		guest_map(guest_take(1) & 1);
		break;
	case GUEST_CONFIG:
		offset = guest_take(2);
		in_process_config_write(guest.p, offset % 256, guest_take(4), 1 + offset / 256 % 4);
		break;
	case GUEST_IRQ:
		n = guest_take(1);
		pci_set_irq(&guest.p->c->pci, n % PCI_IRQ_KINDS, n / PCI_IRQ_KINDS);
		break;
	case GUEST_READ:
	case GUEST_STEPS:
		break;
	}
}
