#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No object of the library holds writable data.

A global would be seen by two contexts, by two copies of the library and by two
threads. Constant tables of pointers are relocated once by the loader and then
read-only (.data.rel.ro), so they are allowed. Takes archives or objects.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import lint

WRITABLE = re.compile(r'\.(data|bss|tdata|tbss|ldata|lbss|init_array|ctors)(\.|$)')
ALLOWED = re.compile(r'\.data\.rel\.ro(\.|$)')
_SECTION = re.compile(r'^\s*\[\s*\d+\]\s+(\S+)\s+\S+\s+[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+)')

MEND = ('keep the value in the context or the object it belongs to, or make it '
        'const; the section is printed by: readelf -SW, its owner by: nm')


def check(files):
    findings, objects = [], 0
    for file in files:
        run = subprocess.run(['readelf', '-SW', file], capture_output=True, text=True,
                             check=True)
        current = str(file)
        for line in run.stdout.splitlines():
            if line.startswith('File: '):
                current = line[len('File: '):]
            match = _SECTION.match(line)
            objects += line.lstrip().startswith('[ 0]')
            if match and int(match.group(2), 16) and WRITABLE.match(match.group(1)) \
                    and not ALLOWED.match(match.group(1)):
                findings.append(f'{current}: {match.group(1)} holds '
                                f'{int(match.group(2), 16)} bytes')
    return findings if objects else [f'no object in {" ".join(map(str, files))}']


CASES = [
    ('a function', 'int f(void) { return 1; }', None),
    ('a constant table', 'extern int g(void); int (*const t[])(void) = { g };', None),
    ('a counter', 'int counter = 1;', '.data holds'),
    ('a zero', 'static int zero; int *f(void) { return &zero; }', '.bss holds'),
    ('one per thread', '__thread int here = 1;', '.tdata holds'),
    ('one zero per thread', '__thread int here;', '.tbss holds'),
    ('a constructor', '__attribute__((constructor)) void f(void) {}', '.init_array'),
]


def _compiled(text):
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / 'a.c'
        source.write_text(text + '\n')
        subprocess.run(['cc', '-fPIC', '-c', '-o', f'{folder}/a.o', source], check=True)
        subprocess.run(['ar', 'rc', f'{folder}/a.a', f'{folder}/a.o'], check=True)
        return check([f'{folder}/a.a'])


def main():
    if sys.argv[1:] == ['--self-test']:
        return lint.prove([(name, lambda text=text: _compiled(text), wanted)
                           for name, text, wanted in CASES])
    return lint.report(check(sys.argv[1:]), MEND)


if __name__ == '__main__':
    sys.exit(main())
