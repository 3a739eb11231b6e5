/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In the child's folder, above it, in Snapshots below it, and where the caller says; by id. */
#include "chain-test.h"

static void test_same_folder(void)
{
	fresh_folder();
	make_vdi("base", 1, 0);
	make_vdi("one.vdi", 2, 1);
	make_vdi("two.vdi", 3, 2);
	CHECK_OPENS("two.vdi", 0, NULL);
	CHECK_CHAIN("two.vdi", "one.vdi", "base");
	CHECK_OPENS("base", 0, NULL);
	CHECK_CHAIN("base");
	CHECK_OPENS("two.vdi", VD_OPEN_NO_PARENT, NULL);
	CHECK_CHAIN("two.vdi");
	CHECK_OPENS("two.vdi", VD_OPEN_WRITE, NULL);
	CHECK_CHAIN("two.vdi", "one.vdi", "base");
	CHECK(chain[0]->writable && !chain[1]->writable && !chain[2]->writable);
	CHECK(!chain[0]->parent_unverified && !chain[1]->parent_unverified);
}

/* As VirtualBox lays a machine out, and the other way round. */
static void test_snapshots(void)
{
	fresh_folder();
	make_folder("Snapshots");
	make_vdi("base.vdi", 1, 0);
	make_vdi("Snapshots/{1}.vdi", 2, 1);
	make_vdi("Snapshots/{2}.vdi", 3, 2);
	make_vdi("restored.vdi", 4, 3);
	CHECK_OPENS("restored.vdi", 0, NULL);
	CHECK_CHAIN("restored.vdi", "Snapshots/{2}.vdi", "Snapshots/{1}.vdi", "base.vdi");
	CHECK_OK(chdir("Snapshots"));
	CHECK_OPENS("{2}.vdi", VD_OPEN_WRITE | VD_OPEN_FORCE, NULL);
	CHECK_CHAIN("{2}.vdi", "{1}.vdi", "base.vdi");
}

static void test_not_further_away(void)
{
	fresh_folder();
	make_folder("below");
	make_vdi("below/base.vdi", 1, 0);
	make_vdi("../../two-above.vdi", 2, 0);
	make_vdi("one.vdi", 3, 1);
	make_vdi("two.vdi", 4, 2);
	CHECK_REFUSED("one.vdi", 0, NULL, -ENOENT, "one.vdi", "00000001-", "--parent");
	CHECK_REFUSED("two.vdi", 0, NULL, -ENOENT, "two.vdi", "00000002-", "--parent-dir");
	CHECK_OPENS("one.vdi", 0, WITH(.parent_dirs = LIST("below")));
	CHECK_CHAIN("one.vdi", "below/base.vdi");
	CHECK_OPENS("two.vdi", 0, WITH(.parent_dirs = LIST("below", "../..")));
	CHECK_CHAIN("two.vdi", "two-above.vdi");
	CHECK_REFUSED("two.vdi", 0, WITH(.parent_dirs = LIST("nowhere")), -ENOENT, "nowhere");
	CHECK_REFUSED("two.vdi", 0, WITH(.parent_dirs = LIST("one.vdi")), -ENOTDIR, "one.vdi");
	CHECK_REFUSED("two.vdi", 0, WITH(.allow_dirs = LIST("nowhere")), -ENOENT, "nowhere", "may be parents");
}

/* The folder of an image is where it is, not where a symlink to it is. */
static void test_leaf_by_symlink(void)
{
	fresh_folder();
	make_folder("vm");
	make_folder("desk");
	make_folder("desk/deeper");
	make_vdi("vm/base.vdi", 1, 0);
	make_vdi("vm/one.vdi", 2, 1);
	CHECK_OK(symlink("../../vm/one.vdi", "desk/deeper/disk"));
	CHECK_OPENS("desk/deeper/disk", 0, NULL);
	CHECK_CHAIN("desk/deeper/disk", "vm/base.vdi");
}

