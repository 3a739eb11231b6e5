/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unit.h - inside scsi/: logical units, the tables of commands, sense.
 *
 * A device type (SBC disks; MMC drives) is one const struct scsi_type: its table of commands, its
 * VPD pages, its mode pages. What all types share is in spc.c, inquiry.c, mode.c and opcodes.c.
 */
#ifndef VIMG_SCSI_UNIT_H
#define VIMG_SCSI_UNIT_H

#include <errno.h>
#include <stddef.h>

#include "bytes.h"
#include "checked.h"
#include "core/dma.h"
#include "scsi/scsi.h"

/* --------------------------------------------------------------------------------------- sense */

enum {
	NO_SENSE, RECOVERED_ERROR, NOT_READY, MEDIUM_ERROR, HARDWARE_ERROR, ILLEGAL_REQUEST,
	UNIT_ATTENTION, DATA_PROTECT, BLANK_CHECK, VENDOR_SPECIFIC, COPY_ABORTED, ABORTED_COMMAND,
	VOLUME_OVERFLOW = 13, MISCOMPARE,
};

/* ASC and ASCQ in one number, as SPC's table lists them. */
#define ASC_NONE			0x0000
#define ASC_BECOMING_READY		0x0401
#define ASC_NEED_START			0x0402
#define ASC_WRITE_ERROR			0x0c00
#define ASC_READ_ERROR			0x1100
#define ASC_PARAMETER_LIST_LENGTH	0x1a00
#define ASC_MISCOMPARE			0x1d00
#define ASC_INVALID_OPCODE		0x2000
#define ASC_LBA_OUT_OF_RANGE		0x2100
#define ASC_INVALID_FIELD_IN_CDB	0x2400
#define ASC_NO_UNIT			0x2500
#define ASC_INVALID_FIELD_IN_LIST	0x2600
#define ASC_WRITE_PROTECTED		0x2700
#define ASC_SOFTWARE_WRITE_PROTECTED	0x2702
#define ASC_NO_SPACE			0x2707
#define ASC_POWER_ON			0x2901
#define ASC_BUS_RESET			0x2902
#define ASC_DEVICE_RESET		0x2903
#define ASC_NEXUS_LOSS			0x2907
#define ASC_MODE_CHANGED		0x2a01
#define ASC_CAPACITY_CHANGED		0x2a09
#define ASC_COMMANDS_CLEARED		0x2f00
#define ASC_NO_SAVING			0x3900
#define ASC_LUNS_CHANGED		0x3f0e
#define ASC_TARGET_FAILURE		0x4400
#define ASC_INVALID_MESSAGE		0x4900
#define ASC_DATA_PHASE_ERROR		0x4b00

struct sense {
	uint8_t key;
	uint16_t asc;			/* with the qualifier */
	bool has_information, has_field;
	uint64_t information;		/* an LBA, an offset */
	uint8_t field[3];		/* sense key specific */
};

#define SENSE_ROOM 32			/* of either format */
unsigned sense_build(const struct sense *s, bool descriptor, uint8_t *out);

/* CHECK CONDITION of that kind; false, for `return` in prepare functions. The command still has to
 * be ended by who runs it. */
bool refuse(struct scsi_command *cmd, uint8_t key, uint16_t asc);
bool refuse_at(struct scsi_command *cmd, uint8_t key, uint16_t asc, uint64_t information);
/* ILLEGAL REQUEST with a pointer to the byte, and the bit if it is not negative. */
bool refuse_cdb(struct scsi_command *cmd, unsigned byte, int bit);
bool refuse_list(struct scsi_command *cmd, unsigned byte, int bit);
/* What a device request's status means. */
bool refuse_io(struct scsi_command *cmd, enum device_op op, int error, uint64_t lba);

/* --------------------------------------------------------------------------------------- units */

/* In the order in which they are reported. */
enum attention {
	ATTENTION_POWER_ON, ATTENTION_BUS_RESET, ATTENTION_DEVICE_RESET, ATTENTION_NEXUS_LOSS,
	ATTENTION_CLEARED, ATTENTION_MODE, ATTENTION_CAPACITY, ATTENTION_LUNS,
	ATTENTIONS,
};

struct initiator {
	uint16_t attentions;		/* bits of enum attention */
	bool prevents_removal;
	struct sense sense;		/* without autosense: for REQUEST SENSE */
};

struct scsi_unit {
	struct scsi_bus *bus;
	struct scsi_unit *next;		/* in the bus, by target and LUN */
	unsigned target, lun;
	struct device *device;		/* NULL: the unit that answers for absent ones */
	const struct scsi_type *type;
	struct initiator initiator[SCSI_INITIATORS_MAX];

	/* What the guest set. */
	bool write_cache, descriptor_sense, write_protect;
	bool stopped;
	int reserved_by;		/* initiator; -1 */

