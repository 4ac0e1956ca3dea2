# SPDX-License-Identifier: MIT
"""The frame every lint stands in: walk the tree, print, prove it can fail.

A lint is a function from the root of a tree to a list of findings. Its
self-test feeds it small trees, good and bad: a lint that refuses nothing is
worse than none, for it is believed. Findings end with a line on how to mend
them.
"""
import argparse
import os
import pathlib
import sys
import tempfile

SKIP = 77  # what meson and automake call a skipped test

_NOT_OURS = ('build', '.', 'subprojects')


class Unavailable(Exception):
    """The tool a lint needs is not installed; the text names it."""


def files(root, suffixes, under=('',)):
    """Sorted files with one of @suffixes under the named folders of @root."""
    found = []
    for folder in under:
        for path, folders, names in os.walk(pathlib.Path(root) / folder):
            folders[:] = [f for f in folders
                          if not f.startswith(_NOT_OURS) and f != '__pycache__']
            found += [pathlib.Path(path) / n for n in names if n.endswith(suffixes)]
    return sorted(set(found))


def relative(root, path):
    return pathlib.Path(path).relative_to(root).as_posix()


def _grow(root, tree):
    for name, text in tree.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def prove(cases):
    """Run cases of (name, function that finds, what it must find or None)."""
    failed = 0
    for name, run, wanted in cases:
        findings = '\n'.join(run())
        good = wanted in findings if wanted else not findings
        failed += not good
        print(f'{"ok" if good else "not ok"} - {name}')
        if not good:
            print(f'  wanted: {wanted or "no finding"}\n  got: {findings or "nothing"}')
    if not any(wanted for _, _, wanted in cases):
        failed += 1
        print('not ok - the self-test refuses nothing')
    return 1 if failed else 0


def report(findings, mend):
    """Print what was found; the exit status."""
    for finding in findings:
        print(finding)
    if findings:
        print(f'{len(findings)} finding(s). To mend: {mend}')
    return 1 if findings else 0


def in_tree(check, tree):
    """What @check finds in a tree of {file: text} made for the occasion."""
    with tempfile.TemporaryDirectory() as root:
        _grow(root, tree)
        return list(check(pathlib.Path(root)))


def main(check, cases, mend):
    """Run @check on the tree given (default: this checkout), or its self-test.

    A case is (name, {file: text}, wanted): wanted None means accepted.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument('--self-test', action='store_true')
    parser.add_argument('root', nargs='?', type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    args = parser.parse_args()
    try:
        if args.self_test:
            sys.exit(prove([(name, lambda tree=tree: in_tree(check, tree), wanted)
                            for name, tree, wanted in cases]))
        sys.exit(report(check(args.root.resolve()), mend))
    except Unavailable as missing:
        print(f'skipped: {missing}')
        sys.exit(SKIP)
