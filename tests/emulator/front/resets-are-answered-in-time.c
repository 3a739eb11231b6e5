/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RESET and function-level reset: answered when they are over, or when their time is up; what comes
 * behind them waits. */
#include <sys/eventfd.h>
#include <time.h>

#include "bytes.h"
#include "front/client.h"
#include "front/server.h"
#include "front/toy.h"
#include "test.h"

static struct client c;
static struct server s = {.answer_ms = 1500};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void end_reset(void *opaque)
{
	toy_end_reset((struct toy *)opaque);
}

static uint16_t begin_read(uint64_t offset)
{
	uint8_t p[16] = {0};

	put_le64(p, offset);
	put_le32(p + 12, 4);
	return client_send(&c, CLIENT_REGION_READ, 0, p, 16, NULL, 0);
}

static uint32_t await_read(uint16_t id)
{
	struct client_message m;

	CHECK_OK(client_await(&c, id, &m));
	CHECK_EQ(m.length, 20);
	return le32(m.payload + 16);
}

/* Where the control register of the express capability is. */
static uint32_t express_control(void)
{
	uint32_t at = (uint32_t)client_read(&c, CLIENT_CONFIG, 0x34, 1);

	while (at && client_read(&c, CLIENT_CONFIG, at, 1) != 0x10)
		at = (uint32_t)client_read(&c, CLIENT_CONFIG, at + 1, 1);
	CHECK(at != 0);
	return at + 8;
}

static void quick_ones_are_done_when_answered(void)
{
	uint32_t resets = (uint32_t)client_read(&c, 0, TOY_RESETS, 4);

	client_write(&c, CLIENT_CONFIG, 4, 7, 2);
	client_write(&c, 0, TOY_SCRATCH, 1, 4);
	CHECK_OK(client_reset(&c));
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH, 4), 0);
	CHECK_EQ(client_read(&c, CLIENT_CONFIG, 4, 2), 0);
	CHECK_EQ(client_read(&c, 0, TOY_RESETS, 4), resets + 1);
	client_write(&c, 0, TOY_SCRATCH, 1, 4);
	client_write(&c, CLIENT_CONFIG, express_control() + 1, 0x80, 1);
	CHECK_EQ(client_read(&c, 0, TOY_RESETS, 4), resets + 2);
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH, 4), 0);
	CHECK_EQ(client_call(&c, CLIENT_RESET, "", 1, NULL), -EINVAL);
}

static void interrupts_stay_assigned(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	CHECK_OK(client_set_irqs(&c, CLIENT_TRIGGER | CLIENT_EVENTFD, CLIENT_INTX, 0, 1, &fd, 1));
	client_write(&c, 0, TOY_LEVEL, 1, 4);
	CHECK_EQ(client_interrupts(fd), 1);
	CHECK_OK(client_reset(&c));
	CHECK_EQ(client_read(&c, 0, TOY_LEVEL, 4), 0);
	CHECK_OK(client_set_irqs(&c, CLIENT_UNMASK | CLIENT_NONE, CLIENT_INTX, 0, 1, NULL, 0));
	CHECK(client_is_quiet(fd));
	client_write(&c, 0, TOY_LEVEL, 1, 4);
	CHECK_EQ(client_interrupts(fd), 1);
	CHECK_OK(client_reset(&c));
	close(fd);
}

/* What is sent behind it without waiting finds a controller after its reset. */
static void what_comes_behind_waits(bool by_function)
{
	uint16_t reset, read;

	client_write(&c, 0, TOY_SCRATCH, 7, 4);
	client_write(&c, 0, TOY_SLOW_RESET, 1, 4);
	if (by_function) {
		uint32_t at = express_control();
		uint8_t p[18] = {0, [17] = 0x80};

		put_le64(p, at);
		put_le32(p + 8, CLIENT_CONFIG);
		put_le32(p + 12, 2);
		reset = client_send(&c, CLIENT_REGION_WRITE, 0, p, 18, NULL, 0);
	} else {
		reset = client_send(&c, CLIENT_RESET, 0, NULL, 0, NULL, 0);
	}
	client_post(&c, 0, TOY_SCRATCH + 8, 9, 4);
	read = begin_read(TOY_SCRATCH + 8);
	usleep(50000);
	CHECK(client_is_quiet(c.fd));
	server_call(&s, end_reset, s.c);
	CHECK_OK(client_await(&c, reset, NULL));
	CHECK_EQ(await_read(read), 9);
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH, 4), 0);
}

static void late_ones_are_answered_all_the_same(void)
{
	double begun = now();
	uint16_t reset;

	client_write(&c, 0, TOY_SLOW_RESET, 1, 4);
	CHECK_OK(client_reset(&c));
	CHECK(now() - begun > 1.4 && now() - begun < 8);
	/* The controller can be asked how it is doing. */
	CHECK_EQ(client_read(&c, 0, TOY_SLOW_RESET, 4), 1);
	/* A second one joins the first. */
	reset = client_send(&c, CLIENT_RESET, 0, NULL, 0, NULL, 0);
	usleep(20000);
	server_call(&s, end_reset, s.c);
	CHECK_OK(client_await(&c, reset, NULL));
	CHECK_EQ(client_read(&c, 0, TOY_SLOW_RESET, 4), 0);
}

static void posted_ones_hold_what_follows(void)
{
	uint32_t resets = (uint32_t)client_read(&c, 0, TOY_RESETS, 4);
	uint32_t at = express_control();

	client_write(&c, 0, TOY_SLOW_RESET, 1, 4);
	client_post(&c, CLIENT_CONFIG, at, 0x8000, 2);
	client_post(&c, 0, TOY_SCRATCH, 5, 4);
	usleep(20000);
	server_call(&s, end_reset, s.c);
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH, 4), 5);
	CHECK_EQ(client_read(&c, 0, TOY_RESETS, 4), resets + 1);
}

/* The client leaves while a reset of its is under way: the next one finds the power-on state. */
static void a_client_leaves_in_the_middle(void)
{
	client_write(&c, 0, TOY_SLOW_RESET, 1, 4);
	client_write(&c, 0, TOY_SCRATCH, 7, 4);
	client_send(&c, CLIENT_RESET, 0, NULL, 0, NULL, 0);
	usleep(20000);
	client_close(&c);
	usleep(20000);
	server_call(&s, end_reset, s.c);
	server_await_power_offs(&s, 1);
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH, 4), 0);
	CHECK_OK(client_reset(&c));
}

int main(void)
{
	server_new(&s, NULL);
	server_start(&s);
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
	quick_ones_are_done_when_answered();
	interrupts_stay_assigned();
	what_comes_behind_waits(false);
	what_comes_behind_waits(true);
	late_ones_are_answered_all_the_same();
	posted_ones_hold_what_follows();
	a_client_leaves_in_the_middle();
	client_close(&c);
	server_stop(&s);
	return 0;
}
