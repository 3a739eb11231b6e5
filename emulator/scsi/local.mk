emulator_sources += \
	%D%/bus.c \
	%D%/inquiry.c \
	%D%/manage.c \
	%D%/mode.c \
	%D%/opcodes.c \
	%D%/sbc.c \
	%D%/sbc-ranges.c \
	%D%/sbc-verify.c \
	%D%/scsi.h \
	%D%/sense.c \
	%D%/spc.c \
	%D%/tasks.c \
	%D%/unit.h
