/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-script.h - what the fuzz targets of controllers share: a guest that does what the input says.
 *
 * The input is a script: a byte that says what, then its parameters, little-endian; past its end all
 * are 0. Numbers of steps and the layout of their parameters are those of the seeds in corpus/, so
 * they stay as they are; a new step goes behind a target's last.
 */
#ifndef GUEST_SCRIPT_H
#define GUEST_SCRIPT_H

#include "emulator-test.h"
#include "front/in_process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GUEST_MEMORY (1u << 20)
#define GUEST_DISK (256u << 10)		/* bytes of each disk */

/* The guest of a script about a controller. */
extern struct guest {
	struct in_process *p;
	struct vd_storage *stall;	/* of the second disk */
	struct device *third;		/* a disk that comes and goes; NULL: it is away */
	const char *third_address;
	bool mapped;			/* its memory */
} guest;

/* Steps with the same meaning for every controller, by their distance from the first one. */
enum guest_step {
	GUEST_MEMORY_BYTES, GUEST_TURN, GUEST_STALL, GUEST_PLUG, GUEST_RESET, GUEST_MAPPING,
	GUEST_CONFIG,
	GUEST_READ,			/* of registers: the target's own */
	GUEST_IRQ, GUEST_STEPS
};
void guest_step(enum guest_step what);

/* The script, whoever acts it: step() takes a byte and what belongs to it. */
void guest_script(const uint8_t *data, size_t size);
void guest_play(void (*step)(void));
uint64_t guest_take(unsigned bytes);
size_t guest_left(void);		/* bytes of it */
/* Three bytes, or eleven: inside memory, mostly; else remote, or anything. */
uint64_t guest_address(void);

/* Connected, with disks at three addresses. */
void guest_start(const struct in_process_options *o, const char *const address[3]);
void guest_map(bool on);
/* Into its memory; what does not lie in it is left out. */
void guest_put(uint64_t address, const void *bytes, uint32_t n);
/* Zeros, in memory, on a storage that can be made to stall. */
struct vd_disk *guest_stalling_disk(uint64_t size, struct vd_storage **stall);

#endif
