/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ahci-port.c - registers of a port (AHCI 1.3.1, 3.3): command engine, link, error recovery. */
#include "controllers/ahci.h"

enum {
	P_CLB = 0x00, P_CLBU = 0x04, P_FB = 0x08, P_FBU = 0x0c, P_IS = 0x10, P_IE = 0x14,
	P_CMD = 0x18, P_TFD = 0x20, P_SIG = 0x24, P_SSTS = 0x28, P_SCTL = 0x2c, P_SERR = 0x30,
	P_SACT = 0x34, P_CI = 0x38,
};

#define CMD_WRITABLE (CMD_ST | CMD_FRE | 1u << 24)	/* and ATAPI, a light only */
#define SCTL_DET 0xfu
#define SCTL_WRITABLE 0xfffu
#define DET_NOTHING 0u
#define DET_COMRESET 1u
#define DET_OFF 4u
#define SSTS_UP 0x123u		/* active, 3 Gb/s, communication established */

static void port_idle(struct ahci_port *p);

/* ------------------------------------------------------------------------------------ interrupts */

uint32_t ahci_port_is(const struct ahci_port *p)
{
	uint32_t is = p->is;

	if (p->serr & SERR_EXCHANGED)
		is |= IS_PCS;
	if (p->serr & SERR_PHY_CHANGED)
		is |= IS_PRCS;
	return is;
}

void ahci_port_raise(struct ahci_port *p, uint32_t bits)
{
	p->is |= bits;
	ahci_interrupt(p);
}

void ahci_port_fail(struct ahci_port *p, uint32_t bits)
{
	p->failed = true;
	for (unsigned i = 0; i < AHCI_SLOTS; i++)
		if (p->slot[i].active)
			ata_cancel(&p->slot[i].cmd);
	ahci_port_raise(p, bits);
}

/* ------------------------------------------------------------------------------------- what ends */

static void halted(struct ahci_port *p)
{
	p->halting = p->quiesced = false;
	device_resume(p->device);
	port_idle(p);
}

static void check_halted(struct ahci_port *p)
{
	if (p->halting && p->quiesced && !p->active)
		halted(p);
}

static void quiesced(void *opaque)
{
	struct ahci_port *p = opaque;

	p->quiesced = true;
	check_halted(p);
}

void ahci_port_halt(struct ahci_port *p)
{
	if (p->halting)
		return;
	if (!p->active) {
		p->finished = 0;
		p->busy = NO_SLOT;
		return;
	}
	ahci_port_end_all(p);
}

void ahci_port_end_all(struct ahci_port *p)
{
	p->halting = true;
	p->quiesced = false;
	p->quiesce = (struct device_quiesce){ .done = quiesced, .opaque = p };
	device_quiesce(p->device, &p->quiesce);
}

void ahci_port_slot_ended(struct ahci_port *p)
{
	p->active--;
	check_halted(p);
}

/* The engine follows ST when nothing holds it. */
static void follow_start(struct ahci_port *p)
{
	if (p->halting || p->hba->resetting)
		return;
	p->running = p->cmd & CMD_ST;
	ahci_port_issue(p);
}

/* What waited for the end of the last command. */
static void port_idle(struct ahci_port *p)
{
	p->busy = NO_SLOT;
	p->finished = 0;
	ahci_port_is_idle(p);
	if (p->signature_due && !p->halting)
		ahci_port_send_signature(p);
	follow_start(p);
}

/* --------------------------------------------------------------------------------------- the link */

static unsigned detection(const struct ahci_port *p)
{
	return p->sctl & SCTL_DET;
}

void ahci_port_link_up(struct ahci_port *p)
{
	if (p->link || !p->device || p->detaching || detection(p) != DET_NOTHING ||
	    !(p->cmd & CMD_SUD))
		return;
	p->link = true;
	p->tfd = ATA_BSY;
	p->serr |= SERR_EXCHANGED;
	ahci_interrupt(p);
	p->signature_due = true;
	if (!p->halting)
		ahci_port_send_signature(p);
}

void ahci_port_link_down(struct ahci_port *p)
{
	/* Commands that were given before are not the new link's. */
	if (p->cmd & CMD_ST && (p->active || p->ci))
		p->failed = true;
	p->link = p->soft_reset = p->signature_due = p->signature_held = false;
	p->tfd = TFD_NOTHING;
	p->sig = SIGNATURE_NONE;
	ahci_port_halt(p);
}

static void write_control(struct ahci_port *p, uint32_t value)
{
	unsigned before = detection(p);

	p->sctl = value & SCTL_WRITABLE;
	if (detection(p) == before)
		return;
	if (detection(p) == DET_NOTHING)
		ahci_port_link_up(p);
	else
		ahci_port_link_down(p);
}

