/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vdi.c - VirtualBox's own format: dynamic, fixed, differencing and undo images.
 *
 * The used indices of a sound image are 0 to allocated - 1, and the file ends behind the last of
 * them. Space is never given to another block while the image is open; a discarded block keeps its
 * entry and the host's file gets a hole. recover() makes that so again after a power cut: it
 * scans the table at each writable opening, moves blocks into gaps, and refuses to write to an
 * image in which two entries share a block or one points nowhere or past the end of the file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"
#include "cleanup.h"
#include "formats/vdi.h"

#define MIB (UINT64_C(1) << 20)
#define DEFAULT_BLOCK (1u << 20)
#define MAX_BLOCK (256u << 20)
#define GROW_LEAST 16		/* blocks that the file grows ahead: holes, cut off at closing */
#define GROW_MOST 64
#define TOLD_MAX 1000		/* bad blocks that a check tells one by one */

uint64_t vdi_position(const struct vdi *v, uint32_t index)
{
	return v->h.data + (uint64_t)index * v->unit + v->h.block_extra;
}

uint64_t vdi_entry_at(const struct vdi *v, uint64_t block)
{
	return v->h.table + 4 * block;
}

/* Guest bytes in a block: the last one may be cut. */
static uint64_t guest_bytes(const struct vdi *v, uint64_t block)
{
	return min_u64(v->h.block_size, v->h.disk_size - block * v->h.block_size);
}

/* ----------------------------------------------------------------------------- open and probe */

static bool vdi_probe(const struct probe *p)
{
	return p->size >= 72 && le32(p->head + 64) == VDI_SIGNATURE;
}

static int vdi_identify(const struct probe *p, struct identity *out)
{
	struct vdi_header h;
	int r = vdi_header_parse(p->head, &h, p->path, NULL);

	if (r)
		return r;
	out->uuid = h.create;
	out->parent = h.link;
	out->has_parent = h.type == VDI_DIFF || h.type == VDI_UNDO || !vd_uuid_is_null(&h.link);
	return 0;
}

static const char *variant(const struct vd_image *img, const struct vdi_header *h)
{
	if (h->type == VDI_UNDO)
		return "undo";
	if (img->has_parent)
		return "differencing";
	return h->type == VDI_FIXED ? "fixed" : "dynamic";
}

static int take_header(struct vd_image *img, const struct vdi_header *h)
{
	img->size = h->disk_size;
	img->block_size = h->block_size;
	img->uuid = h->create;
	img->modification = h->modify;
	img->parent_uuid = h->link;
	img->parent_modification = h->parent_modify;
	/* A recorded parent makes it a child, whatever the type says. */
	img->has_parent = h->type == VDI_DIFF || h->type == VDI_UNDO ||
			  !vd_uuid_is_null(&h->link);
	img->variant = variant(img, h);
	img->keeps_space = h->type == VDI_FIXED && !img->has_parent;
	if (h->version >> 16 == 1 && (h->version & 0xffff) > 1)
		image_warn(img, "VDI version 1.%u is newer than 1.1, the last known one",
			   h->version & 0xffff);
	if (!h->comment[0])
		return 0;
	img->comment = strdup(h->comment);
	return img->comment ? 0 : -ENOMEM;
}

static int vdi_open(struct vd_image *img, struct vd_error *err)
{
	uint8_t buf[VDI_HEADER_BYTES] = { 0 };
	struct vd_file *f = &img->file[0];
	struct vdi *v;
	int r;

	v = img->priv = calloc(1, sizeof(*v));
	if (!v)
		return image_fail(img, err, -ENOMEM, "out of memory");
	/* An old image with few blocks may be shorter than the buffer. */
	r = file_read(f, buf, min_u64(sizeof(buf), max_u64(f->size, 420)), 0, "VDI header", err);
	if (!r)
		r = vdi_header_parse(buf, &v->h, img->path, err);
	if (r)
		return r;
	if (!range_in(v->h.table, 4 * (uint64_t)v->h.blocks, f->size))
		return image_fail(img, err, -EUCLEAN, "the block table, %u entries at offset %llu,"
				  " passes the end of the file at %llu: the file is cut short",
				  v->h.blocks, (unsigned long long)v->h.table,
				  (unsigned long long)f->size);
	v->unit = (uint64_t)v->h.block_size + v->h.block_extra;
	v->next = v->h.allocated;
	v->fresh = f->size;
	return take_header(img, &v->h);
}

