/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of virtio-scsi: data both ways, residual, sense, and what is refused. */
#include "scsi-guest.h"

static void pattern(struct guest *g, const struct call *c, unsigned seed)
{
	uint8_t *at = driver_at(&g->d, c->out);

	for (uint32_t i = 0; i < c->out_length; i++)
		at[i] = (uint8_t)(seed + i * 7 + i / 512);
}

static void what_was_written_is_read(struct guest *g)
{
	for (unsigned n = 0; n < 300; n++) {
		struct call w = write_10(g, 0, n * 3, 3), r = read_10(g, 0, n * 3, 3);

		pattern(g, &w, n);
		CHECK_EQ(call_run(g, &w), 12 + SENSE);
		CHECK_EQ(call_response(g, &w) | call_status(g, &w), 0);
		CHECK_EQ(call_residual(g, &w), 0);
		CHECK_EQ(call_run(g, &r), 12 + SENSE + 3 * 512);
		CHECK_EQ(call_response(g, &r) | call_status(g, &r), 0);
		CHECK(!memcmp(driver_at(&g->d, w.out), driver_at(&g->d, r.in), 3 * 512));
		g->d.free = g->memory;
	}
}

/* Many at once, over all request queues, one interrupt for several completions. */
static void queues_work_side_by_side(struct guest *g)
{
	struct call call[4][16];
	uint64_t interrupts = 0;

	for (unsigned i = 0; i < 64; i++)
		call[i % 4][i / 4] = read_10(g, 0, i, 1);
	for (unsigned q = 0; q < 4; q++)
		interrupts -= g->p->messages[1 + Q_REQUEST + q];
	for (unsigned i = 0; i < 64; i++)
		call_send(g, Q_REQUEST + i % 4, &call[i % 4][i / 4]);
	for (unsigned i = 0; i < 64; i++)
		queue_wait(&g->d.queue[Q_REQUEST + i % 4], NULL);
	for (unsigned q = 0; q < 4; q++)
		interrupts += g->p->messages[1 + Q_REQUEST + q];
	CHECK(interrupts <= 64);
	for (unsigned i = 0; i < 64; i++)
		CHECK_EQ(call_response(g, &call[i % 4][i / 4]), S_OK);
	g->d.free = g->memory;
}

/* Header, response and data in pieces that end anywhere. */
static void segments_may_lie_anyhow(struct guest *g)
{
	struct call w = write_10(g, 0, 100, 2), r = read_10(g, 0, 100, 2);
	struct piece piece[40];
	unsigned n = 0;

	pattern(g, &w, 99);
	for (unsigned i = 0; i < 19 + CDB; i += 3)
		piece[n++] = (struct piece){w.header + i, 3, false};
	piece[n++] = (struct piece){w.out, 1, false};
	piece[n++] = (struct piece){w.out + 1, 1023, false};
	piece[n++] = (struct piece){w.response, 5, true};
	piece[n++] = (struct piece){w.response + 5, 7 + SENSE, true};
	queue_add(&g->d.queue[Q_REQUEST], piece, n, true);
	queue_kick(&g->d.queue[Q_REQUEST]);
	CHECK_EQ(queue_wait(&g->d.queue[Q_REQUEST], NULL), 12 + SENSE);
	CHECK_EQ(call_response(g, &w), S_OK);

	n = 0;
	piece[n++] = (struct piece){r.header, 19 + CDB, false};
	piece[n++] = (struct piece){r.response, 11, true};
	/* The response's end and the data in one, as if they lay side by side. */
	r.in = driver_alloc(&g->d, 4096);
	piece[n++] = (struct piece){r.in, 1 + SENSE + 700, true};
	piece[n++] = (struct piece){r.in + 2000, 324, true};
	queue_add(&g->d.queue[Q_REQUEST], piece, n, true);
	queue_kick(&g->d.queue[Q_REQUEST]);
	CHECK_EQ(queue_wait(&g->d.queue[Q_REQUEST], NULL), 12 + SENSE + 1024);
	CHECK(!memcmp(driver_at(&g->d, w.out), driver_at(&g->d, r.in + 1 + SENSE), 700));
	CHECK(!memcmp(driver_at(&g->d, w.out + 700), driver_at(&g->d, r.in + 2000), 324));
	g->d.free = g->memory;
}

/* Data may lie where only messages of the client reach. */
static void remote_memory_is_good_for_data(struct guest *g)
{
	struct call w = write_10(g, 0, 7, 2), r = read_10(g, 0, 7, 2);

	w.out = IN_PROCESS_REMOTE + 512;
	r.in = IN_PROCESS_REMOTE + 8192;
	for (unsigned i = 0; i < 1024; i++)
		g->p->remote[512 + i] = (uint8_t)(i * 3);
	call_run(g, &w);
	CHECK_EQ(call_response(g, &w) | call_status(g, &w), 0);
	call_run(g, &r);
	CHECK_EQ(call_response(g, &r) | call_status(g, &r), 0);
	CHECK(!memcmp(g->p->remote + 512, g->p->remote + 8192, 1024));
	/* What is not written to stays as it is there, too. */
	memset(g->p->remote, 0xee, 512);
	r = call_make(g, 0, 0, (const uint8_t[6]){0x12, 0, 0, 0, 250}, 6, 0, 250);
	r.in = IN_PROCESS_REMOTE;
	CHECK_EQ(call_run(g, &r), 12 + SENSE + 250 - call_residual(g, &r));
	CHECK_EQ(g->p->remote[8], 'V');
	for (unsigned i = 250 - call_residual(g, &r); i < 512; i++)
		CHECK_EQ(g->p->remote[i], 0xee);
	g->d.free = g->memory;
}

