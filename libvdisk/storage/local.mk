libvdisk_sources += \
	%D%/file.c \
	%D%/internal.h \
	%D%/lock.c \
	%D%/lock.h \
	%D%/memory.c \
	%D%/memory.h \
	%D%/storage.c \
	%D%/storage.h
