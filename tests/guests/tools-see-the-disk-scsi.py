# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sg3-utils, lsscsi and smartctl say about a SCSI disk, and do to it."""

CONTROLLERS = ["virtio-scsi"]
SECONDS = 30

SCRIPT = r"""
wait_disks 2

said=$(sg_inq $disk)
if [ -z "$peer" ]; then
	says "sg_inq: vendor" 'Vendor identification: VBOX' "$said"
	says "sg_inq: product" 'Product identification: HARDDISK' "$said"
	says "sg_inq: revision" 'Product revision level: 1\.0' "$said"
	says "sg_vpd 80: the serial is made of the UUID" "$serial" "$(sg_vpd -p 0x80 $disk)"
	says "lsscsi" 'disk +VBOX +HARDDISK +1\.0' "$(lsscsi)"
fi
says "sg_inq: a disk" 'PDT=0' "$said"
says "sg_inq: commands are queued" 'CmdQue=1' "$said"

said=$(sg_vpd -p 0x00 $disk)
for page in 'Unit serial number' 'Device identification' 'Block limits' \
		'Block device characteristics' 'Logical block provisioning'; do
	says "sg_vpd 00: $page" "$page" "$said"
done
says "sg_vpd 83" 'Addressed logical unit' "$(sg_vpd -p 0x83 $disk)"
said=$(sg_vpd -p 0xb0 $disk)
says "sg_vpd b0: unmap" 'Maximum unmap LBA count: (-1|[1-9])' "$said"
says "sg_vpd b0: descriptors" 'Maximum unmap block descriptor count: [1-9]' "$said"
check "sg_vpd b1" sg_vpd -p 0xb1 $disk
said=$(sg_vpd -p 0xb2 $disk)
says "sg_vpd b2: UNMAP" 'LBPU\): 1' "$said"
says "sg_vpd b2: WRITE SAME (16)" 'LBPWS\): 1' "$said"
refuses "sg_vpd of no page" 'failed' sg_vpd -p 0x9f $disk

said=$(sg_modes -a $disk)
says "sg_modes: caching" 'Caching' "$said"
[ -n "$peer" ] || says "sg_modes: control" 'Control' "$said"
says "the kernel sees a write cache" 'write back' "$(cat /sys/class/scsi_disk/*/cache_type)"

said=$(sg_readcap --16 $disk)
says "sg_readcap: last block" 'Last LBA=131071 ' "$said"
says "sg_readcap: thin" 'lbpme=1' "$said"
says "sg_readcap: block length" 'Logical block length=512 bytes' "$said"
says "sg_readcap 10" 'Last LBA=131071 ' "$(sg_readcap $disk)"
said=$(sg_luns $disk)
says "sg_luns" '0000000000000000' "$said"
said=$(sg_opcodes $disk) || [ -n "$peer" ]
for op in Inquiry 'Read\(10\)' 'Read\(16\)' 'Write\(10\)' 'Write\(16\)' Unmap 'Write same\(16\)' \
		'Synchronize cache\(10\)' 'Verify\(10\)' 'Report luns' 'Report supported operation codes'; do
	[ -n "$peer" ] || says "sg_opcodes: $op" "$op" "$said"
done
check "sg_turs" sg_turs $disk
check "sg_requests" sg_requests $disk
check "sg_sync" sg_sync $disk
check "sg_start" sg_start --start $disk

# Write, verify, compare, unmap, write the same.
random_file /tmp/pattern 1 7
check "sg_dd writes" sg_dd if=/tmp/pattern of=$disk bs=512 count=256 seek=4096
check "sg_verify" sg_verify --lba=4096 --count=128 $disk
head -c 4096 /tmp/pattern >/tmp/part
head -c 4096 /dev/zero >/tmp/zeros
if [ -z "$peer" ]; then
	check "sg_verify compares" sg_verify --lba=4096 --count=8 --ndo=4096 --in=/tmp/part $disk
	refuses "sg_verify finds a difference" '[Mm]iscompare' \
		sg_verify --lba=4096 --count=8 --ndo=4096 --in=/tmp/zeros $disk
fi
blocks() {
	dd if=$disk bs=512 iflag=direct skip=$1 count=$2 2>/dev/null
}
check "sg_unmap" sg_unmap --force --lba=4096 --num=8 $disk
blocks 4096 8 | cmp - /tmp/zeros || fail "unmapped blocks do not read as zeros"
check "sg_write_same 16" \
	sg_write_same --16 --lba=4104 --num=8 --xferlen=512 --in=/tmp/zeros $disk
blocks 4104 8 | cmp - /tmp/zeros || fail "WRITE SAME wrote something else"
check "sg_write_same with unmap" \
	sg_write_same --16 --unmap --lba=4112 --num=8 --xferlen=512 --in=/tmp/zeros $disk
blocks 4112 8 | cmp - /tmp/zeros || fail "WRITE SAME with UNMAP left something"
head -c 512 /tmp/pattern >/tmp/one
check "sg_write_same of data" sg_write_same --10 --lba=4120 --num=4 --xferlen=512 --in=/tmp/one $disk
cat /tmp/one /tmp/one /tmp/one /tmp/one >/tmp/four
blocks 4120 4 | cmp - /tmp/four || fail "WRITE SAME did not repeat the block"
[ -n "$peer" ] || refuses "past the end" '[Oo]ut of range' sg_verify --lba=131072 --count=1 $disk
refuses "an opcode of nobody" '[Ii]nvalid command operation code|[Ii]llegal request|Invalid opcode' \
	sg_raw $disk ff 00 00 00 00 00

# What was never written, or unmapped, is a hole.
if [ -z "$peer" ]; then
	said=$(sg_get_lba_status --lba=8 /dev/$(disks | sed -n 2p))
	says "sg_get_lba_status: a hole" 'LBA: 0x0*8 +blocks: +65528 +deallocated' "$said"
	said=$(sg_get_lba_status --lba=4120 $disk)
	says "sg_get_lba_status: data" 'LBA: 0x0*1018 +blocks: +[0-9]+ +mapped' "$said"
	says "sg_get_lba_status: the next hole" 'blocks: +[0-9]+ +deallocated' "$(sg_get_lba_status $disk)"
	check "sg_compare_and_write" sg_compare_and_write --lba=4104 --in=/tmp/zeros --num=1 --xferlen=1024 $disk
	for c in 'sg_persist -k' 'sg_sanitize -Q --fail' sg_rbuf sg_read_buffer 'sg_format -Q --format -e'; do
		refuses "$c" '[Ii]nvalid (command )?op(eration )?code|not supported' $c $disk
	done
	check "smartctl -t short" smartctl -t short $disk
fi
smartctl -x $disk >/tmp/said || true
says "smartctl" 'User Capacity: +67,108,864 bytes' "$(cat /tmp/said)"
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
