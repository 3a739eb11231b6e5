#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg info describes an image and its chain, for people and as JSON; an image whose parent is missing is
# still described, with a note, which is a failure only for who asked for the chain.
. "$top_srcdir/tests/test-lib.sh"

requires python3
tmpdir
cd "$tmp"
tar -xJf "$top_srcdir/tests/data/vm-chain.tar.xz"
leaf='vm-chain/Snapshots/{66715e68-ce55-4c9b-a92b-2a54d4e48df4}.vdi'

vimg info "$leaf" >text
for line in "Image: *$leaf" 'Format: *vdi, differencing' 'Virtual size: *64.0M (67108864 bytes)' \
	'Block size: *1.0M (1048576 bytes)' 'UUID: *66715e68-ce55-4c9b-a92b-2a54d4e48df4' \
	"File size: .*($(stat -c %s "$leaf") bytes)" 'Parent: */.*vdi' 'Parent UUID: *[0-9a-f-]*' \
	'Chain of [0-9]* images.*' ' *0  vdi .*' '.*aaaaaaaa-0000-4000-8000-000000000001  .*/base.vdi'; do
	grep -qx "$line" text || fail "no line '$line' in: $(cat text)"
done
[ "$(vimg info --chain "$leaf" | grep -c '^Image: ')" = "$(grep -cE '^ +[0-9]+  vdi' text)" ] ||
	fail "--chain does not describe each image"

# The object has the documented keys, and the chain leads from the leaf to the base.
cat >look.py <<'P'
import json, os, sys
d = json.load(sys.stdin)
assert d["image"] == sys.argv[1], d["image"]
assert d["format"] == "vdi" and d["variant"] == "differencing"
assert d["virtual-size"] == 67108864
chain = d["chain"]
keys = {"path", "format", "variant", "uuid", "parent-uuid", "parent-path", "virtual-size", "file-size",
	"allocated", "block-size", "modification-uuid", "parent-modification-uuid", "has-parent",
	"parent-unverified", "parent-modified", "comment", "warning"}
for i in chain:
	assert set(i) == keys, set(i) ^ keys
	assert i["file-size"] == os.stat(i["path"]).st_size
assert d["uuid"] == chain[0]["uuid"]
for child, parent in zip(chain, chain[1:]):
	assert child["parent-uuid"] == parent["uuid"] and child["has-parent"]
complete = sys.argv[2] == "complete"
assert d["chain-complete"] == complete
assert (len(chain) > 1) == complete
if complete:
	assert chain[-1]["parent-uuid"] is None and not chain[-1]["has-parent"]
else:
	assert any("parent" in w for w in d["warnings"]), d["warnings"]
P
vimg info --json "$leaf" | python3 look.py "$leaf" complete
vimg info --output=json "$leaf" | python3 look.py "$leaf" complete

# Without its parent.
mkdir away
mv vm-chain/base.vdi away
vimg info "$leaf" >text || fail "info fails without the parent"
grep -q '^Note: .*aaaaaaaa-0000-4000-8000-000000000001' text || fail "no note names the missing parent: $(cat text)"
grep -q '^UUID: *66715e68' text || fail "the image is not described: $(cat text)"
vimg info --json "$leaf" | python3 look.py "$leaf" missing
check_fails vimg info --chain "$leaf"
case $said in *UUID:*vimg:*aaaaaaaa-0000*) ;; *) fail "info --chain says: $said" ;; esac
check_fails vimg info --parent-dir . "$leaf"
vimg info --chain --parent-dir away "$leaf" >text || fail "--parent-dir does not help"
[ "$(grep -c '^Image: ' text)" -gt 1 ] || fail "--chain shows one image"
vimg check "$leaf" >text || fail "check needs the parent"
check_fails vimg check --chain "$leaf"

# Parents are an error for a base.
check_fails vimg info --parent "$leaf" away/base.vdi
case $said in *base*) ;; *) fail "it says: $said" ;; esac

# What an image says about itself must not draw on the terminal, and is still JSON.
vimg create -q --comment "$(printf 'red \033[31m \xff \xe2\x80\xae \xc2\x9b1m')" evil.vdi 1M
vimg info evil.vdi >text
! grep -qP '[\x00-\x09\x0b-\x1f\x7f\xff]|\xe2\x80\xae|\xc2\x9b' text || fail "control characters: $(cat -v text)"
vimg info --json evil.vdi | python3 -c 'import json, sys
assert json.load(sys.stdin)["chain"][0]["comment"] == "red \x1b[31m \ufffd \u202e \x9b1m"'
name=$(printf 'new\nline \xfe.vdi')
vimg create -q "$name" 1M
[ "$(vimg info "$name" | grep -c '^Image: ')" = 1 ] || fail "a name breaks lines"
vimg info --json "$name" | python3 -m json.tool >/dev/null

# formats lists what create takes.
vimg formats --json | python3 -c 'import json, sys
f = {f["name"]: f for f in json.load(sys.stdin)["formats"]}
assert f["vdi"]["differencing"] and f["vhd"]["create-fixed"] and not f["raw"]["uuid"]
assert "vdi" in f["vdi"]["extensions"]'
vimg formats | grep -q '^vdi '
