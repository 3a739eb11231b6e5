/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl.c - vimg-emulator ctl: asks a running server, and prints its answer. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "checked.h"
#include "cleanup.h"
#include "core/socket.h"
#include "program/program.h"
#include "size.h"
#include "text.h"

static void send_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return;
		text += sent;
		n -= (size_t)sent;
	}
}

static void ask(int fd, const char *verb, int argc, char *const *argv)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	CLEANUP_FREE char *line = NULL;
	int n;

	for (int i = 0; i < argc; i++)
		json_object_array_add(list, json_object_new_string(argv[i]));
	json_object_object_add(o, "do", json_object_new_string(verb));
	json_object_object_add(o, "arguments", list);
	n = asprintf(&line, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	/* Whether it arrived is seen by the answer. */
	if (n < 0)
		line = NULL;
	else
		send_all(fd, line, (size_t)n);
}

/* ---------------------------------------------------------------------------------------- printing */

static const char *text_of(struct json_object *o, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(o, name, &value) ? json_object_get_string(value) : "";
}

static uint64_t number_of(struct json_object *o, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(o, name, &value) ? json_object_get_uint64(value) : 0;
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(o, name, &value) ? value : NULL;
}

/* What the server says may hold what a terminal obeys. */
static void say_warning(const char *text)
{
	CLEANUP_FREE char *clean = malloc(TEXT_CLEAN_ROOM(strlen(text)));

	if (clean)
		say("warning: %s", text_clean(clean, text, true));
}

/* Text of images and users, on a terminal. */
static void print_text(const char *text)
{
	CLEANUP_FREE char *clean = malloc(TEXT_CLEAN_ROOM(strlen(text)));

	if (clean)
		fputs(text_clean(clean, text, true), stdout);
}

static void print_operations(struct json_object *disk)
{
	struct json_object *ops = member(disk, "operations");
	char bytes[SIZE_TEXT];

	if (!ops)
		return;
	json_object_object_foreach(ops, name, op) {
		uint64_t errors = number_of(op, "errors");

		if (!number_of(op, "requests"))
			continue;
		printf("      %-13s %10" PRIu64 " requests %8s", name, number_of(op, "requests"),
		       size_format(number_of(op, "bytes"), bytes));
		if (errors)
			printf(", %" PRIu64 " failed", errors);
		putchar('\n');
	}
}

static void print_disk(struct json_object *disk)
{
	struct json_object *latency = member(disk, "latency-ns");
	char size[SIZE_TEXT];

	printf("   ");
	print_text(text_of(disk, "name"));
	printf("  %s  %s  ", size_format(number_of(disk, "size"), size),
	       text_of(disk, "mode"));
	print_text(text_of(disk, "image"));
	if (*text_of(disk, "diff")) {
		printf(" -> ");
		print_text(text_of(disk, "diff"));
	}
	putchar('\n');
	print_operations(disk);
	if (latency && number_of(latency, "max"))
		printf("      latency       p50 %.1f us, p99 %.1f us, max %.1f us; depth %" PRIu64
		       ", at most %" PRIu64 "\n",
		       (double)number_of(latency, "p50") / 1000,
		       (double)number_of(latency, "p99") / 1000,
		       (double)number_of(latency, "max") / 1000, number_of(disk, "queue-depth"),
		       number_of(disk, "queue-depth-max"));
	if (number_of(disk, "waiting-for-space"))
		printf("      %" PRIu64 " requests wait for space on the host's disk\n",
		       number_of(disk, "waiting-for-space"));
}

