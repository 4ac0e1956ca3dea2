#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every field of every public struct is pinned to its place.

layout.c states offset and size of each field, for the compiler to check; this
checks that no field is missing from it, and that fields are of the kinds whose
layout is the same for every compiler and language. An XML comparison alone
calls a swap of two fields of one type harmless when it is told to allow
growth; an assertion does not.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lint'))
import csource
import lint

MEND = ('give fields fixed widths and the struct a line for each field: '
        'tests/abi/accept.sh writes tests/abi/layout.c, for review')
_PLAIN = re.compile(r'(?:const )?(?:u?int(?:8|16|32|64)_t|char|struct vio_\w+)$')
_POINTER = re.compile(r'[^*]*\*|.*\(\s*\*|(?:const )?vio_\w+_fn\b', re.S)
_ASSERT = re.compile(r'^(FIELD|SIZE)\((\w+), (?:(\w+), )?(\d+)(?:, (\d+))?\);$', re.M)

HEAD = '''/* SPDX-License-Identifier: MIT */
/*
 * The layout of every public struct, field by field: offset and size in bytes.
 * Written by accept.sh and reviewed like code. A struct may grow at its end;
 * any other change of a line here breaks programs that are already built.
 */
#define VIO_ENABLE_UNSTABLE
#include <stddef.h>

%s
#define SIZE(type, bytes)@
	_Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define FIELD(type, field, offset, bytes)@
	_Static_assert(offsetof(struct type, field) == (offset) &&@
			       sizeof(((struct type *)0)->field) == (bytes),@
		       #type "." #field)
'''


# The formatter's place for the backslash that continues a macro.
HEAD = re.sub(r'^(.*)@$', lambda m: m[1] + ' ' * (87 - len(m[1].expandtabs(8))) + '\\',
              HEAD, flags=re.M)


def _headers(root):
    return [lint.relative(root / 'include', file)
            for file in lint.files(root, ('.h',), ['include'])]


def public_structs(root):
    """(header, struct), in the order in which a reader meets them."""
    for name in _headers(root):
        for struct in csource.structs((root / 'include' / name).read_text()):
            yield name, struct


def _kind(field):
    """The type of a field, without its name, or None if it is not allowed."""
    if _POINTER.match(field.type):
        return 'pointer'
    kind = re.sub(r'\s+\w+\s*(?:\[[^\]]*\]\s*)*(?::.*)?$', '', field.type)
    return kind if _PLAIN.match(kind) and ':' not in field.type else None


def check(root):
    text = root / 'tests/abi/layout.c'
    stated = {(m[2], m[3]) for m in _ASSERT.finditer(
        text.read_text() if text.exists() else '')}
    wanted, findings = set(), []
    for name, struct in public_structs(root):
        for field in struct.fields:
            where = f'include/{name}:{field.line}: {struct.name}.{field.name}'
            if not _kind(field):
                findings.append(f'{where}: {field.type}: not of a fixed width')
            wanted.add((struct.name, field.name))
            if (struct.name, field.name) not in stated:
                findings.append(f'{where}: not in tests/abi/layout.c')
        wanted.add((struct.name, None))
        if (struct.name, None) not in stated:
            findings.append(f'include/{name}:{struct.line}: the size of {struct.name} '
                            f'is not in tests/abi/layout.c')
    for struct, field in sorted(stated - wanted, key=str):
        findings.append(f'tests/abi/layout.c: {struct}.{field or "size"} is gone')
    return findings


def _probe(structs):
    """A program that prints the lines."""
    lines = ['#include <stdio.h>', 'int main(void)', '{']
    for _, struct in structs:
        name = struct.name
        lines.append(f'printf("\\nSIZE({name}, %zu);\\n", sizeof(struct {name}));')
        for field in (field.name for field in struct.fields):
            lines.append(f'printf("FIELD({name}, {field}, %zu, %zu);\\n", '
                         f'offsetof(struct {name}, {field}), '
                         f'sizeof(((struct {name} *)0)->{field}));')
    return '\n'.join(lines + ['return 0;', '}', ''])


def write(root, include_dirs):
    """layout.c as the compiler sees the structs now."""
    structs = list(public_structs(root))
    used = sorted({name for name, _ in structs})
    head = HEAD % ''.join(f'#include <{name}>\n' for name in used)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(['cc', *[f'-I{d}' for d in include_dirs], '-x', 'c', '-o',
                        f'{folder}/probe', '-'], input=head + _probe(structs),
                       text=True, check=True)
        body = subprocess.run([f'{folder}/probe'], capture_output=True, text=True,
                              check=True).stdout
    return head + body


def compiles(root, include_dirs):
    run = subprocess.run(['cc', '-std=c11', '-fsyntax-only',
                          *[f'-I{d}' for d in include_dirs],
                          str(root / 'tests/abi/layout.c')],
                         capture_output=True, text=True)
    return [line for line in run.stderr.splitlines() if 'error' in line]


STRUCT = 'struct vio_x {\n\tuint32_t size, flags;\n\tvoid (*call)(int a, long b);\n};\n'
HEADER = '#include <stdint.h>\n' + STRUCT
LINES = ('SIZE(vio_x, 16);\nFIELD(vio_x, size, 0, 4);\nFIELD(vio_x, flags, 4, 4);\n'
         'FIELD(vio_x, call, 8, 8);\n')


def _case(header, lines, wanted):
    def run():
        tree = {'include/vio/x.h': header,
                'tests/abi/layout.c': HEAD % '#include <vio/x.h>\n' + lines}
        return lint.in_tree(lambda root: check(root)
                            + compiles(root, [root / 'include']), tree)
    return run, wanted


CASES = [
    ('every field stated', *_case(HEADER, LINES, None)),
    ('a field forgotten', *_case(HEADER, LINES.replace('FIELD(vio_x, flags, 4, 4);\n',
                                                       ''), 'flags: not in')),
    ('a size forgotten', *_case(HEADER, LINES.replace('SIZE(vio_x, 16);\n', ''),
                                'the size of vio_x')),
    ('a field gone', *_case(HEADER, LINES + 'FIELD(vio_x, old, 8, 8);\n',
                              'old is gone')),
    ('two fields swapped', *_case(HEADER.replace('size, flags', 'flags, size'), LINES,
                                  'vio_x.size')),
    ('a field narrowed', *_case(HEADER.replace('uint32_t size', 'uint16_t size'), LINES,
                                'error')),
    *[(f'a field of type {kind}',
       *_case(HEADER.replace('uint32_t size', f'{kind} size'), LINES,
              'not of a fixed width'))
      for kind in ('int', 'long', '_Bool', 'enum vio_e', 'size_t', 'off_t')],
    ('a bit-field', *_case(HEADER.replace('size, flags', 'size : 4, flags'), LINES,
                           'not of a fixed width')),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--self-test', action='store_true')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('root', nargs='?', type=pathlib.Path)
    parser.add_argument('include_dirs', nargs='*')
    args = parser.parse_args()
    if args.self_test:
        return lint.prove(CASES)
    if args.write:
        print(write(args.root, args.include_dirs), end='')
        return 0
    return lint.report(check(args.root) + compiles(args.root, args.include_dirs), MEND)


if __name__ == '__main__':
    sys.exit(main())
