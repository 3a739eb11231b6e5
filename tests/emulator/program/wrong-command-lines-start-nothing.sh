#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Mistakes on the command line of vimg-emulator end with 2 and one sentence, files that cannot be
# served with 1; no socket and no image is left behind.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
vimg create -q disk.vdi 16M
vimg create -q fixed.vdi 16M --fixed
vimg create -q base.vdi 16M
vimg create -q --parent base.vdi child.vdi
mkdir elsewhere
vimg create -q elsewhere/parent.vdi 16M
vimg create -q --parent elsewhere/parent.vdi orphan.vdi 2>/dev/null
printf 'KDMV%0512d' 0 >foreign.vmdk
printf '%01024d' 0 >cut.vdi
before=$(ls; sha256sum disk.vdi)

# mistake STATUS "PART OF THE SENTENCE" ARG...
mistake() {
	local want=$1 part=$2 status=0
	shift 2
	said=$(timeout 10 vimg-emulator "$@" 2>&1 </dev/null) || status=$?
	[ $status = "$want" ] || fail "$*: status $status, says: $said"
	grep -qF -e "$part" <<<"$said" || fail "$*: says: $said"
}

s='nvme,socket=s'
mistake 2 'serve, run or ctl'
mistake 2 'no command "sreve"' sreve
mistake 2 'no --controller' serve
mistake 2 'no option --disc' serve --disc a.vdi
mistake 2 'its value is missing' serve --disk
mistake 2 '--controller comes first' serve --disk disk.vdi
mistake 2 'no controller "ide"' serve --controller ide,socket=s
mistake 2 'socket= is missing' serve --controller nvme
mistake 2 'no option colour=' serve --controller nvme,socket=s,colour=red
mistake 2 'no option colour=' serve --controller $s --disk disk.vdi,colour=red
mistake 2 'no --group G' serve --controller $s --disk disk.vdi,group=G
mistake 2 'only options are expected' serve --controller $s --disk disk.vdi and more
mistake 2 'have the socket s' serve --controller $s --controller $s,name=other
mistake 2 'socket= is empty' serve --controller nvme,socket= --disk disk.vdi
mistake 2 'name of a socket' serve --control '' --controller $s --disk disk.vdi
mistake 2 'is there twice' serve --control a --control b --controller $s --disk disk.vdi
mistake 2 'mode= is there twice' serve --controller $s --disk disk.vdi,mode=readonly,mode=normal
mistake 2 'bootindex=x' run --controller nvme,bootindex=x --disk disk.vdi -- -m 64
mistake 2 'have bootindex=1' run --controller nvme,bootindex=1 --controller nvme,bootindex=1 -- -m 64
mistake 2 'arguments of QEMU' run --controller nvme --disk disk.vdi
mistake 2 'ctl CONTROL-SOCKET' ctl
mistake 2 'limit GROUP SIZE' ctl x limit
mistake 2 'no command "stop"' ctl x stop
mistake 2 'no option --jsno' ctl x status --jsno

# What only the controller or the drive knows to be wrong is the command line's fault as well.
mistake 2 'nsid=1' serve --controller $s --disk disk.vdi,nsid=1 --disk fixed.vdi,nsid=1
mistake 2 'nsid=x' serve --controller $s --disk disk.vdi,nsid=x
mistake 2 'longer than 20' serve --controller $s --disk disk.vdi,serial=123456789012345678901
mistake 2 'two disks are called x' serve --controller $s --disk disk.vdi,name=x --disk fixed.vdi,name=x
mistake 2 '--controller nvme: msix=maybe' serve --controller $s,msix=maybe
mistake 2 'queues=65: a number from 1 to 64' serve --controller $s,queues=65
mistake 2 'port=6: a number from 0 to 5' serve --controller ahci,socket=s --disk disk.vdi,port=6
mistake 2 'diff= goes with' serve --controller $s --disk disk.vdi,diff=x.vdi

mistake 2 '--controller nvme: name= is empty' serve --controller $s,name=
mistake 2 'there can be no / in it' serve --controller $s,name=a/b
mistake 2 'there can be no / in it' serve --controller $s --disk disk.vdi,name=nvme0/nsid=2
mistake 2 '",nsid=1": the name of an image' serve --controller $s --disk ,nsid=1
mistake 2 'there are vdi, vhd, raw' serve --controller $s --disk disk.vdi,format=qcow3
mistake 2 '--group G: limit= is there twice' serve --controller $s --group G,limit=1M,limit=2M
mistake 2 '--group G: limit "much"' serve --controller $s --group G,limit=much
mistake 2 'name of a folder' serve --controller $s --parent-dir '' --disk disk.vdi
mistake 2 'name of a folder' serve --controller $s --allow-dir '' --disk disk.vdi
mistake 2 'have the socket s' serve --controller $s --control s
mistake 2 '--no-sandbox=yes: this option takes no value' serve --no-sandbox=yes
mistake 2 'no option -x' serve -x

# Formats have the names that vimg takes.
mistake 1 'no footer' serve --controller $s --disk disk.vdi,format=VPC

mistake 1 'missing.vdi' serve --controller $s --disk missing.vdi
mistake 1 'only fixed ones can be shareable' serve --controller $s --disk disk.vdi,mode=shareable
mistake 1 'in use' serve --controller $s --disk disk.vdi --disk disk.vdi
mistake 1 'nowhere: cannot be used as a folder' serve --controller $s --parent-dir nowhere --disk disk.vdi
mistake 1 'nowhere' serve --controller nvme,socket=nowhere/s --disk disk.vdi
mistake 1 'disk.vdi' serve --controller nvme,socket=disk.vdi --disk fixed.vdi
mistake 1 'No such file' ctl nowhere status

# What can be done about it is said in this program's words.
mistake 1 'base.vdi' serve --controller $s --disk base.vdi
grep -q 'child.vdi has it as its parent.*; force=on allows it' <<<"$said" || fail "says: $said"
mistake 1 'parent=FILE, or its folder with --parent-dir DIR' serve --controller $s --disk orphan.vdi
for image in foreign.vmdk cut.vdi; do
	mistake 1 'say so with format=raw' serve --controller $s --disk $image
done

# A limit of the size of files is no reason to be killed.
(
	ulimit -f 1
	mistake 1 'disk-immutable.vdi: ' serve --controller $s --disk disk.vdi,mode=immutable
)

[ "$before" = "$(ls; sha256sum disk.vdi)" ] || fail "something was changed: $(ls)"
