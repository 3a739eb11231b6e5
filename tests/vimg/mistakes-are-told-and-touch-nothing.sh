#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A wrong command line ends with 2, what cannot be done with 1; the message says what is wrong, in one
# line that begins with "vimg: "; no file is made or changed.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
vimg create -q there.vdi 1M
mkdir folder
echo text >text.vdi
touch empty.vdi

before=$(ls -ARls)

# wrong STATUS PATTERN WORD...
wrong() {
	local expected=$1 pattern=$2 status=0 said
	shift 2
	said=$(vimg "$@" 2>&1 >stdout </dev/null) || status=$?
	[ $status = "$expected" ] || fail "vimg $*: exit $status, not $expected: $said"
	[ ! -s stdout ] || fail "vimg $* prints: $(cat stdout)"
	rm stdout
	grep -qE -e "$pattern" <<<"$said" || fail "vimg $*: says: $said"
	! grep -v '^vimg: ' <<<"$said" || fail "vimg $*: a line does not begin with vimg:"
	[ "$(ls -ARls)" = "$before" ] || fail "vimg $* touched the folder"
}

wrong 2 'vimg --help'
wrong 2 'no command mount;' mount
wrong 2 'no option --bogus;' --bogus
wrong 2 'no option --bogus.*vimg create --help' create --bogus x.vdi 1M
wrong 2 'no option -z.*vimg info --help' info -z x
wrong 2 '--json=3.*takes no value' info --json=3 there.vdi
wrong 2 '--size wants a value' create x.vdi --size
wrong 2 'not empty' create --parent '' x.vdi
wrong 2 'what is the image to be called' create
wrong 2 'what is the image to be called' create --size 1M
wrong 2 'vimg info .* IMAGE' info
wrong 2 'too many' info there.vdi there.vdi
wrong 2 'vimg check .* IMAGE' check
wrong 2 'vimg formats \[OPTION\.\.\.\]$' formats word
wrong 2 'name of the image is empty' info ''
wrong 2 'name of the image is empty' check there.vdi ''
wrong 2 'name of the image is empty' create '' 1M
wrong 2 'too large' create x.vdi 8E
wrong 2 'too many' create x.vdi 1M 2M
wrong 2 'too many' create --filename x.vdi 1M 2M
wrong 2 'twice' create --size 1M x.vdi 2M
wrong 2 'how large' create x.vdi
wrong 2 'how large' create x.vdi 0
wrong 2 '1.5X: a size is' create x.vdi 1.5X
wrong 2 'a size is' create x.vdi -- -5
wrong 2 '--block-size .*a size is' create --block-size big x.vdi 1M
wrong 2 'does not tell the format.*vdi.*vhd.*raw' create x 1M
wrong 2 'does not tell the format' create folder.vdi/x 1M
wrong 2 'no such format.*vdi.*vhd.*raw' create --format zip x.vdi 1M
wrong 2 'no such format' info --format zip there.vdi
wrong 2 'dynamic or fixed' create --variant thick x.vdi 1M
wrong 2 'contradict' create --variant dynamic --fixed x.vdi 1M
wrong 2 'UUID looks like' create --uuid 1234 x.vdi 1M
wrong 2 'UUID looks like' create --uuid 00000000-0000-0000-0000-000000000000 x.vdi 1M
wrong 2 'want a --parent' create --parent-dir . x.vdi 1M
wrong 2 'want a --parent' create --force-parent x.vdi 1M
wrong 2 'human or json' info --output=yaml there.vdi
wrong 2 '--chain' check --parent-dir . there.vdi
wrong 2 'contradict' check --repair --no-lock there.vdi

wrong 1 'there.vdi exists already; --force' create there.vdi 1M
wrong 1 'folder exists' create --force --format vdi folder 1M
wrong 1 '^vimg: no/such/folder: there is no such folder$' create no/such/folder/x.vdi 1M
wrong 1 '^vimg: text.vdi: it is no folder$|Not a directory' create text.vdi/x.vdi 1M
wrong 2 'multiple of 512' create x.vdi 100
wrong 2 'multiple of 512' create x.vhd 1000001
wrong 2 'block size' create --block-size 1000000 x.vdi 1M
wrong 1 'too many|at most' create x.vhd 3T
wrong 2 'too many' create x.vdi 7E
wrong 2 'comment' create --comment "$(printf '%0300d' 0)" x.vdi 1M
wrong 1 'missing.vdi: .*No such file' info missing.vdi
wrong 1 'missing.vdi: .*No such file' check missing.vdi
wrong 1 'missing.vdi: .*No such file' check --chain missing.vdi
[ "$(vimg check --chain missing.vdi 2>&1 | wc -l)" = 1 ] || fail "a missing image is told twice"
wrong 1 'folder' info folder
wrong 1 'empty.vdi' info empty.vdi
wrong 1 'text.vdi' info --format vdi text.vdi
wrong 1 'text.vdi' check --format vdi text.vdi

# A folder that may not be written to.
if [ "$(id -u)" != 0 ]; then
	chmod a-w folder
	before=$(ls -ARls)
	wrong 1 '^vimg: folder/x.vdi: .*Permission denied' create folder/x.vdi 1M
fi

# A bare number is taken as bytes, which VBoxManage's users would not expect: they are told.
vimg create --filename small.vdi --size 20480 2>note >/dev/null
grep -q '20480M' note || fail "no note about bytes"

# Output that cannot be written is a failure.
if [ -c /dev/full ]; then
	for words in --help --version formats 'info there.vdi' 'check there.vdi' 'info --json there.vdi'; do
		! vimg $words >/dev/full 2>said || fail "vimg $words succeeds though its output is lost"
		grep -q '^vimg: cannot write the output' said || fail "vimg $words: says: $(cat said)"
	done
	! vimg create made.vdi 1M >/dev/full 2>said || fail "vimg create succeeds though its output is lost"
	grep -q '^vimg: made, but cannot write the output' said || fail "vimg create: says: $(cat said)"
	[ -e made.vdi ] || fail "made.vdi was not made"
fi
