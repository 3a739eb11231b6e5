/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A namespace's identifiers come from the UUID of its image: the same on any controller and id,
 * others for another image. */
#include "lib-nvme.h"

struct ids {
	uint8_t nguid[16], eui64[8], uuid[16];
};

static struct vd_disk *open_vdi(const char *path, const char *uuid)
{
	struct vd_create_options o = { .format = "vdi", .size = DISK_SIZE };
	struct vd_disk *disk;

	CHECK_OK(vd_uuid_parse(uuid, &o.uuid));
	CHECK_OK(vd_create(path, &o, NULL));
	CHECK_OK(vd_open(path, VD_OPEN_WRITE, NULL, &disk, NULL));
	return disk;
}

static void identify(struct guest *g, uint32_t nsid, struct ids *out)
{
	struct command c = { .opcode = NVME_ADMIN_IDENTIFY, .nsid = nsid, .prp1 = g->data };
	const uint8_t *p = at(g, g->data);

	CHECK_EQ(admin(g, &c), 0);
	memcpy(out->nguid, p + 104, 16);
	memcpy(out->eui64, p + 120, 8);
	c.d10 = 3;
	CHECK_EQ(admin(g, &c), 0);
	CHECK(p[0] == 1 && p[1] == 8 && !memcmp(p + 4, out->eui64, 8));
	CHECK(p[12] == 2 && p[13] == 16 && !memcmp(p + 16, out->nguid, 16));
	CHECK(p[32] == 3 && p[33] == 16);
	memcpy(out->uuid, p + 36, 16);
	CHECK_EQ(p[52], 0);			/* no more */
}

static void attach(struct guest *g, struct vd_disk *disk, const char *address, struct ids *out)
{
	CHECK_OK(in_process_attach(g->p, disk, NULL, address, NULL, NULL));
	identify(g, atoi(address + 5), out);
}

int main(void)
{
	static const char *const uuid[] = { "12345678-9abc-4def-8123-456789abcdef",
					    "87654321-9abc-4def-8123-456789abcdef" };
	char *a = test_path("a.vdi"), *b = test_path("b.vdi");
	struct ids first, again, other;
	struct vd_uuid want;
	struct vd_disk *disk;
	struct guest g;

	CHECK_OK(vd_uuid_parse(uuid[0], &want));
	guest_start(&g);
	attach(&g, open_vdi(a, uuid[0]), "nsid=1", &first);
	attach(&g, open_vdi(b, uuid[1]), "nsid=2", &other);
	guest_free(&g);
	CHECK(!memcmp(first.uuid, want.byte, 16));
	CHECK(memcmp(first.uuid, other.uuid, 16) && memcmp(first.nguid, other.nguid, 16) &&
	      memcmp(first.eui64, other.eui64, 8));

	guest_start(&g);
	CHECK_OK(vd_open(a, VD_OPEN_WRITE, NULL, &disk, NULL));
	attach(&g, disk, "nsid=9", &again);
	guest_free(&g);
	CHECK(!memcmp(&first, &again, sizeof(first)));
	free(a);
	free(b);
	return 0;
}
