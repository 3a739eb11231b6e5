/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme.c - an NVM Express 1.4 controller on PCI: its registers and its namespaces. nvme.h says
 * which file does the rest.
 *
 * BAR 0 has the registers, the doorbells from 0x1000 (stride 0), and MSI-X from 0x2000. Ids and
 * strings are VirtualBox's. Its number of namespaces (NN) is fixed, so that disks can come and go;
 * a disk keeps its namespace id.
 *
 * Limits      No fused commands, metadata, namespace management, firmware update, controller memory
 *             buffer; memory pages of 4 to 64 KiB; logical blocks as the device has them.
 */
#include "controllers/nvme.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BAR_SIZE 0x4000
#define MSIX_TABLE 0x2000
#define MSIX_PBA 0x3000
#define MSI_VECTORS 32

/* --------------------------------------------------------------------------------- registers */

/* Queues must be contiguous; 15 s to become ready or to stop; pages of 4 to 64 KiB. No resets of the
 * subsystem: they would be no more than those of the controller, and Linux before 6.11 does not
 * notice its own one until a command has timed out. */
static uint64_t capabilities(void)
{
	uint64_t entries = NVME_ENTRIES - 1, contiguous = 1, timeout = 30, nvm_commands = 1, largest_page = 4;

	return entries | contiguous << 16 | timeout << 24 | nvm_commands << 37 | largest_page << 52;
}

static uint32_t read_register(const struct nvme *n, uint32_t offset)
{
	switch (offset) {
	case NVME_REG_CAP:
		return (uint32_t)capabilities();
	case NVME_REG_CAP + 4:
		return capabilities() >> 32;
	case NVME_REG_VS:
		return NVME_VERSION;
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		return n->intms;
	case NVME_REG_CC:
		return n->cc;
	case NVME_REG_CSTS:
		return n->csts;
	case NVME_REG_AQA:
		return n->aqa;
	case NVME_REG_ASQ:
		return (uint32_t)n->asq;
	case NVME_REG_ASQ + 4:
		return n->asq >> 32;
	case NVME_REG_ACQ:
		return (uint32_t)n->acq;
	case NVME_REG_ACQ + 4:
		return n->acq >> 32;
	default:
		return 0;
	}
}

static void set_half(uint64_t *v, bool high, uint32_t half)
{
	if (high)
		*v = (*v & 0xffffffff) | (uint64_t)half << 32;
	else
		*v = (*v & ~0xffffffffull) | (half & ~0xfffu);
}

/* Messages that were held back by the mask are sent when it opens. */
static void write_mask(struct nvme *n, uint32_t mask)
{
	n->intms = mask;
	nvme_update_level(n);
	loop_defer(n->c.loop, &n->signal);
}

static void write_register(struct nvme *n, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case NVME_REG_INTMS:
		write_mask(n, n->intms | value);
		break;
	case NVME_REG_INTMC:
		write_mask(n, n->intms & ~value);
		break;
	case NVME_REG_CC:
		nvme_write_cc(n, value);
		break;
	case NVME_REG_AQA:
		n->aqa = value & 0x0fff0fff;
		break;
	case NVME_REG_ASQ:
	case NVME_REG_ASQ + 4:
		set_half(&n->asq, offset & 4, value);
		break;
	case NVME_REG_ACQ:
	case NVME_REG_ACQ + 4:
		set_half(&n->acq, offset & 4, value);
		break;
	}
}

/* Any length and alignment: made of the dwords that the access touches. */
static void nvme_read(struct controller *c, unsigned bar, uint64_t offset, void *buf,
		      uint32_t length)
{
	uint8_t *to = buf, dword[4];

	for (uint32_t i = 0; i < length; i++) {
		uint64_t at = offset + i;

		if (i == 0 || at % 4 == 0)
			put_le32(dword, bar == 0 && at < NVME_DOORBELLS ?
				 read_register(nvme_of(c), at & ~3ull) : 0);
		to[i] = dword[at % 4];
	}
}

