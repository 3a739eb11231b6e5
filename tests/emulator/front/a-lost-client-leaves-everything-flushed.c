/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients come, are refused, go, and are followed by others; a server stops. Disks are flushed, and
 * a controller is as at power-on. */
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <dirent.h>

#include "bytes.h"
#include "emulator-test.h"
#include "front/client.h"
#include "front/server.h"
#include "front/toy.h"

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	CHECK(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void join(struct client *c, struct server *s)
{
	client_connect(c, s->path);
	CHECK_OK(client_version(c, NULL));
}

static void state_does_not_outlive_a_client(struct server *s)
{
	struct client c;
	int fd = eventfd(0, EFD_CLOEXEC);

	join(&c, s);
	client_write(&c, 0, TOY_SCRATCH, 77, 4);
	client_write(&c, CLIENT_CONFIG, 4, 7, 2);
	CHECK_OK(client_map(&c, 0, 4096, -1, 0));
	CHECK_OK(client_set_irqs(&c, 36, CLIENT_INTX, 0, 1, &fd, 1));
	client_close(&c);
	server_await_power_offs(s, 1);
	join(&c, s);
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH, 4), 0);
	CHECK_EQ(client_read(&c, CLIENT_CONFIG, 4, 2), 0);
	CHECK_OK(client_map(&c, 0, 4096, -1, 0));
	client_write(&c, 0, TOY_LEVEL, 1, 4);
	CHECK(client_is_quiet(fd));
	close(fd);
	client_close(&c);
	server_await_power_offs(s, 2);
}

static void a_second_client_is_told(struct server *s)
{
	struct client c, other;

	join(&c, s);
	client_connect(&other, s->path);
	CHECK_EQ(client_version(&other, NULL), -EBUSY);
	CHECK(client_is_dropped(&other));
	CHECK(server_saw(s, "client-refused"));
	client_close(&other);
	/* One that says nothing, and one that leaves, are of no concern. */
	client_connect(&other, s->path);
	client_close(&other);
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH, 4), 0);
	client_close(&c);
	server_await_power_offs(s, 3);
}

static void a_bad_greeting_is_answered(struct server *s)
{
	static const char *const bad[] = {
		"", "{", "[]", "{\"capabilities\":{\"max_data_xfer_size\":0}}",
		"{\"capabilities\":{\"max_data_xfer_size\":\"x\"}}",
		"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
		"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}}}",
	};
	uint8_t version[4] = {1};
	struct client c;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		client_connect(&c, s->path);
		CHECK_EQ(client_version(&c, bad[i]), -EINVAL);
		CHECK(client_is_dropped(&c));
		client_close(&c);
	}
	client_connect(&c, s->path);
	CHECK_EQ(client_call(&c, CLIENT_VERSION, version, 4, NULL), -ENOTSUP);
	CHECK(client_is_dropped(&c));
	client_close(&c);
	client_connect(&c, s->path);
	CHECK_EQ(client_reset(&c), -EINVAL);
	CHECK(client_is_dropped(&c));
	client_close(&c);
	/* Short, but well. */
	client_connect(&c, s->path);
	CHECK_OK(client_version(&c, "{}"));
	client_close(&c);
	client_connect(&c, s->path);
	CHECK_OK(client_call(&c, CLIENT_VERSION, "\0\0\7\0", 4, NULL));
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH, 4), 0);
	client_close(&c);
}

static void one_after_another(struct server *s)
{
	struct client c;
	unsigned before;

	for (unsigned i = 0; i < 3; i++) {
		join(&c, s);
		client_close(&c);
	}
	join(&c, s);
	before = open_fds();
	client_close(&c);
	for (unsigned i = 0; i < 20; i++) {
		join(&c, s);
		client_write(&c, 0, TOY_SCRATCH, i, 4);
		if (i < 19)
			client_close(&c);
	}
	CHECK_EQ(open_fds(), before);
	client_close(&c);
}

/* ------------------------------------------------------------------------------------- power-on */

static struct server *slow;
static struct client late;

static void nothing(void *opaque)
{
	(void)opaque;
}

static void power_fails(void *opaque)
{
	vfio_user_power_on(opaque, -EIO);
}

static void power_comes(void *opaque)
{
	vfio_user_power_on(opaque, 0);
}

