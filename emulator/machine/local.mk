emulator_sources += \
	%D%/description.c \
	%D%/description.h \
	%D%/machine.c \
	%D%/machine.h \
	%D%/operations.c \
	%D%/private.h
