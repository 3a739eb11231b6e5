#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# libvdisk.so exports what vdisk.h declares VD_PUBLIC, all of it vd_*, and nothing else.
. "$top_srcdir/tests/test-lib.sh"

so=$top_builddir/libvdisk/.libs/libvdisk.so
[ -e "$so" ] || skip "there is no shared library in this build"

exported=$(${NM:-nm} -D --defined-only "$so" | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort -u)
# Sanitizers and coverage add symbols of their own.
strangers=$(grep -Ev '^(vd_|_init$|_fini$|__asan_|__odr_asan|__ubsan_|__tsan_|__sancov_|__sanitizer_|__start_|__stop_)' \
	<<<"$exported" || true)
[ -z "$strangers" ] || fail "exported, but not vd_*:" $strangers

declared=$(tr '\n' ' ' <"$top_srcdir/libvdisk/vdisk.h" |
	grep -oE '\bVD_PUBLIC [^;()]*\b(vd_[a-z0-9_]+) ?\(' | sed -E 's/.*\b(vd_[a-z0-9_]+) ?\($/\1/' | sort -u)
[ -n "$declared" ] || fail "found no declaration in vdisk.h"
missing=$(comm -13 <(echo "$exported") <(echo "$declared"))
[ -z "$missing" ] || fail "declared in vdisk.h, but not exported:" $missing
hidden=$(comm -23 <(grep '^vd_' <<<"$exported") <(echo "$declared"))
[ -z "$hidden" ] || fail "exported, but not declared in vdisk.h:" $hidden
