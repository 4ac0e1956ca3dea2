# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The host's part of a guest run, sourced by run.sh and by the demo: images, the
# vio-blk processes that serve them, the guest beside them and the answers to what
# its programs ask. One folder holds it all and goes with the shell; a device ends
# with the shell even when that is killed. A disk is an image, a socket, a control
# pipe and a process, all under the name that is also its serial.

set -euo pipefail

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
declare -A disk_pid=() disk_sum=() guest_devices=()
guest_args=() guest_files=() guest_words='' guest_kernel='' guest_pid=''
disk_end=0 work=''

host_die()
{
	echo "guest: $*" >&2
	exit 1
}

# $1: the build folder, $2: a log that is added to.
host_open()
{
	build=$(cd "$1" && pwd)
	guest_log=$2
	pieces=$("$guest_dir/fetch.sh")
	work=$(mktemp -d)
	trap host_close EXIT
	trap 'exit 143' INT TERM HUP
}

host_close()
{
	[[ -z $guest_pid ]] || kill "$guest_pid" 2>/dev/null || true
	[[ ${#disk_pid[@]} -eq 0 ]] || kill -KILL "${disk_pid[@]}" 2>/dev/null || true
	wait 2>/dev/null
	[[ -z $work ]] || rm -rf "$work"
}

# Files of $1 MiB in all, a few large and many small, and an image that holds them.
files_create()
{
	local i dir=$work/source

	mkdir "$dir"
	for ((i = 0; i < 64; i++)); do
		head -c $(($1 * (i % 4 ? 4096 : 53248))) /dev/urandom >"$dir/file$i"
	done
	(cd "$dir" && sha256sum file* >SUMS)
	truncate -s $(($1 * 2 + 64))M "$work/files.img"
	"$pieces/bin/mke2fs" -q -t ext4 -d "$dir" "$work/files.img" >>"$guest_log" 2>&1
}

# An image of $2 MiB. One with content, so that reads are not of holes alone.
disk_create()
{
	truncate -s "$2M" "$work/$1.img"
	head -c 1M /dev/urandom | dd of="$work/$1.img" conv=notrunc status=none
	disk_sum[$1]=$(sha256sum <"$work/$1.img")
}

# Serves the image as a disk with two queues; what follows the name goes to vio-blk.
disk_open()
{
	local name=$1 deadline=$((SECONDS + 20))

	shift
	setpriv --pdeathsig KILL "$build/examples/vio-blk" --socket "$work/$name.sock" \
		--queues 2 --serial "$name" "$@" "$work/$name.img" >>"$guest_log" 2>&1 &
	disk_pid[$name]=$!
	until [[ -S $work/$name.sock ]]; do
		kill -0 "${disk_pid[$name]}" 2>/dev/null ||
			host_die "vio-blk for $name ended at once, see $guest_log"
		((SECONDS < deadline)) || host_die "vio-blk for $name does not listen"
		sleep 0.05
	done
	guest_args+=(-chardev "socket,id=$name,path=$work/$name.sock"
		-device "vhost-user-blk-pci,chardev=$name,num-queues=2")
}

# The clean stop: exit code 0, within 10 seconds of SIGTERM.
disk_close()
{
	local pid=${disk_pid[$1]} deadline=$((SECONDS + 10))

	unset "disk_pid[$1]"
	kill "$pid" 2>/dev/null || true
	while kill -0 "$pid" 2>/dev/null; do
		((SECONDS < deadline)) || kill -KILL "$pid"
		sleep 0.05
	done
	wait "$pid"
}

# "<thread> <processor time in ns>" of each thread of the device.
thread_times()
{
	local task

	for task in "/proc/${disk_pid[$1]}/task"/*; do
		echo "${task##*/} $(cut -d' ' -f1 "$task/schedstat")"
	done | sort
}

# 10 ms is far above what a thread that only waits spends.
count_busy_threads()
{
	thread_times "$1" | join "$work/threads" - |
		awk '$3 - $2 > 10000000 { n++ } END { print n + 0 }'
}

# Every file the guest wrote has the sum it told, in an image that fsck finds clean.
check_written()
{
	local dir=$work/written i

	rm -rf "$dir"
	mkdir "$dir"
	"$pieces/bin/e2fsck" -fn "$work/files.img" || return 1
	{
		echo "dump /guest/SUMS $dir/SUMS"
		for ((i = 0; i < $1; i++)); do
			echo "dump /guest/file$i $dir/file$i"
		done
	} >"$work/dump"
	"$pieces/bin/debugfs" -f "$work/dump" "$work/files.img" || return 1
	(cd "$dir" && sha256sum -c SUMS && [[ $(wc -l <SUMS) -eq $1 ]])
}

answer_if()
{
	if "$@" >>"$guest_log" 2>&1; then
		echo ok
	else
		echo "no: $*"
	fi
}

# Opening the pipe waits for its reader: a device that is gone must not stop us.
set_limit()
{
	timeout 10 tee "$work/scratch.control" <<<"limit $1"
}

mark_threads()
{
	thread_times "$1" >"$work/threads"
}

image_is_unchanged()
{
	[[ $(sha256sum <"$work/$1.img") = "${disk_sum[$1]}" ]]
}

# The device dies under the guest, and the guest with it: it has no disk any more.
kill_disk()
{
	kill -KILL "${disk_pid[files]}"
	wait "${disk_pid[files]}" 2>/dev/null || disk_end=$?
	unset "disk_pid[files]"
	kill "$guest_pid"
}

# 128 and the number of SIGKILL: it did not end by itself before.
disk_was_killed()
{
	((disk_end == 137))
}

# A command for QEMU's monitor, where guest_args has one. It answers in another pipe;
# what did not work is seen in the guest.
ask_monitor()
{
	local command='{"execute": "human-monitor-command", "arguments": '

	timeout 10 tee "$work/monitor.in" <<-END
		{"execute": "qmp_capabilities"}
		$command{"command-line": "$*"}}
	END
}

host_answer()
{
	case $1 in
	files) wc -l <"$work/source/SUMS" ;;
	size) stat -c %s "$work/$2.img" ;;
	check) answer_if check_written "$2" ;;
	unchanged) answer_if image_is_unchanged "$2" ;;
	threads-mark) answer_if mark_threads "$2" ;;
	threads-busy) count_busy_threads "$2" ;;
	limit) answer_if set_limit "$2" ;;
	kill) kill_disk ;;
	unplug) answer_if ask_monitor "device_del $2" ;;
	plug) answer_if ask_monitor "device_add ${guest_devices[$2]},id=$2" ;;
	*) echo "unknown question" ;;
	esac
}