static void vdi_close(struct vd_image *img)
{
	struct vdi *v = img->priv;

	if (v)
		free(v->spare);
	free(v);
}

/* ----------------------------------------------------------------------------------------- map */

/* How many entries from `block` on continue it, as far as the table's pages are in memory. */
static uint64_t same_entries(struct vd_image *img, uint64_t block, uint64_t limit, uint32_t entry)
{
	struct vdi *v = img->priv;
	bool data = entry < VDI_ZERO;
	uint64_t n = 1;

	if (data && v->h.block_extra)
		return 1;
	if (data) /* the two indices behind the last one mean something else */
		limit = min_u64(limit, VDI_ZERO - entry);
	while (n < limit) {
		uint64_t at = vdi_entry_at(v, block + n);
		uint64_t here = min_u64((META_PAGE - at % META_PAGE) / 4, limit - n);
		const uint8_t *p;

		/* An entry of a packed old image may lie across two pages. */
		if (!here || !(p = meta_peek(&img->file[0], at, (uint32_t)here * 4)))
			return n;
		for (uint64_t i = 0; i < here; i++, n++)
			if (le32(p + 4 * i) != (data ? entry + (uint32_t)n : entry))
				return n;
	}
	return n;
}

static int read_entry(struct vd_image *img, uint64_t block, uint32_t *entry)
{
	uint64_t at = vdi_entry_at(img->priv, block);
	uint32_t first = (uint32_t)min_u64(4, META_PAGE - at % META_PAGE);
	uint8_t bytes[4];
	const uint8_t *p = meta_peek(&img->file[0], at, first);

	if (!p)
		return -EAGAIN;
	memcpy(bytes, p, first);
	if (first < 4) {
		p = meta_peek(&img->file[0], at + first, 4 - first);
		if (!p)
			return -EAGAIN;
		memcpy(bytes + first, p, 4 - first);
	}
	*entry = le32(bytes);
	return 0;
}

/* Data, as far as it lies in the file. */
static void map_data(struct vd_image *img, uint32_t entry, uint64_t in, uint64_t length,
		     struct map_extent *out)
{
	struct vdi *v = img->priv;
	uint64_t at = vdi_position(v, entry) + in, size = img->file[0].size;

	out->kind = at < size ? MAP_DATA : MAP_ERROR;
	out->in_place = true;
	out->file = &img->file[0];
	out->offset = at;
	out->length = at < size ? min_u64(length, size - at) : length;
}

static int vdi_map(struct vd_image *img, uint64_t offset, uint64_t length, struct map_extent *out)
{
	struct vdi *v = img->priv;
	uint64_t block = offset / v->h.block_size, in = offset % v->h.block_size;
	uint64_t blocks = (in + length - 1) / v->h.block_size + 1, n;
	uint32_t entry;
	int r = read_entry(img, block, &entry);

	if (r)
		return r;
	n = same_entries(img, block, blocks, entry);
	length = min_u64(length, n * v->h.block_size - in);
	*out = (struct map_extent){ .length = length };
	if (entry >= VDI_ZERO)
		out->kind = entry == VDI_ZERO ? MAP_ZERO : MAP_ABSENT;
	else
		map_data(img, entry, in, length, out);
	return 0;
}

/* ----------------------------------------------------------------------------------- new blocks */

static int set_allocated(struct vd_image *img, uint32_t count)
{
	struct vdi *v = img->priv;
	uint8_t bytes[4];
	int r;

	put_le32(bytes, count);
	r = meta_change(&img->file[0], v->h.at_allocated, bytes, 4, META_NEW);
	if (!r)
		v->h.allocated = count;
	return r;
}

