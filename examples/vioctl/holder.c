/* SPDX-License-Identifier: MIT */
/*
 * The loop of a holder. The command gets SIGKILL if this process dies: its VFs are
 * then anybody's, and it must not go on to use them. A signal from the terminal
 * reaches the command by itself and is its to act on; SIGTERM and SIGHUP are handed
 * on, and its end is this one's.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holder.h"
#include "inventory.h"
#include "say.h"

#define DISPATCH_MAX 64
#define NS_PER_S     UINT64_C(1000000000)

int holder_open_signals(struct holder *holder)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A reader of the addresses that has gone is no reason to lose the VFs. */
	signal(SIGPIPE, SIG_IGN);
	holder->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return holder->signal_fd < 0 ? fail(-errno, "signals cannot be waited for")
				     : EXIT_DONE;
}

static void run_child(pid_t parent, char **argv)
{
	sigset_t none;
	int code;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* The parent may have died before. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(EXIT_CLAIM);
	execvp(argv[0], argv);
	code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
	fprintf(stderr, "vioctl: %s: %s\n", argv[0], strerror(errno));
	_exit(code);
}

static int start_child(struct holder *holder, char **argv)
{
	const pid_t parent = getpid();

	fflush(NULL);
	holder->child = fork();
	if (holder->child < 0)
		return fail(-errno, "the command cannot be started");
	if (!holder->child)
		run_child(parent, argv);
	return EXIT_DONE;
}

static void reap_child(struct holder *holder)
{
	if (holder->child <= 0 ||
	    waitpid(holder->child, &holder->child_status, WNOHANG) != holder->child)
		return;
	holder->child = 0;
	holder->is_stopping = 1;
}

