/* SPDX-License-Identifier: MIT */
/*
 * How do tenants share a device? Red is assured of 6 GB/s of a 10 GB/s device, blue of
 * 1. While red is idle blue borrows what it leaves; when red wakes it has its 6 GB/s
 * at once, and the rest is divided by weight. Both wait in line, and one call serves
 * whoever is due.
 */
#include <stdio.h>
#include <stdlib.h>

#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/limit.h>
#include <vio/vio.h>

#define GB            UINT64_C(1000000000)
#define REQUEST_BYTES 65536u
#define PHASE_NS      UINT64_C(1000000000)
#define WARM_UP_NS    UINT64_C(200000000)

struct tenant {
	struct vio_limit_waiter waiter; /* first: what ready() is given */
	struct vio_lease lease;
	struct vio_limit *limit;
	uint64_t *now_ns;
	uint64_t bytes;
	int is_busy;
};

static void check(int ret, const char *text)
{
	if (ret < 0) {
		fprintf(stderr, "error %d %s\n", ret, text);
		exit(EXIT_FAILURE);
	}
}

static struct vio_limit *
add(struct vio_limit *host, const char *name, uint64_t assured, uint32_t weight)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *limit = NULL;

	params.name = name;
	params.assured_bytes_per_sec = assured;
	params.weight = weight;
	check(vio_limit_add(host, &params, 0, &limit, &err), err.text);
	return limit;
}

/* Its turn: the request is paid for, and the next one waits. */
static void serve(struct vio_limit_waiter *waiter)
{
	struct tenant *tenant = (struct tenant *)waiter;

	check(vio_waiter_take(waiter), "take");
	check(vio_lease_take(&tenant->lease, REQUEST_BYTES, 0), "spend");
	tenant->bytes += REQUEST_BYTES;
	if (tenant->is_busy)
		check(vio_waiter_attach(waiter, &tenant->lease, *tenant->now_ns),
		      "wait");
}

static void open_tenant(struct tenant *tenant, struct vio_limit *limit, uint64_t *now)
{
	*tenant = (struct tenant){ .limit = limit, .now_ns = now };
	tenant->waiter.ready = serve;
	tenant->waiter.bytes = REQUEST_BYTES;
	check(vio_lease_attach(&tenant->lease, limit), "attach");
}

static void close_tenant(struct tenant *tenant)
{
	check(vio_waiter_detach(&tenant->waiter), "detach");
	vio_lease_detach(&tenant->lease);
	check(vio_limit_destroy(tenant->limit), "destroy");
}

static void wake(struct tenant *tenant)
{
	tenant->is_busy = 1;
	check(vio_waiter_attach(&tenant->waiter, &tenant->lease, *tenant->now_ns),
	      "wait");
}

static void run_until(struct vio_limit *host, uint64_t *now_ns, uint64_t end_ns)
{
	while (*now_ns < end_ns) {
		uint64_t next_ns;

		check(vio_limit_dispatch(host, *now_ns, 1000, &next_ns), "dispatch");
		*now_ns = next_ns > *now_ns ? next_ns : *now_ns + 1;
	}
}

/* What both get in a second, after what was saved up is spent. */
static void run_phase(struct vio_limit *host, struct tenant *tenants, uint64_t *now_ns,
		      const char *what)
{
	run_until(host, now_ns, *now_ns + WARM_UP_NS);
	tenants[0].bytes = tenants[1].bytes = 0;
	run_until(host, now_ns, *now_ns + PHASE_NS);
	printf("%-24s red %5.2f GB/s   blue %5.2f GB/s\n", what,
	       (double)tenants[0].bytes / (double)GB,
	       (double)tenants[1].bytes / (double)GB);
}

static int is_near(uint64_t bytes, double rate)
{
	return (double)bytes > 0.98 * rate && (double)bytes < 1.02 * rate;
}

int main(void)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct tenant tenants[2];
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *host;
	uint64_t now_ns = 0;
	int is_good;

	params.name = "host";
	params.bytes_per_sec = 10 * GB;
	params.burst_bytes = GB / 10;
	check(vio_limit_create(NULL, &params, now_ns, &host, &err), err.text);
	open_tenant(&tenants[0], add(host, "red", 6 * GB, 100), &now_ns);
	open_tenant(&tenants[1], add(host, "blue", 1 * GB, 200), &now_ns);

	wake(&tenants[1]);
	run_phase(host, tenants, &now_ns, "red is idle");
	is_good = is_near(tenants[1].bytes, 10e9);
	wake(&tenants[0]);
	run_phase(host, tenants, &now_ns, "both want all they get");
	is_good &= is_near(tenants[0].bytes, 7e9) && is_near(tenants[1].bytes, 3e9);
	tenants[1].is_busy = 0;
	run_phase(host, tenants, &now_ns, "blue is idle");
	is_good &= is_near(tenants[0].bytes, 10e9);

	close_tenant(&tenants[0]);
	close_tenant(&tenants[1]);
	check(vio_limit_destroy(host), "destroy");
	return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
