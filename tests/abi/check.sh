#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Compares the library's ABI with the accepted one. Any difference fails, also
# one that abidiff calls compatible: it reports layout breaks with the same
# status as harmless growth, so a person decides, by running accept.sh.
#
#	check.sh LIBRARY INCLUDE_DIR BASELINE
#	check.sh --dump LIBRARY INCLUDE_DIR	prints the ABI
#	check.sh --self-test
set -eu

# Nothing that another path, line number or optional dependency would change.
dump() {
	abidw --headers-dir "$2" --drop-private-types --no-corpus-path \
		--no-comp-dir-path --no-show-locs --no-elf-needed "$1"
}

# A function that abidw lost is one whose change it cannot see; a library without
# debug information has no description at all.
described() {
	local symbols functions
	symbols=$(grep -c "<elf-symbol .*func-type.*is-defined=.yes" "$1" || true)
	functions=$(grep -c "<function-decl .*elf-symbol-id=" "$1" || true)
	[ "$symbols" -gt 0 ] && [ "$symbols" -eq "$functions" ] && return 0
	echo "$functions of $symbols functions are described." \
		"To mend: build with clang -O0 -g"
	return 1
}

compare() {
	local now
	now=$(mktemp)
	dump "$1" "$2" >"$now"
	if described "$now" && abidiff "$3" "$now"; then
		rm -f "$now"
		return 0
	fi
	rm -f "$now"
	echo "The ABI differs. To mend: undo the change;" \
		"if it is meant and only adds, tests/abi/accept.sh BUILD_DIR"
	return 1
}

# build FOLDER FIELDS: a library of one struct, as a layout change is made.
build() {
	mkdir -p "$1"
	printf '%s\n' '#include <stdint.h>' "struct vio_x { $2 };" \
		'int vio_x_set(struct vio_x *x);' >"$1/x.h"
	printf '%s\n' '#include "x.h"' \
		'int vio_x_set(struct vio_x *x) { return !x; }' >"$1/x.c"
	cc -g -shared -fPIC -o "$1/libx.so" "$1/x.c"
}

# differs NAME FIELDS: whether a change of the struct is refused.
differs() {
	build "$folder/new" "$2"
	if compare "$folder/new/libx.so" "$folder/new" "$folder/x.abi" >/dev/null; then
		echo "not ok - $1"
		failed=1
	else
		echo "ok - $1"
	fi
}

self_test() {
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' EXIT
	failed=0
	build "$folder/old" 'uint64_t a; uint64_t b;'
	dump "$folder/old/libx.so" "$folder/old" >"$folder/x.abi"
	if compare "$folder/old/libx.so" "$folder/old" "$folder/x.abi"; then
		echo "ok - the same library"
	else
		echo "not ok - the same library"
		failed=1
	fi
	differs 'two fields swapped' 'uint64_t b; uint64_t a;'
	differs 'a field narrowed' 'uint64_t a; uint32_t b; uint32_t c;'
	differs 'a field appended' 'uint64_t a; uint64_t b; uint64_t c;'
	strip -g "$folder/old/libx.so"
	if compare "$folder/old/libx.so" "$folder/old" "$folder/x.abi" >/dev/null; then
		echo "not ok - a library without debug information"
		failed=1
	else
		echo "ok - a library without debug information"
	fi
	return "$failed"
}

if ! command -v abidw >/dev/null; then
	echo "skipped: abidw is not installed"
	exit 77
fi
case $1 in
--self-test) self_test ;;
--dump) dump "$2" "$3" ;;
*) compare "$1" "$2" "$3" ;;
esac
