#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shell scripts pass shellcheck, with nothing silenced file by file.

A script here installs packages and removes folders, mostly as root and seldom
read: an unquoted variable is worth more care than one in C. Every script says
`set -u`, so that a misspelt name stops it.
"""
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import lint


def _scripts(root):
    found = lint.files(root, ('.sh',))
    if (root / '.ci/run').exists():
        found.append(root / '.ci/run')
    return found


def check(root):
    if not shutil.which('shellcheck'):
        raise lint.Unavailable('shellcheck is not installed')
    scripts, findings = _scripts(root), []
    for script in scripts:
        if not re.search(r'^set -[a-z]*u', script.read_text(), re.M):
            findings.append(f'{lint.relative(root, script)}:1: no "set -u"')
    if scripts:
        run = subprocess.run(['shellcheck', '-x', '-f', 'gcc', *map(str, scripts)],
                             capture_output=True, text=True, cwd=root)
        findings += [line.replace(f'{root}/', '')
                     for line in (run.stdout + run.stderr).splitlines()]
    return findings


CASES = [
    ('a clean script', {'a.sh': '#!/bin/sh\nset -eu\necho "$1"\n'}, None),
    ('an unquoted variable', {'a.sh': '#!/bin/sh\nset -u\nrm $1\n'}, 'SC2086'),
    ('no set -u', {'a.sh': '#!/bin/sh\necho "$1"\n'}, 'a.sh:1: no "set -u"'),
    ('the script of CI', {'.ci/run': '#!/bin/sh\nset -u\nrm $1\n'}, '.ci/run:3'),
]

if __name__ == '__main__':
    lint.main(check, CASES, 'the SC number names the page that explains it')