static void take_signal(struct holder *holder)
{
	struct signalfd_siginfo info;

	if (read(holder->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		reap_child(holder);
	else if (holder->child <= 0)
		holder->is_stopping = 1;
	else if (info.ssi_signo != SIGINT)
		kill(holder->child, (int)info.ssi_signo);
}

static void answer(struct holder *holder, int code, const char *text)
{
	struct answer *to = &holder->answer;

	to->magic = ASK_MAGIC;
	to->code = code;
	snprintf(to->text, sizeof(to->text), "%s", text);
	/* Who asked and went does not want to know. */
	(void)!send(holder->asked_fd, to, sizeof(*to), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(holder->asked_fd);
	holder->asked_fd = -1;
}

static int find_vf(struct holder *holder, const struct vio_pci_addr *addr)
{
	for (uint32_t i = 0; i < holder->n_vfs; i++) {
		struct vio_vf_info info = VIO_VF_INFO_INIT;

		if (!vio_vf_read_info(holder->vfs[i], &info) &&
		    is_same(&info.addr, addr)) {
			holder->asked_at = i;
			return 0;
		}
	}
	return -1;
}

/* A command that has its VF taken away would go on to use it. */
static void begin_release(struct holder *holder)
{
	struct vio_error err = VIO_ERROR_INIT;
	char text[96];
	int ret;

	snprintf(text, sizeof(text),
		 "a command uses it (process %d): end that, and it is released",
		 (int)holder->child);
	if (holder->child > 0) {
		answer(holder, -EBUSY, text);
		return;
	}
	ret = vio_vf_release(holder->vfs[holder->asked_at], pending_end,
			     &holder->pending, &err);
	if (ret < 0)
		answer(holder, ret, err.text);
}

static void begin_configure(struct holder *holder)
{
	struct vio_error err = VIO_ERROR_INIT;
	const int ret = vio_vf_configure(holder->vfs[holder->asked_at],
					 &holder->ask.config, &holder->answer.report,
					 pending_end, &holder->pending, &err);

	if (ret < 0)
		answer(holder, ret, err.text);
}

/* It is not open here: whoever has it open was waited for by the one who asks. */
static void begin_pause(struct holder *holder)
{
	struct vio_error err = VIO_ERROR_INIT;
	const int ret = vio_vf_pause(holder->vfs[holder->asked_at],
				     holder->ask.timeout_s * NS_PER_S, pending_end,
				     &holder->pending, &err);

	if (ret < 0)
		answer(holder, ret, err.text);
}

static void begin_resume(struct holder *holder)
{
	struct vio_error err = VIO_ERROR_INIT;
	const int ret = vio_vf_resume(holder->vfs[holder->asked_at],
				      holder->ask.has_to ? &holder->ask.to : NULL,
				      pending_end, &holder->pending, &err);

	if (ret < 0)
		answer(holder, ret, err.text);
}

static void begin_resize(struct holder *holder)
{
	struct vio_resize_params params = VIO_RESIZE_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	params.flags = VIO_RESIZE_PAUSE_HELD;
	params.n_vfs = holder->ask.n_vfs;
	params.timeout_ns = holder->ask.timeout_s * NS_PER_S;
	ret = vio_host_resize(holder->vioctl->host, &holder->ask.to, &params,
			      &holder->answer.times, pending_end, &holder->pending,
			      &err);
	if (ret < 0)
		answer(holder, ret, err.text);
}

static void (*const beginnings[ASK_KINDS])(struct holder *holder) = {
	[ASK_RELEASE] = begin_release, [ASK_CONFIGURE] = begin_configure,
	[ASK_PAUSE] = begin_pause,     [ASK_RESUME] = begin_resume,
	[ASK_RESIZE] = begin_resize,
};

static void begin(struct holder *holder)
{
	const uint32_t kind = holder->ask.kind;

	holder->pending = (struct pending)PENDING_INIT;
	holder->answer = (struct answer){
		.report = VIO_VF_REPORT_INIT,
		.times = VIO_RESIZE_TIMES_INIT,
	};
	if (find_vf(holder, &holder->ask.addr) < 0)
		answer(holder, -ESTALE, "it has been released meanwhile");
	else if (kind < ASK_KINDS && beginnings[kind])
		beginnings[kind](holder);
	else
		answer(holder, -EOPNOTSUPP, "its holder is an older vioctl");
}

static void end(struct holder *holder)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	/* The handle is gone, whatever came of it. */
	if (holder->ask.kind == ASK_RELEASE)
		holder->vfs[holder->asked_at] = holder->vfs[--holder->n_vfs];
	else if (!vio_vf_read_info(holder->vfs[holder->asked_at], &info))
		holder->answer.addr = info.addr;
	answer(holder, holder->pending.result, holder->pending.err.text);
}

/* Whoever connects and says nothing holds this up for a second, not for good. */
static void take_request(struct holder *holder)
{
	const struct timeval second = { .tv_sec = 1 };
	const int fd = accept4(holder->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	if (recv(fd, &holder->ask, sizeof(holder->ask), 0) != sizeof(holder->ask) ||
	    holder->ask.magic != ASK_MAGIC) {
		close(fd);
		return;
	}
	holder->asked_fd = fd;
	begin(holder);
}

static int is_finished(const struct holder *holder)
{
	return holder->asked_fd < 0 &&
	       (holder->is_stopping || (!holder->n_vfs && holder->child <= 0));
}

static int serve(struct holder *holder)
{
	struct vio_ctx *ctx = holder->vioctl->ctx;
	struct pollfd fds[] = {
		{ .fd = vio_ctx_get_fd(ctx), .events = POLLIN },
		{ .fd = holder->signal_fd, .events = POLLIN },
		{ .fd = holder->listen_fd, .events = POLLIN },
	};

	while (!is_finished(holder)) {
		/* The next one waits in the backlog. */
		if (poll(fds, holder->asked_fd < 0 ? 3 : 2, -1) < 0 && errno != EINTR)
			return fail(-errno, "poll");
		if (fds[1].revents)
			take_signal(holder);
		if (holder->asked_fd < 0 && fds[2].revents)
			take_request(holder);
		vio_ctx_dispatch(ctx, DISPATCH_MAX);
		if (holder->asked_fd >= 0 && holder->pending.is_done)
			end(holder);
	}
	return EXIT_DONE;
}

/* As a shell tells it. */
static int child_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int holder_listen(struct holder *holder)
{
	holder->asked_fd = -1;
	holder->listen_fd = ask_listen(holder->vioctl);
	return holder->listen_fd < 0 ? EXIT_FAILED : EXIT_DONE;
}

int holder_run(struct holder *holder, char **argv)
{
	int code = EXIT_DONE;

	if (argv)
		code = start_child(holder, argv);
	if (code == EXIT_DONE)
		code = serve(holder);
	ask_unlisten(holder->vioctl, holder->listen_fd);
	if (code == EXIT_DONE && argv)
		code = child_code(holder->child_status);
	return code;
}

/* Left over only if this process can no longer wait for it. */
static void end_child(struct holder *holder)
{
	if (holder->child <= 0)
		return;
	kill(holder->child, SIGKILL);
	waitpid(holder->child, &holder->child_status, 0);
	holder->child = 0;
}

int holder_release(struct holder *holder, int code)
{
	end_child(holder);
	while (holder->n_vfs) {
		struct pending pending = PENDING_INIT;
		const int ret = vio_vf_release(holder->vfs[--holder->n_vfs],
					       pending_end, &pending, &pending.err);
		const int end =
			pending_wait(holder->vioctl, &pending, ret, "releasing");

		if (end != EXIT_DONE && code == EXIT_DONE)
			code = end;
	}
	return code;
}
