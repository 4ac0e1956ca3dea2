#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Fills the cache folder with DPDK's testpmd and its virtio-user driver, the client
# that speaks vhost-user without a guest. Prints the folder. Only what testpmd is
# linked with is taken: dpdk-dev asks for compilers' files and Python besides.

set -euo pipefail

# shellcheck source=tests/guest/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/../guest/packages.sh"

driver=librte-net-virtio23

# The libraries that the package of the program names.
libraries()
{
	{ APT_CONFIG=$apt/conf apt-cache depends dpdk-dev 2>>"$log" || true; } |
		sed -n 's/.*Depends: \(\(lib\|ibverbs\).*\)/\1/p' | grep -v -e -dev
}

download()
{
	local -a names

	mapfile -t names < <(libraries)
	((${#names[@]})) || die "the archive of $suite has no dpdk-dev"
	private_apt apt-get install -y -d "$driver" "${names[@]}" ||
		die "download of DPDK's libraries failed, see $log"
	(cd "$apt/cache/archives" && private_apt apt-get download dpdk-dev) ||
		die "download of DPDK failed, see $log"
}

arrange()
{
	write_wrapper dpdk-testpmd usr/bin/dpdk-testpmd
}

fetch dpdk "${BASH_SOURCE[0]}"
