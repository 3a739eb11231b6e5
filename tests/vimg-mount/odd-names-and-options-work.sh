#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Names with blanks, commas and backslashes; options of FUSE; a mount point that is the current folder.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
tmpdir
mkdir "$tmp/w e,i\\r"
cd "$tmp/w e,i\\r"
image='a b,c\d=e.img'
point='m o,u\n'
head -c 3M /dev/urandom >"$image"

for options in "" "-o max_read=65536" "-o direct_io,,max_read=8192" "-o auto_unmount" "-o fsname=x\\,y,noexec" \
	"--rw -o clone_fd,sync"; do
	mount_image "$point" $options --image "$image"
	cmp "$image" "$point/vhdd"
	[ -L "$point/$image" ] || fail "no link: $(ls "$point")"
	cmp "$image" "$point/$image"
	vimg-mount -u "$point"
	! mountpoint -q "$point" || fail "still mounted, with $options"
done

mount_image "$point" --image "$image"
[[ $(findmnt -n -o SOURCE "$point") == *"/w e,i\\r/$image" ]] || fail "$(findmnt "$point")"
vimg-mount -u "$point"

cd "$point"
vimg-mount --image "../$image" .
cmp "../$image" "$PWD/vhdd"
cd ..
vimg-mount -u "$point/"
