/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seen in the wild: a volume cut out of a fixed VHD, shorter than what the footer describes. */
#include "bytes.h"
#include "core/image.h"
#include "test.h"

static const char *format_of(const char *path, uint64_t size, uint64_t described)
{
	static uint8_t head[PROBE_HEAD];
	uint8_t tail[PROBE_TAIL] = "conectix";
	struct probe p = { .path = path, .head = head, .tail = tail, .size = size };

	put_be64(tail + 48, described);
	put_be32(tail + 60, 2);
	return probe_format(&p)->info.name;
}

int main(void)
{
	CHECK_STR(format_of("disk.bin", 1048576 + 512, 1048576), "vhd");
	CHECK_STR(format_of("disk.bin", 1048576, 1048576), "raw");
	CHECK_STR(format_of("disk.bin", 983552, 1048576), "raw");
	/* What calls itself a VHD is a damaged one. */
	CHECK_STR(format_of("/a.b/disk.VHD", 983552, 1048576), "vhd");
	return 0;
}
