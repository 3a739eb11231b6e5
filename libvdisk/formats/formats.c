/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* formats.c - which formats there are, in the order in which they are probed. */
#include <errno.h>
#include <string.h>

#include "formats/format.h"

extern const struct vd_format vd_format_vdi, vd_format_vhd, vd_format_raw;

const struct vd_format *const vd_formats[] = {
	&vd_format_vdi,
	&vd_format_vhd,
	&vd_format_raw,	/* takes everything */
	NULL
};

const struct vd_format *format_by_name(const char *name)
{
	for (const struct vd_format *const *f = vd_formats; *f; f++)
		if (!strcmp((*f)->info.name, name))
			return *f;
	return NULL;
}

int vd_format_info(unsigned index, struct vd_format_info *out)
{
	for (unsigned i = 0; vd_formats[i]; i++)
		if (i == index) {
			*out = vd_formats[i]->info;
			return 0;
		}
	return -EINVAL;
}
