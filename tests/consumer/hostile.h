/* SPDX-License-Identifier: MIT */
/*
 * What a large program may have included before us: headers that define common
 * words, and the macros that old systems and old habits leave behind.
 */
#include <syslog.h>
#include <sys/param.h>

#include <linux/vfio.h>

#include <liburing.h>
#include <netlink/netlink.h>
#include <pci/pci.h>

#undef min
#undef max
#undef major
#undef minor
#define min(a, b)  ((a) < (b) ? (a) : (b))
#define max(a, b)  ((a) > (b) ? (a) : (b))
#define major(dev) ((dev) >> 8)
#define minor(dev) ((dev)&255)
#undef unix
#undef linux
#define unix  1
#define linux 1
