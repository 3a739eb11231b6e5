/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahci.c - a Serial ATA controller: AHCI 1.3.1 with the identity of VirtualBox's (Intel ICH8M), one
 * to 30 ports with one disk each, NCQ, hot plug. The three files are told of in ahci.h.
 *
 * Limits: no port multipliers, no command completion coalescing, no enclosure management, no link
 * power states; registers are written 32 bits at a time.
 */
#include "controllers/ahci.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

enum { CAP = 0x00, GHC = 0x04, IS = 0x08, PI = 0x0c, VS = 0x10, PORT_0 = 0x100,
       PORT_STRIDE = 0x80 };
enum { BAR_INDEX_DATA = 4, BAR_REGISTERS = 5, INDEX = 8, DATA = 12 };

#define BAR_SIZE 4352u
#define AHCI_VERSION 0x00010301u
#define GHC_HR (1u << 0)
#define GHC_IE (1u << 1)
#define GHC_AE (1u << 31)
/* 64 bits, NCQ, CLO, 3 Gb/s, AHCI only, several PIO blocks a command. */
#define CAP_FIXED (1u << 31 | 1u << 30 | 1u << 24 | 2u << 20 | 1u << 18 | 1u << 15)
#define CAP_STAGGERED (1u << 27)
#define DEFAULT_PORTS 6

static struct ahci *ahci_of(struct controller *c)
{
	return (struct ahci *)c;
}

/* ------------------------------------------------------------------------------------- interrupts */

/* Both levels as they are now: IS holds a bit while the port has a reason. */
static bool pending(struct ahci *a)
{
	for (unsigned i = 0; i < a->ports; i++)
		if (ahci_port_is(&a->port[i]) & a->port[i].ie)
			a->is |= 1u << i;
	return a->is && a->ghc & GHC_IE;
}

/* What was held back for want of room. */
static void go_on(struct ahci_port *p)
{
	if (!p->held || dma_budget_spent(&p->budget))
		return;
	p->held = 0;
	p->next = p->held_first;
	ahci_port_issue(p);
}

static void budget_changed(void *opaque, bool spent)
{
	struct ahci_port *p = opaque;

	if (!spent && p->held)
		loop_defer(p->hba->c.loop, &p->hba->round);
}

/* At the end of each round in which something happened: one frame for all tags of a port, one
 * interrupt for all ports. */
static void round_end(void *opaque)
{
	struct ahci *a = opaque;
	bool high, edge;

	for (unsigned i = 0; i < a->ports; i++)
		ahci_port_report(&a->port[i]);
	for (unsigned i = 0; i < a->ports; i++)
		go_on(&a->port[i]);
	edge = a->edge;
	a->edge = false;
	high = pending(a);
	pci_set_level(&a->c.pci, high);
	if (high && edge && pci_uses_messages(&a->c.pci))
		pci_message(&a->c.pci, 0);
}

void ahci_interrupt(struct ahci_port *p)
{
	struct ahci *a = p->hba;

	if (!(ahci_port_is(p) & p->ie))
		return;
	a->edge = true;
	loop_defer(a->c.loop, &a->round);
}

/* After the guest took bits away: the level falls at once, and what is left interrupts again. */
static void look_again(struct ahci *a)
{
	if (!pending(a)) {
		pci_set_level(&a->c.pci, false);
		return;
	}
	a->edge = true;
	loop_defer(a->c.loop, &a->round);
}

static void irq_changed(struct pci *pci)
{
	look_again((struct ahci *)((char *)pci - offsetof(struct ahci, c.pci)));
}

/* ------------------------------------------------------------------------------------------ reset */

static void reset_registers(struct ahci *a)
{
	bool pci_reset = a->pci_reset;

	a->resetting = a->pci_reset = false;
	a->ghc = GHC_AE;
	a->is = 0;
	for (unsigned i = 0; i < a->ports; i++) {
		ahci_port_power_on(&a->port[i]);
		if (pci_reset)
			ata_drive_power_on(&a->port[i].drive);
	}
	a->edge = false;
	pci_set_level(&a->c.pci, false);
	if (pci_reset)
		controller_reset_done(&a->c);
}

static void reset_when_idle(struct ahci *a)
{
	for (unsigned i = 0; i < a->ports; i++)
		if (a->port[i].halting)
			return;
	reset_registers(a);
}

static void begin_reset(struct ahci *a)
{
	a->resetting = true;
	a->ghc = GHC_AE | GHC_HR;
	for (unsigned i = 0; i < a->ports; i++)
		ahci_port_stop(&a->port[i]);
	reset_when_idle(a);
}

static void reset(struct controller *c)
{
	/* Not at the end: it may be written to before that, when all else may not. */
	ahci_of(c)->index = 0;
	ahci_of(c)->pci_reset = true;
	begin_reset(ahci_of(c));
}

