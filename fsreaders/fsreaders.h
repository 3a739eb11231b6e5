/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is inside a disk: partition tables.
 *
 * All readers read through a small struct fs_source, so they work the same on a virtual disk,
 * on a file, and on a piece of memory in a test.
 *
 *	struct fs_table table;
 *	struct fs_error err;
 *
 *	if (fs_table_read(&source, 0, &table, &err) < 0)
 *		die("%s", err.text);
 *	for (size_t i = 0; i < table.count; i++)
 *		printf("%u: %s\n", table.part[i].number, table.part[i].type);
 *	fs_table_free(&table);
 *
 * Units: offsets and sizes are bytes in uint64_t, unless the name says sectors.
 * Threads: nothing here keeps state between calls. Any thread may call, several at once on
 * one source too, if its pread() may be called so.
 * Errors: 0, or -errno; a struct fs_error takes the sentence. Nothing is printed.
 * Trust: nothing read from the source is trusted. A damaged or hostile table never makes a reader
 * crash, run without end, read outside the source, or take more than a few megabytes of memory.
 */
#ifndef FSREADERS_H
#define FSREADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A numbered row of bytes: memory, a file, a disk, a partition. The caller fills it in and keeps
 * it; a reader never changes it.
 */
struct fs_source {
	/*
	 * Read exactly `len` bytes at `offset` into `buf`: all of them and 0, or -errno and `buf`
	 * undefined. Reading past `size` is -EINVAL. Never called with len 0.
	 */
	int (*pread)(struct fs_source *src, void *buf, size_t len, uint64_t offset);
	uint64_t size;		/* bytes */
	void *opaque;		/* the caller's own */
};

/*
 * The sentence that goes with an error code. It belongs to the caller, may be NULL wherever one is
 * asked for, is untouched on success, and holds nothing to free.
 */
struct fs_error {
	char text[512];
};

enum fs_table_kind {
	FS_TABLE_NONE,	/* no table: empty, a file system over the whole disk, or unknown */
	FS_TABLE_MBR,	/* the PC's, with extended and logical partitions */
	FS_TABLE_GPT,	/* GUID partition table (UEFI) */
	FS_TABLE_APM,	/* Apple partition map */
	FS_TABLE_BSD,	/* BSD disklabel over the whole disk */
};

/*
 * One partition. `size` and `sectors` tell the same, except for an entry that ends after the disk
 * does: `sectors` is then what the table says, `size` what is there, and `past_end` is set.
 * So offset + size <= the source's size always holds, and so do size > 0 and
 * offset == start * sector_size.
 */
struct fs_partition {
	/*
	 * The table's own number, the one the operating system uses: MBR primaries 1 to 4 by
	 * slot, logical partitions from 5; GPT and APM slots from 1; BSD letters, a is 1.
	 * Partitions of a disklabel inside an MBR partition follow the last logical one,
	 * as Linux numbers them.
	 */
	unsigned number;
	/* Number of the entry it lies in: of the extended partition for a logical one, of the
	   MBR partition with the disklabel for a nested one; 0 for all others. */
	unsigned container;

	uint64_t offset, size;		/* bytes */
	uint64_t start, sectors;	/* in units of the table's sector_size */

	char type[64];		/* for people: "EFI System", "Linux", "Unknown" */
	/* for programs: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" (lower case), "0x83", an APM type
	   such as "Apple_HFS", for a disklabel "bsd:7" */
	char type_id[40];
	/* UTF-8: the name in a GPT or APM entry, a disklabel's letter, else empty. Control
	   characters and what is no valid text are replaced by U+FFFD. */
	char name[128];
	/* GPT: the partition's GUID, lower case; MBR: the disk's signature and the number,
	   "8cad3deb-01", as Linux's PARTUUID; else empty */
	char uuid[40];

	uint64_t attributes;	/* GPT attribute bits, APM status bits; else 0 */
	bool bootable;		/* MBR: the active flag; GPT: attribute bit 2; APM: status bit 3 */
	bool past_end;		/* its end was clipped to the end of the source */
};

/* What fs_table_read() found. Free it with fs_table_free(). */
struct fs_table {
	enum fs_table_kind kind;
	const char *name;	/* "mbr", "gpt", "gpt (hybrid MBR)", "apm", "bsd", "none"; static */
	bool hybrid;		/* GPT whose MBR lists more than the protective entry */
	bool from_backup;	/* GPT read from its backup at the end of the disk */
	uint32_t sector_size;	/* bytes; what the table counts in */
	char uuid[40];		/* GPT: the disk's GUID; MBR: its signature, "8cad3deb"; else empty */

	size_t count;
	struct fs_partition *part;	/* in listing order: volN is part[N] */

	/*
	 * What a person should know though the call succeeded (a damaged primary GPT, entries
	 * that were left out or clipped): sentences, one per line, no newline at the end.
	 * Empty when all is well. Never more than fits: the last line then says so.
	 */
	char warnings[2048];
};

/*
 * Read the partition table of a disk.
 *
 * sector_size is in bytes, a power of two from 512 to 4096, or 0 to find out: where the table does
 * not say, it is 512, unless with 4096 all entries still fit and more of them begin with something
 * known (a file system, a volume header) than with 512. An Apple map and a disklabel state their
 * own, which wins over this one.
 *
 * Which table counts: a valid GPT behind a protective or hybrid MBR; else an MBR; else an Apple
 * map; else a disklabel. A boot sector of a file system looks like an MBR: it is taken for one only
 * if all its entries make sense. A protective MBR without a valid GPT is an MBR whose entry is
 * listed, with a warning. A disk without a table is FS_TABLE_NONE with no partitions, and no error.
 *
 * Listing order is by number: MBR primaries, then logical ones in chain order, then those of nested
 * disklabels; GPT, APM and BSD by slot. Not listed are an extended partition itself, free space in
 * an Apple map, and in a disklabel unused entries and the one that stands for its whole container.
 * Entries of size zero and those that begin after the end of the disk are left out, with a warning.
 * Overlaps are listed as they are.
 *
 * 0: *out is filled in. -EINVAL: bad sector size. -ENOMEM. Otherwise pread()'s error on the first
 * sector; later sectors that cannot be read count as damaged. On error *out is an empty table,
 * which needs no freeing.
 */
int fs_table_read(struct fs_source *src, uint32_t sector_size, struct fs_table *out,
		  struct fs_error *err);

/* Free what a table owns and empty it. Safe on a zeroed one and twice. */
void fs_table_free(struct fs_table *table);

#ifdef __cplusplus
}
#endif

#endif
