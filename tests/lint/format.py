#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The formatter decides, so that no review has to.

Version 14 by name: another release breaks lines elsewhere, and a tree that is
formatted twice is formatted never. White space that the formatter leaves alone,
in scripts and build files, is checked here by hand, and so are comments too wide.
"""
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import lint

TOOL = 'clang-format-14'
CODE = ('.c', '.h', '.cpp', '.hpp')
TEXT = CODE + ('.py', '.sh', 'meson.build', '.txt', '.map', '.md')
COLUMNS = 88
LONG_LINES = ('.md', '.txt')  # prose, and tables


def _style(root):
    own = root / '.clang-format'
    fallback = pathlib.Path(__file__).resolve().parents[2] / '.clang-format'
    return own if own.exists() else fallback


def _check_code(root):
    if not shutil.which(TOOL):
        raise lint.Unavailable(f'{TOOL} is not installed')
    files = lint.files(root, CODE)
    if not files:
        return []
    run = subprocess.run([TOOL, f'--style=file:{_style(root)}', '--dry-run', '-Werror',
                          *map(str, files)], capture_output=True, text=True)
    lines = [line.replace(f'{root}/', '') for line in run.stderr.splitlines()
             if 'error:' in line]
    if run.returncode and not lines:
        lines = [run.stderr.strip() or f'{TOOL} failed']
    return lines


def _is_long(where, line):
    """What a program prints is as wide as its reader's screen, not as its source."""
    is_printed = where.endswith(('.c', '.cpp')) and '"' in line
    return (len(line.expandtabs(8)) > COLUMNS and not is_printed and
            not where.endswith(LONG_LINES))


def _check_text(root):
    for file in lint.files(root, TEXT):
        where, text = lint.relative(root, file), file.read_text()
        for number, line in enumerate(text.split('\n'), 1):
            if line != line.rstrip():
                yield f'{where}:{number}: white space at the end of the line'
            if _is_long(where, line):
                yield f'{where}:{number}: over {COLUMNS} columns'
        if text and not text.endswith('\n'):
            yield f'{where}: no newline at the end'


def check(root):
    return _check_code(root) + list(_check_text(root))


CASES = [
    ('formatted', {'a.c': 'int f(void)\n{\n\treturn 0;\n}\n'}, None),
    ('spaces for tabs', {'a.c': 'int f(void)\n{\n        return 0;\n}\n'}, 'a.c:2'),
    ('braces elsewhere', {'a.h': 'int f(void) {\n\treturn 0;\n}\n'}, 'a.h:1'),
    ('a long line of shell', {'a.sh': ':' * 89 + '\n'}, 'a.sh:1: over 88'),
    ('a long comment', {'a.h': '/* ' + 'x' * 83 + ' */\n'}, 'a.h:1: over 88'),
    ('a line of output', {'a.c': 'const char *a =\n\t"' + 'x' * 80 + '";\n'}, None),
    ('a blank at the end', {'meson.build': 'x \n'}, 'meson.build:1: white'),
    ('an unfinished line', {'a.py': 'x'}, 'a.py: no newline'),
]

if __name__ == '__main__':
    lint.main(check, CASES, f'{TOOL} -i FILE; for scripts, the line by hand')