/* So that cancelling cannot fail. */
static int room_for_spares(struct vdi *v)
{
	size_t want = v->spares + v->reserved + 1;
	uint32_t *more;

	if (want <= v->spare_room)
		return 0;
	more = realloc(v->spare, want * 2 * sizeof(*more));
	if (!more)
		return -ENOMEM;
	v->spare = more;
	v->spare_room = want * 2;
	return 0;
}

/* Space that is there, and durably zero, when the next blocks want it; and the count is durable. */
static uint64_t grow_ahead(uint64_t index)
{
	return min_u64(max_u64(index / 8, GROW_LEAST), GROW_MOST);
}

static int pick_index(struct vd_image *img, struct reservation *res)
{
	struct vdi *v = img->priv;
	uint32_t index = v->spares ? v->spare[v->spares - 1] : v->next;
	int r;

	if (index >= v->h.blocks)
		return -EUCLEAN; /* more entries in use than there are: cannot be after recover */
	if (index >= v->h.allocated) {
		r = set_allocated(img, (uint32_t)min_u64(index + 1 + grow_ahead(index),
							 v->h.blocks));
		if (r)
			return r;
	}
	res->zeroed = !v->spares && vdi_position(v, index) >= v->fresh;
	if (v->spares)
		v->spares--;
	else
		v->next++;
	res->priv[0] = index;
	return 0;
}

static int vdi_reserve(struct vd_image *img, struct reservation *res)
{
	struct vdi *v = img->priv;
	struct vd_file *f = &img->file[0];
	uint64_t block = res->start / v->h.block_size, end;
	uint32_t entry;
	int r = read_entry(img, block, &entry);

	if (!r)
		r = room_for_spares(v);
	if (!r)
		r = pick_index(img, res);
	if (r)
		return r;
	v->reserved++;
	res->start = block * v->h.block_size;
	res->length = guest_bytes(v, block);
	res->file = f;
	res->offset = vdi_position(v, (uint32_t)res->priv[0]);
	end = v->h.data + (res->priv[0] + 1) * v->unit;
	if (end > f->size)
		res->grow = min_u64(end + grow_ahead(res->priv[0]) * v->unit,
				    v->h.data + v->h.blocks * v->unit);
	return 0;
}

static int set_entry(struct vd_image *img, uint64_t block, uint32_t entry, enum meta_phase phase)
{
	uint8_t bytes[4];

	put_le32(bytes, entry);
	return meta_change(&img->file[0], vdi_entry_at(img->priv, block), bytes, 4, phase);
}

static int vdi_publish(struct vd_image *img, const struct reservation *res)
{
	struct vdi *v = img->priv;
	/* Others put their next block where the count says, so it is never behind an entry. */
	bool unordered = res->unordered && meta_durable(&img->file[0], v->h.at_allocated, 4);
	int r = set_entry(img, res->start / v->h.block_size, (uint32_t)res->priv[0],
			  unordered ? META_NEW : META_POINTER);

	if (!r)
		v->reserved--;
	return r;
}

static void vdi_cancel(struct vd_image *img, const struct reservation *res)
{
	struct vdi *v = img->priv;

	v->reserved--;
	v->spare[v->spares++] = (uint32_t)res->priv[0];
}

static int vdi_zero(struct vd_image *img, uint64_t offset, uint64_t length, uint64_t *done)
{
	struct vdi *v = img->priv;
	uint64_t block = offset / v->h.block_size;
	uint32_t entry;
	int r;

	if (offset % v->h.block_size || length < guest_bytes(v, block))
		return 0;
	r = read_entry(img, block, &entry);
	if (!r && entry == VDI_FREE)
		r = set_entry(img, block, VDI_ZERO, META_POINTER);
	if (!r)
		*done = guest_bytes(v, block);
	return r;
}

static int vdi_begin_write(struct vd_image *img)
{
	struct vdi *v = img->priv;
	struct vd_uuid id;
	uint8_t guid[16];
	int r;

	uuid_fresh(&id);
	uuid_to_guid(guid, &id);
	r = meta_change(&img->file[0], v->h.at_modify, guid, sizeof(guid), META_NEW);
	if (!r)
		v->h.modify = img->modification = id;
	return r;
}