static void print_status(struct json_object *answer)
{
	struct json_object *controllers = member(answer, "controllers");
	struct json_object *groups = member(answer, "groups");
	char size[SIZE_TEXT];

	for (size_t i = 0; controllers && i < json_object_array_length(controllers); i++) {
		struct json_object *c = json_object_array_get_idx(controllers, i);
		struct json_object *disks = c ? member(c, "disks") : NULL;

		if (!c)
			continue;
		print_text(text_of(c, "name"));
		printf("  %s  %s  ", text_of(c, "type"),
		       json_object_get_boolean(member(c, "connected")) ? "connected" : "waiting");
		print_text(text_of(c, "socket"));
		putchar('\n');
		for (size_t j = 0; disks && j < json_object_array_length(disks); j++)
			print_disk(json_object_array_get_idx(disks, j));
	}
	for (size_t i = 0; groups && i < json_object_array_length(groups); i++) {
		struct json_object *g = json_object_array_get_idx(groups, i);
		uint64_t limit = number_of(g, "limit");

		printf("group ");
		print_text(text_of(g, "name"));
		if (limit)
			printf("  %s bytes per second", size_format(limit, size));
		else
			printf("  no limit");
		if (number_of(g, "waiting"))
			printf(", %" PRIu64 " requests wait", number_of(g, "waiting"));
		putchar('\n');
	}
}

static void print_event(struct json_object *o)
{
	time_t seconds = (time_t)(number_of(o, "time-ms") / 1000);
	char when[32] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s  %-18s ", when, text_of(o, "event"));
	print_text(text_of(o, "text"));
	putchar('\n');
}

/* ------------------------------------------------------------------------------------------ verbs */

/* What a controller's socket answers to anything but vfio-user: a header with an error. */
static bool is_vfio_user_error(const char *text, size_t n)
{
	return n >= 16 && le32(text + 4) == 16 && le32(text + 8) == 0x21;
}

/* The server's first line. NULL, after having said why there is none. */
static struct json_object *receive_answer(const char *path, FILE *in)
{
	CLEANUP_FREE char *line = NULL;
	struct json_object *o = NULL;
	size_t room = 0;
	ssize_t n = getline(&line, &room, in);

	if (n > 0)
		o = json_tokener_parse(line);
	if (n <= 0)
		say("%s: the server has hung up", path);
	else if (!o && is_vfio_user_error(line, (size_t)n))
		say("%s: this is a controller's socket; ctl wants the one of --control", path);
	else if (!o)
		say("%s: this is no control socket: the answer is no JSON", path);
	return o;
}

/* Takes the answer over. */
static int print_answer(const char *verb, struct json_object *o, bool json)
{
	struct json_object *answer = member(o, "answer");
	int status = STATUS_FAILED;

	if (!json_object_get_boolean(member(o, "ok"))) {
		CLEANUP_FREE char *clean = malloc(TEXT_CLEAN_ROOM(strlen(text_of(o, "error"))));

		if (clean)
			say("%s", text_clean(clean, text_of(o, "error"), true));
	} else {
		status = STATUS_OK;
		if (answer && *text_of(answer, "warning"))
			say_warning(text_of(answer, "warning"));
		if (json && answer)
			puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PRETTY));
		else if (!strcmp(verb, "status") && answer)
			print_status(answer);
		else if (!strcmp(verb, "attach") && answer)
			print_text(text_of(answer, "disk")), putchar('\n');
	}
	json_object_put(o);
	return status;
}

static int follow_events(FILE *in, bool json)
{
	CLEANUP_FREE char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, in) > 0) {
		struct json_object *o = json_tokener_parse(line);

		if (o && member(o, "event")) {
			if (json)
				fputs(line, stdout);
			else
				print_event(o);
		}
		json_object_put(o);
		if (fflush(stdout))
			return STATUS_FAILED;
	}
	return STATUS_OK;
}