static void take_out(struct ahci_port *p)
{
	struct device *d = p->device;

	p->detaching = false;
	p->device = NULL;
	ata_drive_free(&p->drive);
	controller_detached(&p->hba->c, d);
}

void ahci_port_is_idle(struct ahci_port *p)
{
	if (p->detaching)
		take_out(p);
	if (p->hba->resetting)
		reset_when_idle(p->hba);
}

/* -------------------------------------------------------------------------------------- registers */

static uint32_t read_register(struct ahci *a, unsigned offset)
{
	unsigned port = (offset - PORT_0) / PORT_STRIDE;

	if (offset >= PORT_0)
		return port < a->ports ? ahci_port_read(&a->port[port], offset % PORT_STRIDE) : 0;
	switch (offset) {
	case CAP:
		return a->cap;
	case GHC:
		return a->ghc;
	case IS:
		pending(a);
		return a->is;
	case PI:
		return (1u << a->ports) - 1;
	case VS:
		return AHCI_VERSION;
	}
	return 0;
}

static void write_ghc(struct ahci *a, uint32_t value)
{
	a->ghc = GHC_AE | (value & GHC_IE);
	if (value & GHC_HR)
		begin_reset(a);
	else
		look_again(a);
}

static void write_register(struct ahci *a, unsigned offset, uint32_t value)
{
	unsigned port = (offset - PORT_0) / PORT_STRIDE;

	if (a->resetting)
		return;
	if (offset >= PORT_0) {
		if (port < a->ports)
			ahci_port_write(&a->port[port], offset % PORT_STRIDE, value);
	} else if (offset == GHC) {
		write_ghc(a, value);
	} else if (offset == IS) {
		a->is &= ~value;
		look_again(a);
	}
}

/* Where an access to BAR 4 goes on to; false: to its index register, or nowhere. */
static bool by_index(struct ahci *a, unsigned *bar, uint64_t *offset)
{
	if (*bar != BAR_INDEX_DATA || *offset != DATA)
		return false;
	*bar = BAR_REGISTERS;
	*offset = a->index;
	return true;
}

static void bar_read(struct controller *c, unsigned bar, uint64_t offset, void *buf, uint32_t n)
{
	struct ahci *a = ahci_of(c);
	uint8_t *out = buf, word[4];

	memset(buf, 0, n);
	by_index(a, &bar, &offset);
	if (bar == BAR_INDEX_DATA && offset == INDEX && n == 4)
		put_le32(buf, a->index);
	if (bar != BAR_REGISTERS)
		return;
	for (uint32_t i = 0; i < n; i++) {
		unsigned at = (unsigned)offset + i;

		if (!i || !(at & 3))
			put_le32(word, read_register(a, at & ~3u));
		out[i] = word[at & 3];
	}
}

static void bar_write(struct controller *c, unsigned bar, uint64_t offset, const void *buf,
		      uint32_t n)
{
	struct ahci *a = ahci_of(c);
	const uint8_t *in = buf;

	if (n % 4 || offset % 4)
		return;
	by_index(a, &bar, &offset);
	if (bar == BAR_INDEX_DATA && offset == INDEX)
		a->index = le32(in) & 0x1ffc;
	if (bar != BAR_REGISTERS)
		return;
	for (uint32_t i = 0; i < n; i += 4)
		write_register(a, (unsigned)offset + i, le32(in + i));
}

/* ---------------------------------------------------------------------------------------- hot plug */

static int find_port(struct ahci *a, const struct option_values *address, unsigned *out,
		     struct vd_error *err)
{
	uint64_t number = a->ports;
	int r = option_number(address, "port", 0, a->ports - 1, &number, err);

	if (r)
		return r;
	if (number == a->ports) {
		for (number = 0; number < a->ports && a->port[number].device; number++)
			;
		r = number == a->ports ? -ENOSPC : 0;
	} else if (a->port[number].device) {
		r = -EBUSY;
	}
	if (r && err)
		snprintf(err->text, sizeof(err->text), r == -EBUSY ?
			 "%s: port %u has a disk already" : "%s: all %u ports are taken",
			 a->c.name, (unsigned)number);
	*out = (unsigned)number;
	return r;
}

static int attach(struct controller *c, struct device *d, const struct option_values *address,
		  struct vd_error *err)
{
	struct ahci *a = ahci_of(c);
	struct ahci_port *p;
	unsigned number;
	int r = find_port(a, address, &number, err);

	if (r)
		return r;
	p = &a->port[number];
	p->device = d;
	ata_drive_init(&p->drive, d, &(struct ata_options){ .serial = true,
							    .queue_depth = AHCI_SLOTS });
	device_set_slot(d, p);
	if (!a->resetting) {
		ahci_port_link_up(p);
		if (p->link) {
			p->serr |= SERR_PHY_CHANGED;
			ahci_interrupt(p);
		}
	}
	return 0;
}

