/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib-ahci.h - a small driver for the tests of the AHCI controller and the ATA command set: command
 * lists and received frames in the in-process front end's memory.
 *
 * Each port has its command list, received frames, and for each slot a command table and 1 MiB for
 * data (slot 0 of port 0 has its at DATA).
 */
#ifndef LIB_AHCI_H
#define LIB_AHCI_H

#include "bytes.h"
#include "checked.h"
#include "controllers/ahci.h"
#include "emulator-test.h"
#include "front/in_process.h"

#define DISK_SIZE (8u << 20)
#define SECTORS (DISK_SIZE / 512)
#define LIST 0x10000u
#define TABLES 0x100000u
#define DATA 0x1000000u
#define DATA_SIZE 0x100000u
#define MEMORY (64u << 20)

enum { R_CAP = 0x00, R_GHC = 0x04, R_IS = 0x08, R_PI = 0x0c, R_VS = 0x10 };
enum {
	P_CLB = 0x00, P_CLBU = 0x04, P_FB = 0x08, P_FBU = 0x0c, P_IS = 0x10, P_IE = 0x14,
	P_CMD = 0x18, P_TFD = 0x20, P_SIG = 0x24, P_SSTS = 0x28, P_SCTL = 0x2c, P_SERR = 0x30,
	P_SACT = 0x34, P_CI = 0x38,
};
#define GHC_HR 1u
#define GHC_IE 2u

enum {
	READ_SECTORS = 0x20, READ_SECTORS_EXT = 0x24, READ_DMA_EXT = 0x25, READ_MULTIPLE = 0xc4,
	READ_MULTIPLE_EXT = 0x29, READ_DMA = 0xc8, READ_LOG = 0x2f, READ_LOG_DMA = 0x47,
	WRITE_SECTORS = 0x30, WRITE_SECTORS_EXT = 0x34, WRITE_DMA_EXT = 0x35, WRITE_MULTIPLE = 0xc5,
	WRITE_MULTIPLE_EXT = 0x39, WRITE_DMA = 0xca, WRITE_DMA_FUA = 0x3d, READ_QUEUED = 0x60,
	WRITE_QUEUED = 0x61, VERIFY = 0x40, VERIFY_EXT = 0x42, FLUSH = 0xe7, FLUSH_EXT = 0xea,
	TRIM = 0x06, IDENTIFY = 0xec, SET_FEATURES = 0xef, SET_MULTIPLE = 0xc6, SMART = 0xb0,
};

struct sata {
	struct in_process *p;
	struct device *device;		/* of port 0 */
	unsigned port;			/* which the calls below mean */
};

struct prd {
	uint64_t address;
	uint32_t length;		/* 0 ends the list */
	bool interrupt;
};

/* What a test wants of a command; all else is as a driver has it. */
struct command {
	uint8_t command, device;
	uint16_t features, count;
	uint64_t lba;
	const struct prd *prd;		/* NULL: one range, the slot's, of `length` */
	uint32_t length;
	bool raw_device;		/* device is all of the register, without the LBA bit */
};

/* A controller; a disk in port 0 unless `disk` is NULL; its engine runs and interrupts are on.
 * device options may be NULL. */
void sata_new(struct sata *s, struct vd_disk *disk, const struct device_options *o);
void sata_new_with(struct sata *s, const struct in_process_options *o);
void sata_free(struct sata *s);
/* Tables, FRE, ST, interrupts. */
void sata_start(struct sata *s);
/* Clears ST and waits for CR. */
void sata_stop(struct sata *s);

uint32_t reg(struct sata *s, uint32_t offset);
void set_reg(struct sata *s, uint32_t offset, uint32_t value);
uint32_t port_reg(struct sata *s, uint32_t offset);
void set_port_reg(struct sata *s, uint32_t offset, uint32_t value);
uint8_t *at(struct sata *s, uint64_t address);
uint64_t header_at(struct sata *s, unsigned slot), table_at(struct sata *s, unsigned slot);
uint64_t data_at(struct sata *s, unsigned slot);
/* Received frames. */
uint8_t *received(struct sata *s, unsigned offset);
void turn(struct sata *s, unsigned ms);

/* Fills the slot in. */
void put(struct sata *s, unsigned slot, const struct command *c);
/* SACT (for queued ones), CI. */
void issue(struct sata *s, uint32_t slots, bool queued);
/* Until none of the slots is active any more, or an error stops the port: its status and error
 * bits are given back (TFD). */
uint32_t wait_for(struct sata *s, uint32_t slots);
/* All of that in slot 0, and for a command that failed what makes the port go on. Returns TFD. */
uint32_t run(struct sata *s, const struct command *c);
/* Of the same kind, queued, in a slot. */
uint32_t run_queued(struct sata *s, unsigned slot, const struct command *c);
/* Bytes moved as the last command of slot 0 has it. */
uint32_t moved(struct sata *s);
/* Recovery after an error: ST off and on. */
void recover(struct sata *s);
/* A pattern that differs from sector to sector and by seed. */
void fill(uint8_t *buf, size_t n, unsigned seed);
bool filled(const uint8_t *buf, size_t n, unsigned seed);

#define OK 0x50u
#define FAILED(error) (0x51u | (error) << 8)

#endif
