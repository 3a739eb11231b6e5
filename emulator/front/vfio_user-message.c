/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio_user-message.c - one message: checked, carried out, answered; see vfio_user-int.h. Numbers
 * and structures: QEMU's docs/interop/vfio-user.rst; those of devices, regions and interrupts are
 * VFIO's (linux/vfio.h).
 *
 * Not there: regions to be mapped by the client, ioeventfds, migration, dirty page tracking,
 * features (all answered with ENOTSUP). Several writes in one message are understood, but not
 * advertised: they gain nothing, and older clients set a wrong flag with them.
 */
#include "front/vfio_user-int.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"

enum {
	DEVICE_RESETS = 1, DEVICE_PCI = 2,
	REGION_READS = 1, REGION_WRITES = 2,
};

/* ------------------------------------------------------------------------------------- version */

/* What a client says of itself that matters here. */
static int read_capabilities(struct vfio_user *v, const char *text, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(16);
	struct json_object *all, *capabilities, *value;
	int64_t most = VFIO_MAX_DATA;
	int status = -EINVAL;

	if (!tokener)
		return -ENOMEM;
	all = json_tokener_parse_ex(tokener, text, (int)length);
	if (all && json_tokener_get_error(tokener) == json_tokener_success &&
	    json_object_is_type(all, json_type_object)) {
		if (json_object_object_get_ex(all, "capabilities", &capabilities) &&
		    json_object_is_type(capabilities, json_type_object) &&
		    json_object_object_get_ex(capabilities, "max_data_xfer_size", &value))
			most = json_object_is_type(value, json_type_int) ?
			       json_object_get_int64(value) : 0;
		status = most > 0 ? 0 : -EINVAL;
	}
	json_object_put(all);
	json_tokener_free(tokener);
	v->max_transfer = (uint32_t)min_u64((uint64_t)most, VFIO_MAX_DATA);
	return status;
}

static int version(struct vfio_user *v, struct vfio_message *m)
{
	/* QEMU has no room for an answer that is longer than its question. */
	static const char *const answers[] = {
		"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}",
		"{\"capabilities\":{}}",
		"{}",
	};
	const char *json = (char *)m->payload + 4;
	size_t room = m->length > 4 ? m->length - 4 : 0, length = 0;
	const char *answer = NULL;
	uint8_t *out;
	int status = 0;

	if (m->length < 4 || v->greeted || (room && json[room - 1]))
		return -EINVAL;
	v->max_transfer = VFIO_MAX_DATA;
	if (le16(m->payload))
		status = -ENOTSUP;
	else if (room)
		status = read_capabilities(v, json, room);
	if (status) {
		vfio_fail(v, "its version %u.%u or what it says of itself is not understood",
			  le16(m->payload), le16(m->payload + 2));
		return status;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(answers) && !answer; i++)
		if (strlen(answers[i]) + 1 <= room)
			answer = answers[i];
	if (answer)
		length = strlen(answer) + 1;
	out = vfio_answer(v, m, 4 + length);
	if (out)
		memcpy(out + 4, answer ? answer : "", length);
	v->greeted = true;
	return 0;
}

/* -------------------------------------------------------------------------------- descriptions */

static int get_info(struct vfio_user *v, struct vfio_message *m)
{
	uint8_t *out;

	if (m->length != 16 || le32(m->payload) < 16)
		return -EINVAL;
	out = vfio_answer(v, m, 16);
	if (out) {
		put_le32(out, 16);
		put_le32(out + 4, DEVICE_RESETS | DEVICE_PCI);
		put_le32(out + 8, VFIO_REGIONS);
		put_le32(out + 12, VFIO_IRQS);
	}
	return 0;
}

/* 0: there is none of that number. */
static uint64_t region_size(const struct vfio_user *v, uint32_t index)
{
	if (index < PCI_BARS)
		return v->c->pci.bar[index].size;
	return index == VFIO_REGION_CONFIG ? PCI_CONFIG_SIZE : 0;
}

static int get_region_info(struct vfio_user *v, struct vfio_message *m)
{
	uint32_t index;
	uint64_t size;
	uint8_t *out;

	if (m->length != 32 || le32(m->payload) < 32)
		return -EINVAL;
	index = le32(m->payload + 8);
	if (index >= VFIO_REGIONS)
		return -EINVAL;
	size = region_size(v, index);
	out = vfio_answer(v, m, 32);
	if (out) {
		put_le32(out, 32);
		put_le32(out + 4, size ? REGION_READS | REGION_WRITES : 0);
		put_le32(out + 8, index);
		put_le64(out + 16, size);
	}
	return 0;
}

/* ------------------------------------------------------------------------------------- regions */

/*
 * Controllers know accesses of up to 8 bytes. Longer ones, which no guest makes but a client may,
 * become aligned ones of 8; shorter ones are passed on as they are.
 */
static uint32_t piece(uint64_t offset, uint32_t left)
{
	return left <= 8 ? left : (uint32_t)(8 - offset % 8);
}

static void read_region(struct vfio_user *v, uint32_t region, uint64_t offset, uint8_t *data,
			uint32_t n)
{
	if (region == VFIO_REGION_CONFIG) {
		pci_config_read(&v->c->pci, (uint32_t)offset, data, n);
		return;
	}
	while (n) {
		uint32_t part = piece(offset, n);

		controller_read(v->c, region, offset, data, part);
		offset += part;
		data += part;
		n -= part;
	}
}

