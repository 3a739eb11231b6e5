/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image may come from anyone: a path in it must not lead to any file of the person who opens
 * it. Nor may symlinks that came along with it. */
#include "chain-test.h"

/* far/base.vhd, and vm/ where the children are made. */
static const char *make_places(void)
{
	const char *here = fresh_folder();

	make_folder("far");
	make_folder("far/below");
	make_vhd("far/base.vhd", 1, 0, NULL, NULL);
	make_folder("deep");
	make_folder("deep/vm");
	return here;
}

static void test_absolute(void)
{
	const char *here = make_places();
	char *path;

	CHECK(asprintf(&path, "%s/far/base.vhd", here) > 0);
	make_vhd("deep/vm/one.vhd", 2, 1, NULL, path);
	CHECK_REFUSED("deep/vm/one.vhd", 0, NULL, -ENOENT, "one.vhd", "far/base.vhd", "00000001-",
		      "--parent");
	CHECK_OPENS("deep/vm/one.vhd", 0, WITH(.allow_dirs = LIST("far")));
	CHECK_CHAIN("one.vhd", "far/base.vhd");
	CHECK_OPENS("deep/vm/one.vhd", 0, WITH(.allow_dirs = LIST("/")));
	CHECK_OPENS("deep/vm/one.vhd", 0, WITH(.parent_dirs = LIST("far")));
	CHECK_OPENS("deep/vm/one.vhd", 0, WITH(.allow_dirs = LIST("deep", "far")));
	CHECK_REFUSED("deep/vm/one.vhd", 0, WITH(.allow_dirs = LIST("far/below")), -ENOENT,
		      "far/base.vhd");
	/* Not every folder that begins so. */
	make_folder("fa");
	CHECK_REFUSED("deep/vm/one.vhd", 0, WITH(.allow_dirs = LIST("fa")), -ENOENT, "one.vhd");
	/* Below an allowed folder at any depth, but only directly in a place. */
	CHECK_OPENS("deep/vm/one.vhd", 0, WITH(.allow_dirs = LIST(".")));
	CHECK_REFUSED("deep/vm/one.vhd", 0, WITH(.parent_dirs = LIST(".")), -ENOENT, "one.vhd");
	free(path);
}

static void test_relative(void)
{
	make_places();
	make_vhd("deep/vm/one.vhd", 2, 1, "../../far/base.vhd", NULL);
	CHECK_REFUSED("deep/vm/one.vhd", 0, NULL, -ENOENT, "far/base.vhd");
	CHECK_OPENS("deep/vm/one.vhd", 0, WITH(.allow_dirs = LIST("far")));
	make_vhd("deep/above.vhd", 3, 0, NULL, NULL);
	make_vhd("deep/vm/two.vhd", 2, 3, "../above.vhd", NULL);
	CHECK_OPENS("deep/vm/two.vhd", 0, NULL);
	CHECK_CHAIN("two.vhd", "deep/above.vhd");
	/* Relative to the image, not to where we are. */
	make_vhd("four.vhd", 4, 0, NULL, NULL);
	make_vhd("deep/vm/five.vhd", 5, 4, "./four.vhd", NULL);
	CHECK_REFUSED("deep/vm/five.vhd", 0, NULL, -ENOENT, "four.vhd");
}

/* A chain that was moved: the path leads nowhere or to another file. */
static void test_moved(void)
{
	const char *here = make_places();
	char *path;

	make_vhd("deep/vm/base.vhd", 3, 0, NULL, NULL);
	make_vhd("deep/vm/one.vhd", 2, 3, NULL, "/somewhere/else/base.vhd");
	CHECK_OPENS("deep/vm/one.vhd", 0, NULL);
	CHECK_CHAIN("one.vhd", "deep/vm/base.vhd");
	CHECK(asprintf(&path, "%s/far/base.vhd", here) > 0);
	make_vhd("deep/vm/two.vhd", 2, 3, NULL, path);
	CHECK_OPENS("deep/vm/two.vhd", 0, WITH(.allow_dirs = LIST("far")));
	CHECK_CHAIN("two.vhd", "deep/vm/base.vhd");
	/* Renamed, too: by id. */
	make_vhd("deep/vm/three.vhd", 2, 3, "old.vhd", "/somewhere/old.vhd");
	CHECK_OPENS("deep/vm/three.vhd", 0, NULL);
	CHECK_CHAIN("three.vhd", "deep/vm/base.vhd");
	free(path);
}

