/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vdi-fuzzer.c - VDI images. The input: a byte of flags (1: write), then the image. */
#include "fuzz/fuzz-image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size)
		fuzz_image("vdi", data + 1, size - 1, data[0] & 1);
	return 0;
}
