/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* version.c - the version that configure was given. */
#include "vdisk.h"

const char *vd_version(void)
{
	return PACKAGE_VERSION;
}
