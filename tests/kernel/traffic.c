/* SPDX-License-Identifier: MIT */
/*
 * Traffic between the kernel's side of a ring and libvio's: traffic SEED COUNT
 * passes COUNT buffers or more, spread over every pairing, feature, order of
 * completion and several sizes of ring, first by turns and then on two threads.
 * The kernel's driver on the kernel's device is there to show that the test asks
 * for nothing that the kernel does not do.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "traffic.h"

#define WRAPS 70000u /* requests that an index of 16 bits does not hold */

static const struct pairing {
	const char *name;
	const struct driver_ops *driver;
	const struct device_ops *device;
	int is_device_ordered; /* the device implements VIRTIO_F_IN_ORDER */
	int is_driver_ordered;
} pairings[] = {
	{ "virtio_ring_on_libvio", &driver_kernel, &device_vio, 1, 0 },
	{ "libvio_on_vringh", &driver_vio, &device_kernel, 0, 1 },
	{ "virtio_ring_on_vringh", &driver_kernel, &device_kernel, 0, 0 },
};
#define N_PAIRINGS (sizeof(pairings) / sizeof(pairings[0]))

static const char *const feature_names[] = {
	"plain",
	"with_indirect",
	"with_event_idx",
	"with_indirect_and_event_idx",
};
#define N_FEATURES 4u

/* The order of completion: as they come, any, any but shown in order. */
enum order { FIFO, ANY, IN_ORDER, N_ORDERS };

static const uint32_t sizes[] = { 1, 4, 32, 256 };
#define N_SIZES 4u

static const struct way {
	const char *name;
	int (*run)(struct traffic *traffic);
} ways[] = { { "by_turns", simulate }, { "on_two_threads", run_threads } };
#define N_WAYS 2u

struct totals {
	uint64_t n_buffers;
	uint64_t n_kicks;
	uint64_t n_calls;
	uint32_t n_failed;
};

static struct traffic traffic; /* large */

static int run(const struct pairing *pairing, const struct way *way, uint32_t features,
	       enum order order, uint32_t n_descs, uint64_t n_total, uint64_t seed,
	       struct totals *totals)
{
	int ret;

	traffic = (struct traffic){
		.driver_ops = pairing->driver,
		.device_ops = pairing->device,
		.ring = { .n_descs = n_descs, .features = features },
		.seed = seed,
		.n_total = n_total,
		/* vringh shows what it is given, in that order. */
		.is_fifo = order == FIFO ||
			   (order == IN_ORDER && !pairing->is_device_ordered),
	};
	if (order == IN_ORDER)
		traffic.ring.features |= SIDE_IN_ORDER;
	if (traffic_open(&traffic))
		return -1;
	ret = way->run(&traffic);
	traffic_close(&traffic);
	totals->n_buffers += traffic.driver.n_taken;
	totals->n_kicks += traffic.n_kicks;
	totals->n_calls += traffic.n_calls;
	if (ret)
		printf("%s %s, features %u, order %d, %u descriptors, seed %" PRIu64
		       ": %s after %" PRIu64 " of %" PRIu64 "\n",
		       pairing->name, way->name, features, order, n_descs, seed,
		       traffic.error, traffic.driver.n_taken, n_total);
	return ret;
}

/* One test: all orders and sizes. The largest ring wraps its index. */
static void run_test(const struct pairing *pairing, const struct way *way,
		     uint32_t features, uint64_t n_total, uint64_t seed,
		     struct totals *totals)
{
	int n_bad = 0;

	for (uint32_t i = 0; i < N_ORDERS * N_SIZES && !n_bad; i++) {
		const enum order order = (enum order)(i / N_SIZES);
		const uint32_t n_descs = sizes[i % N_SIZES];
		uint64_t n = n_total / (2 * N_SIZES) + 1; /* two orders at least */

		if (order == IN_ORDER && !pairing->is_device_ordered &&
		    !pairing->is_driver_ordered)
			continue;
		if (order == ANY && n_descs == DESCS_MAX && n < WRAPS)
			n = WRAPS;
		n_bad += !!run(pairing, way, features, order, n_descs, n, seed + i,
			       totals);
	}
	printf("%s - %s_%s_%s\n", n_bad ? "not ok" : "ok", pairing->name,
	       feature_names[features], way->name);
	totals->n_failed += !!n_bad;
}

static void lose(struct traffic *lost, enum actor whom)
{
	(void)lost;
	(void)whom;
}

/* A test that would not see a lost notification shows nothing. */
static void check_test(struct totals *totals)
{
	int ret;

	traffic = (struct traffic){
		.driver_ops = &driver_vio,
		.device_ops = &device_vio,
		.ring = { .n_descs = 8 },
		.n_total = 100,
		.notify = lose,
	};
	if (traffic_open(&traffic))
		exit(1);
	ret = simulate(&traffic);
	traffic_close(&traffic);
	printf("%s - a_lost_notification_is_noticed\n", ret ? "ok" : "not ok");
	totals->n_failed += !ret;
}

int main(int argc, char **argv)
{
	const uint32_t n_tests = N_PAIRINGS * N_FEATURES * N_WAYS;
	struct totals totals = { 0 };
	uint64_t seed, n;

	if (argc != 3) {
		fprintf(stderr, "usage: traffic SEED COUNT\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = strtoull(argv[1], NULL, 0);
	n = strtoull(argv[2], NULL, 0);
	check_test(&totals);
	for (uint32_t i = 0; i < n_tests; i++)
		run_test(&pairings[i / (N_FEATURES * N_WAYS)], &ways[i % N_WAYS],
			 i / N_WAYS % N_FEATURES, n / n_tests, seed + i * 100, &totals);
	printf("{\"test\": \"ring traffic\", \"seed\": %" PRIu64
	       ", \"buffers\": %" PRIu64 ", \"kicks\": %" PRIu64 ", \"calls\": %" PRIu64
	       ", \"failed\": %u}\n",
	       seed, totals.n_buffers, totals.n_kicks, totals.n_calls, totals.n_failed);
	return !!totals.n_failed;
}
