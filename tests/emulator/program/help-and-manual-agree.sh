#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What vimg-emulator --help lists is in the manual, and the other way round; help that cannot be
# written is a failure.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
manual=$top_srcdir/man/vimg-emulator.pod
vimg-emulator --help >help

# list TITLE: the words that begin the lines of a section of --help
list() {
	awk -v title="$1" '$0 == title {on = 1; next} !NF {on = 0} on {print $1}' help
}

# Options of the programs; --help and --version are said elsewhere.
list 'Options of serve and run:' | grep '^--' | sort >in-help
grep -o '^=item B<--.*' "$manual" | grep -oe '--[a-z-]*' | sort >in-manual
diff in-help in-manual || fail "options differ"

{
	list 'Options of every controller:'
	list 'Options of every disk:'
} | sort -u >in-help
[ "$(wc -l <in-help)" -gt 15 ] || fail "options are not found in --help"
sed -n '/^=item B<--controller>/,/^=item B<--group>/p' "$manual" | grep -oE 'B<[a-z-]+=' |
	tr -d 'B<=' | sort -u >in-manual
# Addresses and a controller's own are with each type in --help.
grep -vxE 'nsid|port|target|lun' in-manual | diff in-help - || fail "options of disks differ"

sed -n '/^=head2 vimg-emulator ctl/,/^=back/p' "$manual" | sed -n 's/^=item B<\([a-z]*\)>.*/\1/p' |
	sort >in-manual
vimg-emulator ctl --help | awk 'NR > 2 {print $1}' | sort >in-help
diff in-help in-manual || fail "commands of ctl differ"

if [ -c /dev/full ]; then
	for words in --help --version 'serve --help' 'run --help' 'ctl --help'; do
		status=0
		vimg-emulator $words >/dev/full 2>said || status=$?
		[ $status = 1 ] && grep -q 'cannot be written' said || fail "$words: $status $(cat said)"
	done
fi
