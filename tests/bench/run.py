#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs benchmarks and writes the page of results.

A result is a JSON object on a line of its own. One that lacks its peer, its
spread, its control or the number of runs is no result: a figure alone says nothing. A
benchmark that prints none, or that a gate of its own fails, fails.
"""
import argparse
import json
import pathlib
import platform
import subprocess
import sys

KEYS = ('bench', 'params', 'value', 'unit', 'peer', 'peer_value', 'ratio', 'spread',
        'aa_ratio', 'runs')
HEAD = '''# Performance

Measured by `tests/bench/run.sh` against the peer or floor named, in the same
run, interleaved. Ratios and instruction counts are gates; times are printed and
depend on the machine, here {machine}. A/A is the peer
against itself in the same rounds: its distance from 1 is noise.

| benchmark | parameters | value | peer | peer's value | ratio | spread | A/A | runs |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
'''

RESIZE_HEAD = '''
## Another number of virtual functions

Measured by `tests/run.sh --soak guest` on Debian's kernel in an emulated machine: the
number of a PF's VFs changes while some are held and at work, each paused and resumed.
Beside it the same by giving every VF back and claiming it again, and by unbinding and
binding each by hand, without the settings and the DMA mappings that the others bring
back. Milliseconds; of several runs the median, of shares the mean. The kernel's time is
that of writes to sriov_numvfs, of drivers bound and of resets; the library's own is
the rest, without what holders do when they are asked. An outage is the longest of one
holder, from its last use of the device to the next.

| held | runs | resize | claimed | by hand | kernel | own | share | outage | claimed |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
'''


def machine():
    model = platform.machine()
    info = pathlib.Path('/proc/cpuinfo')
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith('model name'):
            model = line.split(':', 1)[1].strip()
    return f'{model}, Linux {platform.release()}'


def benchmarks(build):
    listed = subprocess.run(['meson', 'introspect', '--benchmarks', build],
                            capture_output=True, text=True, check=True).stdout
    return [(entry['name'], entry['cmd']) for entry in json.loads(listed)]


def results(name, text):
    """(results, what is wrong with them)"""
    good, wrong = [], []
    for line in text.splitlines():
        if not line.startswith('{'):
            continue
        try:
            result = json.loads(line)
        except ValueError:
            wrong.append(f'{name}: not JSON: {line}')
            continue
        lacks = [key for key in KEYS if key not in result]
        wrong += [f'{name}: a result without {", ".join(lacks)}'] if lacks else []
        good += [] if lacks else [result]
    return good, wrong if good or wrong else [f'{name}: printed no result']


def run(name, command, options):
    ran = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True)
    print(ran.stdout, end='')
    good, wrong = results(name, ran.stdout)
    if ran.returncode:
        wrong.append(f'{name}: ended with status {ran.returncode}')
    for line in wrong:
        print(line)
    print(f'{"not ok" if wrong else "ok"} - {name}', flush=True)
    return good, not wrong


def number(value):
    if value is None:
        return ''
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def row(result):
    params = ', '.join(f'{key} {value}' for key, value in result['params'].items()) \
        if isinstance(result['params'], dict) else str(result['params'])
    unit = result['unit']
    cells = [result['bench'], params, f'{number(result["value"])} {unit}',
             result['peer'], f'{number(result["peer_value"])} {unit}',
             number(result['ratio']), number(result['spread']),
             number(result['aa_ratio']), number(result['runs'])]
    return '| ' + ' | '.join(cells) + ' |\n'


def resize_rows(log):
    """The guest suite's own lines, if it was run as a whole."""
    rows = []
    for line in log.read_text().splitlines() if log and log.exists() else []:
        if line.startswith('{"bench": "vf_resize"'):
            r = json.loads(line)
            cells = [r['params'], r['runs'], r['value'], r['peer_value'],
                     r['by_hand_ms'], r['kernel_ms'], r['own_ms'],
                     f'{r["own_percent"]:.2f} %', r['outage_ms'], r['peer_outage_ms']]
            rows.append('| ' + ' | '.join(map(str, cells)) + ' |\n')
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build')
    parser.add_argument('page', type=pathlib.Path)
    parser.add_argument('--smoke', action='store_true')
    parser.add_argument('--soak', action='store_true')
    parser.add_argument('--peer', metavar='COMMAND')
    parser.add_argument('--meter', metavar='OBJECT', help='made by meter.sh')
    parser.add_argument('--guest', metavar='LOG', type=pathlib.Path,
                        help='of the guest suite, for the page')
    args = parser.parse_args()
    options = ['--smoke'] if args.smoke else []
    options += ['--peer', args.peer] if args.peer else []
    options += ['--meter', args.meter] if args.meter else []

    rows, good = [], True
    for name, command in benchmarks(args.build):
        found, passed = run(name, command, options)
        rows += map(row, found)
        good = good and passed
    if not rows:
        print('not ok - no benchmark is registered')
        return 1
    if not args.smoke and good:
        more = resize_rows(args.guest)
        args.page.write_text(HEAD.format(machine=machine()) + ''.join(rows) +
                             ''.join([RESIZE_HEAD] + more if more else []))
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
