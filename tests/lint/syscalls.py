#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""doc/syscalls.md says which system calls the library makes, and says it rightly.

Its tables are compared with the sources: the entries of the table of system calls
and what the real ones are made of, what each layer uses of them, the requests of
ioctl and fcntl. What a function makes of them is not to be read from sources: the
unit test `syscalls` makes every call, on the source that --source writes from the
page, which is also what a filter is built from.
"""
import re
import sys

sys.dont_write_bytecode = True
import csource
import lint

PAGE = 'doc/syscalls.md'

# What the C library and liburing make of their functions, where names differ.
_MADE_BY = {
    'pread': ['pread64'], 'pwrite': ['pwrite64'], 'fstat': ['newfstatat'],
    'eventfd': ['eventfd2'], 'SYS_getdents64': ['getdents64'],
    'io_uring_queue_init': ['io_uring_setup', 'mmap'],
    'io_uring_ring_dontfork': ['madvise'], 'io_uring_submit': ['io_uring_enter'],
    'io_uring_queue_exit': ['munmap', 'close'],
}
# No calls: macros and helpers of the file.
_NO_CALLS = {'answer', 'TEMP_FAILURE_RETRY', 'sizeof', 'if', 'while', 'return',
             'syscall'}

# The kernel's names of what lib/sys/uapi declares.
_UAPI = {
    'VIO_UAPI_BIND_IOMMUFD': 'VFIO_DEVICE_BIND_IOMMUFD',
    'VIO_UAPI_ATTACH_IOMMUFD_PT': 'VFIO_DEVICE_ATTACH_IOMMUFD_PT',
    'VIO_UAPI_IOAS_ALLOC': 'IOMMU_IOAS_ALLOC',
    'VIO_UAPI_IOAS_IOVA_RANGES': 'IOMMU_IOAS_IOVA_RANGES',
    'VIO_UAPI_IOAS_MAP': 'IOMMU_IOAS_MAP',
    'VIO_UAPI_IOAS_UNMAP': 'IOMMU_IOAS_UNMAP',
    'VIO_UAPI_DEVICE_FEATURE': 'VFIO_DEVICE_FEATURE',
    'VIO_UAPI_MIG_GET_PRECOPY_INFO': 'VFIO_MIG_GET_PRECOPY_INFO',
}

_MARK = re.compile(r'^<!-- (table|group): ([\w -]+) -->$', re.M)
_QUOTED = re.compile(r'`([^`]+)`')


class Page:
    """The tables of the page, by name; of a group also its functions and sources."""

    def __init__(self, text):
        self.tables, self.groups = {}, {}
        self.lists = {}
        marks = list(_MARK.finditer(text))
        for index, mark in enumerate(marks):
            name = mark.group(2).split()[0]
            rows = self._rows(text[mark.end():])
            kind = self.tables if mark.group(1) == 'table' else self.groups
            kind[name] = rows
            before = text[marks[index - 1].end() if index else 0:mark.start()]
            before = before[before.rfind('\n## '):]
            self.lists[name] = {
                'jail': 'jail' in mark.group(2).split()[1:],
                'functions': self._list(before, 'Functions'),
                'sources': self._list(before, 'Sources'),
            }

    @staticmethod
    def _rows(text):
        lines = text.lstrip('\n').split('\n')
        rows = []
        for line in lines[2:]:
            if not line.startswith('|'):
                break
            rows.append([cell.strip() for cell in line.strip('|').split('|')])
        return rows

    @staticmethod
    def _list(text, word):
        match = re.search(rf'^{word}: (.*?)\n\n', text, re.M | re.S)
        return _QUOTED.findall(match.group(1)) if match else []

    def entries(self):
        return {_QUOTED.findall(row[0])[0]: _QUOTED.findall(row[1])
                for row in self.tables.get('entries', [])}

    def layers(self):
        return {_QUOTED.findall(row[0])[0]: set(_QUOTED.findall(row[1]))
                for row in self.tables.get('layers', [])}

    def requests(self):
        return {_QUOTED.findall(row[1])[0]: (_QUOTED.findall(row[0])[0], row[2])
                for row in self.tables.get('requests', [])}

    def rows(self, group):
        """(call, request or None) of each row."""
        return [(_QUOTED.findall(row[0])[0], (_QUOTED.findall(row[1]) or [None])[0])
                for row in self.groups[group]]


def _differences(what, page, tree):
    for name in sorted(set(tree) - set(page)):
        yield f'{PAGE}: {what} lacks {name}'
    for name in sorted(set(page) - set(tree)):
        yield f'{PAGE}: {what} has {name}, which is not in the sources'


def _read(root, name):
    file = root / name
    return file.read_text() if file.exists() else ''


def _table_entries(root):
    text = csource.blank_comments(_read(root, 'lib/sys/sys.h'))
    start = text.find('struct vio_sys {')
    body = text[start:text.find('\n};', start)]
    return re.findall(r'\(\*(\w+)\)\(void \*opaque', body)


def _made(root):
    """What the real entries are made of: {entry: calls}."""
    text = csource.blank(_read(root, 'lib/sys/linux.c'))
    made = {}
    for match in re.finditer(r'linux_(\w+)\(void \*opaque', text):
        start = text.find('{', match.end())
        body = text[start:csource.matching(text, start)]
        names = re.findall(r'\b(?!linux_)(\w+)\s*\(', body)
        names += re.findall(r'\bSYS_\w+', body)
        calls = made.setdefault(match.group(1), set())
        for name in names:
            if name not in _NO_CALLS:
                calls |= set(_MADE_BY.get(name, [name]))
    return made


def _check_entries(root, page):
    entries = page.entries()
    yield from _differences('the table of entries', entries, _table_entries(root))
    for entry, calls in sorted(_made(root).items()):
        listed = set(entries.get(entry, []))
        if listed and listed != calls:
            yield (f'{PAGE}: {entry} is made of {", ".join(sorted(calls))}, '
                   f'not {", ".join(sorted(listed))}')


def _layer_of(root, file):
    parts = lint.relative(root, file).split('/')
    return parts[1] if len(parts) > 2 else '.'


def _check_layers(root, page):
    used = {}
    for file in lint.files(root, ('.c', '.h'), ['lib']):
        if lint.relative(root, file) == 'lib/sys/linux.c':
            continue
        found = re.findall(r'\bsys->(\w+)\(', csource.blank(file.read_text()))
        if found:
            used.setdefault(_layer_of(root, file), set()).update(found)
    layers = page.layers()
    yield from _differences('the table of layers', layers, used)
    for layer in sorted(set(layers) & set(used)):
        yield from _differences(f'layer {layer}', layers[layer], used[layer])


def _used_requests(root):
    """{(call, request)} of all sources."""
    used = set()
    for file in lint.files(root, ('.c',), ['lib']):
        text = csource.blank(file.read_text())
        for call, pattern in (
                ('ioctl', r'\bioctl\(sys->opaque,[^;]*?\b([A-Z][A-Z0-9_]{3,})\b'),
                ('ioctl', r'\bcall\(sys,[^;]*?\b([A-Z][A-Z0-9_]{3,})\b'),
                ('ioctl', r'\.request = ([A-Z]\w+)'),
                ('fcntl', r'->fcntl\(sys->opaque,[^;]*?\b(F_[A-Z_]+)\b')):
            for name in re.findall(pattern, text):
                used.add((call, _UAPI.get(name, name)))
    # Both ways of a choice: "a ? call(...) : call(...)" is one statement.
    for file in lint.files(root, ('.c',), ['lib/sys']):
        for name in re.findall(r'\bVIO_UAPI_IOAS_(?:MAP|UNMAP)\b,', file.read_text()):
            used.add(('ioctl', _UAPI[name.rstrip(',')]))
        for name in re.findall(r'\bVFIO_IOMMU_UNMAP_DMA\b', file.read_text()):
            used.add(('ioctl', name))
    return used


def _check_requests(root, page):
    listed = {(call, name) for name, (call, _) in page.requests().items()}
    used = _used_requests(root)
    yield from _differences('the table of requests',
                            {' '.join(item) for item in listed},
                            {' '.join(item) for item in used})
    grouped = {(call, request) for group in page.groups
               for call, request in page.rows(group) if request}
    for call, name in sorted(listed ^ grouped):
        yield f'{PAGE}: {call} {name} is in a group or in the table, not in both'


def _check_groups(root, page):
    known = {call for calls in page.entries().values() for call in calls}
    public = {function.name for file in lint.files(root, ('.h', '.h.in'), ['include'])
              for function in csource.api(file.read_text())}
    for group in page.groups:
        for call, request in page.rows(group):
            if group != 'libc' and call not in known:
                yield f'{PAGE}: group {group}: no entry makes {call}'
            if (call in ('ioctl', 'fcntl')) != bool(request):
                yield f'{PAGE}: group {group}: {call} and its request'
        for name in page.lists[group]['functions']:
            if name not in public:
                yield f'{PAGE}: group {group}: no header declares {name}'
        yield from _check_sources(root, page, group)


def _check_sources(root, page, group):
    """Of a group that names sources instead of functions."""
    sources = page.lists[group]['sources']
    if not sources:
        return
    used = set()
    for name in sources:
        text = csource.blank(_read(root, name))
        used |= set(re.findall(r'\bsys->(\w+)\(', text))
        used |= {op.lower() for op in re.findall(r'VIO_ASYNC_(WRITE|IOCTL)\b', text)}
        used |= {'epoll_ctl'} if 'vio_loop_add(' in text else set()
    calls = {call for entry in used for call in page.entries().get(entry, [entry])}
    yield from _differences(f'group {group}', {c for c, _ in page.rows(group)}, calls)


def check(root):
    text = _read(root, PAGE)
    if not text:
        return [f'{PAGE}: is missing']
    page = Page(text)
    findings = []
    for part in (_check_entries, _check_layers, _check_requests, _check_groups):
        findings += part(root, page)
    return findings


def _c_request(name, number):
    own = next((key for key, value in _UAPI.items() if value == name), name)
    return f'_Static_assert({own} == {number}, "doc/syscalls.md: {name}");'


def _c_table(name, first, rows):
    return ['', f'const struct {name}[] = {{',
            *(f'\t{{ {row} }},' for row in rows), f'\t{{ .{first} = NULL }},', '};']


def source(text):
    """The page as C, for tests: rows of groups, groups of functions, entries."""
    page = Page(text)
    requests = page.requests()
    lines = ['/* Made from doc/syscalls.md. */']
    lines += [f'#include <{name}>' for name in (
        'fcntl.h', 'linux/nvme_ioctl.h', 'linux/vfio.h', 'stddef.h', 'sys/syscall.h')]
    lines += ['#include "sys/uapi/iommufd.h"', '#include "sys/uapi/vfio_migration.h"',
              '#include "fake/syscall_page.h"', '']
    # Some processors have others for the same, and none of that name.
    for call in sorted({call for group in page.groups for call, _ in page.rows(group)}):
        lines += [f'#ifndef __NR_{call}', f'#define __NR_{call} (-1)', '#endif']
    lines.append('')
    lines += [_c_request(name, number) for name, (_, number) in requests.items()]
    lines += _c_table('page_row page_rows', 'group', (
        f'"{group}", "{call}", __NR_{call}, '
        f'{requests[request][1] if request else 0}, '
        f'{int(bool(request))}, {int(page.lists[group]["jail"])}'
        for group in page.groups for call, request in page.rows(group)))
    lines += _c_table('page_pair page_functions', 'name', (
        f'"{name}", "{group}"' for group in page.groups
        for name in page.lists[group]['functions']))
    lines += _c_table('page_pair page_entries', 'name', (
        f'"{entry}", "{call}"' for entry, calls in page.entries().items()
        for call in calls))
    return '\n'.join(lines)


_SYS_H = ('struct vio_sys {\n\tvoid *opaque;\n'
          '\tint (*fsync)(void *opaque, int fd);\n'
          '\tint (*ioctl)(void *opaque, int fd);\n};\n')
_LINUX_C = ('static int linux_fsync(void *opaque, int fd)\n{\n'
            '\treturn answer(fsync(fd));\n}\n'
            'static int linux_ioctl(void *opaque, int fd)\n{\n'
            '\treturn answer(ioctl(fd));\n}\n')
_LIB_C = ('void f(void)\n{\n\tsys->fsync(sys->opaque, 1);\n'
          '\tsys->ioctl(sys->opaque, fd, VFIO_RESET, NULL);\n}\n')
_PAGE = '''
<!-- table: entries -->

| entry | system calls |
|---|---|
| `fsync` | `fsync` |
| `ioctl` | `ioctl` |

<!-- table: requests -->

| call | request | number |
|---|---|---|
| `ioctl` | `VFIO_RESET` | 1 |

<!-- table: layers -->

| layer | entries |
|---|---|
| `vf` | `fsync` `ioctl` |

## A group

Functions: `vio_x_sync`

<!-- group: x -->

| call | request | for |
|---|---|---|
| `fsync` | | it |
| `ioctl` | `VFIO_RESET` | it |
'''


def _tree(page=_PAGE, **changed):
    tree = {'lib/sys/sys.h': _SYS_H, 'lib/sys/linux.c': _LINUX_C,
            'lib/vf/a.c': _LIB_C, PAGE: page,
            'include/vio/x.h': 'VIO_API int vio_x_sync(void);\n'}
    tree.update({name.replace('__', '/') + '.c': text
                 for name, text in changed.items()})
    return tree


CASES = [
    ('a page that is right', _tree(), None),
    ('no page', {'lib/sys/sys.h': _SYS_H}, 'is missing'),
    ('an entry that is not listed',
     _tree(_PAGE.replace('| `fsync` | `fsync` |\n', '')),
     'the table of entries lacks fsync'),
    ('an entry that is no more', _tree(_PAGE.replace(
        '| `fsync` | `fsync` |', '| `sync` | `sync` |\n| `fsync` | `fsync` |')),
     'the table of entries has sync'),
    ('another call', _tree(_PAGE.replace('| `fsync` | `fsync` |',
                                         '| `fsync` | `fdatasync` |')),
     'fsync is made of fsync, not fdatasync'),
    ('a layer that uses more',
     _tree(lib__vf__b='void g(void)\n{\n\tsys->read(1);\n}\n'),
     'layer vf lacks read'),
    ('a layer that is not listed',
     _tree(lib__mem__b='void g(void)\n{\n\tsys->fsync(1);\n}\n'),
     'the table of layers lacks mem'),
    ('a request that is not listed',
     _tree(lib__vf__b=_LIB_C.replace('VFIO_RESET', 'VFIO_NEW')),
     'the table of requests lacks ioctl VFIO_NEW'),
    ('a request that nobody makes',
     _tree(_PAGE.replace('| `ioctl` | `VFIO_RESET` | 1 |',
                         '| `ioctl` | `VFIO_RESET` | 1 |\n| `ioctl` | `OLD` | 2 |')),
     'has ioctl OLD'),
    ('a call that no entry makes',
     _tree(_PAGE.replace('| `fsync` | | it |', '| `sync` | | it |')),
     'no entry makes sync'),
    ('an ioctl without its request',
     _tree(_PAGE.replace('`VFIO_RESET` | it', '| it')), 'ioctl and its request'),
    ('a function that is not there', _tree(_PAGE.replace('vio_x_sync', 'vio_x_gone')),
     'no header declares vio_x_gone'),
    ('a source that makes more',
     _tree(_PAGE.replace('Functions: `vio_x_sync`',
                         'Sources: `lib/vf/a.c` `lib/vf/b.c`'),
           lib__vf__b='static int op = VIO_ASYNC_WRITE;\n'), 'group x lacks write'),
]

if __name__ == '__main__':
    if sys.argv[1:2] == ['--source']:
        print(source(open(sys.argv[2]).read()))
        sys.exit(0)
    lint.main(check, CASES, 'bring the tables of doc/syscalls.md up to the sources; '
              'what a function makes the unit test "syscalls" says')
