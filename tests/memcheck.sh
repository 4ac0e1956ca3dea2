#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs a test under valgrind's memcheck. Errors, leaks and descriptors that are
# left open fail it; the last are found in the report, since this valgrind does
# not count them as errors. What a forked child leaves open is its parent's.
#
#	memcheck.sh PROGRAM [ARGUMENT...]
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT

status=0
valgrind --error-exitcode=99 --leak-check=full --track-fds=yes \
	--errors-for-leak-kinds=definite,indirect,possible \
	--suppressions="${BASH_SOURCE[0]%/*}/memcheck.supp" \
	--child-silent-after-fork=yes --log-file="$log" "$@" || status=$?

left=$(grep -A1 'Open .*\(descriptor\|socket\)' "$log" |
	grep -B1 -v -e 'Open ' -e '<inherited from parent>' -e '^--$' || true)
if [ "$status" -ne 0 ] || [ -n "$left" ]; then
	cat "$log" >&2
fi
if [ -n "$left" ]; then
	echo "not ok - descriptors left open"
	exit 98
fi
exit "$status"
