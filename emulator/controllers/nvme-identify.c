/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-identify.c - the identify command (NVMe 1.4, 5.15): controller, namespaces, their lists and
 * identifiers. Offsets are those of the specification's figures.
 *
 * A namespace's NGUID, EUI-64 and UUID come from the image's UUID, so that a guest knows its disk
 * again on whatever controller and id; they carry VirtualBox's OUI where one belongs.
 */
#include "controllers/nvme.h"

#include <stdio.h>
#include <string.h>

#define PAGE 4096
#define MODEL "ORCL-VBOX-NVME-VER12"
#define FIRMWARE "1.0"
#define VENDOR 0x80ee

enum {					/* CNS */
	CNS_NAMESPACE = 0x00,
	CNS_CONTROLLER = 0x01,
	CNS_ACTIVE_LIST = 0x02,
	CNS_DESCRIPTORS = 0x03,
	CNS_NVM_NAMESPACE = 0x05,
	CNS_NVM_CONTROLLER = 0x06,
	CNS_ALLOCATED_LIST = 0x10,
	CNS_ALLOCATED_NAMESPACE = 0x11,
	CNS_ATTACHED_CONTROLLERS = 0x12,
	CNS_CONTROLLERS = 0x13,
};

static const uint8_t oui[3] = { 0x08, 0x00, 0x27 };

static void put_text(uint8_t *to, unsigned room, const char *text)
{
	memset(to, ' ', room);
	memcpy(to, text, strnlen(text, room));
}

/* --------------------------------------------------------------------------------- controller */

static void put_limits(uint8_t *page)
{
	page[77] = 8;				/* MDTS: 2^8 pages of 4 KiB */
	put_le16(page + 256, 1 << 8);		/* OACS: doorbell buffer config */
	page[258] = NVME_ABORTS - 1;
	page[259] = NVME_EVENT_REQUESTS - 1;
	page[260] = 1 | 1 << 1;			/* FRMW: one slot, read only */
	page[261] = 1 << 1 | 1 << 2;		/* LPA: effects; offsets and long lengths */
	page[262] = NVME_ERRORS - 1;
	put_le16(page + 266, NVME_TEMPERATURE_OVER);		/* WCTEMP */
	put_le16(page + 268, 373);		/* CCTEMP */
}

/* Compare, dataset management, write zeroes, select in get features, timestamp, verify. */
static void put_commands(uint8_t *page)
{
	page[512] = 0x66;			/* SQES */
	page[513] = 0x44;			/* CQES */
	put_le32(page + 516, NVME_NAMESPACES);
	put_le16(page + 520, 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7);
	page[525] = 1 | 3 << 1;			/* VWC: present; flush takes all namespaces */
	put_le32(page + 536, 1 | 1 << 16 | 1 << 18);	/* SGLS: bit buckets, longer than data */
}

static void controller(const struct nvme *n, uint8_t *page)
{
	put_le16(page + 0, VENDOR);
	put_le16(page + 2, VENDOR);
	put_text(page + 4, 20, n->serial);
	put_text(page + 24, 40, MODEL);
	put_text(page + 64, 8, FIRMWARE);
	page[72] = 6;				/* RAB */
	for (unsigned i = 0; i < 3; i++)
		page[73 + i] = oui[2 - i];
	put_le32(page + 80, NVME_VERSION);
	put_le32(page + 84, 1000000);		/* RTD3R, microseconds */
	put_le32(page + 88, 60000000);		/* RTD3E: a shutdown makes all durable */
	put_le32(page + 92, NVME_EVENTS_NAMESPACE);
	put_le32(page + 96, 1);			/* CTRATT: 128-bit host ids */
	page[111] = 1;				/* CNTRLTYPE: I/O */
	put_limits(page);
	put_commands(page);
	/* What hosts make up for a controller without one, so that it is the same for all. */
	snprintf((char *)page + 768, 256, "nqn.2014.08.org.nvmexpress:%04x%04x%-20s%-40s", VENDOR,
		 VENDOR, n->serial, MODEL);
	put_le16(page + 2048, 2500);		/* power state 0: 25 W */
}

/* Of the NVM command set alone: what MDTS does not bound. Dataset management has no bounds. */
static void nvm_controller(uint8_t *page)
{
	page[1] = 13;				/* WZSL: 32 MiB, all that NLB can say */
}

/* --------------------------------------------------------------------------------- namespaces */

static void put_eui64(const struct device_identity *id, uint8_t *to)
{
	memcpy(to, oui, 3);
	for (unsigned i = 0; i < 5; i++)
		to[3 + i] = id->wwn >> 8 * (4 - i);
}

static void put_nguid(const struct device_identity *id, uint8_t *to)
{
	if (vd_uuid_is_null(&id->uuid)) {
		put_be64(to, id->wwn);
		put_eui64(id, to + 8);
		return;
	}
	memcpy(to, id->uuid.byte, 8);
	memcpy(to + 8, oui, 3);
	memcpy(to + 11, id->uuid.byte + 11, 5);
}

