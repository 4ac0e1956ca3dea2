#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vioctl on a machine with real drivers, in the guest. What it and lspci say of each
# function goes to the host, which compares it. Told in CMocka's lines. Nothing here
# waits for a time: a state is looked for until it comes or the guest's time is up.

# Functions are called by the name that check() gets.
# shellcheck disable=SC2317
set -u

# The library is beside the program, not where that was built.
export LD_LIBRARY_PATH=/t

igb=0000:01:00.0
nvme=0000:02:00.0
vf=0000:01:10.0
work=/tmp/vioctl
failed=0

check()
{
	echo "[ RUN      ] $1"
	if "$1" >log 2>&1; then
		echo "[       OK ] $1"
	else
		cat log
		echo "[  FAILED  ] $1"
		failed=1
	fi
}

lspci()
{
	/t/lspci/ld-linux-x86-64.so.2 --library-path /t/lspci /t/lspci/lspci -D "$@"
}

functions()
{
	ls /sys/bus/pci/devices
}

driver_of()
{
	basename "$(readlink "/sys/bus/pci/devices/$1/driver")"
}

until_it_holds()
{
	n=0
	until "$@"; do
		n=$((n + 1))
		[ $n -lt 100 ] || return 1
		usleep 100000
	done
}

# exits CODE COMMAND...: with that code, and one line of complaint.
exits()
{
	wanted=$1
	shift
	"$@" 2>complaint
	[ $? -eq "$wanted" ] && [ "$(wc -l <complaint)" -eq 1 ] &&
		grep '^vioctl: ' complaint
}

tell_host()
{
	for function in $(functions); do
		echo "show $(vioctl show "$function" --json)"
		lspci -n -vvv -s "$function" | sed 's/^/lspci /'
	done
}

bytes_of_every_function_equal_lspci()
{
	for function in $(functions); do
		lspci -n -xxxx -s "$function" | tail -n +2 >theirs
		vioctl show "$function" --raw | tail -n +2 >mine
		[ -s mine ] || return 1
		# lspci ends with an empty line.
		grep . theirs | diff - mine || return 1
	done
}

list_has_pfs_and_their_vfs()
{
	vioctl list --json >listed
	for function in "$igb" "$nvme" "$vf" 0000:02:00.1; do
		grep "\"address\":\"$function\"" listed || return 1
	done
	[ "$(vioctl list | wc -l)" -eq 9 ] &&
		vioctl list --pf "$igb" | grep "^$igb .* 4/7 " &&
		[ "$(vioctl list --free | wc -l)" -eq 7 ]
}

