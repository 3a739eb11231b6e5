/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahci-command.c - commands of a port, from the guest's command list to the drive and back, and the
 * frames (FIS) that tell the guest of it (AHCI 1.3.1, 4.2 and 5; Serial ATA 3.x, 10.5).
 *
 * The tables of a command must lie in memory that is mapped; data may be anywhere. Limits: one
 * drive a port (no port multiplier), and what a real host transmits word by word is one step here:
 * of a PIO command's setup frames only the last is written.
 */
#include "controllers/ahci.h"

#include <errno.h>

#include "bytes.h"

/* Where frames are written, and what they are. */
enum { RECEIVED_DMA_SETUP = 0x00, RECEIVED_PIO_SETUP = 0x20, RECEIVED_REGISTERS = 0x40,
       RECEIVED_BITS = 0x58 };
enum { FIS_HOST = 0x27, FIS_REGISTERS = 0x34, FIS_DMA_SETUP = 0x41, FIS_PIO_SETUP = 0x5f,
       FIS_BITS = 0xa1 };
#define FIS_INTERRUPT 0x40u
#define FIS_TO_HOST 0x20u

#define HEADER_SIZE 32u
#define HEADER_CLEAR_BUSY (1u << 10)
#define CFIS_SIZE 20u
#define PRDT 0x80u		/* in the command table */
#define PRD_SIZE 16u
#define PRD_CHUNK 64u
#define PRD_COST 64u		/* bytes that each takes while it is in use, about */
#define LARGE (1u << 20)	/* after more the arrays are given back */

/* ----------------------------------------------------------------------------- frames to the guest */

static void write_frame(struct ahci_port *p, unsigned at, const uint8_t *fis, size_t n)
{
	if (p->cmd & CMD_FRE && pci_bus_master(&p->hba->c.pci) &&
	    !memory_write(p->hba->c.memory, p->fb + at, fis, n))
		ahci_port_fail(p, IS_HBFS);
}

static void put_registers(uint8_t *fis, const struct ata_result *r)
{
	fis[2] = r->status;
	fis[3] = r->error;
	fis[4] = (uint8_t)r->lba;
	fis[5] = (uint8_t)(r->lba >> 8);
	fis[6] = (uint8_t)(r->lba >> 16);
	fis[7] = r->device;
	fis[8] = (uint8_t)(r->lba >> 24);
	fis[9] = (uint8_t)(r->lba >> 32);
	fis[10] = (uint8_t)(r->lba >> 40);
	put_le16(fis + 12, r->count);
}

static void set_tfd(struct ahci_port *p, const struct ata_result *r)
{
	p->tfd = r->status | (uint32_t)r->error << 8;
}

static void write_registers(struct ahci_port *p, const struct ata_result *r, bool interrupt)
{
	uint8_t fis[20] = { FIS_REGISTERS, interrupt ? FIS_INTERRUPT : 0 };

	put_registers(fis, r);
	set_tfd(p, r);
	write_frame(p, RECEIVED_REGISTERS, fis, sizeof(fis));
}

static void write_pio_setup(struct ahci_port *p, const struct ata_command *cmd)
{
	uint8_t fis[20] = { FIS_PIO_SETUP };
	uint64_t last = cmd->length % cmd->block;

	fis[1] = FIS_INTERRUPT | (cmd->direction == ATA_IN ? FIS_TO_HOST : 0);
	put_registers(fis, &cmd->out);
	fis[2] |= ATA_DRQ;
	fis[15] = cmd->out.status;
	put_le16(fis + 16, (uint16_t)(last ? last : cmd->block));
	set_tfd(p, &cmd->out);
	write_frame(p, RECEIVED_PIO_SETUP, fis, sizeof(fis));
}

static void write_dma_setup(struct ahci_port *p, const struct ata_command *cmd)
{
	uint8_t fis[28] = { FIS_DMA_SETUP, cmd->direction == ATA_IN ? FIS_TO_HOST : 0 };

	fis[4] = (uint8_t)cmd->tag;
	put_le32(fis + 20, (uint32_t)cmd->length);
	write_frame(p, RECEIVED_DMA_SETUP, fis, sizeof(fis));
}

