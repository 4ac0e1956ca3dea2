#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The demo's part inside of the guest: virtual functions of an emulated network card
# and an emulated NVMe controller go through vioctl, which hands them out, sets them,
# changes their number under whoever holds one, and survives its own death. Prints a
# line that begins with "vf " for each thing that came out right, and ends at the first
# that did not.

set -eu
exec 2>/tmp/complaints
trap 'cat /tmp/complaints' EXIT
export LD_LIBRARY_PATH=/t

igb=0000:01:00.0
claimed=/tmp/claimed

driver_of()
{
	basename "$(readlink "/sys/bus/pci/devices/$1/driver")"
}

# Once a second for half a minute: an emulated machine takes its time.
until_it_holds()
{
	n=0
	until "$@"; do
		n=$((n + 1))
		[ $n -lt 30 ]
		sleep 1
	done
}

hold()
{
	rm -f "$claimed"
	vioctl claim --pf "$igb" --tag demo "$@" >"$claimed" &
	holder=$!
	until_it_holds test -s "$claimed"
	vf=$(cat "$claimed")
}

mkdir -p /run
modprobe -a igbvf vfio-pci vfio_iommu_type1
for pf in "$igb" 0000:02:00.0; do
	until_it_holds test -e /sys/bus/pci/devices/$pf/driver
	echo 2 >/sys/bus/pci/devices/$pf/sriov_numvfs
done
n=$(vioctl list --free | grep -c isolated)
echo "vf list: $n VFs of two devices, each alone in its IOMMU group"

# shellcheck disable=SC2016
drivers=$(vioctl claim --pf "$igb" -n 2 -- sh -c '
	for vf in $VIO_VFS; do
		basename "$(readlink "/sys/bus/pci/devices/$vf/driver")"
	done')
[ "$drivers" = "$(printf 'vfio-pci\nvfio-pci')" ]
[ "$(driver_of 0000:01:10.0)" = igbvf ]
echo "vf claim: two on vfio-pci for the life of a command, then on igbvf again"

hold
vioctl configure "$vf" --mac 02:00:00:00:00:01 --vlan 100
vioctl release "$vf"
wait "$holder"
echo "vf configure: $vf got a MAC and a VLAN, read back, undone with its release"

# $1 of what the resize printed, which are nanoseconds, in milliseconds.
ms_of()
{
	echo $(($(sed -n "s/^$1: //p" /tmp/resized) / 1000000))
}

hold --mac 02:00:00:00:00:02
vioctl resize "$igb" 5 --pause-held >/tmp/resized
grep -q '^paused: 1$' /tmp/resized
[ "$(find "/sys/bus/pci/devices/$igb/" -name 'virtfn*' | wc -l)" -eq 5 ]
[ "$(driver_of "$vf")" = vfio-pci ]
/bin/ip link show "$(basename "/sys/bus/pci/devices/$igb/net/"*)" |
	grep -q ' vf 0 .*02:00:00:00:00:02'
echo "vf resize: $vf paused, 2 VFs became 5, it goes on with its MAC:" \
	"$(ms_of total_ns) ms, $(ms_of kernel_ns) of them the kernel's"
vioctl release "$vf"
wait "$holder"

hold
kill -KILL "$holder"
wait "$holder" || true
vioctl list | grep -q "$vf .* dead"
vioctl recover --json | grep -q '"undone":1,'
[ "$(driver_of "$vf")" = igbvf ]
echo "vf recover: the holder of $vf was killed, and all is as it was before"
