emulator_sources += \
	%D%/ata.c \
	%D%/ata.h \
	%D%/identify.c \
	%D%/log.c \
	%D%/private.h \
	%D%/settings.c \
	%D%/smart.c \
	%D%/transfer.c \
	%D%/trim.c
