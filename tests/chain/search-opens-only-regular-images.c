/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What else lies around is not touched, cannot make it hang, and does no harm. */
#include <sys/socket.h>
#include <sys/un.h>

#include "chain-test.h"

static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
}

static void make_clutter(void)
{
	uint8_t junk[600];

	memset(junk, 0xa5, sizeof(junk));
	CHECK_OK(mkfifo("base.vhd", 0666));
	CHECK_OK(mkfifo("fifo.vdi", 0666));
	CHECK_OK(symlink("fifo.vdi", "fifo-link.vdi"));
	CHECK_OK(symlink("/dev/zero", "zero.vdi"));
	CHECK_OK(symlink("/dev/tty", "tty.vdi"));
	make_socket("socket.vdi");
	make_folder("folder.vdi");
	make_vdi("folder.vdi/inside.vdi", 1, 0);
	put_file("empty.vdi", "", 0, 0);
	put_file("one-byte.vdi", "<", 1, 1);
	put_file("junk.vdi", junk, sizeof(junk), sizeof(junk));
	put_file("short-footer.vhd", "conectix", 8, 8);
	put_file("odd \n\xff\xfe name.vdi", junk, 1, 1);
}

static void test_found_among_clutter(void)
{
	fresh_folder();
	make_clutter();
	make_folder("Snapshots");
	make_vhd("Snapshots/one.vhd", 2, 1, "base.vhd", NULL);
	CHECK_REFUSED("Snapshots/one.vhd", 0, WITH(.allow_dirs = LIST("/")), -ENOENT, "base.vhd");
	make_vdi("odd \n\xff name.vdi", 1, 0);
	CHECK_OPENS("Snapshots/one.vhd", 0, WITH(.allow_dirs = LIST("/")));
	CHECK_CHAIN("one.vhd", "odd \n\xff name.vdi");
	CHECK_OPENS("Snapshots/one.vhd", VD_OPEN_WRITE, NULL);
	CHECK_REFUSED("odd \n\xff name.vdi", VD_OPEN_WRITE, NULL, -EBUSY, "one.vhd");
}

static void test_raw_is_never_found(void)
{
	fresh_folder();
	make_raw("base.raw");
	make_vhd("one.vhd", 2, 1, "base.raw", NULL);
	make_vhd("two.vhd", 3, 0, "base.raw", NULL);
	CHECK_REFUSED("one.vhd", 0, NULL, -ENOENT, "base.raw");
	CHECK_REFUSED("one.vhd", VD_OPEN_FORCE_PARENT, NULL, -ENOENT, "base.raw");
	CHECK_REFUSED("two.vhd", 0, NULL, -ENOENT, "base.raw", "--parent");
}

/* Root reads everything. */
static void test_unreadable(void)
{
	fresh_folder();
	make_folder("closed");
	make_vdi("secret.vdi", 7, 0);
	make_vdi("base.vdi", 1, 0);
	make_vdi("one.vdi", 2, 1);
	make_vdi("two.vdi", 3, 7);
	CHECK_OK(chmod("secret.vdi", 0));
	CHECK_OK(chmod("closed", 0));
	CHECK_OPENS("one.vdi", 0, WITH(.parent_dirs = LIST("closed")));
	if (geteuid() != 0)
		CHECK_REFUSED("two.vdi", 0, WITH(.parent_dirs = LIST("closed")), -ENOENT,
			      "closed (not readable)", "1 file there could not be read");
	CHECK_OK(chmod("closed", 0700));
}

int main(void)
{
	alarm(60);
	test_found_among_clutter();
	test_raw_is_never_found();
	test_unreadable();
	close_chain();
	return 0;
}
