#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg-emulator run without a QEMU, with one that is too old, with mistakes that the server finds:
# one sentence, the right status, and nothing left. Programs of our own stand in for QEMU.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
mkdir r
export XDG_RUNTIME_DIR=r
unset VIMG_QEMU
vimg create -q disk.vdi 16M

# run STATUS ARG...
run() {
	local want=$1 status=0
	shift
	timeout 20 vimg-emulator run "$@" >out 2>said </dev/null || status=$?
	[ $status = "$want" ] || fail "run $*: status $status, says: $(cat said)"
	[ -z "$(ls r)" ] || fail "run $*: left $(find r)"
}

# says "PART"
says() {
	grep -qF -e "$1" said || fail "says: $(cat said)"
}

cat >old-qemu <<'X'
#!/bin/sh
echo "$0: -device: 'vfio-user-pci' is not a valid device model name" >&2
exit 1
X
cat >qemu <<'X'
#!/bin/sh
[ "$*" != '-device vfio-user-pci,help' ] || exit 0
printf '%s\n' "$@"
exit 7
X
chmod +x old-qemu qemu

run 1 --controller nvme --disk disk.vdi -- no-such-qemu -m 64
says 'no-such-qemu cannot be started: No such file or directory; VIMG_QEMU'
VIMG_QEMU=$tmp/nowhere run 1 --controller nvme --disk disk.vdi -- -m 64
says "$tmp/nowhere cannot be started"
run 1 --controller nvme --disk disk.vdi -- ./disk.vdi -m 64
says 'Permission denied'
run 1 --controller nvme --disk disk.vdi -- ./old-qemu -m 64
says 'does not speak vfio-user'
run 2 --controller nvme --disk disk.vdi ./qemu -m 64
says '"./qemu": only options are expected before --'
run 1 --controller nvme --disk missing.vdi -- ./qemu
says 'missing.vdi'
run 2 --controller nvme --disk disk.vdi,nsid=0 -- ./qemu
says 'See vimg-emulator --help'
run 1 --control nowhere/c --controller nvme --disk disk.vdi -- ./qemu
says 'nowhere'

# A QEMU that runs: its status, and ids that it takes.
run 7 --controller nvme,name=first --disk disk.vdi --controller ahci,name=2nd,,x -- ./qemu -m 64
grep -q '"id":"first"' out || fail "its arguments: $(cat out)"
! grep -q '2nd' out || fail "its arguments: $(cat out)"

# Options that nothing comes of there.
run 7 --controller virtio-scsi --disk disk.vdi,model=M,serial=S,firmware=F -- ./qemu -m 64
says 'disk.vdi: model= of a disk has no effect on virtio-scsi'
! grep -qE '(serial|firmware)= of' said || fail "says: $(cat said)"
run 7 --controller nvme --disk disk.vdi,serial=S -- ./qemu -m 64
says 'disk.vdi: serial= of a disk has no effect on nvme'
run 7 --controller ahci --disk disk.vdi,model=M,serial=S,firmware=F -- ./qemu -m 64
! grep -q 'no effect' said || fail "says: $(cat said)"