static void residual_is_what_was_not_moved(struct guest *g)
{
	/* Room for more than is asked for. */
	struct call c = call_make(g, 0, 0, (const uint8_t[6]){0x12, 0, 0, 0, 36}, 6, 0, 100);

	CHECK_EQ(call_run(g, &c), 12 + SENSE + 36);
	CHECK_EQ(call_response(g, &c) | call_status(g, &c), 0);
	CHECK_EQ(call_residual(g, &c), 64);
	CHECK(!memcmp((char *)driver_at(&g->d, c.in) + 8, "VBOX    HARDDISK", 16));
	/* A command without data that comes with room for some. */
	c = call_make(g, 0, 0, (const uint8_t[6]){0}, 6, 0, 100);
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_OK);
	CHECK_EQ(call_residual(g, &c), 100);
	g->d.free = g->memory;
}

static void sense_comes_along(struct guest *g)
{
	struct call c = read_10(g, 0, DISK_SIZE / 512, 1);

	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_OK);
	CHECK_EQ(call_status(g, &c), CHECK_CONDITION);
	CHECK(le32(response_of(g, &c)) >= 18);
	CHECK_EQ(response_of(g, &c)[12] & 0x7f, 0x70);
	CHECK_EQ(response_of(g, &c)[12 + 2] & 0xf, 5);
	CHECK_EQ(response_of(g, &c)[12 + 12], 0x21);
	CHECK_EQ(call_residual(g, &c), 512);
	/* Its room is all written to. */
	CHECK_EQ(response_of(g, &c)[12 + SENSE - 1], 0);
	g->d.free = g->memory;
}

static void addresses_are_checked(struct guest *g)
{
	static const uint8_t wrong[][8] = {
		{0, 0, 0x40, 0}, {2, 0, 0x40, 0}, {1, 0, 0x40, 0, 1}, {1, 0, 0x40, 0, 0, 0, 0, 1},
		{1, 77, 0x40, 0},		/* nobody there */
	};
	struct call c;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		c = read_10(g, 0, 0, 1);
		memcpy(driver_at(&g->d, c.header), wrong[i], 8);
		CHECK_EQ(call_run(g, &c), 12 + SENSE);
		CHECK_EQ(call_response(g, &c), S_BAD_TARGET);
		CHECK_EQ(call_residual(g, &c), 512);
	}
	/* The target is there, the unit is not: its sense says so. */
	c = call_make(g, 0, 5, (const uint8_t[6]){0}, 6, 0, 0);
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_OK);
	CHECK_EQ(call_status(g, &c), CHECK_CONDITION);
	CHECK_EQ(response_of(g, &c)[12 + 12], 0x25);
	/* LUN 0 in the peripheral device format, too. */
	c = read_10(g, 0, 0, 1);
	((uint8_t *)driver_at(&g->d, c.header))[2] = 0;
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c) | call_status(g, &c), 0);
	g->d.free = g->memory;
}

static void what_does_not_fit_is_an_overrun(struct guest *g)
{
	struct call c = read_10(g, 0, 0, 4);

	c.in_length = 3 * 512;
	memset(driver_at(&g->d, c.in), 0x55, 4 * 512);
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_OVERRUN);
	CHECK_EQ(*(uint8_t *)driver_at(&g->d, c.in), 0x55);
	c = write_10(g, 0, 0, 4);
	c.out_length = 512;
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_OVERRUN);
	/* Data the wrong way round. */
	c = read_10(g, 0, 0, 1);
	c.out = c.in;
	c.out_length = 512;
	c.in_length = 0;
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_OVERRUN);
	/* Both ways. */
	c = read_10(g, 0, 0, 1);
	c.out = driver_alloc(&g->d, 512);
	c.out_length = 512;
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_FAILURE);
	g->d.free = g->memory;
}

static void data_must_be_memory(struct guest *g)
{
	struct call c = read_10(g, 0, 0, 1);

	c.in = 1ull << 40;
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_FAILURE);
	c = write_10(g, 0, 0, 1);
	c.out = 1ull << 40;
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_FAILURE);
	c = read_10(g, 0, 0, 1);
	c.header = 1ull << 40;
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_FAILURE);
	/* All went on. */
	c = read_10(g, 0, 0, 1);
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_OK);
	g->d.free = g->memory;
}

static void send_pieces(struct guest *g, const struct piece *piece, unsigned n)
{
	queue_add(&g->d.queue[Q_REQUEST], piece, n, false);
	queue_kick(&g->d.queue[Q_REQUEST]);
}

