/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scsi.h - SCSI as every SCSI controller sees it: a bus with units, commands, task management.
 *
 *	controller: rings, mailboxes, packets
 *	    |  scsi_prepare(bus, command)	 direction and length, or it has ended at once
 *	    |  scsi_submit(command, iov)	 moves the data; command->done(command)
 *	bus	   targets and logical units (SAM-5), task sets, unit attentions	bus.c
 *	unit	   the commands of a device type, in a table (SPC-4, SBC-3)		spc.c sbc*.c
 *	    |  device_submit
 *	device
 *
 * Contract
 *  - All calls and callbacks are in the controller's thread. No call waits for I/O.
 *  - A command is embedded in the controller's own and zeroed once. Between scsi_prepare and its
 *    end it belongs to the bus. Nothing is allocated for reads and writes.
 *  - Each prepared command ends exactly once: in scsi_prepare itself, by done(), or by scsi_drop.
 *    What task management, a reset or a detach ends, ends by done() as well, with a response that
 *    says so; whether the guest is told is the controller's choice.
 *  - The cdb is copied by the caller and then checked here. Data that a command interprets
 *    (parameter lists) is copied out of the iovec before it is checked.
 *
 * Limits: no ACA, no persistent reservations, no protection information, no bidirectional commands,
 * no third-party copy, no hierarchical addressing.
 */
#ifndef VIMG_SCSI_H
#define VIMG_SCSI_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/loop.h"
#include "device/device.h"

struct scsi_bus;
struct scsi_unit;
struct scsi_command;
struct scsi_opcode;

#define SCSI_CDB_MAX 32
#define SCSI_SENSE_MAX 96		/* room; what is made is at most 64 */
#define SCSI_INITIATORS_MAX 4
#define SCSI_LUN_MAX 16383		/* of flat addressing */

/* ------------------------------------------------------------------------------------- the bus */

enum scsi_change {
	SCSI_UNIT_ADDED,
	SCSI_UNIT_REMOVED,		/* its last command has ended */
	SCSI_UNIT_RESIZED,		/* unit attention 2a/09: capacity data has changed */
};

struct scsi_bus_options {
	struct loop *loop;
	unsigned targets;		/* addresses 0 to targets - 1 */
	unsigned luns;			/* of a target: 0 to luns - 1; at most SCSI_LUN_MAX + 1 */
	unsigned initiators;		/* 0: 1 */
	/* The controller delivers sense with the status, as all but ATAPI and USB do. Else it is
	 * kept for REQUEST SENSE. Either way command->sense holds it. */
	bool autosense;
	uint32_t max_transfer;		/* bytes of a READ or WRITE; 0: 32 MiB. Told in VPD b0. */
	/* Tells the controller of hot plug, also while no guest runs. May be NULL. */
	void (*changed)(void *opaque, unsigned target, unsigned lun, enum scsi_change change);
	void *opaque;
};

int scsi_bus_new(const struct scsi_bus_options *options, struct scsi_bus **out);
/* No units are attached, no command is in flight. NULL is allowed. */
void scsi_bus_free(struct scsi_bus *bus);

/* The device (of controller_attach: already in the controller's device_host) becomes a unit.
 * -EBUSY: there is one at that address; -EINVAL: no such address; -ENOMEM. */
int scsi_bus_attach(struct scsi_bus *bus, unsigned target, unsigned lun, struct device *device);
/* The lowest target without units, LUN 0. -ENOSPC when all have one. */
int scsi_bus_free_address(const struct scsi_bus *bus, unsigned *target, unsigned *lun);
/* Its commands end with SCSI_GONE, then gone() is called from the loop, after changed(), and the
 * bus has forgotten the device. Commands that come in the meantime find no unit. */
void scsi_bus_detach(struct scsi_bus *bus, struct device *device,
		     void (*gone)(void *opaque, struct device *device), void *opaque);
/* False: not on this bus. */
bool scsi_bus_address(const struct scsi_bus *bus, const struct device *device, unsigned *target,
		      unsigned *lun);
/* The device has another size: unit attention for all initiators, changed(). */
void scsi_bus_resized(struct scsi_bus *bus, struct device *device);
/* Is there a unit in that target? */
bool scsi_bus_has_target(const struct scsi_bus *bus, unsigned target);
/* Prepared and not yet ended. */
unsigned scsi_bus_in_flight(const struct scsi_bus *bus);

/* ------------------------------------------------------------------------------------ commands */

enum scsi_attribute {
	SCSI_SIMPLE,
	SCSI_ORDERED,			/* after all older ones, before all younger ones */
	SCSI_HEAD_OF_QUEUE,
	SCSI_ACA,			/* refused, as there is no ACA */
};

enum scsi_direction {
	SCSI_NO_DATA,
	SCSI_DATA_IN,			/* from the device to the guest */
	SCSI_DATA_OUT,
};

enum scsi_response {
	SCSI_COMPLETE,			/* status and sense hold */
	SCSI_NO_TARGET,			/* nobody answers: selection time-out */
	SCSI_ABORTED,			/* by a task management function */
	SCSI_RESET,			/* by a reset of unit, target or bus */
	SCSI_GONE,			/* by a detach */
};

enum scsi_status {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02,
	SCSI_CONDITION_MET = 0x04,
	SCSI_BUSY = 0x08,
	SCSI_RESERVATION_CONFLICT = 0x18,
	SCSI_TASK_SET_FULL = 0x28,
	SCSI_TASK_ABORTED = 0x40,
};

