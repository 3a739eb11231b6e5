#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No room includes what DESIGN does not allow it: each #include "..." of a room must name a file that
# lies in one of the folders, or is one of the public headers, that the room may see.
. "$top_srcdir/tests/test-lib.sh"

cd "$top_srcdir"
status=0
headers=$(find . -name '*.h' -not -path './b/*' -not -path './build/*' | cut -c3-)

# complain FILE:LINE TEXT...
complain() {
	echo "$*" >&2
	status=1
}

# room FOLDER ALLOWED...: ALLOWED is a folder (FOLDER/) or a header. The room may see itself.
room() {
	local folder=$1 file line name place allowed found
	shift
	[ -d "$folder" ] || return 0
	while IFS=: read -r file line name; do
		name=$(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]([^">]+)[">].*/\1/p' <<<"$name")
		case $name in
		*..*) complain "$file:$line: \"$name\" climbs out of its folder" ;;
		esac
		# Beside the including file, then by the path of the room.
		found=
		for place in "$(dirname "$file")/$name" "$folder/$name"; do
			[ ! -f "$place" ] || { found=$place; break; }
		done
		for allowed; do
			[ -z "$found" ] || break
			case $allowed in
			*/) [ ! -f "$allowed$name" ] || found=$allowed$name ;;
			*) [ "$(basename "$allowed")" != "$name" ] || found=$allowed ;;
			esac
		done
		[ -n "$found" ] || complain "$file:$line: $folder/ may not include \"$name\""
	done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.[ch]' "$folder")
	# <...> is for the system's headers; a header of ours in it would escape the test above.
	while IFS=: read -r file line name; do
		name=$(sed -nE 's/.*<([^>]+)>.*/\1/p' <<<"$name")
		found=$(grep -E "(^|/)$name\$" <<<"$headers" | head -1 || true)
		[ -z "$found" ] || [ -e "/usr/include/$name" ] ||
			[ "$folder/$name" = examples/vdisk.h ] ||
			complain "$file:$line: <$name> is $found: write it with quotes"
	done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<' --include='*.[ch]' "$folder")
}

# The rooms, in the order of the picture in DESIGN, from the bottom.
room common
room libvdisk common/
room fsreaders common/
room registry common/ libvdisk/vdisk.h
room emulator common/ libvdisk/vdisk.h registry/registry.h
public='libvdisk/vdisk.h fsreaders/fsreaders.h registry/registry.h'
room vimg-mount common/ $public
room vimg common/ $public
room examples $public

# inside FOLDER ABOVE: what is in the folder may not include what is in those.
inside() {
	local folder=$1 above=$2
	[ -d "$folder" ] || return 0
	! grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*\"($above)/" --include='*.[ch]' "$folder" ||
		complain "$folder may not include $above"
}
# Inside libvdisk: storage knows nothing above it, formats nothing of disks' operations.
inside libvdisk/storage 'formats|ops'
inside libvdisk/formats 'ops'
inside libvdisk/core 'ops'

# Inside emulator: the layers of its README, and the program comes in by machine/ alone. What virtio/ has
# of controllers/ is their contract.
inside emulator/core 'pci|device|scsi|ata|virtio|controllers|front|machine|program'
inside emulator/pci 'device|scsi|ata|virtio|controllers|front|machine|program'
inside emulator/device 'scsi|ata|virtio|controllers|front|machine|program'
inside emulator/scsi 'ata|virtio|controllers|front|machine|program'
inside emulator/ata 'virtio|controllers|front|machine|program'
inside emulator/virtio 'scsi|ata|front|machine|program'
inside emulator/controllers 'front|machine|program'
inside emulator/front 'machine|program'
inside emulator/machine 'program'
inside emulator/program 'device|scsi|ata|pci|virtio|controllers|front'

exit $status
