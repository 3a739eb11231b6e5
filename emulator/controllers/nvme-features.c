/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-features.c - set and get features (NVMe 1.4, 5.9, 5.21). Nothing is saved over resets, so
 * that "saved" is "default".
 *
 * Limits      Interrupt coalescing is accepted and of no effect: completions of one round share an
 *             interrupt in any case. The temperature never changes.
 */
#include "controllers/nvme.h"

#include <string.h>

enum { SELECT_CURRENT, SELECT_DEFAULT, SELECT_SAVED, SELECT_CAPABILITIES };
enum { BY_NAMESPACE = 2, CHANGEABLE = 4 };	/* capabilities */

#define SAVE (1u << 31)
#define EXTENDED_HOST_ID 1u

/* 0: there is no such feature. */
static uint32_t capabilities(uint8_t feature)
{
	switch (feature) {
	case NVME_FEATURE_ARBITRATION:
	case NVME_FEATURE_POWER:
	case NVME_FEATURE_TEMPERATURE:
	case NVME_FEATURE_CACHE:
	case NVME_FEATURE_QUEUES:
	case NVME_FEATURE_COALESCING:
	case NVME_FEATURE_VECTOR:
	case NVME_FEATURE_ATOMICITY:
	case NVME_FEATURE_EVENTS:
	case NVME_FEATURE_TIMESTAMP:
	case NVME_FEATURE_HOST_ID:
		return CHANGEABLE;
	case NVME_FEATURE_RECOVERY:
		return CHANGEABLE | BY_NAMESPACE;
	default:
		return 0;
	}
}

/* ---------------------------------------------------------------------------------------- set */

/* Composite temperature, or all sensors, of which there are none. */
static uint16_t set_temperature(struct nvme *n, uint32_t value)
{
	unsigned sensor = value >> 16 & 0xf, type = value >> 20 & 3;

	if ((sensor && sensor != 0xf) || type > 1)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (type)
		n->set.under = value;
	else
		n->set.over = value;
	nvme_check_temperature(n);
	return NVME_OK;
}

static uint16_t set_recovery(struct nvme_command *c, uint32_t value)
{
	uint32_t id = nvme_nsid(c);
	uint16_t status;
	struct nvme_namespace *ns;

	if (value >> 16 & 1)		/* DULBE */
		return NVME_INVALID_FIELD | NVME_DNR;
	if (id == NVME_ALL) {
		for (unsigned i = 1; i <= NVME_NAMESPACES; i++)
			c->n->ns[i].recovery = value;
		return NVME_OK;
	}
	ns = nvme_namespace(c->n, id, &status);
	if (!ns)
		return status;
	ns->recovery = value;
	return NVME_OK;
}

/* What was written before it was switched off becomes durable, too. */
static uint16_t set_cache(struct nvme_command *c, bool on)
{
	c->n->set.cache = on;
	return on ? NVME_OK : nvme_flush_all(c);
}

static uint32_t queues(const struct nvme *n)
{
	return (n->io_queues - 1) * 0x10001u;
}

/* We grant all that we have: hosts create what they asked for at most. */
static uint16_t set_queues(struct nvme_command *c, uint32_t value)
{
	struct nvme *n = c->n;

	if ((value & 0xffff) == 0xffff || value >> 16 == 0xffff)
		return NVME_INVALID_FIELD | NVME_DNR;
	for (unsigned i = 1; i < NVME_QUEUES; i++)
		if (n->sq[i] || n->cq[i])
			return NVME_SEQUENCE_ERROR | NVME_DNR;
	c->result = queues(n);
	return NVME_OK;
}

static uint16_t set_vector(struct nvme *n, uint32_t value)
{
	uint32_t vector = value & 0xffff;
	uint64_t bit = 1ull << vector % 64;

	if (vector > n->io_queues)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (value >> 16 & 1)
		n->set.vectors_direct[vector / 64] |= bit;
	else
		n->set.vectors_direct[vector / 64] &= ~bit;
	return NVME_OK;
}

static void timestamp_here(struct nvme_command *c)
{
	struct nvme_settings *set = &c->n->set;

	set->timestamp = le64(c->buffer) & 0xffffffffffff;
	set->timestamp_at = loop_now();
	set->timestamp_set = true;
	nvme_finish(c, NVME_OK);
}

static void host_id_here(struct nvme_command *c)
{
	memset(c->n->set.host_id, 0, sizeof(c->n->set.host_id));
	memcpy(c->n->set.host_id, c->buffer, c->buffer_length);
	nvme_finish(c, NVME_OK);
}

static uint32_t host_id_length(const struct nvme_command *c)
{
	return nvme_dword(c, 11) & EXTENDED_HOST_ID ? 16 : 8;
}