static bool is_spare(const struct vdi *v, uint32_t index)
{
	for (size_t i = 0; i < v->spares; i++)
		if (v->spare[i] == index)
			return true;
	return false;
}

/* Takes back the indices at the upper end that are counted, but not used. */
static int vdi_end_write(struct vd_image *img, uint64_t *final_size)
{
	struct vdi *v = img->priv;
	uint32_t count = v->next;
	size_t kept = 0;
	int r = 0;

	while (is_spare(v, count - 1))
		count--;
	if (count != v->h.allocated)
		r = set_allocated(img, count);
	if (r)
		return r;
	for (size_t i = 0; i < v->spares; i++)
		if (v->spare[i] < count)
			v->spare[kept++] = v->spare[i];
	v->spares = kept;
	v->next = count;
	img->needs_recovery = v->spares;
	*final_size = min_u64(*final_size, v->h.data + (uint64_t)count * v->unit);
	return 0;
}

/* ---------------------------------------------------------------------------- scan and recover */

static uint64_t scan_bads(const struct vdi_scan *s)
{
	return s->outside + s->shared + s->cut;
}

/* What is wrong with the entry, to go behind "block 7: ". */
static void scan_bad(struct vdi_scan *s, uint64_t block, uint64_t *count, const char *text)
{
	if (!scan_bads(s))
		s->bad_block = block;
	++*count;
	if (s->ctx && scan_bads(s) <= TOLD_MAX)
		check_finding(s->ctx, VD_FINDING_ERROR, false, "block %llu: %s",
			      (unsigned long long)block, text);
}

static void scan_entry(struct vdi_scan *s, uint64_t block, uint32_t entry)
{
	struct vdi *v = s->img->priv;
	unsigned long long at = vdi_entry_at(v, block);
	bool told = s->ctx && scan_bads(s) < TOLD_MAX;
	char text[128];

	text[0] = '\0';
	if (entry >= s->room) {
		if (told)
			snprintf(text, sizeof(text), "its entry at offset %llu says index %u, and"
				 " the file ends before it", at, entry);
		scan_bad(s, block, &s->outside, text);
		return;
	}
	if (s->owner[entry]) {
		if (told)
			snprintf(text, sizeof(text), "its entry at offset %llu says index %u,"
				 " which is that of block %u", at, entry, s->owner[entry] - 1);
		scan_bad(s, block, &s->shared, text);
		return;
	}
	s->used++;
	s->owner[entry] = (uint32_t)block + 1;
	s->top = max_u64(s->top, (uint64_t)entry + 1);
	if (vdi_position(v, entry) + guest_bytes(v, block) > s->img->file[0].size)
		scan_bad(s, block, &s->cut, "the file ends inside it");
}

/* How many entries behind the first are free, by pieces of 8: a table of 256 MiB is mostly those. */
static uint64_t free_entries(const uint8_t *p, uint64_t n)
{
	uint64_t i = 0;

	while (i + 9 <= n && (le64(p + 4 * i + 4) & le64(p + 4 * i + 12) & le64(p + 4 * i + 20) &
			      le64(p + 4 * i + 28)) == UINT64_MAX)
		i += 8;
	return i;
}

static int scan_entries(struct vdi_scan *s, struct vd_error *err)
{
	struct vdi *v = s->img->priv;
	CLEANUP_FREE uint8_t *buf = malloc(min_u64(VDI_PIECE, 4 * (uint64_t)v->h.blocks));

	if (!buf)
		return image_fail(s->img, err, -ENOMEM, "out of memory");
	for (uint64_t block = 0; block < v->h.blocks;) {
		uint64_t n = min_u64(VDI_PIECE / 4, v->h.blocks - block);
		int r = file_read(&s->img->file[0], buf, n * 4, vdi_entry_at(v, block),
				  "block table", err);

		if (r)
			return r;
		for (uint64_t i = 0; i < n; i++) {
			uint32_t entry = le32(buf + 4 * i);

			if (entry >= VDI_ZERO) {
				i += free_entries(buf + 4 * i, n - i);
				continue;
			}
			scan_entry(s, block + i, entry);
			if (!s->ctx && scan_bads(s))
				return 0; /* who does not report needs only one */
		}
		block += n;
	}
	return 0;
}

