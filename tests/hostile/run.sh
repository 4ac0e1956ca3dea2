#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Attacks vio-blk, with two queues, and libvio's queue within a process, by all IDs
# that vio-hostile has. BUILD is built with sanitizers, whose findings count.
#
#	run.sh BUILD [--soak]
set -u

build=${1:?usage: run.sh BUILD [--soak]}
hostile=$build/tests/hostile/vio-hostile
window=200
turns=2
limit=100
if [ "${2:-}" = --soak ]; then
	window=1000
	turns=100
	limit=3000
fi
# What is freed again and again is kept back for a while, but not for ever: the
# mappings of the process are counted.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=8
status=0
dir=$(mktemp -d) || exit 1
blk=
# The one that was started here, and only if it is still there.
trap '[ -z "$blk" ] || kill -KILL "$blk"; rm -rf "$dir"' EXIT

# check NAME COMMAND...: one line for a test.
check() {
	local name=$1 verdict=ok
	shift
	"$@" || verdict="not ok"
	echo "$verdict - $name"
	[ "$verdict" = ok ] || status=1
}

is_listening() {
	awk -v path="$dir/socket" '$NF == path && $4 == "00010000" { found = 1 }
		END { exit !found }' /proc/net/unix
}

# wait_for COMMAND...: at most 20 s.
wait_for() {
	local turn
	for turn in $(seq 400); do
		"$@" && return
		kill -0 "$blk" || return
		sleep 0.05
	done
	echo "gave up after $turn turns: $*"
	return 1
}

attack() {
	timeout "$limit" "$hostile" "$@" --pinned --window "$window" --repeat "$turns" \
		--timeout 5000 2>"$dir/own" || status=1
	cat "$dir/own"
}

ends_well() {
	local code=0
	kill -TERM "$blk"
	wait "$blk" || code=$?
	blk=
	[ "$code" -eq 0 ] || echo "vio-blk ended with $code"
	return "$code"
}

is_clean() {
	! grep -hE 'Sanitizer|runtime error:' "$@"
}

attack --in-process
check "in-process: no finding of a sanitizer" is_clean "$dir/own"

truncate -s 4M "$dir/image"
"$build/examples/vio-blk" --socket "$dir/socket" --queues 2 "$dir/image" \
	>"$dir/log" 2>&1 &
blk=$!
wait_for is_listening || exit 1
attack --socket "$dir/socket"
check "socket: no finding of a sanitizer in the program" is_clean "$dir/own"
check "socket: vio-blk ends with 0 after all that" ends_well
check "socket: no finding of a sanitizer in vio-blk" is_clean "$dir/log"
[ "$status" -eq 0 ] || tail -n 20 "$dir/log"
[ "$status" -eq 0 ]