static void namespace(const struct nvme_namespace *ns, uint8_t *page)
{
	const struct device *d = ns->device;
	uint32_t block = device_block_size(d), physical = device_physical_block_size(d) / block;
	uint64_t blocks = device_size(d) / block;

	put_le64(page + 0, blocks);		/* NSZE, NCAP, NUSE */
	put_le64(page + 8, blocks);
	put_le64(page + 16, blocks);
	page[24] = 1 << 4;			/* NSFEAT: the granularities below */
	page[33] = 1 | 1 << 3;			/* DLFEAT: reads as zeros; DEAC */
	put_le64(page + 48, device_size(d));	/* NVMCAP */
	for (unsigned at = 64; physical && at <= 70; at += 2)
		put_le16(page + at, physical - 1);	/* NPWG, NPWA, NPDG, NPDA */
	page[99] = device_is_readonly(d);	/* NSATTR: write protected */
	put_nguid(device_identity(d), page + 104);
	put_eui64(device_identity(d), page + 120);
	page[130] = __builtin_ctz(block);	/* LBAF 0: LBADS */
}

/* Type, length, two bytes, the identifier. */
static uint8_t *descriptor(uint8_t *at, uint8_t type, uint8_t length)
{
	at[0] = type;
	at[1] = length;
	return at + 4;
}

static void descriptors(const struct nvme_namespace *ns, uint8_t *page)
{
	const struct device_identity *id = device_identity(ns->device);

	put_eui64(id, descriptor(page, 1, 8));
	put_nguid(id, descriptor(page + 12, 2, 16));
	if (!vd_uuid_is_null(&id->uuid))
		memcpy(descriptor(page + 32, 3, 16), id->uuid.byte, 16);
}

/* ---------------------------------------------------------------------------------- the command */

static uint16_t send_list(struct nvme_command *c)
{
	uint8_t page[PAGE] = { 0 };
	unsigned at = 0;

	if (nvme_nsid(c) >= NVME_ALL - 1)
		return NVME_INVALID_NAMESPACE | NVME_DNR;
	for (uint64_t id = nvme_nsid(c) + 1ull; id <= NVME_NAMESPACES; id++)
		if (nvme_is_there(&c->n->ns[id])) {
			put_le32(page + at, id);
			at += 4;
		}
	return nvme_send(c, page, PAGE, PAGE);
}

/* The ids from the one given on: we are number 0, alone. */
static uint16_t send_controllers(struct nvme_command *c)
{
	uint8_t page[PAGE] = { 0 };

	page[0] = nvme_dword(c, 10) >> 16 == 0;
	return nvme_send(c, page, PAGE, PAGE);
}

/* fill NULL: a page of zeros. What a valid id without a namespace gives differs. */
static uint16_t send_namespace(struct nvme_command *c, bool zeros_if_absent,
			       void (*fill)(const struct nvme_namespace *ns, uint8_t *page))
{
	uint8_t page[PAGE] = { 0 };
	uint16_t status;
	const struct nvme_namespace *ns = nvme_namespace(c->n, nvme_nsid(c), &status);

	if (!ns && (!zeros_if_absent || status == (NVME_INVALID_NAMESPACE | NVME_DNR)))
		return status;
	if (ns && fill)
		fill(ns, page);
	return nvme_send(c, page, PAGE, PAGE);
}

static uint16_t send_controller(struct nvme_command *c, bool nvm)
{
	uint8_t page[PAGE] = { 0 };

	if (nvm)
		nvm_controller(page);
	else
		controller(c->n, page);
	return nvme_send(c, page, PAGE, PAGE);
}

uint16_t nvme_identify(struct nvme_command *c)
{
	uint8_t command_set = nvme_dword(c, 11) >> 24;	/* 0: NVM; only two of these look */

	switch (nvme_dword(c, 10) & 0xff) {
	case CNS_NAMESPACE:
	case CNS_ALLOCATED_NAMESPACE:
		return send_namespace(c, true, namespace);
	case CNS_CONTROLLER:
		return send_controller(c, false);
	case CNS_ACTIVE_LIST:
	case CNS_ALLOCATED_LIST:
		return send_list(c);
	case CNS_DESCRIPTORS:
		return send_namespace(c, false, descriptors);
	case CNS_NVM_NAMESPACE:
		if (!command_set)
			return send_namespace(c, true, NULL);
		break;
	case CNS_NVM_CONTROLLER:
		if (!command_set)
			return send_controller(c, true);
		break;
	case CNS_ATTACHED_CONTROLLERS:
		if (nvme_nsid(c) == NVME_ALL || nvme_nsid(c) > NVME_NAMESPACES || !nvme_nsid(c))
			return NVME_INVALID_NAMESPACE | NVME_DNR;
		if (!nvme_is_there(&c->n->ns[nvme_nsid(c)]))
			return nvme_send(c, "", 1, PAGE);
		return send_controllers(c);
	case CNS_CONTROLLERS:
		return send_controllers(c);
	}
	return NVME_INVALID_FIELD | NVME_DNR;
}
