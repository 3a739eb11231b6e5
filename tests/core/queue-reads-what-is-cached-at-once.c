/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A read of what is in the page cache is there to be reaped when submitting it returns, with its
 * descriptor readable; as is a flush of nothing. Who asks for it has it done without the queue. What a
 * closed disk had in the queue is still there.
 */
#include "file-disk.h"

static struct request request[8];

static void at_once(struct vd_queue *q, struct file_disk *f, enum vd_op op, uint64_t offset)
{
	struct vd_request *done;

	request_make(&request[0], f->disk, op, offset);
	CHECK_OK(vd_queue_submit(q, &request[0].rq));
	CHECK(is_readable(q, 0));
	CHECK_EQ(vd_queue_reap(q, &done, 1, 0), 1);
	CHECK(done == &request[0].rq);
	CHECK_OK(done->status);
	CHECK(!is_readable(q, 0));
	CHECK_EQ(vd_queue_reap(q, &done, 1, 0), 0);
}

/* The queue does not hear of it. */
static void now(struct vd_queue *q, struct file_disk *f, enum vd_op op, uint64_t offset)
{
	struct vd_request *done;

	request_make(&request[0], f->disk, op, offset);
	request[0].rq.status = -EIO;
	CHECK_EQ(vd_queue_submit_now(q, &request[0].rq), 1);
	CHECK_OK(request[0].rq.status);
	CHECK(!is_readable(q, 0));
	CHECK_EQ(vd_queue_reap(q, &done, 1, -1), 0);
	CHECK_EQ(vd_queue_cancel(q, &request[0].rq), -ENOENT);
}

/* What has to wait goes the usual way; what is wrong is refused. */
static void not_now(struct vd_queue *q, struct file_disk *f)
{
	request_make(&request[0], f->disk, VD_OP_WRITE, 8192);
	memset(request[0].buf, 0x5a, sizeof(request[0].buf));
	CHECK_OK(vd_queue_submit_now(q, &request[0].rq));
	CHECK(is_readable(q, SOON));
	CHECK_OK(reap_one(q)->rq.status);
	request[0].rq.disk = NULL;
	CHECK_EQ(vd_queue_submit_now(q, &request[0].rq), -EINVAL);
}

static void reads(const char *format)
{
	static uint8_t data[4096], zero[4096];
	struct file_disk f;
	struct vd_queue *q;

	file_disk_open(&f, format, format, NULL, 1 << 20, 0);
	CHECK_OK(vd_queue_create(&q));
	memset(data, 0x5a, sizeof(data));
	CHECK_OK(vd_write(f.disk, data, sizeof(data), 8192, 0));
	CHECK_OK(vd_flush(f.disk));
	at_once(q, &f, VD_OP_READ, 8192);
	CHECK(!memcmp(request[0].buf, data, sizeof(data)));
	at_once(q, &f, VD_OP_READ, 512 << 10);
	CHECK(!memcmp(request[0].buf, zero, sizeof(zero)));
	at_once(q, &f, VD_OP_FLUSH, 0);
	now(q, &f, VD_OP_READ, 8192);
	CHECK(!memcmp(request[0].buf, data, sizeof(data)));
	now(q, &f, VD_OP_READ, 512 << 10);
	CHECK(!memcmp(request[0].buf, zero, sizeof(zero)));
	now(q, &f, VD_OP_FLUSH, 0);
	not_now(q, &f);

	/* In the ring, and not reaped while the disk lives. */
	make_cold(&f);
	for (unsigned i = 0; i < 8; i++) {
		request_make(&request[i], f.disk, i % 2 ? VD_OP_READ : VD_OP_WRITE, 8192);
		memset(request[i].buf, 0x5a, sizeof(request[i].buf));
		CHECK_OK(vd_queue_submit(q, &request[i].rq));
	}
	file_disk_close(&f);
	CHECK(is_readable(q, SOON));
	for (unsigned i = 0; i < 8; i++)
		CHECK_OK(reap_one(q)->rq.status);
	for (unsigned i = 0; i < 8; i++)
		CHECK(!memcmp(request[i].buf, data, sizeof(data)));
	vd_queue_destroy(q);
}

int main(void)
{
	reads("raw");
	reads("vdi");
	return 0;
}
