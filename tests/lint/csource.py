# SPDX-License-Identifier: MIT
"""What the lint and abi checks need to know of C, and no more.

The tree is formatted by clang-format, so a few patterns find every function,
struct and exported declaration; a real parser would bring a dependency and
find the same. Comments and strings are blanked in place, so that an offset in
the blanked text is the same offset in the file.
"""
import collections
import re

Function = collections.namedtuple('Function', 'name line length')
Api = collections.namedtuple('Api', 'name params doc line text')
Field = collections.namedtuple('Field', 'name type line')
Struct = collections.namedtuple('Struct', 'name fields line')

_COMMENT_OR_STRING = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
_SIGNATURE = re.compile(r'(\w+)\s*\(')
_STRUCT = re.compile(r'\bstruct\s+(\w+)\s*\{')
_API = re.compile(r'^VIO_API\b', re.M)


def _spaces(match):
    return re.sub(r'[^\n]', ' ', match.group(0))


def blank(text):
    """The text with comments and strings turned into spaces."""
    return _COMMENT_OR_STRING.sub(_spaces, text)


def blank_comments(text):
    """As blank(), with the strings left in place."""
    return _COMMENT_OR_STRING.sub(
        lambda m: _spaces(m) if m.group(0).startswith('/') else m.group(0), text)


def blank_directives(text):
    """The text with preprocessor lines, continued ones too, as spaces."""
    return re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', _spaces, text, flags=re.M)


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


def includes(text):
    """(line, '<' or '"', name) of each include."""
    clean = blank_comments(text)
    return [(line_of(clean, m.start()), m.group(1), m.group(2))
            for m in _INCLUDE.finditer(clean)]


def functions(text):
    """Function definitions; the length is that from '{' to '}' in column 0."""
    found, start, name = [], None, None
    head = []
    for number, line in enumerate(blank_directives(blank(text)).split('\n'), 1):
        if start is None and line.startswith('{'):
            match = _SIGNATURE.search(' '.join(head))
            start, name = (number, match.group(1)) if match else (None, None)
        elif start is not None and line.startswith('}'):
            found.append(Function(name, start, number - start))
            start = None
        if start is None and (not line.strip() or line.startswith('}')
                              or line.rstrip().endswith(';')):
            head = []
        else:
            head.append(line)
    return found


def matching(text, start, pair='{}'):
    """Offset of the bracket that closes the one at @start."""
    depth = 0
    for offset in range(start, len(text)):
        depth += {pair[0]: 1, pair[1]: -1}.get(text[offset], 0)
        if not depth:
            return offset
    raise ValueError('unbalanced brackets')


def split_top(text, separator):
    """Split at a separator that stands in no bracket."""
    parts, depth, last = [], 0, 0
    for offset, char in enumerate(text):
        depth += {'(': 1, '[': 1, '{': 1, ')': -1, ']': -1, '}': -1}.get(char, 0)
        if char == separator and not depth:
            parts.append(text[last:offset])
            last = offset + 1
    return parts + [text[last:]]


def declared_name(declarator):
    """The name a parameter or field declaration gives, or None."""
    pointer = re.search(r'\(\s*\*\s*(\w+)', declarator)
    if pointer:
        return pointer.group(1)
    words = re.findall(r'\w+', re.sub(r'\[[^\]]*\]', '', declarator))
    return words[-1] if words and words != ['void'] else None


def _doc_before(text, offset):
    before = text[:offset].rstrip()
    if not before.endswith('*/'):
        return ''
    doc = before[before.rindex('/*'):]
    return doc if doc.startswith('/**') else ''


def api(text):
    """Each VIO_API function declaration with its doc comment."""
    clean = blank_directives(blank(text))
    found = []
    for match in _API.finditer(clean):
        declaration = clean[match.start():clean.index(';', match.start())]
        name = re.search(r'\b(vio_\w+)\s*\(', declaration)
        if not name:
            continue
        opening = name.end() - 1
        inside = declaration[opening + 1:matching(declaration, opening, '()')]
        params = [declared_name(part) for part in split_top(inside, ',')]
        found.append(Api(name.group(1), [p for p in params if p],
                         _doc_before(text, match.start()),
                         line_of(clean, match.start()), declaration))
    return found


def _fields(body, first_line):
    fields, line = [], first_line
    for part in split_top(body, ';'):
        at = line + part[:len(part) - len(part.lstrip())].count('\n')
        line += part.count('\n')
        anonymous = re.match(r'\s*(?:struct|union)\s*\{(.*)\}\s*$', part, re.S)
        if anonymous:
            fields += _fields(anonymous.group(1), at)
            continue
        declarators = split_top(part, ',')
        for declarator in declarators if part.strip() else []:
            fields.append(Field(declared_name(declarator), declarators[0].strip(), at))
    return fields


def structs(text):
    """Struct definitions with every field, those of anonymous members too."""
    clean = blank_directives(blank(text))
    found = []
    for match in _STRUCT.finditer(clean):
        opening = match.end() - 1
        line = line_of(clean, opening)
        body = clean[opening + 1:matching(clean, opening)]
        found.append(Struct(match.group(1), _fields(body, line), line))
    return found
