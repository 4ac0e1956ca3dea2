# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Debian packages without root, sourced by the scripts that fetch. They are unpacked
# side by side into a folder of the cache. apt runs with a private configuration that
# takes only the archive's address and its keyring from the machine, so nothing
# installed changes. A folder is complete once it has its final name, which holds a
# checksum of what made it: another list of packages is another folder.

set -euo pipefail

suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
cache=${VIO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/libvio}

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

check_host()
{
	local tool

	for tool in apt-get dpkg-deb flock; do
		command -v "$tool" >/dev/null ||
			die "$tool is missing: Debian 12 has it (apt, dpkg, util-linux)"
	done
	[[ $(dpkg --print-architecture) = amd64 ]] || die "needs an amd64 Debian 12"
	[[ -r $keyring ]] ||
		die "$keyring is missing: apt-get install debian-archive-keyring"
}

# The machine's hooks and pins stay out: of its settings only Acquire (proxies,
# checks) is taken over.
write_apt_conf()
{
	apt-config dump | grep '^Acquire::' >"$apt/conf" || true
	cat >>"$apt/conf" <<-END
		APT::Architecture "amd64";
		APT::Sandbox::User "";
		APT::Install-Recommends "false";
		Dir::State "$apt/state";
		Dir::State::status "$apt/status";
		Dir::Cache "$apt/cache";
		Dir::Etc::parts "/dev/null";
		Dir::Etc::main "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
	END
	mkdir -p "$apt"/{state/lists,cache/archives}/partial
	: >"$apt/status"
}

private_apt()
{
	APT_CONFIG=$apt/conf "$@" </dev/null >>"$log" 2>&1
}

# "URI suite" of each Debian archive in use. Only fetched indexes are told, so a
# machine that never ran apt-get update answers after a private one.
archives()
{
	local -a ask=(apt-get indextargets --format "\$(REPO_URI) \$(CODENAME)"
		"Origin: Debian" "Created-By: Packages")
	local found

	found=$("${ask[@]}" || true)
	if [[ -z $found ]]; then
		private_apt apt-get update || true
		found=$(APT_CONFIG=$apt/conf "${ask[@]}" || true)
	fi
	[[ -n $found ]] || die "no Debian archive in /etc/apt answers, see $log"
	awk -v suite="$suite" '{ print } $2 == suite { print $1, suite "-backports" }' \
		<<<"$found" | sort -u
}

write_sources()
{
	local uri name

	archives >"$apt/archives"
	while read -r uri name; do
		echo "deb [signed-by=$keyring] $uri $name main"
	done <"$apt/archives" >"$apt/sources"
	grep -q " $suite-backports " "$apt/sources" ||
		die "no archive of $suite: add it to the apt sources"
	cat >>"$apt/conf" <<-END
		Dir::Etc::sourcelist "$apt/sources";
		Dir::Etc::sourceparts "/dev/null";
	END
}

unpack()
{
	local deb

	mkdir "$new/root" "$new/bin"
	for deb in "$apt"/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$new/root" || die "$deb does not unpack"
	done
}

# A wrapper per program runs it with the loader and libraries it came with. The
# machine's own never mix in, whatever their version. One of kmod's programs is
# told from another by the name it is called by.
write_wrapper()
{
	local name=$1 path=$2 lib=root/usr/lib/x86_64-linux-gnu

	[[ -x $new/root/$path ]] || die "no /$path in the packages"
	cat >"$new/bin/$name" <<-END
		#!/bin/sh
		here=\${0%/*}/..
		export QEMU_MODULE_DIR="\$here/$lib/qemu"
		exec "\$here/root/lib64/ld-linux-x86-64.so.2" --argv0 "\$0" \\
			--library-path "\$here/root/lib/x86_64-linux-gnu:\$here/$lib" \\
			"\$here/root/$path" "\$@"
	END
	chmod +x "$new/bin/$name"
}

# What a killed fetch left goes first; the lock is held, so nobody uses it.
fill()
{
	rm -rf "$cache/$collection-new".*
	new=$(mktemp -d "$cache/$collection-new.XXXXXX")
	apt=$new/apt
	log=$cache/$collection-fetch.log
	trap 'rm -rf "$new"' EXIT
	mkdir "$apt"
	: >"$log"
	write_apt_conf
	write_sources
	private_apt apt-get -o APT::Update::Error-Mode=any update ||
		die "the Debian archive does not answer, see $log"
	download
	unpack
	arrange
	rm -rf "$apt"
	mv -T "$new" "$pieces"
}

# fetch NAME FILE...: prints the folder of the collection NAME, which the caller's
# functions make: download brings packages into apt's cache, arrange adds to what
# was unpacked. The files say what it consists of.
fetch()
{
	local lock

	collection=$1
	pieces=$cache/$1-$(cat "${BASH_SOURCE[0]}" "${@:2}" | cksum | cut -d' ' -f1)
	if [[ ! -d $pieces ]]; then
		check_host
		mkdir -p "$cache" || die "cannot write $cache: set VIO_CACHE"
		exec {lock}>"$cache/$1-lock"
		flock "$lock"
		# Another fetch may have finished while this one waited.
		[[ -d $pieces ]] || fill
	fi
	echo "$pieces"
}
