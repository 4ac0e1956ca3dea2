/* SPDX-License-Identifier: MIT */
/*
 * The command line, and a report a line for each ID. Descriptors and mappings of
 * the device are counted before and after all turns of an ID; what it closes after
 * the connection has ended is waited for.
 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostile/hostile.h"

/* Turns after which the allocator of the other side has what it needs. */
#define WARM_TURNS 10

/* What it may still map from then on; a leak would be one for each turn. */
#define MAPS_SLACK 24

static const char help[] =
	"Usage: vio-hostile (--socket PATH | --in-process) [options]\n"
	"Attacks a vhost-user back end, or libvio's own queue, and reports by ID what\n"
	"becomes of it. Exits with 0 if it survived all.\n"
	"\n"
	"  --socket PATH    of a back end that listens there\n"
	"  --in-process     a queue of libvio in this process\n"
	"  --device KIND    blk, net or any (any kind of disk, say): what is a good\n"
	"                   request; default blk\n"
	"  --queue N        to attack; default 0, for net 1, which sends\n"
	"  --pinned         demand what libvio answers, not only survival\n"
	"  --id LIST        only these, separated by commas\n"
	"  --repeat N       each of them so often; default 1\n"
	"  --window MS      to measure processor time in; default 1000\n"
	"  --timeout MS     for an answer; default 1000\n"
	"  --json           one object a line\n"
	"  --list           print IDs, names and what libvio answers\n";

static const struct attacks *const all_attacks[] = {
	&chain_attacks,   &table_attacks,  &ring_attacks,    &setup_attacks,
	&message_attacks, &memory_attacks, &running_attacks, &known_attacks,
};

enum {
	OPTION_SOCKET = 256,
	OPTION_INSIDE,
	OPTION_DEVICE,
	OPTION_QUEUE,
	OPTION_PINNED,
	OPTION_ID,
	OPTION_REPEAT,
	OPTION_WINDOW,
	OPTION_TIMEOUT,
	OPTION_JSON,
	OPTION_LIST,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "in-process", no_argument, NULL, OPTION_INSIDE },
	{ "device", required_argument, NULL, OPTION_DEVICE },
	{ "queue", required_argument, NULL, OPTION_QUEUE },
	{ "pinned", no_argument, NULL, OPTION_PINNED },
	{ "id", required_argument, NULL, OPTION_ID },
	{ "repeat", required_argument, NULL, OPTION_REPEAT },
	{ "window", required_argument, NULL, OPTION_WINDOW },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static void usage_error(const char *text)
{
	fprintf(stderr, "vio-hostile: %s; --help tells more\n", text);
	exit(2);
}

static uint32_t parse_number(const char *text, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < min || n > max)
		usage_error("a number is out of range");
	return (uint32_t)n;
}

static enum device_kind parse_device(const char *text)
{
	static const char *const names[] = { "blk", "net", "any" };

	for (unsigned int i = 0; i < 3; i++)
		if (!strcmp(text, names[i]))
			return (enum device_kind)i;
	usage_error("--device is blk, net or any");
	return DEVICE_ANY;
}

static void parse_option(int option, struct options *options)
{
	switch (option) {
	case OPTION_SOCKET:
		options->socket = optarg;
		break;
	case OPTION_INSIDE:
		options->is_inside = options->is_pinned = true;
		break;
	case OPTION_DEVICE:
		options->device = parse_device(optarg);
		break;
	case OPTION_QUEUE:
		options->queue = parse_number(optarg, 0, 255);
		break;
	case OPTION_PINNED:
		options->is_pinned = true;
		break;
	case OPTION_ID:
		options->ids = optarg;
		break;
	case OPTION_REPEAT:
		options->repeat = parse_number(optarg, 1, 1000000);
		break;
	case OPTION_WINDOW:
		options->window_ms = (int)parse_number(optarg, 10, 60000);
		break;
	case OPTION_TIMEOUT:
		options->timeout_ms = (int)parse_number(optarg, 10, 60000);
		break;
	case OPTION_JSON:
		options->is_json = true;
		break;
	case OPTION_LIST:
		options->is_list = true;
		break;
	case OPTION_HELP:
		fputs(help, stdout);
		exit(0);
	default: /* getopt has complained */
		exit(2);
	}
}

