/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bus.c - see scsi.h: targets and units, LUNs, unit attentions, hot plug. */
#include "scsi/unit.h"

#include <stdlib.h>

#include "device/medium.h"

#define DEFAULT_TRANSFER (32u << 20)

/* ---------------------------------------------------------------------------------------- LUNs */

uint64_t scsi_lun(unsigned lun)
{
	if (lun > SCSI_LUN_MAX)
		return UINT64_MAX;
	return (uint64_t)(lun < 256 ? lun : 0x4000 | lun) << 48;
}

int scsi_lun_decode(uint64_t encoded)
{
	unsigned first = (unsigned)(encoded >> 48);

	if (encoded << 16)
		return -1;		/* more levels */
	switch (first >> 14) {
	case 0:				/* peripheral device; a bus number would be a level */
		return first < 256 ? (int)first : -1;
	case 1:				/* flat space */
		return first & 0x3fff;
	default:
		return -1;
	}
}

/* --------------------------------------------------------------------------------------- units */

struct scsi_unit *unit_find(struct scsi_bus *bus, unsigned target, uint64_t encoded)
{
	int lun = scsi_lun_decode(encoded);
	struct scsi_unit *u = bus->recent;

	if (lun < 0)
		return NULL;
	if (u && u->target == target && u->lun == (unsigned)lun)
		return u;
	for (u = bus->units; u; u = u->next)
		if (!u->gone && u->target == target && u->lun == (unsigned)lun) {
			bus->recent = u;
			return u;
		}
	return NULL;
}

bool scsi_bus_has_target(const struct scsi_bus *bus, unsigned target)
{
	if (bus->recent && bus->recent->target == target)
		return true;
	for (const struct scsi_unit *u = bus->units; u; u = u->next)
		if (!u->gone && u->target == target)
			return true;
	return false;
}

static struct scsi_unit *unit_of(const struct scsi_bus *bus, const struct device *device)
{
	for (struct scsi_unit *u = bus->units; u; u = u->next)
		if (!u->gone && u->device == device)
			return u;
	return NULL;
}

void unit_attention(struct scsi_unit *u, enum attention a, int but)
{
	for (unsigned i = 0; i < initiators(u->bus); i++)
		if ((int)i != but)
			u->initiator[i].attentions |= 1 << a;
}

bool unit_take_attention(struct scsi_unit *u, unsigned initiator, struct sense *out)
{
	static const uint16_t asc[ATTENTIONS] = {
		[ATTENTION_POWER_ON] = ASC_POWER_ON,
		[ATTENTION_BUS_RESET] = ASC_BUS_RESET,
		[ATTENTION_DEVICE_RESET] = ASC_DEVICE_RESET,
		[ATTENTION_NEXUS_LOSS] = ASC_NEXUS_LOSS,
		[ATTENTION_CLEARED] = ASC_COMMANDS_CLEARED,
		[ATTENTION_MODE] = ASC_MODE_CHANGED,
		[ATTENTION_CAPACITY] = ASC_CAPACITY_CHANGED,
		[ATTENTION_LUNS] = ASC_LUNS_CHANGED,
	};
	uint16_t *attentions = &u->initiator[initiator].attentions;
	unsigned a;

	if (!*attentions)
		return false;
	a = (unsigned)__builtin_ctz(*attentions);
	*attentions &= (uint16_t)(*attentions - 1);
	*out = (struct sense){.key = UNIT_ATTENTION, .asc = asc[a]};
	return true;
}

void unit_defaults(struct scsi_unit *u, bool power_on)
{
	u->reserved_by = -1;
	u->stopped = false;
	u->write_cache = true;
	u->descriptor_sense = false;
	u->write_protect = false;
	for (unsigned i = 0; i < SCSI_INITIATORS_MAX; i++) {
		u->initiator[i].prevents_removal = false;
		u->initiator[i].sense = (struct sense){0};
		if (power_on)
			u->initiator[i].attentions = 0;
	}
}

bool unit_is_write_protected(const struct scsi_unit *u)
{
	return u->write_protect || device_is_readonly(u->device);
}

uint32_t unit_block_size(const struct scsi_unit *u)
{
	return device_block_size(u->device);
}

uint64_t unit_blocks(const struct scsi_unit *u)
{
	return device_size(u->device) / unit_block_size(u);
}

bool unit_is_shared(const struct scsi_unit *u)
{
	return medium_mode_of(device_medium(u->device)) == MEDIUM_SHAREABLE;
}

static void unit_init(struct scsi_unit *u, struct scsi_bus *bus, const struct scsi_type *type)
{
	u->bus = bus;
	u->type = type;
	u->kick = (struct loop_task){.run = task_set_kick, .opaque = u};
	unit_defaults(u, true);
}

