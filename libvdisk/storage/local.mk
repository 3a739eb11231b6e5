libvdisk_sources += \
	%D%/fault.c \
	%D%/file.c \
	%D%/internal.h \
	%D%/lock.c \
	%D%/lock.h \
	%D%/memory.c \
	%D%/memory.h \
	%D%/record.c \
	%D%/stack.c \
	%D%/stack.h \
	%D%/stall.c \
	%D%/storage.c \
	%D%/storage.h
