emulator_sources += \
	%D%/ahci-command.c \
	%D%/ahci-port.c \
	%D%/ahci.c \
	%D%/ahci.h \
	%D%/controller.c \
	%D%/controller.h \
	%D%/controllers.c \
	%D%/nvme-admin.c \
	%D%/nvme-data.c \
	%D%/nvme-features.c \
	%D%/nvme-identify.c \
	%D%/nvme-io.c \
	%D%/nvme-log.c \
	%D%/nvme-queue.c \
	%D%/nvme-spec.h \
	%D%/nvme-state.c \
	%D%/nvme.c \
	%D%/nvme.h \
	%D%/virtio-scsi.c
