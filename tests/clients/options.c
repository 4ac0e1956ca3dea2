/* SPDX-License-Identifier: MIT */
/* The command line. */
#include <getopt.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"

static const char help[] =
	"Usage: net_source --socket PATH [options]\n"
	"A vhost-user-net device that sends numbered packets and accounts for those\n"
	"that its client sends back.\n"
	"\n"
	"  --socket PATH      listen there\n"
	"  --client           connect there instead, trying until somebody listens\n"
	"  --queues N         pairs of queues, 1 or 2\n"
	"  --packets N        over all pairs, for each connection; 0: send none, end\n"
	"                     with the first DHCPDISCOVER of the client\n"
	"  --frame BYTES      60 to 3000; default 60\n"
	"  --features LIST    offer these, of indirect,event-idx,in-order,mergeable;\n"
	"                     default indirect,event-idx\n"
	"  --connections N    serve as many, one after another; default 1\n"
	"  --limit SECONDS    give up after that; default 60\n"
	"  --accept-unsealed  take guest memory without F_SEAL_SHRINK\n";

enum {
	OPTION_SOCKET = 256,
	OPTION_CLIENT,
	OPTION_QUEUES,
	OPTION_PACKETS,
	OPTION_FRAME,
	OPTION_FEATURES,
	OPTION_CONNECTIONS,
	OPTION_LIMIT,
	OPTION_ACCEPT_UNSEALED,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "client", no_argument, NULL, OPTION_CLIENT },
	{ "queues", required_argument, NULL, OPTION_QUEUES },
	{ "packets", required_argument, NULL, OPTION_PACKETS },
	{ "frame", required_argument, NULL, OPTION_FRAME },
	{ "features", required_argument, NULL, OPTION_FEATURES },
	{ "connections", required_argument, NULL, OPTION_CONNECTIONS },
	{ "limit", required_argument, NULL, OPTION_LIMIT },
	{ "accept-unsealed", no_argument, NULL, OPTION_ACCEPT_UNSEALED },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static const struct {
	const char *name;
	uint64_t queue_feature;
	uint64_t net_feature;
} features[] = {
	{ "indirect", VIO_F_INDIRECT_DESC, 0 },
	{ "event-idx", VIO_F_EVENT_IDX, 0 },
	{ "in-order", VIO_F_IN_ORDER, 0 },
	{ "mergeable", 0, UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF },
};

static int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || *out < min || *out > max)
		return complain("%s is no number from %llu to %llu", text,
				(unsigned long long)min, (unsigned long long)max);
	return 0;
}

static int parse_small(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t number;
	int ret = parse_number(text, min, max, &number);

	if (!ret)
		*out = (uint32_t)number;
	return ret;
}

static int parse_feature(const char *name, size_t n, struct options *options)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++)
		if (strlen(features[i].name) == n &&
		    memcmp(features[i].name, name, n) == 0) {
			options->queue_features |= features[i].queue_feature;
			options->net_features |= features[i].net_feature;
			return 0;
		}
	return complain("--features: %s is not known", name);
}

static int parse_features(const char *list, struct options *options)
{
	options->queue_features = 0;
	options->net_features = 0;
	while (*list) {
		const size_t n = strcspn(list, ",");

		if (parse_feature(list, n, options) < 0)
			return -1;
		list += n + (list[n] == ',');
	}
	return 0;
}

static int parse_option(int option, struct options *options)
{
	switch (option) {
	case OPTION_SOCKET:
		options->socket = optarg;
		return 0;
	case OPTION_CLIENT:
		options->is_client = 1;
		return 0;
	case OPTION_QUEUES:
		return parse_small(optarg, 1, PAIRS_MAX, &options->n_pairs);
	case OPTION_PACKETS:
		return parse_number(optarg, 0, UINT32_MAX, &options->n_packets);
	case OPTION_FRAME:
		return parse_small(optarg, FRAME_BYTES_MIN, FRAME_BYTES_MAX,
				   &options->frame_bytes);
	case OPTION_FEATURES:
		return parse_features(optarg, options);
	case OPTION_CONNECTIONS:
		return parse_small(optarg, 1, 100, &options->n_connections);
	case OPTION_LIMIT:
		return parse_small(optarg, 1, 3600, &options->limit_seconds);
	case OPTION_ACCEPT_UNSEALED:
		options->accepts_unsealed = 1;
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
	int option;

	*options = (struct options){
		.queue_features = VIO_F_INDIRECT_DESC | VIO_F_EVENT_IDX,
		.frame_bytes = FRAME_BYTES_MIN,
		.n_pairs = 1,
		.n_connections = 1,
		.limit_seconds = 60,
	};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		const int ret = parse_option(option, options);

		if (ret)
			return ret;
	}
	if (!options->socket || optind != argc)
		return complain("give --socket PATH; see --help");
	return 0;
}
