/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of --controller, --disk and --group: what they make, and the sentences for mistakes. */
#include "machine/description.h"
#include "test.h"

static struct machine_description m;

static void good(int (*add)(struct machine_description *, const char *, struct vd_error *),
		 const char *text)
{
	struct vd_error err = {""};

	if (add(&m, text, &err))
		test_fail(__FILE__, __LINE__, "%s: %s", text, err.text);
}

/* `part` of the sentence is enough. */
static void bad(int (*add)(struct machine_description *, const char *, struct vd_error *),
		const char *text, const char *part)
{
	struct vd_error err = {""};

	CHECK_EQ(add(&m, text, &err), -EINVAL);
	if (!strstr(err.text, part))
		test_fail(__FILE__, __LINE__, "%s: \"%s\" has no \"%s\"", text, err.text, part);
}

static void test_sizes(void)
{
	static const char *const wrong[] = {"", "-1", "1X", "99999999999999P"};
	struct vd_error err;
	uint64_t n;

	CHECK_OK(parse_size("it", "1.5M", &n, &err));
	CHECK_EQ(n, 3 << 19);
	CHECK_OK(parse_size("it", "20MB", &n, &err));
	CHECK_EQ(n, 20000000);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		CHECK_EQ(parse_size("it", wrong[i], &n, &err), -EINVAL);
		CHECK(strstr(err.text, "it \"") == err.text);
	}
}

int main(void)
{
	const struct controller_type *type = controller_types[0];
	const struct disk_description *d;
	struct vd_error err = {""};
	char text[256];

	test_sizes();
	bad(description_add_disk, "a.vdi", "--controller comes first");
	bad(description_add_controller, "floppy,socket=s", "there is no controller \"floppy\"");
	if (!type)
		return 0;
	CHECK_EQ(description_check(&m, true, &err), -EINVAL);

	snprintf(text, sizeof(text), "%s,socket=/run/a,,b.sock", type->name);
	good(description_add_controller, text);
	CHECK_STR(m.controller[0].socket, "/run/a,b.sock");
	snprintf(text, sizeof(text), "%s0", type->name);
	CHECK_STR(m.controller[0].name, text);

	good(description_add_group, "G,limit=20M");
	good(description_add_group, "unlimited");
	CHECK_EQ(m.group[0].limit, 20 << 20);
	CHECK_EQ(m.group[1].limit, 0);
	bad(description_add_group, "G,limit=much", "a size is a number of bytes");
	bad(description_add_group, "G,burst=1", "there is no option burst=");
	bad(description_add_group, ",limit=1", "the name is missing");

	good(description_add_disk,
	     "my,,disk.vdi,mode=immutable,diff=d.vdi,group=G,cache=off,discard=no,on-full=error,"
	     "serial=S1,parent=p1.vdi,parent=p2.vdi,physical-block-size=4K");
	d = &m.controller[0].disk[0];
	CHECK_STR(d->path, "my,disk.vdi");
	CHECK_EQ(d->mode, MEDIUM_IMMUTABLE);
	CHECK(!d->cache && !d->discard && !d->force);
	CHECK_EQ(d->on_full, DEVICE_FULL_ERROR);
	CHECK_STR(d->parents[1], "p2.vdi");
	CHECK(!d->parents[2]);
	CHECK_EQ(d->physical_block_size, 4096);
	good(description_add_disk, "b.raw");
	d = &m.controller[0].disk[1];
	CHECK(d->cache && d->discard && d->mode == MEDIUM_NORMAL && !d->nonrotational);

	bad(description_add_disk, "", "the name of an image is missing");
	bad(description_add_disk, "a.vdi,mode=sticky", "mode=sticky");
	bad(description_add_disk, "a.vdi,readonly", "name=value is expected");
	bad(description_add_disk, "a.vdi,cache=maybe", "on or off is expected");
	bad(description_add_disk, "a.vdi,colour=red", "there is no option colour=");
	bad(description_add_disk, "a.vdi,serial=1,serial=2", "serial= is there twice");
	bad(description_add_disk, "a.vdi,physical-block-size=1000", "a power of two");
	bad(description_add_disk, "a.vdi,on-full=panic", "wait or error");

	CHECK_OK(description_check(&m, true, &err));
	good(description_add_disk, "c.raw,group=H");
	CHECK_EQ(description_check(&m, true, &err), -EINVAL);
	CHECK(strstr(err.text, "there is no --group H"));
	good(description_add_group, "H");
	good(description_add_controller, type->name);
	CHECK_EQ(description_check(&m, true, &err), -EINVAL);
	CHECK(strstr(err.text, "socket= is missing"));
	CHECK_OK(description_check(&m, false, &err));
	snprintf(text, sizeof(text), "%s,name=%s0", type->name, type->name);
	good(description_add_controller, text);
	CHECK_EQ(description_check(&m, false, &err), -EINVAL);
	CHECK(strstr(err.text, "two controllers are called"));
	description_free(&m);
	return 0;
}
