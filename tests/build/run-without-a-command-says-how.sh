#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# build/run without a command prints one line on how to use it and ends with 2.
. "$top_srcdir/tests/test-lib.sh"

status=0
said=$("$top_builddir/run" 2>&1 >/dev/null) || status=$?
[ $status = 2 ] || fail "exit $status"
case $said in "usage: $top_builddir/run COMMAND"*) ;; *) fail "says: $said" ;; esac
[ "$("$top_builddir/run" echo well)" = well ] || fail "it does not run a command"
