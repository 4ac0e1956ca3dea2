#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds the initramfs that every guest boots: busybox, init, the tools and the
# modules below with all they depend on. Prints its name. It is built once per kernel
# and kept beside it under a name that holds a checksum of what it is made of;
# boot.sh appends a small archive with the programs of one run.
