/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pci.c - see pci.h. Offsets and bits: PCI Local Bus Specification 3.0, chapter 6; PCI Express Base
 * Specification, 7.8; PCI Power Management 1.2; ECN "Advanced Capabilities for Conventional PCI". */
#include "pci/pci.h"

#include <string.h>

#include "bytes.h"

enum {
	VENDOR = 0x00, DEVICE = 0x02, COMMAND = 0x04, STATUS = 0x06, REVISION = 0x08,
	CACHE_LINE = 0x0c, LATENCY = 0x0d, BAR0 = 0x10, SUBSYSTEM_VENDOR = 0x2c, SUBSYSTEM = 0x2e,
	CAPABILITIES = 0x34, INTERRUPT_LINE = 0x3c, INTERRUPT_PIN = 0x3d,

	COMMAND_MASTER = 1 << 2, COMMAND_INTX_OFF = 1 << 10, COMMAND_WRITABLE = 0x0547,
	STATUS_INTX = 1 << 3, STATUS_CAPABILITIES = 1 << 4, STATUS_ERRORS = 0xf900,

	CAP_POWER = 0x01, CAP_MSI = 0x05, CAP_EXPRESS = 0x10, CAP_MSIX = 0x11,
	CAP_ADVANCED = 0x13,
};

#define EXPRESS_FLR_CAPABLE (1u << 28)
#define EXPRESS_FLR (1u << 15)		/* in device control */
#define EXPRESS_PENDING (1u << 5)	/* in device status */
#define ADVANCED_PENDING_CAPABLE (1u << 0)
#define ADVANCED_FLR_CAPABLE (1u << 1)
#define ADVANCED_FLR (1u << 0)		/* in control */
#define ADVANCED_PENDING (1u << 0)	/* in status */

void pci_init(struct pci *p, const struct pci_ids *ids)
{
	memset(p, 0, sizeof(*p));
	put_le16(p->config + VENDOR, ids->vendor);
	put_le16(p->config + DEVICE, ids->device);
	put_le32(p->config + REVISION, ids->class_code << 8 | ids->revision);
	put_le16(p->config + SUBSYSTEM_VENDOR, ids->subsystem_vendor);
	put_le16(p->config + SUBSYSTEM, ids->subsystem);
	p->config[INTERRUPT_PIN] = 1;
	put_le16(p->writable + COMMAND, COMMAND_WRITABLE);
	put_le16(p->clears + STATUS, STATUS_ERRORS);
	p->writable[CACHE_LINE] = p->writable[LATENCY] = p->writable[INTERRUPT_LINE] = 0xff;
	p->last_capability = CAPABILITIES;
}

static uint64_t round_up(uint64_t size, uint64_t least)
{
	uint64_t n = least;

	while (n < size)
		n <<= 1;
	return n;
}

void pci_add_bar(struct pci *p, unsigned bar, enum pci_bar_kind kind, uint64_t size)
{
	uint8_t *config = p->config + BAR0 + 4 * bar, *writable = p->writable + BAR0 + 4 * bar;

	size = round_up(size, kind == PCI_BAR_IO ? 8 : 4096);
	p->bar[bar].kind = kind;
	p->bar[bar].size = size;
	put_le32(config, kind == PCI_BAR_IO ? 1 : kind == PCI_BAR_MEMORY64 ? 4 : 0);
	put_le32(writable, (uint32_t)~(size - 1));
	if (kind == PCI_BAR_MEMORY64)
		put_le32(writable + 4, (uint32_t)(~(size - 1) >> 32));
}

/* The first place after all capabilities that are there. Their lengths are not kept: all of ours
 * leave no more than 0x40 bytes, so the caller of a long one gives its place. */
static uint8_t next_place(const struct pci *p)
{
	unsigned end = 0x40;

	for (unsigned at = p->config[CAPABILITIES]; at; at = p->config[at + 1]) {
		unsigned length = p->config[at] == CAP_EXPRESS ? 0x3c :
				  p->config[at] == CAP_MSI ? 0x18 :
				  p->config[at] == 0x09 ? p->config[at + 2] : 0x10;

		if (at + length > end)
			end = at + length;
	}
	return (uint8_t)((end + 3) & ~3u);
}

