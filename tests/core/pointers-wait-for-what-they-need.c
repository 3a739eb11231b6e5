/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pointer may go to the disk together with its data where old and new content are zeros; but not
 * where the space holds something else, where the file is not durably as long, or where VDI's count
 * of blocks is not durably as high. What is only being written is not durable yet.
 */
#include "model.h"

#include "bytes.h"
#include "core/disk.h"
#include "formats/vdi-header.h"

#define BLOCK 4096u
#define BLOCKS 64u
#define SEEDS 24

struct scene {
	struct model m;
	struct vd_storage *record, *fault;
	uint8_t may[2 * BLOCKS];	/* what a block may hold besides zeros, twice */
};

static void open_(struct scene *s)
{
	struct vd_error err = { "" };

	CHECK_OK(model_open_on(&s->m, borrow(s->fault, true), &s->m.disk, &err));
}

static void begin(struct scene *s, const char *what)
{
	struct vd_storage *copy;

	memset(s, 0, sizeof(*s));
	model_init(&s->m, kind_of("vdi", false), BLOCK, BLOCKS * BLOCK, 1);
	snprintf(s->m.what, sizeof(s->m.what), "%s", what);
	CHECK_OK(storage_memory_clone(s->m.layer[0].storage, &copy));
	CHECK_OK(storage_open_record(copy, &s->record));
	CHECK_OK(storage_open_fault(s->record, &s->fault));
	open_(s);
}

static void end(struct scene *s)
{
	model_close(&s->m);
	storage_close(s->fault);
	model_free(&s->m);
}

/* The middle of the block, so that the rest is to be zeros. */
static int write_(struct scene *s, unsigned block, char byte)
{
	uint8_t bytes[1024];

	memset(bytes, byte, sizeof(bytes));
	s->may[2 * block + (s->may[2 * block] != 0)] = (uint8_t)byte;
	return vd_write(s->m.disk, bytes, sizeof(bytes), block * BLOCK + 1024, 0);
}

static void check_content(const struct scene *s, const uint8_t *disk, const char *what)
{
	for (unsigned i = 0; i < BLOCKS * BLOCK; i++) {
		const uint8_t *may = s->may + i / BLOCK * 2;

		if (disk[i] && disk[i] != may[0] && disk[i] != may[1])
			test_fail(__FILE__, __LINE__, "%s: byte %u is %02x", what, i, disk[i]);
	}
}

/* Others put their next block where the count says. */
static void check_count(struct vd_storage *ruin, const char *what)
{
	uint8_t buf[VDI_HEADER_BYTES], entry[4];
	struct vdi_header h;

	CHECK_OK(storage_pread(ruin, buf, sizeof(buf), 0));
	CHECK_OK(vdi_header_parse(buf, &h, "cut.vdi", NULL));
	for (uint32_t i = 0; i < h.blocks; i++) {
		CHECK_OK(storage_pread(ruin, entry, 4, h.table + 4 * i));
		if (le32(entry) < VDI_ZERO && le32(entry) >= h.allocated)
			test_fail(__FILE__, __LINE__, "%s: index %u, but a count of %u", what,
				  le32(entry), h.allocated);
	}
}

/* The power fails at any point from `from` on. */
static void cut(struct scene *s, uint64_t from)
{
	static uint8_t disk[BLOCKS * BLOCK];
	struct vd_storage *ruin;
	struct vd_error err = { "" };
	struct vd_disk *d;
	char what[200];

	for (uint64_t upto = from; upto <= storage_record_length(s->record); upto++)
		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			snprintf(what, sizeof(what), "%s, cut at %" PRIu64 ", seed %" PRIu64,
				 s->m.what, upto, seed);
			CHECK_OK(storage_record_cut(s->record, upto, seed, &ruin));
			check_count(ruin, what);
			CHECK_OK(model_open_on(&s->m, borrow(ruin, false), &d, &err));
			check_disk(d, 0, 1u << VD_FINDING_ERROR, what);
			CHECK_OK(vd_read(d, disk, sizeof(disk), 0, 0));
			check_content(s, disk, what);
			CHECK_OK(vd_close(d));
			storage_close(ruin);
		}
}

