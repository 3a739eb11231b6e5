/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client.c - see client.h. */
#include "front/client.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "bytes.h"
#include "test.h"

#define ROOM (2u << 20)

void client_init(struct client *c, int fd)
{
	struct timeval patience = {.tv_sec = 10};

	*c = (struct client){.fd = fd, .buf = malloc(ROOM)};
	CHECK(c->buf != NULL);
	CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)));
}

void client_connect(struct client *c, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	CHECK_OK(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	client_init(c, fd);
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c->buf);
	c->fd = -1;
	c->buf = NULL;
}

/* ------------------------------------------------------------------------------------ messages */

static void send_iov(struct client *c, struct iovec *iov, int n, const int *fd, unsigned fds)
{
	char control[CMSG_SPACE(64 * sizeof(int))] __attribute__((aligned(16))) = {0};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = (size_t)n};
	size_t left = 0;

	for (int i = 0; i < n; i++)
		left += iov[i].iov_len;
	if (fds) {
		struct cmsghdr *m;

		CHECK(fds <= 64);
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		m = CMSG_FIRSTHDR(&h);
		m->cmsg_level = SOL_SOCKET;
		m->cmsg_type = SCM_RIGHTS;
		m->cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(m), fd, fds * sizeof(int));
	}
	while (left) {
		ssize_t sent = sendmsg(c->fd, &h, MSG_NOSIGNAL);

		/* A server that has had enough of us is no failure of the test. */
		if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		CHECK(sent > 0);
		left -= (size_t)sent;
		h.msg_controllen = 0;
		while (left && (size_t)sent >= h.msg_iov->iov_len) {
			sent -= (ssize_t)h.msg_iov->iov_len;
			h.msg_iov++;
			h.msg_iovlen--;
		}
		h.msg_iov->iov_base = (char *)h.msg_iov->iov_base + sent;
		h.msg_iov->iov_len -= (size_t)sent;
	}
}

void client_send_bytes(struct client *c, const void *data, size_t n, const int *fd, unsigned fds)
{
	struct iovec iov = {(void *)data, n};

	send_iov(c, &iov, 1, fd, fds);
}

static void send_message(struct client *c, uint16_t id, uint16_t command, uint32_t flags,
			 uint32_t error, const void *payload, uint32_t length, const int *fd,
			 unsigned fds)
{
	uint8_t header[16];
	struct iovec iov[2] = {{header, 16}, {(void *)payload, length}};

	put_le16(header, id);
	put_le16(header + 2, command);
	put_le32(header + 4, 16 + length);
	put_le32(header + 8, flags);
	put_le32(header + 12, error);
	send_iov(c, iov, length ? 2 : 1, fd, fds);
}

uint16_t client_send(struct client *c, uint16_t command, uint32_t flags, const void *payload,
		     uint32_t length, const int *fd, unsigned fds)
{
	send_message(c, ++c->id, command, flags, 0, payload, length, fd, fds);
	return c->id;
}

static bool receive_bytes(struct client *c, void *buf, size_t n)
{
	while (n) {
		ssize_t got = recv(c->fd, buf, n, 0);

		if (!got || (got < 0 && errno == ECONNRESET))
			return false;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			test_fail(__FILE__, __LINE__, "the server keeps silent: %s", strerror(errno));
		buf = (char *)buf + got;
		n -= (size_t)got;
	}
	return true;
}

bool client_receive(struct client *c, struct client_message *m)
{
	uint8_t header[16];

	if (!receive_bytes(c, header, sizeof(header)))
		return false;
	m->id = le16(header);
	m->command = le16(header + 2);
	m->size = le32(header + 4);
	m->flags = le32(header + 8);
	m->error = le32(header + 12);
	CHECK(m->size >= 16 && m->size <= ROOM);
	m->length = m->size - 16;
	m->payload = c->buf;
	return receive_bytes(c, c->buf, m->length);
}

void client_reply(struct client *c, const struct client_message *to, const void *payload,
		  uint32_t length, uint32_t error)
{
	send_message(c, to->id, to->command, error ? 0x21 : 1, error, payload, length, NULL, 0);
}

void client_serve(struct client *c, const struct client_message *m)
{
	uint64_t address = le64(m->payload), n = le64(m->payload + 8);
	uint8_t *at = c->remote + (address - c->remote_address);

	CHECK(m->command == CLIENT_DMA_READ || m->command == CLIENT_DMA_WRITE);
	CHECK_EQ(m->length, m->command == CLIENT_DMA_READ ? 16 : 16 + n);
	if (n > c->dma_longest)
		c->dma_longest = n;
	if (m->command == CLIENT_DMA_READ)
		c->dma_reads++;
	else
		c->dma_writes++;
	if (c->refuse_dma || address < c->remote_address || n > c->remote_size ||
	    address - c->remote_address > c->remote_size - n) {
		client_reply(c, m, NULL, 0, EFAULT);
	} else if (m->command == CLIENT_DMA_READ) {
		memcpy(m->payload + 16, at, n);
		client_reply(c, m, m->payload, 16 + (uint32_t)n, 0);
	} else {
		memcpy(at, m->payload + 16, n);
		client_reply(c, m, m->payload, 16, 0);
	}
}

