#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The programs in examples/ do what they say, on a disk of VirtualBox with its snapshots, and fail where
# they should.
. "$top_srcdir/tests/test-lib.sh"

examples=$top_builddir/examples
tmpdir
cd "$tmp"
tar -xJf "$top_srcdir/tests/data/vm-chain.tar.xz"

while read -r hash image; do
	for reader in cat-disk async-reads; do
		"$examples/$reader" "$image" >out || fail "$reader fails"
		[ "$(sha256 out)" = "$hash" ] || fail "$reader $image gives other bytes"
	done
done <"$top_srcdir/tests/data/vm-chain.sha256"

image=vm-chain/base.vdi
"$examples/list-partitions" $image >out || fail "list-partitions fails"
grep -qE '^table: ' out || fail "no table: $(cat out)"
grep -qE '^2: offset 9437184, size [0-9]+, Linux' out || fail "no Linux partition: $(cat out)"

# Less than a piece, and what is no multiple of one.
for size in 512 262144 1049088; do
	head -c $size /dev/urandom >disk.raw
	for reader in cat-disk async-reads; do
		"$examples/$reader" disk.raw | cmp - disk.raw || fail "$reader: other bytes of $size"
	done
done

for program in cat-disk async-reads list-partitions; do
	check_fails "$examples/$program"
	check_fails "$examples/$program" missing.vdi
	case $said in *missing.vdi*) ;; *) fail "$program says: $said" ;; esac
	! "$examples/$program" $image >/dev/full 2>said || fail "$program succeeds though its output is lost"
done

# An image that ends too early is an error, and not zeros.
vimg create -q --fixed cut.vdi 4M
truncate -s 3M cut.vdi
for reader in cat-disk async-reads; do
	check_fails bash -c "\"\$0\" cut.vdi >/dev/null" "$examples/$reader"
done
