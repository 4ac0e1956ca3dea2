/* SPDX-License-Identifier: MIT */
/*
 * The socket to the holder. Its name holds a process's number, and numbers are used
 * again: what counts is that the process at the other end is the one that the lease
 * names.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ask.h"
#include "inventory.h"
#include "say.h"

#define TICK_MS 200

static int open_dir(const struct vioctl *vioctl)
{
	return open(run_dir(vioctl), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void write_name(struct sockaddr_un *name, int dir, pid_t pid)
{
	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(name->sun_path, sizeof(name->sun_path), "/proc/self/fd/%d/vioctl.%d",
		 dir, (int)pid);
}

static int open_listener(int dir)
{
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un name;

	if (fd < 0)
		return -1;
	write_name(&name, dir, getpid());
	/* Of a process that had this number before. */
	unlink(name.sun_path);
	if (!bind(fd, (struct sockaddr *)&name, sizeof(name)) && !listen(fd, 16))
		return fd;
	close(fd);
	return -1;
}

int ask_listen(const struct vioctl *vioctl)
{
	const int dir = open_dir(vioctl);
	const int fd = dir < 0 ? -1 : open_listener(dir);

	if (fd < 0)
		complain("%s: no socket for requests: %s", run_dir(vioctl),
			 strerror(errno));
	if (dir >= 0)
		close(dir);
	return fd;
}

void ask_unlisten(const struct vioctl *vioctl, int fd)
{
	const int dir = open_dir(vioctl);
	char name[32];

	snprintf(name, sizeof(name), "vioctl.%d", (int)getpid());
	unlinkat(dir, name, 0);
	close(dir);
	close(fd);
}

static int is_process(int fd, pid_t pid)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) && peer.pid == pid;
}

static int open_to(const struct vioctl *vioctl, pid_t pid)
{
	const int dir = open_dir(vioctl);
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un name;
	int is_open;

	write_name(&name, dir, pid);
	is_open = dir >= 0 && fd >= 0 &&
		  !connect(fd, (struct sockaddr *)&name, sizeof(name)) &&
		  is_process(fd, pid);
	if (dir >= 0)
		close(dir);
	if (!is_open && fd >= 0)
		close(fd);
	return is_open ? fd : -1;
}

/* A holder does what it is asked in its own time, and tells how it ended. */
static int
exchange(int fd, const struct ask *ask, struct answer *answer, const char *what)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char line[64];
	ssize_t n;

	if (send(fd, ask, sizeof(*ask), MSG_NOSIGNAL) != (ssize_t)sizeof(*ask))
		return fail(-errno, "the holder does not listen");
	for (uint32_t n_ticks = 0; !poll(&wait, 1, TICK_MS); n_ticks++) {
		snprintf(line, sizeof(line), "%s ... %u s", what,
			 n_ticks * TICK_MS / 1000);
		if (n_ticks)
			progress_show(line);
	}
	progress_show("");
	n = recv(fd, answer, sizeof(*answer), 0);
	if (n != (ssize_t)sizeof(*answer) || answer->magic != ASK_MAGIC)
		return fail(-EPROTO, "the holder ended, or is another version of "
				     "vioctl: see vioctl list");
	answer->text[sizeof(answer->text) - 1] = '\0';
	return answer->code < 0 ? fail(answer->code, answer->text) : EXIT_DONE;
}

static int ask_lease(struct vioctl *vioctl, const struct vio_vf_info *lease,
		     struct ask *ask, struct answer *answer, const char *what)
{
	char address[VIO_PCI_ADDR_TEXT_BYTES] = "", text[160];
	int fd, code;

	vio_pci_addr_print(&ask->addr, address);
	snprintf(text, sizeof(text), "%s: nobody holds it, vioctl claim does", address);
	if (!lease)
		return fail(-ESTALE, text);
	snprintf(text, sizeof(text), "%s: its holder is dead, run vioctl recover",
		 address);
	if (!lease->is_alive)
		return fail(-ESTALE, text);
	snprintf(text, sizeof(text),
		 "%s: %.64s[%d] holds it and is no vioctl to be asked: ask it by its "
		 "own means",
		 address, lease->owner, lease->pid);
	fd = open_to(vioctl, lease->pid);
	if (fd < 0)
		return fail(-EBUSY, text);
	ask->magic = ASK_MAGIC;
	code = exchange(fd, ask, answer, what);
	close(fd);
	return code;
}

int ask_holder(struct vioctl *vioctl, struct ask *ask, struct answer *answer,
	       const char *what)
{
	struct inventory leases = { 0 };
	int code = leases_create(&leases, vioctl);

	if (code == EXIT_DONE)
		code = ask_lease(vioctl, lease_find(&leases, &ask->addr), ask, answer,
				 what);
	inventory_destroy(&leases);
	return code;
}
