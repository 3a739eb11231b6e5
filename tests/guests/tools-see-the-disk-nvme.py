# SPDX-License-Identifier: GPL-2.0-or-later
"""What nvme-cli and smartctl say about an NVMe controller and its namespaces, and do to them."""

CONTROLLERS = ["nvme"]
SECONDS = 25

SCRIPT = r"""
wait_disks 2
ctrl=/dev/nvme0
sectors=$((64 * 2048))

said=$(nvme id-ctrl $ctrl)
if [ -z "$peer" ]; then
	says "id-ctrl: vendor" '^vid +: 0x80ee$' "$said"
	says "id-ctrl: model" '^mn +: ORCL-VBOX-NVME-VER12 *$' "$said"
	says "id-ctrl: firmware" '^fr +: 1\.0 *$' "$said"
	says "id-ctrl: the first controller has VirtualBox's serial" '^sn +: VB1234-56789 *$' "$said"
	says "id-ctrl: subnqn" '^subnqn +: nqn\.' "$said"
	says "id-ctrl: version 1.4" '^ver +: 0x10400$' "$said"
fi
says "id-ctrl: entry sizes" '^sqes +: 0x66$' "$said"
says "id-ctrl: entry sizes" '^cqes +: 0x44$' "$said"
says "id-ctrl: a write cache" '^vwc +: 0x[1357]$' "$said"
oncs=$(echo "$said" | sed -n 's/^oncs *: //p')
[ $((oncs & 0xd)) = $((0xd)) ] || fail "id-ctrl: oncs $oncs lacks compare, dsm or write zeroes"

said=$(nvme id-ns $ctrl -n 1)
says "id-ns: size" "^nsze +: (0x20000|131072)$" "$said"
says "id-ns: sectors of 512 bytes" '^lbaf +[0-9]+ : ms:0 +lbads:9 .*in use' "$said"
says "list-ns" '0x2$' "$(nvme list-ns $ctrl)"
says "ns-descs" '^(uuid|eui64|nguid)' "$(nvme ns-descs $ctrl -n 1)"
refuses "id-ns of no namespace" 'INVALID_NS|[Ii]nvalid [Nn]amespace' nvme id-ns $ctrl -n 0x70000000
says "list" '/dev/nvme0n2' "$(nvme list)"
says "smart-log" '^critical_warning\s+: 0$' "$(nvme smart-log $ctrl)"
check "error-log" nvme error-log $ctrl
says "fw-log" '^frs1' "$(nvme fw-log $ctrl)"
check "effects-log" nvme effects-log $ctrl
for f in 1 2 4 '5 -n 1' 6 7 8 9 0xa 0xb; do
	check "get-feature $f" nvme get-feature $ctrl -f $f
done
refuses "get-feature of no feature" 'INVALID_FIELD|[Ii]nvalid [Ff]ield' nvme get-feature $ctrl -f 0x55
check "set-feature: temperature threshold" nvme set-feature $ctrl -f 4 -v 0x150
says "get-feature: as set" '0x0*150$' "$(nvme get-feature $ctrl -f 4)"

# Commands of the NVM set, one by one: write a pattern, compare, verify, zero and deallocate it.
random_file /tmp/pattern 1 7
io="-s 2048 -c 7 -z 4096"
check "write" nvme write ${ctrl}n1 $io -d /tmp/pattern
check "flush" nvme flush ${ctrl}n1 -n 1
check "read" nvme read ${ctrl}n1 $io -d /tmp/back
cmp -n 4096 /tmp/pattern /tmp/back || fail "read gives other bytes than write took"
check "compare" nvme compare ${ctrl}n1 $io -d /tmp/pattern
head -c 4096 /dev/zero >/tmp/zeros
refuses "compare with others" 'COMPARE|[Cc]ompare' nvme compare ${ctrl}n1 $io -d /tmp/zeros
if [ $((oncs & 0x80)) != 0 ]; then
	check "verify" nvme verify ${ctrl}n1 -s 2048 -c 7
fi
check "write-zeroes" nvme write-zeroes ${ctrl}n1 -s 2048 -c 3
check "dsm" nvme dsm ${ctrl}n1 -n 1 --ad -b 4 -s 2052
check "read" nvme read ${ctrl}n1 $io -d /tmp/back
cmp /tmp/zeros /tmp/back || fail "zeroed and deallocated blocks do not read as zeros"
refuses "read past the end" 'LBA_RANGE|[Oo]ut of [Rr]ange' \
	nvme read ${ctrl}n1 -s $sectors -c 0 -z 512 -d /tmp/back
refuses "an opcode of nobody" 'INVALID_OPCODE|[Ii]nvalid.*[Oo]pcode' \
	nvme io-passthru ${ctrl}n1 --opcode=0x7f -n 1

refuses "subsystem-reset" 'not supported' nvme subsystem-reset $ctrl
for o in 'write-uncor -s 0 -c 0' 'format -f -l 0' 'device-self-test -s 1' 'sanitize -a 2'; do
	case $o in
	[wf]*) on=${ctrl}n1 ;;
	*) on=$ctrl ;;
	esac
	[ -n "$peer" ] || refuses "nvme $o" 'INVALID_OPCODE|[Ii]nvalid.*[Oo]pcode' nvme ${o%% *} $on ${o#* }
done
[ -n "$peer" ] || refuses "a length that does not fit" 'INVALID_FIELD|[Ii]nvalid [Ff]ield' \
	nvme io-passthru ${ctrl}n1 --opcode=2 -n 1 -r -l 512 --cdw12=0xffff
said=$(smartctl -x $ctrl) || true
says "smartctl" '^SMART overall-health self-assessment test result: PASSED' "$said"
says "lsscsi" '/dev/nvme0n1' "$(lsscsi)"
"""


def test(case):
	disks = [case.disk("one.vdi", 64 << 20, 0), case.disk("two.vdi", 32 << 20, 1)]
	server = case.serve(*disks)
	machine = case.boot(SCRIPT)
	machine.run(seconds=150)
	server.stop()
	for disk in disks:
		disk.must_be_sound()
