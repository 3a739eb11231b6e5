emulator_sources += %D%/pci.c %D%/pci.h
