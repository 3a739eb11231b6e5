/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - vimg-mount: shows a virtual machine's disk and its partitions as files. */
#include "list.h"
#include "options.h"
#include "say.h"
#include "serve.h"
#include "unmount.h"
#include "vdisk.h"

#include <stdio.h>

static const char help[] =
"vimg-mount shows a virtual machine's disk and its partitions as files.\n"
"\n"
"   vimg-mount [OPTION]... --image IMAGE MOUNTPOINT   mounts the disk\n"
"   vimg-mount --list --image IMAGE                   lists its partitions\n"
"   vimg-mount -u MOUNTPOINT                          unmounts, waits until all is on disk\n"
"\n"
"The mount holds vhdd (the whole disk with all its snapshots), vol0, vol1... (its partitions) and\n"
"a link to the image.\n"
"\n"
"  -i, --image IMAGE      the disk image; of a chain, the one whose state is wanted\n"
"      --rw               writable; without it nothing is ever written\n"
"      --format FORMAT    the image's format (vdi, vhd, raw); without it: by content\n"
"  -U, --no-lock          read also what another program is writing to\n"
"  -p, --partition N      only the partition with number N of the listing, as vhdd\n"
"                         (0: only the whole disk)\n"
"      --parent FILE      the next parent image, from IMAGE down; may be repeated\n"
"      --parent-dir DIR   one more folder in which parents are looked for\n"
"      --allow-dir DIR    a folder in which a parent's recorded path is trusted\n"
"      --force            write although another image names this one as its parent\n"
"      --force-parent     accept a parent that is not the recorded one\n"
"      --sector-size N    what the partition table counts in, if it does not say (512 to 4096)\n"
"  -o OPTION[,OPTION]...  mount options: direct_io, clone_fd, and FUSE's (allow_other...)\n"
"      --root             let root look into the mount too\n"
"  -f, --foreground       stay in the foreground\n"
"\n"
"  -l, --list             the partitions; with\n"
"  -v, --verbose          more about each image and partition\n"
"  -w, --wide             one line a partition with everything\n"
"      --json             one JSON object, sizes in bytes\n"
"\n"
"  -u, --unmount          unmount; the exit status is that of the last flush\n"
"  -h, --help             this text\n"
"  -V, --version          the version\n"
"\n"
"Exit status: 0 done, 1 failed (one sentence on stderr says why), 2 wrong command line.\n";

static int run(const struct options *options)
{
	switch (options->action) {
	case ACTION_HELP:
		fputs(help, stdout);
		return STATUS_OK;
	case ACTION_VERSION:
		printf("vimg-mount %s\n", vd_version());
		return STATUS_OK;
	case ACTION_LIST:
		return list_image(options);
	case ACTION_UNMOUNT:
		return unmount_and_wait(options->mountpoint);
	case ACTION_MOUNT:
		break;
	}
	return serve(options);
}

int main(int argc, char **argv)
{
	struct options options;
	int status = options_parse(argc, argv, &options);

	if (!status)
		status = run(&options);
	options_free(&options);
	/* A listing into a full disk must not look complete. */
	if (fflush(stdout) && !status) {
		say("the output could not be written");
		status = STATUS_FAILED;
	}
	return status;
}
