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

# Nothing that another path, line number or optional dependency would change, and no
# type that a program sees only by pointer. Those are told by their header's path:
# abidw's own way, --headers-dir, goes by its name, and lib/ has some of the same.
dump() {
	local private status=0

	private=$(mktemp)
	printf '%s\n' '[suppress_type]' 'drop = yes' \
		"source_location_not_regexp = $(basename "$2")/" >"$private"
	abidw --suppressions "$private" --no-corpus-path --no-comp-dir-path \
		--no-show-locs --no-elf-needed "$1" || status=$?
	rm -f "$private"
	return "$status"
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

# build FOLDER FIELDS [PRIVATE_FIELDS]: a library of one struct, as a layout change is
# made, and of one that programs see by pointer alone, from a header of the same name.
build() {
	mkdir -p "$1" "$1.lib"
	printf '%s\n' '#include <stdint.h>' "struct vio_x { $2 };" 'struct vio_y;' \
		'int vio_x_set(struct vio_x *x);' 'int vio_y_set(struct vio_y *y);' \
		>"$1/x.h"
	echo "struct vio_y { ${3:-int a;} };" >"$1.lib/x.h"
	printf '%s\n' '#include "x.h"' "#include \"$1.lib/x.h\"" \
		'int vio_x_set(struct vio_x *x) { return !x; }' \
		'int vio_y_set(struct vio_y *y) { return y->a; }' >"$1/x.c"
	cc -g -shared -fPIC -o "$1/libx.so" "$1/x.c"
}

# says NAME STATUS FIELDS [PRIVATE_FIELDS]: whether a change is let through.
says() {
	local status=0

	build "$folder/new" "$3" "${4:-}"
	compare "$folder/new/libx.so" "$folder/new" "$folder/x.abi" >/dev/null ||
		status=1
	if [ "$status" -eq "$2" ]; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		failed=1
	fi
}

self_test() {
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' EXIT
	failed=0
	build "$folder/old" 'uint64_t a; uint64_t b;'
	dump "$folder/old/libx.so" "$folder/old" >"$folder/x.abi"
	says 'the same library' 0 'uint64_t a; uint64_t b;'
	says 'two fields swapped' 1 'uint64_t b; uint64_t a;'
	says 'a field narrowed' 1 'uint64_t a; uint32_t b; uint32_t c;'
	says 'a field appended' 1 'uint64_t a; uint64_t b; uint64_t c;'
	says 'a private field appended' 0 'uint64_t a; uint64_t b;' 'int a; int b;'
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
