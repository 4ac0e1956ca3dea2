#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every exported function says who may call it and what it takes.

Doxygen checks that a comment is well formed; it cannot know that each function
owes its reader one line on threads from a closed list. Parameters are checked
here as well, since Doxygen is silent about a comment that describes none.
"""
import re
import sys

sys.dont_write_bytecode = True
import csource
import lint

THREADS = ('Any', 'One per object', 'One per context', 'Setup')

_PAR = re.compile(r'@par\s+Threads\b[\s*]*([^\n]*)')
_PARAM = re.compile(r'@param(?:\[[a-z,]+\])?\s+(\w+)[ \t]*([^\n]*)')


def _threads(doc):
    lines = _PAR.findall(doc)
    if len(lines) != 1:
        return f'has {len(lines)} "@par Threads" lines, not one'
    if not re.match(r'(?:' + '|'.join(THREADS) + r')(?: \(|[.,:;]|\s*$)', lines[0]):
        return f'"@par Threads {lines[0].strip()}" is none of: {", ".join(THREADS)}'
    return None


def _params(function):
    described = [name for name, _ in _PARAM.findall(function.doc)]
    for name, words in _PARAM.findall(function.doc):
        if name not in function.params:
            yield f'describes {name}, which it does not take'
        if not words.strip(' */'):
            yield f'names {name} and says nothing about it'
    for name in sorted({n for n in described if described.count(n) > 1}):
        yield f'describes {name} twice'
    for name in function.params:
        if name not in described:
            yield f'says nothing about its parameter {name}'


def _complaints(function):
    if not function.doc:
        yield 'has no doc comment'
        return
    wrong = _threads(function.doc)
    if wrong:
        yield wrong
    if not re.search(r'\bvoid\s+vio_', function.text) and \
            not re.search(r'@returns?\b|@retval\b', function.doc):
        yield 'does not say what it returns'
    yield from _params(function)


def check(root):
    findings = []
    for file in lint.files(root, ('.h', '.h.in'), ['include']):
        for function in csource.api(file.read_text()):
            where = f'{lint.relative(root, file)}:{function.line}: {function.name}'
            findings += [f'{where} {text}' for text in _complaints(function)]
    return findings


def _header(doc, declaration='VIO_API int vio_x_set(struct vio_x *x, int a);'):
    return {'include/vio/x.h': f'{doc}\n{declaration}\n'}


_GOOD = ('/**\n * Set.\n * @param x  it\n * @param a  bytes\n * @return 0.\n'
         ' * @par Threads  %s\n */')

CASES = [
    ('a whole comment', _header(_GOOD % 'One per object. Readers run on.'), None),
    ('the name on the next line', _header(_GOOD % '\n * Setup.'), None),
    ('no comment', _header(''), 'x.h:2: vio_x_set has no doc comment'),
    ('a plain comment', _header('/* Set. */'), 'has no doc comment'),
    ('no line on threads', _header('/**\n * @param a b\n * @return 0. */'),
     'has 0 "@par'),
    ('two lines', _header(_GOOD % 'Any.\n * @par Threads  Any.'), 'has 2 "@par'),
    ('another word', _header(_GOOD % 'Anyone.'), 'is none of'),
    ('no word', _header(_GOOD % ''), 'is none of'),
    ('no return', _header('/**\n * @param a b\n * @par Threads Any.\n */'),
     'what it returns'),
    ('nothing of a parameter', _header((_GOOD % 'Any.').replace('@param a', 'a')),
     'nothing about its parameter a'),
    ('a parameter in running text only',
     _header((_GOOD % 'Any.').replace('@param a', '@p a')), 'its parameter a'),
    ('an empty description', _header((_GOOD % 'Any.').replace('bytes', '')),
     'says nothing about it'),
    ('a parameter of old', _header((_GOOD % 'Any.').replace('a  b', 'b  b')),
     'describes b, which'),
    ('a pointer to a function',
     _header(_GOOD % 'Any.', 'VIO_API void vio_x_set(int x, int (*a)(int b, int c));'),
     None),
]

if __name__ == '__main__':
    lint.main(check, CASES, 'complete the comment above the declaration: @param for '
              'each parameter, @return, and one line "@par Threads  " with one of '
              + ', '.join(THREADS))
