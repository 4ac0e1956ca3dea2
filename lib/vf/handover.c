/* SPDX-License-Identifier: MIT */
/*
 * A lease from one process to another. The lock belongs to the open file
 * description, which travels with its descriptor, so that there is no moment
 * without an owner: while the message is under way the kernel holds it.
 *
 * The message repeats the record that the file holds. The receiver believes the
 * file, and only if both agree, it is a file as leases are, and the lock is had.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/error.h"
#include "sys/sys.h"
#include "vf/host_read.h"
#include "vf/op.h"

static const char magic[8] = { 'V', 'I', 'O', 'G', 'I', 'V', 'E', '1' };

#define MESSAGE_BYTES (sizeof(magic) + VIO_JOURNAL_RECORD_BYTES)
/* More than one is hostile; the room is for closing what came too many. */
#define FDS_MAX 16u

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

static int send_lease(struct vio_vf *vf, int socket_fd)
{
	const struct vio_sys *sys = vf->host->env->sys;
	uint8_t bytes[MESSAGE_BYTES];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	union control control = { .bytes = { 0 } };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(sizeof(int)),
	};
	ssize_t n;

	memcpy(bytes, magic, sizeof(magic));
	vio_journal_print(&vf->lease->record, bytes + sizeof(magic));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &vf->lease->fd, sizeof(int));
	n = sys->sendmsg(sys->opaque, socket_fd, &message, 0);
	if (n < 0)
		return (int)n;
	/* A piece is not believed by who gets it. */
	return n == (ssize_t)sizeof(bytes) ? 0 : -EIO;
}

static int check_idle(const struct vio_vf *vf, const char *name, struct vio_error *err)
{
	if (vio_env_is_child(vf->host->env))
		return vio_fail(err, -ECHILD, "%s: claimed by the parent process",
				name);
	if (vf->done || vf->waiter || vf->info.state == VIO_VF_BUSY)
		return vio_fail(err, -EBUSY, "%s: an operation is under way", name);
	if (vf->vfio)
		return vio_fail(err, -EBUSY, "%s: close the open function first", name);
	return 0;
}

int vio_vf_detach(struct vio_vf *vf, int socket_fd, struct vio_error *err)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	vio_pci_addr_print(&vf->info.addr, name);
	ret = check_idle(vf, name, err);
	if (ret)
		return ret;
	ret = send_lease(vf, socket_fd);
	if (ret)
		return vio_fail(err, ret, "%s: cannot be handed over: %s", name,
				vio_explain(ret));
	vio_vf_destroy(vf);
	return 0;
}

struct parcel {
	uint8_t bytes[MESSAGE_BYTES + 1]; /* one more tells a longer one */
	ssize_t n;
	int flags;
	int fds[FDS_MAX];
	uint32_t n_fds;
};

static void take_fds(struct parcel *parcel, const struct cmsghdr *head)
{
	const size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
	    n > FDS_MAX - parcel->n_fds)
		return;
	memcpy(parcel->fds + parcel->n_fds, CMSG_DATA(head), n * sizeof(int));
	parcel->n_fds += (uint32_t)n;
}

static int receive(const struct vio_sys *sys, int socket_fd, struct parcel *parcel)
{
	struct iovec iov = { .iov_base = parcel->bytes,
			     .iov_len = sizeof(parcel->bytes) };
	union control control;
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *head;

	parcel->n_fds = 0;
	parcel->n = sys->recvmsg(sys->opaque, socket_fd, &message, MSG_CMSG_CLOEXEC);
	if (parcel->n < 0)
		return (int)parcel->n;
	parcel->flags = message.msg_flags;
	for (head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head))
		take_fds(parcel, head);
	return 0;
}

/* The record that the message claims to be about. */
static int parse_parcel(const struct parcel *parcel, struct vio_journal_record *record)
{
	if (parcel->n != (ssize_t)MESSAGE_BYTES ||
	    parcel->flags & (MSG_TRUNC | MSG_CTRUNC) || parcel->n_fds != 1 ||
	    memcmp(parcel->bytes, magic, sizeof(magic)))
		return -EBADMSG;
	return vio_journal_parse_record(parcel->bytes + sizeof(magic), record);
}

