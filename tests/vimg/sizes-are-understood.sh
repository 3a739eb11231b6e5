#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sizes as people write them become the right number of bytes, and nothing else is taken for one.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"

# means SIZE BYTES: raw images have any size from 512 on.
means() {
	local said
	said=$(vimg create --force d.raw "$1" 2>/dev/null) || fail "$1 is not taken"
	case $said in *"($2 bytes)"*) ;; *) fail "$1 gives: $said" ;; esac
	[ "$(stat -c %s d.raw)" = "$2" ] || fail "$1 makes $(stat -c %s d.raw) bytes, not $2"
}

means 512 512
means 01000 1000
means 512b 512
means 512B 512
means 4s 2048
means 64K 65536
means 64k 65536
means 64KiB 65536
means 64KB 64000
means 10M 10485760
means 10m 10485760
means 10MiB 10485760
means 10MB 10000000
means 1.5M 1572864
means 1.25GiB 1342177280
means 2.5KB 2560
means 20G 21474836480
means 2T 2199023255552
means 1.3G 1395864576		# 1395864371.2, and up to the next sector
means 0.001G 1074176

for bad in '' ' ' 1.5 1. .5G 1.5s 1.5b 1KK 1Ki 1iB 1kb 1X 0x10 +5 1e6 '1 G' 1,5G 1_000 G nan inf \
	1.1.1G 1.1.1E 99999999999999999999X 1G\; ١G; do
	check_fails vimg create --force d.raw --size "$bad"
	case $said in *"a size is"* | *"not empty"*) ;; *) fail "'$bad': says: $said" ;; esac
done

for large in 8E 8.0E 8192P 9223372036854775808 18446744073709551616 99999999999999999999 9999999999999999999E; do
	check_fails vimg create --force d.raw "$large"
	case $said in *": too large; "*) ;; *) fail "'$large': says: $said" ;; esac
	check_fails vimg create --block-size "$large" --force d.vdi 1M
	case $said in *"--block-size $large: too large; "*) ;; *) fail "'$large': says: $said" ;; esac
done
means 00000000000000000000001M 1048576
