#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Clients that nobody here wrote, against a device made of the public API:
# run.sh BUILD_DIR [--soak]. DPDK's testpmd sends back what net_source sends, with
# its virtio-user driver and no guest; QEMU's network boot ROM asks for an address.
# Each wait has a limit and says what it waited for. Rates are shown, not judged.

set -euo pipefail

dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Positions of virtio features.
f_mergeable=15 f_mq=22 f_indirect=28 f_in_order=35
failed=0 source='' client='' work=''
declare -A got

die()
{
	echo "clients: $*" >&2
	exit 1
}

close_all()
{
	# shellcheck disable=SC2086 # a process that is not there is no word
	kill -KILL $source $client 2>/dev/null || true
	wait 2>/dev/null
	[[ -z $work ]] || rm -rf "$work"
}

# Before a run: what no account says.
forget()
{
	got=([reason]=none [features]=0 [sent]=-1 [returned]=-1 [altered]=-1
		[strays]=-1 [reordered]=-1 [foreign]=-1 [discovers]=-1 [kicks]=-1
		[faults]=-1 [ns]=0)
	dropped=''
}

check()
{
	if "${@:2}" >>"$log" 2>&1; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		failed=$((failed + 1))
	fi
}

complain()
{
	echo "clients: $*" | tee -a "$log"
	return 1
}

# Waits for process $1, which is $2, and returns what it did; kills it after $3 s.
await_end()
{
	local deadline=$((SECONDS + $3))

	while kill -0 "$1" 2>/dev/null; do
		if ((SECONDS >= deadline)); then
			complain "$2 did not end within $3 s" || kill -KILL "$1"
		fi
		sleep 0.02
	done
	wait "$1"
}

# Starts net_source, under what is in $wrapper; what it says goes through a pipe.
source_open()
{
	echo "net_source $*" >>"$log"
	TMPDIR=$work setpriv --pdeathsig KILL "${wrapper[@]}" \
		"$build/tests/clients/net_source" --socket "$work/socket" \
		--limit "$limit" "$@" >"$work/said" 2>>"$log" &
	source=$!
}

are_alive()
{
	kill -0 "$source" && { [[ -z $client ]] || kill -0 "$client"; }
}

