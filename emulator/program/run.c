/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - vimg-emulator run: a server and a QEMU with it, until QEMU ends.
 *
 *	this process --- pipe, control socket --- server (a child, locked in)
 *		\--- QMP --- QEMU (a child) ----- vfio-user sockets ---/
 *
 * Whoever of them is killed, the others end: the server when its pipe does, QEMU by the kernel's
 * PR_SET_PDEATHSIG or, for the server, by us. The folder of the sockets is removed by a third child,
 * that outlives this process and the server: the server is locked in and may not.
 *
 * When the host's disk is full the server keeps the guest's writes waiting (on-full=wait), and this
 * process stops the machine, so that the guest does not lose patience; when none waits any more it
 * goes on. An event says that a disk is full; whether requests wait is looked up in the server's
 * status for as long: they may begin to wait later, or be cancelled without there being space.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "core/socket.h"
#include "program/program.h"
#include "text.h"

#define QMP_AGAIN_MS 100
#define LOOK_MS 1000		/* a disk is full */
#define LOOK_STOPPED_MS 100	/* and the machine stands still */

struct lines {
	int fd;				/* -1: not connected */
	char text[1 << 20];		/* as much as a status can have */
	size_t length;
};

struct run {
	struct arguments *arguments;
	char folder[64];		/* of our sockets */
	char *qmp_path;
	pid_t janitor, server, qemu;
	int alive_fd;			/* we and the server have it open; closed: the janitor begins */
	int stop_fd;			/* closed: the server ends */
	int signals;
	struct lines control, qmp;
	unsigned full;			/* disks for which the host has no space */
	bool asked;			/* for the status; not answered yet */
	bool stopped;			/* we stopped the machine */
	int qemu_status, server_status;
};

/* ----------------------------------------------------------------------------------------- sockets */

static char *in_folder(const struct run *r, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", r->folder, name) < 0 ? NULL : path;
}

