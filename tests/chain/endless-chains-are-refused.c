/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Also where locks are held, which would otherwise be in each other's way. */
#include "chain-test.h"

static void test_own_parent(void)
{
	fresh_folder();
	make_vdi("self.vdi", 1, 1);
	CHECK_REFUSED("self.vdi", 0, NULL, -ELOOP, "self.vdi: ");
	CHECK_REFUSED("self.vdi", VD_OPEN_WRITE, NULL, -ELOOP, "self.vdi: ");
	CHECK_REFUSED("self.vdi", VD_OPEN_WRITE, WITH(.parents = LIST("self.vdi")), -ELOOP,
		      "self.vdi");
	CHECK_OPENS("self.vdi", VD_OPEN_NO_PARENT, NULL);
	/* Another file with that id is a parent like any other, once it was chosen. */
	make_vdi("base.vdi", 1, 0);
	CHECK_OPENS("self.vdi", 0, WITH(.parents = LIST("base.vdi")));
	CHECK_CHAIN("self.vdi", "base.vdi");
}

static void test_own_name(void)
{
	fresh_folder();
	make_vhd("self.vhd", 1, 2, "self.vhd", NULL);
	CHECK_REFUSED("self.vhd", 0, NULL, -ENOENT, "self.vhd: ");
	CHECK_REFUSED("self.vhd", VD_OPEN_FORCE_PARENT, NULL, -ENOENT, "self.vhd: ");
}

static void test_rings(void)
{
	fresh_folder();
	make_vdi("a.vdi", 1, 3);
	make_vdi("b.vdi", 2, 1);
	make_vdi("c.vdi", 3, 2);
	make_vdi("leaf.vdi", 4, 3);
	CHECK_REFUSED("a.vdi", 0, NULL, -ELOOP, "b.vdi: ", "a.vdi", "layer 0");
	CHECK_REFUSED("leaf.vdi", 0, NULL, -ELOOP, "a.vdi: ", "c.vdi", "layer 1");
	CHECK_REFUSED("a.vdi", VD_OPEN_WRITE | VD_OPEN_FORCE, NULL, -ELOOP, "a.vdi");
	CHECK_REFUSED("a.vdi", VD_OPEN_NO_LOCK, NULL, -ELOOP, "a.vdi");
}

static void test_given_twice(void)
{
	fresh_folder();
	make_vdi("base.vdi", 1, 0);
	make_vdi("one.vdi", 2, 1);
	make_vdi("two.vdi", 3, 2);
	CHECK_OK(link("two.vdi", "hard-link.vdi"));
	CHECK_OK(symlink("two.vdi", "symlink.vdi"));
	CHECK_REFUSED("two.vdi", VD_OPEN_FORCE_PARENT, WITH(.parents = LIST("one.vdi", "two.vdi")),
		      -ELOOP, "two.vdi");
	CHECK_REFUSED("two.vdi", VD_OPEN_FORCE_PARENT, WITH(.parents = LIST("hard-link.vdi")),
		      -ELOOP, "two.vdi");
	CHECK_REFUSED("two.vdi", VD_OPEN_FORCE_PARENT, WITH(.parents = LIST("symlink.vdi")),
		      -ELOOP, "two.vdi");
}

int main(void)
{
	test_own_parent();
	test_own_name();
	test_rings();
	test_given_twice();
	close_chain();
	return 0;
}
