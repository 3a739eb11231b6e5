emulator_sources += \
	%D%/device.c \
	%D%/device.h \
	%D%/medium.c \
	%D%/medium.h \
	%D%/statistics.c
