/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages byte by byte, in one heap, with descriptors all over; half a connection; answers that are
 * not read. A second controller in the same thread goes on working meanwhile. */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bytes.h"
#include "front/client.h"
#include "front/server.h"
#include "front/toy.h"
#include "test.h"

static struct server s = {.stall_ms = 2000};
static struct client c, other;
static struct controller *second;
static struct vfio_user *second_front;
static int second_fd;

static void join(void)
{
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
}

static void the_other_one_works(void)
{
	static uint32_t n;

	client_write(&other, 0, TOY_SCRATCH, ++n, 4);
	CHECK_EQ(client_read(&other, 0, TOY_SCRATCH, 4), n);
}

static size_t put_message(uint8_t *at, uint16_t id, uint16_t command, uint32_t flags,
			  const void *payload, uint32_t n)
{
	put_le16(at, id);
	put_le16(at + 2, command);
	put_le32(at + 4, 16 + n);
	put_le32(at + 8, flags);
	put_le32(at + 12, 0);
	memcpy(at + 16, payload, n);
	return 16 + n;
}

static size_t put_read(uint8_t *at, uint16_t id, uint64_t offset, uint32_t n)
{
	uint8_t p[16] = {0};

	put_le64(p, offset);
	put_le32(p + 12, n);
	return put_message(at, id, CLIENT_REGION_READ, 0, p, 16);
}

static size_t put_write(uint8_t *at, uint16_t id, uint32_t flags, uint64_t offset, uint32_t value)
{
	uint8_t p[20] = {0};

	put_le64(p, offset);
	put_le32(p + 12, 4);
	put_le32(p + 16, value);
	return put_message(at, id, CLIENT_REGION_WRITE, flags, p, 20);
}

static void bytes_come_one_by_one(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	uint8_t bytes[256], p[32] = {32, [4] = 3, [25] = 0x10};
	size_t n;

	CHECK_OK(ftruncate(fd, 4096));
	join();
	n = put_message(bytes, 1, CLIENT_DMA_MAP, 0, p, 32);
	n += put_write(bytes + n, 2, 0, TOY_SCRATCH, 0x1234);
	n += put_read(bytes + n, 3, TOY_SCRATCH, 4);
	for (size_t i = 0; i < n; i++) {
		client_send_bytes(&c, bytes + i, 1, &fd, !i);
		if (i % 16 == 0)
			the_other_one_works();
	}
	CHECK_OK(client_await(&c, 1, NULL));
	CHECK_OK(client_await(&c, 2, NULL));
	CHECK_OK(client_await(&c, 3, NULL));
	CHECK_EQ(le32(c.buf + 16), 0x1234);
	client_write(&c, 0, TOY_ADDRESS, 0, 8);
	CHECK_EQ(client_read(&c, 0, TOY_PEEK, 4), 0);
	/* A descriptor at every byte is more than a message may have. */
	n = put_message(bytes, 4, CLIENT_RESET, 0, p, 0);
	for (size_t i = 0; i < n; i++)
		client_send_bytes(&c, bytes + i, 1, &fd, 1);
	CHECK_EQ(client_await(&c, 4, NULL), -EINVAL);
	client_close(&c);
	close(fd);
}

/* Two messages of which the second one has the descriptors, and others in one heap. */
static void descriptors_find_their_message(void)
{
	int memory = memfd_create("guest", MFD_CLOEXEC), event = eventfd(0, EFD_CLOEXEC);
	uint8_t bytes[8192], map[32] = {32, [4] = 3, [25] = 0x10};
	uint8_t irqs[20] = {20, [4] = 36, [8] = CLIENT_MSIX, [16] = 1};
	size_t n = 0, half;

	CHECK_OK(ftruncate(memory, 4096));
	join();
	for (uint16_t id = 1; id <= 20; id++)
		n += put_read(bytes + n, id, TOY_SCRATCH, 4);
	client_send_bytes(&c, bytes, n, NULL, 0);
	n = put_message(bytes, 21, CLIENT_DMA_MAP, 0, map, 32);
	client_send_bytes(&c, bytes, n, &memory, 1);
	n = put_message(bytes, 22, CLIENT_SET_IRQS, 0, irqs, 20);
	half = n / 2;
	client_send_bytes(&c, bytes, half, &event, 1);
	n += put_read(bytes + n, 23, TOY_SCRATCH, 4);
	client_send_bytes(&c, bytes + half, n - half, NULL, 0);
	for (uint16_t id = 1; id <= 23; id++)
		CHECK_OK(client_await(&c, id, NULL));
	client_write(&c, 0, TOY_MESSAGE, 0, 4);
	CHECK_EQ(client_interrupts(event), 1);
	client_close(&c);
	close(memory);
	close(event);
}

