#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every file of the repository is named in some makefile, so that it gets into the archive: what is
# forgotten would be missed only by `make distcheck`, if at all.
. "$top_srcdir/tests/test-lib.sh"

requires git make
cd "$top_srcdir"
[ -e .git ] && tracked=$(git ls-files) || skip "this is no repository"

# A folder in EXTRA_DIST stands for all that is in it.
unset MAKEFLAGS MFLAGS
make -s -C "$top_builddir" print-distributed |
	while read -r name; do
		[ ! -d "$name" ] || find "$name" -type f
		echo "$name"
	done | sort -u >"$top_builddir/tests/build/distributed.txt"

forgotten=$(echo "$tracked" | grep -vE '^\.(git|ci/)' | sort | comm -23 - "$top_builddir/tests/build/distributed.txt")
[ -z "$forgotten" ] || fail "not distributed (add to a local.mk):" $forgotten