static void write_bits(struct ahci_port *p, uint8_t status, uint8_t error, uint32_t tags)
{
	uint8_t fis[8] = { FIS_BITS, FIS_INTERRUPT, status & 0x77, error };

	put_le32(fis + 4, tags);
	p->sact &= ~tags;
	p->tfd = (p->tfd & (ATA_BSY | ATA_DRQ)) | (status & 0x77) | (uint32_t)error << 8;
	write_frame(p, RECEIVED_BITS, fis, sizeof(fis));
}

void ahci_port_report(struct ahci_port *p)
{
	uint32_t tags = p->finished;

	if (!tags)
		return;
	p->finished = 0;
	write_bits(p, ATA_DRDY | ATA_SEEK, 0, tags);
	ahci_port_raise(p, IS_SDBS);
}

/* The drive's first frame after a reset; kept while the guest takes none. */
void ahci_port_send_signature(struct ahci_port *p)
{
	struct ata_result r;

	ata_signature(&r);
	if (!p->signature_held)
		ata_drive_reset(&p->drive, p->soft_reset ? ATA_RESET_SOFT : ATA_RESET_HARD);
	p->signature_due = p->soft_reset = false;
	p->signature_held = !(p->cmd & CMD_FRE);
	p->sig = SIGNATURE_DISK;
	write_registers(p, &r, false);
}

/* ----------------------------------------------------------------------------------- a command's end */

static void end_queued(struct ahci_slot *s)
{
	struct ahci_port *p = s->port;
	struct ata_command *cmd = &s->cmd;

	if (!(cmd->out.status & ATA_ERR)) {
		p->finished |= 1u << cmd->tag;
		if (s->signals)
			p->is |= IS_DPS;
		loop_defer(p->hba->c.loop, &p->hba->round);
		return;
	}
	ahci_port_report(p);
	write_bits(p, cmd->out.status, cmd->out.error, 0);
	ahci_port_fail(p, IS_TFES | IS_SDBS);
}

static void end_unqueued(struct ahci_slot *s)
{
	struct ahci_port *p = s->port;
	struct ata_command *cmd = &s->cmd;
	uint32_t bit = 1u << (s - p->slot), is = s->signals ? IS_DPS : 0;
	uint8_t moved[4];

	if (cmd->out.status & ATA_ERR) {
		write_registers(p, &cmd->out, true);
		ahci_port_fail(p, IS_TFES | IS_DHRS);
		return;
	}
	p->busy = NO_SLOT;
	if (cmd->length) {
		put_le32(moved, (uint32_t)cmd->moved);
		memory_write(p->hba->c.memory, s->header + 4, moved, sizeof(moved));
	}
	if (cmd->protocol == ATA_PIO) {
		write_pio_setup(p, cmd);
		is |= IS_PSS;
	}
	if (cmd->protocol != ATA_PIO || cmd->direction == ATA_OUT) {
		write_registers(p, &cmd->out, true);
		is |= IS_DHRS;
	}
	p->ci &= ~bit;
	ahci_port_raise(p, is);
}

static void let_go(struct ahci_slot *s)
{
	if (s->charged > LARGE)
		dma_free(&s->dma);
	s->active = false;
	dma_discharge(&s->port->budget, &s->charged);
}

/* What ends while the port halts or after an error is not told: the guest learns from the reset. */
static void end_slot(struct ahci_slot *s)
{
	struct ahci_port *p = s->port;

	let_go(s);
	if (!p->halting && !p->failed) {
		if (s->cmd.protocol == ATA_NCQ)
			end_queued(s);
		else
			end_unqueued(s);
	}
	ahci_port_slot_ended(p);
	ahci_port_issue(p);
}

static void end_with_fault(struct ahci_slot *s, uint32_t bits)
{
	struct ahci_port *p = s->port;

	ata_forget(&s->cmd);
	let_go(s);
	if (!p->halting && !p->failed)
		ahci_port_fail(p, bits);
	ahci_port_slot_ended(p);
}

