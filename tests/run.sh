#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the suites, all of them or those that are named, and installs first what
# they need. Each prints one line; its log is kept in build-run/logs and shown
# when it fails. The last line sums up. Long tests run shortened unless --soak
# is given, which also prints the result of each suite, and each figure that a
# suite measured, as a line of JSON. With --iommufd the guest suite boots a kernel
# with iommufd as well: an image that is given, or one built for it, which takes half
# an hour the first time.
#
#	run.sh [--soak] [--iommufd[=BZIMAGE]] [SUITE...]
set -u

caller=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
run=$root/build-run
logs=$run/logs
jobs=$(nproc)
soak=
iommufd=
failures=0

suites="build unit examples lint abi consumer asan tsan valgrind docs bench fuzz"
suites+=" coverage kernel hostile tenants guest clients demo"

# Suites, or all, and the Debian packages they need.
packages="
all       gcc libc6-dev meson ninja-build pkgconf python3 libcmocka-dev liburing-dev
all       libnl-route-3-dev libpci-dev
build     clang
lint      clang-format-14 codespell shellcheck binutils
abi       abigail-tools binutils clang g++
consumer  clang cmake g++ make libnl-3-dev
tsan      clang libclang-rt-14-dev llvm-14 util-linux
valgrind  valgrind libc6-dbg
docs      doxygen
bench     debian-archive-keyring util-linux valgrind
fuzz      clang libclang-rt-14-dev llvm-14
coverage  gcovr
kernel    debian-archive-keyring make util-linux xz-utils
guest     debian-archive-keyring libelf1 make util-linux xz-utils
clients   debian-archive-keyring util-linux valgrind libc6-dbg
demo      debian-archive-keyring util-linux
kernel.sh bc bison flex libelf-dev
"

# Fuzz targets, and the files that read what each of them feeds. What creates and
# destroys an object around them reads no more than parameters.
parsers="
journal     lib/vf/journal.c
limit_state lib/limit/save.c
memory      lib/mem
params      lib/core/params.h lib/core/error.c
pci_config  lib/vf/pci_caps.c lib/vf/pci_config.c lib/vf/pci_sriov.c
split_ring  lib/ring/pop.c lib/ring/push.c
vhost_user  lib/device/backend_message.c lib/device/backend_stop.c
vhost_user  lib/device/vhost_config.c lib/device/vhost_features.c
vhost_user  lib/device/vhost_log.c lib/device/vhost_memory.c lib/device/vhost_socket.c
vhost_user  lib/device/vhost_status.c lib/device/vhost_vring.c
view        lib/vf/view.c lib/vf/view_bar.c lib/vf/view_caps.c lib/vf/view_config.c
view        lib/vf/view_layout.c lib/vf/view_msix.c
"

# The warnings every source is compiled with, by both compilers.
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
	-Wvla -Wundef -Werror"

# What a distribution would build.
release=(--buildtype=release --prefix=/usr -Dtests=false -Dwerror=true)

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

