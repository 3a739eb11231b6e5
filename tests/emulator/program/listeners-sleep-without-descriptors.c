/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Somebody connects while the process has no descriptor left for him: the sockets of controllers and
 * of control are not looked at again and again, and he is served when there is one. */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "front/client.h"
#include "front/toy.h"
#include "core/socket.h"
#include "front/vfio_user.h"
#include "program/program.h"
#include "test.h"

static struct loop *l;

static void set_descriptors(rlim_t n)
{
	struct rlimit limit;

	CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = n;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

static int connected(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	CHECK_OK(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

static void ring(void *opaque)
{
	*(bool *)opaque = true;
}

/* How often the loop turns in half a second. */
static unsigned rounds(void)
{
	bool rang = false;
	struct loop_timer bell = {.fired = ring, .opaque = &rang};
	unsigned n = 0;

	loop_timer_set(l, &bell, 500000000);
	for (; !rang; n++)
		loop_once(l, -1);
	return n;
}

static void answer(void *opaque, uint32_t events)
{
	(void)events;
	(*(unsigned *)opaque)++;
}

/* Turns the loop until there is something to read. */
static void await(int fd)
{
	unsigned n = 0;
	struct loop_watch w = {.fd = fd, .ready = answer, .opaque = &n};

	CHECK_OK(loop_watch(l, &w, EPOLLIN));
	while (!n)
		loop_once(l, 10000);
	loop_unwatch(l, &w);
}

int main(void)
{
	static const struct option_values none;
	char *ctl = test_path("ctl"), *path = test_path("controller");
	static const char hello[] = "\1\0\1\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\1";
	struct vd_error err = {""};
	struct controller *c;
	struct vfio_user *v;
	struct control *control;
	struct events *events;
	int fd, asks, client, most;
	char line[4096];

	if (test_is_in_valgrind())
		test_skip("valgrind accepts, and closes, what is one too many");
	alarm(60);
	CHECK_OK(loop_new(&l));
	CHECK_OK(events_new(&events));
	CHECK_OK(controller_new(&toy_type, "toy0", 0, l, &none, &c, &err));
	CHECK_OK(socket_listen(path, &fd, &err));
	CHECK_OK(vfio_user_new(c, fd, NULL, events, &v, &err));
	CHECK_OK(control_new(ctl, l, NULL, events, &control, &err));
	loop_once(l, 0);

	asks = connected(ctl);
	client = connected(path);
	most = fcntl(0, F_DUPFD, 0);
	close(most);
	set_descriptors((rlim_t)most);
	CHECK(rounds() < 20);
	CHECK_EQ(send(asks, "{\"do\": \"events\"}\n", 17, 0), 17);
	CHECK_EQ(send(client, hello, sizeof(hello), 0), sizeof(hello));
	set_descriptors(1024);
	await(asks);
	CHECK(recv(asks, line, sizeof(line), 0) > 0 && strstr(line, "true"));
	await(client);
	CHECK_EQ(recv(client, line, 16, 0), 16);
	CHECK_EQ(line[0], 1);
	close(client);
	close(asks);
	for (unsigned i = 0; i < 20; i++)
		loop_once(l, 1);
	control_free(control);
	vfio_user_free(v);
	controller_free(c);
	events_free(events);
	loop_free(l);
	unlink(path);
	free(path);
	free(ctl);
	return 0;
}
