#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads a program's OpenMetrics 1.0 text as strictly as the specification has it.

The grammar is that of the specification's ABNF, and what it says in words beside:
no family twice, no sample twice, no sample in another's family, the unit at the end
of the name, _total on counters. What the program writes to its standard error are
the values it expects, "FAMILY LABEL=HEX,... VALUE", every sample once; the labels
are in hexadecimal, so that escaping is checked against something else than itself.
"""
import argparse
import decimal
import re
import subprocess
import sys

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^\n"\\]|\\[n"\\])*)"'
NUMBER = r'[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?'
TYPES = {'counter', 'gauge', 'histogram', 'gaugehistogram', 'stateset', 'info',
         'summary', 'unknown'}
ORDER = ['TYPE', 'UNIT', 'HELP']

_ABOUT = re.compile(rf'# (TYPE|UNIT|HELP) ({NAME}) ((?:[^\n"\\]|\\[n"\\])*)')
_SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{LABEL}(?:,(?=[a-zA-Z_])|(?=\}})))*)\}})? '
                     rf'({NUMBER})')


class Bad(Exception):
    pass


class Family:
    def __init__(self, name):
        self.name, self.about, self.samples = name, {}, {}

    def sample_name(self):
        counts = self.about.get('TYPE') == 'counter'
        return self.name + ('_total' if counts else '')


def _unescape(text):
    return re.sub(r'\\(.)', lambda m: '\n' if m[1] == 'n' else m[1], text)


def _add_about(families, match):
    what, name, value = match.groups()
    if not families or families[-1].name != name:
        if any(family.name == name for family in families):
            raise Bad(f'{name}: a family for the second time')
        families.append(Family(name))
    family = families[-1]
    if family.samples:
        raise Bad(f'{name}: {what} behind a sample')
    if what in family.about:
        raise Bad(f'{name}: {what} for the second time')
    if any(ORDER.index(other) > ORDER.index(what) for other in family.about):
        raise Bad(f'{name}: {what} out of order')
    if what == 'TYPE' and value not in TYPES:
        raise Bad(f'{name}: type {value}')
    if what == 'UNIT' and value and not name.endswith('_' + value):
        raise Bad(f'{name}: does not end with its unit, {value}')
    family.about[what] = value


def _add_sample(families, match):
    name, labels, number = match[1], match[2] or '', match[match.lastindex]
    if not families or families[-1].sample_name() != name:
        raise Bad(f'{name}: a sample outside of its family')
    family = families[-1]
    pairs = [(key, _unescape(value)) for key, value in re.findall(LABEL, labels)]
    if len(dict(pairs)) != len(pairs):
        raise Bad(f'{name}: a label for the second time')
    key = tuple(sorted(pairs))
    if key in family.samples:
        raise Bad(f'{name}{{{labels}}}: for the second time')
    value = decimal.Decimal(number)
    if family.about.get('TYPE') == 'counter' and value < 0:
        raise Bad(f'{name}: a counter below 0')
    family.samples[key] = value


def parse(data):
    """The families of an exposition, in bytes; Bad if it is none."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Bad(f'not UTF-8: {error}') from error
    if text.startswith('\ufeff'):
        raise Bad('a byte order mark')
    if not re.search(r'(?:^|\n)# EOF\n?\Z', text):
        raise Bad('no end mark at the end')
    families = []
    for line in re.sub(r'# EOF\n?\Z', '', text).split('\n')[:-1]:
        about, sample = _ABOUT.fullmatch(line), _SAMPLE.fullmatch(line)
        if about:
            _add_about(families, about)
        elif sample:
            _add_sample(families, sample)
        else:
            raise Bad(f'not of the grammar: {line!r}')
    return families


def _expected(text):
    """{(family, labels): value}"""
    values = {}
    for line in text.splitlines():
        name, labels, value = line.split()
        pairs = [label.split('=') for label in labels.split(',')]
        key = tuple(sorted((k, bytes.fromhex(v).decode()) for k, v in pairs))
        values[name, key] = decimal.Decimal(value)
    return values


def _check_values(families, expected):
    found = {(family.name, key): value for family in families
             for key, value in family.samples.items()}
    for name, key in sorted(set(expected) | set(found)):
        if expected.get((name, key)) != found.get((name, key)):
            raise Bad(f'{name} {dict(key)}: {found.get((name, key))}, expected '
                      f'{expected.get((name, key))}')