uint8_t pci_add_capability(struct pci *p, uint8_t id, uint8_t at, uint8_t length)
{
	if (!at)
		at = next_place(p);
	memset(p->config + at, 0, length);
	p->config[at] = id;
	if (p->last_capability == CAPABILITIES)
		p->config[CAPABILITIES] = at;
	else
		p->config[p->last_capability + 1] = at;
	p->last_capability = at;
	put_le16(p->config + STATUS, le16(p->config + STATUS) | STATUS_CAPABILITIES);
	return at;
}

void pci_add_power_management(struct pci *p, uint8_t at)
{
	p->pm = at = pci_add_capability(p, CAP_POWER, at, 8);
	put_le16(p->config + at + 2, 3);	/* version 1.2, no PME */
	put_le16(p->config + at + 4, 1 << 3);	/* no soft reset on D3hot to D0 */
	put_le16(p->writable + at + 4, 3);
}

void pci_add_msi(struct pci *p, uint8_t at, unsigned vectors)
{
	unsigned log = 0;

	while (1u << log < vectors)
		log++;
	p->msi = at = pci_add_capability(p, CAP_MSI, at, 14);
	p->msi_vectors = 1u << log;
	put_le16(p->config + at + 2, (uint16_t)(1 << 7 | log << 1));	/* 64 bits */
	put_le16(p->writable + at + 2, 1 | 7 << 4);
	put_le32(p->writable + at + 4, 0xfffffffc);
	put_le32(p->writable + at + 8, 0xffffffff);
	put_le16(p->writable + at + 12, 0xffff);
}

void pci_add_msix(struct pci *p, uint8_t at, const struct pci_msix *info)
{
	p->msix = at = pci_add_capability(p, CAP_MSIX, at, 12);
	p->msix_info = *info;
	put_le16(p->config + at + 2, (uint16_t)(info->vectors - 1));
	put_le32(p->config + at + 4, (uint32_t)info->table | info->bar);
	put_le32(p->config + at + 8, (uint32_t)info->pba | info->bar);
	put_le16(p->writable + at + 2, 0xc000);
}

/* Its registers in the BAR stay, with nobody to ask for them. */
void pci_remove_msix(struct pci *p)
{
	uint8_t *link = &p->config[CAPABILITIES];

	if (!p->msix)
		return;
	while (*link != p->msix)
		link = &p->config[*link + 1];
	*link = p->config[p->msix + 1];
	memset(p->config + p->msix, 0, 12);
	memset(p->writable + p->msix, 0, 12);
	p->msix = 0;
}

void pci_add_express(struct pci *p, uint8_t at)
{
	p->pcie = at = pci_add_capability(p, CAP_EXPRESS, at, 0x3c);
	put_le16(p->config + at + 2, 2);			/* version 2, endpoint */
	put_le32(p->config + at + 4, EXPRESS_FLR_CAPABLE | 1 << 15);
	put_le16(p->writable + at + 8, 0x70ff | EXPRESS_FLR);
	put_le32(p->config + at + 0x0c, 0x11);			/* x1, 2.5 GT/s */
	put_le16(p->config + at + 0x12, 0x11);
}

void pci_add_advanced(struct pci *p, uint8_t at)
{
	p->advanced = at = pci_add_capability(p, CAP_ADVANCED, at, 6);
	p->config[at + 2] = 6;
	p->config[at + 3] = ADVANCED_PENDING_CAPABLE | ADVANCED_FLR_CAPABLE;
	p->writable[at + 4] = ADVANCED_FLR;
}

/* ------------------------------------------------------------------------------ configuration */

