#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom, and who may call the world outside.

ALLOWED is the layering of ARCHITECTURE.md as a table of direct includes. A
public header belongs to the layer that implements it, so that a layer is not
reached by the front door either. Calls that ask the kernel, the C heap or the
environment for something belong to sys; everything else goes by its table.
"""
import re
import sys

sys.dont_write_bytecode = True
import csource
import lint

EVERYTHING = None
ALLOWED = {
    'core': set(),
    'heap': {'core'},
    'limit': {'core', 'heap'},
    'mem': {'core', 'heap', 'sys'},
    'ring': {'core', 'heap', 'mem', 'limit'},
    'sys': {'core', 'heap'},
    'device': {'core', 'heap', 'mem', 'ring', 'sys'},
    'vf': {'core', 'heap', 'mem', 'sys'},
    'limit_hw': {'core', 'heap', 'limit', 'vf', 'sys'},
    'ckpt': {'core', 'heap', 'sys'},
    'pci': {'core', 'heap', 'sys', 'vf'},
    'preload': {'core', 'heap', 'sys'},
    'ctx': EVERYTHING,
}

# A module saves its own state in a file of its own, which may see the schema.
CKPT_SCHEMA = 'ckpt/schema.h'

# The layer of a public header, where the file name does not say it.
HEADER_LAYER = {
    'common': 'core', 'error': 'core', 'version': 'core', 'meters': 'core',
    'record': 'core',
    'queue': 'ring', 'driver': 'ring', 'backend': 'device',
    'host': 'vf', 'pci': 'vf', 'vfio': 'vf', 'vfio_migration': 'vf', 'view': 'vf',
    'resize': 'vf',
    'guard': 'limit',
    'pci_names': 'pci',
}
# Types that every layer names: handles of the context, the ops of an allocator.
HANDLES = {'ctx', 'dom', 'heap'}

# Headers from outside, by their beginning; the longest match decides.
OUTSIDE = {
    'linux/': {'sys'},
    'asm/': {'sys'},
    'linux/virtio': {'sys', 'device', 'ring'},
    'linux/vhost': {'sys', 'device'},
    'liburing': {'sys'},
    'netlink/': {'sys'},
    'pci/': {'pci'},
    'zstd': {'ckpt'},
    'isa-l': {'ckpt'},
}

LIBC = set('''
    assert byteswap ctype dirent dlfcn elf endian errno fcntl float inttypes iso646
    limits locale math poll pthread sched semaphore setjmp signal stdalign stdarg
    stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings
    sys/epoll sys/eventfd sys/file sys/inotify sys/ioctl sys/mman sys/param
    sys/random sys/resource sys/sendfile sys/signalfd sys/socket sys/stat
    sys/statfs sys/statvfs sys/syscall sys/sysmacros sys/time sys/timerfd sys/types
    sys/uio sys/un sys/utsname sys/vfs sys/wait time uchar unistd wchar
    net/if arpa/inet netinet/in sys/auxv cpuid immintrin nmmintrin x86intrin
    '''.split())

KERNEL = set('''
    accept accept4 access bind chmod chown clone close close_range connect dup dup2
    dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd execve
    execvp fallocate fcntl fdatasync fdopen flock fopen fork fstat fstatat fsync
    ftruncate getenv getpid getppid getrandom gettid gettimeofday inotify_add_watch
    inotify_init1 ioctl kill link listen lseek lstat madvise mbind membarrier
    memfd_create mkdir mkdirat mlock mmap mprotect mremap munmap nanosleep open
    open64 openat opendir pause pipe pipe2 poll popen ppoll prctl pread preadv
    preadv2 ptrace pwrite pwritev pwritev2 raise read readdir readlink readlinkat
    readv recv recvfrom recvmsg rename renameat renameat2 rmdir sched_setaffinity
    sched_yield secure_getenv select send sendfile sendmsg sendto setenv setns
    setsockopt getsockopt shm_open shutdown sigaction signal signalfd sigprocmask
    sleep socket socketpair splice stat statfs statx symlink sync sync_file_range
    syscall sysconf system time timer_create timerfd_create timerfd_settime
    truncate umask uname unlink unlinkat unsetenv unshare usleep vfork waitpid
    write writev clock_gettime clock_nanosleep clock
    '''.split())
C_HEAP = set('''malloc calloc realloc free strdup strndup asprintf vasprintf
    posix_memalign aligned_alloc memalign valloc reallocarray'''.split())
NEVER = set('''abort exit _exit _Exit quick_exit atexit assert printf vprintf
    fprintf vfprintf puts fputs putchar perror pthread_create thrd_create alloca
    dprintf vdprintf syslog longjmp'''.split())

_CALL = re.compile(r'(?<![\w.])(?<!->)([A-Za-z_]\w*)\s*\(')
PROGRAMS = {'preload'}  # loaded into a program of their own: they may print


def header_layer(name):
    """The layer of <vio/NAME.h>; None for what all may name."""
    stem = name[len('vio/'):].removeprefix('unstable/').removesuffix('.h')
    if stem in HANDLES or stem == 'vio':
        return None
    return HEADER_LAYER.get(stem, stem)


def layer_of(path):
    """lib/ring/split.c is of ring; lib/ctx.c is of ctx."""
    parts = path.split('/')
    return parts[1] if len(parts) > 2 else 'ctx'


def outside_allowed(name, layer):
    known = [p for p in OUTSIDE if name.startswith(p)]
    return bool(known) and layer in OUTSIDE[max(known, key=len)]


def _may_include(path, layer, kind, name):
    allowed = ALLOWED[layer]
    if allowed is EVERYTHING:
        return True
    if kind == '"':
        target = name.split('/')[0] if '/' in name else layer
        if name == CKPT_SCHEMA and path.endswith('_ckpt.c'):
            return True
    elif name.startswith('vio/'):
        target = header_layer(name)
        if target is None:
            return name != 'vio/vio.h'
    else:
        return name.removesuffix('.h') in LIBC or outside_allowed(name, layer)
    return target == layer or target in allowed


def _check_calls(path, layer, text):
    findings = []
    clean = csource.blank_directives(csource.blank(text))
    for match in _CALL.finditer(clean):
        name, why = match.group(1), None
        if name in NEVER and layer not in PROGRAMS:
            why = 'a library does not print, exit or make threads'
        elif name in KERNEL and layer not in {'sys'} | PROGRAMS:
            why = 'a call to the kernel or the environment belongs behind sys'
        elif name in C_HEAP and path != 'lib/heap/heap.c' and layer not in PROGRAMS:
            why = "memory comes from the context's allocator"
        if why:
            line = csource.line_of(clean, match.start())
            findings.append(f'{path}:{line}: {name}(): {why}')
    return findings


def _check_lib(root):
    findings = []
    for file in lint.files(root, ('.c', '.h'), ['lib']):
        path, text = lint.relative(root, file), file.read_text()
        layer = layer_of(path)
        if layer not in ALLOWED:
            findings.append(f'{path}:1: {layer} is no layer of the table')
            continue
        for line, kind, name in csource.includes(text):
            if not _may_include(path, layer, kind, name):
                findings.append(f'{path}:{line}: {layer} may not include {name}')
        findings += _check_calls(path, layer, text)
    return findings


def _check_public(root):
    findings = []
    for file in lint.files(root, ('.h', '.h.in'), ['include']):
        path = lint.relative(root, file)
        for line, kind, name in csource.includes(file.read_text()):
            known = name.startswith('vio/') or name.removesuffix('.h') in LIBC
            if kind != '<' or not known:
                findings.append(f'{path}:{line}: a public header includes only libc '
                                f'and <vio/...>, not {name}')
    return findings


def _check_clients(root):
    """Examples, bindings and consumers live on what is installed."""
    findings = []
    for file in lint.files(root, ('.c', '.h', '.cpp', '.hpp'),
                           ['examples', 'bindings', 'tests/consumer']):
        path = lint.relative(root, file)
        for line, _, name in csource.includes(file.read_text()):
            own = (file.parent / name).is_file()
            if (root / 'lib' / name).is_file() and not own:
                findings.append(f'{path}:{line}: {name} is private to the library')
    return findings


def check(root):
    return _check_lib(root) + _check_public(root) + _check_clients(root)


CASES = [
    ('a layer may include those below it',
     {'lib/ring/a.c': '#include <errno.h>\n#include <vio/mem.h>\n#include "mem/m.h"\n'},
     None),
    ('the context may include every layer',
     {'lib/ctx.c': '#include "vf/vf.h"\n#include <vio/vio.h>\n'}, None),
    ('ring does not reach sys', {'lib/ring/a.c': '#include "sys/sys.h"\n'},
     'ring may not include sys/sys.h'),
    ('nor by its public header', {'lib/ring/a.c': '#include <vio/vf.h>\n'},
     'ring may not include vio/vf.h'),
    ('the header of headers is for users', {'lib/mem/a.c': '#include <vio/vio.h>\n'},
     'mem may not include vio/vio.h'),
    ('a state file sees the schema', {'lib/ring/ring_ckpt.c':
                                      '#include "ckpt/schema.h"\n'}, None),
    ('other files do not', {'lib/ring/a.c': '#include "ckpt/schema.h"\n'},
     'ring may not include ckpt/schema.h'),
    ('a folder outside the table', {'lib/misc/a.c': '\n'}, 'misc is no layer'),
    ('kernel headers outside sys', {'lib/vf/a.c': '#include <linux/vfio.h>\n'},
     'vf may not include linux/vfio.h'),
    ('a system call outside sys', {'lib/mem/a.c': 'int f(void)\n{\n\tclose(3);\n}\n'},
     'a.c:3: close()'),
    ('a call through a table is none',
     {'lib/mem/a.c': 'int f(void)\n{\n\treturn s->close(3) + x.read(1);\n}\n'}, None),
    ('a call in a comment is none', {'lib/mem/a.c': '/* close(3) */ // abort()\n'},
     None),
    ('malloc', {'lib/mem/a.c': '\tp = malloc(3);\n'}, 'malloc()'),
    ('malloc at its place', {'lib/heap/heap.c': '\tp = malloc(3);\n'}, None),
    ('getenv', {'lib/core/a.c': '\tgetenv("A");\n'}, 'getenv()'),
    ('printf, in sys too', {'lib/sys/a.c': '\tprintf("A");\n'}, 'printf()'),
    ('exit', {'lib/ctx.c': '\texit(1);\n'}, 'exit()'),
    ('a foreign type in a public header',
     {'include/vio/a.h': '#include <liburing.h>\n'}, 'not liburing.h'),
    ('a private header in an example',
     {'examples/a.c': '#include "core/bits.h"\n', 'lib/core/bits.h': '\n'}, 'private'),
    ('a private header in a consumer',
     {'tests/consumer/a.cpp': '#include <core/bits.h>\n', 'lib/core/bits.h': '\n'},
     'private'),
    ("an example's own header",
     {'examples/a.c': '#include "blk.h"\n#include <vio/ring.h>\n',
      'examples/blk.h': ''}, None),
]

if __name__ == '__main__':
    lint.main(check, CASES, 'move the code to the layer that may do this, or pass what '
              'it needs in through a table; a new arrow needs its reason in '
              'ARCHITECTURE.md and a word in ALLOWED')
