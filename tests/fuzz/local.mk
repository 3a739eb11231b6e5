# Without --enable-fuzzers a target is linked with replay.c, whose main() feeds it the files that it
# is given, and replay-corpora.sh runs it over its corpus.
check_LTLIBRARIES += %D%/libreplay.la
%C%_libreplay_la_SOURCES = %D%/replay.c
if FUZZERS
fuzz_libs = $(FUZZ_ENGINE) $(unit_libs)
else
fuzz_libs = %D%/libreplay.la $(unit_libs)
endif

# What the targets of controllers share.
check_LTLIBRARIES += %D%/libguest-script.la
%C%_libguest_script_la_SOURCES = %D%/guest-script.c %D%/guest-script.h
%C%_libguest_script_la_CPPFLAGS = $(emulator_test_cppflags)
controller_fuzz_libs = %D%/libguest-script.la emulator/libemulator-int.la $(fuzz_libs) $(JSON_LIBS)

sh_tests += %D%/replay-corpora.sh

fuzz_targets += %D%/ahci-fuzzer
%C%_ahci_fuzzer_CPPFLAGS = $(emulator_test_cppflags)
%C%_ahci_fuzzer_LDADD = $(controller_fuzz_libs)

fuzz_targets += %D%/chain-fuzzer
%C%_chain_fuzzer_LDADD = $(fuzz_libs)

fuzz_targets += %D%/nvme-fuzzer
%C%_nvme_fuzzer_CPPFLAGS = $(emulator_test_cppflags)
%C%_nvme_fuzzer_LDADD = $(controller_fuzz_libs)

fuzz_targets += %D%/partitions-fuzzer
%C%_partitions_fuzzer_LDADD = $(fuzz_libs)

fuzz_targets += %D%/scsi-fuzzer
%C%_scsi_fuzzer_CPPFLAGS = $(emulator_test_cppflags)
%C%_scsi_fuzzer_LDADD = $(controller_fuzz_libs)

fuzz_targets += %D%/vdi-fuzzer
%C%_vdi_fuzzer_LDADD = $(fuzz_libs)

fuzz_targets += %D%/vhd-fuzzer
%C%_vhd_fuzzer_LDADD = $(fuzz_libs)

fuzz_targets += %D%/virtio-scsi-fuzzer
%C%_virtio_scsi_fuzzer_CPPFLAGS = $(emulator_test_cppflags)
%C%_virtio_scsi_fuzzer_LDADD = $(controller_fuzz_libs)

fuzz_targets += %D%/vfio-user-fuzzer
%C%_vfio_user_fuzzer_CPPFLAGS = $(emulator_test_cppflags)
%C%_vfio_user_fuzzer_LDADD = tests/emulator/front/libfront.la emulator/libemulator-int.la \
	$(fuzz_libs) $(JSON_LIBS)

EXTRA_DIST += %D%/corpus
EXTRA_DIST += %D%/fuzz-image.h

# Fuzz targets alone, without the tests.
fuzzers: $(fuzz_targets)
.PHONY: fuzzers