/* The last block of a file may be cut where the disk ends. */
static uint64_t indices_in_file(const struct vdi *v, uint64_t size)
{
	return size > v->h.data ? div_up(size - v->h.data, v->unit) : 0;
}

static void tell_the_rest(struct vdi_scan *s)
{
	uint64_t rest = scan_bads(s) > TOLD_MAX ? scan_bads(s) - TOLD_MAX : 0;

	if (!s->ctx || !rest)
		return;
	check_finding(s->ctx, VD_FINDING_ERROR, false, "%llu more blocks are outside the file or"
		      " share their place with another", (unsigned long long)rest);
	s->ctx->result->errors += rest - 1;
}

int vdi_scan_table(struct vd_image *img, struct check_ctx *ctx, struct vdi_scan *s,
		      struct vd_error *err)
{
	struct vdi *v = img->priv;
	int r;

	*s = (struct vdi_scan){ .img = img, .ctx = ctx };
	/* An index past the number of blocks is taken for outside, so that a file with a long tail
	 * costs no memory. */
	s->room = min_u64(indices_in_file(v, img->file[0].size),
			  v->h.blocks + vdi_header_slack(&v->h));
	/* Not set to anything: of a large one only what is looked at takes memory. */
	s->owner = calloc(max_u64(s->room, 1), sizeof(*s->owner));
	if (!s->owner)
		return image_fail(img, err, -ENOMEM, "out of memory");
	r = scan_entries(s, err);
	tell_the_rest(s);
	return r;
}

static int sync_file(struct vd_image *img, struct vd_error *err)
{
	return file_make_durable(&img->file[0], err);
}

int vdi_copy_block(struct vd_image *img, uint32_t from, uint32_t to, struct vd_error *err)
{
	struct vdi *v = img->priv;
	CLEANUP_FREE char *buf = malloc(min_u64(VDI_PIECE, v->unit));
	uint64_t source = v->h.data + from * v->unit, target = v->h.data + to * v->unit;
	uint64_t length = min_u64(v->unit, img->file[0].size - source);

	if (!buf)
		return image_fail(img, err, -ENOMEM, "out of memory");
	for (uint64_t done = 0; done < length;) {
		uint64_t n = min_u64(VDI_PIECE, length - done);
		int r = file_read(&img->file[0], buf, n, source + done, "block", err);

		if (!r)
			r = file_write(&img->file[0], buf, n, target + done, "block", err);
		if (r)
			return r;
		done += n;
	}
	return 0;
}

int vdi_write_entry(struct vd_image *img, uint64_t block, uint32_t entry, struct vd_error *err)
{
	uint8_t bytes[4];

	put_le32(bytes, entry);
	return file_write(&img->file[0], bytes, 4, vdi_entry_at(img->priv, block), "block table", err);
}

/* Moves the highest blocks into the gaps: data, barrier, entries, barrier. */
static int close_gaps(struct vd_image *img, struct vdi_scan *s, struct vd_error *err)
{
	CLEANUP_FREE uint32_t *gap = malloc(min_u64(s->top - s->used, s->used) * sizeof(*gap) + 1);
	uint64_t top = s->top, n = 0;
	int r = 0;

	if (!gap)
		return image_fail(img, err, -ENOMEM, "out of memory");
	for (uint64_t i = 0; !r && i < s->used; i++) {
		if (s->owner[i])
			continue;
		while (!s->owner[--top])
			;
		r = vdi_copy_block(img, (uint32_t)top, (uint32_t)i, err);
		s->owner[i] = s->owner[top];
		gap[n++] = (uint32_t)i;
	}
	if (!r)
		r = sync_file(img, err);
	for (uint64_t i = 0; !r && i < n; i++)
		r = vdi_write_entry(img, s->owner[gap[i]] - 1, gap[i], err);
	s->top = s->used;
	return r ? r : sync_file(img, err);
}

