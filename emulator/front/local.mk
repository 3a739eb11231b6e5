emulator_sources += \
	%D%/in_process.c \
	%D%/in_process.h \
	%D%/vfio_user.h
