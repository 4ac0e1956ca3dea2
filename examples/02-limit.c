/* SPDX-License-Identifier: MIT */
/*
 * How is a rate kept? Two queues share a limit, each spends from a lease of its own.
 * Time is an argument, so that a minute of it takes no time here: whoever is refused
 * is told when to ask again, and the clock moves there.
 */
#include <stdio.h>
#include <stdlib.h>

#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/limit.h>
#include <vio/vio.h>

#define N_QUEUES      2
#define REQUEST_BYTES 65536u
#define RATE          UINT64_C(50000000)
#define SECOND_NS     UINT64_C(1000000000)
#define END_NS        (60 * SECOND_NS)

static void check(int ret, const char *text)
{
	if (ret < 0) {
		fprintf(stderr, "error %d %s\n", ret, text);
		exit(EXIT_FAILURE);
	}
}

/* One request, now or at the time returned. */
static uint64_t pay(struct vio_lease *lease, uint64_t now_ns)
{
	uint64_t retry_at_ns;

	while (vio_lease_take(lease, REQUEST_BYTES, 1) < 0)
		if (vio_lease_refill(lease, now_ns, REQUEST_BYTES, 1, &retry_at_ns) < 0)
			return retry_at_ns;
	return now_ns;
}

/* Both queues ask for as much as they get; returns the bytes they got. */
static uint64_t spend(struct vio_lease *leases)
{
	uint64_t now_ns = 0, bytes = 0, next_ns[N_QUEUES] = { 0, 0 };

	while (now_ns < END_NS) {
		for (int i = 0; i < N_QUEUES; i++) {
			if (next_ns[i] > now_ns)
				continue;
			next_ns[i] = pay(&leases[i], now_ns);
			bytes += next_ns[i] == now_ns ? REQUEST_BYTES : 0;
		}
		now_ns = next_ns[0] < next_ns[1] ? next_ns[0] : next_ns[1];
	}
	return bytes;
}

int main(void)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_lease leases[N_QUEUES] = { { 0 }, { 0 } };
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *limit;
	double asked, got;

	params.bytes_per_sec = RATE;
	params.burst_bytes = 1 << 20;
	check(vio_limit_create(NULL, &params, 0, &limit, &err), err.text);
	for (int i = 0; i < N_QUEUES; i++)
		check(vio_lease_attach(&leases[i], limit), "attach");

	got = (double)(spend(leases) - params.burst_bytes);
	asked = (double)RATE * END_NS / SECOND_NS;
	printf("asked %.0f bytes in a minute, got %.0f after the first burst\n", asked,
	       got);

	for (int i = 0; i < N_QUEUES; i++)
		vio_lease_detach(&leases[i]);
	check(vio_limit_destroy(limit), "destroy");
	return got < 1.001 * asked && got > 0.999 * asked ? EXIT_SUCCESS : EXIT_FAILURE;
}