/* Whole dwords only. */
static void nvme_write(struct controller *c, unsigned bar, uint64_t offset, const void *buf,
		       uint32_t length)
{
	struct nvme *n = nvme_of(c);

	if (bar != 0 || offset % 4 || length % 4)
		return;
	for (uint32_t i = 0; i < length; i += 4) {
		uint64_t at = offset + i;
		uint32_t value = le32((const uint8_t *)buf + i);

		if (at < NVME_DOORBELLS)
			write_register(n, at, value);
		else if (at < MSIX_TABLE)
			nvme_doorbell(n, (at - NVME_DOORBELLS) / 4, value);
	}
}

static void nvme_reset(struct controller *c)
{
	nvme_of(c)->report_reset = true;
	nvme_stop(nvme_of(c), true);
}

static void irq_changed(struct pci *p)
{
	nvme_update_level((struct nvme *)((char *)p - offsetof(struct controller, pci)));
}

/* -------------------------------------------------------------------------------- namespaces */

struct nvme_namespace *nvme_namespace(struct nvme *n, uint32_t id, uint16_t *status)
{
	if (id == 0 || id > NVME_NAMESPACES) {
		*status = NVME_INVALID_NAMESPACE | NVME_DNR;
		return NULL;
	}
	if (!nvme_is_there(&n->ns[id])) {
		*status = NVME_INVALID_FIELD | NVME_DNR;
		return NULL;
	}
	return &n->ns[id];
}

/* The last one leaves the room: a namespace that is detached is forgotten when nothing uses it. */
void nvme_namespace_idle(struct nvme_namespace *ns)
{
	struct device *d = ns->device;

	if (!ns->leaving || !ns->left || ns->active || ns->stopping)
		return;
	ns->leaving = ns->left = false;
	ns->device = NULL;
	device_set_slot(d, NULL);
	if (ns->stopped)
		device_resume(d);
	ns->stopped = false;
	device_resume(d);
	nvme_namespace_changed(ns);
	controller_detached(&ns->n->c, d);
}

static void namespace_left(void *opaque)
{
	struct nvme_namespace *ns = opaque;

	ns->left = true;
	nvme_namespace_idle(ns);
}

static int nvme_attach(struct controller *c, struct device *d, const struct option_values *address,
		       struct vd_error *err)
{
	struct nvme *n = nvme_of(c);
	uint64_t id = 0;
	int r = option_number(address, "nsid", 1, NVME_NAMESPACES, &id, err);

	if (r)
		return r;
	for (unsigned i = 1; !id && i <= NVME_NAMESPACES; i++)
		if (!n->ns[i].device)
			id = i;
	if (!id || n->ns[id].device) {
		if (err)
			snprintf(err->text, sizeof(err->text), id ?
				 "%s: there is a disk with nsid=%u already" :
				 "%s: all %u namespaces are taken", c->name,
				 id ? (unsigned)id : NVME_NAMESPACES);
		return id ? -EBUSY : -ENOSPC;
	}
	n->ns[id].device = d;
	device_set_slot(d, &n->ns[id]);
	nvme_namespace_changed(&n->ns[id]);
	return 0;
}

static void nvme_detach(struct controller *c, struct device *d)
{
	struct nvme_namespace *ns = device_slot(d);

	(void)c;
	ns->leaving = true;
	ns->leave.done = namespace_left;
	ns->leave.opaque = ns;
	device_quiesce(d, &ns->leave);
}

static void nvme_changed(struct controller *c, struct device *d, enum device_change change)
{
	(void)c;
	if (change == DEVICE_RESIZED)
		nvme_namespace_changed(device_slot(d));
}

static void nvme_address(struct controller *c, struct device *d, char *text, size_t room)
{
	const struct nvme_namespace *ns = device_slot(d);

	(void)c;
	snprintf(text, room, "nsid=%u", ns->id);
}

/* ---------------------------------------------------------------------------------- creation */