static void power_on_may_take_its_time(void)
{
	struct server s = {.callbacks = {.power_on = nothing}};

	slow = &s;
	server_new(&s, NULL);
	server_start(&s);
	/* It comes. */
	client_connect(&late, s.path);
	CHECK(server_saw(&s, "client-connected"));
	server_call(&s, power_comes, s.v);
	CHECK_OK(client_version(&late, NULL));
	client_close(&late);
	server_await_power_offs(&s, 1);
	/* It fails: the client is told. */
	client_connect(&late, s.path);
	while (server_count(&s, "client-connected") < 2)
		usleep(1000);
	server_call(&s, power_fails, s.v);
	CHECK_EQ(client_version(&late, NULL), -EIO);
	CHECK(client_is_dropped(&late));
	client_close(&late);
	/* The client does not wait for it: the next one has its own. */
	client_connect(&late, s.path);
	while (server_count(&s, "client-connected") < 3)
		usleep(1000);
	client_close(&late);
	client_connect(&late, s.path);
	usleep(20000);
	CHECK_EQ(server_count(&s, "client-connected"), 3);
	server_call(&s, power_comes, s.v);
	while (server_count(&s, "client-connected") < 4)
		usleep(1000);
	server_call(&s, power_comes, s.v);
	CHECK_OK(client_version(&late, NULL));
	client_close(&late);
	server_await_power_offs(&s, 3);
	/* Stopped in the middle of it. */
	client_connect(&late, s.path);
	while (server_count(&s, "client-connected") < 5)
		usleep(1000);
	server_stop(&s);
	client_close(&late);
}

/* --------------------------------------------------------------------------------------- flushes */

static void write_to_disk(struct client *c)
{
	client_write(c, 0, TOY_DISK, 0x5a, 4);
	while (client_read(c, 0, TOY_STATUS, 4) == TOY_BUSY)
		;
	CHECK_EQ(client_read(c, 0, TOY_STATUS, 4), TOY_DONE);
}

static void disks_are_flushed(void)
{
	struct vd_storage *memory, *fault;
	struct server s = {0};
	struct client c;

	CHECK_OK(storage_open_memory(1 << 20, 1, &memory));
	CHECK_OK(storage_open_fault(memory, &fault));
	server_new(&s, NULL);
	server_attach(&s, disk_on(fault));
	server_attach(&s, memory_disk(1 << 20));
	server_start(&s);
	join(&c, &s);
	write_to_disk(&c);
	storage_fault_arm(fault, FAULT_SYNC, 100, -EIO, false);
	client_close(&c);
	server_await_power_offs(&s, 1);
	CHECK(storage_fault_calls(fault) > 0);
	CHECK_EQ(server_count(&s, "flush-failed"), 0);
	/* Nobody is left to be told but the person. */
	join(&c, &s);
	write_to_disk(&c);
	storage_fault_arm(fault, FAULT_SYNC, 1, -EIO, true);
	client_close(&c);
	server_await_power_offs(&s, 2);
	CHECK_EQ(server_count(&s, "flush-failed"), 1);
	join(&c, &s);
	server_stop(&s);
	CHECK(client_is_dropped(&c));
	client_close(&c);
}

static void set_largest_file(rlim_t bytes)
{
	struct rlimit limit;

	CHECK_OK(getrlimit(RLIMIT_FSIZE, &limit));
	limit.rlim_cur = bytes;
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
}

/* A flush of the guest's would wait for space (and a file that may not be written counts as that),
 * but nobody is there to make any, and the next client waits. */
static void a_full_host_does_not_hold_up_the_next_client(void)
{
	struct vd_create_options options = {.format = "vdi", .size = 64 << 20};
	char *path = test_path("full.vdi");
	struct vd_error err = {""};
	struct server s = {0};
	struct vd_disk *disk;
	struct client c;

	signal(SIGXFSZ, SIG_IGN);
	if (vd_create(path, &options, &err) || vd_open(path, VD_OPEN_WRITE, NULL, &disk, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	server_new(&s, NULL);
	server_attach(&s, disk);
	server_start(&s);
	join(&c, &s);
	write_to_disk(&c);
	set_largest_file(512);
	client_close(&c);
	server_await_power_offs(&s, 1);
	CHECK_EQ(server_count(&s, "flush-failed"), 1);
	/* Nor a server that stops. */
	join(&c, &s);
	server_stop(&s);
	set_largest_file(RLIM_INFINITY);
	client_close(&c);
	unlink(path);
	free(path);
}

int main(void)
{
	struct server s = {0};

	alarm(120);
	server_new(&s, NULL);
	server_start(&s);
	state_does_not_outlive_a_client(&s);
	a_second_client_is_told(&s);
	a_bad_greeting_is_answered(&s);
	one_after_another(&s);
	server_stop(&s);
	power_on_may_take_its_time();
	disks_are_flushed();
	a_full_host_does_not_hold_up_the_next_client();
	return 0;
}
