#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every fuzz target survives every file of its corpus, tests/fuzz/corpus/NAME/ for NAME-fuzzer.
. "$top_srcdir/tests/test-lib.sh"

[ -n "${FUZZ_TARGETS// /}" ] || skip "there is no fuzz target yet"

for target in $FUZZ_TARGETS; do
	name=$(basename "$target" -fuzzer)
	corpus=$top_srcdir/tests/fuzz/corpus/$name
	[ -d "$corpus" ] || fail "$target has no corpus: put a few small files into $corpus"
	echo "== $name"
	find "$corpus" -type f -print0 | LC_ALL=C sort -z |
		xargs -0 -r timeout 300 "$top_builddir/$target" || fail "$target failed"
done
