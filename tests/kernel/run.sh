#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# libvio's rings against the kernel's own code: run.sh BUILD_DIR [--soak]. vringh and
# virtio_ring are built with the kernel's headers for user space from Debian's
# package of the source, in a folder of the build directory; nothing of theirs is
# kept in this tree. Random ring images must give both device sides the same chains,
# and either driver side must get on with the other's device side.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
status=0

die()
{
	echo "run.sh: $*" >&2
	exit 1
}

check()
{
	if "${@:2}"; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		status=1
	fi
}

# A copy of tools/virtio, with the rest of the source around it as its own Makefile
# expects. The Makefile makes an error of every warning, and gcc has some by now.
lay_out()
{
	local linux=$1 folder

	rm -rf "$work"
	mkdir -p "$work/tools" "$work/usr"
	for folder in drivers include tools/include; do
		ln -s "$linux/$folder" "$work/$folder"
	done
	cp -r "$linux/tools/virtio" "$work/tools/virtio"
	sed -i 's/ -Werror / /' "$work/tools/virtio/Makefile"
}

# data_race() is what the headers for user space lack.
build()
{
	CFLAGS="'-Ddata_race(x)=x'" make -C "$tools" -j "$(nproc)" -f Makefile \
		-f "$here/kernel.mk" HERE="$here" LIBVIO="$libvio" kernel
}

kernel_test()
{
	timeout 60 "$tools/vringh_test" "$@"
}

main()
{
	local linux images=20000 buffers=200000 limit=100

	[[ $# -ge 1 && -d $1 ]] || die "usage: run.sh BUILD_DIR [--soak]"
	[[ ${2:-} = --soak ]] && images=1000000 buffers=20000000 limit=1500
	libvio=$(cd "$1" && pwd)
	work=$libvio/kernel
	tools=$work/tools/virtio
	linux=$("$here/fetch.sh")/linux
	lay_out "$linux"
	check the_code_of_the_kernel_builds build
	((status == 0)) || return 1
	check vringh_passes_its_own_test kernel_test
	check vringh_passes_its_own_test_with_indirect kernel_test --indirect
	check vringh_passes_its_own_test_with_event_idx kernel_test --eventidx
	timeout "$limit" python3 "$here/compare.py" "$tools" 1 "$images" || status=1
	timeout "$limit" "$tools/traffic" 1 "$buffers" || status=1
	return "$status"
}

main "$@"
