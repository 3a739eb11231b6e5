/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks that are attached to a running machine at the same time, and called the same: one of them is
 * refused, before it is there. What is there already has its name, also without memory for it. */
#include "machine/machine.h"
#include "test.h"

#define ASKED 4

static struct machine *m;
static struct loop *control;
static struct events *events;
static unsigned answers, good, refused;
static char name[8][64];		/* of those that were attached */

static bool no_memory;

/* In place of the C library's: no memory for names. */
int asprintf(char **restrict out, const char *restrict format, ...)
{
	va_list args;
	int n = -1;

	va_start(args, format);
	if (!no_memory)
		n = vasprintf(out, format, args);
	va_end(args);
	return n;
}

static void answered(void *opaque, int status, struct json_object *answer, const char *text)
{
	struct json_object *disk;

	(void)opaque;
	answers++;
	if (status == -EEXIST) {
		CHECK(strstr(text, "is called"));
		refused++;
	} else if (!status && answer && json_object_object_get_ex(answer, "disk", &disk)) {
		snprintf(name[good++], sizeof(*name), "%s", json_object_get_string(disk));
	} else if (status) {
		test_fail(__FILE__, __LINE__, "%d: %s", status, text);
	}
	json_object_put(answer);
}

static void await(unsigned n)
{
	while (answers < n)
		loop_once(control, 10000);
	answers = 0;
}

static char *image(const char *file)
{
	struct vd_create_options o = {.format = "vdi", .size = 1 << 20};
	char *path = test_path(file);
	struct vd_error err;

	if (vd_create(path, &o, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return path;
}

static void attach(const char *path, const char *options)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s", path, options);
	machine_attach(m, "n", text, answered, NULL);
}

static void start(struct machine_description *d)
{
	char *socket = test_path("socket"), text[512];
	struct vd_error err = {""};

	snprintf(text, sizeof(text), "nvme,name=n,socket=%s", socket);
	free(socket);
	CHECK_OK(loop_new(&control));
	CHECK_OK(events_new(&events));
	if (description_add_controller(d, text, &err) ||
	    machine_new(d, control, events, &m, &err) || machine_start(m, NULL, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
}

int main(void)
{
	char *path[ASKED] = {image("a.vdi"), image("b.vdi"), image("c.vdi"), image("d.vdi")};
	struct machine_description d = {0};

	alarm(60);
	start(&d);
	attach(path[0], ",name=same");
	attach(path[1], ",name=same");
	await(2);
	CHECK_EQ(good, 1);
	CHECK_EQ(refused, 1);
	attach(path[1], ",name=same");
	await(1);
	CHECK_EQ(refused, 2);
	/* It is free again when the disk is gone. */
	machine_detach(m, "same", answered, NULL);
	await(1);
	attach(path[1], ",name=same");
	/* Without a name of its own a disk is called after its place. */
	attach(path[0], "");
	await(2);
	attach(path[2], "");
	attach(path[3], "");
	no_memory = true;	/* from when they are attached on */
	await(2);
	no_memory = false;
	CHECK_EQ(good, 5);
	CHECK_EQ(refused, 2);
	for (unsigned i = 1; i < good; i++)
		for (unsigned j = 1; j < i; j++)
			CHECK(strcmp(name[i], name[j]));
	CHECK_OK(machine_stop(m));
	machine_free(m);
	description_free(&d);
	events_free(events);
	loop_free(control);
	for (unsigned i = 0; i < ASKED; i++) {
		unlink(path[i]);
		free(path[i]);
	}
	return 0;
}
