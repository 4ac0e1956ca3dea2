#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is declared, what the map names and what is exported are one set.

A function left out of the map links in no program; one left in the map after
its removal, or exported by accident, is a promise nobody meant to make. The
static archive keeps everything hidden, so that a program which is linked to it
does not offer its copy to the plugins it loads.
"""
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lint'))
import csource
import lint

UNSTABLE = 'VIO_UNSTABLE'
_NODE = re.compile(r'(\w[\w.]*)\s*\{(.*?)\}\s*[\w.]*\s*;', re.S)
_STABLE_NODE = re.compile(r'VIO_(?:PCI_)?\d+\.\d+$')


# Headers of the other shared library, which has a map of its own.
ELSEWHERE = {'libvio-pci.map': ('pci_names.h',)}


def declared(root, script='libvio.map'):
    """{function: whether it is unstable} of the public headers."""
    others = {name for names in ELSEWHERE.values() for name in names}
    return {function.name: 'unstable' in file.parts
            for file in lint.files(root, ('.h', '.h.in'), ['include'])
            if (file.name in ELSEWHERE[script] if script in ELSEWHERE
                else file.name not in others)
            for function in csource.api(file.read_text())}


def mapped(text):
    """{function: node} of a version script; '*' is left to the linker."""
    found, clean = {}, csource.blank_directives(csource.blank(text))
    for node, body in _NODE.findall(clean):
        scope = 'global'
        for word in re.findall(r'[^\s;:]+|:', body):
            scope = word if word in ('global', 'local') else scope
            if scope == 'global' and word not in ('global', 'local', ':'):
                found[word] = node
    return found


def exported(library):
    """{function: node} that the dynamic linker sees."""
    lines = subprocess.run(['nm', '-D', '--defined-only', '--with-symbol-versions',
                            library], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    symbols = [line.split() for line in lines]
    return {words[2].split('@')[0]: words[2].split('@')[-1]
            for words in symbols if len(words) == 3 and words[1] != 'A'}


def compare(headers, script, symbols):
    for name in sorted(set(headers) | set(script) | set(symbols)):
        places = [(headers, 'declared'), (script, 'in the map'), (symbols, 'exported')]
        absent = [text for table, text in places if name not in table]
        if absent:
            yield f'{name}: not {", not ".join(absent)}'
            continue
        if script[name] != symbols[name]:
            yield f'{name}: exported as {symbols[name]}, mapped as {script[name]}'
        good = script[name] == UNSTABLE if headers[name] \
            else _STABLE_NODE.match(script[name])
        if not good:
            yield f'{name}: does not belong into the node {script[name]}'


def archive(lines):
    """Findings on the lines of readelf -sW of the static archive."""
    seen = 0
    for line in lines:
        words = line.split()
        if len(words) < 8 or words[4] not in ('GLOBAL', 'WEAK') or words[6] == 'UND':
            continue
        seen += 1
        if not words[7].startswith('vio_'):
            yield f'{words[7]}: in the archive without the prefix vio_'
        if words[5] != 'HIDDEN':
            yield f'{words[7]}: not hidden in the archive'
    if not seen:
        yield 'the archive defines nothing'


def calls_itself(lines, script):
    """Functions of its map that the library reaches through its own PLT."""
    for line in lines:
        match = re.search(r'R_\w+_JUMP_SLOT?\w*\s+\S+\s+(vio_\w+)', line)
        if match and match.group(1) in script:
            yield f'{match.group(1)}: called through the PLT; link -Bsymbolic-functions'


def _readelf(option, file):
    return subprocess.run(['readelf', option, file], capture_output=True, text=True,
                          check=True).stdout.splitlines()


SYMBOL = '  7: 00 11 FUNC {} {} 1 {}'
RELOCATION = '0001 0002 R_X86_64_JUMP_SLOT 0000000000001139 {} + 0'
MAP = ('VIO_0.1 {\n global:\n  vio_a; /* it */\n  vio_b;\n local: *;\n};\n'
       'VIO_UNSTABLE { global: vio_u; } VIO_0.1;')
SAME = ({'vio_a': False}, {'vio_a': 'VIO_0.1'}, {'vio_a': 'VIO_0.1'})
CASES = [
    ('three ways the same', lambda: compare(*SAME), None),
    ('not declared', lambda: compare({}, *SAME[1:]), 'not declared'),
    ('not mapped', lambda: compare(SAME[0], {}, SAME[2]), 'not in the map'),
    ('not exported', lambda: compare(*SAME[:2], {}), 'not exported'),
    ('exported by accident', lambda: compare({}, {}, {'memcpy': 'VIO_0.1'}),
     'memcpy'),
    ('another node', lambda: compare(*SAME[:2], {'vio_a': 'VIO_0.2'}),
     'VIO_0.2, mapped'),
    ('unstable as stable', lambda: compare({'vio_a': True}, *SAME[1:]), 'not belong'),
    ('stable as unstable', lambda: compare(
        SAME[0], {'vio_a': UNSTABLE}, {'vio_a': UNSTABLE}), 'not belong'),
    ('the map is read', lambda: [] if mapped(MAP) == {
        'vio_a': 'VIO_0.1', 'vio_b': 'VIO_0.1', 'vio_u': UNSTABLE
    } else ['wrong'], None),
    ('a clean archive', lambda: archive([SYMBOL.format('GLOBAL', 'HIDDEN', 'vio_a')]),
     None),
    ('a visible name', lambda: archive([SYMBOL.format('GLOBAL', 'DEFAULT', 'vio_a')]),
     'not hidden'),
    ('a foreign name', lambda: archive([SYMBOL.format('GLOBAL', 'HIDDEN', 'helper')]),
     'without the prefix'),
    ('an empty archive', lambda: archive([]), 'defines nothing'),
    ('a call of a neighbour', lambda: calls_itself(
        [RELOCATION.format('vio_a@@VIO_0.1')], SAME[1]), 'through the PLT'),
    ('a call of libc', lambda: calls_itself(
        [RELOCATION.format('close@GLIBC_2.2.5')], SAME[1]), None),
    ('a call of the other library',
     lambda: calls_itself([RELOCATION.format('vio_b@VIO_0.1')], SAME[1]), None),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        return lint.prove(CASES)
    root, script, shared, *static, ninja = map(pathlib.Path, sys.argv[1:])
    names = mapped(script.read_text())
    findings = [*compare(declared(root, script.name), names, exported(shared)),
                *calls_itself(_readelf('-rW', shared), names)]
    for archived in static:
        findings += archive(_readelf('-sW', archived))
    if '-Bsymbolic-functions' not in ninja.read_text():
        findings.append(f'{shared.name}: linked without -Bsymbolic-functions')
    return lint.report(findings, 'VIO_API in the header and a line in lib/libvio.map '
                       'go together; helpers that files share begin with vio_ and '
                       'stay out of the map')


if __name__ == '__main__':
    sys.exit(main())