def _check_sums(families):
    """A tenant has what its queues have: nothing was counted elsewhere or is gone."""
    table = {family.name: family for family in families}
    n_sums = 0
    for name, family in table.items():
        whole = table.get(name.replace('vio_queue_', 'vio_dom_'))
        if not name.startswith('vio_queue_'):
            continue
        for key, value in whole.samples.items():
            parts = [part for labels, part in family.samples.items()
                     if dict(labels)['dom'] == dict(key)['dom']]
            if sum(parts) != value:
                raise Bad(f'{name}: {sum(parts)} of {dict(key)}, which has {value}')
            n_sums += 1
    return n_sums


def check(command):
    run = subprocess.run(command, capture_output=True, check=True)
    data = run.stdout[run.stdout.find(b'# '):]
    families = parse(data)
    expected = _expected(run.stderr.decode())
    if expected:
        _check_values(families, expected)
    n_samples = sum(len(family.samples) for family in families)
    print(f'{len(families)} families, {n_samples} samples, '
          f'{_check_sums(families)} sums agree')


GOOD = [
    '# EOF\n',
    '# EOF',
    '# TYPE a counter\n# EOF\n',
    '# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# HELP a_bytes x \\\\ \\n y\n'
    'a_bytes_total{b="c",d="\\\\\\"\\n"} 1.5\na_bytes_total{b="e"} 2\n# EOF\n',
    '# TYPE a gauge\na 1\n# TYPE b gauge\nb{} 2\n# EOF\n',
]
BAD = [
    ('no end mark', '# TYPE a gauge\na 1\n'),
    ('not at the end', '# EOF\n# TYPE a gauge\na 1\n'),
    ('an empty line', '# TYPE a gauge\n\na 1\n# EOF\n'),
    ('a comment', '# hello\n# EOF\n'),
    ('a carriage return', '# TYPE a gauge\r\na 1\r\n# EOF\n'),
    ('a counter without its suffix', '# TYPE a counter\na 1\n# EOF\n'),
    ('a gauge with a suffix', '# TYPE a gauge\na_total 1\n# EOF\n'),
    ('a unit that the name lacks', '# TYPE a counter\n# UNIT a bytes\n# EOF\n'),
    ('a family twice', '# TYPE a gauge\na 1\n# TYPE b gauge\n# TYPE a gauge\n# EOF\n'),
    ('a type twice', '# TYPE a gauge\n# TYPE a gauge\n# EOF\n'),
    ('help before type', '# HELP a x\n# TYPE a gauge\n# EOF\n'),
    ('metadata behind a sample', '# TYPE a gauge\na 1\n# HELP a x\n# EOF\n'),
    ('no such type', '# TYPE a meter\n# EOF\n'),
    ('a sample twice', '# TYPE a gauge\na{b="c"} 1\na{b="c"} 1\n# EOF\n'),
    ('the same in another order',
     '# TYPE a gauge\na{b="c",d="e"} 1\na{d="e",b="c"} 1\n# EOF\n'),
    ('a label twice', '# TYPE a gauge\na{b="c",b="d"} 1\n# EOF\n'),
    ('a sample of another family', '# TYPE a gauge\nb 1\n# EOF\n'),
    ('a line feed in a label', '# TYPE a gauge\na{b="c\nx"} 1\n# EOF\n'),
    ('a quote in a label', '# TYPE a gauge\na{b="c"d"} 1\n# EOF\n'),
    ('an unknown escape', '# TYPE a gauge\na{b="\\x"} 1\n# EOF\n'),
    ('a comma too many', '# TYPE a gauge\na{b="c",} 1\n# EOF\n'),
    ('no comma', '# TYPE a gauge\na{b="c"d="e"} 1\n# EOF\n'),
    ('two spaces', '# TYPE a gauge\na  1\n# EOF\n'),
    ('no number', '# TYPE a gauge\na x\n# EOF\n'),
    ('a negative counter', '# TYPE a counter\na_total -1\n# EOF\n'),
    ('a name with a dash', '# TYPE a-b gauge\n# EOF\n'),
    ('bytes that are not UTF-8', '# TYPE a gauge\na{b="\xff"} 1\n# EOF\n'),
]


def self_test():
    status = 0
    for text in GOOD:
        parse(text.encode())
        print(f'ok - accepts {text.splitlines()[0]}')
    for name, text in BAD:
        try:
            parse(text.encode('latin-1'))
            print(f'not ok - refuses {name}')
            status = 1
        except Bad:
            print(f'ok - refuses {name}')
    return status


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--self-test', action='store_true')
    parser.add_argument('command', nargs='*')
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    if not args.command:
        parser.error('which program?')
    try:
        check(args.command)
    except Bad as error:
        print(f'{args.command}: {error}')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
