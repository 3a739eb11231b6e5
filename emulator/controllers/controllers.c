/* SPDX-License-Identifier: GPL-2.0-or-later */
/* controllers.c - the controllers there are. A new one is two lines here. */
#include "controllers/controller.h"

extern const struct controller_type controller_ahci;
extern const struct controller_type controller_nvme;
extern const struct controller_type controller_virtio_scsi;

const struct controller_type *const controller_types[] = {
	&controller_ahci,
	&controller_nvme,
	&controller_virtio_scsi,
	NULL
};
