/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INTx with its masks, MSI, MSI-X, in all forms of SET_IRQS. */
#include <fcntl.h>
#include <sys/eventfd.h>

#include "bytes.h"
#include "front/client.h"
#include "front/server.h"
#include "front/toy.h"
#include "test.h"

#define ASSIGN (CLIENT_TRIGGER | CLIENT_EVENTFD)
#define DISABLE (CLIENT_TRIGGER | CLIENT_NONE)

static struct client c;
static int fd[TOY_VECTORS];

/* The register access is answered after what it caused. */
static void set_level(unsigned level)
{
	client_write(&c, 0, TOY_LEVEL, level, 4);
}

static void send_message(unsigned vector)
{
	client_write(&c, 0, TOY_MESSAGE, vector, 4);
}

static void no_interrupts(void)
{
	for (unsigned i = 0; i < TOY_VECTORS; i++)
		CHECK(client_is_quiet(fd[i]));
}

static void intx_is_masked_by_sending_it(void)
{
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_INTX, 0, 1, fd, 1));
	no_interrupts();
	set_level(1);
	CHECK_EQ(client_interrupts(fd[0]), 1);
	set_level(0);
	set_level(1);
	no_interrupts();
	/* Still high when it is unmasked. */
	CHECK_OK(client_set_irqs(&c, CLIENT_UNMASK | CLIENT_NONE, CLIENT_INTX, 0, 1, NULL, 0));
	CHECK_EQ(client_interrupts(fd[0]), 1);
	set_level(0);
	CHECK_OK(client_set_irqs(&c, CLIENT_UNMASK | CLIENT_NONE, CLIENT_INTX, 0, 1, NULL, 0));
	no_interrupts();
	CHECK_OK(client_set_irqs(&c, CLIENT_MASK | CLIENT_NONE, CLIENT_INTX, 0, 1, NULL, 0));
	set_level(1);
	no_interrupts();
	CHECK_OK(client_set_irqs(&c, CLIENT_UNMASK | CLIENT_NONE, CLIENT_INTX, 0, 1, NULL, 0));
	CHECK_EQ(client_interrupts(fd[0]), 1);
}

static void intx_follows_the_command_register(void)
{
	CHECK_OK(client_set_irqs(&c, CLIENT_UNMASK | CLIENT_NONE, CLIENT_INTX, 0, 1, NULL, 0));
	CHECK_EQ(client_interrupts(fd[0]), 1);
	client_write(&c, CLIENT_CONFIG, 4, 0x406, 2);
	CHECK_OK(client_set_irqs(&c, CLIENT_UNMASK | CLIENT_NONE, CLIENT_INTX, 0, 1, NULL, 0));
	no_interrupts();
	client_write(&c, CLIENT_CONFIG, 4, 0x006, 2);
	CHECK_EQ(client_interrupts(fd[0]), 1);
}

static void intx_is_unmasked_by_an_eventfd(void)
{
	uint64_t one = 1;

	CHECK_OK(client_set_irqs(&c, CLIENT_UNMASK | CLIENT_EVENTFD, CLIENT_INTX, 0, 1, fd + 1, 1));
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(write(fd[1], &one, 8), 8);
		CHECK_EQ(client_interrupts(fd[0]), 1);
	}
	CHECK_OK(client_set_irqs(&c, CLIENT_UNMASK | CLIENT_EVENTFD, CLIENT_INTX, 0, 1, NULL, 0));
	CHECK_EQ(client_set_irqs(&c, CLIENT_MASK | CLIENT_EVENTFD, CLIENT_INTX, 0, 1, fd, 1),
		 -ENOTSUP);
	set_level(0);
	CHECK_OK(client_set_irqs(&c, DISABLE, CLIENT_INTX, 0, 0, NULL, 0));
	set_level(1);
	no_interrupts();
	/* The one who comes later finds it high. */
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_INTX, 0, 1, fd, 1));
	CHECK_EQ(client_interrupts(fd[0]), 1);
	set_level(0);
	CHECK_OK(client_set_irqs(&c, DISABLE, CLIENT_INTX, 0, 0, NULL, 0));
}

static void msi_folds_vectors_that_are_not_there(void)
{
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSI, 0, 4, fd, 4));
	send_message(2);
	CHECK_EQ(client_interrupts(fd[2]), 1);
	send_message(7);
	CHECK_EQ(client_interrupts(fd[3]), 1);
	/* The level is not for the client meanwhile. */
	set_level(1);
	set_level(0);
	no_interrupts();
	CHECK_OK(client_set_irqs(&c, DISABLE, CLIENT_MSI, 0, 0, NULL, 0));
	send_message(0);
	no_interrupts();
}

static void vectors_come_one_by_one(void)
{
	for (unsigned i = 0; i < 4; i++) {
		CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, i, 1, fd + i, 1));
		send_message(i);
		CHECK_EQ(client_interrupts(fd[i]), 1);
	}
	/* One without a descriptor yet waits for it, once. */
	send_message(9);
	send_message(9);
	no_interrupts();
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 9, 1, fd + 9, 1));
	CHECK_EQ(client_interrupts(fd[9]), 1);
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 9, 1, NULL, 0));
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 9, 1, fd + 9, 1));
	no_interrupts();
	/* As QEMU does with a larger number: disabled, and all again. */
	CHECK_OK(client_set_irqs(&c, DISABLE, CLIENT_MSIX, 0, 0, NULL, 0));
	send_message(1);
	no_interrupts();
}

