/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client.h - a small vfio-user client for tests: it blocks, for 10 s at most, and fails the test
 * where the server breaks the protocol. Calls return 0 or what an error reply said, as -errno.
 */
#ifndef VIMG_TEST_CLIENT_H
#define VIMG_TEST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CLIENT_VERSION = 1, CLIENT_DMA_MAP, CLIENT_DMA_UNMAP, CLIENT_GET_INFO,
	CLIENT_GET_REGION_INFO, CLIENT_GET_IRQ_INFO = 7, CLIENT_SET_IRQS, CLIENT_REGION_READ,
	CLIENT_REGION_WRITE, CLIENT_DMA_READ, CLIENT_DMA_WRITE, CLIENT_RESET,
	CLIENT_WRITE_MULTI = 15, CLIENT_DEVICE_FEATURE,
	CLIENT_NO_REPLY = 0x10,		/* flag of a message */
	CLIENT_CONFIG = 7,		/* region */
	CLIENT_INTX = 0, CLIENT_MSI, CLIENT_MSIX, CLIENT_ERR, CLIENT_REQ,
	/* flags of SET_IRQS */
	CLIENT_NONE = 1, CLIENT_BOOL = 2, CLIENT_EVENTFD = 4, CLIENT_MASK = 8, CLIENT_UNMASK = 16,
	CLIENT_TRIGGER = 32,
};

struct client_message {
	uint16_t id, command;
	uint32_t size, flags, error;
	uint8_t *payload;		/* until the next message is received */
	uint32_t length;
};

struct client {
	int fd;
	uint16_t id;			/* of the last command */
	uint8_t *buf;
	/* Memory that the server reaches by messages only. */
	uint8_t *remote;
	uint64_t remote_address, remote_size;
	uint64_t dma_reads, dma_writes, dma_longest;
	bool refuse_dma;		/* answers with errors */
	bool collect_dma;		/* keeps the next ones unanswered, and returns */
};

void client_init(struct client *c, int fd);
void client_connect(struct client *c, const char *path);
void client_close(struct client *c);

/* Sends, without waiting for anything. Returns the id. */
uint16_t client_send(struct client *c, uint16_t command, uint32_t flags, const void *payload,
		     uint32_t length, const int *fd, unsigned fds);
void client_send_bytes(struct client *c, const void *data, size_t n, const int *fd, unsigned fds);
/* The next message, whatever it is; false: the server closed the connection. */
bool client_receive(struct client *c, struct client_message *m);
void client_reply(struct client *c, const struct client_message *to, const void *payload,
		  uint32_t length, uint32_t error);
/* Carries a DMA message out and answers it. */
void client_serve(struct client *c, const struct client_message *m);
/* Waits for the answer to that command, and serves DMA in the meantime. An answer out of order
 * fails the test. *m may be NULL. */
int client_await(struct client *c, uint16_t id, struct client_message *m);
int client_call(struct client *c, uint16_t command, const void *payload, uint32_t length,
		struct client_message *m);

/* NULL: as QEMU. */
int client_version(struct client *c, const char *json);
int client_map(struct client *c, uint64_t address, uint64_t size, int fd, uint64_t offset);
int client_unmap(struct client *c, uint64_t address, uint64_t size);
uint16_t client_begin_unmap(struct client *c, uint64_t address, uint64_t size);
uint64_t client_read(struct client *c, uint32_t region, uint64_t offset, unsigned n);
void client_write(struct client *c, uint32_t region, uint64_t offset, uint64_t value, unsigned n);
void client_post(struct client *c, uint32_t region, uint64_t offset, uint64_t value, unsigned n);
int client_set_irqs(struct client *c, uint32_t flags, uint32_t index, uint32_t start,
		    uint32_t count, const int *fd, unsigned fds);
int client_reset(struct client *c);
/* Up to 10 s for an eventfd to have been written to; how often. */
uint64_t client_interrupts(int eventfd);
/* Is it silent? Looks at once. */
bool client_is_quiet(int fd);
/* The server closes the connection within 10 s. */
bool client_is_dropped(struct client *c);

#endif
