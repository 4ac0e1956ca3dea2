#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds two devices of software for the kernel that the guest boots: netdevsim, whose
# VFs have every setting that rtnetlink knows, and mtty, a mediated device whose state
# can be migrated. Debian's kernel leaves them out, but has packages of its headers and
# its source. Prints the folder with the modules; packages.sh says how packages come.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/guest/packages.sh
. "$here/packages.sh"

guest=$("$here/fetch.sh")
version=$(cd "$guest/root/lib/modules" && echo *)
release=${version%-amd64}
series=$(cut -d. -f1,2 <<<"$version")
source=linux-source-$series
netdevsim=drivers/net/netdevsim
mtty=samples/vfio-mdev/mtty.c

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

# In the folder $1, what follows are make's. Without type information, which needs a
# tool and the whole kernel to be made.
build()
{
	make -C "$new/root/usr/src/linux-headers-$version" M="$new/$1" -j 2 \
		CONFIG_DEBUG_INFO_BTF_MODULES= "${@:2}" modules >>"$log" 2>&1 ||
		die "$1 does not build, see $log"
	cp "$new/$1/$1.ko" "$new/"
}

arrange()
{
	local tarball=$new/root/usr/src/$source.tar.xz

	mkdir "$new/mtty"
	{
		tar -C "$new" --strip-components=3 -xJf "$tarball" \
			"$source/$netdevsim" &&
			tar -C "$new/mtty" --strip-components=3 -xJf "$tarball" \
				"$source/$mtty"
	} 2>>"$log" || die "$source is not as expected, see $log"
	relocate
	build netdevsim CONFIG_NETDEVSIM=m
	echo "obj-m := mtty.o" >"$new/mtty/Makefile"
	build mtty
	rm -rf "$new/root" "$new/netdevsim" "$new/mtty"
}

fetch "modules-$version" "${BASH_SOURCE[0]}"
