/* SPDX-License-Identifier: MIT */
/* The sockets that bring a host its events, and what uevents say. */
#ifndef VIO_VF_EVENTS_H
#define VIO_VF_EVENTS_H

#include <stddef.h>

#include "vf/host.h"

/* Listens and tells host->event in dispatch. */
int vio_watch_open(struct vio_host *host, struct vio_watch **out);
/* May be called from host->event. */
void vio_watch_close(struct vio_watch *watch);

/*
 * What the text of a uevent, @n bytes as the kernel sent them, means for a PCI
 * function. 0 with type and addr of *out; -ENOENT: nothing, it is about something
 * else; -EBADMSG: it is no uevent. VIO_HOST_VFS_CHANGED stands for any change that
 * is no error's: whether the function is a PF, sysfs has to say.
 */
int vio_uevent_parse(const char *text, size_t n, struct vio_host_event *out);

#endif /* VIO_VF_EVENTS_H */
