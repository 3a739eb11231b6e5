#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tables written by sfdisk, sgdisk and parted are listed as the program that wrote them says, with
# sectors of 512 and of 4096 bytes; what each program lists beyond that is the extended partition.
. "$top_srcdir/tests/test-lib.sh"

requires sfdisk sgdisk parted
table=$(realpath "$top_builddir/tests/fsreaders/print-table")
tmpdir
cd "$tmp"

# expect FILE [-SECTOR_SIZE] <<<"NAME SECTOR_SIZE / NUMBER START SECTORS TYPE NAME..."
expect() {
	local file=$1
	shift
	"$table" "$@" "$file" | grep -v '^!' | awk -F'\t' 'NR == 1 { print $1, $2; next } { print $1, $2, $3, $4, $6 }' |
		sed 's/ *$//' >got
	cat >expected
	diff -u expected got || fail "$file is not as expected"
}

# as_sfdisk_says FILE: number, start, sectors and type agree, the extended partition left out.
as_sfdisk_says() {
	sfdisk -d "$1" |
		sed -nE "s/^$1([0-9]+) : start= *([0-9]+), size= *([0-9]+), type=([^, ]+).*/\\1 \\2 \\3 \\4/p" |
		awk '{
			type = tolower($4)
			if (length(type) == 1) type = "0" type
			if (length(type) == 2) type = "0x" type
			if (type !~ /^0x(05|0f|85)$/) print $1, $2, $3, type
		}' >expected
	[ -s expected ] || fail "sfdisk says nothing about $1"
	"$table" "$1" | awk -F'\t' 'NR > 1 { print $1, $2, $3, $4 }' >got
	diff -u expected got || fail "sfdisk sees $1 otherwise"
}

# quietly COMMAND...: parted asks for udevadm, and talks.
quietly() {
	"$@" >log 2>&1 || { cat log; fail "$*"; }
}

# disk NAME
disk() {
	truncate -s 64M "$1"
}

disk mbr
quietly sfdisk -q mbr <<'END'
label: dos
label-id: 0x8cad3deb
,4M,a5
,4M,L,*
,,E
,4M,7
,5M,82
,6M,c
END
as_sfdisk_says mbr
disk mbr-disorder
quietly sfdisk -q mbr-disorder <<'END'
label: dos
4: start=2048,size=2048,type=83
1: start=40960,size=2048,type=b
2: start=8192,size=8192,type=f
5: start=10240,size=1024,type=83
END
as_sfdisk_says mbr-disorder

disk gpt
quietly sgdisk -n 1:0:+5M -t 1:ef00 -n 2:0:+5M -t 2:8300 -n 7:0:+9M -t 7:a504 -c 7:$'na"me\\' -A 1:set:2 gpt
as_sfdisk_says gpt
cp gpt gpt-damaged
printf x | dd of=gpt-damaged bs=1 seek=600 conv=notrunc status=none
"$table" gpt >got-primary
"$table" gpt-damaged | grep -v '^!' >got-backup
"$table" gpt-damaged | grep -q '^! The primary GPT is damaged' || fail "no word about the damage"
cmp got-primary got-backup
cp gpt gpt-hybrid
quietly sgdisk -h 1:2 gpt-hybrid
[ "$("$table" gpt-hybrid | head -1)" = "gpt (hybrid MBR)	512" ] || fail "not seen as hybrid"
as_sfdisk_says gpt-hybrid
disk gpt-many
quietly sgdisk -S 1024 -n 1000:0:+1M -t 1000:8e00 -n 3:0:+1M gpt-many
as_sfdisk_says gpt-many

export PARTED_SECTOR_SIZE=4096
disk gpt-4096
quietly parted -s gpt-4096 mklabel gpt mkpart a 1MiB 20MiB mkpart b 20MiB 40MiB set 1 esp on
expect gpt-4096 <<'END'
gpt 4096
1 256 4864 c12a7328-f81f-11d2-ba4b-00a0c93ec93b a
2 5120 5120 0fc63daf-8483-4772-8e79-3d69d8477de4 b
END
disk mbr-4096
quietly parted -s mbr-4096 mklabel msdos mkpart primary 1MiB 20MiB mkpart extended 20MiB 60MiB \
	mkpart logical 21MiB 40MiB mkpart logical 41MiB 50MiB
for sector_size in '' -4096; do
	expect mbr-4096 $sector_size <<'END'
mbr 4096
1 256 4864 0x83
5 5376 4864 0x83
6 10496 2304 0x83
END
done

for sector_size in 512 2048; do
	export PARTED_SECTOR_SIZE=$sector_size
	unit=$((1024 * 1024 / sector_size))
	disk mac-$sector_size
	LC_ALL=C.UTF-8 quietly parted -s mac-$sector_size mklabel mac mkpart hfs 1MiB 20MiB \
		mkpart ext2 20MiB 40MiB name 2 Ünï
	expect mac-$sector_size <<END
apm $sector_size
1 1 63 Apple_partition_map Apple
2 $unit $((19 * unit)) Apple_UNIX_SVR2 Ünï
3 $((20 * unit)) $((20 * unit)) Apple_UNIX_SVR2 ext2
END
done
for sector_size in 512 4096; do
	export PARTED_SECTOR_SIZE=$sector_size
	unit=$((1024 * 1024 / sector_size))
	disk bsd-$sector_size
	quietly parted -s bsd-$sector_size mklabel bsd mkpart 1MiB 20MiB mkpart 20MiB 40MiB
	# parted leaves the checksum as it was before the last partition, and we say so.
	expect bsd-$sector_size <<END
bsd $sector_size
1 $unit $((19 * unit)) bsd:8 a
2 $((20 * unit)) $((20 * unit)) bsd:8 b
END
done
