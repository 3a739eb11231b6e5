/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - vimg-mount: nothing but its version yet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vdisk.h"

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("vimg-mount %s\n", vd_version());
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "vimg-mount: this version knows --version only\n");
	return EXIT_FAILURE;
}