/* Too short a header is answered, too little room for an answer is told as far as there is room. */
static void short_requests_fail(struct guest *g)
{
	struct call c = read_10(g, 0, 0, 1);

	send_pieces(g, (struct piece[]){{c.header, 19 + CDB - 1, false},
		    {c.response, 12 + SENSE, true}}, 2);
	queue_wait(&g->d.queue[Q_REQUEST], NULL);
	CHECK_EQ(call_response(g, &c), S_FAILURE);
	send_pieces(g, (struct piece[]){{c.response, 12 + SENSE, true}}, 1);
	queue_wait(&g->d.queue[Q_REQUEST], NULL);
	CHECK_EQ(call_response(g, &c), S_FAILURE);
	memset(response_of(g, &c), 0xee, 12 + SENSE);
	send_pieces(g, (struct piece[]){{c.header, 19 + CDB, false}, {c.response, 20, true}}, 2);
	CHECK_EQ(queue_wait(&g->d.queue[Q_REQUEST], NULL), 20);
	CHECK_EQ(call_response(g, &c), S_FAILURE);
	CHECK_EQ(response_of(g, &c)[20], 0xee);
	CHECK_EQ(reg_read(g->p, R_STATUS, 1), 15);
	send_pieces(g, (struct piece[]){{c.header, 19 + CDB, false}, {c.response, 11, true}}, 2);
	loop_once(g->p->loop, 0);
	loop_once(g->p->loop, 0);
	CHECK_EQ(reg_read(g->p, R_STATUS, 1), 15 | VIRTIO_NEEDS_RESET);
	driver_start(&g->d, g->p, &(struct driver_options){.features = g->d.features});
	g->memory = g->d.free;
	guest_clear_attention(g, 0, 0);
}

/* The driver may have other sizes of sense and CDB. */
static void sizes_can_be_changed(struct guest *g)
{
	struct call c;

	CHECK_EQ(reg_read(g->p, R_CONFIG + 20, 4), 96);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 24, 4), 32);
	reg_write(g->p, R_CONFIG + 20, 4097, 4);
	reg_write(g->p, R_CONFIG + 24, 256, 4);
	reg_write(g->p, R_CONFIG + 24, 0, 4);
	reg_write(g->p, R_CONFIG, 0, 4);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 20, 4), 96);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 24, 4), 32);
	reg_write(g->p, R_CONFIG + 20, 252, 4);
	reg_write(g->p, R_CONFIG + 24, 16, 4);
	c = read_10(g, 0, DISK_SIZE / 512, 1);
	c.response = driver_alloc(&g->d, 12 + 252 + 512);
	memset(response_of(g, &c), 0xee, 12 + 252 + 512);
	send_pieces(g, (struct piece[]){{c.header, 19 + 16, false},
		    {c.response, 12 + 252 + 512, true}}, 2);
	CHECK_EQ(queue_wait(&g->d.queue[Q_REQUEST], NULL), 12 + 252);
	CHECK_EQ(response_of(g, &c)[12 + 12], 0x21);
	CHECK_EQ(response_of(g, &c)[12 + 251], 0);
	CHECK_EQ(response_of(g, &c)[12 + 252], 0xee);
	/* They are as they were after a reset. */
	driver_start(&g->d, g->p, &(struct driver_options){.features = g->d.features});
	g->memory = g->d.free;
	CHECK_EQ(reg_read(g->p, R_CONFIG + 20, 4), 96);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 24, 4), 32);
	guest_clear_attention(g, 0, 0);
}

static void configuration(struct guest *g)
{
	CHECK_EQ(in_process_config_read(g->p, 0, 4), 0x10481af4);
	CHECK_EQ(in_process_config_read(g->p, 8, 4), 0x01000001);
	CHECK_EQ(in_process_config_read(g->p, 0x2c, 4), 0x10481af4);
	CHECK_EQ(reg_read(g->p, R_CONFIG, 4), 4);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 4, 4), 126);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 8, 4), 0x10000);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 12, 4), 128);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 16, 4), 16);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 28, 2), 0);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 30, 2), 255);
	CHECK_EQ(reg_read(g->p, R_CONFIG + 32, 4), 16383);
}

static void try(uint64_t features, const char *packed)
{
	const char *const options[] = {packed, NULL};
	struct guest g;

	guest_open(&g, features, options);
	guest_plug(&g, memory_disk(DISK_SIZE), NULL);
	guest_clear_attention(&g, 0, 0);
	configuration(&g);
	what_was_written_is_read(&g);
	queues_work_side_by_side(&g);
	segments_may_lie_anyhow(&g);
	remote_memory_is_good_for_data(&g);
	residual_is_what_was_not_moved(&g);
	sense_comes_along(&g);
	addresses_are_checked(&g);
	what_does_not_fit_is_an_overrun(&g);
	data_must_be_memory(&g);
	short_requests_fail(&g);
	sizes_can_be_changed(&g);
	what_was_written_is_read(&g);
	guest_close(&g);
}

int main(void)
{
	try(~0ull, "packed=off");
	try(~0ull, "packed=on");
	try(~0ull & ~VIRTIO_F_EVENT_IDX, "packed=on");
	return 0;
}