# Reads on until the source says that connection $1 $2, which it does itself within
# its time limit if it is well; the account of an ended one goes into $got.
hear()
{
	local line word deadline=$((SECONDS + limit + 10))

	while ((SECONDS < deadline)); do
		if ! read -r -t 1 -u "$said" line; then
			are_alive && continue
			tail -n 20 "$work/testpmd" >>"$log"
			complain "somebody ended before: connection $1 $2" || return
		fi
		echo "$line" >>"$log"
		if [[ $line = "connection $1 ended "* ]]; then
			for word in ${line#* ended }; do
				got[${word%%=*}]=${word#*=}
			done
		fi
		[[ $line != "connection $1 $2"* ]] || return 0
		[[ $line != *stalls ]] || complain "$line, instead of: $2" || return
	done
	complain "no word in $((limit + 10)) s of: connection $1 $2"
}

source_end()
{
	local status=0

	await_end "$source" net_source 30 || status=$?
	source=''
	return "$status"
}

# Starts testpmd with $1 pairs of queues; $2: more of the device's arguments.
# It ends when a line is typed. What it shares with others of its kind stays in our
# folder. One thread polls, wherever the kernel puts it: a second would take the
# source's processor on a small machine.
testpmd_open()
{
	local drivers=$dpdk/root/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0

	: >"$work/testpmd"
	RUNTIME_DIRECTORY=$work setpriv --pdeathsig KILL "$dpdk/bin/dpdk-testpmd" \
		--lcores "0@($cpus),1@($cpus)" --no-huge -m 128 --no-pci \
		--single-file-segments --no-telemetry --file-prefix=client \
		-d "$drivers/librte_net_virtio.so.23" \
		-d "$drivers/librte_mempool_ring.so.23" \
		--vdev "net_virtio_user0,path=$work/socket,queues=$1,queue_size=256$2" \
		-- --forward-mode=io --auto-start --no-flush-rx --nb-cores=1 \
		--total-num-mbufs=4096 --rxq="$1" --txq="$1" \
		<"$work/typed" >"$work/testpmd" 2>&1 &
	client=$!
}

testpmd_close()
{
	local status=0

	echo >&"$typed"
	await_end "$client" testpmd 20 || status=$?
	client=''
	cat "$work/testpmd" >>"$log"
	dropped=$(sed -n 's/.*TX-dropped: *\([0-9]*\).*/\1/p' "$work/testpmd" |
		tail -n 1)
	return "$status"
}

client_kill()
{
	kill -KILL "$client" 2>/dev/null || true
	wait "$client" 2>/dev/null || true
	client=''
}

# What a killed testpmd that listened leaves; its successor would not start.
clear_socket()
{
	rm -rf "$work/socket" "$work/dpdk"
}

has_feature()
{
	((got[features] >> $1 & 1))
}

show_figure()
{
	awk -v row="$1" -v n="${got[returned]}" -v ns="${got[ns]}" \
		-v kicks="${got[kicks]}" -v dropped="$dropped" 'BEGIN {
		printf "{\"client\": \"testpmd\", \"row\": \"%s\", ", row
		printf "\"returned\": %d, ", n
		printf "\"dropped\": %d, \"kicks\": %d, ", dropped, kicks
		printf "\"mpps\": %.3f}\n", ns ? n * 1000 / ns : 0 }'
}

all_is_accounted_for()
{
	((got[sent] == sent && got[sent] == got[returned] + dropped))
}

few_are_dropped()
{
	((dropped * 1000 < got[sent]))
}

nothing_is_altered()
{
	((got[altered] == 0 && got[strays] == 0 && got[foreign] == 0))
}

# A run from the connection to the end of both; $1: pairs of queues, $2: arguments of
# the client's device, then the source's.
testpmd_run()
{
	forget
	clear_socket
	source_open --accept-unsealed --queues "$1" --packets "$sent" "${@:3}"
	[[ $2 = *server=1* ]] || await_socket || return
	testpmd_open "$1" "$2"
	hear 1 "is through" || return
	testpmd_close || return
	hear 1 ended || return
	source_end
}

await_socket()
{
	local deadline=$((SECONDS + 20))

	until [[ -S $work/socket ]]; do
		((SECONDS < deadline)) || complain "nobody listens in 20 s" || return
		sleep 0.02
	done
}

# The same questions to each configuration. $1: its name, $2: the feature it is
# about, or 0; the rest: as above.
run_row()
{
	local name=$1 feature=$2

	shift 2
	check "${name}_comes_to_a_clean_end" testpmd_run "$@"
	if [[ ${got[reason]} = none || -z $dropped ]]; then
		echo "not ok - ${name}_has_an_account"
		failed=$((failed + 1))
		close_row
		return
	fi
	check "${name}_accounts_for_every_packet" all_is_accounted_for
	check "${name}_drops_less_than_one_in_a_thousand" few_are_dropped
	check "${name}_alters_nothing" nothing_is_altered
	check "${name}_keeps_the_order" test "${got[reordered]}" -eq 0
	check "${name}_latches_no_queue" test "${got[faults]}" -eq 0
	check "${name}_ends_by_the_client" test "${got[reason]}" = peer
	((feature == 0)) || check "${name}_negotiates_it" has_feature "$feature"
	show_figure "$name"
}

# After a row that did not end.
close_row()
{
	[[ -z $client ]] || client_kill
	[[ -z $source ]] || kill -KILL "$source" 2>/dev/null || true
	[[ -z $source ]] || wait "$source" 2>/dev/null || true
	source=''
	while read -r -t 0.1 -u "$said"; do
		:
	done
	while read -r -t 0.1 -u "$typed"; do
		:
	done
}

run_matrix()
{
	sent=$packets
	run_row dpdk_connecting_with_1_pair "$f_indirect" 1 ''
	run_row dpdk_connecting_with_2_pairs "$f_mq" 2 ''
	run_row dpdk_listening_with_1_pair "$f_indirect" 1 ,server=1 --client
	run_row dpdk_listening_with_2_pairs "$f_mq" 2 ,server=1 --client
	sent=$((packets / 10))
	run_row dpdk_with_packets_over_buffers "$f_mergeable" 1 ,mrg_rxbuf=1 \
		--features mergeable,indirect --frame 3000
	run_row dpdk_with_chains_in_the_ring "$f_mergeable" 1 ,mrg_rxbuf=1 \
		--features mergeable --frame 3000
	run_row dpdk_in_order "$f_in_order" 1 ,in_order=1,mrg_rxbuf=0 \
		--features in-order,indirect
	run_row dpdk_in_order_over_buffers "$f_in_order" 1 ,in_order=1 \
		--features in-order,mergeable --frame 3000
	run_row dpdk_without_features 0 1 ,in_order=0,mrg_rxbuf=0 --features ''
}

# At most the window was under way, whatever happened to the client.
is_plausible()
{
	[[ ${got[reason]} = peer ]] && nothing_is_altered && ((
		got[reordered] == 0 && got[faults] == 0 &&
		got[sent] - got[returned] <= 96 * $1))
}

# $1, $2: as in testpmd_run. More packets than there is time for.
killed_under_load()
{
	forget
	clear_socket
	source_open --accept-unsealed --queues "$1" --packets 4000000000 \
		--connections 2 "${@:3}"
	[[ $2 = *server=1* ]] || await_socket || return
	testpmd_open "$1" "$2"
	hear 1 "is under way" || return
	client_kill
	hear 1 ended
}

goes_on_with_another()
{
	# One that is left over would read what is typed for the other.
	[[ -n $source && -z $client ]] || return
	rm -rf "$work/dpdk"
	[[ $2 != *server=1* ]] || clear_socket
	testpmd_open "$1" "$2"
	hear 2 "is under way" || return
	testpmd_close || return
	hear 2 ended || return
	source_end
}

run_kill()
{
	local name=$1

	shift
	check "${name}_killed_ends_its_connection_only" killed_under_load "$@"
	check "${name}_killed_leaves_a_true_account" is_plausible "$1"
	forget
	check "${name}_started_again_is_served" goes_on_with_another "$@"
	check "${name}_started_again_leaves_a_true_account" is_plausible "$1"
	close_row
}

# The client keeps its rings and whatever is in them, and waits for another device.
device_is_replaced()
{
	forget
	clear_socket
	source_open --accept-unsealed --packets 4000000000 --client
	testpmd_open 1 ,server=1
	hear 1 "is under way" || return
	kill -KILL "$source"
	wait "$source" 2>/dev/null || true
	source_open --accept-unsealed --packets "$packets" --client
	hear 1 "is through" || return
	testpmd_close || return
	hear 1 ended || return
	source_end
}

# What the first device had sent comes to the second; else nothing is amiss.
replacement_is_plausible()
{
	((got[strays] <= 96 && got[sent] == packets)) || return
	got[strays]=0
	is_plausible 1
}

run_replacement()
{
	check dpdk_goes_on_with_another_device device_is_replaced
	check the_other_device_leaves_a_true_account replacement_is_plausible
	close_row
}

# testpmd's memory has no seals. Without leave the connection ends before a queue
# runs, and so does the program, which says why.
unsealed_memory_is_refused()
{
	local status=0

	forget
	clear_socket
	source_open --packets 1
	await_socket || return
	testpmd_open 1 ''
	hear 1 ended || return
	source_end || status=$?
	client_kill
	tail -n 5 "$log" | grep F_SEAL_SHRINK || return
	[[ $status -eq 1 && ${got[reason]} = EBADMSG && ${got[sent]} -eq 0 ]]
}

run_checked()
{
	sent=2000 wrapper=("$dir/../memcheck.sh")
	check the_device_leaks_nothing_under_memcheck testpmd_run 2 ''
	check the_device_under_memcheck_accounts_for_every_packet all_is_accounted_for
	wrapper=()
	close_row
}

rom_run()
{
	local share=$pieces/root/usr/share status=0

	forget
	clear_socket
	source_open --packets 0
	await_socket || return
	setpriv --pdeathsig KILL "$pieces/bin/qemu-system-x86_64" \
		-nodefaults -no-user-config -machine q35,memory-backend=m -accel tcg \
		-m 256 -object memory-backend-memfd,id=m,size=256M,share=on \
		-display none -L "$share/qemu" -L "$share/seabios" \
		-L "$pieces/root/usr/lib/ipxe/qemu" \
		-chardev "socket,id=c,path=$work/socket" \
		-netdev vhost-user,id=n,chardev=c \
		-device virtio-net-pci,netdev=n,bootindex=0 \
		<"$work/typed" >>"$log" 2>&1 &
	client=$!
	hear 1 "is through" || return
	kill "$client"
	await_end "$client" QEMU 20 || status=$?
	client=''
	hear 1 ended && source_end && [[ $status -eq 0 ]]
}

rom_asks_for_an_address()
{
	((got[discovers] >= 1 && got[altered] == 0 && got[faults] == 0))
}

run_rom()
{
	check the_boot_rom_comes_to_a_clean_end rom_run
	check the_boot_rom_asks_for_an_address rom_asks_for_an_address
	close_row
}

main()
{
	[[ $# -ge 1 && -x $1/tests/clients/net_source ]] ||
		die "usage: run.sh BUILD_DIR [--soak], of a build with tests"
	build=$(cd "$1" && pwd)
	log=$build/clients.log
	cpus=$(awk '$1 == "Cpus_allowed_list:" { print $2 }' /proc/self/status)
	packets=200000 limit=60 wrapper=()
	[[ ${2:-} != --soak ]] || packets=10000000 limit=600
	: >"$log"
	dpdk=$("$dir/fetch.sh")
	pieces=$("$dir/../guest/fetch.sh")
	work=$(mktemp -d)
	trap close_all EXIT
	trap 'exit 143' INT TERM HUP
	: >"$work/testpmd"
	mkfifo "$work/said" "$work/typed"
	# For both ways, so that no open waits and no end is seen between two runs.
	exec {said}<>"$work/said" {typed}<>"$work/typed"
	check the_account_notices_what_is_wrong "$build/tests/clients/test_packet"
	run_matrix
	run_kill dpdk_connecting 1 ''
	run_kill dpdk_listening 2 ,server=1 --client
	run_replacement
	check unsealed_memory_is_refused unsealed_memory_is_refused
	close_row
	run_checked
	run_rom
	((failed == 0)) || tail -n 40 "$log"
	((failed == 0))
}

main "$@"
