emulator_sources += \
	%D%/controller.c \
	%D%/controller.h \
	%D%/controllers.c