static void a_heap_of_messages_is_handled(void)
{
	uint32_t count = 20000;
	uint8_t *bytes = malloc(count * 40), *at = bytes;

	join();
	CHECK(bytes != NULL);
	for (uint32_t i = 0; i < count; i++)
		at += put_write(at, (uint16_t)i, CLIENT_NO_REPLY, TOY_SCRATCH + 4 * (i % 16), i);
	client_send_bytes(&c, bytes, (size_t)(at - bytes), NULL, 0);
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH + 60, 4), count - 1);
	client_close(&c);
	free(bytes);
}

static void half_a_connection_is_none(void)
{
	uint8_t bytes[64];

	join();
	CHECK_OK(shutdown(c.fd, SHUT_WR));
	CHECK(client_is_dropped(&c));
	client_close(&c);
	join();
	put_read(bytes, 1, 0, 4);
	client_send_bytes(&c, bytes, 20, NULL, 0);
	CHECK_OK(shutdown(c.fd, SHUT_WR));
	CHECK(client_is_dropped(&c));
	CHECK(server_saw(&s, "middle of a message"));
	client_close(&c);
	/* It reads no more: seen when there is something to say. */
	join();
	CHECK_OK(shutdown(c.fd, SHUT_RD));
	client_send(&c, CLIENT_RESET, 0, NULL, 0, NULL, 0);
	while (poll(&(struct pollfd){.fd = c.fd}, 1, 10000) == 0)
		;
	client_close(&c);
}

static void unread_answers_are_not_kept_for_ever(void)
{
	unsigned before = server_count(&s, "did not read its answers");
	uint8_t bytes[32 * 64];
	size_t n = 0;

	join();
	for (unsigned i = 0; i < 64; i++)
		n += put_read(bytes + n, (uint16_t)i, 0, 0x4000);
	/* Until it takes no more, and for a while: it is dropped in the end. */
	for (;;) {
		ssize_t sent = send(c.fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EAGAIN) {
			the_other_one_works();
			usleep(1000);
		} else if (sent != (ssize_t)n) {
			break;		/* a part, of which the rest would be wrong; or the end */
		}
	}
	the_other_one_works();
	CHECK(server_saw(&s, "did not read its answers"));
	CHECK_EQ(server_count(&s, "did not read its answers"), before + 1);
	client_close(&c);
}

/* QEMU reads a header at once or not at all. */
static void headers_come_whole(void)
{
	static const uint32_t sizes[] = {1, 4, 3000, 0x4000, 7, 0x3fff};
	uint8_t bytes[32], header[16], data[0x4000 + 16];
	int small = 4096;

	join();
	CHECK_OK(setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	for (unsigned i = 0; i < 120; i++)
		client_send_bytes(&c, bytes, put_read(bytes, (uint16_t)i, 0, sizes[i % 6]), NULL, 0);
	for (unsigned i = 0; i < 120; i++) {
		size_t left = 16 + sizes[i % 6];

		CHECK_EQ(recv(c.fd, header, sizeof(header), 0), 16);
		CHECK_EQ(le16(header), i);
		CHECK_EQ(le32(header + 4), 16 + left);
		while (left) {
			ssize_t n = recv(c.fd, data, left, 0);

			CHECK(n > 0);
			left -= (size_t)n;
		}
	}
	client_close(&c);
}

/* ----------------------------------------------------------------------- the second controller */

static void make_second(void *opaque)
{
	static const struct option_values none;
	struct vd_error err;

	(void)opaque;
	CHECK_OK(controller_new(&toy_type, "test1", 1, s.loop, &none, &second, &err));
	CHECK_OK(vfio_user_new(second, -1, NULL, s.events, &second_front, &err));
	CHECK_OK(vfio_user_adopt(second_front, second_fd));
	CHECK_EQ(vfio_user_adopt(second_front, second_fd), -EBUSY);
}

static bool second_is_gone;

static void stopped(void *opaque)
{
	(void)opaque;
	vfio_user_free(second_front);
	controller_free(second);
	__atomic_store_n(&second_is_gone, true, __ATOMIC_RELEASE);
}

static void stop_second(void *opaque)
{
	vfio_user_stop(second_front, stopped, opaque);
}

int main(void)
{
	int pair[2];

	server_new(&s, NULL);
	server_start(&s);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	second_fd = pair[0];
	server_call(&s, make_second, NULL);
	client_init(&other, pair[1]);
	CHECK_OK(client_version(&other, NULL));
	bytes_come_one_by_one();
	descriptors_find_their_message();
	a_heap_of_messages_is_handled();
	headers_come_whole();
	half_a_connection_is_none();
	unread_answers_are_not_kept_for_ever();
	the_other_one_works();
	server_call(&s, stop_second, NULL);
	CHECK(client_is_dropped(&other));
	client_close(&other);
	while (!__atomic_load_n(&second_is_gone, __ATOMIC_ACQUIRE))
		usleep(1000);
	server_stop(&s);
	return 0;
}