static void parse_options(int argc, char **argv, struct options *options)
{
	int option;

	*options = (struct options){
		.repeat = 1,
		.queue = UINT32_MAX,
		.window_ms = 1000,
		.timeout_ms = 1000,
	};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		parse_option(option, options);
	if (options->queue == UINT32_MAX)
		options->queue = options->device == DEVICE_NET;
	if (options->is_inside) /* what serves it fills what it is given */
		options->device = DEVICE_ANY;
	if (optind != argc ||
	    (!options->is_list && options->is_inside == (options->socket != NULL)))
		usage_error("give --socket PATH or --in-process");
}

/* Whole names in the list, and an ID without its letter stands for all of it. */
static bool is_selected(const struct options *options, const char *id)
{
	const size_t n = strlen(id);
	const char *at = options->ids;

	while (at) {
		const size_t n_at = strcspn(at, ",");

		if (n_at >= 5 && n - n_at <= 1 && !strncmp(at, id, n_at))
			return true;
		at = at[n_at] ? at + n_at + 1 : NULL;
	}
	return !options->ids;
}

static const char *name_verdict(uint32_t verdict)
{
	switch (verdict) {
	case LATCHED:
		return "survived: latched";
	case REFUSED:
		return "survived: refused";
	case SERVED:
		return "survived: served harmlessly";
	case LATCHED | SERVED:
		return "survived: latched, or served harmlessly";
	default:
		return "FAILED";
	}
}

static const char *name_target(const struct hostile *h)
{
	return h->options.is_inside ? "in-process" : "socket";
}

static void
report(const struct hostile *h, const struct attack *attack, uint32_t verdict)
{
	const char *how = h->failure[0] ? "FAILED" : name_verdict(verdict);

	if (h->options.is_json)
		printf("{\"id\": \"%s\", \"name\": \"%s\", \"verdict\": \"%s\", "
		       "\"why\": \"%s\", \"turns\": %u}\n",
		       attack->id, attack->name, how, h->failure, h->options.repeat);
	else
		printf("%s - %s/%s %s: %s%s%s\n", h->failure[0] ? "not ok" : "ok",
		       name_target(h), attack->id, attack->name, how,
		       h->failure[0] ? ": " : "", h->failure);
	fflush(stdout);
}

static void
report_absent(const struct hostile *h, const struct attack *attack, const char *why)
{
	if (h->options.is_json)
		printf("{\"id\": \"%s\", \"name\": \"%s\", \"verdict\": "
		       "\"not applicable\", \"why\": \"%s\", \"turns\": 0}\n",
		       attack->id, attack->name, why);
	else
		printf("# %s %s: not applicable: %s\n", attack->id, attack->name, why);
}

struct counts {
	int fds, guest_maps, maps;
};

static struct counts count(const struct hostile *h)
{
	const pid_t pid = h->options.is_inside ? getpid() : h->front.pid;

	return (struct counts){
		.fds = count_fds(pid),
		.guest_maps = count_maps(pid, true),
		.maps = count_maps(pid, false),
	};
}

/* Its own mappings are the allocator's: compared within the turns of one ID. */
static bool has_grown(const struct counts *now, const struct counts *before)
{
	return now->fds > before->fds || now->guest_maps > before->guest_maps ||
	       now->maps > before->maps + MAPS_SLACK;
}

/* The other side closes when it has noticed: within the time for an answer. */
static void verify_counts(struct hostile *h, struct counts *before)
{
	const uint64_t end = now_ms() + (uint64_t)h->options.timeout_ms;
	struct counts now = count(h);

	while (has_grown(&now, before) && now_ms() < end) {
		poll(NULL, 0, 1);
		now = count(h);
	}
	if (has_grown(&now, before))
		fail(h,
		     "descriptors %d to %d, guest mappings %d to %d, mappings %d to %d",
		     before->fds, now.fds, before->guest_maps, now.guest_maps,
		     before->maps, now.maps);
	if (h->failure[0]) /* of this ID, not of those that follow */
		*before = now;
}

