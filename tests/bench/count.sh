#!/bin/sh
# SPDX-License-Identifier: MIT
# Counts the instructions of one operation of a benchmark under callgrind and
# prints them as the benchmarks print their rows. N and 2N operations are run and
# the difference divided by N, so that starting and ending do not count; the same
# for the empty loop, which is taken off.
# usage: count.sh PROGRAM SUBJECT MOST
# exit status 1: more than MOST; 77: no valgrind
set -eu

program=$1
subject=$2
most=$3
n=100000

if ! command -v valgrind >/dev/null; then
	echo "count.sh: skipped, valgrind is not installed" >&2
	exit 77
fi

# Instructions of $2 operations of $1.
count() {
	valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		"$program" --count "$1" "$2" 2>&1 |
		sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

# Of one operation of $1, in hundredths.
count_one() {
	once=$(count "$1" "$n")
	twice=$(count "$1" "$((2 * n))")
	[ -n "$once" ] && [ -n "$twice" ] || exit 2
	echo $(((twice - once) * 100 / n))
}

whole=$(count_one "$subject")
loop=$(count_one loop)
value=$((whole - loop))

printf '{"bench":"%s","params":"%s instructions","value":%d.%02d,' \
	"$(basename "$program")" "$subject" $((value / 100)) $((value % 100))
printf '"unit":"instructions/op","peer":"limit","peer_value":%d,' "$most"
printf '"ratio":%d.%02d,"spread":null,"aa_ratio":null,"runs":1}\n' \
	$((value / most / 100)) $((value / most % 100))

if [ "$value" -gt $((most * 100)) ]; then
	echo "count.sh: more than $most instructions" >&2
	exit 1
fi
