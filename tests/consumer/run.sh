#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds and runs programs against an installed tree that pkg-config finds, as
# users do: shared and static, C and C++, by make, meson and CMake. The tree may
# lie below a DESTDIR. Nothing of the source tree is on an include path but the
# consumers themselves, and private headers are poisoned.
#
#	run.sh PREFIX
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
prefix=$(cd "${1:?usage: run.sh PREFIX}" && pwd) || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

warnings=(-Wall -Wextra -Wpedantic -Werror)

test_case() {
	local name=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		echo "ok - $name"
	else
		echo "not ok - $name"
		sed 's/^/  | /' "$work/log"
		failed=1
	fi
}

# Where libvio.pc lies, and what stands before the prefix it was made for.
find_tree() {
	local pc installed
	pc=$(find "$prefix" -name libvio.pc | head -n 1)
	if [ -z "$pc" ]; then
		echo "not ok - no libvio.pc below $prefix"
		exit 1
	fi
	installed=$(sed -n 's/^prefix=//p' "$pc")
	libdir=$(dirname "$(dirname "$pc")")
	export PKG_CONFIG_PATH=${pc%/*}
	export PKG_CONFIG_SYSROOT_DIR=${prefix%"$installed"}
	export LD_LIBRARY_PATH=$libdir
}


# compiled COMPILER SOURCE OPTION...: build against the tree and run.
compiled() {
	local compiler=$1 source=$2 cflags libs
	shift 2
	read -ra cflags <<<"$(pkg-config --cflags libvio)"
	read -ra libs <<<"$(pkg-config --libs libvio)"
	"$compiler" "${warnings[@]}" "$@" -I"$work/poison" "${cflags[@]}" \
		-o "$work/a.out" "$source" "${libs[@]}" && "$work/a.out"
}

by_make() {
	mkdir -p "$work/make"
	rm -f "$work/make/consumer"
	make -f "$here/Makefile" SRC="$here" OUT="$work/make" "$@" &&
		"$work/make/consumer"
}

# project NAME: a folder of its own for a consumer's build files and source.
project() {
	rm -rf "${work:?}/$1"
	cp -r "$here/$1" "$work/$1"
	cp "$here/main.c" "$work/$1/main.c"
	cp "$here/main.c" "$work/$1/main.cpp"
}

by_meson() {
	project meson
	meson setup "$work/meson/build" "$work/meson" "$@" &&
		ninja -C "$work/meson/build" &&
		"$work/meson/build/consumer" && "$work/meson/build/consumer++"
}

by_cmake() {
	project cmake
	cmake -S "$work/cmake" -B "$work/cmake/build" "$@" &&
		cmake --build "$work/cmake/build" &&
		"$work/cmake/build/consumer-c" && "$work/cmake/build/consumer-cpp"
}

# The checkout as a wrap would lay it out, found by the fallback alone.
as_subproject() {
	project subproject
	mkdir "$work/subproject/subprojects"
	ln -s "$root" "$work/subproject/subprojects/libvio"
	env -u PKG_CONFIG_PATH -u PKG_CONFIG_SYSROOT_DIR -u LD_LIBRARY_PATH \
		meson setup --force-fallback-for=libvio "$work/subproject/build" \
		"$work/subproject" &&
		ninja -C "$work/subproject/build" &&
		env -u LD_LIBRARY_PATH "$work/subproject/build/consumer"
}

# On the include path stands an error for each private header.
poison() {
	local header
	find "$root/lib" -name '*.h' | while read -r header; do
		header=$work/poison/${header#"$root/lib/"}
		mkdir -p "$(dirname "$header")"
		echo '#error "a private header was included"' >"$header"
	done
}

# What is installed below include/ is the public headers and nothing else.
only_public() {
	diff <(cd "$root/include" && find . -name '*.h' -o -name '*.h.in' |
		sed 's/\.in$//' | sort) <(cd "$prefix/include" && find . -type f | sort)
}

plugin() {
	local cflags libs
	read -ra cflags <<<"$(pkg-config --cflags libvio)"
	read -ra libs <<<"$(pkg-config --libs libvio)"
	"$1" "${warnings[@]}" -fPIC -shared "${cflags[@]}" -o "$work/plugin.so" \
		"$here/plugin/plugin.c" "${libs[@]}" || return
	read -ra libs <<<"$(pkg-config --static --libs-only-l libvio | sed 's/-lvio//')"
	"$1" "${warnings[@]}" -D_GNU_SOURCE -rdynamic "${cflags[@]}" -o "$work/host" \
		"$here/plugin/host.c" "$libdir/libvio.a" "${libs[@]}" || return
	"$work/host" "$work/plugin.so"
}

# A program that must not build: a private header is out of reach.
private_is_private() {
	! compiled gcc "$work/private.c"
}

find_tree
poison
cp "$here/main.c" "$work/main.cpp"
# Other people's headers, without pedantry: they are not under test.
read -ra neighbours <<<"$(env -u PKG_CONFIG_SYSROOT_DIR pkg-config --cflags libnl-3.0)"
neighbours=("${neighbours[@]/#-I/-isystem}" -I"$here" -DVIO_TEST_HOSTILE)
printf '#include "core/params.h"\nint main(void) { return 0; }\n' >"$work/private.c"

test_case "the public headers are installed and no others" only_public
test_case "a private header cannot be included" private_is_private
for cc in gcc clang; do
	for std in c11 c17; do
		test_case "$cc $std" compiled $cc "$here/main.c" -std=$std
	done
	test_case "$cc, hostile neighbours" compiled $cc "$here/main.c" -std=gnu11 \
		"${neighbours[@]}"
	test_case "$cc, a static program and a plugin do not see each other" plugin $cc
done
for cxx in g++ clang++; do
	for std in c++11 c++17 c++20; do
		test_case "$cxx $std" compiled $cxx "$work/main.cpp" -std=$std
	done
	test_case "$cxx, hostile neighbours" compiled $cxx "$work/main.cpp" \
		-std=gnu++17 "${neighbours[@]}"
done
test_case "make" by_make
test_case "make, static" by_make STATIC=--static LDFLAGS=-static
test_case "meson" by_meson
test_case "meson, static" by_meson -Dwhole=true
test_case "CMake" by_cmake
test_case "CMake, static" by_cmake -DWHOLE=ON
test_case "a subproject of meson" as_subproject
[ "$failed" -eq 0 ]
