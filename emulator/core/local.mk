emulator_sources += \
	%D%/brief.c \
	%D%/brief.h \
	%D%/dma.c \
	%D%/dma.h \
	%D%/events.c \
	%D%/events.h \
	%D%/fail.c \
	%D%/fail.h \
	%D%/loop.c \
	%D%/loop.h \
	%D%/mapping.c \
	%D%/mapping.h \
	%D%/memory.c \
	%D%/memory.h \
	%D%/socket.c \
	%D%/socket.h
