/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd-fuzzer.c - VHD images. The input: a byte of flags (1: write, 2: leave the checksums as they
 * are), then the image. Its checksums are made right, since a fuzzer does not guess them.
 */
#include <string.h>

#include "bytes.h"
#include "formats/vhd.h"
#include "fuzz/fuzz-image.h"

static void mend(uint8_t *image, size_t size, size_t at, uint32_t length, uint32_t field)
{
	if (at <= size && length <= size - at)
		put_be32(image + at + field, vhd_checksum(image + at, length, field));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *image, flags;

	if (!size)
		return 0;
	flags = data[0];
	image = malloc(size--);
	if (!image)
		abort();
	memcpy(image, data + 1, size);
	if (!(flags & 2)) {
		mend(image, size, 0, VHD_FOOTER, 64);
		mend(image, size, 512, VHD_HEADER, 36);
		mend(image, size, size - VHD_FOOTER, VHD_FOOTER, 64);
		if (size >= VHD_FOOTER && vhd_has_footer_cookie(image + size - VHD_FOOTER_OLD))
			mend(image, size, size - VHD_FOOTER_OLD, VHD_FOOTER_OLD, 64);
	}
	fuzz_image("vhd", image, size, flags & 1);
	free(image);
	return 0;
}
