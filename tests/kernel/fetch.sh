#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Fills the cache folder with the few folders of Linux 6.1 that its tools/virtio is
# built from, out of Debian's package of the source. Prints the folder, whose linux
# holds them; packages.sh says how packages come. 6.1 because later releases have
# code in these files that their tools/virtio cannot build.

set -euo pipefail

# shellcheck source=tests/guest/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/../guest/packages.sh"

package=linux-source-6.1
parts=(tools/virtio tools/include drivers/vhost drivers/virtio include/linux
	include/uapi)

download()
{
	command -v xz >/dev/null || die "xz is missing: apt-get install xz-utils"
	(cd "$apt/cache/archives" && private_apt apt-get download "$package") ||
		die "download of $package failed, see $log"
}

# The whole source is over a gigabyte; what is needed are some megabytes.
arrange()
{
	mkdir "$new/linux"
	tar -C "$new/linux" --strip-components=1 \
		-xJf "$new/root/usr/src/$package.tar.xz" "${parts[@]/#/$package/}" \
		2>>"$log" || die "$package is not as expected, see $log"
	rm -rf "$new/root"
}

fetch linux-source "${BASH_SOURCE[0]}"
