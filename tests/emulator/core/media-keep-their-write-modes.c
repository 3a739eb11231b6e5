/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VirtualBox's write modes: where writes go, what a power-on throws away, what is left of it, and
 * what is refused.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "device/medium.h"
#include "test.h"

#define SIZE (4u << 20)

static struct media *media;
static struct vd_error said;

static void make(const char *path, const char *format, unsigned flags)
{
	struct vd_create_options o = {.format = format, .size = SIZE, .flags = flags};
	struct vd_error err;

	if (vd_create(path, &o, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
}

static struct medium *opened(const struct medium_options *o)
{
	struct vd_error err = {""};
	struct medium *m;

	if (medium_open(media, o, &m, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return m;
}

static void refused(const struct medium_options *o, const char *part)
{
	struct medium *m;

	CHECK(medium_open(media, o, &m, &said) < 0);
	if (!strstr(said.text, part))
		test_fail(__FILE__, __LINE__, "\"%s\" has no \"%s\"", said.text, part);
}

static void put(struct medium *m, char c)
{
	char buf[4096];

	memset(buf, c, sizeof(buf));
	CHECK_OK(vd_write(medium_disk(m), buf, sizeof(buf), 65536, 0));
}

static char get(struct medium *m)
{
	char c;

	CHECK_OK(vd_read(medium_disk(m), &c, 1, 65536, 0));
	return c;
}

static void test_immutable(const char *format)
{
	char *base = test_path("base"), *diff = test_path("other.vdi");
	struct medium_options normal = {.path = base};
	struct medium_options immutable = {.path = base, .mode = MEDIUM_IMMUTABLE};
	struct medium_options other = immutable;
	struct vd_error err = {""};
	struct medium *m, *n;
	char *name;
	struct vd_image_info info;
	struct vd_uuid id;

	make(base, format, 0);
	m = opened(&normal);
	put(m, 'b');
	CHECK_OK(medium_unref(m));

	m = opened(&immutable);
	CHECK_EQ(get(m), 'b');
	put(m, 'i');
	CHECK_OK(vd_image_info(medium_disk(m), 0, &info));
	id = info.uuid;
	/* The first power-on finds what was just made. */
	CHECK_OK(medium_power_on(m, &err));
	CHECK_EQ(get(m), 'i');
	CHECK_OK(medium_power_on(m, &err));
	CHECK_EQ(get(m), 'b');
	CHECK_OK(vd_image_info(medium_disk(m), 0, &info));
	CHECK(vd_uuid_equal(&info.uuid, &id));
	CHECK_STR(info.path, medium_diff(m));
	put(m, 'j');

	/* Two machines on one base, each with an image of its own. */
	refused(&immutable, medium_diff(m));
	other.diff = diff;
	n = opened(&other);
	CHECK_EQ(get(n), 'b');
	put(n, 'o');
	CHECK_EQ(get(m), 'j');
	CHECK_OK(medium_unref(n));
	refused(&normal, "in use");
	name = strdup(medium_diff(m));
	CHECK_OK(medium_unref(m));
	CHECK(access(name, F_OK) == -1);

	/* Opening it again is a power-on, too; the base is as it was. One that was named is kept. */
	n = opened(&other);
	CHECK_EQ(get(n), 'b');
	put(n, 'p');
	CHECK_OK(vd_image_info(medium_disk(n), 0, &info));
	id = info.uuid;
	CHECK_OK(medium_unref(n));
	CHECK_OK(access(diff, F_OK));
	n = opened(&other);
	CHECK_EQ(get(n), 'b');
	CHECK_OK(vd_image_info(medium_disk(n), 0, &info));
	CHECK(vd_uuid_equal(&info.uuid, &id));
	CHECK_OK(medium_unref(n));

	/* Writing to a base with children takes force. */
	refused(&normal, "other.vdi has it as its parent");
	CHECK(!strstr(said.text, "left behind"));
	/* As after a kill -9. */
	CHECK_OK(rename(diff, name));
	refused(&normal, "-immutable.");
	CHECK(strstr(said.text, "left behind by mode=immutable") && !said.remedies);
	m = opened(&immutable);
	CHECK_STR(name, medium_diff(m));
	CHECK_EQ(get(m), 'b');
	/* Only its own file is removed. */
	CHECK_OK(rename(name, diff));
	make(name, "vdi", 0);
	CHECK_OK(medium_unref(m));
	CHECK_OK(unlink(name));
	CHECK_OK(unlink(diff));
	free(name);
	m = opened(&normal);
	CHECK_EQ(get(m), 'b');
	CHECK_OK(medium_unref(m));
	unlink(base);
	free(base);
	free(diff);
}

/* A disk that cannot be made afresh: requests fail, and nobody falls over it. */
static void test_failed_power_on(void)
{
	char *base = test_path("gone.vdi"), *diff = test_path("gone-immutable.vdi");
	struct medium_options immutable = {.path = base, .mode = MEDIUM_IMMUTABLE};
	struct vd_error err = {""};
	struct device *d;
	struct medium *m;

	make(base, "vdi", 0);
	m = opened(&immutable);
	CHECK_OK(device_new(m, &(struct device_options){0}, &d, &err));
	CHECK_OK(medium_power_on(m, &err));
	unlink(base);
	CHECK(medium_power_on(m, &err) < 0);
	CHECK(strstr(err.text, "gone.vdi"));
	CHECK(!medium_disk(m));
	device_refresh(d);
	CHECK_EQ(device_size(d), SIZE);
	device_free(d);
	CHECK_OK(medium_unref(m));
	CHECK(access(diff, F_OK));

	/* Attached to a machine that runs, its first use is over. */
	make(base, "vdi", 0);
	m = opened(&immutable);
	put(m, 'h');
	medium_in_use(m);
	CHECK_OK(medium_power_on(m, &err));
	CHECK_EQ(get(m), 0);
	CHECK_OK(medium_unref(m));
	free(base);
	free(diff);
}

static void test_multiattach(void)
{
	char *base = test_path("base.vdi"), *diff = test_path("mine.vdi");
	struct medium_options o = {.path = base, .mode = MEDIUM_MULTIATTACH, .diff = diff};
	struct vd_error err = {""};
	struct medium *m;

	make(base, "vdi", 0);
	m = opened(&o);
	put(m, 'm');
	CHECK_OK(medium_power_on(m, &err));
	CHECK_OK(medium_unref(m));
	m = opened(&o);
	CHECK_OK(medium_power_on(m, &err));
	CHECK_EQ(get(m), 'm');
	CHECK_OK(medium_unref(m));
	unlink(diff);

	/* What is no child of this image is not touched. */
	make(diff, "vdi", 0);
	refused(&o, "no differencing image of");
	o.mode = MEDIUM_IMMUTABLE;
	refused(&o, "no differencing image of");
	o.mode = MEDIUM_NORMAL;
	refused(&o, "diff= goes with");
	unlink(diff);
	unlink(base);

	/* Nor is the child of an image with an id one of an image without. */
	make(base, "vdi", 0);
	o.mode = MEDIUM_MULTIATTACH;
	m = opened(&o);
	CHECK_OK(medium_unref(m));
	unlink(base);
	make(base, "raw", 0);
	o.format = "raw";
	refused(&o, "no differencing image of");
	unlink(diff);
	unlink(base);
	free(base);
	free(diff);
}

/* A raw image has no id: its children name it, so that nobody writes to it by mistake. */
static void test_multiattach_on_raw(void)
{
	char *base = test_path("disk.raw"), *diff = test_path("disk-multiattach.vhd");
	char *old = test_path("disk-multiattach.vdi");
	struct medium_options o = {.path = base, .mode = MEDIUM_MULTIATTACH};
	struct vd_create_options child = {.format = "vdi", .parent = base};
	struct medium_options normal = {.path = base};
	struct medium *m;

	make(base, "raw", 0);
	m = opened(&o);
	CHECK_STR(medium_diff(m), diff);
	put(m, 'm');
	CHECK_OK(medium_unref(m));
	refused(&normal, "disk-multiattach.vhd has it as its parent");
	CHECK_EQ(said.remedies, VD_REMEDY_FORCE);
	m = opened(&o);
	CHECK_EQ(get(m), 'm');
	CHECK_OK(medium_unref(m));
	unlink(diff);

	/* One in another format, which is there already, holds what was written. */
	CHECK_OK(vd_create(old, &child, NULL));
	m = opened(&o);
	CHECK_STR(medium_diff(m), old);
	CHECK_OK(medium_unref(m));
	unlink(old);
	unlink(base);
	free(old);
	free(diff);
	free(base);
}

static void make_child(const char *path, const char *parent)
{
	struct vd_create_options o = {.format = "vhd", .parent = parent};
	struct vd_disk *disk;

	CHECK_OK(vd_create(path, &o, NULL));
	CHECK_OK(vd_open(path, VD_OPEN_WRITE, &(struct vd_open_options){
				 .parents = (const char *const []){parent, NULL}}, &disk, NULL));
	CHECK_OK(vd_write(disk, "precious", 8, 65536, 0));
	CHECK_OK(vd_close(disk));
}

static void check_child(const char *path, const char *parent)
{
	struct vd_disk *disk;
	char text[8];

	CHECK_OK(vd_open(path, 0, &(struct vd_open_options){
				 .parents = (const char *const []){parent, NULL}}, &disk, NULL));
	CHECK_OK(vd_read(disk, text, 8, 65536, 0));
	CHECK(!memcmp(text, "precious", 8));
	CHECK_OK(vd_close(disk));
}

/* Raw images have no ids, so neither do their children record any: all look alike by these. */
static void test_children_of_others_are_left_alone(void)
{
	char *base = test_path("disk.raw"), *other = test_path("disk.img");
	char *child = test_path("precious.vhd"), *name = test_path("disk-immutable.vhd");
	struct medium_options o = {.path = base, .mode = MEDIUM_IMMUTABLE, .diff = child};

	make(base, "raw", 0);
	make(other, "raw", 0);
	make_child(child, other);
	refused(&o, "no differencing image of");
	o.mode = MEDIUM_MULTIATTACH;
	refused(&o, "no differencing image of");
	check_child(child, other);
	/* One that is called as ours would be. */
	CHECK_OK(rename(child, name));
	o.mode = MEDIUM_IMMUTABLE;
	o.diff = NULL;
	refused(&o, "no differencing image of");
	check_child(name, other);
	unlink(name);
	unlink(base);
	unlink(other);
	free(base);
	free(other);
	free(child);
	free(name);
}

/* Also when somebody puts it there after the medium was opened. */
static void test_power_on_leaves_others_alone(void)
{
	char *base = test_path("disk.vdi"), *diff = test_path("disk-immutable.vdi");
	char *other = test_path("other.raw");
	struct medium_options o = {.path = base, .mode = MEDIUM_IMMUTABLE};
	struct vd_error err = {""};
	struct medium *m;

	make(base, "vdi", 0);
	make(other, "raw", 0);
	m = opened(&o);
	CHECK_OK(medium_power_on(m, &err));
	unlink(diff);
	make_child(diff, other);
	CHECK_EQ(medium_power_on(m, &err), -EEXIST);
	CHECK(!medium_disk(m));
	CHECK_OK(medium_unref(m));
	check_child(diff, other);
	unlink(diff);
	unlink(other);
	unlink(base);
	free(base);
	free(diff);
	free(other);
}

static void test_two_formats_in_a_folder(void)
{
	char *vdi = test_path("twin.vdi"), *vhd = test_path("twin.vhd");
	struct medium_options a = {.path = vdi, .mode = MEDIUM_MULTIATTACH};
	struct medium_options b = {.path = vhd, .mode = MEDIUM_MULTIATTACH};
	struct medium *m, *n;

	make(vdi, "vdi", 0);
	make(vhd, "vhd", 0);
	m = opened(&a);
	n = opened(&b);
	CHECK(strcmp(medium_diff(m), medium_diff(n)));
	unlink(medium_diff(m));
	unlink(medium_diff(n));
	CHECK_OK(medium_unref(m));
	CHECK_OK(medium_unref(n));
	unlink(vdi);
	unlink(vhd);
	free(vdi);
	free(vhd);
}

static void test_others(void)
{
	char *fixed = test_path("fixed.vdi"), *dynamic = test_path("dynamic.vdi");
	struct medium_options o = {.path = fixed, .mode = MEDIUM_SHAREABLE};
	struct medium *a, *b;
	char c = 'x';

	make(fixed, "vdi", VD_CREATE_FIXED);
	make(dynamic, "vdi", 0);
	a = opened(&o);
	b = opened(&o);
	CHECK(a == b);
	put(a, 's');
	CHECK_OK(medium_unref(a));
	CHECK_EQ(get(b), 's');
	CHECK_OK(medium_unref(b));
	a = opened(&o);	/* nobody else has it any more */
	CHECK_EQ(get(a), 's');
	CHECK_OK(medium_unref(a));
	o.path = dynamic;
	refused(&o, "only fixed ones can be shareable");

	o = (struct medium_options){.path = fixed, .mode = MEDIUM_READONLY};
	a = opened(&o);
	CHECK(medium_is_readonly(a));
	CHECK_EQ(vd_write(medium_disk(a), &c, 1, 0, 0), -EROFS);
	CHECK_OK(medium_unref(a));
	o.path = "/does/not/exist";
	refused(&o, "/does/not/exist");
	free(fixed);
	free(dynamic);
}

int main(void)
{
	CHECK_OK(media_new(&media));
	test_immutable("vdi");
	test_immutable("vhd");
	test_immutable("raw");
	test_failed_power_on();
	test_multiattach();
	test_multiattach_on_raw();
	test_children_of_others_are_left_alone();
	test_power_on_leaves_others_alone();
	test_two_formats_in_a_folder();
	test_others();
	media_free(media);
	return 0;
}
