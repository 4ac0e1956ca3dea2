#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Fills the cache folder with what the guest rig needs that a build does not:
# QEMU, Debian's 6.12 kernel and the programs below. Prints the folder of the
# pieces; packages.sh says how they come.

set -euo pipefail

# shellcheck source=tests/guest/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

programs=(busybox-static kmod e2fsprogs pciutils iproute2)
kernel=linux-image-6.12-amd64

# The meta package only names the kernel that is current in the archive.
kernel_package()
{
	{ APT_CONFIG=$apt/conf apt-cache depends "$kernel" 2>>"$log" || true; } |
		sed -n 's/.*Depends: \(linux-image-6\.12\..*\)/\1/p' | head -n 1
}

download()
{
	local name

	name=$(kernel_package)
	[[ -n $name ]] || die "no $kernel: add $suite-security to the apt sources"
	private_apt apt-get install -y -d -t "$suite-backports" qemu-system-x86 \
		"${programs[@]}" || die "download of QEMU failed, see $log"
	(cd "$apt/cache/archives" && private_apt apt-get download "$name") ||
		die "download of $name failed, see $log"
}

arrange()
{
	write_wrapper qemu-system-x86_64 usr/bin/qemu-system-x86_64
	write_wrapper depmod bin/kmod
	write_wrapper modprobe bin/kmod
	write_wrapper mke2fs sbin/mke2fs
	write_wrapper e2fsck sbin/e2fsck
	write_wrapper debugfs sbin/debugfs
	ln -s ../root/bin/busybox "$new/bin/busybox"
	index_modules
}

# An unpacked kernel has no module dependencies yet.
index_modules()
{
	local -a modules=("$new"/root/lib/modules/*)

	"$new/bin/depmod" -b "$new/root" "${modules[0]##*/}" >>"$log" 2>&1 ||
		die "depmod failed, see $log"
}

fetch pieces "${BASH_SOURCE[0]}"
