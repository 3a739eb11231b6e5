#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg check says what is wrong with an image and ends with 1; --repair mends what can be mended, says
# so, and what qemu-img check then finds is nothing; damage that cannot be mended is left as it is.
. "$top_srcdir/tests/test-lib.sh"

requires python3
tmpdir
cd "$tmp"

# poke FILE OFFSET HEX: overwrites bytes.
poke() {
	python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2], 0)); f.write(bytes.fromhex(sys.argv[3]))' "$@"
}

# status EXPECTED COMMAND...: what it prints goes to the file `said`.
status() {
	local expected=$1 s=0
	shift
	"$@" >said 2>&1 || s=$?
	[ $s = "$expected" ] || fail "$*: exit $s, not $expected: $(cat said)"
}

# says PATTERN
says() {
	grep -qE "$1" said || fail "no '$1' in: $(cat said)"
}

# json EXPRESSION: true of `said`, with d the first image in it.
json() {
	python3 -c 'import json, sys
d = json.load(open("said"))["images"][0]
assert eval(sys.argv[1]), json.dumps(d)' "$1" || fail "$1 does not hold"
}

tar -xJOf "$top_srcdir/tests/data/vm-chain.tar.xz" vm-chain/base.vdi >sound.vdi
status 0 vimg check sound.vdi
says '^sound.vdi: 0 errors, 0 leaks, 0 minor; [0-9]+ of 64 blocks allocated'
status 0 vimg check --quiet sound.vdi
[ ! -s said ] || fail "--quiet says: $(cat said)"
before=$(sha256 sound.vdi)
status 0 vimg check --repair sound.vdi
[ "$(sha256 sound.vdi)" = "$before" ] || fail "--repair changed a sound image"

# Space that belongs to nobody: a leak. Mended.
cp sound.vdi leak.vdi
truncate -s +3M leak.vdi
status 1 vimg check leak.vdi
says '^leak.vdi: leak: '
says ', 1 leak \(3.0M\), '
status 1 vimg check --json leak.vdi
json 'd["leaks"] == 1 and d["leaked"] == 3 << 20 and d["errors"] == 0 and not d["sound"]'
json 'd["findings"][0]["kind"] == "leak" and not d["findings"][0]["repaired"]'
cp leak.vdi again.vdi
status 0 vimg check --repair leak.vdi
says '^leak.vdi: leak: .*\(repaired\)$'
says '^leak.vdi: 1 repaired, 0 errors, 0 leaks'
status 0 vimg check leak.vdi
cmp leak.vdi sound.vdi || fail "not as it was before the leak"
status 0 vimg check --json --repair again.vdi
json 'd["sound"] and d["repaired"] == 1 and d["leaks"] == 0 and d["findings"][0]["repaired"]'

# A counter that is wrong: minor, so no failure. Mended.
cp sound.vdi counter.vdi
poke counter.vdi 0x184 3f000000
status 0 vimg check counter.vdi
says '^counter.vdi: minor: '
status 0 vimg check --repair counter.vdi
says '\(repaired\)'
status 0 vimg check counter.vdi
! grep -q minor: said || fail "still there: $(cat said)"
if command -v qemu-img >/dev/null; then
	qemu-img check -q leak.vdi || fail "qemu-img finds something after the repair"
	qemu-img check -q counter.vdi || fail "qemu-img finds something after the repair"
fi

# An entry that points outside the file: data is lost. Not mended, and nothing else touched.
cp sound.vdi lost.vdi
table=$(python3 -c 'import struct; f = open("sound.vdi", "rb").read(512); print(struct.unpack_from("<I", f, 0x154)[0])')
poke lost.vdi "$table" 00ffff00
before=$(sha256 lost.vdi)
status 1 vimg check lost.vdi
says '^lost.vdi: error: '
says ': 1 error, '
status 1 vimg check --repair lost.vdi
says '^lost.vdi: error: '
says '^vimg: .*lost.vdi'
[ "$(sha256 lost.vdi)" = "$before" ] || fail "--repair changed what it cannot mend"
status 1 vimg check --json lost.vdi
json 'd["errors"] == 1 and d["findings"][0]["kind"] == "error" and not d["sound"]'

# Many images: all are checked, one bad one is enough for a failure, also one that is not there.
status 1 vimg check lost.vdi sound.vdi missing.vdi counter.vdi
says '^lost.vdi: 1 error'
says '^sound.vdi: 0 errors'
says '^vimg: missing.vdi: '
says '^counter.vdi: 0 errors'
vimg check --json sound.vdi missing.vdi >said 2>/dev/null || true
python3 -c 'import json
d = json.load(open("said"))["images"]
assert d[0]["error"] is None and "missing" in d[1]["error"] and not d[1]["sound"]'

# A dynamic VHD whose footer was lost: the copy at its beginning serves.
vimg create -q disk.vhd 64M
truncate -s -512 disk.vhd
vimg check disk.vhd >said 2>&1 || true
grep -qE '(minor|leak|error): ' said || fail "nothing found: $(cat said)"
status 0 vimg check --repair disk.vhd
status 0 vimg check disk.vhd
! grep -qE '(minor|leak|error): ' said || fail "still there: $(cat said)"

# One with children may be mended; what is in use may not.
rm again.vdi counter.vdi leak.vdi lost.vdi
mv sound.vdi parent.vdi
vimg create -q --parent parent.vdi child.vdi
truncate -s +1M parent.vdi
status 0 vimg check --chain --repair child.vdi
says '^/.*parent.vdi: leak: .*\(repaired\)'

# A parent that was changed after its child was made on it is noted with --chain; that is no failure.
rm -f ./*.vdi ./*.vhd
vimg create -q base.vdi 4M
vimg create -q --parent base.vdi child.vdi
status 0 vimg check --chain child.vdi
! grep -q 'note:' said || fail "a note: $(cat said)"
# The modification UUID is the second of the ids.
poke base.vdi $((0x198)) 00112233445566778899aabbccddeeff
status 0 vimg check --chain child.vdi
says '^child.vdi: note: .*parent was changed'
[ "$(grep -c 'note:' said)" = 1 ] || fail "not one note: $(cat said)"
status 0 vimg check --chain --json child.vdi
json 'd["parent-modified"] is True'
says '"parent-modified": false'
status 0 vimg check --json child.vdi
json 'd["parent-modified"] is None'