# Runs the guest with the disks that are open. $1 is a function that gets each line
# of output, $2 the time limit; the rest are the guest's commands. guest_words are
# more arguments of its kernel, guest_kernel another one than Debian's.
guest_run()
{
	local show=$1 limit=$2 rc=0 line from to file
	local -a question options=()

	shift 2
	[[ -z $guest_kernel ]] || options+=(-k "$guest_kernel")
	for file in "${guest_files[@]}"; do
		options+=(-f "$file")
	done
	coproc guest {
		exec setpriv --pdeathsig TERM "$guest_dir/boot.sh" -t "$limit" \
			-a "$guest_words" \
			-l "$build/guest-console.log" "${options[@]}" "$@" -- \
			"${guest_args[@]}" \
			-object memory-backend-memfd,id=ram,size=512M,share=on \
			-machine memory-backend=ram 2>&1
	}
	guest_pid=$!
	exec {from}<&"${guest[0]}" {to}>&"${guest[1]}"
	while IFS= read -r line <&"$from"; do
		echo "$line" >>"$guest_log"
		if [[ $line = @* ]]; then
			read -ra question <<<"${line#@}"
			host_answer "${question[@]}" >&"$to"
		else
			"$show" "$line"
		fi
	done
	exec {from}<&- {to}>&-
	wait "$guest_pid" || rc=$?
	guest_pid=''
	return "$rc"
}
