#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether vioctl show and lspci -vvv say the same of every function.

The file holds, for each function, a line of vioctl show --json behind "show " and
the lines of lspci -n -vvv behind "lspci ". Every decoded field is compared, and every
capability that one has and the other has not is told.
"""
import json
import re
import sys

TYPES = {
    'Endpoint': 'endpoint', 'Legacy Endpoint': 'legacy_endpoint',
    'Root Port': 'root_port', 'Upstream Port': 'upstream_port',
    'Downstream Port': 'downstream_port',
    'Root Complex Integrated Endpoint': 'integrated_endpoint',
}
SPEEDS = {'2.5': 1, '5': 2, '8': 3, '16': 4, '32': 5, '64': 6}
SIZES = {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
CAPABILITIES = {
    'pm': 'Power Management', 'pcie': 'Express', 'msi': r'MSI:', 'msix': r'MSI-X:',
    'ari': 'Alternative Routing-ID', 'acs': 'Access Control Services',
    'ats': 'Address Translation Service', 'aer': 'Advanced Error Reporting',
    'sriov': 'Single Root I/O Virtualization',
}
ACS = ['SrcValid', 'TransBlk', 'ReqRedir', 'CmpltRedir', 'UpstreamFwd', 'EgressCtrl',
       'DirectTrans']
IOV = ['Enable', 'Migration', 'Interrupt', 'MSE', 'ARIHierarchy']


class Function:
    """One function: what is said of it, and what was found to differ."""

    def __init__(self, shown, text):
        self.shown, self.text = shown, text
        self.n, self.bad = 0, []

    def same(self, what, mine, theirs):
        self.n += 1
        if mine != theirs:
            self.bad.append(f'{self.shown["address"]}: {what}: vioctl has {mine}, '
                            f'lspci {theirs}')

    def find(self, pattern, text=None):
        """The groups of a pattern that must be there."""
        match = re.search(pattern, self.text if text is None else text, re.M)
        if not match:
            self.bad.append(f'{self.shown["address"]}: lspci has no {pattern}')
            return None
        return match.groups()

    def fields(self, what, pattern, text, *mine):
        """Each (value, conversion) with the group at its place."""
        groups = self.find(pattern, text)
        for place, ((value, convert), group) in enumerate(zip(mine, groups or ())):
            self.same(f'{what} {place}', value, convert(group))


def hexadecimal(text):
    return int(text, 16)


def flags(line, names):
    """"Enable+ MSE-" as bits, in the order of names."""
    return sum(1 << i for i, name in enumerate(names) if f'{name}+' in line.split())


def section(function, key):
    """Offset and text of a capability, or None."""
    parts = re.split(r'^\tCapabilities: ', function.text, flags=re.M)[1:]
    for part in parts:
        match = re.match(rf'\[([0-9a-f]+)(?: v\d+)?\] {CAPABILITIES[key]}', part)
        if match:
            return int(match.group(1), 16), part
    return None


def compare_identity(function):
    shown = function.shown
    function.fields('identity', r'^(\S+) (\w{4}): (\w{4}):(\w{4})', None,
                    (shown['address'], str), (shown['class_code'][2:6], str),
                    (shown['vendor_id'][2:], str), (shown['device_id'][2:], str))
    driver = re.search(r'Kernel driver in use: (\S+)', function.text)
    function.same('driver', shown['driver'], driver and driver.group(1))
    group = re.search(r'IOMMU group: (\d+)', function.text)
    function.same('group', shown['iommu_group'], group and int(group.group(1)))


def compare_bars(function):
    head = function.text.split('\tCapabilities:')[0]
    theirs = [0] * 6
    for bar, n, unit in re.findall(r'Region (\d):.*\[size=(\d+)([KMG]?)\]', head):
        theirs[int(bar)] = int(n) * SIZES[unit]
    function.same('BARs', function.shown['bar_bytes'], theirs)


def compare_pcie(function, mine, text):
    found = function.find(r'Express \(v\d\) ([A-Z][A-Za-z ]*?)(?: \(Slot[+-]\))?,',
                          text)
    function.same('type', mine['type'], TYPES.get(found[0]) if found else None)
    if 'FLReset' in text:
        function.same('FLR', mine['has_flr'], 'FLReset+' in text)
    function.fields('payload', r'MaxPayload (\d+) bytes, MaxReadReq', text,
                    (mine['max_payload_bytes'], int))
    # An integrated endpoint has no link, and lspci does not show its registers.
    for what, key in (('LnkCap', '_max'), ('LnkSta', '')):
        if f'{what}:' in text:
            function.fields(what, rf'{what}:.*Speed ([\d.]+)GT/s.*Width x(\d+)', text,
                            (mine[f'link_speed{key}'], SPEEDS.get),
                            (mine[f'link_width{key}'], int))


def compare_msi(function, mine, text):
    function.fields('MSI', r'Count=\d+/(\d+)', text, (mine['n_vectors'], int))


def compare_msix(function, mine, text):
    function.fields('MSI-X', r'Count=(\d+)', text, (mine['n_vectors'], int))
    for what, key in (('Vector table', 'table'), ('PBA', 'pba')):
        function.fields(what, rf'{what}: BAR=(\d) offset=(\w+)', text,
                        (mine[f'{key}_bar'], int),
                        (int(mine[f'{key}_offset'], 16), hexadecimal))


def compare_ari(function, mine, text):
    function.fields('ARI', r'Next Function: (\d+)', text, (mine['next_function'], int))


def compare_acs(function, mine, text):
    for what, key in (('ACSCap', 'capabilities'), ('ACSCtl', 'control')):
        line = function.find(rf'{what}:(.*)', text)
        if line:
            function.same(what, int(mine[key], 16) & 0x7f, flags(line[0], ACS))


def compare_vf_bars(function, bars, text):
    theirs = [None] * 6
    pattern = r'Region (\d): Memory at (\w+) \((\d+)-bit, (non-)?prefetchable'
    for bar, address, bits, no in re.findall(pattern, text):
        theirs[int(bar)] = (int(address, 16), bits == '64', not no)
    mine = [bar and (int(bar['address'], 16), bar['is_64bit'], bar['is_prefetchable'])
            for bar in bars]
    function.same('VF BARs', mine, theirs)


def compare_sriov(function, mine, text):
    line = function.find(r'IOVCtl:(.*)', text)
    if line:
        function.same('IOVCtl', int(mine['control'], 16) & 0x1f, flags(line[0], IOV))
        function.same('ARI hierarchy', mine['is_ari'], 'ARIHierarchy+' in line[0])
    line = function.find(r'IOVCap:(.*)', text)
    if line:
        function.same('IOVCap', int(mine['capabilities'], 16) & 1,
                      flags(line[0], ['Migration']))
    line = function.find(r'IOVSta:(.*)', text)
    if line:
        function.same('IOVSta', int(mine['status'], 16) & 1,
                      flags(line[0], ['Migration']))
    function.fields('VFs', r'Initial VFs: (\d+), Total VFs: (\d+), '
                    r'Number of VFs: (\d+), Function Dependency Link: (\w+)', text,
                    (mine['initial_vfs'], int), (mine['total_vfs'], int),
                    (mine['n_vfs'], int),
                    (int(mine['dependency_link'], 16), hexadecimal))
    function.fields('place', r'VF offset: (\d+), stride: (\d+), Device ID: (\w+)',
                    text,
                    (mine['first_vf_offset'], int), (mine['vf_stride'], int),
                    (mine['vf_device_id'][2:], str))
    function.fields('pages', r'Supported Page Size: (\w+), System Page Size: (\w+)',
                    text,
                    (int(mine['supported_page_sizes'], 16), hexadecimal),
                    (int(mine['system_page_size'], 16), hexadecimal))
    function.fields('migration', r'VF Migration: offset: (\w+), BIR: (\d)', text,
                    (int(mine['migration_offset'], 16) & ~7, hexadecimal),
                    (int(mine['migration_offset'], 16) & 7, int))
    compare_vf_bars(function, mine['vf_bars'], text)


COMPARE = {'pcie': compare_pcie, 'msi': compare_msi, 'msix': compare_msix,
           'ari': compare_ari, 'acs': compare_acs, 'sriov': compare_sriov}


def compare(function):
    compare_identity(function)
    compare_bars(function)
    for key, mine in function.shown['capabilities'].items():
        theirs = section(function, key)
        function.same(f'{key} at', mine and int(mine['offset'], 16),
                      theirs and theirs[0])
        if mine and theirs and key in COMPARE:
            COMPARE[key](function, mine, theirs[1])


def read(path):
    functions = []
    for line in open(path, encoding='ascii'):
        word, _, rest = line.partition(' ')
        if word == 'show':
            functions.append(Function(json.loads(rest), ''))
        elif word == 'lspci':
            functions[-1].text += rest
    return functions


def main():
    functions = read(sys.argv[1])
    for function in functions:
        compare(function)
        print(*function.bad, sep='\n', end='\n' if function.bad else '')
    kinds = {f.shown['kind'] for f in functions}
    n = sum(f.n for f in functions)
    print(f'{len(functions)} functions, {n} fields')
    return int(any(f.bad for f in functions) or kinds != {'pf', 'vf', 'function'})


if __name__ == '__main__':
    sys.exit(main())
