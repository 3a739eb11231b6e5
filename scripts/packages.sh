# SPDX-License-Identifier: GPL-2.0-or-later
#
# packages.sh - sourced by ./demo and ./check: the Debian packages that they need, and a function that
# installs those that are missing.

build_packages='build-essential autoconf automake libtool pkg-config
	uuid-dev libfuse3-dev libjson-c-dev liburing-dev libseccomp-dev fuse3'
demo_packages='xz-utils util-linux mount'
# Tests skip what they have no tool for; ./check wants to skip nothing.
check_packages='clang valgrind git xz-utils python3 qemu-utils e2fsprogs fdisk gdisk parted dosfstools
	mtools debian-archive-keyring'

# missing_packages PACKAGE...: those that are not installed.
missing_packages() {
	local p
	for p; do
		case $(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null) in
		installed) ;;
		*) printf '%s ' "$p" ;;
		esac
	done
}

# install_packages PACKAGE...: asks nothing, says what it does, does nothing where nothing is missing.
# False where some could not be installed.
install_packages() {
	local missing sudo=

	if ! command -v dpkg-query >/dev/null; then
		echo "This is not Debian: going on with what is here. Needed, by Debian's names:" "$@"
		return 0
	fi
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "Missing packages: $missing. Neither root nor sudo: install them, then run this again." >&2
			return 1
		fi
		sudo=sudo
		echo "Not root: installing with sudo."
	fi
	echo "Installing missing Debian packages: $missing"
	# The lists on the machine are tried first; they may be all that is needed.
	_apt_install $missing || {
		echo "Updating the package lists"
		$sudo apt-get update -qq && _apt_install $missing
	} || {
		echo "Could not install: $(missing_packages $missing)" >&2
		return 1
	}
}

_apt_install() {
	$sudo env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}
