/* SPDX-License-Identifier: MIT */
/*
 * The socket at its path. Whoever can connect gets the disk, so only the owner may;
 * what a killed process left behind is removed, but never the socket of a live one
 * nor anything that is not a socket.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "blk.h"
#include "say.h"

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int make_address(const char *path, struct sockaddr_un *out)
{
	size_t n = strlen(path);

	if (!n || n >= sizeof(out->sun_path))
		return complain("%s: a socket's path has 1 to %zu bytes", path,
				sizeof(out->sun_path) - 1);
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(out->sun_path, path, n);
	return 0;
}

/* Refused: nobody listens, and nobody can begin to on that socket any more. */
static int is_stale(const struct sockaddr_un *address)
{
	int fd = unix_socket(), ret;

	if (fd < 0)
		return 0;
	ret = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	ret = ret < 0 ? errno : 0;
	close(fd);
	return ret == ECONNREFUSED;
}

static int clear_path(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : complain("%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return complain("%s: exists and is no socket, choose another path",
				path);
	if (!is_stale(address))
		return complain("%s: another process listens there, stop it first",
				path);
	if (unlink(path) < 0)
		return complain("%s: stale, cannot be removed: %s", path,
				strerror(errno));
	return 0;
}

/* The mask, since there is no moment between bind and chmod then. */
static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	int ret = bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(mask);
	return ret;
}

int listener_open(struct listener *listener, const char *path)
{
	struct sockaddr_un address;

	if (make_address(path, &address) < 0 || clear_path(&address) < 0)
		return -1;
	listener->fd = unix_socket();
	if (listener->fd < 0)
		return complain("%s: %s", path, strerror(errno));
	if (bind_private(listener->fd, &address) < 0 ||
	    lstat(path, &listener->made) < 0 || listen(listener->fd, 1) < 0) {
		close(listener->fd);
		return complain("%s: cannot listen: %s", path, strerror(errno));
	}
	listener->path = path;
	return 0;
}

void listener_close(struct listener *listener)
{
	struct stat st;

	close(listener->fd);
	if (lstat(listener->path, &st) == 0 && st.st_ino == listener->made.st_ino &&
	    st.st_dev == listener->made.st_dev)
		unlink(listener->path);
}
