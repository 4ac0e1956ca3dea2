/* SPDX-License-Identifier: MIT */
/*
 * What the source says on standard output, for the script that runs it: a line for
 * each stage of a connection, and its account at the end.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "source.h"

/* So many came back: it works, and there is something to interrupt. */
#define UNDER_WAY 10000u

/* Far above what a client needs to be scheduled on a machine that is busy. */
#define STALL_NS UINT64_C(5000000000)

int complain(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("net_source: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return -1;
}

__attribute__((format(printf, 2, 3))) static void
say(const struct source *source, const char *format, ...)
{
	va_list args;

	printf("connection %u ", source->n_served);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static struct tally sum(const struct source *source)
{
	struct tally sum = { 0 };

	for (uint32_t i = 0; i < source->n_streams; i++) {
		const struct tally *tally = &source->streams[i].tally;

		sum.sent += tally_read(&tally->sent);
		sum.returned += tally_read(&tally->returned);
		sum.strays += tally_read(&tally->strays);
		sum.altered += tally_read(&tally->altered);
		sum.reordered += tally_read(&tally->reordered);
		sum.foreign += tally_read(&tally->foreign);
		sum.discovers += tally_read(&tally->discovers);
	}
	return sum;
}

static int is_done(const struct source *source)
{
	for (uint32_t i = 0; i < source->n_streams; i++)
		if (!stream_is_done(&source->streams[i]))
			return 0;
	return 1;
}

void report_progress(struct source *source)
{
	const struct tally tally = sum(source);
	const uint64_t now_ns = clock_ns();

	/* A source without packets waits for the first foreign one of interest. */
	if (!source->options.n_packets && !tally.discovers)
		return;
	if (tally.returned != source->n_returned)
		source->moved_ns = now_ns;
	source->n_returned = tally.returned;
	if (!source->is_under_way && tally.returned >= UNDER_WAY) {
		say(source, "is under way");
		source->is_under_way = 1;
	}
	if (source->has_rested)
		return;
	source->has_rested = 1;
	if (is_done(source))
		say(source, "is through");
	else if (source->n_running && now_ns - source->moved_ns > STALL_NS)
		say(source, "stalls");
	else
		source->has_rested = 0;
}

static uint64_t duration_ns(const struct source *source)
{
	uint64_t begin_ns = UINT64_MAX, end_ns = 0;

	for (uint32_t i = 0; i < source->n_streams; i++) {
		const struct stream *stream = &source->streams[i];

		begin_ns = stream->begin_ns < begin_ns ? stream->begin_ns : begin_ns;
		end_ns = stream->end_ns > end_ns ? stream->end_ns : end_ns;
	}
	return end_ns > begin_ns ? end_ns - begin_ns : 0;
}

void report_end(const struct source *source)
{
	struct vio_meters meters = VIO_METERS_INIT;
	const struct tally tally = sum(source);

	vio_dom_read_meters(source->dom, &meters);
	say(source,
	    "ended reason=%s features=0x%" PRIx64 " sent=%" PRIu64 " returned=%" PRIu64
	    " altered=%" PRIu64 " strays=%" PRIu64 " reordered=%" PRIu64
	    " foreign=%" PRIu64 " discovers=%" PRIu64 " kicks=%" PRIu64
	    " faults=%" PRIu64 " ns=%" PRIu64,
	    source->reason ? strerrorname_np(-source->reason) : "peer",
	    source->features, tally.sent, tally.returned, tally.altered, tally.strays,
	    tally.reordered, tally.foreign, tally.discovers, meters.kicks,
	    meters.faults, duration_ns(source));
}
