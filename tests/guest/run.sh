#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The guest suite: run.sh BUILD_DIR [--soak] [--iommufd[=BZIMAGE]] [PART...], all parts
# where none is named: block functions limits nested resize kill. The programs of one
# set of devices run in one boot. What they say is shown as it is, CMocka's lines and
# the count of boots that were tried again; the last line sums up. A test that began
# and did not end well counts as failed, whatever became of the guest.

set -euo pipefail

# shellcheck source=tests/guest/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

began=0 passed=0 retries=0 broken=0
synced=()

show()
{
	echo "$1"
	case $1 in
	'[ RUN      ]'*) began=$((began + 1)) ;;
	'[       OK ]'*) passed=$((passed + 1)) ;;
	'boot.sh: '*': retry '*) retries=$((retries + 1)) ;;
	'synced '*) synced+=("${1#synced }") ;;
	esac
}

# A test of the host's own, in CMocka's lines.
check()
{
	show "[ RUN      ] $1"
	if "${@:2}" >>"$guest_log" 2>&1; then
		show "[       OK ] $1"
	else
		show "[  FAILED  ] $1"
	fi
}

# Boot, a file system, reads and writes of all kinds, under a guard.
is_guard_silent()
{
	! grep -E 'vio-blk: guard: .*: (suspect|attack),' "$guest_log"
}

run_block_suite()
{
	local name

	files_create "$mib"
	disk_create fixed 8
	disk_create scratch 64
	disk_open files --shared --guard
	disk_open fixed --read-only
	disk_open scratch --control "$work/scratch.control"
	guest_files=("$build"/tests/guest/guest_{files,disk,queues,rate})
	guest_run show "$limit" "guest_files $write_mib" guest_disk guest_queues \
		guest_rate || broken=1
	for name in files fixed scratch; do
		check "the_device_of_${name}_stops_cleanly" disk_close "$name"
	done
	check the_guard_of_files_raised_no_alarm is_guard_silent
}

# Two devices that make virtual functions, each below a port of its own: 01:00.0 and
# 02:00.0. The one without a network behind it, the other without a disk.
run_vf_suite()
{
	local pool=sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4
	local each=sriov_max_vq_per_vf=4,sriov_max_vi_per_vf=2

	guest_devices=([card]="igb,bus=port0,netdev=net0")
	guest_args=(
		-device "pcie-root-port,id=port0,slot=1,chassis=1"
		-netdev "hubport,id=net0,hubid=0"
		-device "${guest_devices[card]},id=card"
		-device "pcie-root-port,id=port1,slot=2,chassis=2"
		-device "nvme-subsys,id=subsys"
		-device "nvme,bus=port1,serial=vio,subsys=subsys,$pool,$each"
	)
	guest_files=("$build"/tests/guest/guest_{vfconf,netdevsim,mtty}
		"$("$guest_dir/modules.sh")"/{netdevsim,mtty}.ko)
	guest_run show "$limit" guest_vfconf \
		"modprobe -a psample macsec udp_tunnel" guest_netdevsim \
		guest_mtty || broken=1
}

# The same behind an IOMMU, with a disk that reads as zeros. A loaded host can be too
# slow for the kernel's test of its timer.
run_vfio_suite()
{
	local zeros=file=null-co://,file.size=64M,file.read-zeroes=on

	guest_args=(
		-device "intel-iommu,intremap=on,caching-mode=on"
		"${guest_args[@]}"
		-drive "if=none,id=disk0,format=raw,$zeros"
		-device "nvme-ns,drive=disk0,nsid=1,shared=on"
	)
	guest_words="intel_iommu=on no_timer_check"
	guest_files=("$build"/tests/guest/guest_vfio)
	guest_run show "$limit" guest_vfio || broken=1
	# With more processors the emulator can end in an assertion of its own when
	# BARs come and go below another one.
	guest_args+=(-smp 1)
	guest_files=("$build"/tests/guest/guest_{inventory,claim,claimants,jail})
	guest_run show "$limit" guest_inventory guest_claim guest_jail \
		"guest_claimants $claim_seconds $claim_cycles" || broken=1
	guest_words=''
}

