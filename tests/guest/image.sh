#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds the initramfs that every guest boots: busybox, init, the tools and the
# modules below with all they depend on. Prints its name. It is built once per kernel
# and kept beside it under a name that holds a checksum of what it is made of;
# boot.sh appends a small archive with the programs of one run.

set -euo pipefail

modules=(
	virtio_blk virtio_net
	ext4
	9p 9pnet_virtio
	igb igbvf nvme
	vfio vfio-pci vfio_iommu_type1 kvm-amd
	aer_inject psample macsec udp_tunnel
	mdev
)

# Where busybox has one of the same name, it gives way.
tools=(bin/ip sbin/devlink usr/bin/lspci)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pieces=$("$here/fetch.sh")
version=$(cd "$pieces/root/lib/modules" && echo *)
sum=$(cat "${BASH_SOURCE[0]}" "$here/init" | cksum | cut -d' ' -f1)
image=$pieces/base-$sum.cpio

copy_modules()
{
	local file to

	"$pieces/bin/modprobe" -d "$pieces/root" -S "$version" -a --show-depends \
		"${modules[@]}" | awk '$1 == "insmod" { print $2 }' | sort -u |
		while read -r file; do
			to=$root/lib/modules/${file#*/lib/modules/}
			mkdir -p "${to%/*}"
			"$pieces/bin/busybox" unxz -c "$file" >"${to%.xz}"
		done
	cp "$pieces/root/lib/modules/$version/"modules.{builtin,builtin.modinfo,order} \
		"$root/lib/modules/$version/"
	"$pieces/bin/depmod" -b "$root" "$version"
}

# With the loader and the libraries they came with, apart from those that the
# programs of a run bring along.
copy_tools()
{
	local lib=$pieces/root/usr/lib/x86_64-linux-gnu to=$root/tools tool file
	local loader=$pieces/root/lib64/ld-linux-x86-64.so.2
	local path=$pieces/root/lib/x86_64-linux-gnu:$lib

	mkdir "$to"
	cp -L "$loader" "$to/loader"
	for tool in "${tools[@]}"; do
		cp "$pieces/root/$tool" "$to/"
		"$loader" --library-path "$path" --list "$pieces/root/$tool" |
			awk -v from="$pieces" 'index($3, from) == 1 { print $3 }' |
			while read -r file; do
				cp -L "$file" "$to/"
			done
		tool=${tool##*/}
		rm -f "$root/bin/$tool"
		printf '#!/bin/sh\nexec /tools/loader --library-path /tools %s "$@"\n' \
			"/tools/$tool" >"$root/bin/$tool"
		chmod +x "$root/bin/$tool"
	done
}

build()
{
	local applet

	work=$(mktemp -d "$pieces/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	root=$work/root
	mkdir -p "$root"/{bin,dev,mnt,proc,sys,t,tmp,lib64}
	ln -s bin "$root/sbin"
	cp "$pieces/bin/busybox" "$root/bin/"
	for applet in $("$pieces/bin/busybox" --list); do
		[[ $applet = busybox ]] || ln -s busybox "$root/bin/$applet"
	done
	cp "$here/init" "$root/init"
	copy_modules
	copy_tools
	(cd "$root" && find . | "$pieces/bin/busybox" cpio -o -H newc) \
		>"$work/base" 2>/dev/null
	mv "$work/base" "$image"
}

[[ -f $image ]] || build
echo "$image"
