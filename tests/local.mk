# One local.mk for the tests of each room; see README.md for what to add.
EXTRA_DIST += \
	%D%/README.md \
	%D%/test.h \
	%D%/test-lib.sh

include %D%/build/local.mk
include %D%/common/local.mk
include %D%/storage/local.mk
include %D%/core/local.mk
include %D%/chain/local.mk
include %D%/libvdisk/local.mk
include %D%/format/local.mk
include %D%/fsreaders/local.mk
include %D%/vimg-mount/local.mk
include %D%/vimg/local.mk
include %D%/emulator/local.mk
include %D%/oracle/local.mk
include %D%/examples/local.mk
include %D%/guests/local.mk
include %D%/fuzz/local.mk
include %D%/data/local.mk

TEST_EXTENSIONS = .sh
LOG_COMPILER = $(top_builddir)/run
SH_LOG_COMPILER = $(top_builddir)/run
AM_TESTS_ENVIRONMENT = \
	CC='$(CC)' CXX='$(CXX)' NM='$(NM)' \
	SAN_CFLAGS='$(SAN_CFLAGS)' FUZZ_TARGETS='$(fuzz_targets)' \
	export CC CXX NM SAN_CFLAGS FUZZ_TARGETS;

TESTS = $(c_tests) $(sh_tests)
dist_check_SCRIPTS = $(sh_tests)


# The unit tests under valgrind.
VALGRIND_FLAGS = --quiet --leak-check=full --show-leak-kinds=definite,indirect,possible \
	--errors-for-leak-kinds=definite,indirect --error-exitcode=99 --child-silent-after-fork=yes
check-valgrind: all $(c_tests)
	@test -n '$(VALGRIND)' || { echo 'valgrind is not there'; exit 1; }
if SANITIZERS
	@echo 'check-valgrind does not work with sanitizers'; exit 1
endif
	VIMG_TEST_QUICK=1 $(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(c_tests)' \
		LOG_COMPILER='$(top_builddir)/run $(VALGRIND) $(VALGRIND_FLAGS)'
.PHONY: check-valgrind

print-distributed:
	@for f in check $(DISTFILES); do echo "$${f#$(srcdir)/}"; done
.PHONY: print-distributed