/* A write failed when it had put something into its space, and the next one gets that space. */
static void space_that_holds_something(void)
{
	struct reservation failing = { .start = 5 * BLOCK, .length = BLOCK };
	struct scene s;
	struct vd_image *leaf;
	uint8_t junk[BLOCK];
	uint64_t from;

	begin(&s, "space that holds something");
	leaf = s.m.disk->image[0];
	CHECK_OK(write_(&s, 0, 'a'));
	CHECK_OK(vd_flush(s.m.disk));
	pthread_mutex_lock(&s.m.disk->lock);
	CHECK_OK(HOT_CALL(s.m.disk, leaf->format->reserve(leaf, &failing)));
	memset(junk, 'j', sizeof(junk));
	CHECK_OK(storage_pwrite(s.record, junk, sizeof(junk), failing.offset));
	CHECK_OK(storage_sync(s.record));
	leaf->format->cancel(leaf, &failing);
	pthread_mutex_unlock(&s.m.disk->lock);
	from = storage_record_length(s.record);
	CHECK_OK(write_(&s, 7, 'n'));
	CHECK_OK(vd_flush(s.m.disk));
	cut(&s, from);
	end(&s);
}

/* The file could not grow when the count did; then it can, but that is not flushed. */
static void a_file_that_is_too_short(void)
{
	struct scene s;
	uint64_t from;

	begin(&s, "a file that is too short");
	storage_fault_arm(s.fault, FAULT_RESIZE, 1, ENOSPC, false);
	CHECK_EQ(write_(&s, 3, 'a'), -ENOSPC);
	CHECK(storage_fault_fired(s.fault));
	CHECK_OK(vd_flush(s.m.disk));
	from = storage_record_length(s.record);
	CHECK_OK(write_(&s, 4, 'b'));
	CHECK_OK(write_(&s, 5, 'c'));
	CHECK_OK(vd_flush(s.m.disk));
	cut(&s, from);
	end(&s);
}

static void write_1(void *opaque)
{
	CHECK_OK(write_(opaque, 1, 'b'));
}

/* The count is raised when a flush has taken its cut, the file grows before that flush syncs. */
static void a_count_that_is_too_low(void)
{
	struct scene s;
	uint64_t from;

	begin(&s, "a count that is too low");
	CHECK_OK(write_(&s, 0, 'a'));
	model_close(&s.m);
	open_(&s);
	from = storage_record_length(s.record);
	CHECK_OK(write_(&s, 0, 'A'));	/* in place; but it changes the header */
	model_before_write(write_1, &s);
	CHECK_OK(vd_flush(s.m.disk));
	CHECK_OK(write_(&s, 2, 'c'));
	CHECK_OK(vd_flush(s.m.disk));
	cut(&s, from);
	end(&s);
}

static bool is_durable(struct scene *s)
{
	struct vd_image *leaf = s->m.disk->image[0];
	bool durable;

	pthread_mutex_lock(&s->m.disk->lock);
	durable = meta_durable(&leaf->file[0], 408, 16); /* the modification UUID */
	pthread_mutex_unlock(&s->m.disk->lock);
	return durable;
}

static void not_yet(void *opaque)
{
	CHECK(!is_durable(opaque));
}

static void what_is_being_written(void)
{
	struct scene s;

	begin(&s, "what is being written");
	CHECK_OK(write_(&s, 0, 'a'));
	CHECK(!is_durable(&s));
	model_before_write(not_yet, &s);
	CHECK_OK(vd_flush(s.m.disk));
	CHECK(is_durable(&s));
	end(&s);
}

int main(void)
{
	space_that_holds_something();
	a_file_that_is_too_short();
	a_count_that_is_too_low();
	what_is_being_written();
	return 0;
}