# Where rates can be held: a card with virtual functions, one of software, and a disk
# that is faster than any limit of it.
run_limits_suite()
{
	local zeros=file=null-co://,file.size=64M,file.read-zeroes=on

	guest_args=(
		-device "pcie-root-port,id=port0,slot=1,chassis=1"
		-netdev "hubport,id=net0,hubid=0"
		-device "igb,bus=port0,netdev=net0"
		-drive "if=none,id=disk0,format=raw,$zeros"
		-device "virtio-blk-pci,drive=disk0,serial=limited"
	)
	guest_files=("$build"/tests/guest/guest_limit_{net,disk}
		"$("$guest_dir/modules.sh")/netdevsim.ko")
	guest_run show "$limit" "modprobe -a psample macsec udp_tunnel" \
		guest_limit_net guest_limit_disk || broken=1
}

# With the devices of run_vfio_suite, which are taken away: by themselves, and by the
# monitor. Its pipes are made once and not opened here.
run_events_suite()
{
	mkfifo "$work"/monitor.{in,out}
	guest_args+=(
		-chardev "pipe,id=monitor,path=$work/monitor"
		-mon "chardev=monitor,mode=control"
	)
	guest_words="intel_iommu=on no_timer_check"
	guest_files=("$build"/tests/guest/guest_{unplug,aer})
	guest_run show "$limit" guest_unplug guest_aer || broken=1
	guest_words=''
}

# A guest of the guest, which has a VF: the emulated processor has the extensions for
# virtual machines. With more processors see above.
run_nested_suite()
{
	guest_args=(
		-device "intel-iommu,intremap=on,caching-mode=on"
		-device "pcie-root-port,id=port0,slot=1,chassis=1"
		-netdev "hubport,id=net0,hubid=0"
		-device "igb,bus=port0,netdev=net0"
		-smp 1
	)
	guest_words="intel_iommu=on no_timer_check"
	guest_files=("$build"/tests/guest/{guest_nested,nested_program})
	guest_run show "$limit" guest_nested || broken=1
	guest_words=''
}

# The same two, with as many virtual functions as they make and a disk that keeps what
# is written. Each of eight has a queue and vectors of its own.
run_resize_suite()
{
	local pool=sriov_max_vfs=8,sriov_vq_flexible=24,sriov_vi_flexible=16
	local each=sriov_max_vq_per_vf=4,sriov_max_vi_per_vf=2

	truncate -s 16M "$work/resize.img"
	guest_args=(
		-device "intel-iommu,intremap=on,caching-mode=on"
		-device "pcie-root-port,id=port0,slot=1,chassis=1"
		-netdev "hubport,id=net0,hubid=0"
		-device "igb,bus=port0,netdev=net0"
		-device "pcie-root-port,id=port1,slot=2,chassis=2"
		-device "nvme-subsys,id=subsys"
		-device "nvme,bus=port1,serial=vio,subsys=subsys,$pool,$each"
		-drive "if=none,id=disk0,format=raw,file=$work/resize.img"
		-device "nvme-ns,drive=disk0,nsid=1,shared=on"
		-smp 1
	)
	guest_words="intel_iommu=on no_timer_check"
	guest_files=("$build"/tests/guest/guest_resize{,_times,_deaths})
	guest_run show "$resize_limit" guest_resize "guest_resize_times $resize_rows" \
		"guest_resize_deaths $deaths" || broken=1
	guest_words=''
}

# What vioctl and lspci say of each function is compared here, not shown.
show_vioctl()
{
	case $1 in
	'show '* | 'lspci '*) echo "$1" >>"$work/functions" ;;
	*) show "$1" ;;
	esac
}

# lspci with the loader and the libraries it came with, into the folder $1.
copy_lspci()
{
	local lib=$pieces/root/usr/lib/x86_64-linux-gnu
	local loader=$pieces/root/lib64/ld-linux-x86-64.so.2

	mkdir "$1"
	cp -L "$pieces/root/usr/bin/lspci" "$loader" "$1"
	"$loader" --library-path "$pieces/root/lib/x86_64-linux-gnu:$lib" \
		--list "$1/lspci" | awk '$2 == "=>" { print $3 }' |
		xargs -I {} cp -L {} "$1"
}

