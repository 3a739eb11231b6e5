/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain-test.h - small images whose ids and parents a test chooses, and what opens a chain of them.
 *
 * An id is a number here: 0 is none, N the UUID that begins with N. Paths are relative: a test
 * works inside a folder of its own, /tmp/vimg-test.XXXXXX/d/d. It lies that deep because the folder
 * above an image is searched too.
 */
#ifndef CHAIN_TEST_H
#define CHAIN_TEST_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "bytes.h"
#include "core/image.h"
#include "test.h"

#define MIB 1048576u

static struct vd_uuid test_id(unsigned n)
{
	struct vd_uuid id = { { 0 } };

	put_be32(id.byte, n);
	if (n)
		id.byte[15] = 0x77;
	return id;
}

static void put_file(const char *path, const void *bytes, size_t length, uint64_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	CHECK_EQ(write(fd, bytes, length), (ssize_t)length);
	CHECK_OK(ftruncate(fd, size));
	close(fd);
}

struct test_vdi {
	unsigned id, parent;
	unsigned modification, parent_modification;
	unsigned type;		/* 0: 4 with a parent, else 1 */
};

/* 2 MiB, nothing allocated. */
__attribute__((unused))
static void make_vdi_of(const char *path, const struct test_vdi *v)
{
	const unsigned ids[] = {
		v->id, v->modification ? v->modification : v->id + 0x10000, v->parent,
		v->parent_modification,
	};
	uint8_t h[1024] = "<<< a test >>>\n";
	struct vd_uuid id;

	put_le32(h + 64, 0xbeda107f);
	put_le32(h + 68, 0x10001);
	put_le32(h + 72, 400);
	put_le32(h + 76, v->type ? v->type : v->parent ? 4 : 1);
	put_le32(h + 340, 512);		/* block table */
	put_le32(h + 344, MIB);		/* data */
	put_le32(h + 360, 512);
	put_le64(h + 368, 2 * MIB);
	put_le32(h + 376, MIB);
	put_le32(h + 384, 2);
	for (int i = 0; i < 4; i++) {
		id = test_id(ids[i]);
		uuid_to_guid(h + 392 + 16 * i, &id);
	}
	put_le32(h + 512, 0xffffffff);
	put_le32(h + 516, 0xffffffff);
	put_file(path, h, sizeof(h), MIB);
}

__attribute__((unused))
static void make_vdi(const char *path, unsigned id, unsigned parent)
{
	make_vdi_of(path, &(struct test_vdi){ .id = id, .parent = parent });
}

static void vhd_checksum(uint8_t *p, size_t length, size_t at)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += p[i];
	put_be32(p + at, ~sum);
}

static void vhd_locator(uint8_t *header, uint8_t *file, unsigned slot, const char *code,
			uint64_t at, const char *name)
{
	uint8_t *l = header + 576 + 24 * slot;

	memcpy(l, code, 4);
	put_be32(l + 4, 512);
	put_be32(l + 8, strlen(name) * 2);
	put_be64(l + 16, at);
	for (size_t i = 0; name[i]; i++)
		file[at + 2 * i] = name[i] == '/' ? '\\' : name[i];
}

/* 2 MiB, nothing allocated. With `name` or `absolute` or a parent it is differencing: `name` goes
 * into a relative locator and the header, `absolute` into an absolute one; each may be NULL. */
__attribute__((unused))
static void make_vhd(const char *path, unsigned id, unsigned parent, const char *name,
		     const char *absolute)
{
	bool differencing = parent || name || absolute;
	uint8_t f[4096] = { 0 }, *h = f + 512;
	struct vd_uuid uuid = test_id(id), parent_uuid = test_id(parent);

	memcpy(f, "conectix", 8);
	put_be32(f + 8, 2);
	put_be32(f + 12, 0x10000);
	put_be64(f + 16, 512);
	memcpy(f + 28, "test", 4);
	put_be64(f + 40, 2 * MIB);
	put_be64(f + 48, 2 * MIB);
	put_be32(f + 56, 0x003c0411);
	put_be32(f + 60, differencing ? 4 : 3);
	uuid_to_guid(f + 68, &uuid);
	vhd_checksum(f, 512, 64);
	memcpy(h, "cxsparse", 8);
	put_be64(h + 8, UINT64_MAX);
	put_be64(h + 16, 1536);		/* block table */
	put_be32(h + 24, 0x10000);
	put_be32(h + 28, 1);
	put_be32(h + 32, 2 * MIB);
	uuid_to_guid(h + 40, &parent_uuid);
	for (size_t i = 0; name && name[i]; i++)
		h[64 + 2 * i + 1] = name[i];
	if (name)
		vhd_locator(h, f, 0, "W2ru", 2048, name);
	if (absolute)
		vhd_locator(h, f, 1, "W2ku", 2560, absolute);
	vhd_checksum(h, 1024, 36);
	put_be32(f + 1536, 0xffffffff);
	memcpy(f + 3584, f, 512);
	put_file(path, f, sizeof(f), sizeof(f));
}

