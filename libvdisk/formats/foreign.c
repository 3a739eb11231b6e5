/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * foreign.c - disk image formats that are known by sight only. Without this they would pass for raw
 * disks, and somebody would write into one. A format that gets a driver leaves this table.
 */
#include <string.h>

#include "formats/format.h"

static const struct {
	const char *name, *magic;
	unsigned length;	/* of the magic, which may hold zeros */
	bool in_tail;		/* at the beginning of the last 512 bytes, not of the file */
} foreign[] = {
	{ "a VMDK", "KDMV", 4, false },
	{ "a VMDK (COW)", "COWD", 4, false },
	{ "a VMDK descriptor", "# Disk DescriptorFile", 21, false },
	{ "a VMDK descriptor", "# Disk Descriptor File", 22, false },
	{ "a VMDK descriptor", "#Disk DescriptorFile", 20, false },
	{ "a VMDK descriptor", "#Disk Descriptor File", 21, false },
	{ "a VMDK (SE sparse)", "\xbe\xba\xfe\xca\0\0\0\0", 8, false },
	{ "a QCOW", "QFI\xfb", 4, false },
	{ "a QED", "QED\0", 4, false },
	{ "a VHDX", "vhdxfile", 8, false },
	{ "a Parallels", "WithoutFreeSpace", 16, false },
	{ "a Parallels", "WithouFreSpacExt", 16, false },
	{ "a Bochs", "Bochs Virtual HD Image", 22, false },
	{ "an Apple (UDIF)", "koly", 4, true },
	{ "an EnCase", "EVF\x09\x0d\x0a\xff\0", 8, false },
	{ "an AFF", "AFF10\r\n\0", 8, false },
};

const char *foreign_format(const struct probe *p)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		const uint8_t *at = foreign[i].in_tail ? p->tail : p->head;

		if (p->size >= foreign[i].length && !memcmp(at, foreign[i].magic, foreign[i].length))
			return foreign[i].name;
	}
	return NULL;
}