static void detach(struct controller *c, struct device *d)
{
	struct ahci_port *p = device_slot(d);
	bool was_up = p->link;

	(void)c;
	p->detaching = true;
	ahci_port_link_down(p);
	/* Linux 7 takes no notice of the first alone, when it found the disk less than 10 s ago. */
	if (was_up) {
		p->serr |= SERR_PHY_CHANGED | SERR_EXCHANGED;
		ahci_interrupt(p);
	}
	/* Also what is in no slot: the flush after a client left. */
	if (!p->halting)
		ahci_port_end_all(p);
}

static void address(struct controller *c, struct device *d, char *text, size_t room)
{
	struct ahci_port *p = device_slot(d);

	(void)c;
	snprintf(text, room, "port=%u", p->number);
}

/* -------------------------------------------------------------------------------------- life cycle */

static void describe(struct pci *p)
{
	static const struct pci_ids ids = {
		.vendor = 0x8086, .device = 0x2829, .revision = 2, .class_code = 0x010601,
	};

	pci_init(p, &ids);
	for (unsigned bar = 0; bar < BAR_INDEX_DATA; bar++)
		pci_add_bar(p, bar, PCI_BAR_IO, 8);	/* of an IDE mode that is not there */
	pci_add_bar(p, BAR_INDEX_DATA, PCI_BAR_IO, 16);
	pci_add_bar(p, BAR_REGISTERS, PCI_BAR_MEMORY, BAR_SIZE);
	pci_add_msi(p, 0x80, 1);
	pci_add_power_management(p, 0x70);
	/* Where the index/data pair is. Drivers write to 0x92 of this model: nothing is there. */
	pci_add_capability(p, 0x12, 0xa8, 8);
	put_le16(p->config + 0xaa, 0x0010);
	put_le32(p->config + 0xac, INDEX / 4 << 4 | (4 + BAR_INDEX_DATA));
	pci_add_advanced(p, 0xb0);
	p->irq_changed = irq_changed;
}

static void init_port(struct ahci *a, unsigned number)
{
	struct ahci_port *p = &a->port[number];

	p->hba = a;
	p->budget = (struct dma_budget){ .changed = budget_changed, .opaque = p };
	p->number = number;
	p->slot = a->slots + number * AHCI_SLOTS;
	for (unsigned i = 0; i < AHCI_SLOTS; i++)
		ahci_slot_init(p, &p->slot[i]);
}

static int realize(struct controller *c, struct vd_error *err)
{
	struct ahci *a = ahci_of(c);
	uint64_t ports = DEFAULT_PORTS;
	int r = option_number(&c->options, "ports", 1, AHCI_PORTS, &ports, err);

	if (!r)
		r = option_bool(&c->options, "staggered", &a->staggered, err);
	if (r)
		return r;
	a->ports = (unsigned)ports;
	a->port = calloc(a->ports, sizeof(*a->port));
	a->slots = calloc((size_t)a->ports * AHCI_SLOTS, sizeof(*a->slots));
	if (!a->port || !a->slots) {
		free(a->port);
		free(a->slots);
		if (err)
			snprintf(err->text, sizeof(err->text), "%s: out of memory", c->name);
		return -ENOMEM;
	}
	a->cap = CAP_FIXED | (a->staggered ? CAP_STAGGERED : 0) | (AHCI_SLOTS - 1) << 8 |
		 (a->ports - 1);
	a->round = (struct loop_task){ .run = round_end, .opaque = a };
	describe(&c->pci);
	for (unsigned i = 0; i < a->ports; i++)
		init_port(a, i);
	reset_registers(a);
	return 0;
}

static void unrealize(struct controller *c)
{
	struct ahci *a = ahci_of(c);

	loop_undefer(c->loop, &a->round);
	for (unsigned i = 0; i < a->ports * AHCI_SLOTS; i++)
		dma_free(&a->slots[i].dma);
	free(a->slots);
	free(a->port);
}

static const struct controller_option options[] = {
	{ "ports", "how many ports there are, 1 to 30 (default 6)" },
	{ "staggered", "on: disks are not there before the guest spins them up (default off)" },
	{ NULL, NULL },
};

static const struct controller_option disk_options[] = {
	{ "port", "the port, from 0" },
	{ NULL, NULL },
};

const struct controller_type controller_ahci = {
	.name = "ahci",
	.summary = "Serial ATA (AHCI 1.3.1)",
	.size = sizeof(struct ahci),
	.options = options,
	.disk_options = disk_options,
	.realize = realize,
	.unrealize = unrealize,
	.read = bar_read,
	.write = bar_write,
	.reset = reset,
	.attach = attach,
	.detach = detach,
	.address = address,
};
