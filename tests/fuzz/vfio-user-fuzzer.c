/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio-user-fuzzer.c - what a client may send to a vfio-user server, with a toy controller behind it.
 *
 * The first byte: bit 0, a valid greeting comes first. Then pieces: a byte of flags (bits 0 to 2
 * which descriptors go along, 3 hang up half-way, 4 the header is made of a byte of command and one
 * of flags), 16 bits of length, and that many bytes.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "emulator-test.h"
#include "front/toy.h"
#include "front/vfio_user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int *descriptors(unsigned choice, unsigned *n)
{
	static int fd[6];
	static const struct {
		uint8_t first, count;
	} choices[8] = {{0, 0}, {0, 1}, {1, 1}, {0, 2}, {3, 1}, {1, 2}, {0, 6}, {5, 1}};

	if (!fd[0]) {
		fd[0] = memfd_create("guest", MFD_CLOEXEC);
		fd[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fd[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fd[5] = memfd_create("small", MFD_CLOEXEC);
		if (pipe(fd + 3) || ftruncate(fd[0], 1 << 20) || ftruncate(fd[5], 4096))
			abort();
	}
	*n = choices[choice].count;
	return fd + choices[choice].first;
}

static void give(int socket, const uint8_t *bytes, size_t n, unsigned choice)
{
	char control[CMSG_SPACE(6 * sizeof(int))] __attribute__((aligned(16))) = {0};
	struct iovec iov = {(void *)bytes, n};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	unsigned fds;
	const int *fd = descriptors(choice, &fds);

	if (fds) {
		struct cmsghdr *m;

		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		m = CMSG_FIRSTHDR(&h);
		m->cmsg_level = SOL_SOCKET;
		m->cmsg_type = SCM_RIGHTS;
		m->cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(m), fd, fds * sizeof(int));
	}
	if (n)
		sendmsg(socket, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static size_t give_piece(int socket, const uint8_t *data, size_t size)
{
	uint8_t message[16 + 65536 + 2];
	size_t length = le16(data + 1) < size - 3 ? le16(data + 1) : size - 3, n = length;
	const uint8_t *from = data + 3;

	if (data[0] & 0x10 && length >= 2) {
		n = 16 + length - 2;
		memset(message, 0, 16);
		put_le16(message + 2, from[0]);
		put_le32(message + 4, (uint32_t)n);
		put_le32(message + 8, from[1]);
		memcpy(message + 16, from + 2, length - 2);
		from = message;
	}
	give(socket, from, n, data[0] & 7);
	if (data[0] & 8)
		shutdown(socket, SHUT_WR);
	return 3 + length;
}

static void stopped(void *opaque)
{
	*(bool *)opaque = true;
}

static void converse(struct loop *l, int socket, const uint8_t *data, size_t size)
{
	static const uint8_t greeting[] = {
		1, 0, 1, 0, 23, [16] = 0, 0, 0, 0, '{', '}', 0,
	};
	uint8_t answers[65536];

	if (data[0] & 1)
		give(socket, greeting, sizeof(greeting), 0);
	for (size_t at = 1; size - at > 3;) {
		at += give_piece(socket, data + at, size - at);
		loop_once(l, 0);
		while (recv(socket, answers, sizeof(answers), MSG_DONTWAIT) > 0)
			;
	}
	for (unsigned i = 0; i < 4; i++)
		loop_once(l, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct option_values none;
	struct controller *c;
	struct vfio_user *v;
	struct loop *l;
	bool over = false;
	int pair[2];

	if (!size)
		return 0;
	if (loop_new(&l) || controller_new(&toy_type, "toy", 0, l, &none, &c, NULL) ||
	    vfio_user_new(c, -1, NULL, NULL, &v, NULL) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || vfio_user_adopt(v, pair[0]))
		abort();
	converse(l, pair[1], data, size);
	toy_end_reset((struct toy *)c);
	((struct toy *)c)->slow_reset = false;
	vfio_user_stop(v, stopped, &over);
	while (!over)
		loop_once(l, 1000);
	close(pair[1]);
	vfio_user_free(v);
	controller_free(c);
	loop_free(l);
	return 0;
}