__attribute__((unused))
static void make_raw(const char *path)
{
	put_file(path, "raw", 3, 2 * MIB);
}

__attribute__((unused))
static void make_folder(const char *path)
{
	CHECK_OK(mkdir(path, 0777));
}

/* Into a fresh folder, two levels below one of our own. The answer is its path, symlinks resolved,
 * and lives until the next call. */
__attribute__((unused))
static const char *fresh_folder(void)
{
	static char *path;
	static unsigned n;
	char name[64];

	CHECK_OK(chdir(test_tmpdir()));
	snprintf(name, sizeof(name), "%u", ++n);
	make_folder(name);
	CHECK_OK(chdir(name));
	make_folder("d");
	CHECK_OK(chdir("d"));
	make_folder("d");
	CHECK_OK(chdir("d"));
	free(path);
	path = getcwd(NULL, 0);
	CHECK(path);
	return path;
}

/* ----------------------------------------------------------------------------------- opening */

static struct vd_image **chain;
static unsigned chain_length;
static struct vd_error chain_error;

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void close_chain(void)
{
	for (unsigned i = 0; i < chain_length; i++)
		image_close(chain[i]);
	free(chain);
	chain = NULL;
	chain_length = 0;
}

/* Closes the chain before it. */
static int open_chain(const char *path, unsigned flags, const struct vd_open_options *options)
{
	unsigned before;
	int r;

	close_chain();
	before = open_descriptors();
	strcpy(chain_error.text, "");
	r = chain_open(path, flags, options, &chain, &chain_length, &chain_error);
	if (r < 0) {
		CHECK(*chain_error.text);
		CHECK_EQ(open_descriptors(), before);
		chain_length = 0;
	} else {
		CHECK_STR(chain_error.text, "");
		CHECK_EQ(open_descriptors(), before + chain_length);
	}
	return r;
}

/* That the chain consists of files that end so, leaf first. */
#define CHECK_CHAIN(...)								\
	check_chain(__FILE__, __LINE__, (const char *const[]){ __VA_ARGS__, NULL })

__attribute__((unused))
static void check_chain(const char *file, int line, const char *const *names)
{
	unsigned n;

	for (n = 0; names[n]; n++) {
		size_t want = strlen(names[n]), have;

		if (n >= chain_length)
			test_fail(file, line, "the chain ends before %s", names[n]);
		have = strlen(chain[n]->path);
		if (have < want || strcmp(chain[n]->path + have - want, names[n]))
			test_fail(file, line, "layer %u is %s, expected %s", n, chain[n]->path,
				  names[n]);
		CHECK_EQ(chain[n]->level, n);
	}
	if (n != chain_length)
		test_fail(file, line, "the chain goes on with %s", chain[n]->path);
}

#define CHECK_OPENS(path, flags, options)						\
	do {										\
		if (open_chain(path, flags, options))					\
			test_fail(__FILE__, __LINE__, "%s", chain_error.text);		\
	} while (0)

__attribute__((unused))
static const struct vd_option_words option_words = {
	.force = "--force", .parent = "--parent FILE", .parent_dir = "--parent-dir DIR",
	.force_parent = "--force-parent", .raw = "--format raw",
};

/* That it fails with this code and a sentence that has all these words. */
#define CHECK_REFUSED(path, flags, options, code, ...)					\
	check_refused(__FILE__, __LINE__, path, flags, options, code,			\
		      (const char *const[]){ __VA_ARGS__, NULL })

__attribute__((unused))
static void check_refused(const char *file, int line, const char *path, unsigned flags,
			  const struct vd_open_options *options, int code,
			  const char *const *words)
{
	int r = open_chain(path, flags, options);

	if (r >= 0)
		test_fail(file, line, "%s opens, but should not", path);
	/* What is wrong is the library's to say; how a program's options are called is not. */
	if (strstr(chain_error.text, "--"))
		test_fail(file, line, "it names an option: %s", chain_error.text);
	vd_error_advise(&chain_error, &option_words);
	if (r != code)
		test_fail(file, line, "%s: %d (%s), expected %d: %s", path, r, strerror(-r), code,
			  chain_error.text);
	for (; *words; words++)
		if (!strstr(chain_error.text, *words))
			test_fail(file, line, "no \"%s\" in: %s", *words, chain_error.text);
}

/* For lists in options. */
#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define WITH(...) (&(const struct vd_open_options){ __VA_ARGS__ })

#endif
