#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each room's public header compiles with nothing before it, with nothing of ours on the path, without
# GNU extensions, as C and (what is installed) as C++. Those of common/ compile alone too.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
warn='-Wall -Wextra -Werror'

# compiles LANGUAGE STANDARD HEADER
compiles() {
	# Twice, for the include guard.
	printf '#include "%s"\n#include "%s"\n' "$3" "$3" >"$tmp/alone.$1"
	local compiler=${CC:-cc}
	[ "$1" = c ] || compiler=${CXX:-c++}
	command -v ${compiler%% *} >/dev/null || { echo "no $compiler: not tried as $1"; return 0; }
	$compiler -std=$2 $warn -fsyntax-only "$tmp/alone.$1" || fail "$3 does not compile alone as $1 ($2)"
}

for header in libvdisk/vdisk.h fsreaders/fsreaders.h registry/registry.h; do
	file=$top_srcdir/$header
	[ -e "$file" ] || continue
	echo "$header"
	! grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file" || fail "$header includes a header of ours"
	compiles c gnu11 "$file"
	compiles cc gnu++14 "$file"
	[ $header != libvdisk/vdisk.h ] || compiles c c11 "$file"
done

for file in "$top_srcdir"/common/*.h; do
	case $file in */config.h) continue ;; esac
	compiles c gnu11 "$file"
done
