/* SPDX-License-Identifier: MIT */
/* The byte comes by a socket, so that the end of the process is heard as well. */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "helper.h"

#define WAIT_MS 60000 /* an emulated machine on a loaded host */

struct helper helper_create(int (*run)(struct owner *mine, int fd))
{
	struct helper helper;
	struct owner mine;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair),
			 0);
	helper.pid = fork();
	assert_true(helper.pid >= 0);
	helper.fd = pair[0];
	if (!helper.pid) {
		close(pair[0]);
		_exit(owner_open(&mine, "helper") || run(&mine, pair[1]));
	}
	close(pair[1]);
	return helper;
}

int helper_is_ready(const struct helper *helper)
{
	struct pollfd fd = { .fd = helper->fd, .events = POLLIN };
	char byte;

	return poll(&fd, 1, WAIT_MS) == 1 && read(helper->fd, &byte, 1) == 1;
}

void helper_kill(const struct helper *helper)
{
	int status;

	assert_int_equal(kill(helper->pid, SIGKILL), 0);
	assert_int_equal(waitpid(helper->pid, &status, 0), helper->pid);
	close(helper->fd);
}