	/* The task set, oldest first. */
	struct scsi_command *first, *last;
	struct scsi_command *cursor;	/* of the walk under way */
	unsigned held;			/* commands that wait in it */
	unsigned barriers;		/* ordered and exclusive commands in it */
	struct loop_task kick;		/* looks at the held ones */

	bool resetting;			/* the device is being quiesced: all are held */
	bool gone;			/* detached: cannot be found any more */
	struct device_quiesce quiesce;
	void (*gone_callback)(void *opaque, struct device *device);
	void *gone_opaque;
};

struct scsi_bus {
	struct scsi_bus_options options;
	struct scsi_unit *units;
	struct scsi_unit *recent;	/* found last */
	struct scsi_unit absent;
	struct scsi_task *tasks;
	struct loop_task check_tasks;
	uint64_t serial;
	unsigned in_flight;
};

static inline unsigned initiators(const struct scsi_bus *bus)
{
	return bus->options.initiators;
}

struct scsi_unit *unit_find(struct scsi_bus *bus, unsigned target, uint64_t lun);
/* For all initiators but one (-1: for all). */
void unit_attention(struct scsi_unit *u, enum attention a, int but);
/* Takes the most urgent one; false: there is none. */
bool unit_take_attention(struct scsi_unit *u, unsigned initiator, struct sense *out);
/* What resets and power-on bring back. */
void unit_defaults(struct scsi_unit *u, bool power_on);
bool unit_is_write_protected(const struct scsi_unit *u);
uint32_t unit_block_size(const struct scsi_unit *u);
uint64_t unit_blocks(const struct scsi_unit *u);
/* Detached, and its last command has ended: says so and frees it. */
void unit_check_gone(struct scsi_unit *u);
/* Several controllers may show the medium: nothing that holds for one only may be promised. */
bool unit_is_shared(const struct scsi_unit *u);

/* ------------------------------------------------------------------------------------- commands */

/* Of scsi_command.state. */
enum { STATE_IDLE, STATE_PREPARED, STATE_HELD, STATE_RUNNING };

enum opcode_flag {
	EVEN_ABSENT = 1 << 0,		/* answered for units that are not there */
	EVEN_ATTENTION = 1 << 1,	/* goes before unit attentions */
	EVEN_RESERVED = 1 << 2,		/* although another initiator reserved the unit */
	NEEDS_READY = 1 << 3,		/* not while stopped */
	WRITES = 1 << 4,		/* not on write-protected media */
	EXCLUSIVE = 1 << 5,		/* nothing else of the unit runs beside it */
	IF_DISCARD = 1 << 6,		/* only there with thin provisioning */
	IF_PRIVATE = 1 << 7,		/* not there on media that several controllers show */
};

struct scsi_opcode {
	uint8_t opcode, length;
	int8_t service;			/* action, in byte 1; -1: none */
	uint8_t timeout;		/* recommended, seconds; 0: not told */
	unsigned flags;
	uint8_t usage[16];		/* of the CDB: the bits that may be set */
	/* Checks the cdb, says what data it wants. False: ended with a status. NULL: without data. */
	bool (*prepare)(struct scsi_command *cmd);
	/* Begins; scsi_end() is called in the end, perhaps from within. Data out is all there. */
	void (*run)(struct scsi_command *cmd);
};

struct vpd_page {
	uint8_t code;
	/* Writes what follows the 4-byte header, returns its length. */
	unsigned (*build)(const struct scsi_unit *u, uint8_t *out);
};

struct mode_page {
	uint8_t code, subcode, length;	/* of what follows the header (2 bytes; 4 with a subcode) */
	/* Writes what follows the header. `which`: current, changeable or default. */
	void (*build)(const struct scsi_unit *u, uint8_t *out, unsigned which);
	/* Takes values that differ in changeable bits only. NULL: nothing is changeable. */
	void (*apply)(struct scsi_unit *u, const uint8_t *in);
};
enum { MODE_CURRENT, MODE_CHANGEABLE, MODE_DEFAULT, MODE_SAVED };

struct scsi_type {
	uint8_t peripheral;		/* of INQUIRY */
	bool removable;
	uint16_t versions[4];		/* descriptors; 0 ends */
	const struct scsi_opcode *opcodes;
	unsigned opcode_count;
	const struct vpd_page *vpd;
	unsigned vpd_count;
	const struct mode_page *mode;
	unsigned mode_count;
	/* The device-specific byte of mode parameter headers. */
	uint8_t (*mode_flags)(const struct scsi_unit *u);
};

extern const struct scsi_type scsi_disk;	/* sbc.c */
extern const struct scsi_type scsi_absent;	/* spc.c */

/* tasks.c: starts what was held; the command ends soon, with that response. */
void task_set_kick(void *unit);
void command_abort(struct scsi_command *cmd, enum scsi_response why);
/* manage.c: ends the device's I/O, holds commands until that is done; looks which tasks are done;
 * the unit is about to be freed. */
