#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each raw image of the corpus of real disks gives the table and the partitions that sfdisk gave for it,
# but where that is known to be wrong or less: each such case has its rule below. An image without a
# table, a file system of any kind, gives none.
. "$top_srcdir/tests/test-lib.sh"

corpus=${VIMG_CORPUS:-$top_srcdir/../shared/corpus}/third-party
[ -e "$corpus/manifest.json" ] || skip "the corpus of real disks is not there: $corpus"
requires python3 xz tar
tmpdir

python3 - "$corpus" "$top_builddir/tests/fsreaders/print-table" "$tmp" <<'END' || fail "see above"
import json, lzma, os, re, subprocess, sys
corpus, print_table, tmp = sys.argv[1:]
quick = os.environ.get('VIMG_TEST_QUICK', '0') not in ('', '0')

# What sfdisk's partitions should be instead, where it is not simply right.
SPECIAL = {
    # A slice that was cut out of its disk: sfdisk shows where its partitions were there.
    'ul-pt-bsd': ('bsd', [(5, 256, 4864), (6, 4864, 3584)]),
    # A disklabel in an MBR partition: sfdisk wants to be pointed at it; numbers are Linux's.
    'ul-pt-dos-bsd': ('mbr', [(1, 32, 7648), (2, 7680, 8704), (5, 7936, 4864), (6, 12544, 3584)]),
    # "c" is the whole disk.
    'dvol-bsd': ('bsd', [(1, 4, 1), (2, 6, 1), (5, 8, 1)]),
    # Only the first sectors of larger disks: sfdisk refuses these GPTs and shows the MBR.
    'dvol-gpt': ('gpt (hybrid MBR)', [(1, 40, 409600)]),
    'dvol-gpt-esxi': ('gpt', []),
    # sfdisk does not know Apple maps.
    'dvol-apm': ('apm', [(1, 1, 63)]),
    # Kinds of tables that are not read.
    'ul-pt-sgi': ('none', []),
    'ul-pt-sun': ('none', []),
    # An NTFS boot sector alone, which blkid does not recognise.
    'dntfs-boot-2m': ('none', []),
}
# Units are the 4096-byte sectors that only the place of its boot record gives away.
SECTORS = {'dfir-mbr-4096-p1e0-bin': 4096}

def unpack(item, folder):
    os.mkdir(folder)
    for stored in item['stored']:
        source = os.path.join(corpus, stored['path'])
        if 'tar' in stored['encoding']:
            subprocess.run(['tar', '-xSf', source, '-C', folder], check=True)
            continue
        target = os.path.join(folder, os.path.basename(stored['name']))
        if stored['encoding'] == 'none':
            os.symlink(os.path.realpath(source), target)
            continue
        with lzma.open(source) as packed, open(target, 'wb') as out:
            while block := packed.read(1 << 20):
                if block.count(0) == len(block):
                    out.seek(len(block), 1)
                else:
                    out.write(block)
            out.truncate(stored['size'])
    return os.path.join(folder, os.path.basename(item['main']))

def expected(item):
    if item['id'] in SPECIAL:
        return SPECIAL[item['id']]
    found = item.get('partitions') or {}
    # sfdisk takes the text in a file system's boot sector for entries.
    isofs = found.get('blkid', {}).get('TYPE') in ('iso9660', 'udf')
    if 'TYPE' in found.get('blkid', {}) and not isofs:
        return 'none', []
    sfdisk = found.get('sfdisk', {})
    name = {'dos': 'mbr', None: 'none'}.get(sfdisk.get('label'), sfdisk.get('label'))
    sector_size = SECTORS.get(item['id'], 512)
    sectors = item['virtual_size'] // sector_size
    return name, [(int(re.search(r'(\d+)$', p['node'])[1]), p['start'], p['size'])
                  for p in sfdisk.get('partitions', [])
                  if p['type'] not in ('5', 'f', '85') and p['start'] < sectors]

tried = wrong = 0
for item in json.load(open(os.path.join(corpus, 'manifest.json')))['items']:
    if item['format'] not in ('raw', 'iso') or (quick and item['group'] == 'e2fsprogs'):
        continue
    folder = os.path.join(tmp, item['id'])
    image = unpack(item, folder)
    lines = subprocess.run([print_table, image], capture_output=True, text=True, check=True,
                           timeout=60).stdout.splitlines()
    subprocess.run(['rm', '-rf', folder], check=True)
    name, sector_size = lines[0].split('\t')
    got = name, [tuple(map(int, line.split('\t')[:3])) for line in lines[1:] if line[0] != '!']
    tried += 1
    if got != expected(item) or int(sector_size) != SECTORS.get(item['id'], 512):
        wrong += 1
        print(item['id'], 'gives', got, 'expected', expected(item), lines)
print(tried, 'images,', wrong, 'wrong')
sys.exit(wrong > 0 or tried < 150)
END
