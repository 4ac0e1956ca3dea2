#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the suites, all of them or those that are named, and installs first what
# they need. Each prints one line; its log is kept in build-run/logs and shown
# when it fails. The last line sums up. Long tests run shortened unless --soak
# is given, which also prints the result of each suite, and each figure that a
# suite measured, as a line of JSON.
#
#	run.sh [--soak] [SUITE...]
set -u

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
run=$root/build-run
logs=$run/logs
jobs=$(nproc)
soak=
failures=0

suites="build unit lint abi consumer asan tsan valgrind docs bench fuzz kernel guest"
suites+=" clients demo"

# Suites, or all, and the Debian packages they need.
packages="
all       gcc libc6-dev meson ninja-build pkgconf python3 libcmocka-dev liburing-dev
all       libnl-route-3-dev
build     clang
lint      clang-format-14 codespell shellcheck binutils
abi       abigail-tools binutils clang g++
consumer  clang cmake g++ make libnl-3-dev libpci-dev
tsan      clang libclang-rt-14-dev llvm-14 util-linux
valgrind  valgrind libc6-dbg
docs      doxygen
bench     valgrind
fuzz      clang libclang-rt-14-dev llvm-14
kernel    debian-archive-keyring make util-linux xz-utils
guest     debian-archive-keyring libelf1 make util-linux xz-utils
clients   debian-archive-keyring util-linux valgrind libc6-dbg
demo      debian-archive-keyring util-linux
"

# The warnings every source is compiled with, by both compilers.
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
	-Wvla -Wundef -Werror"

# What a distribution would build.
release=(--buildtype=release --prefix=/usr -Dtests=false)

die() {
	echo "run.sh: $*" >&2
	exit 1
}

# wanted_packages SUITE...: their lines of the table, without repeats.
wanted_packages() {
	local key list
	while read -r key list; do
		case " all $* " in
		*" $key "*) tr ' ' '\n' <<<"$list" ;;
		esac
	done <<<"$packages" | sort -u
}

