/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vimg-emulator run and a full host disk: the machine stands still exactly while a request waits
 * for space, not for an error that the guest gets, and it goes on when the request is done or was
 * cancelled. The disk is full past `ulimit -f`; this program, started again, is the QEMU.
 */
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "front/rings.h"

#define DISK (16u << 20)
#define LIMIT (1u << 20)
#define PAST_LIMIT ((8u << 20) / 512)	/* a block */
#define PATIENCE_MS 20000

struct drive {
	struct client c;
	struct rings g;
};

/* -------------------------------------------------------------------------- in place of a QEMU */

/* What stands between the two in the argument that has the first; JSON's \\/ is a /. */
static char *between(char **argv, const char *before, char after, unsigned nth)
{
	for (; *argv; argv++) {
		char *at = strstr(*argv, before);

		if (at && !nth--) {
			at = strdup(at + strlen(before));
			CHECK(at);
			*strchrnul(at, after) = '\0';
			for (char *slash; (slash = strchr(at, '\\'));)
				memmove(slash, slash + 1, strlen(slash));
			return at;
		}
	}
	test_fail(__FILE__, __LINE__, "no argument has %s", before);
}

static int accept_monitor(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct pollfd p = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = POLLIN};

	CHECK(p.fd >= 0 && strlen(path) < sizeof(a.sun_path));
	strcpy(a.sun_path, path);
	CHECK_OK(bind(p.fd, (struct sockaddr *)&a, sizeof(a)));
	CHECK_OK(listen(p.fd, 1));
	CHECK_EQ(poll(&p, 1, PATIENCE_MS), 1);
	return accept4(p.fd, NULL, NULL, SOCK_CLOEXEC);
}

static void is_told(int monitor, const char *command)
{
	struct pollfd p = {.fd = monitor, .events = POLLIN};
	char line[256], want[256];
	size_t n = 0;

	do {
		CHECK(n < sizeof(line) - 1);
		if (poll(&p, 1, PATIENCE_MS) != 1)
			test_fail(__FILE__, __LINE__, "no %s came", command);
		CHECK_EQ(read(monitor, line + n, 1), 1);
	} while (line[n++] != '\n');
	line[n] = '\0';
	snprintf(want, sizeof(want), "{\"execute\": \"%s\"}\n", command);
	CHECK_STR(line, want);
}

static void drive_begin(struct drive *d, const char *path)
{
	rings_new(&d->g);
	client_connect(&d->c, path);
	CHECK_OK(client_version(&d->c, NULL));
	rings_map(&d->g, &d->c);
	rings_enable(&d->g);
}

static void begin_write(struct drive *d)
{
	rings_submit(&d->g, &d->g.io, NVME_IO_WRITE, RINGS_DATA, PAST_LIMIT, 0, 7);
}

static void set_server_limit(const struct drive *d, rlim_t limit)
{
	struct rlimit l = {limit, RLIM_INFINITY};
	struct ucred server;
	socklen_t n = sizeof(server);

	CHECK_OK(getsockopt(d->c.fd, SOL_SOCKET, SO_PEERCRED, &server, &n));
	CHECK_OK(prlimit(server.pid, RLIMIT_FSIZE, &l, NULL));
}

static int be_qemu(char **argv)
{
	struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
	struct drive fails, waits;
	int monitor;

	CHECK_OK(setrlimit(RLIMIT_FSIZE, &none));
	monitor = accept_monitor(between(argv, "unix:", ',', 0));
	is_told(monitor, "qmp_capabilities");
	drive_begin(&fails, between(argv, "\"path\":\"", '"', 0));
	drive_begin(&waits, between(argv, "\"path\":\"", '"', 1));

	begin_write(&fails);
	CHECK(rings_await(&fails.g, &fails.g.io) != 0);

	begin_write(&waits);
	is_told(monitor, "stop");
	CHECK_OK(client_reset(&waits.c));
	is_told(monitor, "cont");

	/* The disk is as full as before. */
	CHECK_OK(client_set_irqs(&waits.c, CLIENT_TRIGGER | CLIENT_EVENTFD, CLIENT_MSIX, 0, 1,
				 &waits.g.interrupt, 1));
	client_write(&waits.c, CLIENT_CONFIG, 4, 6, 2);
	rings_enable(&waits.g);
	begin_write(&waits);
	is_told(monitor, "stop");
	set_server_limit(&waits, RLIM_INFINITY);
	CHECK_EQ(rings_await(&waits.g, &waits.g.io), 0);
	is_told(monitor, "cont");
	return 0;
}

/* ------------------------------------------------------------------------------------ the test */

static void make_image(const char *path)
{
	FILE *f = fopen(path, "w");

	CHECK(f && !ftruncate(fileno(f), DISK) && !fclose(f));
}

static void start(const char *self, char *fails, char *waits)
{
	struct rlimit limit = {LIMIT, RLIM_INFINITY};

	CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
	execlp("vimg-emulator", "vimg-emulator", "run", "--controller", "nvme", "--disk", fails,
	       "--controller", "nvme", "--disk", waits, "--", self, (char *)NULL);
	_exit(127);
}

int main(int argc, char **argv)
{
	char *fails, *waits, *option, self[4096] = "";
	struct rlimit limit;
	pid_t child;
	int status;

	if (argc > 3)
		_exit(be_qemu(argv));	/* what it has goes with it: no leaks are looked for */
	if (argc > 1)
		return 0;	/* asked what it speaks */
	CHECK_OK(getrlimit(RLIMIT_FSIZE, &limit));
	if (limit.rlim_max != RLIM_INFINITY)
		test_skip("the size of files is limited here");
	CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	fails = test_path("fails.raw");
	waits = test_path("waits.raw");
	make_image(fails);
	make_image(waits);
	CHECK(asprintf(&option, "%s,on-full=error", fails) > 0);
	child = fork();
	if (!child)
		start(self, option, waits);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	free(option);
	free(fails);
	free(waits);
	return 0;
}
