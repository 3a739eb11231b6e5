emulator_sources +=
