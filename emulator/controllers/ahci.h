/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahci.h - between the files of the AHCI controller (AHCI 1.3.1, Serial ATA 3.x).
 *
 *	ahci.c		what a PCI function has, generic registers, interrupts, reset, hot plug
 *	ahci-port.c	registers of a port: command engine, link, error recovery
 *	ahci-command.c	command list to drive and back, frames (FIS) to the guest's memory
 *
 * A port ends what is in flight in one way, ahci_port_halt(): clearing PxCMD.ST, COMRESET, software
 * reset, unplugging and resets of all go through it. While port->halting, PxCMD.CR stays set, or
 * GHC.HR, and nothing is begun.
 */
#ifndef VIMG_AHCI_H
#define VIMG_AHCI_H

#include "ata/ata.h"
#include "controllers/controller.h"

#define AHCI_PORTS 30u		/* most */
#define AHCI_SLOTS 32u

/* PxCMD. */
#define CMD_ST (1u << 0)
#define CMD_SUD (1u << 1)
#define CMD_POD (1u << 2)
#define CMD_CLO (1u << 3)
#define CMD_FRE (1u << 4)
#define CMD_CCS_SHIFT 8
#define CMD_FR (1u << 14)
#define CMD_CR (1u << 15)
#define CMD_HPCP (1u << 18)

/* PxIS and PxIE. */
#define IS_DHRS (1u << 0)
#define IS_PSS (1u << 1)
#define IS_DSS (1u << 2)
#define IS_SDBS (1u << 3)
#define IS_DPS (1u << 5)
#define IS_PCS (1u << 6)
#define IS_PRCS (1u << 22)
#define IS_OFS (1u << 24)
#define IS_IFS (1u << 27)
#define IS_HBFS (1u << 29)
#define IS_TFES (1u << 30)
#define IS_ALL 0xfdc000ffu

/* PxSERR. */
#define SERR_PROTOCOL (1u << 10)
#define SERR_PHY_CHANGED (1u << 16)
#define SERR_EXCHANGED (1u << 26)

#define NO_SLOT (-1)
#define TFD_NOTHING 0x7fu	/* no drive */
#define SIGNATURE_NONE 0xffffffffu
#define SIGNATURE_DISK 0x00000101u

struct ahci;
struct ahci_port;

/* A command from its slot's header to its end. */
struct ahci_slot {
	struct ata_command cmd;
	struct dma dma;
	struct ahci_port *port;
	uint64_t header;		/* address */
	uint64_t charged;		/* memory of ours that its data may take */
	bool active;
	bool signals;			/* a range of its table wants an interrupt */
};

struct ahci_port {
	struct ahci *hba;
	unsigned number;
	struct device *device;
	struct ata_drive drive;
	struct ahci_slot *slot;		/* AHCI_SLOTS */

	/* Registers. */
	uint64_t clb, fb;
	uint32_t is, ie, cmd, tfd, sig, sctl, serr, sact, ci;

	bool link;			/* device and phy are there and see each other */
	bool running;			/* PxCMD.CR */
	bool failed;			/* begins nothing until ST is cleared */
	bool soft_reset;		/* between the two frames */
	bool signature_due;		/* the drive sends it when it is idle */
	bool signature_held;		/* sent, but FRE was off */

	unsigned active;		/* slots */
	int busy;			/* the slot of a command that is not queued */
	unsigned next;			/* slot to look at first */
	struct dma_budget budget;	/* of its commands */
	uint32_t held;			/* slots whose command waits for the budget */
	unsigned held_first;		/* of them */
	uint32_t finished;		/* tags that the guest is not told of yet */
	bool issuing;

	bool halting, quiesced, detaching;
	struct device_quiesce quiesce;
};

struct ahci {
	struct controller c;
	unsigned ports;
	bool staggered;
	uint32_t cap, ghc, is;
	uint32_t index;			/* of the index/data pair */
	struct ahci_port *port;
	struct ahci_slot *slots;
	bool resetting, pci_reset;

	struct loop_task round;
	bool edge;			/* something new to interrupt for */
};

/* ahci.c: something in the port's interrupt registers changed; the end of this round looks at it. */
void ahci_interrupt(struct ahci_port *p);
/* A port is idle now. */
void ahci_port_is_idle(struct ahci_port *p);

/* ahci-port.c */
uint32_t ahci_port_read(struct ahci_port *p, unsigned offset);
void ahci_port_write(struct ahci_port *p, unsigned offset, uint32_t value);
/* PxIS with the bits that mirror PxSERR. */
uint32_t ahci_port_is(const struct ahci_port *p);
void ahci_port_raise(struct ahci_port *p, uint32_t bits);
/* An error after which the port begins nothing until the guest clears ST. */
void ahci_port_fail(struct ahci_port *p, uint32_t bits);
/* Ends what is in flight. Afterwards, or when p->halting is off on return, all is idle. */
void ahci_port_halt(struct ahci_port *p);
/* The same also when no slot is active: the device may be busy with what no command asked for. */
void ahci_port_end_all(struct ahci_port *p);
void ahci_port_slot_ended(struct ahci_port *p);
void ahci_port_link_up(struct ahci_port *p);
void ahci_port_link_down(struct ahci_port *p);
/* Registers as after power-on; idle. */
void ahci_port_power_on(struct ahci_port *p);
void ahci_port_stop(struct ahci_port *p);

/* ahci-command.c */
void ahci_slot_init(struct ahci_port *p, struct ahci_slot *s);
void ahci_port_issue(struct ahci_port *p);
/* Tells the guest of the queued commands that have finished. */
void ahci_port_report(struct ahci_port *p);
void ahci_port_send_signature(struct ahci_port *p);

#endif
