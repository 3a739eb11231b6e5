#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# VHDs of the real VirtualBox, alone, in chains, and below a VDI, have the content that VirtualBox
# itself reads from them.
. "$top_srcdir/tests/test-lib.sh"

corpus=${VIMG_CORPUS:-$top_srcdir/../shared/corpus}/virtualbox
[ -e "$corpus/corpus.tar.xz" ] || skip "the corpus of VirtualBox's images is not there: $corpus"
requires python3 xz
tmpdir
tar -xSJf "$corpus/corpus.tar.xz" -C "$tmp" --wildcards '*.vhd' '*/vhddiff.vdi'

python3 - "$corpus/manifest.json" "$top_builddir/tests/format/disk-bytes" "$tmp" <<'END' || fail "see above"
import hashlib, json, subprocess, sys

manifest, disk_bytes, folder = sys.argv[1:]
seen = 0
for image in json.load(open(manifest))["images"]:
    name = image["image"]
    if not (name.endswith(".vhd") or name.endswith("/vhddiff.vdi")):
        continue
    run = subprocess.run([disk_bytes, f"{folder}/{name}"], capture_output=True)
    good = hashlib.sha256(run.stdout).hexdigest() == image["merged_sha256"]
    print(name, "good" if good else "WRONG", run.stderr.decode(), end="\n")
    if not good:
        sys.exit(1)
    seen += 1
sys.exit(seen < 6)
END
