# Measurements; nothing here runs under make check.
EXTRA_DIST += %D%/README.md
EXTRA_DIST += %D%/bench.py
EXTRA_DIST += %D%/emulator.py
EXTRA_DIST += %D%/passthrough.c
EXTRA_DIST += %D%/RESULTS.md
EXTRA_PROGRAMS += %D%/queue-speed

EXTRA_PROGRAMS += %D%/controllers
%C%_controllers_SOURCES = \
	%D%/controllers.c \
	%D%/controllers.h \
	%D%/controllers-ahci.c \
	%D%/controllers-nvme.c \
	%D%/controllers-virtio-scsi.c
%C%_controllers_CPPFLAGS = $(emulator_inc)
%C%_controllers_LDADD = emulator/libemulator-int.la $(unit_libs)
