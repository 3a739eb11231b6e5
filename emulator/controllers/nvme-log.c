/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-log.c - log pages (NVMe 1.4, 5.14) and asynchronous events (5.2).
 *
 * An event waits until there is a request for one, and until the log page of the last event of its
 * type was read. The same news twice is told once.
 */
#include "controllers/nvme.h"

#include <string.h>

#define MAX_PAGE 4096

/* ------------------------------------------------------------------------------------- events */

static const uint8_t log_of_type[NVME_EVENT_TYPES] = {
	[NVME_EVENT_ERROR] = NVME_LOG_ERRORS,
	[NVME_EVENT_SMART] = NVME_LOG_SMART,
	[NVME_EVENT_NOTICE] = NVME_LOG_CHANGED,
};

uint16_t nvme_event_request(struct nvme_command *c)
{
	struct nvme *n = c->n;

	if (n->event_requests == NVME_EVENT_REQUESTS)
		return NVME_EVENT_LIMIT | NVME_DNR;
	n->event_request[n->event_requests++] = c->cid;
	n->active--;
	nvme_release(c);
	nvme_events_run(n);
	return NVME_PENDING;
}

static bool tell(struct nvme *n, unsigned type)
{
	unsigned information = __builtin_ctz(n->event_pending[type]);
	uint32_t result = type | information << 8 | (uint32_t)log_of_type[type] << 16;

	if (!nvme_post(n, n->sq[0], n->event_request[0], result, NVME_OK))
		return false;
	n->event_requests--;
	memmove(n->event_request, n->event_request + 1,
		n->event_requests * sizeof(n->event_request[0]));
	n->event_pending[type] &= ~(1u << information);
	n->event_masked[type] = true;
	return true;
}

void nvme_events_run(struct nvme *n)
{
	if (n->state != NVME_READY || n->halted)
		return;
	for (unsigned type = 0; type < NVME_EVENT_TYPES; type++)
		if (n->event_requests && n->event_pending[type] && !n->event_masked[type] &&
		    !tell(n, type))
			return;
}

void nvme_event(struct nvme *n, enum nvme_event_type type, unsigned information)
{
	if (n->state != NVME_READY)
		return;
	n->event_pending[type] |= 1u << information;
	nvme_events_run(n);
}

void nvme_namespace_changed(struct nvme_namespace *ns)
{
	struct nvme *n = ns->n;

	if (n->state != NVME_READY)
		return;
	ns->changed = true;
	if (n->set.events & NVME_EVENTS_NAMESPACE)
		nvme_event(n, NVME_EVENT_NOTICE, NVME_NOTICE_NAMESPACE);
}

static bool is_too_warm(const struct nvme *n)
{
	return NVME_TEMPERATURE >= n->set.over || NVME_TEMPERATURE <= n->set.under;
}

void nvme_check_temperature(struct nvme *n)
{
	if (is_too_warm(n) && n->set.events & NVME_WARNING_TEMPERATURE)
		nvme_event(n, NVME_EVENT_SMART, NVME_SMART_TEMPERATURE);
}

/* ---------------------------------------------------------------------------------- the pages */

void nvme_log_error(struct nvme *n, const struct nvme_error *e)
{
	struct nvme_error *to = &n->error[n->errors % NVME_ERRORS];

	*to = *e;
	to->number = ++n->errors;
}

/* The newest first. */
static uint32_t errors_page(struct nvme *n, uint8_t *page)
{
	uint64_t kept = min_u64(n->errors, NVME_ERRORS);

	for (uint64_t i = 0; i < kept; i++) {
		const struct nvme_error *e = &n->error[(n->errors - 1 - i) % NVME_ERRORS];
		uint8_t *to = page + 64 * i;

		put_le64(to, e->number);
		put_le16(to + 8, e->sq);
		put_le16(to + 10, e->cid);
		put_le16(to + 12, e->status << 1);
		put_le16(to + 14, 0xffff);	/* not of one parameter */
		put_le64(to + 16, e->lba);
		put_le32(to + 24, e->nsid);
	}
	return 64 * NVME_ERRORS;
}

/* Data units are thousands of 512 bytes, rounded up. */
static uint32_t smart_page(struct nvme *n, uint8_t *page)
{
	const struct nvme_counters *count = &n->count;

	page[0] = is_too_warm(n) ? NVME_WARNING_TEMPERATURE : 0;
	put_le16(page + 1, NVME_TEMPERATURE);
	page[3] = 100;				/* spare, and its threshold */
	page[4] = 10;
	put_le64(page + 32, div_up(count->blocks_read, 1000));
	put_le64(page + 48, div_up(count->blocks_written, 1000));
	put_le64(page + 64, count->reads);
	put_le64(page + 80, count->writes);
	put_le64(page + 112, 1);		/* power cycles */
	put_le64(page + 128, (loop_now() - count->since) / 3600000000000);
	put_le64(page + 160, count->media_errors);
	put_le64(page + 176, n->errors);
	return 512;
}

