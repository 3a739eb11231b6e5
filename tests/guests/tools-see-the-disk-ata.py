# SPDX-License-Identifier: GPL-2.0-or-later
"""What hdparm, smartctl, lsscsi and the sg3-utils (through libata) say about an ATA disk, and do to it."""

CONTROLLERS = ["ahci"]
SECONDS = 20

SCRIPT = r"""
wait_disks 2

said=$(hdparm -I $disk)
if [ -z "$peer" ]; then
	says "hdparm: model" 'Model Number: +VBOX HARDDISK' "$said"
	says "hdparm: the serial is made of the UUID" "Serial Number: +$serial" "$said"
	says "hdparm: firmware" 'Firmware Revision: +1\.0' "$said"
	says "lsscsi" 'disk +ATA +VBOX HARDDISK +1\.0' "$(lsscsi)"
	says "hdparm: SATA" 'Gen[123] signaling speed' "$said"
fi
says "hdparm: LBA48" '48-bit Address feature set' "$said"
says "hdparm: sectors" 'LBA48? +user addressable sectors: +131072' "$said"
says "hdparm: NCQ" 'Queue depth: 32' "$said"
says "hdparm: NCQ" 'Native Command Queueing \(NCQ\)' "$said"
[ -n "$peer" ] || says "hdparm: trim" 'Data Set Management TRIM supported' "$said"
says "hdparm: flush" 'FLUSH_CACHE_EXT' "$said"
says "hdparm -C" 'drive state is: +active/idle' "$(hdparm -C $disk)"
check "hdparm -W" hdparm -W $disk
check "standby" hdparm -y $disk
check "a read wakes it" dd if=$disk of=/dev/null bs=4096 count=1 iflag=direct
check "hdparm --read-sector" hdparm --read-sector 5 $disk

said=$(sg_inq $disk)
says "sg_inq" 'Vendor identification: ATA' "$said"
says "sg_vpd 89: the identity" 'SAT Vendor' "$(sg_vpd -p 0x89 $disk)"
says "sg_readcap" 'Last LBA=131071 ' "$(sg_readcap --16 $disk)"
check "sg_sync" sg_sync $disk

random_file /tmp/pattern 1 7
head -c 4096 /dev/zero >/tmp/zeros
check "write" dd if=/tmp/pattern of=$disk bs=512 count=256 seek=4096 oflag=direct conv=fsync
check "sg_verify" sg_verify --lba=4096 --count=128 $disk
check "trim" hdparm --please-destroy-my-drive --trim-sector-ranges 4096:8 $disk
dd if=$disk bs=512 iflag=direct skip=4096 count=8 2>/dev/null | cmp - /tmp/zeros ||
	fail "trimmed sectors do not read as zeros"
dd if=$disk bs=512 iflag=direct skip=4104 count=8 2>/dev/null >/tmp/back
tail -c +4097 /tmp/pattern | head -c 4096 | cmp - /tmp/back || fail "a neighbour of trimmed sectors changed"

if [ -z "$peer" ]; then
	check "a self-test" smartctl -t short $disk
	check "another one" smartctl -t long $disk
	said=$(smartctl -l xselftest,selftest $disk) || wrong "self-tests are not told"
	says "smartctl: a self-test" 'Short offline +Completed without error' "$said"
	says "smartctl: another one" 'Extended offline +Completed without error' "$said"
	says "smartctl: the link" '0x000a .* Device-to-host register FISes sent due to a COMRESET' \
		"$(smartctl -l sataphy $disk)"
	check "sg_sat_phy_event" sg_sat_phy_event $disk
	for o in '--security-erase x' --security-freeze; do
		hdparm $o $disk >/tmp/said 2>&1 || true
		says "hdparm $o: aborted" ' 04 51 ' "$(cat /tmp/said)"
	done
fi
smartctl -x $disk >/tmp/said || wrong "smartctl -x: status $?"
says "smartctl" 'User Capacity: +67,108,864 bytes' "$(cat /tmp/said)"
! dmesg | grep -E 'ata[0-9.]+: (hard|soft) resetting|failed command|exception Emask' >&2 || wrong "it was reset"
"""


def test(case):
	disks = [case.disk("one.vdi", 64 << 20, 0), case.disk("two.vdi", 32 << 20, 1)]
	serial = disks[0].serial()
	server = case.serve(*disks)
	machine = case.boot("serial=%s\n" % serial + SCRIPT)
	machine.run(seconds=150)
	server.stop()
	for disk in disks:
		disk.must_be_sound()
