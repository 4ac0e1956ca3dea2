#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Boots a guest and runs commands in it, with this script's input and output as
# theirs. The exit code is the first failing command's; 124: time limit; 125: the
# guest died or never booted. An emulated machine on a loaded host can stall before
# its init runs: only then is the boot tried again, and the output says so.

set -euo pipefail

usage()
{
	cat >&2 <<-END
		usage: boot.sh [options] COMMAND... [-- QEMU ARGUMENT...]
		  COMMAND     a line for the guest's shell, run beside the files
		  -f FILE     take FILE along, with the libraries it needs (repeatable)
		  -t SECONDS  time limit of all commands together (120)
		  -b SECONDS  time limit of one boot (60)
		  -r TIMES    boots to try after the first one (2)
		  -s CPUS     processors of the guest (2)
		  -m MIB      its memory (512)
		  -a WORDS    more kernel arguments
		  -l FILE     keep the kernel's console there
		  -k IMAGE    another kernel, with all that it needs built in
	END
	exit 125
}

say()
{
	echo "boot.sh: $*" >&2
}

files=() limit=120 boot_limit=60 retries=2 cpus=2 mib=512 words='' log='' kernel=''
while getopts f:t:b:r:s:m:a:l:k: option; do
	case $option in
	f) files+=("$OPTARG") ;;
	t) limit=$OPTARG ;;
	b) boot_limit=$OPTARG ;;
	r) retries=$OPTARG ;;
	s) cpus=$OPTARG ;;
	m) mib=$OPTARG ;;
	a) words=$OPTARG ;;
	l) log=$OPTARG ;;
	k) kernel=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
commands=()
while [[ $# -gt 0 && $1 != -- ]]; do
	commands+=("$1")
	shift
done
shift || true
[[ ${#commands[@]} -gt 0 ]] || usage

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
base=$("$here/image.sh") || exit 125
pieces=${base%/*}
kernel=${kernel:-$(echo "$pieces"/root/boot/vmlinuz-*)}
work=$(mktemp -d)
qemu='' feed=''
trap 'stop_guest; rm -rf "$work"' EXIT
trap 'exit 143' INT TERM HUP

# What is no dynamic program has none.
libraries()
{
	{ ldd "$1" 2>/dev/null || true; } |
		awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }'
}

# The libraries keep their paths: that of the loader is written in every program.
add_file()
{
	local library

	cp -rL "$1" "$work/root/t/"
	for library in $(libraries "$1"); do
		mkdir -p "$work/root${library%/*}"
		cp -L "$library" "$work/root$library"
	done
}

# The kernel unpacks concatenated archives one after another.
write_initrd()
{
	local file

	mkdir -p "$work/root/t"
	for file in "${files[@]}"; do
		add_file "$file"
	done
	printf '%s\n' "${commands[@]}" >"$work/root/t/.commands"
	(cd "$work/root" && find . | "$pieces/bin/busybox" cpio -o -H newc) \
		2>/dev/null | cat "$base" - >"$work/initrd"
}

# QEMU dies with this shell, also when that is killed. It gets pipes for its input
# and output, because it makes them non-blocking and other programs share ours. The
# third serial port ends in this shell: a read of it returns when the guest speaks,
# when time is up or when QEMU is gone.
start_guest()
{
	local root=$pieces/root

	exec {sink}> >(exec cat >&"$output")
	pump=$!
	exec {control}< <(
		exec 9>&1 >&"$sink" <>"$work/input"
		exec setpriv --pdeathsig KILL "$pieces/bin/qemu-system-x86_64" \
			-nodefaults -no-user-config -machine q35 -accel tcg -cpu max \
			-smp "$cpus" -m "$mib" -display none -no-reboot \
			-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" \
			-serial "file:$work/console" -serial stdio \
			-serial file:/dev/fd/9 -kernel "$kernel" \
			-initrd "$work/initrd" -append \
			"console=ttyS0 panic=-1 loglevel=4 $words" "$@"
	)
	qemu=$!
	exec {sink}>&-
}

stop_guest()
{
	[[ -n $qemu ]] || return 0
	kill -KILL "$qemu" $feed 2>/dev/null || true
	wait "$qemu" "$pump" $feed 2>/dev/null || true
	exec {control}<&-
	qemu=''
	[[ -z $log ]] || cp "$work/console" "$log" || true
}

# Waits up to $2 seconds for the guest to say $1, and keeps the number after it.
# Returns 124 when time is up and 125 when the guest is gone.
hear()
{
	local word rc

	heard=''
	while read -r -t "$2" -u "$control" word heard || { rc=$? && false; }; do
		heard=${heard%$'\r'}
		[[ ${word%$'\r'} != "$1" ]] || return 0
	done
	((rc > 128)) && return 124
	return 125
}

give_up()
{
	say "$2, the console's last lines:"
	tail -n 30 "$work/console" >&2 || true
	exit "$1"
}

boot_guest()
{
	local try=0 rc

	while start_guest "$@"; do
		hear VIO-BOOT "$boot_limit" && return
		rc=$?
		stop_guest
		((rc == 124)) || give_up 125 "QEMU ended before the guest ran"
		((try < retries)) || give_up 125 "no boot in $((try + 1)) tries"
		try=$((try + 1))
		say "the guest did not boot: retry $try"
	done
}

if [[ -t 0 ]]; then
	exec {input}</dev/null
else
	exec {input}<&0
fi
exec {output}>&1
mkfifo "$work/input"
: >"$work/console"
write_initrd
boot_guest "$@"
# Not before: a serial port drops what comes in while its driver sets it up.
setpriv --pdeathsig KILL cat <&"$input" >"$work/input" &
feed=$!
rc=0
hear VIO-EXIT "$limit" || rc=$?
stop_guest
case $rc in
124) give_up 124 "time limit of $limit s" ;;
125) give_up 125 "the guest died" ;;
esac
exit "$heard"
