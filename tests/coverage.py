#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the tests reach of the library, by layer, and the share that they must.

	coverage.py tests BUILD LIST          all tests of a build with -Db_coverage
	coverage.py fuzz TARGET RUNS FILE...  llvm-cov's export on stdin: its parser

The first names each function with lines that no test reaches, and wants a
reason for it in LIST, a table of Markdown; a row that is no longer true fails as
well. Lines and branches are counted as gcc made them, without optimization:
nothing is left out, neither by option nor by marks in the source.
"""
import json
import pathlib
import re
import subprocess
import sys

LINES = 92
BRANCHES = 80
PARSER_LINES = 90

_ROW = re.compile(r'^\| `(lib/\S+)` \| `(\w+)` '
                  r'\| (always|by chance) \| (\S.*) \|$')


class Share:
    """So many of so many."""

    def __init__(self):
        self.reached, self.total = 0, 0

    def add(self, counts):
        self.reached += sum(1 for count in counts if count)
        self.total += len(counts)

    def percent(self):
        return 100 * self.reached / self.total if self.total else 100.0

    def __str__(self):
        return f'{self.reached:>5} of {self.total:>5} {self.percent():6.1f} %'


def layer_of(path):
    parts = pathlib.PurePath(path).parts
    return parts[1] if len(parts) > 2 else 'ctx'


def code_lines(file):
    return [line for line in file['lines'] if not line.get('gcovr/noncode')]


def function_at(file, number):
    """The function that a line lies in: the last that begins before it."""
    begun = [f for f in file['functions'] if f['lineno'] <= number]
    return max(begun, key=lambda f: f['lineno'])['name'] if begun else '?'


def missed(files):
    """{(file, function): [lines that are not reached]}"""
    found = {}
    for file in files:
        for line in code_lines(file):
            if not line['count']:
                key = file['file'], function_at(file, line['line_number'])
                found.setdefault(key, []).append(line['line_number'])
    return found


def read_list(text):
    """({(file, function): how often}, [what is wrong with the table])"""
    rows, wrong = {}, []
    for line in text.splitlines():
        if not line.startswith('| `'):
            continue
        row = _ROW.match(line)
        if row:
            rows[row[1], row[2]] = row[3]
        else:
            wrong.append(f'not a row of file, function, when and reason: {line}')
    return rows, wrong


def compare(found, rows, functions):
    """What is missing in the list, and what is there for nothing."""
    for key in sorted(found.keys() - rows.keys()):
        lines = ', '.join(str(n) for n in found[key])
        yield f'{key[0]}: {key[1]}(): line {lines}: write a test, or say why not'
    for key, when in sorted(rows.items()):
        if key not in functions:
            yield f'{key[0]}: {key[1]}(): listed, and there is no such function'
        elif key not in found and when == 'always':
            yield f'{key[0]}: {key[1]}(): listed, and all of it is reached'


def check(name, is_right, faults=()):
    print(f'{"ok" if is_right else "not ok"} - {name}')
    for fault in faults:
        print(f'  {fault}')
    return is_right


def tables(files):
    """Print a line per layer and one per missed branch's function; the sums."""
    layers = {}
    for file in files:
        for name in (layer_of(file['file']), 'all'):
            lines, branches = layers.setdefault(name, (Share(), Share()))
            lines.add([line['count'] for line in code_lines(file)])
            branches.add([branch['count'] for line in code_lines(file)
                          for branch in line['branches']])
    print(f'{"layer":<8} {"lines":>23} {"branches":>25}')
    for name in sorted(layers, key=lambda name: (name == 'all', name)):
        lines, branches = layers[name]
        print(f'{name:<8} {lines} {branches}')
        print(json.dumps({'coverage': name, 'lines_percent': round(lines.percent(), 1),
                          'branches_percent': round(branches.percent(), 1)}))
    return layers['all']


def print_branches(files):
    print('functions with branches that are not taken:')
    for file in files:
        names = {}
        for line in code_lines(file):
            n = sum(1 for branch in line['branches'] if not branch['count'])
            if n:
                name = function_at(file, line['line_number'])
                names[name] = names.get(name, 0) + n
        for name, n in names.items():
            print(f'  {file["file"]}: {name}(): {n}')


