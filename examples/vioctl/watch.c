/* SPDX-License-Identifier: MIT */
/*
 * vioctl watch: a line for each event, written out at once so that a pipe sees it
 * when it happens.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "inventory.h"
#include "say.h"

static const char help[] =
	"Usage: vioctl watch [--count N] [--json]\n"
	"Prints what happens to functions, a line each, until SIGINT or SIGTERM:\n"
	"added, removed, bound, unbound, vfs_changed (of a PF: its set of VFs is\n"
	"complete), aer_begin, aer_failed, aer_recovered, config (of a PF: its interface\n"
	"or a VF's settings), lost (events were: list anew). The first line, watching,\n"
	"says that nothing after it is missed.\n"
	"\n"
	"  --count N  end after N events\n"
	"\n"
	"JSON: an object a line: event, address, time_ns (since 1970).\n";

static struct values {
	uint32_t count;
} values;

static const struct option_spec options[] = {
	{ .name = "count",
	  .kind = OPTION_NUMBER,
	  .offset = offsetof(struct values, count),
	  .min = 1,
	  .max = UINT32_MAX },
	{ .name = NULL },
};

struct watch {
	int is_json;
	uint32_t n_events;
};

static const char *event_name(uint32_t type)
{
	static const char *const names[] = {
		"watching",      "added",       "removed",   "bound",
		"unbound",       "vfs_changed", "aer_begin", "aer_failed",
		"aer_recovered", "config",      "lost",
	};

	return type < sizeof(names) / sizeof(*names) ? names[type] : "unknown";
}

static void print_line(const char *name, const struct vio_pci_addr *addr,
		       const struct timespec *now)
{
	char address[VIO_PCI_ADDR_TEXT_BYTES] = "", clock[16] = "";
	struct tm local;

	if (addr)
		vio_pci_addr_print(addr, address);
	if (localtime_r(&now->tv_sec, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	printf("%s.%03ld %s%s%s\n", clock, now->tv_nsec / 1000000, name,
	       *address ? " " : "", address);
}

static void print_object(const char *name, const struct vio_pci_addr *addr,
			 const struct timespec *now)
{
	struct out out;

	out_begin(&out, 1);
	out_text(&out, "event", name);
	if (addr)
		address_print(&out, "address", addr);
	else
		out_null(&out, "address");
	out_number(&out, "time_ns",
		   (uint64_t)now->tv_sec * UINT64_C(1000000000) +
			   (uint64_t)now->tv_nsec);
	out_finish(&out);
}

static void
say(const struct watch *watch, uint32_t type, const struct vio_pci_addr *addr)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (watch->is_json)
		print_object(event_name(type), addr, &now);
	else
		print_line(event_name(type), addr, &now);
	fflush(stdout);
}

static void take_event(void *opaque, const struct vio_host_event *event)
{
	struct watch *watch = opaque;

	if (values.count && watch->n_events == values.count)
		return;
	watch->n_events++;
	say(watch, event->type, event->type == VIO_HOST_LOST ? NULL : &event->addr);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int watch_events(struct vioctl *vioctl, struct watch *watch)
{
	struct pollfd fds[] = {
		{ .fd = vio_ctx_get_fd(vioctl->ctx), .events = POLLIN },
		{ .fd = open_signals(), .events = POLLIN },
	};

	if (fds[1].fd < 0)
		return fail(-errno, "signals cannot be waited for");
	say(watch, 0, NULL);
	while (!values.count || watch->n_events < values.count) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents || ferror(stdout))
			break;
		vio_ctx_dispatch(vioctl->ctx, 64);
	}
	close(fds[1].fd);
	return EXIT_DONE;
}

static int run(struct vioctl *vioctl, int argc, char **argv)
{
	struct watch watch = { .is_json = vioctl->common.is_json };
	int code;

	if (argc) {
		complain("watch: %s: it takes options alone, see --help", argv[0]);
		return EXIT_USAGE;
	}
	code = session_open(vioctl, take_event, &watch);
	if (code == EXIT_DONE)
		code = watch_events(vioctl, &watch);
	return session_close(vioctl, code);
}

const struct command command_watch = { "watch", help, options, run, &values, NULL };
