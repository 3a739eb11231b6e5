/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test.h - what a test in C needs. A test is a program: it returns 0 when everything held, 1 after
 * the first CHECK that did not, and 77 when it cannot run here.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_SKIP 77

#define CHECK(expr)									\
	do {										\
		if (!(expr))								\
			test_fail(__FILE__, __LINE__, "%s is false", #expr);		\
	} while (0)

/* Two integers of any kind. */
#define CHECK_EQ(a, b)									\
	do {										\
		__auto_type check_a_ = (a);						\
		__auto_type check_b_ = (b);						\
		if ((uint64_t)check_a_ != (uint64_t)check_b_)				\
			test_fail(__FILE__, __LINE__,					\
				  "%s is %" PRId64 " (%#" PRIx64 "), %s is %" PRId64	\
				  " (%#" PRIx64 ")", #a, (int64_t)check_a_,		\
				  (uint64_t)check_a_, #b, (int64_t)check_b_,		\
				  (uint64_t)check_b_);					\
	} while (0)

#define CHECK_STR(a, b)									\
	do {										\
		const char *check_a_ = (a), *check_b_ = (b);				\
		if (strcmp(check_a_, check_b_))						\
			test_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"",	\
				  #a, check_a_, check_b_);				\
	} while (0)

/* A call of the 0 or -errno kind. */
#define CHECK_OK(call)									\
	do {										\
		int check_r_ = (call);							\
		if (check_r_)								\
			test_fail(__FILE__, __LINE__, "%s gave %d (%s)", #call,		\
				  check_r_, strerror(check_r_ < 0 ? -check_r_ : check_r_)); \
	} while (0)

__attribute__((noreturn, format(printf, 3, 4), unused))
static void test_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

__attribute__((noreturn, unused))
static void test_skip(const char *why)
{
	fprintf(stderr, "skipped: %s\n", why);
	exit(TEST_SKIP);
}

__attribute__((unused))
static bool test_is_in_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

/* Valgrind and the sanitizers take memory of their own: what is measured then is theirs. */
__attribute__((unused))
static bool test_is_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#endif
	return test_is_in_valgrind();
}

/* VIMG_TEST_QUICK=1 asks for a short run: fewer rounds, not other checks. */
__attribute__((unused))
static bool test_quick(void)
{
	const char *quick = getenv("VIMG_TEST_QUICK");

	return quick && *quick && strcmp(quick, "0");
}

static char test_tmpdir_path[4096];
static pid_t test_tmpdir_owner;

/* Not nftw(): images made by tests sit there, and rm says what it cannot remove. */
static void test_tmpdir_remove(void)
{
	pid_t child;

	if (getpid() != test_tmpdir_owner)
		return;
	child = fork();
	if (!child) {
		execlp("rm", "rm", "-rf", "--", test_tmpdir_path, (char *)NULL);
		_exit(127);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

/* A folder of this process's own, removed when it exits, but not when it crashes. */
__attribute__((unused))
static const char *test_tmpdir(void)
{
	const char *base = getenv("TMPDIR");

	if (test_tmpdir_owner)
		return test_tmpdir_path;
	snprintf(test_tmpdir_path, sizeof(test_tmpdir_path), "%s/vimg-test.XXXXXX",
		 base && *base ? base : "/tmp");
	if (!mkdtemp(test_tmpdir_path))
		test_fail(__FILE__, __LINE__, "mkdtemp %s: %s", test_tmpdir_path, strerror(errno));
	test_tmpdir_owner = getpid();
	atexit(test_tmpdir_remove);
	return test_tmpdir_path;
}

/* A name in that folder. The answer is to be freed. */
__attribute__((unused))
static char *test_path(const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", test_tmpdir(), name) < 0)
		test_fail(__FILE__, __LINE__, "out of memory");
	return path;
}

/* A file under tests/data of the source tree. The answer is to be freed. */
__attribute__((unused))
static char *test_data(const char *name)
{
	const char *top = getenv("top_srcdir");
	char *path;

	if (!top)
		test_skip("top_srcdir is not set: start the test as ./run TEST");
	if (asprintf(&path, "%s/tests/data/%s", top, name) < 0)
		test_fail(__FILE__, __LINE__, "out of memory");
	return path;
}

#endif