static void many_vectors_take_several_messages(void)
{
	for (unsigned i = 0; i < TOY_VECTORS; i += 16)
		CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, i, 16, fd + i, 16));
	for (unsigned i = 0; i < TOY_VECTORS; i++)
		send_message(i);
	for (unsigned i = 0; i < TOY_VECTORS; i++)
		CHECK_EQ(client_interrupts(fd[i]), 1);
}

static void a_client_may_trigger(void)
{
	uint8_t p[20 + 3] = {23, [4] = CLIENT_TRIGGER | CLIENT_BOOL, [8] = CLIENT_MSIX, [12] = 5,
			     [16] = 3, [20] = 1, 0, 1};

	CHECK_OK(client_set_irqs(&c, CLIENT_TRIGGER | CLIENT_NONE, CLIENT_MSIX, 1, 2, NULL, 0));
	CHECK_EQ(client_interrupts(fd[1]), 1);
	CHECK_EQ(client_interrupts(fd[2]), 1);
	CHECK_OK(client_call(&c, CLIENT_SET_IRQS, p, sizeof(p), NULL));
	CHECK_EQ(client_interrupts(fd[5]), 1);
	CHECK_EQ(client_interrupts(fd[7]), 1);
	no_interrupts();
	CHECK_EQ(client_call(&c, CLIENT_SET_IRQS, p, sizeof(p) - 1, NULL), -EINVAL);
}

static void errors_are_never_sent(void)
{
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_ERR, 0, 1, fd + 30, 1));
	no_interrupts();
	CHECK_OK(client_set_irqs(&c, DISABLE, CLIENT_ERR, 0, 0, NULL, 0));
}

static void wrong_settings_are_refused(struct server *s)
{
	int pipes[2];

	CHECK_OK(pipe(pipes));
	CHECK_EQ(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 0, 1, pipes + 1, 1), -EINVAL);
	CHECK(server_saw(s, "no eventfd"));
	CHECK_EQ(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, TOY_VECTORS - 1, 2, fd, 2), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, UINT32_MAX, 2, fd, 2), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 0, 3, fd, 2), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 0, 1, fd, 2), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, ASSIGN, CLIENT_REQ, 0, 1, fd, 1), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, ASSIGN, 5, 0, 1, fd, 1), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, DISABLE, CLIENT_MSIX, 0, 0, fd, 1), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, CLIENT_TRIGGER, CLIENT_MSIX, 0, 1, fd, 1), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, ASSIGN | CLIENT_NONE, CLIENT_MSIX, 0, 1, fd, 1), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, ASSIGN | CLIENT_MASK, CLIENT_MSIX, 0, 1, fd, 1), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, ASSIGN | 0x40, CLIENT_MSIX, 0, 1, fd, 1), -EINVAL);
	CHECK_EQ(client_set_irqs(&c, CLIENT_MASK | CLIENT_NONE, CLIENT_MSIX, 0, 1, NULL, 0),
		 -ENOTSUP);
	/* More than can be taken at once: told, and what was there stays. */
	CHECK_EQ(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 0, 40, fd, 40), -EMFILE);
	CHECK(server_saw(s, "did not fit"));
	send_message(3);
	CHECK_EQ(client_interrupts(fd[3]), 1);
	close(pipes[0]);
	close(pipes[1]);
}

static void a_full_counter_stops_nobody(void)
{
	int full = eventfd(0, 0);
	uint64_t most = UINT64_MAX - 1;

	CHECK_EQ(write(full, &most, 8), 8);
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 0, 1, &full, 1));
	send_message(0);
	send_message(3);
	CHECK_EQ(client_interrupts(fd[3]), 1);
	close(full);
}

/* O_NONBLOCK is the open file's, so that the client can take it off again. */
static void blocking_eventfds_stop_nobody(struct server *s)
{
	int evil = eventfd(0, 0);
	uint64_t most = UINT64_MAX - 1;

	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 0, 1, &evil, 1));
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 1, 1, &evil, 1));
	CHECK_OK(fcntl(evil, F_SETFL, 0));
	CHECK_EQ(write(evil, &most, 8), 8);
	client_post(&c, 0, TOY_MESSAGE, 0, 4);
	client_post(&c, 0, TOY_MESSAGE, 1, 4);
	CHECK(client_is_dropped(&c));
	CHECK(server_saw(s, "has to wait"));
	client_close(&c);
	/* The next one has a place, and interrupts. */
	client_connect(&c, s->path);
	CHECK_OK(client_version(&c, NULL));
	CHECK_OK(client_set_irqs(&c, ASSIGN, CLIENT_MSIX, 0, 1, fd, 1));
	send_message(0);
	CHECK_EQ(client_interrupts(fd[0]), 1);
	close(evil);
}

int main(void)
{
	struct server s = {0};

	alarm(60);

	for (unsigned i = 0; i < TOY_VECTORS; i++)
		CHECK((fd[i] = eventfd(0, EFD_CLOEXEC)) >= 0);
	server_new(&s, NULL);
	server_start(&s);
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
	intx_is_masked_by_sending_it();
	intx_follows_the_command_register();
	intx_is_unmasked_by_an_eventfd();
	msi_folds_vectors_that_are_not_there();
	vectors_come_one_by_one();
	many_vectors_take_several_messages();
	a_client_may_trigger();
	errors_are_never_sent();
	wrong_settings_are_refused(&s);
	a_full_counter_stops_nobody();
	blocking_eventfds_stop_nobody(&s);
	client_close(&c);
	server_stop(&s);
	return 0;
}