/* ------------------------------------------------------------------------------------- the bus */

int scsi_bus_new(const struct scsi_bus_options *options, struct scsi_bus **out)
{
	struct scsi_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	bus->options = *options;
	if (!bus->options.initiators)
		bus->options.initiators = 1;
	if (!bus->options.max_transfer)
		bus->options.max_transfer = DEFAULT_TRANSFER;
	bus->check_tasks = (struct loop_task){.run = tasks_check, .opaque = bus};
	unit_init(&bus->absent, bus, &scsi_absent);
	*out = bus;
	return 0;
}

void scsi_bus_free(struct scsi_bus *bus)
{
	struct scsi_unit *u, *next;

	if (!bus)
		return;
	loop_undefer(bus->options.loop, &bus->check_tasks);
	loop_undefer(bus->options.loop, &bus->absent.kick);
	for (u = bus->units; u; u = next) {
		next = u->next;
		loop_undefer(bus->options.loop, &u->kick);
		free(u);
	}
	free(bus);
}

static void tell(struct scsi_bus *bus, const struct scsi_unit *u, enum scsi_change change)
{
	if (bus->options.changed)
		bus->options.changed(bus->options.opaque, u->target, u->lun, change);
}

static void luns_changed(const struct scsi_unit *changed)
{
	for (struct scsi_unit *u = changed->bus->units; u; u = u->next)
		if (u != changed && u->target == changed->target)
			unit_attention(u, ATTENTION_LUNS, -1);
}

int scsi_bus_attach(struct scsi_bus *bus, unsigned target, unsigned lun, struct device *device)
{
	struct scsi_unit *u, **at = &bus->units;

	if (target >= bus->options.targets || lun >= bus->options.luns || lun > SCSI_LUN_MAX)
		return -EINVAL;
	if (unit_find(bus, target, scsi_lun(lun)))
		return -EBUSY;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	unit_init(u, bus, &scsi_disk);
	u->target = target;
	u->lun = lun;
	u->device = device;
	unit_attention(u, ATTENTION_POWER_ON, -1);
	while (*at && ((*at)->target < target || ((*at)->target == target && (*at)->lun < lun)))
		at = &(*at)->next;
	u->next = *at;
	*at = u;
	luns_changed(u);
	tell(bus, u, SCSI_UNIT_ADDED);
	return 0;
}

int scsi_bus_free_address(const struct scsi_bus *bus, unsigned *target, unsigned *lun)
{
	for (unsigned i = 0; i < bus->options.targets; i++)
		if (!scsi_bus_has_target(bus, i)) {
			*target = i;
			*lun = 0;
			return 0;
		}
	return -ENOSPC;
}

bool scsi_bus_address(const struct scsi_bus *bus, const struct device *device, unsigned *target,
		      unsigned *lun)
{
	const struct scsi_unit *u = unit_of(bus, device);

	if (!u)
		return false;
	*target = u->target;
	*lun = u->lun;
	return true;
}

void scsi_bus_resized(struct scsi_bus *bus, struct device *device)
{
	struct scsi_unit *u = unit_of(bus, device);

	if (!u)
		return;
	unit_attention(u, ATTENTION_CAPACITY, -1);
	tell(bus, u, SCSI_UNIT_RESIZED);
}

unsigned scsi_bus_in_flight(const struct scsi_bus *bus)
{
	return bus->in_flight;
}

/* -------------------------------------------------------------------------------------- detach */

static void unit_unlink(struct scsi_unit *u)
{
	struct scsi_unit **at = &u->bus->units;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
}

void unit_check_gone(struct scsi_unit *u)
{
	struct scsi_bus *bus = u->bus;

	if (!u->gone || u->resetting || u->first)
		return;
	device_resume(u->device);
	loop_undefer(bus->options.loop, &u->kick);
	unit_unlink(u);
	tasks_forget_unit(bus, u);
	tell(bus, u, SCSI_UNIT_REMOVED);
	u->gone_callback(u->gone_opaque, u->device);
	free(u);
}

void scsi_bus_detach(struct scsi_bus *bus, struct device *device,
		     void (*gone)(void *opaque, struct device *device), void *opaque)
{
	struct scsi_unit *u = unit_of(bus, device);

	if (!u)
		return;
	u->gone = true;
	u->gone_callback = gone;
	u->gone_opaque = opaque;
	bus->recent = NULL;
	luns_changed(u);
	for (struct scsi_command *cmd = u->first; cmd; cmd = cmd->next)
		command_abort(cmd, SCSI_GONE);
	unit_quiesce(u);
}
