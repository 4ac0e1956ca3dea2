#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds netdevsim, a network device of software whose VFs have every setting that
# rtnetlink knows, for the kernel that the guest boots: Debian's kernel leaves it
# out, but has packages of its headers and its source. Prints the folder with
# netdevsim.ko; packages.sh says how packages come.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/guest/packages.sh
. "$here/packages.sh"

guest=$("$here/fetch.sh")
version=$(cd "$guest/root/lib/modules" && echo *)
release=${version%-amd64}
series=$(cut -d. -f1,2 <<<"$version")
source=linux-source-$series
driver=drivers/net/netdevsim

download()
{
	local tool

	for tool in gcc make xz; do
		command -v "$tool" >/dev/null || die "$tool is missing"
	done
	(cd "$apt/cache/archives" && private_apt apt-get download \
		"linux-headers-$version" "linux-headers-$release-common" \
		"linux-kbuild-$release" "$source") ||
		die "download of the headers or the source of $version failed, see $log"
}

# The packages expect to be below /usr: in two makefiles and in links.
relocate()
{
	local root=$new/root headers=$new/root/usr/src/linux-headers-$version link

	sed -i "s#/usr/src/linux-headers#$root&#g; s#/usr/lib/linux-kbuild#$root&#g" \
		"$headers/Makefile" "$headers/.kernelvariables" 2>>"$log" || true
	find "$root/usr/src" "$root/usr/lib" -type l -lname '/usr/*' |
		while read -r link; do
			ln -sfn "$root$(readlink "$link")" "$link"
		done
}

# Without type information, which needs a tool and the whole kernel to be made.
arrange()
{
	local -a options=(CONFIG_NETDEVSIM=m CONFIG_DEBUG_INFO_BTF_MODULES=)

	tar -C "$new" --strip-components=3 -xJf "$new/root/usr/src/$source.tar.xz" \
		"$source/$driver" 2>>"$log" ||
		die "$source is not as expected, see $log"
	relocate
	make -C "$new/root/usr/src/linux-headers-$version" M="$new/netdevsim" \
		-j 2 "${options[@]}" modules >>"$log" 2>&1 ||
		die "netdevsim does not build, see $log"
	cp "$new/netdevsim/netdevsim.ko" "$new/"
	rm -rf "$new/root" "$new/netdevsim"
}

fetch "netdevsim-$version" "${BASH_SOURCE[0]}"
