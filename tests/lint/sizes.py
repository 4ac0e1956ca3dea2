#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Small files and small functions.

The limits of CONTRIBUTING.md: a file a reader can hold, functions that fit a
screen, and in the library a median that forces one idea per function. The
length of a function is the number of lines after its opening brace.
"""
import statistics
import sys

sys.dont_write_bytecode = True
import csource
import lint

FILE_LINES = 600
FUNCTION_LINES = 80
NINE_IN_TEN = 40
MEDIAN = 12
# A table with a line for each public field, which tests/abi/accept.sh writes.
TABLES = ('tests/abi/layout.c',)


def _check_files(root):
    for file in lint.files(root, ('.c', '.h', '.cpp', '.hpp', '.py', '.sh')):
        lines = file.read_text().count('\n')
        name = str(lint.relative(root, file))
        if lines > FILE_LINES and name not in TABLES:
            yield f'{name}:1: {lines} lines, over {FILE_LINES}'


def _functions(root, under):
    for file in lint.files(root, ('.c', '.h'), under):
        for function in csource.functions(file.read_text()):
            yield f'{lint.relative(root, file)}:{function.line}', function


def _check_longest(root):
    for where, function in _functions(root, ['lib', 'examples', 'tests']):
        if function.length > FUNCTION_LINES:
            yield (f'{where}: {function.name}() has {function.length} lines, '
                   f'over {FUNCTION_LINES}')


def _check_spread(root):
    lengths = sorted(f.length for _, f in _functions(root, ['lib']))
    if not lengths:
        return
    tenth = lengths[(9 * len(lengths) - 1) // 10]
    median = statistics.median(lengths)
    if tenth > NINE_IN_TEN:
        yield f'lib: nine functions in ten have up to {tenth} lines, over {NINE_IN_TEN}'
    if median > MEDIAN:
        yield f'lib: the median function has {median} lines, over {MEDIAN}'


def check(root):
    return [*_check_files(root), *_check_longest(root), *_check_spread(root)]


def _lib(*lengths):
    body = ''.join(f'int f{i}(void)\n{{\n' + '\tx();\n' * (n - 1) + '}\n\n'
                   for i, n in enumerate(lengths))
    return {'lib/a.c': body}


CASES = [
    ('within the limits', _lib(12, 12, 12, 12, 12, 12, 12, 12, 40, 80), None),
    ('a file at the limit', {'a.py': '\n' * 600}, None),
    ('a long file', {'a.py': '\n' * 601}, 'a.py:1: 601 lines'),
    ('a long function', _lib(*[2] * 10, 81), 'f10() has 81 lines'),
    ('a long function of a test', {'tests/a.c': _lib(81)['lib/a.c']}, 'tests/a.c:2'),
    ('two long ones in ten', _lib(2, 2, 2, 2, 2, 2, 2, 2, 41, 41),
     'up to 41 lines'),
    ('a long median', _lib(2, 13, 13), 'median function has 13'),
    ('a struct is no function', {'lib/a.c': 'static struct x y =\n{\n' + '\t1,\n' * 90
                                 + '};\n'}, None),
]

if __name__ == '__main__':
    lint.main(check, CASES, 'take a function out of the longest ones, a file out of '
              'the fullest; do not squeeze lines')