def judge_tests(build, listed):
    text = subprocess.run(
        ['gcovr', '--root', '.', '--filter', 'lib/', '--json', '-', build],
        check=True, capture_output=True, text=True).stdout
    files = json.loads(text)['files']
    lines, branches = tables(files)
    print_branches(files)
    rows, wrong = read_list(pathlib.Path(listed).read_text())
    functions = {(file['file'], f['name']) for file in files
                 for f in file['functions']}
    wrong += compare(missed(files), rows, functions)
    return all([
        check(f'at least {LINES} % of the lines', lines.percent() >= LINES),
        check(f'at least {BRANCHES} % of the branches',
              branches.percent() >= BRANCHES),
        check('every line that is not reached has its reason', not wrong, wrong),
    ])


def parser_lines(export, paths):
    """(covered, count) of the lines of the files that are, or lie below, paths."""
    covered = count = 0
    parts = [pathlib.Path(path).resolve() for path in paths]
    for file in export['data'][0]['files']:
        path = pathlib.Path(file['filename']).resolve()
        if any(path == part or part in path.parents for part in parts):
            covered += file['summary']['lines']['covered']
            count += file['summary']['lines']['count']
    return covered, count


def judge_fuzz(target, runs, paths):
    covered, count = parser_lines(json.load(sys.stdin), paths)
    percent = 100 * covered / count if count else 0.0
    print(json.dumps({'fuzz': target, 'executions': int(runs), 'lines': count,
                      'lines_covered': covered, 'percent': round(percent, 1)}))
    return check(f'{target} reaches {PARSER_LINES} % of its parser',
                 percent >= PARSER_LINES)


_FILE = {'file': 'lib/a.c', 'functions': [{'name': 'f', 'lineno': 1},
                                          {'name': 'g', 'lineno': 5}],
         'lines': [{'line_number': 2, 'count': 1, 'branches': []},
                   {'line_number': 6, 'count': 0, 'branches': []}]}
_FUNCTIONS = {('lib/a.c', 'f'), ('lib/a.c', 'g')}
_SUMMARY = {'lines': {'covered': 3, 'count': 4}}
_EXPORT = {'data': [{'files': [{'filename': '/r/b/../lib/a/x.c', 'summary': _SUMMARY},
                               {'filename': '/r/lib/ab/y.c', 'summary': _SUMMARY},
                               {'filename': '/r/lib/z.h', 'summary': _SUMMARY}]}]}
_CASES = [
    ('a line is its function\'s', missed([_FILE]), {('lib/a.c', 'g'): [6]}),
    ('a function without a reason',
     len(list(compare(missed([_FILE]), {}, _FUNCTIONS))), 1),
    ('a function with one',
     list(compare(missed([_FILE]), {('lib/a.c', 'g'): 'always'}, _FUNCTIONS)), []),
    ('a reason for what is reached',
     len(list(compare({}, {('lib/a.c', 'g'): 'always'}, _FUNCTIONS))), 1),
    ('a reason for what is reached by chance',
     list(compare({}, {('lib/a.c', 'g'): 'by chance'}, _FUNCTIONS)), []),
    ('a reason for what is gone',
     len(list(compare({}, {('lib/a.c', 'h'): 'by chance'}, _FUNCTIONS))), 1),
    ('a row', read_list('| `lib/a.c` | `g` | always | It is so. |'),
     ({('lib/a.c', 'g'): 'always'}, [])),
    ('a parser of a folder', parser_lines(_EXPORT, ['/r/lib/a']), (3, 4)),
    ('a parser of files', parser_lines(_EXPORT, ['/r/lib/a/x.c', '/r/lib/z.h']),
     (6, 8)),
    ('a parser that is not there', parser_lines(_EXPORT, ['/r/lib/q']), (0, 0)),
    ('a row without a reason', len(read_list('| `lib/a.c` | `g` | always | |')[1]), 1),
]


def main():
    if sys.argv[1:] == ['--self-test']:
        return not all([check(name, got == want) for name, got, want in _CASES])
    if len(sys.argv) == 4 and sys.argv[1] == 'tests':
        return not judge_tests(*sys.argv[2:])
    if len(sys.argv) > 4 and sys.argv[1] == 'fuzz':
        return not judge_fuzz(sys.argv[2], sys.argv[3], sys.argv[4:])
    sys.exit(__doc__)


if __name__ == '__main__':
    sys.exit(main())
