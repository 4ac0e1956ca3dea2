/* SPDX-License-Identifier: MIT */
/* The command line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk.h"
#include "say.h"

static const char help[] =
	"Usage: vio-blk --socket PATH [options] IMAGE\n"
	"       vio-blk --shared --socket PATH --socket PATH... [options] IMAGE...\n"
	"Serves a raw image or a block device as a vhost-user-blk device.\n"
	"\n"
	"  --socket PATH      listen there; one connection at a time\n"
	"  --queues N         queues, each with a thread; default 1, at most 64\n"
	"  --shared           serve several guests on one thread: a socket and an\n"
	"                     image for each, at most 16\n"
	"  --guard            with --shared: fair turns, and action against floods,\n"
	"                     told on stderr; \"guard\" into the control pipe for more\n"
	"  --read-only        refuse writes; several may then share an image\n"
	"  --serial TEXT      serial number of the disk, up to 20 bytes\n"
	"  --limit bytes=RATE,ops=RATE\n"
	"                     a second, over all queues; K, M, G are powers of 1000;\n"
	"                     0 or left out: unlimited\n"
	"  --control FIFO     make a named pipe and read lines from it, such as\n"
	"                     limit bytes=50M,ops=0\n"
	"  --accept-unsealed  take guest memory without F_SEAL_SHRINK; the other side\n"
	"                     can then kill this process by making it shorter\n"
	"  --once             end when the first connection does\n"
	"  --help             print this\n"
	"\n"
	"SIGTERM and SIGINT finish the open requests and end the program; a second\n"
	"one ends it at once. QEMU connects to it with\n"
	"  -chardev socket,id=c,path=PATH -device vhost-user-blk-pci,chardev=c\n"
	"  -object memory-backend-memfd,id=m,size=1G,share=on -machine memory-backend=m\n";

/* A thread and an io_uring for each: more than any guest has processors to use. */
#define QUEUES_MAX 64

enum {
	OPTION_SOCKET = 256,
	OPTION_QUEUES,
	OPTION_READ_ONLY,
	OPTION_SERIAL,
	OPTION_LIMIT,
	OPTION_CONTROL,
	OPTION_ACCEPT_UNSEALED,
	OPTION_ONCE,
	OPTION_SHARED,
	OPTION_GUARD,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "queues", required_argument, NULL, OPTION_QUEUES },
	{ "read-only", no_argument, NULL, OPTION_READ_ONLY },
	{ "serial", required_argument, NULL, OPTION_SERIAL },
	{ "limit", required_argument, NULL, OPTION_LIMIT },
	{ "control", required_argument, NULL, OPTION_CONTROL },
	{ "accept-unsealed", no_argument, NULL, OPTION_ACCEPT_UNSEALED },
	{ "once", no_argument, NULL, OPTION_ONCE },
	{ "shared", no_argument, NULL, OPTION_SHARED },
	{ "guard", no_argument, NULL, OPTION_GUARD },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int parse_queues(const char *text, struct options *options)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < 1 || n > QUEUES_MAX)
		return complain("--queues %s: give a number from 1 to %d", text,
				QUEUES_MAX);
	options->n_queues = (uint32_t)n;
	return 0;
}

static int parse_serial(const char *text, struct options *options)
{
	if (strlen(text) > VIRTIO_BLK_ID_BYTES)
		return complain("--serial %s: at most %d bytes", text,
				VIRTIO_BLK_ID_BYTES);
	options->serial = text;
	return 0;
}

static int parse_limit(const char *text, struct options *options)
{
	const char *why;

	if (throttle_parse(text, &options->bytes_per_sec, &options->ops_per_sec, &why))
		return complain("--limit %s: %s", text, why);
	return 0;
}

static int add_socket(const char *path, struct options *options)
{
	if (options->n_tenants == TENANTS_MAX)
		return complain("--socket %s: at most %d guests", path, TENANTS_MAX);
	options->sockets[options->n_tenants++] = path;
	return 0;
}

static int check_tenants(int n_images, const struct options *options)
{
	if (!options->n_tenants)
		return complain("give --socket PATH, or --help for a summary");
	if (options->n_tenants > 1 && !options->is_shared)
		return complain("several guests need --shared");
	if (options->is_guarded && !options->is_shared)
		return complain("--guard needs --shared: it is between guests");
	if (options->n_tenants == 1 && n_images != 1)
		return complain("give one IMAGE, or --help for a summary");
	if (n_images != (int)options->n_tenants)
		return complain("give an IMAGE for each --socket, in their order");
	return 0;
}

static int parse_option(int option, struct options *options)
{
	switch (option) {
	case OPTION_SOCKET:
		return add_socket(optarg, options);
	case OPTION_QUEUES:
		return parse_queues(optarg, options);
	case OPTION_READ_ONLY:
		options->is_read_only = 1;
		return 0;
	case OPTION_SERIAL:
		return parse_serial(optarg, options);
	case OPTION_LIMIT:
		return parse_limit(optarg, options);
	case OPTION_CONTROL:
		options->control = optarg;
		return 0;
	case OPTION_ACCEPT_UNSEALED:
		options->accepts_unsealed = 1;
		return 0;
	case OPTION_ONCE:
		options->is_once = 1;
		return 0;
	case OPTION_SHARED:
		options->is_shared = 1;
		return 0;
	case OPTION_GUARD:
		options->is_guarded = 1;
		return 0;
	case OPTION_HELP:
		fputs(help, stdout);
		return 1;
	default: /* getopt has complained */
		return -1;
	}
}

int options_parse(int argc, char **argv, struct options *options)
{
	int option, ret;

	*options = (struct options){ .n_queues = 1, .serial = "vio-blk" };
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		ret = parse_option(option, options);
		if (ret)
			return ret;
	}
	if (check_tenants(argc - optind, options) < 0)
		return -1;
	for (uint32_t i = 0; i < options->n_tenants; i++)
		options->images[i] = argv[optind + (int)i];
	return 0;
}
