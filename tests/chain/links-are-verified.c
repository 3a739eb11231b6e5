/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A parent must be the one that the child records; a person may overrule it, file by file. */
#include "chain-test.h"

static void test_mismatch(void)
{
	fresh_folder();
	make_vdi("base.vdi", 1, 0);
	make_vdi("other.vdi", 5, 0);
	make_vdi("one.vdi", 2, 1);
	CHECK_REFUSED("one.vdi", 0, WITH(.parents = LIST("other.vdi")), -EUCLEAN, "one.vdi: ",
		      "other.vdi", "00000001-", "00000005-", "--force-parent");
	CHECK_OPENS("one.vdi", VD_OPEN_FORCE_PARENT, WITH(.parents = LIST("other.vdi")));
	CHECK_CHAIN("one.vdi", "other.vdi");
	CHECK(chain[0]->warning && strstr(chain[0]->warning, "other.vdi"));
	CHECK(!chain[0]->parent_unverified);
	CHECK_OPENS("one.vdi", VD_OPEN_FORCE_PARENT, NULL);
	CHECK_CHAIN("one.vdi", "base.vdi");
	CHECK(!chain[0]->warning);
}

/* A named file with another id is what is meant only by force, and only if none has the id. */
static void test_named_mismatch(void)
{
	fresh_folder();
	make_vhd("base.vhd", 5, 0, NULL, NULL);
	make_vhd("one.vhd", 2, 1, "base.vhd", NULL);
	CHECK_REFUSED("one.vhd", 0, NULL, -EUCLEAN, "one.vhd: ", "/base.vhd", "00000001-",
		      "00000005-", "--force-parent");
	CHECK_OPENS("one.vhd", VD_OPEN_FORCE_PARENT, NULL);
	CHECK_CHAIN("one.vhd", "base.vhd");
	CHECK(chain[0]->warning);
	make_vhd("renamed.vhd", 1, 0, NULL, NULL);
	CHECK_OPENS("one.vhd", VD_OPEN_FORCE_PARENT, NULL);
	CHECK_CHAIN("one.vhd", "renamed.vhd");
}

static void test_missing(void)
{
	const char *here = fresh_folder();

	make_folder("more");
	make_vhd("one.vhd", 2, 1, "base.vhd", NULL);
	CHECK_REFUSED("one.vhd", 0, WITH(.parent_dirs = LIST("more")), -ENOENT, "one.vhd: ",
		      "00000001-0000-0000-0000-000000000077", "base.vhd", here, "/more",
		      "--parent FILE", "--parent-dir DIR");
	CHECK_REFUSED("one.vhd", VD_OPEN_FORCE_PARENT, NULL, -ENOENT, "one.vhd");
}

static void test_without_ids(void)
{
	fresh_folder();
	make_raw("base.raw");
	make_vdi("base.vdi", 5, 0);
	make_vdi("one.vdi", 2, 1);
	make_vdi_of("two.vdi", &(struct test_vdi){ .id = 3, .type = 4 });
	CHECK_OPENS("one.vdi", 0, WITH(.parents = LIST("base.raw")));
	CHECK_CHAIN("one.vdi", "base.raw");
	CHECK(chain[0]->parent_unverified && !chain[0]->parent_modified);
	CHECK_REFUSED("two.vdi", 0, NULL, -ENOENT, "two.vdi: ", "--parent FILE");
	CHECK_OPENS("two.vdi", 0, WITH(.parents = LIST("base.vdi")));
	CHECK_CHAIN("two.vdi", "base.vdi");
	CHECK(chain[0]->parent_unverified);
	CHECK_REFUSED("base.raw", 0, WITH(.parents = LIST("base.vdi")), -EINVAL, "base.raw: ",
		      "base.vdi");
}

/* A file without an id is no parent while another one has the recorded id. */
static void test_stranger(void)
{
	fresh_folder();
	make_folder("more");
	make_raw("stranger.raw");
	make_vdi("more/base.vdi", 1, 0);
	make_vdi("one.vdi", 2, 1);
	CHECK_OPENS("one.vdi", 0, WITH(.parents = LIST("stranger.raw")));
	CHECK(chain[0]->parent_unverified && !chain[0]->warning);
	CHECK_REFUSED("one.vdi", 0,
		      WITH(.parents = LIST("stranger.raw"), .parent_dirs = LIST("more")), -EUCLEAN,
		      "one.vdi: ", "stranger.raw", "/more/base.vdi", "00000001-",
		      "--force-parent");
	CHECK_OPENS("one.vdi", VD_OPEN_FORCE_PARENT,
		    WITH(.parents = LIST("stranger.raw"), .parent_dirs = LIST("more")));
	CHECK_CHAIN("one.vdi", "stranger.raw");
	CHECK(chain[0]->parent_unverified);
	CHECK(chain[0]->warning && strstr(chain[0]->warning, "stranger.raw") &&
	      strstr(chain[0]->warning, "/more/base.vdi"));
	/* Deeper in the chain, too. */
	make_vdi("top.vdi", 3, 2);
	CHECK_REFUSED("top.vdi", 0, WITH(.parents = LIST("one.vdi", "stranger.raw"),
					 .parent_dirs = LIST("more")), -EUCLEAN, "one.vdi: ");
}

