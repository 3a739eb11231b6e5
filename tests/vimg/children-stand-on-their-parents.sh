#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg create --parent makes differencing images of both formats that have them, on each other and on
# raw; info lists the chain; a parent that cannot be is refused, and nothing is made.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"

# paths IMAGE [OPTION...]: the files of its chain, in one line.
paths() {
	vimg info --json "$@" >json
	grep -q '"chain-complete": true' json || fail "the chain of $* is not complete"
	sed -nE 's/^ *"path": "(.*\/)?([^/]*)",$/\2/p' json
}

# is WHAT FOUND EXPECTED
is() {
	[ "$(xargs <<<"$2")" = "$3" ] || fail "$1 is $2, not $3"
}

vimg create -q base.vdi 64M
vimg create -q base.vhd 64M

# The child is as large as its parent unless told otherwise, and says whose child it is.
said=$(vimg create --parent base.vdi child.vdi)
case $said in *", differencing, 64.0M (67108864 bytes), "*", parent base.vdi") ;; *) fail "it says: $said" ;; esac
is "the chain" "$(paths child.vdi)" "child.vdi base.vdi"
vimg create -q -b base.vdi large.vdi 96M
case $(vimg info large.vdi) in *"Virtual size:  96.0M"*) ;; *) fail "the child is not larger" ;; esac

vimg create -q --diffparent base.vhd child.vhd
is "the chain" "$(paths child.vhd)" "child.vhd base.vhd"

# Formats may be mixed, in a folder below and from one.
mkdir Snapshots
vimg create -q --parent child.vdi Snapshots/grandchild.vhd
is "the chain" "$(paths Snapshots/grandchild.vhd)" "grandchild.vhd child.vdi base.vdi"
vimg create -q --parent Snapshots/grandchild.vhd Snapshots/last.vdi
is "the chain" "$(paths Snapshots/last.vdi)" "last.vdi grandchild.vhd child.vdi base.vdi"
vimg check -q --chain Snapshots/last.vdi || fail "the chain is not sound"
[ "$(vimg check --chain Snapshots/last.vdi | wc -l)" = 4 ] || fail "check --chain does not check four images"

# A raw parent has no id: it must be named, and is listed as taken on trust.
truncate -s 64M base.raw
vimg create -q --parent base.raw on-raw.vdi
is "the chain" "$(paths --parent base.raw on-raw.vdi)" "on-raw.vdi base.raw"
vimg info --parent base.raw on-raw.vdi | grep -q '^Note: .*no id' || fail "info does not say that the parent has no id"
# On that another one; the parents' parents are named after the parent.
vimg create -q --parent on-raw.vdi --parent base.raw top.vdi
is "the chain" "$(paths --parent on-raw.vdi --parent base.raw top.vdi)" "top.vdi on-raw.vdi base.raw"

# Parents elsewhere.
mkdir elsewhere below
mv base.vhd elsewhere
check_fails vimg create --parent child.vhd new.vhd
case $said in *child.vhd*) ;; *) fail "it says: $said" ;; esac
vimg create -q --parent child.vhd --parent-dir elsewhere below/new.vhd
is "the chain" "$(paths --parent-dir elsewhere --parent-dir . below/new.vhd)" "new.vhd child.vhd base.vhd"

# refused PATTERN VIMG'S-WORDS...: fails with that in the message, and the folder stays as it was.
refused() {
	local pattern=$1 before
	shift
	before=$(ls -ARls)
	check_fails vimg create "$@"
	grep -qE "$pattern" <<<"$said" || fail "vimg create $* says: $said"
	[ "$(ls -ARls)" = "$before" ] || fail "vimg create $* changed the folder"
}

refused 'missing.vdi.*No such file' --parent missing.vdi x.vdi
refused 'in the chain of its parent' --force --parent child.vdi base.vdi
refused 'in the chain of its parent' --force --parent child.vdi child.vdi
refused 'no parent|no differencing' --parent base.vdi x.raw
refused 'cannot be fixed' --fixed --parent base.vdi x.vdi
refused 'child.vhd' --parent child.vhd x.vhd
vimg create -q stranger.vhd 64M
refused 'should have the id' --parent child.vhd --parent stranger.vhd x.vhd
vimg create -q --force-parent --parent child.vhd --parent stranger.vhd x.vhd || fail "--force-parent does not help"
