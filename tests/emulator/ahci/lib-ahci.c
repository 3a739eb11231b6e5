/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib-ahci.c - see lib-ahci.h. */
#include "lib-ahci.h"

#define BAR 5

uint32_t reg(struct sata *s, uint32_t offset)
{
	return (uint32_t)in_process_read(s->p, BAR, offset, 4);
}

void set_reg(struct sata *s, uint32_t offset, uint32_t value)
{
	in_process_write(s->p, BAR, offset, value, 4);
}

uint32_t port_reg(struct sata *s, uint32_t offset)
{
	return reg(s, 0x100 + 0x80 * s->port + offset);
}

void set_port_reg(struct sata *s, uint32_t offset, uint32_t value)
{
	set_reg(s, 0x100 + 0x80 * s->port + offset, value);
}

uint8_t *at(struct sata *s, uint64_t address)
{
	CHECK(address < s->p->memory_size);
	return s->p->memory + address;
}

static uint64_t list_at(struct sata *s)
{
	return LIST + 0x1000 * s->port;
}

uint64_t header_at(struct sata *s, unsigned slot)
{
	return list_at(s) + 32 * slot;
}

uint64_t table_at(struct sata *s, unsigned slot)
{
	return TABLES + 0x20000 * s->port + 0x1000 * slot;
}

uint64_t data_at(struct sata *s, unsigned slot)
{
	(void)s;
	return DATA + (uint64_t)DATA_SIZE * slot;
}

uint8_t *received(struct sata *s, unsigned offset)
{
	return at(s, list_at(s) + 0x400 + offset);
}

void turn(struct sata *s, unsigned ms)
{
	loop_once(s->p->loop, (int)ms);
}

/* ---------------------------------------------------------------------------------- life cycle */

void sata_new_with(struct sata *s, const struct in_process_options *o)
{
	struct vd_error err = {""};

	*s = (struct sata){ .port = 0 };
	if (in_process_new(o, &s->p, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
}

void sata_new(struct sata *s, struct vd_disk *disk, const struct device_options *o)
{
	struct in_process_options options = {
		.controller = "ahci", .irq = PCI_IRQ_MSI, .vectors = 1, .memory_size = MEMORY,
		.remote_size = 1 << 20,
	};

	sata_new_with(s, &options);
	if (disk)
		CHECK_OK(in_process_attach(s->p, disk, o, "port=0", &s->device, NULL));
	sata_start(s);
}

void sata_free(struct sata *s)
{
	in_process_free(s->p);
}

void sata_start(struct sata *s)
{
	set_port_reg(s, P_CLB, (uint32_t)list_at(s));
	set_port_reg(s, P_FB, (uint32_t)list_at(s) + 0x400);
	set_port_reg(s, P_CMD, CMD_FRE | CMD_SUD);
	set_port_reg(s, P_SERR, 0xffffffff);
	set_port_reg(s, P_IS, 0xffffffff);
	set_port_reg(s, P_IE, IS_ALL);
	set_reg(s, R_IS, 0xffffffff);
	set_reg(s, R_GHC, GHC_IE);
	set_port_reg(s, P_CMD, CMD_FRE | CMD_SUD | CMD_ST);
}

static bool stopped(void *opaque)
{
	return !(port_reg(opaque, P_CMD) & CMD_CR);
}

void sata_stop(struct sata *s)
{
	set_port_reg(s, P_CMD, port_reg(s, P_CMD) & ~CMD_ST);
	CHECK(in_process_run(s->p, stopped, s, 5000));
}

void recover(struct sata *s)
{
	sata_stop(s);
	set_port_reg(s, P_SERR, 0xffffffff);
	set_port_reg(s, P_IS, 0xffffffff);
	set_reg(s, R_IS, 0xffffffff);
	set_port_reg(s, P_CMD, port_reg(s, P_CMD) | CMD_ST);
}

/* ------------------------------------------------------------------------------------ commands */

static unsigned put_ranges(struct sata *s, unsigned slot, const struct command *c)
{
	struct prd whole[2] = { { data_at(s, slot), c->length, false } };
	const struct prd *prd = c->prd ? c->prd : whole;
	unsigned n = 0;

	for (; prd[n].length; n++) {
		uint8_t *to = at(s, table_at(s, slot) + 0x80 + 16 * n);

		put_le64(to, prd[n].address);
		put_le32(to + 8, 0);
		put_le32(to + 12, (prd[n].length - 1) | (uint32_t)prd[n].interrupt << 31);
	}
	return n;
}

void put(struct sata *s, unsigned slot, const struct command *c)
{
	uint8_t *fis = at(s, table_at(s, slot)), *header = at(s, header_at(s, slot));
	unsigned n = put_ranges(s, slot, c);

	memset(fis, 0, 64);
	fis[0] = 0x27;
	fis[1] = 0x80;
	fis[2] = c->command;
	fis[3] = (uint8_t)c->features;
	put_le32(fis + 4, (uint32_t)c->lba & 0xffffff);
	fis[7] = c->raw_device ? c->device : (uint8_t)(c->device | 0x40);
	put_le32(fis + 8, (uint32_t)(c->lba >> 24) & 0xffffff);
	fis[11] = (uint8_t)(c->features >> 8);
	put_le16(fis + 12, c->count);
	memset(header, 0, 32);
	put_le32(header, n << 16 | 5);
	put_le64(header + 8, table_at(s, slot));
}

void issue(struct sata *s, uint32_t slots, bool queued)
{
	if (queued)
		set_port_reg(s, P_SACT, slots);
	set_port_reg(s, P_CI, slots);
}

struct waiting {
	struct sata *s;
	uint32_t slots;
};

static bool over(void *opaque)
{
	struct waiting *w = opaque;

	if (port_reg(w->s, P_IS) & (IS_TFES | IS_HBFS | IS_IFS))
		return true;
	return !((port_reg(w->s, P_CI) | port_reg(w->s, P_SACT)) & w->slots);
}

uint32_t wait_for(struct sata *s, uint32_t slots)
{
	CHECK(in_process_run(s->p, over, &(struct waiting){ s, slots }, 10000));
	return port_reg(s, P_TFD);
}

static uint32_t finish(struct sata *s, unsigned slot)
{
	uint32_t tfd = wait_for(s, 1u << slot);

	if (port_reg(s, P_IS) & (IS_TFES | IS_HBFS | IS_IFS))
		recover(s);
	return tfd;
}

uint32_t run(struct sata *s, const struct command *c)
{
	put(s, 0, c);
	issue(s, 1, false);
	return finish(s, 0);
}

uint32_t run_queued(struct sata *s, unsigned slot, const struct command *c)
{
	put(s, slot, c);
	issue(s, 1u << slot, true);
	return finish(s, slot);
}

uint32_t moved(struct sata *s)
{
	return le32(at(s, header_at(s, 0) + 4));
}

/* ---------------------------------------------------------------------------------------- data */

static uint8_t pattern(size_t i, unsigned seed)
{
	return (uint8_t)(seed * 37 + i / 512 * 11 + i);
}

void fill(uint8_t *buf, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(i, seed);
}

bool filled(const uint8_t *buf, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		if (buf[i] != pattern(i, seed))
			return false;
	return true;
}
