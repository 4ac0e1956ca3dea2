#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the benchmarks that the build registers, one after the other, and checks
# that each line they print is a whole result. A program judges its own gates,
# ratios and instruction counts, by its exit status. Without --smoke the results
# become the table of doc/performance.md, with what the guest suite measured if its
# log is given. With --meter the limits run beside DPDK's rte_meter as well.
#
#	run.sh BUILD_DIR [--smoke | --soak] [--peer COMMAND] [--meter OBJECT]
#		[--guest LOG]
set -eu
build=$(cd "${1:?usage: run.sh BUILD_DIR [--smoke | --soak] [--peer COMMAND]}" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
exec python3 -B "$here/run.py" "$build" "$here/../../doc/performance.md" "$@"
