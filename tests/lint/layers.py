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
    'common': 'core', 'error': 'core', 'version': 'core',
    'queue': 'ring', 'driver': 'ring', 'backend': 'device',
    'host': 'vf', 'pci': 'vf', 'vfio': 'vf', 'view': 'vf', 'resize': 'vf',
    'pci_names': 'pci',
