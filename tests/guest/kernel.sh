#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds a kernel with iommufd and prints the name of its image: Debian's leaves
# iommufd out. The source is Debian's package; what is chosen of it is kernel.config.
# It takes about half an hour on two processors, hence only on request, and once: the
# image stays in the cache. packages.sh says how packages come.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/guest/packages.sh
. "$here/packages.sh"

source=linux-source-6.12

download()
{
	local tool

	for tool in bc bison flex gcc make xz; do
		command -v "$tool" >/dev/null || die "$tool is missing"
	done
	(cd "$apt/cache/archives" && private_apt apt-get download "$source") ||
		die "download of $source failed, see $log"
}

# An option that the kernel knows by another name, or whose conditions are not met,
# vanishes without a word.
check_config()
{
	local option

	while read -r option; do
		grep -qx "$option" "$1" || die "the kernel does not take $option"
	done < <(grep '^CONFIG_' "$here/kernel.config")
}

arrange()
{
	local -a tree=(make -C "$new/linux" -j "$(nproc)")

	mkdir "$new/linux"
	tar -C "$new/linux" --strip-components=1 \
		-xJf "$new/root/usr/src/$source.tar.xz" 2>>"$log" ||
		die "$source is not as expected, see $log"
	rm -rf "$new/root"
	"${tree[@]}" tinyconfig >>"$log" 2>&1 || die "no configuration, see $log"
	grep '^CONFIG_' "$here/kernel.config" >>"$new/linux/.config"
	"${tree[@]}" olddefconfig >>"$log" 2>&1 || die "no configuration, see $log"
	check_config "$new/linux/.config"
	"${tree[@]}" bzImage >>"$log" 2>&1 || die "the kernel does not build, see $log"
	cp "$new/linux/arch/x86/boot/bzImage" "$new/"
	rm -rf "$new/linux"
}

echo "$(fetch kernel "${BASH_SOURCE[0]}" "$here/kernel.config")/bzImage"