static void test_symlinked_file(void)
{
	make_places();
	CHECK_OK(symlink("../../far/base.vhd", "deep/vm/base.vhd"));
	make_vhd("deep/vm/named.vhd", 2, 1, "base.vhd", NULL);
	make_vdi("deep/vm/unnamed.vdi", 3, 1);
	CHECK_REFUSED("deep/vm/named.vhd", 0, NULL, -ENOENT, "named.vhd");
	CHECK_REFUSED("deep/vm/unnamed.vdi", 0, NULL, -ENOENT, "unnamed.vdi");
	CHECK_OPENS("deep/vm/named.vhd", 0, WITH(.allow_dirs = LIST("far")));
	CHECK_CHAIN("named.vhd", "far/base.vhd");
	CHECK_OPENS("deep/vm/unnamed.vdi", 0, WITH(.allow_dirs = LIST("far")));
	CHECK_CHAIN("unnamed.vdi", "far/base.vhd");
	/* Inside it is the same file twice. */
	make_vdi("deep/vm/own.vdi", 4, 0);
	CHECK_OK(symlink("own.vdi", "deep/vm/link.vdi"));
	CHECK_OK(symlink("nowhere", "deep/vm/dangling.vdi"));
	CHECK_OK(symlink("round.vdi", "deep/vm/round.vdi"));
	make_vdi("deep/vm/four.vdi", 5, 4);
	make_vhd("deep/vm/five.vhd", 6, 4, "link.vdi", NULL);
	CHECK_OPENS("deep/vm/four.vdi", 0, NULL);
	CHECK_OPENS("deep/vm/five.vhd", 0, NULL);
	CHECK_CHAIN("five.vhd", "deep/vm/own.vdi");
}

static void test_symlinked_folders(void)
{
	const char *here = make_places();
	char *path;

	/* A Snapshots that leads out. */
	CHECK_OK(symlink("../../far", "deep/vm/Snapshots"));
	make_vdi("deep/vm/one.vdi", 2, 1);
	make_vhd("deep/vm/two.vhd", 3, 1, "Snapshots/base.vhd", NULL);
	CHECK_REFUSED("deep/vm/one.vdi", 0, NULL, -ENOENT, "one.vdi");
	CHECK_REFUSED("deep/vm/two.vhd", 0, NULL, -ENOENT, "two.vhd");
	CHECK_OPENS("deep/vm/one.vdi", 0, WITH(.allow_dirs = LIST("far")));
	CHECK_OPENS("deep/vm/two.vhd", 0, WITH(.parent_dirs = LIST("far")));
	/* What counts is where a path leads, for the caller's folders too. */
	CHECK_OK(symlink("far", "alias"));
	CHECK(asprintf(&path, "%s/alias/base.vhd", here) > 0);
	make_vhd("deep/vm/three.vhd", 4, 1, NULL, path);
	CHECK_OPENS("deep/vm/three.vhd", 0, WITH(.allow_dirs = LIST("far")));
	CHECK_OPENS("deep/vm/three.vhd", 0, WITH(.allow_dirs = LIST("alias")));
	CHECK_CHAIN("three.vhd", "far/base.vhd");
	free(path);
}

int main(void)
{
	test_absolute();
	test_relative();
	test_moved();
	test_symlinked_file();
	test_symlinked_folders();
	close_chain();
	return 0;
}
