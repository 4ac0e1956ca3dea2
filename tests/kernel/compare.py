#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ring images through the kernel's vringh and through libvio: the same chains?

	compare.py FOLDER SEED COUNT

FOLDER has the programs images, oracle and subject. Where both take an image as
good, chains, used ring and notifications are the same to the letter. libvio may
refuse a chain that vringh takes if a rule of POLICY forbids that chain, and only
if the ring, read here for a third time, really breaks the rule. The other way
round there is no table: what vringh refuses, libvio must refuse too.
"""
import argparse
import collections
import json
import pathlib
import struct
import subprocess
import sys

BATCH = 10000
HEADER = struct.Struct('<10I')
DESC = struct.Struct('<QIHH')
AREA_GPA = 0x100000
INDIRECT, VALID = 1, 4
NEXT, TABLE = 1, 4
CHAIN_BYTES_MAX = 1 << 32

Header = collections.namedtuple(
    'Header', 'magic number flags n_descs desc avail used start burst n_bytes')
Desc = collections.namedtuple('Desc', 'addr length flags next')


class Image:
    def __init__(self, header, area):
        self.header, self.area = header, area

    def desc(self, gpa):
        offset = gpa - AREA_GPA
        raw = self.area[offset:offset + 16] if offset >= 0 else b''
        return Desc(*DESC.unpack(raw.ljust(16, b'\0')))

    def avail_index(self):
        return struct.unpack_from('<H', self.area, self.header.avail + 2)[0]

    def walk(self, head):
        """The chain as far as a ring of that size reaches: buffers and tables."""
        bufs, tables = [], []
        base, limit, index = AREA_GPA + self.header.desc, self.header.n_descs, head
        while index < limit and len(bufs) <= self.header.n_descs:
            desc = self.desc(base + 16 * index)
            if desc.flags & TABLE:
                tables.append(desc)
                if len(tables) > 1:
                    break
                base, limit, index = desc.addr, desc.length // 16, 0
                continue
            bufs.append(desc)
            if not desc.flags & NEXT:
                break
            index = desc.next
        return bufs, tables


def _jumps(image, head, earlier):
    ahead = (image.avail_index() - image.header.start) & 0xffff
    return ahead > image.header.n_descs


def _is_longer_than_ring(image, head, earlier):
    return len(image.walk(head)[0]) > image.header.n_descs


def _has_empty_buffer(image, head, earlier):
    return any(not desc.length for desc in image.walk(head)[0])


def _is_over_4_gib(image, head, earlier):
    return sum(desc.length for desc in image.walk(head)[0]) > CHAIN_BYTES_MAX


def _has_table_not_negotiated(image, head, earlier):
    return image.walk(head)[1] and not image.header.flags & INDIRECT


def _goes_on_after_table(image, head, earlier):
    return any(desc.flags & NEXT for desc in image.walk(head)[1])


def _is_with_device(image, head, earlier):
    return head in earlier


# What vringh takes and libvio refuses: libvio's fault, the rule of virtio 1.2, and
# whether a chain breaks it.
POLICY = [
    ('avail_jump', 2, '2.7.6.1: the available index is never decremented, so it is '
     'never ahead by more than the ring holds', _jumps),
    ('long_chain', 4, '2.7.5.3.1: no chain, through a table or not, is longer than '
     'the Queue Size', _is_longer_than_ring),
    ('empty_buffer', 6, "none: libvio's own, a device must not meet a length of 0",
     _has_empty_buffer),
    ('over_4_gib', 6, '2.7.5.2: a chain is at most 2^32 bytes long in total',
     _is_over_4_gib),
    ('table_not_negotiated', 8, '2.7.5.3.1: no INDIRECT without '
     'VIRTIO_F_INDIRECT_DESC', _has_table_not_negotiated),
    ('table_with_next', 8, '2.7.5.3.1: INDIRECT and NEXT are never both set',
     _goes_on_after_table),
    ('duplicate_head', 9, '2.7.13.1: a chain is made of free descriptors',
     _is_with_device),
]

# A table with NEXT that leads back to its own descriptor: vringh walks it until
# memory lacks, see oracle.c.
ENDLESS = '-12'


def read_images(file):
    while raw := file.read(HEADER.size):
        header = Header(*HEADER.unpack(raw))
        yield Image(header, file.read(header.n_bytes))


def split(line):
    """The chains of a line, whether it ends in a refusal, and how it ends."""
    words = line.split()[1:]
    ends = [i for i, word in enumerate(words) if word in ('end', 'refused', 'more')]
    if not ends:
        raise ValueError(f'no verdict: {line}')
    return words[:ends[0]], words[ends[0]], words[ends[0] + 1:]


def judge(image, oracle, subject):
    """(what kind of agreement, None), or (None, what is wrong)."""
    if oracle == subject and ' end ' in oracle:
        return 'same chains', None
    theirs, their_end, their_code = split(oracle)
    ours, our_end, our_code = split(subject)
    if image.header.flags & VALID:
        return None, 'the ring is good'
    if theirs[:len(ours)] != ours:
        return None, 'other chains'
    if our_end != 'refused':
        return None, 'taken by libvio alone' if their_end == 'refused' else 'other ends'
    if len(theirs) == len(ours):
        if their_end != 'refused':
            return None, 'refused a chain that is not there'
        return 'endless for vringh' if their_code == [ENDLESS] else 'both refuse', None
    head = int(theirs[len(ours)].split('=')[0])
    earlier = [int(chain.split('=')[0]) for chain in ours]
    for name, fault, _, breaks in POLICY:
        if str(fault) == our_code[0] and breaks(image, head, earlier):
            return name, None
    return None, f'fault {our_code[0]}, and no rule is broken'


def run_batch(folder, seed, first, count):
    """Yields (image, line of the oracle, line of the subject)."""
    images = folder / 'images.bin'
    with images.open('wb') as out:
        subprocess.run([folder / 'images', str(seed), str(first), str(count)],
                       stdout=out, check=True)
    programs = ['oracle', 'subject']
    running = []
    for name in programs:
        with images.open('rb') as source, (folder / f'{name}.txt').open('wb') as out:
            running.append(subprocess.Popen([folder / name], stdin=source, stdout=out))
    if any([program.wait() for program in running]):
        sys.exit(f'{[p.returncode for p in running]} of oracle and subject')
    with images.open('rb') as file:
        lines = [(folder / f'{name}.txt').read_text().splitlines() for name in programs]
        if len(lines[0]) != count or len(lines[1]) != count:
            sys.exit(f'{len(lines[0])} and {len(lines[1])} lines for {count} images')
        yield from zip(read_images(file), *lines)


def complain(image, oracle, subject, seed, why):
    print(f'image {image.header.number} of seed {seed}: {why}\n'
          f'  vringh {oracle}\n  libvio {subject}')


def notices_a_change(image, oracle, subject):
    """A comparison that would not see one byte more, or another end, is none."""
    changed = [subject.replace('+', '+1', 1), subject.replace(' used ', ' used 1')]
    return all(line != subject and judge(image, oracle, line)[1] for line in changed)


def check(name, is_good):
    print(f'{"ok" if is_good else "not ok"} - {name}')
    return is_good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('folder', type=pathlib.Path)
    parser.add_argument('seed', type=int)
    parser.add_argument('count', type=int)
    args = parser.parse_args()

    kinds, wrong, good, shown, probe = collections.Counter(), 0, 0, 0, None
    for first in range(0, args.count, BATCH):
        count = min(BATCH, args.count - first)
        for row in run_batch(args.folder.resolve(), args.seed, first, count):
            kind, why = judge(*row)
            if why:
                wrong += 1
                if shown < 5:
                    complain(*row, args.seed, why)
                    shown += 1
                continue
            kinds[kind] += 1
            good += bool(row[0].header.flags & VALID)
            if not probe and '+' in row[2] and row[0].header.flags & VALID:
                probe = row
    print(json.dumps({'test': 'ring images', 'seed': args.seed, 'images': args.count,
                      'valid': good, 'differ': wrong, **kinds}))
    met = [check(f'the_policy_row_{name}_is_met', kinds[name]) for name, *_ in POLICY]
    results = [
        check('a_changed_chain_is_noticed', probe and notices_a_change(*probe)),
        check('good_rings_give_the_chains_that_vringh_finds',
              good and good <= kinds['same chains'] and not wrong),
        check('what_vringh_refuses_libvio_refuses', kinds['both refuse'] and not wrong),
    ]
    return 0 if all(met + results) else 1


if __name__ == '__main__':
    sys.exit(main())