void unit_quiesce(struct scsi_unit *u);
void tasks_check(void *bus);
void tasks_forget_unit(struct scsi_bus *bus, const struct scsi_unit *u);

/* Ends a running command with the status it has; done() is called. */
void scsi_end(struct scsi_command *cmd);
/* Ends with these bytes, cut to what was asked for and what there is room for. */
void scsi_answer(struct scsi_command *cmd, const void *buf, uint64_t n);
/* The device's part: rq is filled but for done and opaque. When it is done: status first, then
 * next(); a command that was ended in the meantime never gets there. */
void scsi_io(struct scsi_command *cmd, void (*next)(struct scsi_command *cmd));
/* The entry of the cdb; NULL: none, *known says whether it is the service action that is wrong. */
const struct scsi_opcode *opcode_find(const struct scsi_unit *u, const uint8_t *cdb, bool *known);
bool opcode_is_there(const struct scsi_unit *u, const struct scsi_opcode *o);
/* 6 to 16-byte cdbs: length by the group code. */
unsigned cdb_length(uint8_t opcode);

static inline bool want_in(struct scsi_command *cmd, uint64_t length)
{
	cmd->direction = length ? SCSI_DATA_IN : SCSI_NO_DATA;
	cmd->length = length;
	return true;
}

static inline bool want_out(struct scsi_command *cmd, uint64_t length)
{
	cmd->direction = length ? SCSI_DATA_OUT : SCSI_NO_DATA;
	cmd->length = length;
	return true;
}

/* ------------------------------------------------------- what the types' tables are made of */

/* spc.c */
void run_good(struct scsi_command *cmd);
bool prepare_request_sense(struct scsi_command *cmd);
void run_request_sense(struct scsi_command *cmd);
bool prepare_report_luns(struct scsi_command *cmd);
void run_report_luns(struct scsi_command *cmd);
bool prepare_send_diagnostic(struct scsi_command *cmd);
bool prepare_log_sense(struct scsi_command *cmd);
void run_log_sense(struct scsi_command *cmd);
void run_reserve(struct scsi_command *cmd);
void run_release(struct scsi_command *cmd);
void run_prevent_removal(struct scsi_command *cmd);

/* inquiry.c */
bool prepare_inquiry(struct scsi_command *cmd);
void run_inquiry(struct scsi_command *cmd);
unsigned vpd_serial(const struct scsi_unit *u, uint8_t *out);
unsigned vpd_identification(const struct scsi_unit *u, uint8_t *out);

/* mode.c */
bool prepare_mode_sense(struct scsi_command *cmd);
void run_mode_sense(struct scsi_command *cmd);
bool prepare_mode_select(struct scsi_command *cmd);
void run_mode_select(struct scsi_command *cmd);
/* sbc.c: what was written is durable when next() is called. */
void scsi_flush(struct scsi_command *cmd, void (*next)(struct scsi_command *cmd));
void mode_control(const struct scsi_unit *u, uint8_t *out, unsigned which);
void mode_control_apply(struct scsi_unit *u, const uint8_t *in);
void mode_exceptions(const struct scsi_unit *u, uint8_t *out, unsigned which);

/* opcodes.c */
bool prepare_report_opcodes(struct scsi_command *cmd);
void run_report_opcodes(struct scsi_command *cmd);
bool prepare_report_functions(struct scsi_command *cmd);
void run_report_functions(struct scsi_command *cmd);

/* sbc-verify.c, sbc-ranges.c: what is not plain reading and writing */
bool prepare_verify(struct scsi_command *cmd);
void run_verify(struct scsi_command *cmd);
bool prepare_write_verify(struct scsi_command *cmd);
void run_write_verify(struct scsi_command *cmd);
bool prepare_compare_write(struct scsi_command *cmd);
void run_compare_write(struct scsi_command *cmd);
bool prepare_unmap(struct scsi_command *cmd);
void run_unmap(struct scsi_command *cmd);
bool prepare_write_same(struct scsi_command *cmd);
void run_write_same(struct scsi_command *cmd);
bool prepare_lba_status(struct scsi_command *cmd);
void run_lba_status(struct scsi_command *cmd);

/* sbc.c: the LBA and the number of blocks of the cdb into cmd->work, checked against the medium. */
bool prepare_range(struct scsi_command *cmd);
/* And that much data, as far as the controller takes it. */
bool prepare_transfer(struct scsi_command *cmd, enum scsi_direction direction);
/* VD_FUA while the cache is off. */
unsigned sbc_write_flags(const struct scsi_command *cmd);

#define SBC_MAX_UNMAP_DESCRIPTORS 256u
#define SBC_MAX_UNMAP_BLOCKS 0xffffffffu
#define SBC_MAX_SAME_BLOCKS 0x200000u	/* 1 GiB */
#define SBC_MAX_COMPARE_BLOCKS 128u

#endif