static int talk(const char *path, int fd, const char *verb, int argc, char **argv, bool json)
{
	FILE *in = fdopen(fd, "r");
	struct json_object *answer;
	int status = STATUS_FAILED;

	if (!in) {
		close(fd);
		say("out of memory");
		return STATUS_FAILED;
	}
	ask(fd, verb, argc, argv);
	answer = receive_answer(path, in);
	if (answer)
		status = print_answer(verb, answer, json);
	if (!status && !strcmp(verb, "events"))
		status = follow_events(in, json);
	fclose(in);
	if (fflush(stdout) || ferror(stdout)) {
		say("the answer cannot be written: %s", strerror(errno));
		status = STATUS_FAILED;
	}
	return status;
}

/* What the attached device is called is not all the user wants to type: PATH,OPTION=... is one word. */
static const struct {
	const char *name;
	int arguments;
	bool disk;			/* the first argument is one, or its image */
	const char *usage;
} verbs[] = {
	{"status", 0, false, "status [--json]"},
	{"events", 0, false, "events [--json]"},
	{"attach", 2, false, "attach CONTROLLER IMAGE[,OPTION=VALUE]..."},
	{"detach", 1, true, "detach DISK"},
	{"limit", 2, false, "limit GROUP SIZE"},
	{"resize", 2, true, "resize DISK SIZE"},
	{"retry", 0, false, "retry"},
};

static void put_folder(FILE *out, const char *folder)
{
	for (; *folder; folder++) {
		if (*folder == ',')
			fputc(',', out);	/* a comma in a name is written twice */
		fputc(*folder, out);
	}
	fputc('/', out);
}

/*
 * Files are the server's to open, from the folder it runs in: it gets whole names, of the image and
 * of others. A path begins at the beginning and after these:
 */
static const char *path_begins(const char *at)
{
	static const char *const names[] = {",diff=", ",parent="};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(at, names[i], strlen(names[i])))
			return at + strlen(names[i]);
	return NULL;
}

static char *absolute(const char *text)
{
	CLEANUP_FREE char *folder = getcwd(NULL, 0);
	const char *path = text;
	char *whole = NULL;
	size_t size;
	FILE *out = folder ? open_memstream(&whole, &size) : NULL;

	if (!out)
		return strdup(text);
	for (const char *at = text; *at; at++) {
		bool comma = at[0] == ',' && at[1] == ',';

		if (at == path && *at != '/' && (*at != ',' || comma))
			put_folder(out, folder);
		if (comma)
			fputc(*at++, out);
		else if (path_begins(at))
			path = path_begins(at);
		fputc(*at, out);
	}
	fclose(out);
	return whole;
}

int verb_ctl(int argc, char **argv)
{
	bool json = false;
	char *word[8];
	CLEANUP_FREE char *image = NULL;
	struct vd_error err = {""};
	int n = 0, fd;

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			n = -1, i = argc;
		else if (!strncmp(argv[i], "--", 2))
			return usage_error("ctl: there is no option %s", argv[i]);
		else if (n < 8)
			word[n++] = argv[i];
	if (n < 0) {
		puts("Usage: vimg-emulator ctl CONTROL-SOCKET COMMAND [ARGUMENT...]\n");
		for (unsigned i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
			printf("  %s\n", verbs[i].usage);
		return STATUS_OK;
	}
	if (n < 2)
		return usage_error("ctl CONTROL-SOCKET COMMAND is expected");
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(word[1], verbs[i].name))
			continue;
		if (n - 2 != verbs[i].arguments)
			return usage_error("ctl CONTROL-SOCKET %s is expected", verbs[i].usage);
		if (!strcmp(word[1], "attach"))
			word[3] = image = absolute(word[3]);
		else if (verbs[i].disk && !access(word[2], F_OK) && (image = realpath(word[2], NULL)))
			word[n++] = image;	/* unless a disk is called so, it is this image's */
		if (socket_connect(word[0], &fd, &err)) {
			say("%s", err.text);
			return STATUS_FAILED;
		}
		return talk(word[0], fd, word[1], n - 2, word + 2, json);
	}
	return usage_error("ctl: there is no command \"%s\"; there are status, events, attach, "
			   "detach, limit, resize and retry", word[1]);
}