/* The id decides; that the name leads elsewhere is told. */
static void test_name_leads_elsewhere(void)
{
	const char *here = fresh_folder();
	char absolute[200];

	make_folder("out");
	make_folder("out/side");
	make_vhd("base.vhd", 1, 0, NULL, NULL);
	make_vhd("out/side/base.vhd", 1, 0, NULL, NULL);
	make_vhd("relative.vhd", 2, 1, "./out/side/base.vhd", NULL);
	CHECK_OPENS("relative.vhd", 0, NULL);
	CHECK_CHAIN("relative.vhd", "/d/base.vhd");
	CHECK(chain[0]->warning && strstr(chain[0]->warning, "/out/side/base.vhd") &&
	      strstr(chain[0]->warning, "/d/base.vhd"));
	snprintf(absolute, sizeof(absolute), "%s/out/side/base.vhd", here);
	make_vhd("absolute.vhd", 3, 1, NULL, absolute);
	CHECK_OPENS("absolute.vhd", 0, NULL);
	CHECK_CHAIN("absolute.vhd", "/d/base.vhd");
	CHECK(chain[0]->warning && strstr(chain[0]->warning, absolute));
	/* A chain that was copied: the relative name, which comes first, is right. */
	make_vhd("copied.vhd", 4, 1, "./base.vhd", absolute);
	CHECK_OPENS("copied.vhd", 0, NULL);
	CHECK(!chain[0]->warning);
	/* A person's choice needs no second opinion. */
	CHECK_OPENS("relative.vhd", 0, WITH(.parents = LIST("base.vhd")));
	CHECK(!chain[0]->warning);
	/* What is gone, and what is no file, is no rival; a FIFO would never answer. */
	CHECK_OK(unlink("out/side/base.vhd"));
	CHECK_OPENS("relative.vhd", 0, NULL);
	CHECK(!chain[0]->warning);
	CHECK_OK(mkfifo("out/side/base.vhd", 0666));
	CHECK_OPENS("relative.vhd", 0, NULL);
	CHECK(!chain[0]->warning);
}

static void test_modified(void)
{
	fresh_folder();
	make_vdi_of("base.vdi", &(struct test_vdi){ .id = 1, .modification = 100 });
	make_vdi_of("same.vdi",
		    &(struct test_vdi){ .id = 2, .parent = 1, .parent_modification = 100 });
	make_vdi_of("changed.vdi",
		    &(struct test_vdi){ .id = 3, .parent = 1, .parent_modification = 99 });
	make_vdi("untold.vdi", 4, 1);
	CHECK_OPENS("same.vdi", 0, NULL);
	CHECK(!chain[0]->parent_modified);
	CHECK_OPENS("changed.vdi", 0, NULL);
	CHECK(chain[0]->parent_modified);
	CHECK_OPENS("untold.vdi", 0, NULL);
	CHECK(!chain[0]->parent_modified);
}

static void test_twins(void)
{
	fresh_folder();
	make_folder("Snapshots");
	make_vdi("base.vdi", 1, 0);
	make_vdi("one.vdi", 2, 1);
	CHECK_OK(link("base.vdi", "hard-link.vdi"));
	CHECK_OK(symlink("base.vdi", "symlink.vdi"));
	CHECK_OPENS("one.vdi", 0, WITH(.parent_dirs = LIST(".", "Snapshots/..")));
	make_vdi("Snapshots/copy.vdi", 1, 0);
	CHECK_REFUSED("one.vdi", 0, NULL, -ENOTUNIQ, "one.vdi: ", "base.vdi",
		      "/Snapshots/copy.vdi", "00000001-", "--parent");
	CHECK_OPENS("one.vdi", 0, WITH(.parents = LIST("Snapshots/copy.vdi")));
	CHECK_CHAIN("one.vdi", "copy.vdi");
	/* A name does not say which of the two has the right content. */
	make_vhd("named.vhd", 3, 1, "base.vdi", NULL);
	CHECK_REFUSED("named.vhd", 0, NULL, -ENOTUNIQ, "base.vdi", "copy.vdi");
}

int main(void)
{
	test_mismatch();
	test_named_mismatch();
	test_missing();
	test_without_ids();
	test_stranger();
	test_name_leads_elsewhere();
	test_modified();
	test_twins();
	close_chain();
	return 0;
}
