/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory without a descriptor: fetched and stored by messages, several at a time, which end with
 * the connection, with a reset, and with what the client takes away. */
#include "bytes.h"
#include "front/client.h"
#include "front/server.h"
#include "front/toy.h"
#include "test.h"

#define BASE 0x100000u
#define SIZE 0x200000u

static struct client c;

static void begin(uint64_t address, uint64_t length, enum toy_go what)
{
	client_post(&c, 0, TOY_ADDRESS, address, 8);
	client_post(&c, 0, TOY_LENGTH, length, 8);
	client_post(&c, 0, TOY_GO, what, 4);
}

/* Reading the status meanwhile is always answered. */
static uint32_t finish(void)
{
	uint32_t status;

	do
		status = (uint32_t)client_read(&c, 0, TOY_STATUS, 4);
	while (status == TOY_BUSY);
	return status;
}

static void fill(void)
{
	for (unsigned i = 0; i < SIZE; i++)
		c.remote[i] = (uint8_t)(i * 11 + i / 256);
}

static void copies_are_whole(uint64_t limit)
{
	fill();
	c.dma_reads = c.dma_writes = c.dma_longest = 0;
	begin(BASE + 123, 300001, TOY_FETCH);
	CHECK_EQ(finish(), TOY_DONE);
	begin(BASE + 1000003, 300001, TOY_STORE);
	CHECK_EQ(finish(), TOY_DONE);
	CHECK(!memcmp(c.remote + 123, c.remote + 1000003, 300001));
	CHECK(c.dma_longest <= limit);
	CHECK(c.dma_reads >= 300001 / limit && c.dma_writes >= 300001 / limit);
}

static void several_are_on_their_way(void)
{
	struct client_message m[3], at_end;
	uint8_t payload[16];

	/* Three of 4 KiB, answered from the last to the first. */
	begin(BASE, 3 * 4096, TOY_FETCH);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(client_receive(&c, &m[i]));
		CHECK_EQ(m[i].command, CLIENT_DMA_READ);
		CHECK_EQ(le64(m[i].payload), BASE + 4096 * i);
		CHECK_EQ(le64(m[i].payload + 8), 4096);
	}
	for (unsigned i = 3; i--;) {
		put_le64(payload, BASE + 4096 * i);
		put_le64(payload + 8, 4096);
		memcpy(c.buf, payload, 16);
		memcpy(c.buf + 16, c.remote + 4096 * i, 4096);
		at_end = m[i];
		client_reply(&c, &at_end, c.buf, 16 + 4096, 0);
	}
	CHECK_EQ(finish(), TOY_DONE);
	begin(BASE + 65536, 3 * 4096, TOY_STORE);
	CHECK_EQ(finish(), TOY_DONE);
	CHECK(!memcmp(c.remote, c.remote + 65536, 3 * 4096));
}

static void a_refusal_is_an_error(void)
{
	c.refuse_dma = true;
	begin(BASE, 65536, TOY_FETCH);
	CHECK_EQ(finish(), TOY_FAILED);
	CHECK_EQ(client_read(&c, 0, TOY_ERROR, 4), EFAULT);
	begin(BASE, 65536, TOY_STORE);
	CHECK_EQ(finish(), TOY_FAILED);
	c.refuse_dma = false;
}

static void a_reset_ends_them(void)
{
	struct client_message m, late;
	uint8_t nothing[16 + 4096] = {0};

	begin(BASE, 4096, TOY_FETCH);
	CHECK(client_receive(&c, &m));
	late = m;
	memcpy(nothing, m.payload, 16);
	CHECK_OK(client_reset(&c));
	CHECK_EQ(client_read(&c, 0, TOY_STATUS, 4), TOY_IDLE);
	/* An answer that comes late finds nobody. */
	client_reply(&c, &late, nothing, sizeof(nothing), 0);
	CHECK_EQ(client_read(&c, 0, TOY_STATUS, 4), TOY_IDLE);
	copies_are_whole(4096);
}

static void an_unmap_ends_them(void)
{
	struct client_message m;

	begin(BASE, 4096, TOY_FETCH);
	CHECK(client_receive(&c, &m));
	CHECK_OK(client_unmap(&c, BASE, SIZE));
	CHECK_EQ(finish(), TOY_FAILED);
	CHECK_EQ(client_read(&c, 0, TOY_ERROR, 4), ECANCELED);
	CHECK_OK(client_map(&c, BASE, SIZE, -1, 0));
	copies_are_whole(4096);
}

static void a_lost_connection_ends_them(struct server *s, const char *version)
{
	struct client_message m;
	uint8_t *remote = c.remote;

	begin(BASE, 65536, TOY_FETCH);
	CHECK(client_receive(&c, &m));
	client_close(&c);
	server_await_power_offs(s, 1);
	client_connect(&c, s->path);
	CHECK_OK(client_version(&c, version));
	CHECK_EQ(client_read(&c, 0, TOY_STATUS, 4), TOY_IDLE);
	c.remote = remote;
	c.remote_address = BASE;
	c.remote_size = SIZE;
	CHECK_OK(client_map(&c, BASE, SIZE, -1, 0));
}

static void a_wrong_answer_ends_the_connection(struct server *s)
{
	struct client_message m;

	begin(BASE, 4096, TOY_FETCH);
	CHECK(client_receive(&c, &m));
	client_reply(&c, &m, c.remote, 100, 0);
	CHECK(client_is_dropped(&c));
	CHECK(server_saw(s, "is not one"));
}

int main(void)
{
	static const char small[] = "{\"capabilities\":{\"max_data_xfer_size\":4096}}";
	struct server s = {0};
	uint8_t *remote = malloc(SIZE);

	CHECK(remote != NULL);
	server_new(&s, NULL);
	server_start(&s);
	client_connect(&c, s.path);
	c.remote = remote;
	c.remote_address = BASE;
	c.remote_size = SIZE;
	CHECK_OK(client_version(&c, NULL));
	CHECK_OK(client_map(&c, BASE, SIZE, -1, 0));
	/* No more than a socket takes whole: QEMU does not send the rest of an answer. */
	copies_are_whole(32768);
	a_lost_connection_ends_them(&s, small);
	copies_are_whole(4096);
	several_are_on_their_way();
	a_refusal_is_an_error();
	a_reset_ends_them();
	an_unmap_ends_them();
	a_wrong_answer_ends_the_connection(&s);
	client_close(&c);
	server_stop(&s);
	free(remote);
	return 0;
}