int vdi_write_allocated(struct vd_image *img, uint32_t count, struct vd_error *err)
{
	struct vdi *v = img->priv;
	uint8_t bytes[4];
	int r;

	put_le32(bytes, count);
	r = file_write(&img->file[0], bytes, 4, v->h.at_allocated, "VDI header", err);
	if (!r)
		v->h.allocated = count;
	return r ? r : sync_file(img, err);
}

static int cut_tail(struct vd_image *img, uint64_t end, struct vd_error *err)
{
	int r = storage_truncate(img->file[0].storage, end);

	if (r == -ENOTSUP)
		return 0; /* a block device: what is behind stays, and is nobody's */
	if (r)
		return image_fail(img, err, r, "cannot cut the file to %llu bytes: %s",
				  (unsigned long long)end, strerror(-r));
	img->file[0].size = end;
	return sync_file(img, err);
}

static int mend(struct vd_image *img, struct vdi_scan *s, struct vd_error *err)
{
	struct vdi *v = img->priv;
	uint64_t end;
	int r = 0;

	if (s->top != s->used)
		r = close_gaps(img, s, err);
	if (!r && v->h.allocated != s->used)
		r = vdi_write_allocated(img, (uint32_t)s->used, err);
	end = v->h.data + s->used * v->unit;
	if (!r && img->file[0].size > end)
		r = cut_tail(img, end, err);
	v->next = v->h.allocated;
	v->fresh = max_u64(img->file[0].size, end);
	v->spares = 0;
	return r;
}

int vdi_recover(struct vd_image *img, struct vd_error *err)
{
	struct vdi_scan s;
	int r = vdi_scan_table(img, NULL, &s, err);

	if (!r && scan_bads(&s))
		r = image_fail(img, err, -EUCLEAN, "not safe to write to: the entry of block %llu"
			       " %s; open it read-only, and see vimg check",
			       (unsigned long long)s.bad_block, s.outside || s.cut ?
			       "points past the end of the file" : "is that of another one, too");
	else if (!r)
		r = mend(img, &s, err);
	free(s.owner);
	return r;
}

/* --------------------------------------------------------------------------------------- check */

static void report_leaks(struct vdi_scan *s, bool mending)
{
	struct vdi *v = s->img->priv;
	uint64_t held = indices_in_file(v, s->img->file[0].size);

	/* While we write, the file and the count are ahead on purpose. */
	if (s->img->writable && !mending)
		return;
	if (held > s->used) {
		check_finding(s->ctx, VD_FINDING_LEAK, mending, "%llu blocks in the file belong"
			      " to nobody", (unsigned long long)(held - s->used));
		s->ctx->result->leaked = (held - s->used) * v->unit;
	}
	if (v->h.allocated != s->used + s->outside + s->shared)
		check_finding(s->ctx, VD_FINDING_MINOR, mending, "the header says %u blocks are"
			      " allocated, %llu are", v->h.allocated,
			      (unsigned long long)(s->used + s->outside + s->shared));
}

static int vdi_check(struct vd_image *img, struct check_ctx *ctx)
{
	struct vdi *v = img->priv;
	struct vdi_scan s;
	int r = vdi_scan_table(img, ctx, &s, ctx->err);

	if (!r) {
		bool mending = (ctx->flags & VD_CHECK_REPAIR) && !scan_bads(&s);

		report_leaks(&s, mending);
		ctx->result->total_blocks = v->h.blocks;
		ctx->result->allocated_blocks = s.used;
		if (mending)
			r = mend(img, &s, ctx->err);
	}
	free(s.owner);
	return r;
}

/* -------------------------------------------------------------------------------------- create */

