#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Words: spelt right, and none that mark unfinished work.

A mark for later is a promise to nobody; it goes to the issue tracker or is
done at once. Names of the tree's own that look like slips stand in
.codespellrc.
"""
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import lint

TEXT = ('.c', '.h', '.cpp', '.hpp', '.py', '.sh', '.md', '.build', '.txt', '.map',
        '.in', '.expected')
# Written in two parts, for this file is searched as well.
_MARKS = re.compile(r'\b(TO' r'DO|FIX' r'ME|X' r'XX|HA' r'CK)\b')


def _config(root):
    own = root / '.codespellrc'
    ours = pathlib.Path(__file__).resolve().parents[2] / '.codespellrc'
    return own if own.exists() else ours


def check(root):
    if not shutil.which('codespell'):
        raise lint.Unavailable('codespell is not installed')
    files, findings = lint.files(root, TEXT), []
    for file in files:
        for number, line in enumerate(file.read_text().split('\n'), 1):
            mark = _MARKS.search(line)
            if mark:
                where = lint.relative(root, file)
                findings.append(f'{where}:{number}: {mark.group(1)}')
    if files:
        run = subprocess.run(['codespell', '--config', str(_config(root)),
                              *map(str, files)], capture_output=True, text=True)
        findings += [line.replace(f'{root}/', '')
                     for line in (run.stdout + run.stderr).splitlines()]
    return findings


CASES = [
    ('plain words', {'a.c': '/* The guest wrote it. */\n'}, None),
    ('a slip', {'a.md': 'The guest recie' 'ves it.\n'}, 'a.md:1'),
    ('a mark', {'a.c': '/* TO' 'DO: later */\n'}, 'a.c:1: TO' 'DO'),
    ('a mark in a script', {'a.sh': '# FIX' 'ME\n'}, 'a.sh:1: FIX' 'ME'),
    ('part of a name is no mark', {'a.c': 'int maXXXimum;\n'}, None),
]

if __name__ == '__main__':
    lint.main(check, CASES, 'correct the word, or do what the mark says; a term of the '
              'field that codespell takes for a slip goes into .codespellrc')
