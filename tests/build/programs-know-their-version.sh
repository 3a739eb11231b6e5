#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The programs that tests find on PATH are those of the built tree, and print its version.
. "$top_srcdir/tests/test-lib.sh"

version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$top_builddir/common/config.h")
[ -n "$version" ] || fail "config.h has no version"

for program in vimg vimg-mount; do
	[ -e "$top_builddir/$program/$program" ] || { echo "$program is not built"; continue; }
	path=$(command -v $program)
	case $path in "$top_builddir"/*) ;; *) fail "$program is $path, not the built one" ;; esac
	said=$($program --version)
	case $said in "$program $version"*) ;; *) fail "$program --version says: $said" ;; esac
done
