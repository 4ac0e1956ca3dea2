#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds the object that --meter takes: meter.c with the headers and the archive of
# Debian's libdpdk-dev, which go into the cache folder and not onto the machine. Prints
# its name. The flags are those of a release build here and those that the package
# asks for.
#
#	meter.sh BUILD_DIR

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/guest/packages.sh
. "$here/../guest/packages.sh"

download()
{
	(cd "$apt/cache/archives" && private_apt apt-get download libdpdk-dev) ||
		die "download of DPDK's headers failed, see $log"
}

arrange()
{
	[[ -r $new/root/usr/include/dpdk/rte_meter.h ]] ||
		die "the package has no rte_meter.h"
}

out=$(cd "${1:?usage: meter.sh BUILD_DIR}" && pwd)/rte_meter.so
root=$(fetch dpdk-headers "${BASH_SOURCE[0]}")/root/usr
headers=lib/x86_64-linux-gnu/pkgconfig/libdpdk-libs.pc
read -ra flags < <(sed -n 's/^Cflags://p' "$root/$headers" |
	sed "s,\${includedir},$root/include/dpdk,g")
cc -std=gnu11 -O3 -fPIC -shared "${flags[@]}" -I "$here/.." -o "$out" \
	"$here/meter.c" "$root/lib/x86_64-linux-gnu/librte_meter.a"
echo "$out"