a_command_has_vfs_for_its_life()
{
	# shellcheck disable=SC2016
	vioctl claim --pf "$igb" -n 2 --need flr,isolated -- sh -c '
		set -- $VIO_VFS
		[ $# -eq 2 ] || exit 1
		for vf; do
			basename "$(readlink /sys/bus/pci/devices/$vf/driver)"
		done' >drivers || return 1
	[ "$(sort -u drivers)" = vfio-pci ] &&
		[ "$(wc -l <drivers)" -eq 2 ] &&
		[ "$(driver_of "$vf")" = igbvf ] &&
		[ "$(driver_of 0000:01:10.2)" = igbvf ]
}

a_command_s_code_is_the_claim_s()
{
	vioctl claim --pf "$igb" -- sh -c 'exit 42'
	[ $? -eq 42 ] || return 1
	vioctl claim --pf "$igb" -- no-such-command
	[ $? -eq 127 ] || return 1
	vioctl claim --pf "$igb" -n 64 -- true
	[ $? -eq 125 ]
}

too_many_are_refused()
{
	exits 4 vioctl claim -n 64 && [ "$(driver_of "$vf")" = igbvf ]
}

# A holder of one VF or more: its process, the first of its VFs.
hold()
{
	rm -f claimed
	vioctl claim --pf "$igb" --tag web "$@" >claimed &
	holder=$!
	until_it_holds test -s claimed || return 1
	held=$(head -n 1 claimed)
}

a_holder_is_listed_and_ends_with_a_signal()
{
	hold || return 1
	vioctl list | grep "$held .*vioctl\[$holder\] web" || return 1
	kill "$holder"
	wait "$holder" && [ "$(driver_of "$held")" = igbvf ] &&
		! vioctl list | grep 'vioctl\['
}

a_holder_is_asked_to_release()
{
	hold -n 2 || return 1
	vioctl release "$(tail -n 1 claimed)" || return 1
	kill -0 "$holder" || return 1
	vioctl release "$held" --json | grep "{\"released\":\[\"$held\"\]}" || return 1
	wait "$holder" && [ "$(driver_of "$held")" = igbvf ]
}

a_vf_that_a_command_uses_is_not_released()
{
	mkfifo block
	vioctl claim --pf "$igb" -- cat block &
	holder=$!
	until_it_holds sh -c "vioctl list | grep 'vioctl\[$holder\]'" || return 1
	held=$(vioctl list | awk '/vioctl\[/ { print $1 }')
	exits 4 vioctl release "$held" || return 1
	: >block
	wait "$holder"
}

nobody_s_vf_is_not_released()
{
	exits 4 vioctl release "$vf"
}

a_holder_is_asked_to_configure()
{
	hold || return 1
	vioctl configure "$held" --mac 02:00:00:00:00:42 --vlan 5 --json |
		grep '"applied":\["mac","vlan"\]' || return 1
	exits 1 vioctl configure "$held" --vlan 4095 || return 1
	exits 6 vioctl configure "$held" --link enable || return 1
	kill "$holder"
	wait "$holder"
}

a_dead_holder_is_recovered()
{
	hold || return 1
	kill -9 "$holder"
	wait "$holder"
	vioctl list | grep "$held .* dead" || return 1
	[ "$(driver_of "$held")" = vfio-pci ] || return 1
	exits 4 vioctl release "$held" || return 1
	vioctl recover --json |
		grep '^{"undone":1,"alive":0,"unknown":0,"failed":0}$' || return 1
	[ "$(driver_of "$held")" = igbvf ] && ! vioctl list | grep dead
}

a_dead_holder_s_command_is_killed()
{
	vioctl claim --pf "$igb" -- cat block &
	holder=$!
	until_it_holds pidof cat || return 1
	kill -9 "$holder"
	wait "$holder"
	until_it_holds sh -c '! pidof cat' && vioctl recover
}

mac_of()
{
	/bin/ip link show "$(basename "/sys/bus/pci/devices/$igb/net/"*)" |
		sed -n "s/^ *vf $1 .*link\/ether \([0-9a-f:]*\) .*/\1/p"
}

a_held_vf_is_paused_and_resumed_with_its_mac()
{
	hold --mac 02:00:00:00:00:77 || return 1
	index=$(vioctl show "$held" --json | sed 's/.*"vf_index":\([0-9]*\).*/\1/')
	vioctl pause "$held" --json | grep '"state":"paused"' || return 1
	vioctl list | grep "$held .*paused" || return 1
	exits 4 vioctl configure "$held" --vlan 5 || return 1
	vioctl resume "$held" --json | grep '"state":"held"' || return 1
	[ "$(driver_of "$held")" = vfio-pci ] || return 1
	[ "$(mac_of "$index")" = 02:00:00:00:00:77 ] || return 1
	kill "$holder"
	wait "$holder" && [ "$(driver_of "$held")" = igbvf ]
}

count_vfs()
{
	find "/sys/bus/pci/devices/$1/" -name 'virtfn*' | wc -l
}

the_number_of_vfs_changes_under_a_holder()
{
	hold --mac 02:00:00:00:00:78 || return 1
	index=$(vioctl show "$held" --json | sed 's/.*"vf_index":\([0-9]*\).*/\1/')
	exits 4 vioctl resize "$igb" 6 || return 1
	grep "vioctl\[$holder\] holds it" complaint || return 1
	vioctl resize "$igb" 6 --pause-held --json >resized || return 1
	cat resized
	grep '"n_vfs":6,"paused":1,' resized || return 1
	[ "$(count_vfs "$igb")" -eq 6 ] || return 1
	[ "$(driver_of "$held")" = vfio-pci ] || return 1
	[ "$(mac_of "$index")" = 02:00:00:00:00:78 ] || return 1
	kill "$holder"
	wait "$holder" && [ "$(driver_of "$held")" = igbvf ]
}

the_number_of_vfs_changes_where_nobody_holds_one()
{
	vioctl resize "$igb" 0 && [ "$(count_vfs "$igb")" -eq 0 ] || return 1
	exits 1 vioctl resize "$igb" 8 || return 1
	vioctl resize "$igb" 4 && [ "$(count_vfs "$igb")" -eq 4 ] &&
		[ "$(driver_of "$vf")" = igbvf ]
}

# The group's file is open in a process that knows nothing of vioctl.
a_program_that_has_a_vf_open_is_waited_for_and_named()
{
	hold || return 1
	group=$(basename "$(readlink "/sys/bus/pci/devices/$held/iommu_group")")
	sleep 1000 7<>"/dev/vfio/$group" &
	user=$!
	until_it_holds test -e "/proc/$user/fd/7" || return 1
	exits 7 vioctl resize "$igb" 5 --pause-held --timeout 1 || return 1
	grep "$held: .*\[$user\] has it open" complaint || return 1
	[ "$(count_vfs "$igb")" -eq 4 ] || return 1
	vioctl pause "$held" &
	pauser=$!
	kill "$user"
	wait "$pauser" || return 1
	vioctl list | grep "$held .*paused" || return 1
	kill "$holder"
	wait "$holder" && [ "$(driver_of "$held")" = igbvf ]
}

a_watch_sees_a_driver_come_and_go()
{
	vioctl watch --count 2 >events &
	watcher=$!
	until_it_holds grep watching events || return 1
	echo "$vf" >"/sys/bus/pci/devices/$vf/driver/unbind" || return 1
	echo "$vf" >/sys/bus/pci/drivers_probe || return 1
	wait "$watcher" && grep "unbound $vf" events
}

mkdir -p $work /run
cd $work || exit
# No device manager runs here that would load them.
modprobe -a igbvf vfio-pci vfio_iommu_type1 || exit
until_it_holds test -e /sys/bus/pci/devices/$igb/driver
until_it_holds test -e /sys/bus/pci/devices/$nvme/driver
echo 4 >/sys/bus/pci/devices/$igb/sriov_numvfs
echo 2 >/sys/bus/pci/devices/$nvme/sriov_numvfs
until_it_holds test -e /sys/bus/pci/devices/0000:01:10.6/driver
tell_host
for name in bytes_of_every_function_equal_lspci list_has_pfs_and_their_vfs \
	a_command_has_vfs_for_its_life a_command_s_code_is_the_claim_s \
	too_many_are_refused a_holder_is_listed_and_ends_with_a_signal \
	a_holder_is_asked_to_release a_vf_that_a_command_uses_is_not_released \
	nobody_s_vf_is_not_released a_holder_is_asked_to_configure \
	a_dead_holder_is_recovered a_dead_holder_s_command_is_killed \
	a_held_vf_is_paused_and_resumed_with_its_mac \
	the_number_of_vfs_changes_under_a_holder \
	the_number_of_vfs_changes_where_nobody_holds_one \
	a_program_that_has_a_vf_open_is_waited_for_and_named \
	a_watch_sees_a_driver_come_and_go; do
	check "$name"
done
exit "$failed"