/* The first one has VirtualBox's serial number, which it gives to each; ours differ. */
static int choose_serial(struct nvme *n, struct vd_error *err)
{
	const char *given = option_get(&n->c.options, "serial");

	if (!given) {
		if (n->c.index)
			snprintf(n->serial, sizeof(n->serial), "VB1234-56789-%u",
				 n->c.index % 1000000);
		else
			strcpy(n->serial, "VB1234-56789");
		return 0;
	}
	for (const char *p = given; *p; p++)
		if (*p < 0x20 || *p > 0x7e || p - given == 20) {
			if (err)
				snprintf(err->text, sizeof(err->text), "%s: serial=%.40s: at most "
					 "20 printable ASCII characters are possible", n->c.name,
					 given);
			return -EINVAL;
		}
	snprintf(n->serial, sizeof(n->serial), "%s", given);
	return 0;
}

static void describe(struct pci *p, unsigned vectors)
{
	static const struct pci_ids ids = {
		.vendor = 0x80ee, .device = 0x4e56, .subsystem_vendor = 0x80ee,
		.subsystem = 0x4e56, .class_code = 0x010802,
	};
	struct pci_msix msix = { .vectors = vectors, .table = MSIX_TABLE, .pba = MSIX_PBA };

	pci_init(p, &ids);
	pci_add_bar(p, 0, PCI_BAR_MEMORY64, BAR_SIZE);
	pci_add_power_management(p, 0);
	pci_add_msi(p, 0, MSI_VECTORS);
	pci_add_msix(p, 0, &msix);
	pci_add_express(p, 0);
	p->irq_changed = irq_changed;
}

static int nvme_realize(struct controller *c, struct vd_error *err)
{
	struct nvme *n = nvme_of(c);
	uint64_t queues = NVME_IO_QUEUES;
	int r = option_number(&c->options, "queues", 1, NVME_IO_QUEUES, &queues, err);

	if (r || (r = choose_serial(n, err)))
		return r;
	n->io_queues = queues;
	n->page = 4096;
	for (unsigned i = 0; i <= NVME_NAMESPACES; i++) {
		n->ns[i].n = n;
		n->ns[i].id = i;
		n->ns[i].budget = (struct dma_budget){ .changed = nvme_budget_changed,
						       .opaque = &n->ns[i] };
	}
	n->process = (struct loop_task){ .run = nvme_process, .opaque = n };
	n->signal = (struct loop_task){ .run = nvme_signal, .opaque = n };
	n->resume = (struct loop_timer){ .fired = nvme_process, .opaque = n };
	n->abort_timer = (struct loop_timer){ .fired = nvme_abort_timeout, .opaque = n };
	n->count.since = loop_now();
	nvme_settings_default(&n->set);
	describe(&c->pci, 1 + n->io_queues);
	return 0;
}

static void nvme_unrealize(struct controller *c)
{
	struct nvme *n = nvme_of(c);

	nvme_queues_free(n);
	loop_undefer(c->loop, &n->process);
	loop_undefer(c->loop, &n->signal);
	loop_timer_cancel(c->loop, &n->resume);
	loop_timer_cancel(c->loop, &n->abort_timer);
}

static const struct controller_option options[] = {
	{ "serial", "serial number, at most 20 characters" },
	{ "queues", "pairs of I/O queues, 1 to 64; 64 if not given" },
	{ NULL, NULL },
};

static const struct controller_option disk_options[] = {
	{ "nsid", "namespace id, 1 to 255; the next free one if not given" },
	{ NULL, NULL },
};

const struct controller_type controller_nvme = {
	.name = "nvme",
	.summary = "NVM Express 1.4",
	.size = sizeof(struct nvme),
	.options = options,
	.disk_options = disk_options,
	.realize = nvme_realize,
	.unrealize = nvme_unrealize,
	.read = nvme_read,
	.write = nvme_write,
	.reset = nvme_reset,
	.attach = nvme_attach,
	.detach = nvme_detach,
	.changed = nvme_changed,
	.address = nvme_address,
};
