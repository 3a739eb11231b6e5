#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every option that the command line knows is in --help and in the manual page.
. "$top_srcdir/tests/test-lib.sh"

requires vimg-mount
help=$(vimg-mount --help)
manual=$(sed 's/\\//g' "$top_srcdir/man/vimg-mount.1")
options=$(sed -nE 's/^\t\{ "([a-z-]+)",.*/\1/p' "$top_srcdir/vimg-mount/options.c")
[ "$(wc -w <<<"$options")" -gt 15 ] || fail "options.c was not understood: $options"
for option in $options; do
	grep -q -e "--$option\b" <<<"$help" || fail "--$option is not in --help"
	grep -q -e "--$option\b" <<<"$manual" || fail "--$option is not in the manual page"
done