static void data_sent(struct dma *d, int status)
{
	struct ahci_slot *s = d->opaque;

	if (!status) {
		end_slot(s);
		return;
	}
	let_go(s);
	if (!s->port->halting && !s->port->failed)
		ahci_port_fail(s->port, IS_HBFS);
	ahci_port_slot_ended(s->port);
}

static void command_done(struct ata_command *cmd)
{
	struct ahci_slot *s = cmd->opaque;

	if (!cmd->length) {
		end_slot(s);
	} else if (cmd->out.status & ATA_ERR) {
		dma_drop(&s->dma);
		end_slot(s);
	} else {
		dma_finish(&s->dma, data_sent);
	}
}

/* ------------------------------------------------------------------------------- a command's beginning */

static void data_ready(struct dma *d, int status)
{
	struct ahci_slot *s = d->opaque;
	struct ahci_port *p = s->port;

	if (status) {
		end_with_fault(s, IS_HBFS);
	} else if (p->halting || p->failed) {
		dma_drop(d);
		end_with_fault(s, 0);
	} else {
		ata_submit(&s->cmd, d->iov, d->iovcnt);
	}
}

/*
 * The ranges of the command's table, as far as it has data. Bit 0 of address and count are not
 * there in the hardware: the address is even, the count too. Returns -EFAULT, or what dma_add says.
 */
static int add_ranges(struct ahci_slot *s, uint64_t table, unsigned entries)
{
	struct guest_memory *m = s->port->hba->c.memory;
	uint64_t left = s->cmd.length;
	uint8_t prd[PRD_CHUNK * PRD_SIZE];
	unsigned i;
	int r = 0;

	for (i = 0; i < entries && left && !r; i++) {
		const uint8_t *at = prd + i % PRD_CHUNK * PRD_SIZE;
		unsigned chunk = entries - i < PRD_CHUNK ? entries - i : PRD_CHUNK;
		uint64_t n;

		if (i % PRD_CHUNK == 0 &&
		    !memory_read(m, table + PRDT + (uint64_t)i * PRD_SIZE, prd, chunk * PRD_SIZE))
			return -EFAULT;
		n = (le32(at + 12) & 0x3ffffe) + 2;
		s->signals |= le32(at + 12) >> 31;
		n = n < left ? n : left;
		r = dma_add(&s->dma, le64(at) & ~1ull, n);
		left -= n;
	}
	dma_charge(&s->port->budget, &s->charged,
		   s->dma.length + (uint64_t)i * PRD_COST);
	return r;
}

static void start_data(struct ahci_slot *s, uint64_t table, unsigned entries)
{
	struct ata_command *cmd = &s->cmd;

	dma_reset(&s->dma);
	if (add_ranges(s, table, entries))
		end_with_fault(s, IS_HBFS);
	else if (s->dma.length < cmd->length)
		end_with_fault(s, IS_OFS | IS_IFS);
	else
		dma_start(&s->dma, cmd->direction == ATA_OUT ? DMA_TO_DEVICE : DMA_FROM_DEVICE,
			  data_ready);
}

static void parse_frame(const uint8_t *fis, struct ata_taskfile *in)
{
	*in = (struct ata_taskfile){
		.command = fis[2],
		.device = fis[7],
		.features = (uint16_t)(fis[3] | fis[11] << 8),
		.count = le16(fis + 12),
		.lba = fis[4] | (uint64_t)fis[5] << 8 | (uint64_t)fis[6] << 16 |
		       (uint64_t)fis[8] << 24 | (uint64_t)fis[9] << 32 | (uint64_t)fis[10] << 40,
	};
}

