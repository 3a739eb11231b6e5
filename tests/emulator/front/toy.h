/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * toy.h - a controller for tests of front ends: memory that it copies from and to the guest,
 * interrupts on demand, resets that take as long as they are told to.
 */
#ifndef VIMG_TEST_TOY_H
#define VIMG_TEST_TOY_H

#include "controllers/controller.h"

#define TOY_BUFFER (2u << 20)
#define TOY_VECTORS 64u			/* of MSI-X; 8 of MSI */

/* Registers of BAR 0. 32 bits unless said otherwise. */
enum {
	TOY_SCRATCH = 0x00,		/* 64 bits, and the 56 bytes behind it: what was written */
	TOY_LEVEL = 0x40,		/* of INTx */
	TOY_MESSAGE = 0x44,		/* written: a message of that vector */
	TOY_ADDRESS = 0x48,		/* 64 bits */
	TOY_LENGTH = 0x50,		/* 64 bits */
	TOY_GO = 0x58,			/* of enum toy_go */
	TOY_STATUS = 0x5c,		/* of enum toy_status */
	TOY_ERROR = 0x60,		/* errno of the last copy */
	TOY_SLOW_RESET = 0x64,		/* 1: the next reset is over when toy_end_reset() says */
	TOY_PEEK = 0x68,		/* read: the byte at TOY_ADDRESS, which must be mapped */
	TOY_RESETS = 0x6c,		/* survives resets */
	TOY_LONGEST = 0x70,		/* access seen */
	TOY_DISK = 0x74,		/* written: 512 bytes of it to the first disk */
};
#define TOY_MSIX_TABLE 0x1000
#define TOY_MSIX_PBA 0x2000

enum toy_go { TOY_FETCH = 1, TOY_STORE, TOY_FETCH_AND_HOLD, TOY_LET_GO };
enum toy_status { TOY_IDLE, TOY_BUSY, TOY_HOLDING, TOY_DONE, TOY_FAILED };

struct toy {
	struct controller c;
	uint8_t scratch[64];
	uint64_t address, length;
	uint32_t status, error, resets, longest, vector;
	bool slow_reset, reset_waits, peeked;
	struct dma dma;
	uint8_t *buffer;		/* TOY_BUFFER bytes */
	struct device *device[8];
	uint8_t block[512];
	struct iovec iov;
	struct device_request write;
	bool writing;
	struct device_quiesce quiesce;
	struct device *leaving;
};

extern const struct controller_type toy_type;
void toy_end_reset(struct toy *t);

#endif
