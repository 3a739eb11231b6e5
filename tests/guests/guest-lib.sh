# SPDX-License-Identifier: GPL-2.0-or-later
#
# guest-lib.sh - goes before every script that runs in a guest (dash, with busybox behind
# the real tools). The standard output and input
# are the wire to the host, see Machine in lab.py; the standard error is the console. A script ends at
# the first command that fails.

set -eu
trap 'status=$?; [ $status = 0 ] || dmesg | tail -n 15 >&2; echo "end $status"' EXIT
echo hello
read -r stage

ok() {
	echo "ok $*"
}

# fail WHY: ends the script. wrong WHY: goes on, to tell all that is wrong at once.
fail() {
	echo "FAILED $*"
	exit 1
}

wrong() {
	echo "FAILED $*"
}

# check WHAT COMMAND...: the command must succeed; what it said goes to the console if it does not.
check() {
	local what=$1 status=0
	shift
	"$@" >/tmp/said 2>&1 || status=$?
	[ $status = 0 ] || {
		tail -n 30 /tmp/said >&2
		fail "$what: status $status: $*"
	}
	ok "$what"
}

# says WHAT PATTERN TEXT: the text must have a line that matches.
says() {
	printf '%s\n' "$3" | grep -qE -- "$2" || {
		printf '%s\n' "$3" | head -n 60 >&2
		wrong "$1: no line matches $2"
		return 0
	}
	ok "$1"
}

# refuses WHAT PATTERN COMMAND...: the command must fail, and say so.
refuses() {
	local what=$1 pattern=$2 said
	shift 2
	if said=$("$@" 2>&1); then
		wrong "$what: succeeded: $*"
		return 0
	fi
	says "$what" "$pattern" "$said"
}

# ask NAME WORD...: the host does something; its answer is printed.
ask() {
	local answer
	echo "ask $*" >/dev/ttyS1
	read -r answer </dev/ttyS1
	echo "$answer"
}

# value KEY WORD...: tells the host something to compare.
value() {
	echo "is $*"
}

# until_true SECONDS COMMAND...: tries the command until it succeeds.
until_true() {
	local left=$(($1 * 5))
	shift
	until "$@" >/dev/null 2>&1; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.2
	done
}

# The names of the controller's disks, in the order of their places there; vda has the tools. The kernel
# names disks in the order in which it happens to meet them.
disks() {
	local d
	for d in /sys/block/sd* /sys/block/nvme*n*; do
		case $d in
		*"*"*|*nvme*c*n*) ;;
		*/sd*) echo "$(basename "$(readlink "$d/device")") ${d##*/}" ;;
		*) echo "$(cat "$d/nsid" 2>/dev/null || echo 0) ${d##*/}" ;;
		esac
	done | sort -V | cut -d' ' -f2
}

disk_count() {
	disks | wc -w
}

disk_count_is() {
	[ "$(disk_count)" = "$1" ]
}

# wait_disks N: there must soon be so many; $disk is the first.
wait_disks() {
	until_true 20 disk_count_is "$1" || fail "there are $(disk_count) disks, not $1"
	disk=/dev/$(disks | head -n 1)
}

# driver_is NAME: some PCI device is bound to it.
driver_is() {
	ls -d /sys/bus/pci/drivers/"$1"/0000:* >/dev/null 2>&1
}

# digest FILE [DD-ARGS]: SHA-256 of what a disk or a file holds, past the page cache.
digest() {
	local file=$1
	shift
	dd if="$file" bs=1M iflag=direct "$@" 2>/dev/null | sha256sum | cut -d' ' -f1
}

# quick_sum FILE: the POSIX checksum, for what is too long for a real one under emulation.
quick_sum() {
	echo 1 >/proc/sys/vm/drop_caches
	cksum <"$1"
}

# random_file FILE MEGABYTES SEED: numbers that do not repeat; /dev/urandom takes long under emulation.
random_file() {
	seq ${3}0000000 ${3}9999999 | head -c ${2}M >"$1"
}

# pci_device DRIVER: the address of the first PCI device it is bound to.
pci_device() {
	basename "$(ls -d /sys/bus/pci/drivers/"$1"/0000:* | head -n 1)"
}

# partition DISK N: its name.
partition() {
	case $1 in
	*[0-9]) echo "${1}p$2" ;;
	*) echo "$1$2" ;;
	esac
}