static uint32_t firmware_page(struct nvme *n, uint8_t *page)
{
	(void)n;
	page[0] = 1;				/* slot 1 is active */
	memcpy(page + 8, "1.0     ", 8);
	return 512;
}

static uint32_t changed_page(struct nvme *n, uint8_t *page)
{
	unsigned at = 0;

	for (unsigned i = 1; i <= NVME_NAMESPACES; i++)
		if (n->ns[i].changed) {
			put_le32(page + at, i);
			at += 4;
		}
	return 4096;
}

static uint32_t effects_page(struct nvme *n, uint8_t *page)
{
	enum { SUPPORTED = 1, CHANGES_DATA = 2 };
	static const uint8_t admin[] = {
		NVME_ADMIN_DELETE_SQ, NVME_ADMIN_CREATE_SQ, NVME_ADMIN_GET_LOG,
		NVME_ADMIN_DELETE_CQ, NVME_ADMIN_CREATE_CQ, NVME_ADMIN_IDENTIFY, NVME_ADMIN_ABORT,
		NVME_ADMIN_SET_FEATURES, NVME_ADMIN_GET_FEATURES, NVME_ADMIN_EVENT_REQUEST,
		NVME_ADMIN_DOORBELL_BUFFER,
	};
	static const uint8_t reading[] = {
		NVME_IO_FLUSH, NVME_IO_READ, NVME_IO_COMPARE, NVME_IO_VERIFY,
	};
	static const uint8_t writing[] = { NVME_IO_WRITE, NVME_IO_WRITE_ZEROES, NVME_IO_DATASET };

	(void)n;
	for (unsigned i = 0; i < sizeof(admin); i++)
		put_le32(page + 4 * admin[i], SUPPORTED);
	for (unsigned i = 0; i < sizeof(reading); i++)
		put_le32(page + 1024 + 4 * reading[i], SUPPORTED);
	for (unsigned i = 0; i < sizeof(writing); i++)
		put_le32(page + 1024 + 4 * writing[i], SUPPORTED | CHANGES_DATA);
	return 4096;
}

/* ------------------------------------------------------------------------------- the command */

/* Reading a page to its end lets its events come again, unless the host wants them kept. */
static void was_read(struct nvme *n, uint8_t log)
{
	for (unsigned type = 0; type < NVME_EVENT_TYPES; type++)
		if (log_of_type[type] == log) {
			n->event_masked[type] = false;
			n->event_pending[type] = 0;
		}
	if (log == NVME_LOG_CHANGED)
		for (unsigned i = 1; i <= NVME_NAMESPACES; i++)
			n->ns[i].changed = false;
}

static uint16_t make_page(struct nvme_command *c, uint8_t *page, uint32_t *have)
{
	struct nvme *n = c->n;

	switch (c->sqe[40]) {
	case NVME_LOG_ERRORS:
		*have = errors_page(n, page);
		return NVME_OK;
	case NVME_LOG_SMART:
		if (nvme_nsid(c) && nvme_nsid(c) != NVME_ALL)
			return NVME_INVALID_FIELD | NVME_DNR;	/* LPA: not by namespace */
		*have = smart_page(n, page);
		return NVME_OK;
	case NVME_LOG_FIRMWARE:
		*have = firmware_page(n, page);
		return NVME_OK;
	case NVME_LOG_CHANGED:
		*have = changed_page(n, page);
		return NVME_OK;
	case NVME_LOG_EFFECTS:
		*have = effects_page(n, page);
		return NVME_OK;
	default:
		return NVME_LOG_INVALID | NVME_DNR;
	}
}

uint16_t nvme_get_log(struct nvme_command *c)
{
	uint8_t page[MAX_PAGE] = { 0 };
	uint64_t dwords = (nvme_dword(c, 10) >> 16 | (uint64_t)(nvme_dword(c, 11) & 0xffff) << 16) +
			  1;
	uint64_t offset = le64(c->sqe + 48);
	uint8_t log = c->sqe[40];
	bool keep = nvme_dword(c, 10) & 1u << 15;
	struct nvme *n = c->n;
	uint32_t have = 0;
	uint16_t status = make_page(c, page, &have);

	if (status)
		return status;
	if (offset % 4 || offset > have || 4 * dwords > NVME_TRANSFER)
		return NVME_INVALID_FIELD | NVME_DNR;
	status = nvme_send(c, page + offset, have - offset, 4 * dwords);
	if (status == NVME_PENDING && !keep)	/* it may have ended already */
		was_read(n, log);
	return status;
}