static int write_table(struct vd_storage *s, const struct create_params *p,
		       const struct vdi_header *h, uint64_t total)
{
	CLEANUP_FREE uint8_t *buf = malloc(VDI_PIECE);
	bool fixed = h->type == VDI_FIXED;
	int r = buf ? 0 : -ENOMEM;

	if (buf)
		memset(buf, 0xff, VDI_PIECE);
	for (uint64_t block = 0; !r && block < h->blocks;) {
		uint64_t n = min_u64(VDI_PIECE / 4, h->blocks - block);

		for (uint64_t i = 0; fixed && i < n; i++)
			put_le32(buf + 4 * i, (uint32_t)(block + i));
		r = storage_pwrite(s, buf, n * 4, h->table + 4 * block);
		block += n;
		if (!r)
			r = create_progress(p, h->table + 4 * block, total);
	}
	return r;
}

static int plan(struct vdi_header *h, const struct create_params *p, struct vd_error *err)
{
	uint64_t block = p->block_size ? p->block_size : DEFAULT_BLOCK;
	uint64_t blocks;

	if (block < 4096 || block > MAX_BLOCK || !is_power_of_2(block))
		return fail(err, -EINVAL, "%s: a block size of %llu, a VDI takes a power of two"
			    " from 4096 to %u", p->path, (unsigned long long)block, MAX_BLOCK);
	blocks = div_up(p->size, block);
	if (!p->size || p->size % 512)
		return fail(err, -EINVAL, "%s: a size of %llu bytes, a VDI takes a multiple of"
			    " 512", p->path, (unsigned long long)p->size);
	/* The offset of the data is a 32-bit field. */
	if (blocks > (UINT32_MAX - 3 * MIB) / 4)
		return fail(err, -EINVAL, "%s: %llu bytes are too many for a VDI with blocks of"
			    " %llu", p->path, (unsigned long long)p->size,
			    (unsigned long long)block);
	h->type = p->parent ? VDI_DIFF : p->fixed ? VDI_FIXED : VDI_DYNAMIC;
	h->disk_size = p->size;
	h->block_size = (uint32_t)block;
	h->blocks = (uint32_t)blocks;
	h->allocated = p->fixed ? h->blocks : 0;
	h->table = MIB;
	align_up(h->table + 4 * blocks, MIB, &h->data);
	h->create = p->uuid;
	h->modify = p->modification;
	if (p->parent) {
		h->link = p->parent->uuid;
		h->parent_modify = p->parent->modification;
	}
	if (p->comment && strlen(p->comment) > 255)
		return fail(err, -EINVAL, "%s: the comment is longer than 255 bytes", p->path);
	if (p->comment)
		strcpy(h->comment, p->comment);
	return 0;
}

static int vdi_create(struct vd_storage *s, const struct create_params *p, struct vd_error *err)
{
	struct vdi_header h = { 0 };
	uint8_t buf[VDI_HEADER_BYTES];
	uint64_t size;
	int r = plan(&h, p, err);

	if (r)
		return r;
	size = h.data + (uint64_t)h.allocated * h.block_size;
	vdi_header_build(buf, &h);
	r = storage_truncate(s, size);
	if (!r)
		r = write_table(s, p, &h, size);
	if (!r)
		r = create_zeros(s, p, h.data, size);
	if (!r)
		r = storage_pwrite(s, buf, sizeof(buf), 0);
	return r ? fail(err, r, "%s: cannot write the new image: %s", p->path, strerror(-r)) : 0;
}

static const char *const vdi_extensions[] = { "vdi", NULL };

const struct vd_format vd_format_vdi = {
	.info = {
		.name = "vdi",
		.description = "VirtualBox disk image",
		.extensions = vdi_extensions,
		.caps = VD_CAP_CREATE_DYNAMIC | VD_CAP_CREATE_FIXED | VD_CAP_DIFFERENCING |
			VD_CAP_WRITE | VD_CAP_UUID,
	},
	.probe = vdi_probe,
	.identify = vdi_identify,
	.open = vdi_open,
	.close = vdi_close,
	.recover = vdi_recover,
	.map = vdi_map,
	.begin_write = vdi_begin_write,
	.end_write = vdi_end_write,
	.reserve = vdi_reserve,
	.publish = vdi_publish,
	.cancel = vdi_cancel,
	.zero = vdi_zero,
	.create = vdi_create,
	.resize = vdi_resize,
	.check = vdi_check,
};
