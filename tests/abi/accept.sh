#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Makes the ABI of a build the accepted one: rewrites current.abi and layout.c,
# for review in the same commit as the change of the headers. The build is one of
# clang with --buildtype=debug, as tests/run.sh abi leaves it in build-run/abi, on
# Debian 12, whose abidw the check uses as well.
#
#	accept.sh BUILD_DIR
set -eu
build=$(cd "${1:?usage: accept.sh BUILD_DIR}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

"$here/layout.py" --write "$root" "$root/include" "$build/include" >"$build/layout.c"
"$here/check.sh" --dump "$build/lib/libvio.so.0" "$root/include" >"$build/current.abi"
mv "$build/layout.c" "$here/layout.c"
mv "$build/current.abi" "$here/current.abi"
git -C "$root" --no-pager diff --stat -- tests/abi || true
