#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shared library needs the libraries of needed.txt and no others.

A new entry of DT_NEEDED is a new dependency of every program that links
libvio, and of every container it ships in; it comes by a line of review, not
by a linker flag. What is optional counts when the build has it.
"""
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lint'))
import lint

MEND = ('link it as a private dependency of the layer that wants it and write it into '
        'tests/abi/needed.txt with its pkg-config name, or do without it')
_NEEDED = re.compile(r'\(NEEDED\).*\[(.+)\]')


def wanted(text, built_with):
    """Sonames of the lines that hold always or for what the build has."""
    rows = [line.split() for line in text.splitlines()
            if line.strip() and not line.startswith('#')]
    return {soname for name, soname in rows if name in ('always', *built_with)}


def needed(lines):
    return {m.group(1) for m in map(_NEEDED.search, lines) if m}


def compare(listed, found):
    for name in sorted(found - listed):
        yield f'{name}: needed and not listed'
    for name in sorted(listed - found):
        yield f'{name}: listed and not needed'


LIST = '# what\nalways libc.so.6\nliburing liburing.so.2\n'
DYNAMIC = [' 0x0001 (NEEDED)  Shared library: [libc.so.6]', ' 0x000e (SONAME) [x]']
CASES = [
    ('as listed', lambda: compare(wanted(LIST, []), needed(DYNAMIC)), None),
    ('one more', lambda: compare(set(), needed(DYNAMIC)), 'libc.so.6: needed and not'),
    ('one less', lambda: compare(wanted(LIST, ['liburing']), needed(DYNAMIC)),
     'liburing.so.2: listed and not'),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        return lint.prove(CASES)
    library, *built_with = sys.argv[1:]
    dynamic = subprocess.run(['readelf', '-dW', library], capture_output=True,
                             text=True, check=True).stdout.splitlines()
    listed = pathlib.Path(__file__).with_name('needed.txt').read_text()
    return lint.report(list(compare(wanted(listed, built_with), needed(dynamic))), MEND)


if __name__ == '__main__':
    sys.exit(main())
