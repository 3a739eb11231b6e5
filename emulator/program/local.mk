bin_PROGRAMS += emulator/vimg-emulator
emulator_vimg_emulator_SOURCES = \
	%D%/arguments.c \
	%D%/control.c \
	%D%/ctl.c \
	%D%/main.c \
	%D%/program.h \
	%D%/run.c \
	%D%/sandbox.c \
	%D%/serve.c
emulator_vimg_emulator_CPPFLAGS = $(emulator_inc) $(JSON_CFLAGS) $(SECCOMP_CFLAGS)
emulator_vimg_emulator_LDADD = emulator/libemulator-int.la libvdisk/libvdisk.la $(JSON_LIBS) \
	$(SECCOMP_LIBS)
