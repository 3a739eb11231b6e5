/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversations that are valid but for some bytes, lengths, descriptors and moments of leaving, and
 * some that are plain noise. The server lives, leaks no descriptor, serves the next client, and a
 * second controller in the same process is not disturbed.
 *
 * VIMG_TEST_SEED=N repeats a run.
 */
#include <dirent.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "bytes.h"
#include "emulator-test.h"
#include "front/client.h"
#include "front/server.h"
#include "front/toy.h"

static uint64_t state;

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? (uint32_t)((state >> 20) % below) : 0;
}

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = {
		0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 63, 64, 255, 256, 4095, 4096, 4097, 0x4000,
		0x10000, 0x100000, 0x100001, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,
		0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000,
		0xffffffffffffffff,
	};

	return odd[rnd(sizeof(odd) / sizeof(*odd))];
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	CHECK(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* --------------------------------------------------------------------------------- conversations */

static int fd[8];			/* memory, eventfds, and what is neither */

static void make_fds(void)
{
	int pair[2], pipes[2];

	fd[0] = memfd_create("guest", MFD_CLOEXEC);
	fd[1] = memfd_create("small", MFD_CLOEXEC);
	CHECK_OK(ftruncate(fd[0], 1 << 20));
	CHECK_OK(ftruncate(fd[1], 4096));
	fd[2] = eventfd(0, EFD_CLOEXEC);
	fd[3] = eventfd(0, EFD_CLOEXEC);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	CHECK_OK(pipe(pipes));
	fd[4] = pair[0];
	fd[5] = pair[1];
	fd[6] = pipes[0];
	fd[7] = pipes[1];
}

struct words {
	uint8_t bytes[1024];
	uint32_t length;
	int fd[20];
	unsigned fds;
};

static void add32(struct words *w, uint32_t value)
{
	put_le32(w->bytes + w->length, value);
	w->length += 4;
}

static void add64(struct words *w, uint64_t value)
{
	put_le64(w->bytes + w->length, value);
	w->length += 8;
}

static void add_fds(struct words *w, unsigned n, unsigned first, unsigned kinds)
{
	while (n--)
		w->fd[w->fds++] = fd[first + rnd(kinds)];
}

static void make_map(struct words *w)
{
	bool shared = rnd(4);

	add32(w, 32);
	add32(w, 1 + rnd(3));
	add64(w, 0);
	add64(w, (uint64_t)rnd(8) << 20);
	add64(w, 1 << 20);
	if (shared)
		w->fd[w->fds++] = fd[0];
}

static void make_irqs(struct words *w)
{
	static const uint32_t flags[] = {36, 36, 36, 33, 34, 17, 9, 20, 12};
	uint32_t f = flags[rnd(9)], n = rnd(5);

	add32(w, 20);
	add32(w, f);
	add32(w, rnd(4));
	add32(w, rnd(3));
	add32(w, n);
	if (f & 4)
		add_fds(w, n, 2, 2);
	if (f & 2)
		w->length += n;
}

static void make_access(struct words *w, bool write)
{
	static const uint64_t registers[] = {
		TOY_SCRATCH, TOY_LEVEL, TOY_MESSAGE, TOY_ADDRESS, TOY_LENGTH, TOY_GO, TOY_DISK,
		TOY_PEEK, 0x1000,
	};
	uint32_t region = rnd(3) ? 0 : rnd(9), n = 1u << rnd(4);

	add64(w, region ? rnd(256) : registers[rnd(9)]);
	add32(w, region);
	add32(w, n);
	if (!write)
		return;
	add64(w, rnd(2) ? rnd(8) : (uint64_t)rnd(9 << 10) << 10);
	w->length -= 8 - n;
}

static uint16_t make_message(struct words *w)
{
	static const uint16_t commands[] = {1, 2, 2, 3, 4, 5, 7, 8, 8, 9, 9, 10, 10, 10, 10, 11, 12,
					    13, 15, 16};
	uint16_t command = commands[rnd(20)];

	memset(w, 0, sizeof(*w));
	if (command == CLIENT_DMA_MAP) {
		make_map(w);
	} else if (command == CLIENT_SET_IRQS) {
		make_irqs(w);
	} else if (command == CLIENT_REGION_READ || command == CLIENT_REGION_WRITE) {
		make_access(w, command == CLIENT_REGION_WRITE);
	} else if (command == CLIENT_DMA_UNMAP) {
		add32(w, 24);
		add32(w, rnd(4) ? 0 : 2);
		add64(w, (uint64_t)rnd(8) << 20);
		add64(w, 1 << 20);
	} else if (command == CLIENT_WRITE_MULTI) {
		add64(w, 1);
		make_access(w, true);
		w->length = 32;
	} else if (command != CLIENT_RESET) {
		add32(w, 32);
		add32(w, 0);
		add32(w, rnd(10));
		add32(w, 0);
		w->length = command == CLIENT_GET_REGION_INFO ? 32 : 16;
	}
	return command;
}

static void spoil(uint8_t *message, uint32_t *length, struct words *w)
{
	switch (rnd(8)) {
	case 0:
		message[rnd(*length)] ^= (uint8_t)(1u << rnd(8));
		break;
	case 1:
		put_le64(message + rnd(*length - 7), odd_number());
		break;
	case 2:
		put_le32(message + rnd(*length - 3), (uint32_t)odd_number());
		break;
	case 3:
		put_le32(message + 4, (uint32_t)odd_number());
		break;
	case 4:
		*length = rnd(*length) + 1;
		break;
	case 5:
		*length += rnd(64);
		if (rnd(2))
			put_le32(message + 4, *length);
		break;
	case 6:
		w->fds = 0;
		break;
	default:
		w->fds = 0;
		add_fds(w, rnd(20), 0, 8);
	}
}

/* As much as the socket takes now: nobody reads the answers in between. */
static bool push(int socket, const uint8_t *bytes, size_t n, const struct words *w)
{
	char control[CMSG_SPACE(20 * sizeof(int))] __attribute__((aligned(16))) = {0};
	struct iovec iov = {(void *)bytes, n};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (w->fds) {
		struct cmsghdr *m;

		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(w->fds * sizeof(int));
		m = CMSG_FIRSTHDR(&h);
		m->cmsg_level = SOL_SOCKET;
		m->cmsg_type = SCM_RIGHTS;
		m->cmsg_len = CMSG_LEN(w->fds * sizeof(int));
		memcpy(CMSG_DATA(m), w->fd, w->fds * sizeof(int));
	}
	return sendmsg(socket, &h, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

static void read_some(int socket)
{
	uint8_t sink[4096];

	while (recv(socket, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

/* The one before may still be leaving. */
static void join(struct client *c, struct server *s)
{
	int r = -EBUSY;

	for (unsigned i = 0; r == -EBUSY && i < 10000; i++) {
		if (i)
			usleep(i < 100 ? 10 : 1000);
		client_connect(c, s->path);
		r = client_version(c, NULL);
		if (r)
			client_close(c);
	}
	CHECK_OK(r);
}

static void converse(struct server *s)
{
	unsigned messages = 1 + rnd(30);
	struct client c;

	if (rnd(8))
		join(&c, s);
	else
		client_connect(&c, s->path);
	for (unsigned i = 0; i < messages; i++) {
		uint8_t message[2048] = {0};
		struct words w;
		uint16_t command = make_message(&w);
		uint32_t length = 16 + w.length;

		put_le16(message, (uint16_t)i);
		put_le16(message + 2, command);
		put_le32(message + 4, length);
		put_le32(message + 8, rnd(4) ? 0 : rnd(3) ? 0x10 : 1);
		memcpy(message + 16, w.bytes, w.length);
		if (!rnd(6))
			spoil(message, &length, &w);
		if (!push(c.fd, message, length, &w))
			break;
		if (!rnd(4))
			read_some(c.fd);
	}
	/* Some stay to see what comes of it. */
	for (unsigned i = rnd(2) ? 0 : 20; i; i--) {
		struct pollfd p = {.fd = c.fd, .events = POLLIN};

		if (poll(&p, 1, 1) != 1 || p.revents & POLLHUP)
			break;
		read_some(c.fd);
	}
	if (!rnd(4))
		shutdown(c.fd, (int)rnd(3));
	client_close(&c);
}

static void make_noise(struct server *s)
{
	struct words none = {0};
	uint8_t noise[512];
	struct client c;

	client_connect(&c, s->path);
	for (unsigned i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)rnd(256);
	push(c.fd, noise, 1 + rnd(sizeof(noise)), &none);
	client_close(&c);
}

static void is_well(struct server *s)
{
	struct client c;

	join(&c, s);
	CHECK_OK(client_map(&c, 0, 4096, fd[1], 0));
	client_write(&c, 0, TOY_SCRATCH, 0x77, 4);
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH, 4), 0x77);
	CHECK_OK(client_reset(&c));
	client_close(&c);
}

int main(void)
{
	struct server s = {.answer_ms = 100, .stall_ms = 100}, quiet = {0};
	const char *seed = getenv("VIMG_TEST_SEED");
	unsigned rounds = test_quick() ? 300 : 2000, before = 0, after = 0;
	struct client calm;

	state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
	printf("VIMG_TEST_SEED=%#" PRIx64 "\n", state);
	state |= 1;
	make_fds();
	server_new(&s, NULL);
	server_attach(&s, memory_disk(1 << 20));
	server_start(&s);
	server_new(&quiet, NULL);
	server_start(&quiet);
	client_connect(&calm, quiet.path);
	CHECK_OK(client_version(&calm, NULL));
	is_well(&s);
	server_stop(&s);
	before = open_fds();
	s = (struct server){.answer_ms = 100, .stall_ms = 100};
	server_new(&s, NULL);
	server_attach(&s, memory_disk(1 << 20));
	server_start(&s);
	for (unsigned i = 0; i < rounds; i++) {
		if (rnd(10))
			converse(&s);
		else
			make_noise(&s);
		if (i % 16 == 0) {
			client_write(&calm, 0, TOY_SCRATCH, i, 4);
			CHECK_EQ(client_read(&calm, 0, TOY_SCRATCH, 4), i);
		}
		if (i % 64 == 0)
			is_well(&s);
	}
	is_well(&s);
	printf("%" PRIu64 " connections, %" PRIu64 " messages\n", server_statistics(&s).connections,
	       server_statistics(&s).messages_in);
	server_stop(&s);
	after = open_fds();
	CHECK_EQ(after, before);
	client_close(&calm);
	server_stop(&quiet);
	return 0;
}
