/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random requests for disks in files, several in flight, some cancelled, the page cache now and
 * then emptied, or not used at all: whichever ways the queue may go, reads see what was written, and the images are
 * sound afterwards. With a SEED, other requests.
 */
#include "checked.h"
#include "file-disk.h"

#define SIZE ((UINT64_C(3) << 20) + 1536)	/* no multiple of what O_DIRECT wants */
#define IN_FLIGHT 24

struct job {
	struct vd_request rq;
	struct scatter scatter;
	uint64_t length;
	bool busy;
};

static struct rng r = { 1 };
static struct file_disk f;
static struct vd_queue *q;
static struct job job[IN_FLIGHT];
static uint8_t bytes[SIZE];
static unsigned cancelled;

static bool is_free(uint64_t offset, uint64_t length)
{
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		if (job[i].busy && job[i].rq.offset < offset + length &&
		    offset < job[i].rq.offset + job[i].length)
			return false;
	return true;
}

static void finish(struct job *j)
{
	struct vd_request *rq = &j->rq;

	j->busy = false;
	if (rq->status == -ECANCELED) {
		cancelled++;
		/* Whatever is there now stays. */
		CHECK_OK(vd_read(f.disk, bytes + rq->offset, j->length, rq->offset, 0));
	} else {
		CHECK_OK(rq->status);
		if (rq->op == VD_OP_READ) {
			CHECK(scatter_equals(&j->scatter, bytes + rq->offset));
			CHECK(scatter_gaps_intact(&j->scatter));
		}
	}
	scatter_free(&j->scatter);
}

static void reap(int timeout)
{
	struct vd_request *done[IN_FLIGHT];
	int n = vd_queue_reap(q, done, (unsigned)rng_between(&r, 1, IN_FLIGHT), timeout);

	CHECK(n >= 0 && (n || !timeout));
	for (int i = 0; i < n; i++)
		finish(done[i]->opaque);
}

/* One piece, at the beginning of the buffer, which is aligned. */
static void scatter_align(struct scatter *s, uint64_t length)
{
	memset(s->buf, *(s->buf + s->room - 1), s->room);
	s->iov[0] = (struct iovec){ s->buf, length };
	s->n = 1;
}

static void submit(struct job *j)
{
	static const enum vd_op ops[] = {
		VD_OP_READ, VD_OP_READ, VD_OP_READ, VD_OP_READ, VD_OP_WRITE, VD_OP_WRITE,
		VD_OP_WRITE, VD_OP_WRITE_ZEROES, VD_OP_DISCARD, VD_OP_FLUSH,
	};
	uint64_t length = rng_chance(&r, 5) ? rng_between(&r, 1, 300000) :
			  rng_chance(&r, 50) ? 4096 : rng_between(&r, 1, 70000);
	uint64_t offset = rng_below(&r, SIZE - length + 1);
	enum vd_op op = ops[rng_below(&r, ARRAY_SIZE(ops))];

	if (rng_chance(&r, 60)) {
		offset = align_down(offset, 4096);
		length = min_u64(align_down(length + 4095, 4096), SIZE - offset);
	}
	if (op == VD_OP_FLUSH)
		length = 0;
	if (!is_free(offset, length))
		return;
	scatter_make(&j->scatter, &r, length);
	if (rng_chance(&r, 30)) /* as a guest's memory is */
		scatter_align(&j->scatter, length);
	if (op == VD_OP_WRITE) {
		rng_fill(&r, bytes + offset, length);
		scatter_load(&j->scatter, bytes + offset);
	} else if (op == VD_OP_WRITE_ZEROES || op == VD_OP_DISCARD) {
		memset(bytes + offset, 0, length);
	}
	j->length = length;
	j->rq = (struct vd_request) {
		.disk = f.disk, .op = op, .offset = offset, .length = length,
		.flags = op != VD_OP_READ && rng_chance(&r, 5) ? VD_FUA : 0,
		.iov = j->scatter.iov, .iovcnt = j->scatter.n, .opaque = j,
	};
	j->busy = true;
	CHECK_OK(vd_queue_submit(q, &j->rq));
	if (rng_chance(&r, 3))
		CHECK_OK(vd_queue_cancel(q, &j->rq));
}

static unsigned busy(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < IN_FLIGHT; i++)
		n += job[i].busy;
	return n;
}

static void compare(void)
{
	static uint8_t is[SIZE];

	CHECK_OK(vd_read(f.disk, is, SIZE, 0, 0));
	CHECK(!memcmp(is, bytes, SIZE));
}

static void run(const char *format, const char *parent, unsigned ways, unsigned flags)
{
	struct vd_error err = { "" };
	char name[64];

	snprintf(name, sizeof(name), "%s-%u-%u%s", format, ways, flags, parent ? "-child" : "");
	file_disk_open(&f, name, format, parent, SIZE, flags);
	CHECK_OK(vd_read(f.disk, bytes, SIZE, 0, 0));
	CHECK_OK(vd_queue_create(&q));
	queue_limit_ways(q, ways);
	for (unsigned i = test_quick() ? 600 : 3000; i; i--) {
		struct job *j = &job[rng_below(&r, IN_FLIGHT)];

		if (rng_chance(&r, 1))
			make_cold(&f);
		if (j->busy)
			reap(rng_chance(&r, 50) ? -1 : 0);
		else
			submit(j);
	}
	while (busy())
		reap(-1);
	compare();
	vd_queue_destroy(q);
	CHECK_OK(vd_close(f.disk));
	if (vd_open(f.path, 0, NULL, &f.disk, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	compare();
	check_disk(f.disk, 0, FINDINGS_ALL, name);
	file_disk_close(&f);
}

int main(int argc, char **argv)
{
	char *base = test_path("vdi-3-0");

	if (argc > 1)
		r.state = strtoull(argv[1], NULL, 0);
	for (unsigned ways = 0; ways <= QUEUE_ALL_WAYS; ways++) {
		run("raw", NULL, ways, 0);
		run("vdi", NULL, ways, 0);
		run("vhd", NULL, ways, 0);
	}
	run("vdi", base, QUEUE_ALL_WAYS, 0);
	run("vhd", base, QUEUE_RING, 0);
	for (unsigned ways = 0; ways <= QUEUE_ALL_WAYS; ways += QUEUE_ALL_WAYS) {
		run("raw", NULL, ways, VD_OPEN_DIRECT);
		run("vdi", NULL, ways, VD_OPEN_DIRECT);
		run("vhd", NULL, ways, VD_OPEN_DIRECT);
		run("vhd", base, ways, VD_OPEN_DIRECT);
	}
	printf("%u requests cancelled in time\n", cancelled);
	free(base);
	return 0;
}