void pci_config_read(struct pci *p, uint32_t offset, void *buf, uint32_t length)
{
	uint8_t *out = buf;
	uint16_t status = le16(p->config + STATUS) & (uint16_t)~STATUS_INTX;

	if (p->config_read)
		p->config_read(p, offset, length);
	put_le16(p->config + STATUS, p->intx_level ? status | STATUS_INTX : status);
	for (uint32_t i = 0; i < length; i++)
		out[i] = offset + i < PCI_CONFIG_SIZE ? p->config[offset + i] : 0xff;
}

static void deliver_level(struct pci *p)
{
	bool high = p->intx_level && p->irq == PCI_IRQ_INTX &&
		    !(le16(p->config + COMMAND) & COMMAND_INTX_OFF);

	if (p->host && p->host->level)
		p->host->level(p->host, high);
}

/* Was a function-level reset asked for? The bit reads as 0. */
static bool take_reset(struct pci *p)
{
	bool asked = false;

	if (p->pcie) {
		asked = le16(p->config + p->pcie + 8) & EXPRESS_FLR;
		p->config[p->pcie + 9] &= (uint8_t)~(EXPRESS_FLR >> 8);
	}
	if (p->advanced) {
		asked |= p->config[p->advanced + 4] & ADVANCED_FLR;
		p->config[p->advanced + 4] &= (uint8_t)~ADVANCED_FLR;
	}
	return asked;
}

void pci_config_write(struct pci *p, uint32_t offset, const void *buf, uint32_t length)
{
	const uint8_t *in = buf;
	uint16_t command = le16(p->config + COMMAND);

	for (uint32_t i = 0; i < length && offset + i < PCI_CONFIG_SIZE; i++) {
		uint8_t *byte = p->config + offset + i, mask = p->writable[offset + i];

		*byte = (uint8_t)((*byte & ~mask) | (in[i] & mask));
		*byte &= (uint8_t)~(in[i] & p->clears[offset + i]);
	}
	if ((command ^ le16(p->config + COMMAND)) & COMMAND_INTX_OFF)
		deliver_level(p);
	if (p->config_written)
		p->config_written(p, offset, length);
	if (take_reset(p) && p->function_reset)
		p->function_reset(p);
}

void pci_reset(struct pci *p)
{
	for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
		p->config[i] &= (uint8_t)~(p->writable[i] | p->clears[i]);
	pci_set_level(p, false);
}

void pci_set_pending(struct pci *p, bool pending)
{
	if (p->pcie)
		p->config[p->pcie + 0x0a] = pending ? EXPRESS_PENDING : 0;
	if (p->advanced)
		p->config[p->advanced + 5] = pending ? ADVANCED_PENDING : 0;
}

/* --------------------------------------------------------------------------------- interrupts */

void pci_set_irq(struct pci *p, enum pci_irq_kind kind, unsigned vectors)
{
	enum pci_irq_kind before = p->irq;

	p->irq = kind;
	p->vectors = vectors;
	if (before != kind)
		deliver_level(p);
	if (p->irq_changed)
		p->irq_changed(p);
}

bool pci_is_msix(const struct pci *p, unsigned bar, uint64_t offset)
{
	const struct pci_msix *m = &p->msix_info;

	if (!p->msix || bar != m->bar)
		return false;
	return (offset >= m->table && offset - m->table < 16ull * m->vectors) ||
	       (offset >= m->pba && offset - m->pba < (m->vectors + 63) / 64 * 8);
}

bool pci_bus_master(const struct pci *p)
{
	return le16(p->config + COMMAND) & COMMAND_MASTER;
}

bool pci_uses_messages(const struct pci *p)
{
	return p->irq != PCI_IRQ_INTX;
}

void pci_message(struct pci *p, unsigned vector)
{
	if (p->irq == PCI_IRQ_INTX || !p->vectors || !p->host)
		return;
	p->host->message(p->host, p->irq, vector % p->vectors);
}

void pci_set_level(struct pci *p, bool high)
{
	if (p->intx_level == high)
		return;
	p->intx_level = high;
	deliver_level(p);
}