install_missing() {
	local name missing=()
	for name in $(wanted_packages "$@"); do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>&1 |
			grep -qx installed || missing+=("$name")
	done
	[ ${#missing[@]} -eq 0 ] && return
	if [ "$(id -u)" -ne 0 ]; then
		die "packages are missing; as root: apt-get update &&" \
			"apt-get install --no-install-recommends ${missing[*]}"
	fi
	echo "installing ${missing[*]}"
	{
		apt-get update &&
			DEBIAN_FRONTEND=noninteractive apt-get install -y \
				--no-install-recommends "${missing[@]}"
	} </dev/null >"$logs/apt.log" 2>&1 || {
		tail -n 20 "$logs/apt.log"
		die "apt-get failed: ${missing[*]}"
	}
}

# check NAME COMMAND...: one test of a suite that is written here.
check() {
	local name=$1 status=ok
	shift
	"$@" || status="not ok"
	echo "$status - $name"
	[ "$status" = ok ]
}

# need FILE: what a suite consists of must be there.
need() {
	[ -e "$1" ] && return
	echo "$1 is missing"
	return 1
}

# compile DIR OPTION...: configure, from scratch if the options changed, and build.
compile() {
	local dir=$run/$1 options
	shift
	options="$* CC=${CC:-}"
	if [ "$options" != "$(cat "$dir.options" 2>/dev/null)" ] ||
		[ ! -f "$dir/build.ninja" ]; then
		rm -rf "$dir"
		meson setup "$dir" -Dauto_features=enabled "$@" || return
		echo "$options" >"$dir.options"
	fi
	ninja -j "$jobs" -C "$dir"
}

compile_gcc() {
	CC=gcc compile gcc -Dwerror=true -Ddocs=true
}

compile_clang() {
	CC=clang compile clang -Dwerror=true
}

# meson_suite DIR SUITE ARGUMENT...: one suite of meson's, its results beside the log.
meson_suite() {
	local dir=$run/$1 name=$2 status=0
	shift 2
	rm -f "$dir/meson-logs/testlog"*.json
	meson test -C "$dir" --no-rebuild --num-processes "$jobs" --print-errorlogs \
		--suite "$name" "$@" || status=$?
	cat "$dir/meson-logs/testlog"*.json >"$logs/$suite.json" || status=1
	return "$status"
}

# Whether each compile command of DIR has every warning.
has_warnings() {
	python3 - "$run/$1/compile_commands.json" "$warnings" <<-'END'
		import json, sys
		bad = set()
		for entry in json.load(open(sys.argv[1])):
		    if entry['file'].endswith('.c'):
		        lacks = set(sys.argv[2].split()) - set(entry['command'].split())
		        bad |= {f'{entry["file"]}: without {flag}' for flag in lacks}
		print(*sorted(bad), sep='\n')
		sys.exit(bool(bad))
	END
}

# A second build, in the same place, must be the same to the last byte.
reproducible() {
	local pass
	for pass in first second; do
		rm -rf "$run/again" "$run/again.options" "${run:?}/$pass"
		CC=gcc compile again "${release[@]}" || return
		DESTDIR=$run/$pass meson install -C "$run/again" --no-rebuild || return
	done
	diff -r "$run/first" "$run/second"
}

suite_build() {
	local status=0
	check "gcc builds without a warning" compile_gcc || status=1
	check "clang builds without a warning" compile_clang || status=1
	check "gcc has every warning on" has_warnings gcc || status=1
	check "clang has every warning on" has_warnings clang || status=1
	check "a second build is byte-identical" reproducible || status=1
	return "$status"
}

suite_unit() {
	compile_gcc && meson_suite gcc unit
}

suite_lint() {
	compile_gcc && meson_suite gcc lint
}

# gcc, and clang when it optimizes, describe each function at every call as well;
# abidw takes the first of these for the function and loses it.
suite_abi() {
	local status=0
	compile_gcc && meson_suite gcc abi || status=1
	CC=clang compile abi --buildtype=debug -Dtests=false -Dexamples=false &&
		check "the ABI is the accepted one" tests/abi/check.sh \
			"$run/abi/lib/libvio.so.0" include tests/abi/current.abi ||
		status=1
	return "$status"
}

suite_consumer() {
	need tests/consumer/run.sh || return
	rm -rf "$run/dest"
	CC=gcc compile release "${release[@]}" &&
		DESTDIR=$run/dest meson install -C "$run/release" --no-rebuild &&
		tests/consumer/run.sh "$run/dest/usr"
}

suite_asan() {
	export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1
	export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
	CC=gcc compile asan -Db_sanitize=address,undefined && meson_suite asan unit -t 4
}

# The sanitizer wants its shadow where a randomised layout may put the program.
suite_tsan() {
	export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
	CC=clang compile tsan -Db_sanitize=thread -Db_lundef=false &&
		meson_suite tsan unit -t 10 --wrapper "setarch -R"
}

suite_valgrind() {
	compile_gcc && meson_suite gcc unit -t 20 --wrapper "$root/tests/memcheck.sh"
}

suite_docs() {
	compile_gcc && check "the manual has no warning" ninja -C "$run/gcc" docs
}

suite_bench() {
	local status=0
	need tests/bench/run.sh && CC=gcc compile bench --buildtype=release || return
	tests/bench/run.sh "$run/bench" ${soak:---smoke} || status=1
	check "a lease hit takes 12 instructions at the most" tests/bench/count.sh \
		"$run/bench/tests/bench/limit_take" 12 || status=1
	return "$status"
}

# fuzz_target PROGRAM SECONDS: replays its corpus, then looks further for a while.
fuzz_target() {
	local name corpus found status=0
	name=$(basename "$1")
	name=${name#libfuzzer_}
	corpus=$root/tests/fuzz/corpus/$name
	found=$run/corpus/$name
	need "$corpus" || return
	rm -rf "$found"
	mkdir -p "$found"
	check "$name replays its corpus" "$1" -runs=0 "$corpus" || status=1
	check "$name finds nothing in $2 s" "$1" -max_total_time="$2" -timeout=10 \
		-artifact_prefix="$found." -print_final_stats=1 "$found" "$corpus" ||
		status=1
	return "$status"
}

# The targets bring their sanitizers along.
suite_fuzz() {
	local target seconds=5 status=0
	[ -n "$soak" ] && seconds=600
	CC=clang compile fuzz -Dfuzz=true -Dexamples=false || return
	for target in "$run/fuzz/tests/fuzz"/libfuzzer_*; do
		if [ -f "$target" ] && [ -x "$target" ]; then
			fuzz_target "$target" "$seconds" || status=1
		fi
	done
	return "$status"
}

suite_kernel() {
	need tests/kernel/run.sh && compile_gcc &&
		tests/kernel/run.sh "$run/gcc" ${soak:+"$soak"}
}

suite_guest() {
	need tests/guest/run.sh && compile_gcc &&
		tests/guest/run.sh "$run/gcc" ${soak:+"$soak"}
}

suite_clients() {
	need tests/clients/run.sh && compile_gcc &&
		tests/clients/run.sh "$run/gcc" ${soak:+"$soak"}
}

suite_demo() {
	need examples/demo.sh && check "the demo does its job" examples/demo.sh
}

# run_suite NAME: run it, count it, show its log if it failed.
run_suite() {
	suite=$1
	local log=$logs/$suite.log begun=$SECONDS status=0 commit
	rm -f "$logs/$suite".*
	("suite_$suite") </dev/null >"$log" 2>&1 || status=$?
	commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
	if ! python3 tests/count.py --suite "$suite" --status "$status" --log "$log" \
		--seconds $((SECONDS - begun)) --totals "$logs/totals" \
		--expected tests/skips.expected ${soak:+--soak "$commit"}; then
		failures=$((failures + 1))
		echo "  the end of ${log#"$root"/}:"
		tail -n 60 "$log" | sed 's/^/  | /'
	fi
}

selected=()
for argument in "$@"; do
	case $argument in
	--soak) soak=--soak ;;
	-*) die "unknown option $argument; usage: run.sh [--soak] [SUITE...]" ;;
	*)
		case " $suites " in
		*" $argument "*) selected+=("$argument") ;;
		*) die "unknown suite $argument; there are: $suites" ;;
		esac
		;;
	esac
done
[ ${#selected[@]} -gt 0 ] || read -ra selected <<<"$suites"

mkdir -p "$logs" || die "cannot write below $run"
rm -f "$logs/totals"
export PYTHONDONTWRITEBYTECODE=1
[ -n "$soak" ] && export VIO_TEST_SOAK=1
install_missing "${selected[@]}"
for name in "${selected[@]}"; do
	run_suite "$name"
done
awk '{ passed += $1; failed += $2; skipped += $3 }
	END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' \
	"$logs/totals"
[ "$failures" -eq 0 ]