struct scsi_command {
	/* Filled by the controller before scsi_prepare. */
	unsigned target;
	uint64_t lun;			/* 8 bytes of SAM as a big-endian number: scsi_lun() */
	unsigned initiator;		/* 0 where there is only one */
	uint64_t tag;			/* for task management; unique among the initiator's */
	enum scsi_attribute attribute;
	uint8_t cdb[SCSI_CDB_MAX];
	unsigned cdb_length;		/* bytes given: may be more than the opcode's, not less */
	/* May be called before scsi_submit returns, never from within scsi_prepare. The command and
	 * its iovec are the controller's again. */
	void (*done)(struct scsi_command *cmd);
	void *opaque;

	/* Of scsi_prepare: what the cdb asks for. length is 0 with SCSI_NO_DATA only. */
	enum scsi_direction direction;
	uint64_t length;		/* bytes: allocation, parameter list or transfer length */

	/* When it has ended. */
	enum scsi_response response;
	enum scsi_status status;
	uint8_t sense[SCSI_SENSE_MAX];	/* fixed or descriptor format, as the guest chose */
	unsigned sense_length;		/* 0: none */
	uint64_t transferred;		/* bytes of the iovec, from its start: at most its length */

	/* private */
	struct scsi_bus *bus;
	struct scsi_unit *unit;
	const struct scsi_opcode *opcode;
	struct scsi_command *next, *previous;	/* in the unit's task set, oldest first */
	uint64_t serial;
	uint8_t state;			/* in the task set */
	uint8_t ended;			/* enum scsi_response: task management did */
	bool barrier;			/* older commands first, younger ones later */
	const struct iovec *iov;
	int iovcnt;
	uint64_t room;
	void (*step)(struct scsi_command *cmd);	/* when the device is done */
	struct {			/* progress of what takes several steps */
		uint64_t lba, blocks;	/* what is left */
		uint64_t offset;	/* in the data */
		uint32_t index;
		bool compare, repeat;
		void *buf;
		uint64_t buf_size;
		struct iovec iov;
	} work;
	struct device_request rq;
};

/* A LUN as SAM encodes it, single level: peripheral device format below 256, flat space above. */
uint64_t scsi_lun(unsigned lun);
/* What an encoded LUN names, in either format; -1: another format, or more levels. */
int scsi_lun_decode(uint64_t encoded);

/*
 * Step one: finds the unit, checks the cdb, takes the command into the task set. True: direction
 * and length say what data it wants, go on with scsi_submit (or scsi_drop). False: it has ended,
 * with response, status and sense as they are, without data and without done().
 */
bool scsi_prepare(struct scsi_bus *bus, struct scsi_command *cmd);
/*
 * Step two. iov holds `room` bytes: cmd->length, or less where the guest gave less. It stays until
 * done(). A read fills whole blocks as far as they fit; a write or a parameter list that is not all
 * there is not begun and ends with a CHECK CONDITION. A controller whose protocol has an overrun
 * status compares cmd->length itself and drops the command.
 */
void scsi_submit(struct scsi_command *cmd, const struct iovec *iov, int iovcnt, uint64_t room);
/* Task management or a detach ended it already: what is prepared may be submitted without its data. */
static inline bool scsi_is_ending(const struct scsi_command *cmd)
{
	return cmd->ended != SCSI_COMPLETE;
}
/* Instead of step two: the data cannot be had. The command ends without done(). */
void scsi_drop(struct scsi_command *cmd);

/* Sense that a controller makes itself, in the format of the unit; ends nothing. */
void scsi_set_sense(struct scsi_command *cmd, uint8_t key, uint8_t asc, uint8_t ascq);

/* ----------------------------------------------------------------------------- task management */

enum scsi_function {
	SCSI_ABORT_TASK,
	SCSI_ABORT_TASK_SET,		/* the initiator's, of the unit */
	SCSI_CLEAR_TASK_SET,		/* everybody's, of the unit */
	SCSI_CLEAR_ACA,
	SCSI_LUN_RESET,
	SCSI_TARGET_RESET,
	SCSI_I_T_NEXUS_RESET,		/* ends the initiator's commands in all units of the target */
	SCSI_QUERY_TASK,
	SCSI_QUERY_TASK_SET,
	SCSI_BUS_RESET,			/* all targets; target and lun do not matter */
	SCSI_POWER_ON,			/* the same; what the guest set is forgotten, too */
};

enum scsi_function_response {
	SCSI_FUNCTION_COMPLETE,		/* done; for queries: not there */
	SCSI_FUNCTION_SUCCEEDED,	/* queries: it is there */
	SCSI_FUNCTION_REJECTED,		/* not supported */
	SCSI_FUNCTION_INCORRECT_LUN,
	SCSI_FUNCTION_NO_TARGET,
};

struct scsi_task {
	enum scsi_function function;
	unsigned target;
	uint64_t lun;			/* encoded */
	unsigned initiator;
	uint64_t tag;			/* ABORT TASK, QUERY TASK */
	void (*done)(struct scsi_task *task);
	void *opaque;

	enum scsi_function_response response;

	/* private */
	struct scsi_task *next;
	struct scsi_unit *unit;
	uint64_t serial;		/* it covers older commands */
};

/*
 * The task is the bus's until done(), which comes from the loop, never from within: then all
 * commands that it covers have ended (their done() was called). Commands that were prepared but not
 * submitted count: they end when the controller submits or drops them. Commands that come while a
 * reset is under way wait for its end.
 */
void scsi_manage(struct scsi_bus *bus, struct scsi_task *task);

#endif
