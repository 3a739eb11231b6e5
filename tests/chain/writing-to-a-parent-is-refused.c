/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing to an image changes what all images built on it show. */
#include "chain-test.h"

static void test_by_id(void)
{
	fresh_folder();
	make_folder("Snapshots");
	make_folder("more");
	make_vdi("base.vdi", 1, 0);
	make_vdi("Snapshots/one.vdi", 2, 1);
	make_vdi("more/two.vdi", 3, 2);
	CHECK_REFUSED("base.vdi", VD_OPEN_WRITE, NULL, -EBUSY, "base.vdi: ", "Snapshots/one.vdi",
		      "--force");
	CHECK_REFUSED("base.vdi", VD_OPEN_WRITE | VD_OPEN_FORCE_PARENT, NULL, -EBUSY, "base.vdi");
	CHECK_OPENS("base.vdi", VD_OPEN_WRITE | VD_OPEN_FORCE, NULL);
	CHECK_OPENS("base.vdi", 0, NULL);
	CHECK_OPENS("Snapshots/one.vdi", VD_OPEN_WRITE, NULL);
	CHECK_REFUSED("Snapshots/one.vdi", VD_OPEN_WRITE, WITH(.parent_dirs = LIST("more")),
		      -EBUSY, "one.vdi: ", "more/two.vdi");
	CHECK_REFUSED("Snapshots/one.vdi", VD_OPEN_WRITE | VD_OPEN_NO_PARENT,
		      WITH(.parent_dirs = LIST("more")), -EBUSY, "one.vdi: ");
	/* A copy of a parent is as good as one. */
	make_vdi("copy.vdi", 1, 0);
	CHECK_REFUSED("copy.vdi", VD_OPEN_WRITE, NULL, -EBUSY, "copy.vdi: ");
	/* A damaged child is still one. */
	make_vdi("Snapshots/one.vdi", 2, 7);
	make_vdi("copy.vdi", 9, 0);
	CHECK_OPENS("base.vdi", VD_OPEN_WRITE, NULL);
}

static void test_by_name(void)
{
	fresh_folder();
	make_folder("Snapshots");
	make_raw("base.raw");
	CHECK_OPENS("base.raw", VD_OPEN_WRITE, NULL);
	make_vhd("Snapshots/one.vhd", 2, 0, "../base.raw", NULL);
	CHECK_REFUSED("base.raw", VD_OPEN_WRITE, NULL, -EBUSY, "base.raw: ", "Snapshots/one.vhd");
	CHECK_OPENS("base.raw", VD_OPEN_WRITE | VD_OPEN_FORCE, NULL);
	make_vhd("Snapshots/one.vhd", 2, 0, "base.raw", NULL);
	CHECK_REFUSED("base.raw", VD_OPEN_WRITE, NULL, -EBUSY, "Snapshots/one.vhd");
	make_vhd("Snapshots/one.vhd", 2, 0, NULL, "/w/base.raw");
	CHECK_REFUSED("base.raw", VD_OPEN_WRITE, NULL, -EBUSY, "Snapshots/one.vhd");
	make_vhd("Snapshots/one.vhd", 2, 0, "other.raw", NULL);
	CHECK_OPENS("base.raw", VD_OPEN_WRITE, NULL);
	/* The image itself and images that are gone do not count. */
	make_vhd("Snapshots/one.vhd", 2, 0, "one.vhd", NULL);
	CHECK_OPENS("Snapshots/one.vhd", VD_OPEN_WRITE | VD_OPEN_NO_PARENT, NULL);
}

static void test_parents_are_locked(void)
{
	struct vd_image **other;
	unsigned n;

	fresh_folder();
	make_vdi("base.vdi", 1, 0);
	make_vdi("one.vdi", 2, 1);
	CHECK_OK(chain_open("one.vdi", VD_OPEN_WRITE, NULL, &other, &n, NULL));
	CHECK_OPENS("base.vdi", 0, NULL);
	CHECK_REFUSED("base.vdi", VD_OPEN_WRITE | VD_OPEN_FORCE, NULL, -EBUSY, "base.vdi");
	CHECK_REFUSED("one.vdi", 0, NULL, -EBUSY, "one.vdi");
	CHECK_OPENS("one.vdi", VD_OPEN_NO_LOCK, NULL);
	for (unsigned i = 0; i < n; i++)
		image_close(other[i]);
	free(other);
	CHECK_OK(chain_open("base.vdi", VD_OPEN_WRITE | VD_OPEN_FORCE, NULL, &other, &n, NULL));
	CHECK_REFUSED("one.vdi", 0, NULL, -EBUSY, "one.vdi: ", "base.vdi");
	image_close(other[0]);
	free(other);
}

int main(void)
{
	test_by_id();
	test_by_name();
	test_parents_are_locked();
	close_chain();
	return 0;
}
