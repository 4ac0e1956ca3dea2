#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The library's job in one go: builds vio-blk, boots Debian on a disk it serves,
# compares every checksum both ways and sets limits while the guest reads; then boots a
# machine with virtual functions and hands those out. Runs from any folder, as root or
# not; the clone is only read: what is built and fetched goes into the cache folder. A
# line per step; the rest is in the log.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${VIO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/libvio}
build=$cache/demo-$(cksum <<<"$root" | cut -d' ' -f1)
log=$build.log
packages=(gcc libc6-dev meson pkgconf liburing-dev libnl-route-3-dev libcmocka-dev
	debian-archive-keyring)
lines=0

# shellcheck source=tests/guest/host.sh
. "$root/tests/guest/host.sh"

say()
{
	printf '%-8s %s\n' "$1" "$2"
}

finish()
{
	local code=$1

	host_close
	((code == 0)) || echo "demo.sh: failed, the log is $log" >&2
	exit "$code"
}

missing_packages()
{
	local name

	for name in "${packages[@]}"; do
		dpkg-query -W -f '${Status}' "$name" 2>/dev/null |
			grep -q 'ok installed' || echo "$name"
	done
}

install_packages()
{
	local -a missing

	mapfile -t missing < <(missing_packages)
	[[ ${#missing[@]} -gt 0 ]] || return 0
	if [[ $(id -u) -ne 0 ]]; then
		echo "demo.sh: an administrator runs: apt-get install ${missing[*]}" >&2
		return 1
	fi
	say install "${missing[*]}"
	apt-get update >>"$log" 2>&1 || true
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		"${missing[@]}" >>"$log" 2>&1
}

# Ninja looks for what it is to make once the build is that of this tree: the folder
# may hold one of the tree as it was before an update, which meson's own compile
# command goes by.
build_programs()
{
	say build "libvio, vio-blk and vioctl"
	[[ -f $build/build.ninja ]] || meson setup "$build" "$root" \
		-Dliburing=enabled -Dlibnl=enabled >>"$log" 2>&1
	ninja -C "$build" examples/{vio-blk,vioctl,07-tenants} \
		tests/guest/guest_{files,rate} >>"$log" 2>&1
}

# "rate bytes asked 50000000 measured 50012345 unlimited 181000000"
show_rate()
{
	local what asked measured unlimited

	read -r _ what _ asked _ measured _ unlimited <<<"$1"
	say limit "$(awk -v what="$what" -v asked="$asked" -v measured="$measured" \
		-v unlimited="$unlimited" 'BEGIN {
			printf "%s/s: asked %d, measured %d (%+.2f %%), unlimited %d",
				what, asked, measured,
				100 * (measured - asked) / asked, unlimited
		}')"
	lines=$((lines + 1))
}

show()
{
	case $1 in
	'[       OK ] every_file_made'*)
		say read "every checksum of the host's files is right in the guest"
		lines=$((lines + 1))
		;;
	'[       OK ] the_host_sees'*)
		say write "what the guest wrote and synced is right on the host"
		lines=$((lines + 1))
		;;
	'rate '*) show_rate "$1" ;;
	'vf '*)
		say vf "${1#vf }"
		lines=$((lines + 1))
		;;
	'boot.sh: '* | '[  ERROR   ]'* | '[  FAILED  ]'*) echo "$1" ;;
	esac
}

# A device of 10 GB/s in virtual time; fails unless both get what they should.
show_shares()
{
	local line

	say share "10 GB/s, red is assured of 6, blue of 1 and twice the weight"
	while read -r line; do
		say share "$line"
		((++lines))
	done < <("$build/examples/07-tenants" && echo 'as promised')
}

# $guest_files and the disks are host.sh's.
run_guest()
{
	say image "64 files of 64 MiB in all on ext4, made on the host"
	files_create 64
	disk_create scratch 64
	disk_open files
	disk_open scratch --control "$work/scratch.control"
	guest_files=("$build"/tests/guest/guest_{files,rate})
	say boot "Debian $(cd "$pieces/root/lib/modules" && echo *) on vio-blk"
	guest_run show 150 "guest_files 8" guest_rate
	disk_close files
	disk_close scratch
}

# Emulated devices with virtual functions, behind an emulated IOMMU.
run_vf_guest()
{
	guest_args=(
		-device "intel-iommu,intremap=on,caching-mode=on"
		-device "pcie-root-port,id=port0,slot=1,chassis=1"
		-netdev "hubport,id=net0,hubid=0"
		-device "igb,bus=port0,netdev=net0"
		-device "pcie-root-port,id=port1,slot=2,chassis=2"
		-device "nvme-subsys,id=subsys"
		-device "nvme,bus=port1,serial=vio,subsys=subsys,sriov_max_vfs=4,$1"
	)
	guest_words=intel_iommu=on
	guest_files=("$root/examples/demo_vf.sh"
		"$build"/{examples/vioctl,lib/libvio.so.0})
	[[ ! -e $build/lib/pci/libvio-pci.so.0 ]] ||
		guest_files+=("$build/lib/pci/libvio-pci.so.0")
	say boot "the same kernel on a machine with SR-IOV devices"
	guest_run show 100 demo_vf.sh
}

main()
{
	mkdir -p "$cache"
	: >"$log"
	trap 'finish $?' EXIT
	install_packages
	build_programs
	show_shares
	say fetch "QEMU and Debian's kernel, into $cache"
	host_open "$build" "$log"
	trap 'finish $?' EXIT
	run_guest
	run_vf_guest sriov_vq_flexible=8,sriov_vi_flexible=4
	# Four lines of shares, two of files, two of limits and five of virtual
	# functions: who says nothing fails.
	((lines == 13))
	say 'done' "in $SECONDS s"
}

main "$@"