# With the devices of run_vfio_suite.
run_vioctl_suite()
{
	guest_words=intel_iommu=on
	copy_lspci "$work/lspci"
	: >"$work/functions"
	guest_files=("$build"/{examples/vioctl,lib/{,pci/}libvio*.so.0}
		"$guest_dir/guest_vioctl.sh"
		"$work/lspci")
	guest_run show_vioctl "$limit" guest_vioctl.sh || broken=1
	check vioctl_shows_every_field_as_lspci_does \
		python3 "$guest_dir/vioctl_lspci.py" "$work/functions"
	guest_words=''
}

# With the devices of run_vfio_suite and a kernel that has iommufd: once more all that
# goes another way there.
run_iommufd_suite()
{
	guest_kernel=$1
	guest_words="intel_iommu=on no_timer_check"
	guest_files=("$build"/tests/guest/guest_{vfio,mtty})
	guest_run show "$limit" "guest_vfio iommufd" "guest_mtty iommufd" || broken=1
	guest_kernel='' guest_words=''
}

journal_needs_replay()
{
	"$pieces/bin/debugfs" -R features "$work/files.img" | grep needs_recovery
}

# A copy, for the replay writes; what is tested is what a mount would find.
filesystem_is_consistent()
{
	cp --sparse=always "$work/files.img" "$work/replayed.img"
	"$pieces/bin/e2fsck" -fy -E journal_only "$work/replayed.img"
	"$pieces/bin/e2fsck" -fn "$work/replayed.img"
}

synced_files_are_whole()
{
	local name

	[[ ${#synced[@]} -gt 0 ]] || return 1
	for name in "${synced[@]}"; do
		"$pieces/bin/debugfs" -R "cat /$name" "$work/replayed.img" |
			cmp - <(yes "$name" | head -n 8192) || return 1
	done
}

run_kill()
{
	synced=() guest_args=() disk_end=0
	rm -f "$work"/*.img "$work"/*.sock
	truncate -s 256M "$work/files.img"
	"$pieces/bin/mke2fs" -q -t ext4 "$work/files.img" >>"$guest_log" 2>&1
	disk_open files
	guest_files=("$build/tests/guest/guest_load")
	guest_run show 120 "guest_load $1" || true
	check the_device_was_killed_under_load disk_was_killed
	check the_journal_was_in_use journal_needs_replay
	check a_killed_device_leaves_a_consistent_filesystem filesystem_is_consistent
	check what_was_synced_before_the_kill_is_whole synced_files_are_whole
}

# One after another, for each adds to the devices of the one before.
run_functions_suite()
{
	run_vf_suite
	run_vfio_suite
	run_events_suite
	run_vioctl_suite
	[[ -z $kernel ]] || run_iommufd_suite "$kernel"
}

run_kill_suite()
{
	local files

	for files in "${kills[@]}"; do
		run_kill "$files"
	done
}

read_options()
{
	local option

	for option in "$@"; do
		case $option in
		--soak)
			mib=256 write_mib=64 limit=600 kills=(10 20 40 80 120)
			claim_seconds=60 claim_cycles=100
			resize_limit=900 resize_rows="2 123456 4 1234567" deaths="20 5"
			;;
		--iommufd) kernel=$("$guest_dir/kernel.sh") ;;
		--iommufd=*) kernel=${option#*=} ;;
		block | functions | limits | nested | resize | kill)
			parts+=("$option")
			;;
		*) host_die "unknown option or part $option" ;;
		esac
	done
}

main()
{
	local parts=() part

	[[ $# -ge 1 && -d $1 ]] ||
		host_die "usage: run.sh BUILD_DIR [--soak] [--iommufd[=BZIMAGE]]" \
			"[PART...]"
	: >"$1/guest.log"
	host_open "$1" "$1/guest.log"
	kernel='' mib=32 write_mib=8 limit=240 kills=(20)
	claim_seconds=10 claim_cycles=15
	resize_limit=240 resize_rows="1 3 4 7" deaths="3 1"
	read_options "${@:2}"
	[[ ${#parts[@]} -gt 0 ]] ||
		parts=(block functions limits nested resize kill)
	for part in "${parts[@]}"; do
		"run_${part}_suite"
	done
	echo "guest: $passed passed, $((began - passed)) failed, $retries boots retried"
	((began > 0 && began == passed && broken == 0))
}

main "$@"
