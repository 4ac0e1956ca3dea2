/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells everybody by netlink: a socket that listens, and messages
 * of which it is certain that the kernel sent them.
 */
#ifndef VIO_SYS_MONITOR_H
#define VIO_SYS_MONITOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vio_sys;

/* Changes of devices, as text. */
#define VIO_MONITOR_UEVENT 0
/* Changes of network interfaces, for vio_monitor_parse_link(). */
#define VIO_MONITOR_LINK 1

/* A descriptor for vio_monitor_receive(), CLOEXEC, or -errno. */
int vio_monitor_open(const struct vio_sys *sys, int what);

/*
 * One message, cut off nowhere. Its length; 0: it came from somebody else, and was
 * dropped; -EAGAIN: none; -ENOBUFS: some were lost.
 */
ssize_t vio_monitor_receive(const struct vio_sys *sys, int fd, void *buf, size_t n);

/*
 * The PCI function of the interface that one message is about: its name as text of
 * at most @room bytes with the NUL. 0; -ENOENT: it is about something else;
 * -EBADMSG: it is no such message. @out_used: what to go on behind, not 0.
 */
int vio_monitor_parse_link(const void *message, size_t n, char *out, size_t room,
			   size_t *out_used);

#endif /* VIO_SYS_MONITOR_H */
