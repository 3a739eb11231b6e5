#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg --help lists every command, `vimg COMMAND --help` and `vimg help COMMAND` its options; the manual
# has all of them.
. "$top_srcdir/tests/test-lib.sh"

manual=$top_srcdir/man/vimg.pod

verbs=$(vimg --help | sed -nE 's/^  ([a-z-]+)  .*/\1/p')
for verb in create info check resize formats; do
	grep -qx $verb <<<"$verbs" || fail "vimg --help does not list $verb"
done
[ "$(vimg -h)" = "$(vimg --help)" ] && [ "$(vimg help)" = "$(vimg --help)" ] || fail "-h, help and --help differ"
[ "$(vimg -V)" = "$(vimg --version)" ] || fail "-V and --version differ"

for verb in $verbs; do
	help=$(vimg $verb --help)
	[ "$(vimg help $verb)" = "$help" ] || fail "vimg help $verb differs from vimg $verb --help"
	[ "$(vimg $verb -h)" = "$help" ] || fail "vimg $verb -h differs from --help"
	[ "$(vimg $verb --help nonsense)" = "$help" ] || fail "vimg $verb --help minds other words"
	grep -q "^Usage: vimg $verb " <<<"$help" || fail "vimg $verb --help does not begin with the usage"
	! grep -nE '.{90}' <<<"$help" || fail "vimg $verb --help is too wide"
	# Its part of the manual.
	part=$(awk -v verb="$verb" '/^=head/ { on = $0 ~ "^=head2 vimg " verb "( |$)" } on' "$manual")
	[ -n "$part" ] || fail "the manual has no vimg $verb"
	for option in $(sed -nE 's/^  (-.,|   ) (--[a-z-]+).*/\2/p' <<<"$help"); do
		[ "$option" != --help ] || continue
		grep -qF -- "$option" <<<"$part" || fail "the manual does not tell $verb's $option"
	done
done