static void test_given_parents(void)
{
	fresh_folder();
	make_folder("far");
	make_folder("far/away");
	make_vdi("far/away/base.vdi", 1, 0);
	make_vdi("far/away/one.vdi", 2, 1);
	make_vdi("two.vdi", 3, 2);
	make_vdi("three.vdi", 4, 3);
	CHECK_OPENS("three.vdi", 0, WITH(.parents = LIST("two.vdi", "far/away/one.vdi")));
	CHECK_CHAIN("three.vdi", "two.vdi", "far/away/one.vdi", "far/away/base.vdi");
	CHECK_REFUSED("three.vdi", 0, WITH(.parents = LIST("two.vdi")), -ENOENT, "two.vdi: ");
	CHECK_REFUSED("three.vdi", 0, WITH(.parents = LIST("none.vdi")), -ENOENT, "three.vdi: ",
		      "none.vdi");
	CHECK_REFUSED("far/away/one.vdi", 0, WITH(.parents = LIST("far/away/base.vdi", "two.vdi")),
		      -EINVAL, "far/away/base.vdi: ", "two.vdi", "base");
	CHECK_OPENS("far/away/one.vdi", VD_OPEN_NO_PARENT, WITH(.parents = LIST("two.vdi")));
}

static void test_mixed_formats(void)
{
	fresh_folder();
	make_vhd("base.vhd", 1, 0, NULL, NULL);
	make_vdi("one.vdi", 2, 1);
	make_vhd("two.vhd", 3, 2, NULL, NULL);
	make_vdi("three.vdi", 4, 3);
	CHECK_OPENS("three.vdi", 0, NULL);
	CHECK_CHAIN("three.vdi", "two.vhd", "one.vdi", "base.vhd");
	CHECK_STR(chain[1]->format->info.name, "vhd");
	CHECK_REFUSED("three.vdi", 0, WITH(.format = "abc"), -EINVAL, "abc");
	CHECK_OPENS("three.vdi", 0, WITH(.format = "raw"));
	CHECK_CHAIN("three.vdi");
}

static void test_no_such_leaf(void)
{
	fresh_folder();
	CHECK_REFUSED("none.vdi", 0, NULL, -ENOENT, "none.vdi");
	CHECK_REFUSED(".", 0, NULL, -EISDIR, "directory");
	CHECK_OK(mkfifo("fifo", 0666));
	CHECK_REFUSED("fifo", 0, NULL, -ENOTSUP, "fifo");
}

/* A real machine with three snapshots. */
static void test_virtualbox(void)
{
	char *archive = test_data("vm-chain.tar.xz"), *command;

	fresh_folder();
	CHECK(asprintf(&command, "tar -xJf '%s'", archive) > 0);
	if (access(archive, R_OK) == 0) {
		CHECK_OK(system(command));
		CHECK_OPENS("vm-chain/Snapshots/{66715e68-ce55-4c9b-a92b-2a54d4e48df4}.vdi", 0,
			    NULL);
		CHECK_CHAIN("/{66715e68-ce55-4c9b-a92b-2a54d4e48df4}.vdi",
			    "/Snapshots/{1aa92165-0c23-4d38-b9c1-dbf568e71cc3}.vdi",
			    "/Snapshots/{dccbcab4-a4e3-4ca3-bebe-ca7488b4201f}.vdi",
			    "/vm-chain/base.vdi");
		CHECK_REFUSED("vm-chain/base.vdi", VD_OPEN_WRITE, NULL, -EBUSY, "dccbcab4-");
	}
	free(command);
	free(archive);
}

int main(void)
{
	test_same_folder();
	test_snapshots();
	test_not_further_away();
	test_leaf_by_symlink();
	test_given_parents();
	test_mixed_formats();
	test_no_such_leaf();
	test_virtualbox();
	close_chain();
	return 0;
}