static void verify_wanted(struct hostile *h, const struct attack *attack, uint32_t got)
{
	const uint32_t wants =
		h->options.is_inside ? attack->wants_inside : attack->wants_socket;

	if (h->options.is_pinned && got && !(got & wants))
		fail(h, "%s, not %s", name_verdict(got), name_verdict(wants));
}

static void
attack_all_turns(struct hostile *h, const struct attack *attack, struct counts *before)
{
	uint32_t verdict = 0;

	h->failure[0] = 0;
	for (uint32_t turn = 0; turn < h->options.repeat && !h->failure[0]; turn++) {
		verdict = attack_judge(h, attack, turn);
		verify_wanted(h, attack, verdict);
		if (turn < WARM_TURNS)
			before->maps = count(h).maps;
	}
	verify_counts(h, before);
	report(h, attack, verdict);
	h->n_judged++;
	h->n_failed += h->failure[0] != 0;
}

static void
attack_list(struct hostile *h, const struct attacks *attacks, struct counts *before)
{
	for (size_t i = 0; i < attacks->n; i++) {
		const struct attack *attack = &attacks->list[i];
		const char *why;

		if (!is_selected(&h->options, attack->id))
			continue;
		if (!attack_applies(h, attack, &why))
			report_absent(h, attack, why);
		else
			attack_all_turns(h, attack, before);
	}
}

static void idle(struct hostile *h)
{
	(void)h;
}

static uint32_t count_queues(const struct hostile *h)
{
	return h->options.is_inside ? N_RINGS : h->front.n_queues;
}

/* Once the back end has closed what the connection brought; it has time for that. */
static struct counts count_settled(const struct hostile *h)
{
	const uint64_t end = now_ms() + (uint64_t)h->options.timeout_ms;
	struct counts now = count(h), last;

	do {
		last = now;
		poll(NULL, 0, 10);
		now = count(h);
	} while ((now.guest_maps > h->options.is_inside || now.fds != last.fds) &&
		 now_ms() < end);
	return now;
}

/* A front end that means well: tells what is offered, and what is there before. */
static void prepare(struct hostile *h, struct counts *out)
{
	static const struct attack none = { "none", "no attack", AT_RUNNING, SERVED,
					    SERVED, idle,        0,          NULL };

	guest_create(h);
	guest_reset(h);
	if (h->target->open(h) == 0) {
		h->has_bystander = h->rings[BYSTANDER].queue < count_queues(h);
		h->target->close(h);
	}
	if (!h->failure[0])
		verify_wanted(h, &none, attack_judge(h, &none, 0));
	if (h->failure[0]) {
		fprintf(stderr, "vio-hostile: without an attack: %s\n", h->failure);
		exit(2);
	}
	*out = count_settled(h);
}

static void print_figures(const struct hostile *h)
{
	printf("{\"hostile\": \"%s\", \"ids\": %u, \"failed\": %u, \"turns\": %u, "
	       "\"cpu_percent_after_latch_max\": %u.%02u}\n",
	       name_target(h), h->n_judged, h->n_failed, h->options.repeat,
	       (unsigned int)h->cpu_permyriad / 100,
	       (unsigned int)h->cpu_permyriad % 100);
}

static void print_list(void)
{
	for (size_t i = 0; i < sizeof(all_attacks) / sizeof(all_attacks[0]); i++)
		for (size_t k = 0; k < all_attacks[i]->n; k++) {
			const struct attack *attack = &all_attacks[i]->list[k];

			printf("%-14s %-52s %s\n", attack->id, attack->name,
			       attack->wants_socket ? name_verdict(attack->wants_socket)
						    : attack->why);
		}
}

int main(int argc, char **argv)
{
	static struct hostile h;
	struct counts before;

	parse_options(argc, argv, &h.options);
	if (h.options.is_list) {
		print_list();
		return 0;
	}
	h.target = h.options.is_inside ? &inside_target : &socket_target;
	prepare(&h, &before);
	for (size_t i = 0; i < sizeof(all_attacks) / sizeof(all_attacks[0]); i++)
		attack_list(&h, all_attacks[i], &before);
	print_figures(&h);
	/* Nothing attacked is nothing shown: an ID that is not in the list, say. */
	return h.n_judged && !h.n_failed ? 0 : 1;
}
