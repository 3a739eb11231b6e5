/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - vimg: nothing but its version yet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vdisk.h"

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("vimg %s\n", vd_version());
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "vimg: this version knows --version only\n");
	return EXIT_FAILURE;
}