static void write_region(struct vfio_user *v, uint32_t region, uint64_t offset, const uint8_t *data,
			 uint32_t n)
{
	if (region == VFIO_REGION_CONFIG) {
		pci_config_write(&v->c->pci, (uint32_t)offset, data, n);
		return;
	}
	while (n) {
		uint32_t part = piece(offset, n);

		controller_write(v->c, region, offset, data, part);
		offset += part;
		data += part;
		n -= part;
	}
}

/* The fields before the data: 64-bit offset, region, count. */
static int check_access(struct vfio_user *v, const struct vfio_message *m)
{
	if (m->length < 16)
		return -EINVAL;
	if (le32(m->payload + 12) > VFIO_MAX_DATA)
		return -E2BIG;
	if (!range_in(le64(m->payload), le32(m->payload + 12),
		      region_size(v, le32(m->payload + 8))))
		return -EINVAL;
	if (m->flags & VFIO_FLAG_NO_REPLY)
		v->statistics.posted++;
	else
		v->statistics.synchronous++;
	return 0;
}

static int region_read(struct vfio_user *v, struct vfio_message *m)
{
	uint32_t count;
	uint8_t *out;
	int r = check_access(v, m);

	if (r || m->length != 16)
		return r ? r : -EINVAL;
	count = le32(m->payload + 12);
	out = vfio_answer(v, m, 16 + count);
	if (out) {
		memcpy(out, m->payload, 16);
		read_region(v, le32(m->payload + 8), le64(m->payload), out + 16, count);
	}
	return 0;
}

/* The reset comes first, with the place of its answer: that one is written behind it. */
static void reset_and_hold(struct vfio_user *v)
{
	v->reset_waits = true;
	v->reset_hold = vfio_hold(v);
	vfio_begin_reset(v);
}

static int region_write(struct vfio_user *v, struct vfio_message *m)
{
	uint32_t count;
	uint8_t *out;
	int r = check_access(v, m);

	if (r)
		return r;
	count = le32(m->payload + 12);
	if (m->length - 16 != count)
		return -EINVAL;
	write_region(v, le32(m->payload + 8), le64(m->payload), m->payload + 16, count);
	if (v->function_reset) {
		v->function_reset = false;
		reset_and_hold(v);
	}
	if (m->flags & VFIO_FLAG_NO_REPLY)
		return 0;
	out = vfio_answer(v, m, 16);
	if (out)
		memcpy(out, m->payload, 16);
	return 0;
}

/* Count, then as many times: offset, region, count, 8 bytes of data. Stops at the first bad one. */
static int write_multi(struct vfio_user *v, struct vfio_message *m)
{
	uint64_t count = m->length < 8 ? 0 : le64(m->payload), done;
	uint8_t *out;

	if (m->length < 8 || count > VFIO_MAX_DATA / 24 || m->length != 8 + 24 * count)
		return -EINVAL;
	for (done = 0; done < count; done++) {
		const uint8_t *one = m->payload + 8 + 24 * done;
		uint32_t region = le32(one + 8), n = le32(one + 12);

		if (n > 8 || !range_in(le64(one), n, region_size(v, region)))
			break;
		write_region(v, region, le64(one), one + 16, n);
		v->statistics.posted++;
	}
	if (v->function_reset) {
		v->function_reset = false;
		reset_and_hold(v);
	}
	out = vfio_answer(v, m, 8);
	if (out)
		put_le64(out, done);
	return 0;
}

static int reset(struct vfio_user *v, struct vfio_message *m)
{
	if (m->length)
		return -EINVAL;
	reset_and_hold(v);
	vfio_answer(v, m, 0);
	return 0;
}

/* ------------------------------------------------------------------------------------ dispatch */

static const struct {
	int (*handle)(struct vfio_user *v, struct vfio_message *m);
	bool takes_fds;
} handlers[] = {
	[VFIO_VERSION] = {version, false},
	[VFIO_DMA_MAP] = {vfio_dma_map, true},
	[VFIO_DMA_UNMAP] = {vfio_dma_unmap, false},
	[VFIO_GET_INFO] = {get_info, false},
	[VFIO_GET_REGION_INFO] = {get_region_info, false},
	[VFIO_GET_IRQ_INFO] = {vfio_irq_info, false},
	[VFIO_SET_IRQS] = {vfio_irq_set, true},
	[VFIO_REGION_READ] = {region_read, false},
	[VFIO_REGION_WRITE] = {region_write, false},
	[VFIO_RESET] = {reset, false},
	[VFIO_WRITE_MULTI] = {write_multi, false},
};

static int carry_out(struct vfio_user *v, struct vfio_message *m)
{
	if (m->command >= ARRAY_SIZE(handlers) || !handlers[m->command].handle)
		return -ENOTSUP;
	if (m->fds_lost)
		return -EMFILE;
	if (m->fds && !handlers[m->command].takes_fds)
		return -EINVAL;
	return handlers[m->command].handle(v, m);
}

void vfio_handle(struct vfio_user *v, struct vfio_message *m)
{
	int r;

	if ((m->flags & VFIO_FLAG_TYPE) == VFIO_FLAG_REPLY) {
		vfio_dma_replied(v, m);
		return;
	}
	if (!v->greeted && m->command != VFIO_VERSION) {
		vfio_answer_error(v, m, EINVAL);
		vfio_fail(v, "it sent command %u before its version", m->command);
		return;
	}
	if (m->fds_lost)
		vfio_complain(v, "client-error", "descriptors of a message of the client "
			      "(command %u) did not fit: %u are possible at once, and this process "
			      "may have no more", m->command, VFIO_MAX_FDS);
	r = carry_out(v, m);
	if (r)
		vfio_answer_error(v, m, -r);
}
