#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what a suite ran, and judges its skips.

Reads the suite's log, and meson's testlog.json where the suite ran meson. The
unit is the single test: a line of CMocka, an "ok - name" line, or a whole
program that prints neither. A test that began and did not end failed, and so
did a suite that ran nothing or left with an error it does not explain.
"""
import argparse
import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'lint'))
import lint

_CMOCKA = re.compile(r'^\[\s*(RUN|OK|FAILED|SKIPPED)\s*\] (\S.*?)\s*$', re.M)
_PLAIN = re.compile(r'^(ok|not ok) - (.*?)(?: # SKIP (.*))?$', re.M)
_MESON = {'OK': 'passed', 'EXPECTEDFAIL': 'passed', 'SKIP': 'skipped'}


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []

    def add(self, verdict, name):
        getattr(self, verdict).append(name)

    def total(self):
        return len(self.passed) + len(self.failed) + len(self.skipped)


def read_cmocka(text, prefix, tally):
    """A verdict belongs to the test that runs; CMocka's summary repeats some."""
    running = None
    for word, name in [*_CMOCKA.findall(text), ('RUN', None)]:
        if word == 'RUN':
            if running:
                tally.add('failed', prefix + running)
            running = name
        elif name == running:
            how = {'OK': 'passed', 'SKIPPED': 'skipped'}.get(word, 'failed')
            tally.add(how, prefix + name)
            running = None


def read_plain(text, prefix, tally):
    for word, name, skipped in _PLAIN.findall(text):
        if skipped:
            tally.add('skipped', prefix + name)
        else:
            tally.add('passed' if word == 'ok' else 'failed', prefix + name)


def read_log(text, prefix, tally):
    read_cmocka(text, prefix, tally)
    read_plain(text, prefix, tally)


def read_meson(lines, tally):
    for line in lines:
        entry = json.loads(line)
        name = entry['name'].split(' / ')[-1]
        how = _MESON.get(entry['result'], 'failed')
        inner = Tally()
        read_log(entry.get('stdout', '') + '\n' + entry.get('stderr', ''),
                 f'{name}/', inner)
        if not inner.total() or how == 'failed' and not inner.failed:
            inner.add(how, name)
        for verdict in ('passed', 'failed', 'skipped'):
            for test in getattr(inner, verdict):
                tally.add(verdict, test)


def expected(text):
    """{suite/test: reason}"""
    rows = [line.split(': ', 1) for line in text.splitlines()
            if line.strip() and not line.startswith('#')]
    bad = [row[0] for row in rows if len(row) != 2 or not row[1].strip()]
    if bad:
        sys.exit(f'skips.expected: no reason for {", ".join(bad)}')
    return dict(rows)


def figures(text):
    """The JSON objects that the suite printed, one a line."""
    for line in text.splitlines():
        if line.startswith('{') and line.endswith('}'):
            try:
                yield json.loads(line)
            except ValueError:
                pass


def judge(args, tally, allowed):
    """Print the line of the suite and what is wrong; the number of failures."""
    if not tally.total() and not args.status:
        tally.add('failed', 'the suite ran no test')
    if args.status and not tally.failed:
        tally.add('failed', f'the suite ended with status {args.status}')
    unexpected = [name for name in tally.skipped
                  if f'{args.suite}/{name}' not in allowed]
    print(f'{args.suite:<10} {len(tally.passed)} passed, {len(tally.failed)} failed, '
          f'{len(tally.skipped)} skipped, {args.seconds} s')
    for name in tally.failed:
        print(f'  failed: {name}')
    for name in tally.skipped:
        reason = allowed.get(f'{args.suite}/{name}', 'not in tests/skips.expected')
        print(f'  skipped: {name}: {reason}')
    return unexpected


def soak_lines(args, tally, text):
    result = {'suite': args.suite, 'passed': len(tally.passed),
              'failed': len(tally.failed), 'skipped': len(tally.skipped),
              'seconds': args.seconds}
    for figure in [result, *figures(text)]:
        print(json.dumps({'commit': args.commit,
                          'command': f'tests/run.sh --soak {args.suite}',
                          'result': figure}))


def _counts(text, results=None):
    tally = Tally()
    if results is None:
        read_log(text, '', tally)
    else:
        read_meson([json.dumps({'name': 'x / t', 'result': results, 'stdout': text})],
                   tally)
    return [f'{len(tally.passed)} {len(tally.failed)} {len(tally.skipped)}']


_TWO = '[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n'
CASES = [
    ('an empty log', lambda: _counts(''), '0 0 0'),
    ('a pass and a fail', lambda: _counts(_TWO + '[  FAILED  ] b\n'), '1 1 0'),
    ("the summary's repetition", lambda: _counts(
        _TWO + '[  FAILED  ] b\n[  FAILED  ] b\n'), '1 1 0'),
    ('a test that did not end', lambda: _counts(_TWO), '1 1 0'),
    ('a skip', lambda: _counts(_TWO + '[  SKIPPED ] b\n'), '1 0 1'),
    ('plain lines', lambda: _counts('ok - a\nnot ok - b\nok - c # SKIP why\n'),
     '1 1 1'),
    ('a name that fails and then passes', lambda: _counts(
        '[ RUN      ] a\n[  FAILED  ] a\n[ RUN      ] a\n[       OK ] a\n'), '1 1 0'),
    ('a program without lines', lambda: _counts('', 'OK'), '1 0 0'),
    ('a program that timed out', lambda: _counts('', 'TIMEOUT'), '0 1 0'),
    ('a program that fails after its tests',
     lambda: _counts(_TWO + '[       OK ] b\n', 'FAIL'), '2 1 0'),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        return lint.prove(CASES)
    parser = argparse.ArgumentParser()
    parser.add_argument('--suite', required=True)
    parser.add_argument('--status', type=int, required=True)
    parser.add_argument('--seconds', type=int, required=True)
    parser.add_argument('--log', type=pathlib.Path, required=True)
    parser.add_argument('--totals', type=pathlib.Path, required=True)
    parser.add_argument('--expected', type=pathlib.Path, required=True)
    parser.add_argument('--soak', metavar='COMMIT', dest='commit')
    args = parser.parse_args()

    tally, text = Tally(), args.log.read_text(errors='replace')
    results = args.log.with_suffix('.json')
    if results.exists():
        read_meson(results.read_text().splitlines(), tally)
    else:
        read_log(text, '', tally)
    unexpected = judge(args, tally, expected(args.expected.read_text()))
    if args.commit:
        soak_lines(args, tally, text)
    with args.totals.open('a') as totals:
        print(len(tally.passed), len(tally.failed), len(tally.skipped), len(unexpected),
              file=totals)
    return 1 if tally.failed or unexpected else 0


if __name__ == '__main__':
    sys.exit(main())
