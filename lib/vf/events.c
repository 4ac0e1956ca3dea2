/* SPDX-License-Identifier: MIT */
/*
 * Events of a host: uevents of PCI functions, and changes of the network interfaces
 * of physical functions, which is also how the kernel tells of a change of a VF's
 * settings. The host program is told in dispatch and may close the host from there.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "sys/loop.h"
#include "sys/monitor.h"
#include "sys/sys.h"
#include "vf/events.h"
#include "vf/host_read.h"

/*
 * The kernel's uevents are at most 2 KiB and a few lines; a message about a link
 * with all its statistics takes about as much.
 */
#define MESSAGE_BYTES 16384u
/* At a time, so that a storm of events leaves the loop to others in between. */
#define BURST 16u

struct source {
	struct vio_event event;
	struct vio_watch *watch;
	/* What one message means: told by tell(). */
	void (*read)(struct vio_watch *watch, const char *message, size_t n,
		     const int *is_closed);
};

struct vio_watch {
	struct vio_host *host;
	struct source uevents;
	struct source links;
	int *is_closed; /* set by close, of a burst that is under way; or NULL */
};

static void
tell(struct vio_watch *watch, uint32_t type, const struct vio_pci_addr *addr)
{
	struct vio_host_event event = VIO_HOST_EVENT_INIT;

	event.type = type;
	if (addr)
		event.addr = *addr;
	watch->host->event(watch->host->opaque, &event);
}

static int is_pf(struct vio_watch *watch, const struct vio_pci_addr *addr)
{
	return vio_host_has_attr(watch->host, addr, "sriov_totalvfs");
}

static void read_uevent(struct vio_watch *watch, const char *message, size_t n,
			const int *is_closed)
{
	struct vio_host_event event;

	(void)is_closed;
	if (vio_uevent_parse(message, n, &event))
		return;
	/* VFs change as well, one by one, before they are bound. */
	if (event.type == VIO_HOST_VFS_CHANGED && !is_pf(watch, &event.addr))
		return;
	tell(watch, event.type, &event.addr);
}

static void
read_links(struct vio_watch *watch, const char *message, size_t n, const int *is_closed)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_pci_addr addr;
	size_t used;
	int ret;

	for (; n && !*is_closed; message += used, n -= used) {
		ret = vio_monitor_parse_link(message, n, name, sizeof(name), &used);
		if (ret == -EBADMSG)
			return;
		if (!ret && !vio_pci_addr_parse(name, &addr) && is_pf(watch, &addr))
			tell(watch, VIO_HOST_CONFIG, &addr);
	}
}

/* Returns 0 when there is no more for now. */
static int read_one(struct source *source, const int *is_closed)
{
	struct vio_watch *watch = source->watch;
	char message[MESSAGE_BYTES];
	ssize_t n;

	n = vio_monitor_receive(watch->host->env->sys, source->event.fd, message,
				sizeof(message));
	if (n == -ENOBUFS)
		tell(watch, VIO_HOST_LOST, NULL);
	else if (n > 0)
		source->read(watch, message, (size_t)n, is_closed);
	return n >= 0 || n == -ENOBUFS;
}

static void on_ready(struct vio_event *event, uint32_t events)
{
	struct source *source = VIO_CONTAINER_OF(event, struct source, event);
	struct vio_watch *watch = source->watch;
	int is_closed = 0;

	(void)events;
	watch->is_closed = &is_closed;
	for (uint32_t i = 0; i < BURST && read_one(source, &is_closed); i++)
		if (is_closed)
			return;
	if (!is_closed)
		watch->is_closed = NULL;
}

static void close_source(struct source *source)
{
	const struct vio_env *env = source->watch->host->env;

	if (source->event.fd < 0)
		return;
	vio_loop_remove(env->loop, &source->event);
	env->sys->close(env->sys->opaque, source->event.fd);
}

static int open_source(struct source *source, int what)
{
	const struct vio_env *env = source->watch->host->env;
	int fd;

	fd = vio_monitor_open(env->sys, what);
	if (fd < 0)
		return fd;
	source->event.fd = fd;
	source->event.ready = on_ready;
	return vio_loop_add(env->loop, &source->event, EPOLLIN);
}

void vio_watch_close(struct vio_watch *watch)
{
	if (watch->is_closed)
		*watch->is_closed = 1;
	close_source(&watch->links);
	close_source(&watch->uevents);
	VIO_DELETE(watch->host->env, watch);
}

int vio_watch_open(struct vio_host *host, struct vio_watch **out)
{
	struct vio_watch *watch = VIO_NEW(host->env, struct vio_watch);
	int ret;

	if (!watch)
		return -ENOMEM;
	watch->host = host;
	watch->uevents = (struct source){ { .fd = -1 }, watch, read_uevent };
	watch->links = (struct source){ { .fd = -1 }, watch, read_links };
	ret = open_source(&watch->uevents, VIO_MONITOR_UEVENT);
	if (!ret)
		ret = open_source(&watch->links, VIO_MONITOR_LINK);
	if (ret) {
		vio_watch_close(watch);
		return ret;
	}
	*out = watch;
	return 0;
}