int client_await(struct client *c, uint16_t id, struct client_message *m)
{
	struct client_message own;

	if (!m)
		m = &own;
	for (;;) {
		if (!client_receive(c, m))
			return -ECONNRESET;
		if ((m->flags & 0xf) == 1)
			break;
		client_serve(c, m);
	}
	CHECK_EQ(m->id, id);
	if (m->flags & 0x20) {
		CHECK_EQ(m->size, 16);
		CHECK(m->error != 0);
		return -(int)m->error;
	}
	CHECK_EQ(m->error, 0);
	return 0;
}

int client_call(struct client *c, uint16_t command, const void *payload, uint32_t length,
		struct client_message *m)
{
	return client_await(c, client_send(c, command, 0, payload, length, NULL, 0), m);
}

/* ------------------------------------------------------------------------------------ commands */

int client_version(struct client *c, const char *json)
{
	uint8_t payload[512] = {0};
	struct client_message m;
	int r;

	if (!json)
		json = "{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,"
		       "\"max_dma_maps\":65535,\"pgsizes\":4096,\"write_multiple\":true}}";
	strcpy((char *)payload + 4, json);
	r = client_call(c, CLIENT_VERSION, payload, 4 + (uint32_t)strlen(json) + 1, &m);
	if (!r) {
		CHECK(m.length >= 4 && m.length <= 4 + strlen(json) + 1);
		CHECK_EQ(le16(m.payload), 0);
		CHECK(m.length == 4 || !m.payload[m.length - 1]);
	}
	return r;
}

int client_map(struct client *c, uint64_t address, uint64_t size, int fd, uint64_t offset)
{
	uint8_t p[32] = {0};

	put_le32(p, sizeof(p));
	put_le32(p + 4, 3);
	put_le64(p + 8, offset);
	put_le64(p + 16, address);
	put_le64(p + 24, size);
	return client_await(c, client_send(c, CLIENT_DMA_MAP, 0, p, sizeof(p), &fd, fd >= 0), NULL);
}

uint16_t client_begin_unmap(struct client *c, uint64_t address, uint64_t size)
{
	uint8_t p[24] = {0};

	put_le32(p, sizeof(p));
	put_le64(p + 8, address);
	put_le64(p + 16, size);
	return client_send(c, CLIENT_DMA_UNMAP, 0, p, sizeof(p), NULL, 0);
}

int client_unmap(struct client *c, uint64_t address, uint64_t size)
{
	struct client_message m;
	int r = client_await(c, client_begin_unmap(c, address, size), &m);

	if (!r) {
		CHECK_EQ(m.length, 24);
		CHECK_EQ(le64(m.payload + 8), address);
		CHECK_EQ(le64(m.payload + 16), size);
	}
	return r;
}

static void access_header(uint8_t *p, uint32_t region, uint64_t offset, uint32_t n)
{
	put_le64(p, offset);
	put_le32(p + 8, region);
	put_le32(p + 12, n);
}

uint64_t client_read(struct client *c, uint32_t region, uint64_t offset, unsigned n)
{
	struct client_message m;
	uint8_t p[16], value[8] = {0};

	access_header(p, region, offset, n);
	CHECK_OK(client_call(c, CLIENT_REGION_READ, p, sizeof(p), &m));
	CHECK(n <= 8 && m.length == 16 + n && !memcmp(m.payload, p, 16));
	memcpy(value, m.payload + 16, n);
	return le64(value);
}

void client_write(struct client *c, uint32_t region, uint64_t offset, uint64_t value, unsigned n)
{
	struct client_message m;
	uint8_t p[24];

	access_header(p, region, offset, n);
	put_le64(p + 16, value);
	CHECK_OK(client_call(c, CLIENT_REGION_WRITE, p, 16 + n, &m));
	CHECK(m.length == 16 && !memcmp(m.payload, p, 16));
}

void client_post(struct client *c, uint32_t region, uint64_t offset, uint64_t value, unsigned n)
{
	uint8_t p[24];

	access_header(p, region, offset, n);
	put_le64(p + 16, value);
	client_send(c, CLIENT_REGION_WRITE, CLIENT_NO_REPLY, p, 16 + n, NULL, 0);
}

int client_set_irqs(struct client *c, uint32_t flags, uint32_t index, uint32_t start,
		    uint32_t count, const int *fd, unsigned fds)
{
	uint8_t p[20];

	put_le32(p, sizeof(p));
	put_le32(p + 4, flags);
	put_le32(p + 8, index);
	put_le32(p + 12, start);
	put_le32(p + 16, count);
	return client_await(c, client_send(c, CLIENT_SET_IRQS, 0, p, sizeof(p), fd, fds), NULL);
}

int client_reset(struct client *c)
{
	return client_call(c, CLIENT_RESET, NULL, 0, NULL);
}

uint64_t client_interrupts(int eventfd)
{
	struct pollfd p = {.fd = eventfd, .events = POLLIN};
	uint64_t count = 0;

	if (poll(&p, 1, 10000) == 1)
		CHECK_EQ(read(eventfd, &count, sizeof(count)), 8);
	return count;
}

bool client_is_quiet(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 0;
}

bool client_is_dropped(struct client *c)
{
	struct client_message m;

	while (client_receive(c, &m))
		;
	return true;
}