static int make_folder(struct run *r)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	if (!base || access(base, W_OK) || strlen(base) > 24)
		base = "/tmp";
	snprintf(r->folder, sizeof(r->folder), "%s/vimg-emulator.XXXXXX", base);
	if (!mkdtemp(r->folder)) {
		say("%s: %s", r->folder, strerror(errno));
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

static void controller_name(char name[static 32], unsigned i)
{
	snprintf(name, 32, "controller%u", i);
}

static int name_sockets(struct run *r)
{
	struct machine_description *m = &r->arguments->machine;

	for (unsigned i = 0; i < m->controllers; i++) {
		char name[32];

		controller_name(name, i);
		if (!m->controller[i].socket)
			m->controller[i].socket = in_folder(r, name);
		if (!m->controller[i].socket)
			return STATUS_FAILED;
	}
	r->qmp_path = in_folder(r, "qmp");
	return r->qmp_path ? STATUS_OK : STATUS_FAILED;
}

/* With what those left in it that were killed. */
static void remove_folder(const struct run *r)
{
	CLEANUP_CLOSE int folder = open(r->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[32];

	if (folder < 0)
		return;
	for (unsigned i = 0; i < r->arguments->machine.controllers; i++) {
		controller_name(name, i);
		unlinkat(folder, name, 0);
	}
	unlinkat(folder, "control", 0);
	unlinkat(folder, "qmp", 0);
	rmdir(r->folder);
}

/* ----------------------------------------------------------------------------------------- children */

static void unblock_all(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Has our signals blocked: it ends when everybody else has. */
static void be_janitor(const struct run *r, int others)
{
	char byte;

	setsid();
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		close(fd);	/* who reads what we print does not wait for it */
	while (read(others, &byte, 1) < 0 && errno == EINTR)
		;
	remove_folder(r);
	_exit(STATUS_OK);
}

static int start_janitor(struct run *r)
{
	int alive[2];

	if (pipe2(alive, O_CLOEXEC)) {
		say("a pipe: %s", strerror(errno));
		return STATUS_FAILED;
	}
	r->janitor = fork();
	if (!r->janitor) {
		close(alive[1]);
		be_janitor(r, alive[0]);
	}
	close(alive[0]);
	r->alive_fd = alive[1];
	if (r->janitor < 0)
		say("no process can be started: %s", strerror(errno));
	return r->janitor < 0 ? STATUS_FAILED : STATUS_OK;
}

static void end_janitor(struct run *r)
{
	if (r->alive_fd >= 0)
		close(r->alive_fd);
	if (r->janitor > 0)
		while (waitpid(r->janitor, NULL, 0) < 0 && errno == EINTR)
			;
	remove_folder(r);	/* if there was none, or it was killed */
}

static int end_server(struct run *r)
{
	int status = r->server_status;

	if (r->control.fd >= 0)
		close(r->control.fd);
	if (r->stop_fd >= 0)
		close(r->stop_fd);
	if (r->server > 0)
		while (waitpid(r->server, &status, 0) < 0 && errno == EINTR)
			;
	r->server = 0;
	r->server_status = status;
	r->control.fd = r->stop_fd = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_FAILED;
}

static int start_server(struct run *r)
{
	int ready[2], stop[2], status;
	ssize_t n;
	char byte;

	if (pipe2(ready, O_CLOEXEC) || pipe2(stop, O_CLOEXEC)) {
		say("a pipe: %s", strerror(errno));
		return STATUS_FAILED;
	}
	r->server = fork();
	if (!r->server) {
		/* A terminal's interrupt is for QEMU; the server ends after it. */
		setpgid(0, 0);
		unblock_all();
		close(r->signals);
		close(ready[0]);
		close(stop[1]);
		_exit(serve(r->arguments, ready[1], stop[0]));
	}
	close(ready[1]);
	close(stop[0]);
	r->stop_fd = stop[1];
	if (r->server < 0) {
		say("the server cannot be started: %s", strerror(errno));
		close(ready[0]);
		return STATUS_FAILED;
	}
	while ((n = read(ready[0], &byte, 1)) < 0 && errno == EINTR)
		;
	close(ready[0]);
	if (n == 1)
		return STATUS_OK;
	/* End of file: it said why. */
	status = end_server(r);
	return status ? status : STATUS_FAILED;
}


struct words {
	char **word;
	unsigned count;
};

/* Takes the text over. */
static void add_own(struct words *w, char *text)
{
	char **grown = reallocarray(w->word, w->count + 2, sizeof(*grown));

	if (!grown || !text) {
		say("out of memory");
		_exit(STATUS_FAILED);
	}
	w->word = grown;
	grown[w->count++] = text;
	grown[w->count] = NULL;
}

static void add(struct words *w, const char *text)
{
	add_own(w, strdup(text));
}

static void words_free(struct words *w)
{
	for (unsigned i = 0; i < w->count; i++)
		free(w->word[i]);
	free(w->word);
}

static bool is_option(const char *word, const char *name)
{
	while (*word == '-')
		word++;
	return !strcmp(word, name);
}

/* The value of QEMU's -m: "512", "2G", "size=2G,slots=2". */
static const char *memory_size(char **word, int count)
{
	static char size[64];

	snprintf(size, sizeof(size), "128M");
	for (int i = 0; i + 1 < count; i++) {
		const char *value = word[i + 1];

		if (!is_option(word[i], "m") || *word[i] != '-')
			continue;
		if (!strncmp(value, "size=", 5))
			value += 5;
		snprintf(size, sizeof(size), "%.*s", (int)strcspn(value, ","), value);
		if (*size && strspn(size, "0123456789") == strlen(size))
			strcat(size, "M");
	}
	return size;
}

static bool mentions(char **word, int count, const char *text)
{
	for (int i = 0; i < count; i++)
		if (strstr(word[i], text))
			return true;
	return false;
}

/* QEMU has rules for ids, which our names need not keep. */
static bool is_qemu_id(const char *name)
{
	return isalpha((unsigned char)*name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
	       strlen(name);
}

static char *device_text(const struct controller_description *c)
{
	struct json_object *o = json_object_new_object(), *socket = json_object_new_object();
	char *text;

	json_object_object_add(o, "driver", json_object_new_string("vfio-user-pci"));
	if (is_qemu_id(c->name))
		json_object_object_add(o, "id", json_object_new_string(c->name));
	json_object_object_add(socket, "type", json_object_new_string("unix"));
	json_object_object_add(socket, "path", json_object_new_string(c->socket));
	json_object_object_add(o, "socket", socket);
	if (c->bootindex)
		json_object_object_add(o, "bootindex", json_object_new_int(atoi(c->bootindex)));
	text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	return text;
}

/* What the user said, and what the machine needs besides. */
static void qemu_words(const struct run *r, struct words *w)
{
	const struct machine_description *m = &r->arguments->machine;
	char **rest = r->arguments->rest;
	int count = r->arguments->rest_count;
	char *text;

	if (count && *rest[0] != '-') {
		add(w, rest[0]);
		rest++;
		count--;
	} else {
		const char *named = getenv("VIMG_QEMU");

		add(w, named && *named ? named : "qemu-system-x86_64");
	}
	for (int i = 0; i < count; i++)
		add(w, rest[i]);
	/* Guest memory that the server can map, too. */
	if (!mentions(rest, count, "memory-backend=")) {
		if (asprintf(&text, "memory-backend-memfd,id=vimg-memory,size=%s,share=on",
			     memory_size(rest, count)) < 0)
			text = NULL;
		add(w, "-object");
		add_own(w, text);
		add(w, "-machine");
		add(w, "memory-backend=vimg-memory");
	}
	if (asprintf(&text, "unix:%s,server=on,wait=off", r->qmp_path) < 0)
		text = NULL;
	add(w, "-qmp");
	add_own(w, text);
	for (unsigned i = 0; i < m->controllers; i++) {
		add(w, "-device");
		add_own(w, device_text(&m->controller[i]));
	}
}

/* Does not return: becomes QEMU, or tells through the pipe why not. */
static void become_qemu(const struct words *w, pid_t parent, int failed)
{
	int error;

	unblock_all();
	/* Without us, and so without the server, its disks would be gone. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(STATUS_FAILED);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	execvp(w->word[0], w->word);
	error = errno;
	_exit(write(failed, &error, sizeof(error)) == sizeof(error) ? STATUS_FAILED : 127);
}

static int start_qemu(struct run *r)
{
	struct words w = {0};
	pid_t parent = getpid();
	int failed[2], error = 0;

	qemu_words(r, &w);
	r->qemu = pipe2(failed, O_CLOEXEC) ? -1 : fork();
	if (!r->qemu)
		become_qemu(&w, parent, failed[1]);
	if (r->qemu < 0) {
		say("QEMU cannot be started: %s", strerror(errno));
		words_free(&w);
		return STATUS_FAILED;
	}
	close(failed[1]);
	/* The pipe is closed when QEMU begins. */
	while (read(failed[0], &error, sizeof(error)) < 0 && errno == EINTR)
		;
	close(failed[0]);
	if (error) {
		say("%s cannot be started: %s; VIMG_QEMU in the environment names a QEMU, and so does "
		    "the first word after --", w.word[0], strerror(error));
		waitpid(r->qemu, NULL, 0);
		r->qemu = 0;
	}
	words_free(&w);
	return error ? STATUS_FAILED : STATUS_OK;
}

/* ------------------------------------------------------------------------------------ conversations */

static void send_line(struct lines *l, const char *text)
{
	if (l->fd >= 0 && send(l->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		say("%s", strerror(errno));
}

/* QMP is there some time after QEMU began. */
static void connect_qmp(struct run *r)
{
	if (r->qmp.fd >= 0 || !r->qemu)
		return;
	if (!socket_connect(r->qmp_path, &r->qmp.fd, NULL))
		send_line(&r->qmp, "{\"execute\": \"qmp_capabilities\"}\n");
}

static void stop_machine(struct run *r)
{
	if (r->stopped || r->qmp.fd < 0)
		return;
	r->stopped = true;
	say("the machine is stopped until there is space on the host's disk");
	send_line(&r->qmp, "{\"execute\": \"stop\"}\n");
}

static void continue_machine(struct run *r)
{
	if (!r->stopped)
		return;
	r->stopped = false;
	say("the machine goes on");
	send_line(&r->qmp, "{\"execute\": \"cont\"}\n");
}

static void ask_status(struct run *r)
{
	if (r->asked || r->control.fd < 0)
		return;
	r->asked = true;
	send_line(&r->control, "{\"do\": \"status\"}\n");
}

static uint64_t number_of(struct json_object *o, const char *name)
{
	struct json_object *n;

	return json_object_object_get_ex(o, name, &n) ? json_object_get_uint64(n) : 0;
}

static size_t length_of(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static void on_status(struct run *r, struct json_object *controllers)
{
	uint64_t waiting = 0, in_flight = 0;
	struct json_object *disks;

	for (size_t i = 0; i < length_of(controllers); i++) {
		disks = NULL;
		json_object_object_get_ex(json_object_array_get_idx(controllers, i), "disks",
					  &disks);
		for (size_t k = 0; k < length_of(disks); k++) {
			struct json_object *disk = json_object_array_get_idx(disks, k);

			waiting += number_of(disk, "waiting-for-space");
			in_flight += number_of(disk, "queue-depth");
		}
	}
	if (waiting)
		stop_machine(r);
	else if (!in_flight)	/* one that is just being tried again may wait again */
		continue_machine(r);
}

static void on_server_line(struct run *r, const char *line)
{
	struct json_object *o = json_tokener_parse(line), *value;
	const char *event = "";

	if (o && json_object_object_get_ex(o, "event", &value)) {
		event = json_object_get_string(value);
	} else if (o && json_object_object_get_ex(o, "answer", &value)) {
		struct json_object *controllers = NULL;

		r->asked = false;
		json_object_object_get_ex(value, "controllers", &controllers);
		on_status(r, controllers);
	}
	if (!strcmp(event, "disk-full")) {
		r->full++;
		ask_status(r);
	} else if (!strcmp(event, "disk-space")) {
		r->full -= r->full > 0;
		ask_status(r);
	}
	json_object_put(o);
}

static void on_qmp_line(struct run *r, const char *line)
{
	(void)r;
	if (strstr(line, "\"error\""))
		say("QMP: %s", line);
}

static void read_lines(struct run *r, struct lines *l, void (*on_line)(struct run *, const char *))
{
	ssize_t n = read(l->fd, l->text + l->length, sizeof(l->text) - 1 - l->length);
	char *end;

	if (n <= 0) {
		close(l->fd);
		l->fd = -1;
		return;
	}
	l->length += (size_t)n;
	while ((end = memchr(l->text, '\n', l->length))) {
		size_t used = (size_t)(end - l->text) + 1;

		*end = '\0';
		on_line(r, l->text);
		l->length -= used;
		memmove(l->text, l->text + used, l->length);
	}
	if (l->length == sizeof(l->text) - 1)
		l->length = 0;	/* not for us */
}

/* -------------------------------------------------------------------------------------------- loop */

static void on_signal(struct run *r)
{
	struct signalfd_siginfo info;
	int status;
	pid_t child;

	if (read(r->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD) {
		if (r->qemu)
			kill(r->qemu, SIGTERM);
		return;
	}
	while ((child = waitpid(-1, &status, WNOHANG)) > 0)
		if (child == r->qemu) {
			r->qemu = 0;
			r->qemu_status = status;
		} else if (child == r->server) {
			r->server = 0;
			r->server_status = status;
			if (r->qemu) {
				say("the server has ended; QEMU ends, too");
				kill(r->qemu, SIGTERM);
			}
		}
}

/* Until there is something to do without having been asked; -1: nothing. */
static int patience(const struct run *r)
{
	if (r->qmp.fd < 0)
		return QMP_AGAIN_MS;
	if (r->stopped)
		return LOOK_STOPPED_MS;
	return r->full ? LOOK_MS : -1;
}

static void watch(struct run *r)
{
	int ready;

	while (r->qemu) {
		struct pollfd p[] = {
			{.fd = r->signals, .events = POLLIN},
			{.fd = r->control.fd, .events = POLLIN},
			{.fd = r->qmp.fd, .events = POLLIN},
		};

		ready = poll(p, 3, patience(r));
		if (ready < 0 && errno != EINTR)
			break;
		connect_qmp(r);
		if (!ready && (r->full || r->stopped))
			ask_status(r);
		if (p[1].revents)
			read_lines(r, &r->control, on_server_line);
		if (p[2].revents && r->qmp.fd >= 0)
			read_lines(r, &r->qmp, on_qmp_line);
		if (p[0].revents)
			on_signal(r);
	}
}

static int watch_signals(struct run *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return r->signals < 0 ? STATUS_FAILED : STATUS_OK;
}

/* Asked only when something went wrong. */
static bool speaks_vfio_user(const struct run *r)
{
	struct words w = {0};
	int status = 0;
	pid_t child;

	qemu_words(r, &w);
	child = fork();
	if (!child) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		unblock_all();
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execlp(w.word[0], w.word[0], "-device", "vfio-user-pci,help", (char *)NULL);
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	words_free(&w);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static int exit_status(const struct run *r)
{
	if (WIFEXITED(r->qemu_status) && WEXITSTATUS(r->qemu_status) == 1 && !speaks_vfio_user(r))
		say("this QEMU does not speak vfio-user; it takes 10.1 or newer, and VIMG_QEMU "
		    "names another");
	if (WIFSIGNALED(r->qemu_status))
		say("QEMU was ended by signal %d", WTERMSIG(r->qemu_status));
	return WIFEXITED(r->qemu_status) ? WEXITSTATUS(r->qemu_status) :
	       128 + WTERMSIG(r->qemu_status);
}

static int supervise(struct run *r)
{
	struct vd_error err = {""};
	int status = start_server(r), server;

	if (!status) {
		if (socket_connect(r->arguments->control, &r->control.fd, &err)) {
			say("%s", err.text);
			status = STATUS_FAILED;
		}
		send_line(&r->control, "{\"do\": \"events\"}\n");
	}
	if (!status)
		status = start_qemu(r);
	if (!status) {
		watch(r);
		status = exit_status(r);
	}
	server = end_server(r);
	return status ? status : server;
}

static int run(struct arguments *a)
{
	struct run *r = calloc(1, sizeof(*r));
	CLEANUP_FREE char *control = NULL;
	int status;

	if (!r)
		return STATUS_FAILED;
	r->arguments = a;
	r->control.fd = r->qmp.fd = r->stop_fd = r->alive_fd = -1;
	status = make_folder(r);
	if (!status)
		status = name_sockets(r);
	if (!status && !a->control)
		a->control = control = in_folder(r, "control");
	if (!status)
		status = a->control ? watch_signals(r) : STATUS_FAILED;
	if (!status)
		status = start_janitor(r);
	if (!status)
		status = supervise(r);
	end_janitor(r);
	free(r->qmp_path);
	free(r);
	return status;
}

int verb_run(int argc, char **argv)
{
	struct vd_error err = {""};
	struct arguments a;
	int status = arguments_parse(argc, argv, &a);

	if (!status && a.help)
		arguments_help();
	else if (!status && description_check(&a.machine, false, &err))
		status = usage_error("%s", err.text);
	else if (!status && !a.rest_count)
		status = usage_error("-- and the arguments of QEMU are expected at the end");
	else if (!status && strcmp(a.rest[-1], "--"))
		status = usage_error("\"%s\": only options are expected before -- and the arguments of "
				     "QEMU", a.rest[0]);
	else if (!status)
		status = run(&a);
	arguments_free(&a);
	return status;
}
