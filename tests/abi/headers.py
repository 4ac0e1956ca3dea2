#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each public header compiles alone, in every language that may include it.

A header that leans on another one's includes, or on GNU C, breaks the program
of somebody else on a day of their choosing. Every *_INIT macro is used as
well, since a macro is compiled only where it is used. C is checked with
-Wpadded: a hole in a public struct is a field nobody sets to zero.
"""
import concurrent.futures
import itertools
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lint'))
import csource
import lint

WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Werror']
LANGUAGES = [
    (('gcc', 'clang'), ('c11', 'c17'), 'c', ['-Wpadded']),
    (('g++', 'clang++'), ('c++11', 'c++17', 'c++20'), 'c++', []),
]
UNSTABLE = '-DVIO_ENABLE_UNSTABLE'
# Itself, and what belongs to a library that a program may not want to link.
APART = {'vio/vio.h', 'vio/pci_names.h'}
_INIT = re.compile(r'^#define\s+VIO_(\w+)_INIT\b(?!\()', re.M)


def headers(include_dirs):
    return sorted({lint.relative(folder, file) for folder in include_dirs
                   for file in lint.files(folder, ('.h',), ['vio'])})


def read(include_dirs, name):
    return next(pathlib.Path(folder, name).read_text() for folder in include_dirs
                if pathlib.Path(folder, name).exists())


def _source(include_dirs, name):
    """A translation unit of the header alone, twice, and its macros."""
    lines = [f'#include <{name}>'] * 2
    for init in _INIT.findall(read(include_dirs, name)):
        struct = f'struct vio_{init.lower()}'
        lines += [f'{struct} make_{init}(void);', f'{struct} make_{init}(void)',
                  '{', f'\t{struct} value = VIO_{init}_INIT;', '\treturn value;', '}']
    return '\n'.join(lines) + '\nint not_empty(void);\n'


def _compile(include_dirs, name, compiler, standard, language, extra):
    unstable = [UNSTABLE] if '/unstable/' in name else []
    command = [compiler, f'-std={standard}', *WARNINGS, *extra, *unstable,
               *[f'-I{folder}' for folder in include_dirs],
               '-x', language, '-fsyntax-only', '-']
    run = subprocess.run(command, input=_source(include_dirs, name),
                         capture_output=True, text=True)
    if run.returncode:
        return [f'{name}: {compiler} -std={standard}', *run.stderr.splitlines()[:8]]
    return []


def _guarded(include_dirs, name):
    """An unstable header must refuse a program that did not ask for it."""
    run = subprocess.run(['cc', *[f'-I{folder}' for folder in include_dirs],
                          '-x', 'c', '-fsyntax-only', '-'],
                         input=f'#include <{name}>\n', capture_output=True, text=True)
    return [] if run.returncode else [f'{name}: compiles without {UNSTABLE}']


def _structure(include_dirs, names):
    for name in names:
        text = read(include_dirs, name)
        made = {f'vio_{init.lower()}' for init in _INIT.findall(text)}
        for struct in csource.structs(text):
            if struct.fields and struct.fields[0].name == 'size' \
                    and struct.name not in made:
                yield f'{name}: struct {struct.name} has a size and no *_INIT'
    if 'vio/vio.h' in names:
        whole = {n for _, _, n in csource.includes(read(include_dirs, 'vio/vio.h'))}
        for name in names:
            if '/unstable/' not in name and name not in whole | APART:
                yield f'vio/vio.h: does not include {name}'


def check(include_dirs):
    """(findings, compilers that are missing)"""
    names, jobs, missing = headers(include_dirs), [], set()
    if not names:
        return ['no header found'], missing
    for compilers, standards, language, extra in LANGUAGES:
        for compiler, standard in itertools.product(compilers, standards):
            if not shutil.which(compiler):
                missing.add(compiler)
                continue
            jobs += [(name, compiler, standard, language, extra) for name in names]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda job: _compile(include_dirs, *job), jobs)
        findings = list(itertools.chain(*results, _structure(include_dirs, names)))
    for name in names:
        if '/unstable/' in name:
            findings += _guarded(include_dirs, name)
    return findings, missing


_GUARD = '#ifndef VIO_X_H\n#define VIO_X_H\n%s\n#endif\n'
CASES = [
    ('a clean header', 'x.h', _GUARD % '#include <stdint.h>\nstruct vio_x '
     '{ uint32_t size, flags; };\n#define VIO_X_INIT { sizeof(struct vio_x), 0 }',
     None),
    ('an include forgotten', 'x.h', _GUARD % 'uint32_t vio_x_get(void);',
     'vio/x.h: gcc'),
    ('a hole', 'x.h', _GUARD % 'struct vio_x { char a; int b; };', 'pad'),
    ('GNU C', 'x.h', _GUARD % 'struct vio_x { int n; int a[0]; };',
     'vio/x.h: gcc'),
    ('a word of C++', 'x.h', _GUARD % 'struct vio_x { int class; };',
     'vio/x.h: g++'),
    ('a macro that does not fit', 'x.h', _GUARD % 'struct vio_x { int a; };\n'
     '#define VIO_X_INIT { 0, 0 }', 'vio/x.h: gcc'),
    ('no guard', 'x.h', 'struct vio_x { int a; };', 'redefinition'),
    ('no macro', 'x.h', _GUARD % 'struct vio_x { unsigned size, flags; };',
     'no *_INIT'),
    ('unstable without its guard', 'unstable/x.h', _GUARD % 'struct vio_x { int a; };',
     'compiles without'),
]


def _check_text(path, text):
    return lint.in_tree(lambda root: check([root])[0], {f'vio/{path}': text})


def main():
    if sys.argv[1:] == ['--self-test']:
        return lint.prove([(name, lambda path=path, text=text: _check_text(path, text),
                            wanted) for name, path, text, wanted in CASES])
    findings, missing = check(sys.argv[1:])
    if missing and not findings:
        print(f'skipped: without {", ".join(sorted(missing))}')
        return lint.SKIP
    return lint.report(findings, 'include what is used, fill holes with reserved '
                       'fields, keep to ISO C11 and C++11')


if __name__ == '__main__':
    sys.exit(main())
