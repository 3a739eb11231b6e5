/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Folders of images whose ids and parents are drawn at random: rings, twins, missing parents and
 * sound chains. What opens must be linked; what does not must say why. */
#include "chain-test.h"

static uint32_t seed = 1;

static unsigned draw(unsigned below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void make_random(const char *path)
{
	unsigned id = draw(12), parent = draw(3) ? draw(12) : 0;

	if (draw(2))
		make_vdi(path, id + 1, parent);
	else
		make_vhd(path, id + 1, parent, draw(2) ? "3" : NULL, draw(2) ? "/x/5" : NULL);
	if (draw(8) == 0)
		CHECK_OK(truncate(path, draw(2048)));
}

static void check_linked(bool forced)
{
	for (unsigned i = 0; i + 1 < chain_length; i++) {
		CHECK(chain[i]->has_parent);
		CHECK(forced || vd_uuid_equal(&chain[i]->parent_uuid, &chain[i + 1]->uuid));
		for (unsigned j = 0; j < i; j++)
			CHECK(strcmp(chain[i]->path, chain[j]->path));
	}
	CHECK(!chain[chain_length - 1]->has_parent);
}

int main(void)
{
	const unsigned rounds = test_quick() ? 20 : 200;
	unsigned opened = 0, refused = 0;
	char name[32];

	alarm(300);
	for (unsigned round = 0; round < rounds; round++) {
		fresh_folder();
		for (unsigned i = 0; i < 8; i++) {
			snprintf(name, sizeof(name), "%u", i);
			make_random(name);
		}
		for (unsigned i = 0; i < 8; i++) {
			unsigned flags = draw(2) ? VD_OPEN_FORCE_PARENT : 0;

			flags |= draw(4) ? 0 : VD_OPEN_WRITE;
			snprintf(name, sizeof(name), "%u", i);
			if (open_chain(name, flags, NULL) == 0) {
				opened++;
				check_linked(flags & VD_OPEN_FORCE_PARENT);
			} else {
				refused++;
			}
		}
	}
	printf("%u opened, %u refused\n", opened, refused);
	CHECK(opened > rounds / 2 && refused > rounds / 2);
	close_chain();
	return 0;
}
