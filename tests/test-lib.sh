# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-lib.sh - what a test in bash needs. Begin with
#
#	#!/usr/bin/env bash
#	. "$top_srcdir/tests/test-lib.sh"
#
# which sets -eu and pipefail. Leaving with 0 is a pass, with 77 a skip, with anything else a failure.

set -eu -o pipefail

# mkfs, losetup and friends; an ordinary user's PATH may lack them.
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C

# fail "why"
fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# skip "why"
skip() {
	echo "skipped: $*" >&2
	exit 77
}

# requires COMMAND...: skips where one is missing.
requires() {
	local c
	for c; do
		command -v "$c" >/dev/null 2>&1 || skip "$c is not there"
	done
}

# requires_root: skips unless root.
requires_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

# requires_fuse: skips where vimg-mount is not built or nothing can be mounted.
requires_fuse() {
	requires vimg-mount fusermount3
	[ -c /dev/fuse ] || skip "there is no /dev/fuse"
	( : <>/dev/fuse ) 2>/dev/null || skip "/dev/fuse cannot be opened"
}

# requires_loop: skips where root and loop devices are not to be had.
requires_loop() {
	requires_root
	requires losetup mount
	losetup -f >/dev/null 2>&1 || skip "there is no free loop device"
}

# quick: true where a short run is asked for: fewer rounds, not other checks.
quick() {
	[ -n "${VIMG_TEST_QUICK:-}" ] && [ "$VIMG_TEST_QUICK" != 0 ]
}

# cleanup COMMAND [ARG...]: runs it on leaving, last given first, whatever happens.
_cleanups=()
cleanup() {
	_cleanups+=("$(printf '%q ' "$@")")
}

_run_cleanups() {
	local status=$? i
	set +e
	for ((i = ${#_cleanups[@]} - 1; i >= 0; i--)); do
		eval "${_cleanups[i]}"
	done
	exit "$status"
}
trap _run_cleanups EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# tmpdir: makes a folder, puts its name in $tmp, removes it on leaving.
tmpdir() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/vimg-test.XXXXXX")
	cleanup rm -rf --one-file-system -- "$tmp"
}

# unmount DIR: for cleanup; true where nothing is mounted.
unmount() {
	mountpoint -q "$1" || return 0
	fusermount3 -u "$1" 2>/dev/null || umount "$1" 2>/dev/null || fusermount3 -uz "$1"
}

# check_fails COMMAND [ARG...]: it must fail, by itself and not by a signal. What it said is in $said.
check_fails() {
	local status=0
	said=$("$@" 2>&1) || status=$?
	[ "$status" -ne 0 ] || fail "succeeded, but should not have: $*"
	[ "$status" -lt 126 ] || fail "ended with status $status: $*: $said"
}

# sha256 FILE: the hash alone.
sha256() {
	sha256sum <"$1" | cut -d' ' -f1
}