static uint16_t set_value(struct nvme_command *c, uint32_t value)
{
	struct nvme *n = c->n;

	switch (c->sqe[40]) {
	case NVME_FEATURE_ARBITRATION:
		n->set.arbitration = value & 0xffffff07;
		return NVME_OK;
	case NVME_FEATURE_POWER:
		return value & 0x1f ? NVME_INVALID_FIELD | NVME_DNR : NVME_OK;
	case NVME_FEATURE_TEMPERATURE:
		return set_temperature(n, value);
	case NVME_FEATURE_RECOVERY:
		return set_recovery(c, value);
	case NVME_FEATURE_CACHE:
		return set_cache(c, value & 1);
	case NVME_FEATURE_QUEUES:
		return set_queues(c, value);
	case NVME_FEATURE_COALESCING:
		n->set.coalescing = value & 0xffff;
		return NVME_OK;
	case NVME_FEATURE_VECTOR:
		return set_vector(n, value);
	case NVME_FEATURE_ATOMICITY:
		n->set.atomicity = value & 1;
		return NVME_OK;
	case NVME_FEATURE_EVENTS:
		n->set.events = value & (0xff | NVME_EVENTS_NAMESPACE);
		nvme_check_temperature(n);
		return NVME_OK;
	case NVME_FEATURE_TIMESTAMP:
		return nvme_fetch(c, 8, timestamp_here);
	default:
		return nvme_fetch(c, host_id_length(c), host_id_here);
	}
}

uint16_t nvme_set_features(struct nvme_command *c)
{
	uint32_t can = capabilities(c->sqe[40]);

	if (!can)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (nvme_dword(c, 10) & SAVE)
		return NVME_NOT_SAVEABLE | NVME_DNR;
	if (!(can & BY_NAMESPACE) && nvme_nsid(c) && nvme_nsid(c) != NVME_ALL)
		return NVME_NOT_NAMESPACE_SPECIFIC | NVME_DNR;
	return set_value(c, nvme_dword(c, 11));
}

/* ---------------------------------------------------------------------------------------- get */

static uint16_t get_temperature(struct nvme_command *c, const struct nvme_settings *set)
{
	unsigned sensor = nvme_dword(c, 11) >> 16 & 0xf, type = nvme_dword(c, 11) >> 20 & 3;

	if (sensor || type > 1)
		return NVME_INVALID_FIELD | NVME_DNR;
	c->result = type ? set->under : set->over;
	return NVME_OK;
}

static uint16_t get_recovery(struct nvme_command *c, unsigned select)
{
	uint16_t status;
	const struct nvme_namespace *ns = nvme_namespace(c->n, nvme_nsid(c), &status);

	if (!ns)
		return status;
	c->result = select == SELECT_CURRENT ? ns->recovery : 0;
	return NVME_OK;
}

static uint16_t get_vector(struct nvme_command *c, const struct nvme_settings *set)
{
	uint32_t vector = nvme_dword(c, 11) & 0xffff;

	if (vector > c->n->io_queues)
		return NVME_INVALID_FIELD | NVME_DNR;
	c->result = vector | (set->vectors_direct[vector / 64] >> vector % 64 & 1) << 16;
	return NVME_OK;
}

/* Milliseconds, then where they come from: the host, or since the reset. */
static uint16_t get_timestamp(struct nvme_command *c, const struct nvme_settings *set)
{
	uint64_t now = set->timestamp + (loop_now() - set->timestamp_at) / 1000000;
	uint8_t data[8];

	put_le64(data, (now & 0xffffffffffff) | (set->timestamp_set ? 1ull << 49 : 0));
	return nvme_send(c, data, sizeof(data), sizeof(data));
}

static uint16_t get_value(struct nvme_command *c, const struct nvme_settings *set, unsigned select)
{
	switch (c->sqe[40]) {
	case NVME_FEATURE_ARBITRATION:
		c->result = set->arbitration;
		return NVME_OK;
	case NVME_FEATURE_TEMPERATURE:
		return get_temperature(c, set);
	case NVME_FEATURE_RECOVERY:
		return get_recovery(c, select);
	case NVME_FEATURE_CACHE:
		c->result = set->cache;
		return NVME_OK;
	case NVME_FEATURE_QUEUES:
		c->result = queues(c->n);
		return NVME_OK;
	case NVME_FEATURE_COALESCING:
		c->result = set->coalescing;
		return NVME_OK;
	case NVME_FEATURE_VECTOR:
		return get_vector(c, set);
	case NVME_FEATURE_ATOMICITY:
		c->result = set->atomicity;
		return NVME_OK;
	case NVME_FEATURE_EVENTS:
		c->result = set->events;
		return NVME_OK;
	case NVME_FEATURE_TIMESTAMP:
		return get_timestamp(c, set);
	case NVME_FEATURE_HOST_ID:
		return nvme_send(c, set->host_id, host_id_length(c), host_id_length(c));
	default:			/* power: state 0 */
		return NVME_OK;
	}
}

uint16_t nvme_get_features(struct nvme_command *c)
{
	struct nvme_settings defaults;
	unsigned select = nvme_dword(c, 10) >> 8 & 7;
	uint32_t can = capabilities(c->sqe[40]);

	if (!can || select > SELECT_CAPABILITIES)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (select == SELECT_CAPABILITIES) {
		c->result = can;
		return NVME_OK;
	}
	nvme_settings_default(&defaults);
	return get_value(c, select == SELECT_CURRENT ? &c->n->set : &defaults, select);
}
