emulator_sources += \
	%D%/packed.c \
	%D%/ring.c \
	%D%/ring.h \
	%D%/split.c \
	%D%/virtio-pci.c \
	%D%/virtio.c \
	%D%/virtio.h