/* The drive took it (or not): a queued command leaves it free for the next one. */
static void begin(struct ahci_slot *s, const uint8_t *fis, uint64_t table, unsigned entries)
{
	struct ahci_port *p = s->port;
	unsigned n = (unsigned)(s - p->slot);
	bool goes_on;

	parse_frame(fis, &s->cmd.in);
	s->signals = p->signature_held = false;
	goes_on = ata_prepare(&s->cmd);
	if (goes_on && s->cmd.protocol == ATA_NCQ && s->cmd.tag != n) {
		/* Its data would be another slot's. */
		ata_forget(&s->cmd);
		ahci_port_fail(p, IS_IFS);
		return;
	}
	s->active = true;
	p->active++;
	if (s->cmd.protocol == ATA_NCQ) {
		p->ci &= ~(1u << n);
		p->sact |= 1u << n;
	} else {
		p->busy = (int)n;
		p->tfd |= ATA_BSY;
	}
	if (!goes_on) {
		end_slot(s);
		return;
	}
	if (s->cmd.protocol == ATA_NCQ)
		write_dma_setup(p, &s->cmd);
	if (s->cmd.length)
		start_data(s, table, entries);
	else
		ata_submit(&s->cmd, NULL, 0);
}

/* A frame with C = 0: the device control register. Its one bit of interest is software reset, which
 * ends what waits for room like what is in flight. */
static void control(struct ahci_port *p, unsigned n, const uint8_t *fis, uint32_t flags)
{
	p->ci &= ~(1u << n);
	if (fis[15] & 4) {
		p->soft_reset = true;
		p->ci &= ~p->held;
		p->held = 0;
		p->tfd = flags & HEADER_CLEAR_BUSY ? ATA_DRDY : ATA_BSY;
		ahci_port_halt(p);
	} else if (p->soft_reset) {
		ahci_port_send_signature(p);
	}
}

static bool is_frame(const struct ahci_port *p, const uint8_t *fis, uint32_t flags)
{
	unsigned words = flags & 0x1f;

	if (fis[0] != FIS_HOST || words < CFIS_SIZE / 4 || words > 16)
		return false;
	if (fis[1] & 0xf || flags >> 12 & 0xf)
		return false;			/* there is no port multiplier */
	return !(fis[1] & 0x80) || !p->soft_reset;
}

static void hold(struct ahci_port *p, unsigned n)
{
	if (!p->held)
		p->held_first = n;
	p->held |= 1u << n;
}

static void issue(struct ahci_port *p, unsigned n)
{
	struct guest_memory *m = p->hba->c.memory;
	struct ahci_slot *s = &p->slot[n];
	uint8_t header[HEADER_SIZE], fis[CFIS_SIZE];
	uint64_t table;

	s->header = p->clb + n * HEADER_SIZE;
	if (!pci_bus_master(&p->hba->c.pci) ||
	    !memory_read(m, s->header, header, sizeof(header))) {
		ahci_port_fail(p, IS_HBFS);
		return;
	}
	table = le64(header + 8) & ~0x7full;
	if (!memory_read(m, table, fis, sizeof(fis))) {
		ahci_port_fail(p, IS_HBFS);
	} else if (!is_frame(p, fis, le32(header)) || s->active) {
		p->serr |= SERR_PROTOCOL;
		ahci_port_fail(p, IS_IFS);
	} else if (fis[1] & 0x80 && dma_budget_spent(&p->budget)) {
		hold(p, n);
	} else if (fis[1] & 0x80) {
		begin(s, fis, table, le32(header) >> 16);
	} else {
		control(p, n, fis, le32(header));
	}
}

void ahci_slot_init(struct ahci_port *p, struct ahci_slot *s)
{
	s->port = p;
	s->cmd.drive = &p->drive;
	s->cmd.done = command_done;
	s->cmd.opaque = s;
	dma_init(&s->dma, p->hba->c.memory, s);
}

static bool may_issue(const struct ahci_port *p)
{
	return p->ci & ~p->held && p->running && p->cmd & CMD_ST && p->link && !p->failed &&
	       !p->halting && p->busy == NO_SLOT && !p->hba->resetting;
}

/* Slots in turn. Each step takes a bit of CI, or holds it, or makes the port busy or failed. Held
 * commands are passed by control frames alone, and go on with the first of them. */
void ahci_port_issue(struct ahci_port *p)
{
	if (p->issuing)
		return;
	p->issuing = true;
	while (may_issue(p)) {
		unsigned n = p->next;

		while (!(p->ci & ~p->held & 1u << n))
			n = (n + 1) % AHCI_SLOTS;
		p->next = (n + 1) % AHCI_SLOTS;
		issue(p, n);
	}
	p->issuing = false;
}
