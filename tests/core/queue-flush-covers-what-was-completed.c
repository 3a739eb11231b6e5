/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flush from the queue covers all requests that were completed before it was submitted, whatever
 * runs beside it; a write with VD_FUA covers itself.
 */
#include "queue-test.h"

#define WRITES 12

static struct request request[WRITES], beside[WRITES], flush;
static struct model m;
static struct vd_storage *record;

/* Power fails now. */
static void check_durable(unsigned rounds)
{
	uint64_t length = storage_record_length(record);
	uint8_t buf[4096];

	for (uint64_t seed = 0; seed < rounds; seed++) {
		struct vd_error err = { "" };
		struct vd_storage *cut;
		struct vd_disk *disk;

		CHECK_OK(storage_record_cut(record, length, seed, &cut));
		CHECK_OK(model_open_on(&m, cut, &disk, &err));
		for (unsigned i = 0; i < WRITES; i++) {
			CHECK_OK(vd_read(disk, buf, sizeof(buf), request[i].rq.offset, 0));
			CHECK(!memcmp(buf, request[i].buf, sizeof(buf)));
		}
		CHECK_OK(vd_close(disk));
	}
}

static void write_all(struct vd_queue *q, struct request *rq, uint64_t offset, int value,
		      unsigned flags)
{
	for (unsigned i = 0; i < WRITES; i++) {
		request_make(&rq[i], m.disk, VD_OP_WRITE, offset + i * 20000);
		memset(rq[i].buf, value + (int)i, sizeof(rq[i].buf));
		rq[i].rq.flags = flags;
		CHECK_OK(vd_queue_submit(q, &rq[i].rq));
	}
}

static void reap_rest(struct vd_queue *q)
{
	unsigned left = 0;

	for (unsigned i = 0; i < WRITES; i++)
		left += !beside[i].completed;
	while (left--)
		CHECK_EQ(reap_one(q)->rq.status, 0);
}

static void run(const struct kind *kind)
{
	struct vd_error err = { "" };
	struct vd_queue *q;

	model_init(&m, kind, kind->block[0], 1 << 20, 1);
	CHECK_OK(storage_open_record(borrow(m.layer[0].storage, true), &record));
	CHECK_OK(model_open_on(&m, borrow(record, true), &m.disk, &err));
	CHECK_OK(vd_queue_create(&q));
	for (int round = 0; round < 10; round++) {
		write_all(q, request, (uint64_t)round * 4096, round * 20, 0);
		for (unsigned i = 0; i < WRITES; i++)
			CHECK_EQ(reap_one(q)->rq.status, 0);
		write_all(q, beside, 300000 + (uint64_t)round * 4096, 7, 0);
		request_make(&flush, m.disk, VD_OP_FLUSH, 0);
		CHECK_OK(vd_queue_submit(q, &flush.rq));
		while (!flush.completed)
			CHECK_EQ(reap_one(q)->rq.status, 0);
		check_durable(6);
		reap_rest(q);
		write_all(q, request, 600000 + (uint64_t)round * 4096, round * 30, VD_FUA);
		for (unsigned i = 0; i < WRITES; i++)
			CHECK_EQ(reap_one(q)->rq.status, 0);
		check_durable(6);
	}
	vd_queue_destroy(q);
	model_close(&m);
	storage_close(record);
	model_free(&m);
}

int main(void)
{
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++)
		run(&k[i]);
	return 0;
}