compile_bench() {
	CC=gcc compile bench --buildtype=release -Dwerror=true
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

suite_examples() {
	compile_gcc && meson_suite gcc examples
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
	compile_gcc && meson_suite gcc unit --no-suite jailed -t 20 \
		--wrapper "$root/tests/memcheck.sh"
}

suite_docs() {
	compile_gcc && check "the manual has no warning" ninja -C "$run/gcc" docs
}

suite_bench() {
	local status=0 meter programs=$run/bench/tests/bench
	need tests/bench/run.sh && compile_bench || return
	meter=$(tests/bench/meter.sh "$run/bench") || return
	tests/bench/run.sh "$run/bench" ${soak:---smoke} --meter "$meter" \
		--guest "$logs/guest.log" || status=1
	check "a lease hit takes 12 instructions at the most" tests/bench/count.sh \
		"$programs/limit_take" take 12 || status=1
	check "a covered refill takes 150 instructions at the most" \
		tests/bench/count.sh "$programs/limit_take" refill 150 || status=1
	return "$status"
}

# parser_coverage NAME RUNS INPUTS...: the lines of its parser that they reach.
parser_coverage() {
	local name=$1 runs=$2 key list files=()
	local program=$run/fuzz/tests/fuzz/libfuzzer_$1 profile=$run/corpus/$1
	shift 2
	while read -r key list; do
		[ "$key" = "$name" ] && read -ra files <<<"${files[*]} $list"
	done <<<"$parsers"
	LLVM_PROFILE_FILE=$profile.raw "$program" -runs=0 "$@" >"$profile.log" 2>&1 &&
		llvm-profdata-14 merge -o "$profile.data" "$profile.raw" &&
		llvm-cov-14 export -summary-only -instr-profile="$profile.data" \
			"$program" >"$profile.json" &&
		tests/coverage.py fuzz "$name" "$runs" "${files[@]}" <"$profile.json"
}

# fuzz_target NAME SECONDS: replays its corpus, looks further for a while, and
# says how much of its parser all those inputs have reached.
fuzz_target() {
	local name=$1 program=$run/fuzz/tests/fuzz/libfuzzer_$1 status=0 runs
	local corpus=$root/tests/fuzz/corpus/$1 found=$run/corpus/$1
	need "$corpus" || return
	rm -rf "$found" "$found".*
	mkdir -p "$found"
	check "$name replays its corpus" "$program" -runs=0 "$corpus" || status=1
	check "$name finds nothing in $2 s" "$program" -max_total_time="$2" \
		-timeout=10 -artifact_prefix="$found." -print_final_stats=1 \
		"$found" "$corpus" 2>"$found.stats" || status=1
	tail -n 40 "$found.stats"
	runs=$(awk '/executed_units/ { print $2 }' "$found.stats")
	parser_coverage "$name" "${runs:-0}" "$found" "$corpus" || status=1
	return "$status"
}

# fuzz_lane FIRST SECONDS TARGET...: one target after the other, from FIRST on those
# that the other lanes leave, each with a log of its own. A processor has one lane.
fuzz_lane() {
	local at=$1 seconds=$2 status=0 name
	shift 2
	for ((; at < $#; at += jobs)); do
		name=${*:at+1:1}
		fuzz_target "$name" "$seconds" >"$run/fuzz-$name.log" 2>&1 || status=1
	done
	return "$status"
}

# The targets bring their sanitizers along. One that has no row in the table of
# parsers fails: what it should reach is not known.
suite_fuzz() {
	local targets=() pids=() target lane seconds=5 status=0
	[ -n "$soak" ] && seconds=600
	export LLVM_PROFILE_FILE=/dev/null
	CC=clang compile fuzz -Dfuzz=true -Dexamples=false \
		"-Dc_args=-fprofile-instr-generate -fcoverage-mapping" \
		-Dc_link_args=-fprofile-instr-generate || return
	for target in tests/fuzz/fuzz_*.c; do
		target=$(basename "$target" .c)
		targets+=("${target#fuzz_}")
	done
	rm -f "$run"/fuzz-*.log
	for ((lane = 0; lane < jobs; lane++)); do
		fuzz_lane "$lane" "$seconds" "${targets[@]}" &
		pids+=($!)
	done
	for lane in "${pids[@]}"; do
		wait "$lane" || status=1
	done
	for target in "${targets[@]}"; do
		cat "$run/fuzz-$target.log" || status=1
	done
	return "$status"
}

# Twice, since some lines are reached only when threads meet.
# The tests' children leave by _exit(): they write their counts before, by a
# function that the linker is told to bring along.
suite_coverage() {
	local status=0
	tests/coverage.py --self-test || status=1
	CC=gcc compile coverage --buildtype=debug -Db_coverage=true \
		-Dc_link_args=-Wl,-u,__gcov_dump || return
	find "$run/coverage" -name '*.gcda' -delete
	check "all tests pass" meson test -C "$run/coverage" --no-rebuild --repeat 2 \
		--num-processes "$jobs" --print-errorlogs --suite unit --suite fuzz \
		-t 4 || status=1
	tests/coverage.py tests "$run/coverage" tests/coverage.md || status=1
	return "$status"
}

suite_kernel() {
	need tests/kernel/run.sh && compile_gcc &&
		tests/kernel/run.sh "$run/gcc" ${soak:+"$soak"}
}

# The whole tree with sanitizers: device, library and the attacker.
suite_hostile() {
	export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1
	export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
	need tests/hostile/run.sh &&
		CC=gcc compile asan -Db_sanitize=address,undefined &&
		tests/hostile/run.sh "$run/asan" ${soak:+"$soak"}
}

suite_tenants() {
	need tests/tenants/run.sh && compile_bench &&
		tests/tenants/run.sh "$run/bench" ${soak:+"$soak"}
}

suite_guest() {
	need tests/guest/run.sh && compile_gcc &&
		tests/guest/run.sh "$run/gcc" ${soak:+"$soak"} ${iommufd:+"$iommufd"}
}

suite_clients() {
	need tests/clients/run.sh && compile_gcc &&
		tests/clients/run.sh "$run/gcc" ${soak:+"$soak"}
}

# The demo's build outlives an update of the tree: here, one that brings a program.
demo_after_update() {
	local tree=$run/demo
	rm -rf "$tree" && mkdir "$tree" && ln -s "$root"/* "$tree" || return
	rm "$tree/examples" && cp -r examples "$tree" || return
	sed -i "/07-tenants/d" "$tree/examples/meson.build"
	if "$tree/examples/demo.sh"; then
		echo "the program is made without the update"
		return 1
	fi
	cp examples/meson.build "$tree/examples" && "$tree/examples/demo.sh"
}

suite_demo() {
	need examples/demo.sh &&
		check "the demo does its job, also after an update" demo_after_update
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
	--iommufd) iommufd=--iommufd ;;
	--iommufd=*)
		iommufd=--iommufd=$(cd "$caller" && realpath -e "${argument#*=}") ||
			die "$argument: no such kernel"
		;;
	-*)
		die "unknown option $argument;" \
			"usage: run.sh [--soak] [--iommufd[=BZIMAGE]] [SUITE...]"
		;;
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
extra=
[ "$iommufd" = --iommufd ] && extra=kernel.sh
install_missing "${selected[@]}" $extra
for name in "${selected[@]}"; do
	run_suite "$name"
done
awk '{ passed += $1; failed += $2; skipped += $3 }
	END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' \
	"$logs/totals"
[ "$failures" -eq 0 ]