static uint32_t read_status(const struct ahci_port *p)
{
	if (p->link)
		return SSTS_UP;
	return detection(p) == DET_OFF ? 4 : 0;
}

/* ------------------------------------------------------------------------------- command register */

static uint32_t read_command(const struct ahci_port *p)
{
	uint32_t cmd = p->cmd | CMD_POD | CMD_HPCP;

	if (p->running) {
		cmd |= CMD_CR;
		cmd |= (p->busy == NO_SLOT ? p->next : (unsigned)p->busy) << CMD_CCS_SHIFT;
	}
	if (p->cmd & CMD_FRE)
		cmd |= CMD_FR;
	return cmd;
}

static void stop(struct ahci_port *p)
{
	p->ci = p->sact = p->held = 0;
	p->failed = false;
	p->next = 0;
	ahci_port_halt(p);
	follow_start(p);
}

static void write_command(struct ahci_port *p, uint32_t value)
{
	uint32_t before = p->cmd, writable = CMD_WRITABLE;

	if (p->hba->staggered)
		writable |= CMD_SUD;
	/* What else can be written has no effect: power and the interface's power states. */
	p->cmd = (p->cmd & ~writable) | (value & writable);
	if (value & CMD_CLO && !(p->cmd & CMD_ST) && p->link)
		p->tfd &= ~(ATA_BSY | ATA_DRQ);
	if (~before & p->cmd & CMD_SUD)
		ahci_port_link_up(p);
	if (before & ~p->cmd & CMD_SUD)
		ahci_port_link_down(p);
	if (~before & p->cmd & CMD_FRE && p->signature_held)
		ahci_port_send_signature(p);
	if (before & ~p->cmd & CMD_ST)
		stop(p);
	else
		follow_start(p);
}

/* ------------------------------------------------------------------------------------- registers */

uint32_t ahci_port_read(struct ahci_port *p, unsigned offset)
{
	switch (offset) {
	case P_CLB:
		return (uint32_t)p->clb;
	case P_CLBU:
		return (uint32_t)(p->clb >> 32);
	case P_FB:
		return (uint32_t)p->fb;
	case P_FBU:
		return (uint32_t)(p->fb >> 32);
	case P_IS:
		return ahci_port_is(p);
	case P_IE:
		return p->ie;
	case P_CMD:
		return read_command(p);
	case P_TFD:
		return p->tfd;
	case P_SIG:
		return p->sig;
	case P_SSTS:
		return read_status(p);
	case P_SCTL:
		return p->sctl;
	case P_SERR:
		return p->serr;
	case P_SACT:
		return p->sact;
	case P_CI:
		return p->ci;
	}
	return 0;
}

static void put_low(uint64_t *to, uint32_t value)
{
	*to = (*to & ~0xffffffffull) | value;
}

static void put_high(uint64_t *to, uint32_t value)
{
	*to = (*to & 0xffffffff) | (uint64_t)value << 32;
}

void ahci_port_write(struct ahci_port *p, unsigned offset, uint32_t value)
{
	switch (offset) {
	case P_CLB:
		put_low(&p->clb, value & ~0x3ffu);
		break;
	case P_CLBU:
		put_high(&p->clb, value);
		break;
	case P_FB:
		put_low(&p->fb, value & ~0xffu);
		break;
	case P_FBU:
		put_high(&p->fb, value);
		break;
	case P_IS:
		p->is &= ~value;
		break;
	case P_IE:
		p->ie = value & IS_ALL;
		ahci_interrupt(p);
		break;
	case P_CMD:
		write_command(p, value);
		break;
	case P_SCTL:
		write_control(p, value);
		break;
	case P_SERR:
		p->serr &= ~value;
		break;
	case P_SACT:
		if (p->cmd & CMD_ST)
			p->sact |= value;
		break;
	case P_CI:
		if (p->cmd & CMD_ST) {
			p->ci |= value;
			ahci_port_issue(p);
		}
		break;
	}
}

/* ----------------------------------------------------------------------------------------- resets */

void ahci_port_stop(struct ahci_port *p)
{
	ahci_port_link_down(p);
	p->ci = p->sact = p->held = 0;
}

void ahci_port_power_on(struct ahci_port *p)
{
	p->clb = p->fb = 0;
	p->is = p->ie = p->sctl = p->serr = p->sact = p->ci = p->held = 0;
	p->cmd = p->hba->staggered ? 0 : CMD_SUD;
	p->tfd = TFD_NOTHING;
	p->sig = SIGNATURE_NONE;
	p->running = p->failed = p->link = false;
	p->busy = NO_SLOT;
	p->next = 0;
	p->finished = 0;
	ahci_port_link_up(p);
}
