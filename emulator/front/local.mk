emulator_sources += \
	%D%/in_process.c \
	%D%/in_process.h \
	%D%/vfio_user-dma.c \
	%D%/vfio_user-int.h \
	%D%/vfio_user-irq.c \
	%D%/vfio_user-message.c \
	%D%/vfio_user-stream.c \
	%D%/vfio_user.c \
	%D%/vfio_user.h