/* Is the file what is at the lease's path here? A jail may not see the path. */
static int verify_place(struct vio_host *host, int fd, const struct vio_pci_addr *addr)
{
	const struct vio_sys *sys = host->env->sys;
	struct stat here, there;
	int path_fd, ret;

	path_fd = vio_lease_open_path(host, addr);
	if (path_fd < 0)
		return path_fd == -ENOENT || path_fd == -EACCES ? 0 : path_fd;
	ret = sys->fstat(sys->opaque, path_fd, &here);
	sys->close(sys->opaque, path_fd);
	if (!ret)
		ret = sys->fstat(sys->opaque, fd, &there);
	if (ret)
		return ret;
	return here.st_dev == there.st_dev && here.st_ino == there.st_ino ? 0
									  : -EBADMSG;
}

static int
is_same(const struct vio_journal_record *a, const struct vio_journal_record *b)
{
	return a->generation == b->generation && a->sequence == b->sequence &&
	       !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static int check_lease(struct vio_host *host, const struct vio_lease_file *lease,
		       const struct vio_journal_record *record)
{
	int ret;

	if ((record->state != VIO_JOURNAL_HELD &&
	     record->state != VIO_JOURNAL_PAUSED) ||
	    lease->record.state != record->state || !is_same(&lease->record, record))
		return -EBADMSG;
	ret = verify_place(host, lease->fd, &record->addr);
	return ret ? ret : vio_lease_verify(lease);
}

static int adopt(struct vio_host *host, int fd, const struct vio_journal_record *record,
		 struct vio_vf **out)
{
	const uint32_t state =
		record->state == VIO_JOURNAL_PAUSED ? VIO_VF_PAUSED : VIO_VF_HELD;
	const struct vio_sys *sys = host->env->sys;
	struct vio_lease_file *lease;
	int ret;

	ret = vio_lease_open_fd(host, fd, &lease);
	if (ret) {
		sys->close(sys->opaque, fd);
		return ret;
	}
	ret = check_lease(host, lease, record);
	if (!ret)
		ret = vio_vf_create(host, lease, state, out);
	if (ret)
		vio_lease_close(lease);
	return ret;
}

static int
check_function(struct vio_host *host, const struct vio_journal_record *record)
{
	struct vio_pci_info info = VIO_PCI_INFO_INIT;

	return vio_host_read_function_parts(host, &record->addr, 0, &info, NULL);
}

static int take(struct vio_host *host, const struct parcel *parcel, struct vio_vf **out)
{
	const struct vio_sys *sys = host->env->sys;
	struct vio_journal_record record;
	uint32_t n_kept = 0;
	int ret;

	ret = parse_parcel(parcel, &record);
	if (!ret)
		ret = check_function(host, &record);
	if (!ret) {
		n_kept = 1;
		ret = adopt(host, parcel->fds[0], &record, out);
	}
	for (uint32_t i = n_kept; i < parcel->n_fds; i++)
		sys->close(sys->opaque, parcel->fds[i]);
	return ret;
}

int vio_vf_attach(struct vio_host *host, int socket_fd, struct vio_vf **out,
		  struct vio_error *err)
{
	struct parcel parcel;
	int ret;

	if (vio_env_is_child(host->env))
		return vio_fail(err, -ECHILD, "handover: not in a forked child");
	ret = receive(host->env->sys, socket_fd, &parcel);
	if (ret)
		return vio_fail(err, ret, "handover: %s", vio_explain(ret));
	ret = take(host, &parcel, out);
	/* Another has its lock, or it is another file than it was: no lease of ours. */
	if (ret == -EBADMSG || ret == -ESTALE || ret == -EBUSY || ret == -EBADF)
		return vio_fail(err, -EBADMSG, "handover: that is no lease");
	if (ret)
		return vio_fail(err, ret, "handover: the lease is not taken over: %s",
				vio_explain(ret));
	return 0;
}
