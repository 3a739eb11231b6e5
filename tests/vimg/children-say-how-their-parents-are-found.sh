#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg create --parent says how to open the new image where its parent would not be found without
# options; what it says works.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
mkdir -p far/away work/deep/here

# makes PATTERN WORD...: it makes that, and says so on stderr; nothing at all with an empty pattern.
makes() {
	local pattern=$1
	shift
	vimg create --force "$@" >/dev/null 2>said || fail "vimg create $* fails: $(cat said)"
	if [ -n "$pattern" ]; then
		grep -qE -e "^vimg: note: $pattern\$" said || fail "vimg create $*: says: $(cat said)"
		[ "$(wc -l <said)" = 1 ] || fail "vimg create $*: says: $(cat said)"
	else
		[ ! -s said ] || fail "vimg create $*: says: $(cat said)"
	fi
}

vimg create -q far/away/base.vdi 4M
vimg create -q far/away/base.vhd 4M
truncate -s 4M raw.img
child=work/deep/here/child.vdi

# Found around the child: nothing to say.
makes '' --parent far/away/base.vdi far/away/child.vdi
makes '' --parent far/away/child.vdi far/away/grandchild.vhd

makes "$child: .* open it with --parent far/away/base.vdi, or with --parent-dir far/away" --parent far/away/base.vdi "$child"
check_fails vimg info --chain "$child"
vimg info --chain --parent far/away/base.vdi "$child" >/dev/null
vimg info --chain --parent-dir far/away "$child" >/dev/null
makes '.*--parent far/away/base.vhd, or with --parent-dir far/away' --parent far/away/base.vhd work/deep/here/child.vhd
makes '' --quiet --parent far/away/base.vdi "$child"

# One without an id is found by nothing but its name.
makes '.*open it with --parent raw.img' --parent raw.img raw.vdi
vimg info --chain --parent raw.img raw.vdi >/dev/null
# Parents of parents: all that was given is wanted again.
makes '.*open it with --parent raw.vdi --parent raw.img' --parent raw.vdi --parent raw.img top.vdi
vimg info --chain --parent raw.vdi --parent raw.img top.vdi >/dev/null

# A copy of the parent lies where it is looked for.
cp far/away/base.vdi work/deep/here/copy.vdi
makes '.*here/copy.vdi would be taken as its parent; open it with --parent far/away/base.vdi' --parent far/away/base.vdi "$child"
