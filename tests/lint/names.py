#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Exported names follow one grammar: vio_<noun>_<verb>[_<what>].

The verbs are a closed list, verbs.txt, so that a user who knows one object can
guess the functions of the next. What was added to the list must be explained
in ARCHITECTURE.md; a list that anybody may lengthen in silence is not closed.
"""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
import csource
import lint

VERBS = 'tests/lint/verbs.txt'


def _read_verbs(root):
    """(all words, those below the line "added")."""
    file = root / VERBS
    if not file.exists():
        file = pathlib.Path(__file__).with_name('verbs.txt')
    words = [line.split()[0] for line in file.read_text().splitlines()
             if line.strip() and not line.startswith('#')]
    added = words[words.index('added') + 1:]
    return set(words) - {'added'}, added


def _check_added(root, added):
    text = ''
    if (root / 'ARCHITECTURE.md').exists():
        text = (root / 'ARCHITECTURE.md').read_text()
    for word in added:
        if not re.search(r'`' + word + r'(?:\(\))?`', text):
            yield f'{VERBS}: `{word}` was added without a reason in ARCHITECTURE.md'


def _follows(name, words):
    parts = name.split('_')
    return name in words or any(part in words for part in parts[2:])


def check(root):
    words, added = _read_verbs(root)
    findings = list(_check_added(root, added))
    for file in lint.files(root, ('.h', '.h.in'), ['include']):
        text = file.read_text()
        where = lint.relative(root, file)
        for function in csource.api(text):
            if not _follows(function.name, words):
                findings.append(f'{where}:{function.line}: {function.name} has no verb '
                                f'of the list')
        for match in re.finditer(r'^VIO_API\b[^;(]*?\b(?!vio_)(\w+)\s*\(',
                                 csource.blank(text), re.M):
            if not match.group(1).startswith('VIO_'):
                findings.append(f'{where}: {match.group(1)} lacks the prefix vio_')
    return findings


def _header(name):
    return {'include/vio/x.h': f'VIO_API int {name}(void);\n', VERBS: 'create\nadded\n'}


CASES = [
    ('noun, verb', _header('vio_mem_create'), None),
    ('noun, verb, what', _header('vio_mem_create_from_fd'), None),
    ('no verb', _header('vio_mem_fd'), 'vio_mem_fd has no verb'),
    ('a synonym', _header('vio_mem_new'), 'vio_mem_new has no verb'),
    ('a verb without a noun', _header('vio_create'), 'vio_create has no verb'),
    ('no prefix', _header('mem_create'), 'mem_create lacks the prefix'),
    ('an addition without a reason', {VERBS: 'get\nadded\nhas\n'},
     '`has` was added'),
    ('an addition with its reason',
     {VERBS: 'get\nadded\nvio_has\n', 'ARCHITECTURE.md': '- `vio_has()`: why\n',
      'include/vio/x.h': 'VIO_API int vio_has(int);\n'}, None),
]

if __name__ == '__main__':
    lint.main(check, CASES, 'find the verb in tests/lint/verbs.txt that means it; a '
              'new one goes below "added" there, its reason into ARCHITECTURE.md')
