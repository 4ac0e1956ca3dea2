/* SPDX-License-Identifier: MIT */
/*
 * 64 tenants that come and go, each asking for up to four times what it is assured
 * of, in virtual time. In every window of 100 ms who has work waiting from its
 * beginning to its end gets no less than it is assured of, one request apart; and when
 * all together ask for less than there is, all of it is served, two milliseconds
 * apart. The only argument is the number of windows.
 */
#include <stdlib.h>

#include "unit/limit/support.h"

#define MS            UINT64_C(1000000)
#define N_TENANTS     64
#define STEP_NS       (MS / 5)
#define WINDOW_NS     (100 * MS)
#define REQUEST_BYTES UINT64_C(16384)
#define ROOT_RATE     UINT64_C(1000000000)
#define SOAK_WINDOWS  10000u

static uint64_t n_windows = 500;

struct tenant {
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t assured;
	uint64_t offered; /* bytes a second, at present */
	uint64_t until_ns;
	uint64_t next_ns;
	uint64_t waiting;    /* bytes of work */
	uint64_t arrived_ns; /* bytes times nanoseconds not yet whole */
	uint64_t served;     /* in this window */
	int has_always_waited;
};

struct house {
	uint64_t seed;
	uint64_t now_ns;
	struct vio_limit *root;
	uint64_t most; /* bytes a second that all may offer together */
	struct tenant tenants[N_TENANTS];
	uint64_t n_full;   /* windows of a tenant with work all the time */
	uint64_t n_broken; /* of these, with less than is assured */
	uint64_t n_late;   /* windows of a tenant with work left over */
};

static uint64_t draw(struct house *house, uint64_t below)
{
	house->seed ^= house->seed << 13;
	house->seed ^= house->seed >> 7;
	house->seed ^= house->seed << 17;
	return house->seed % below;
}

static void house_open(struct house *house)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.bytes_per_sec = ROOT_RATE;
	house->root = limit_create(&params, 0);
	for (int i = 0; i < N_TENANTS; i++) {
		struct tenant *tenant = &house->tenants[i];
		struct vio_limit_params p = VIO_LIMIT_PARAMS_INIT;

		tenant->assured = 5000000 + draw(house, 20000000);
		p.assured_bytes_per_sec = tenant->assured;
		p.weight = (uint32_t)(1 + draw(house, 1000));
		p.quantum_bytes = 1;
		assert_int_equal(
			vio_limit_add(house->root, &p, 0, &tenant->limit, NULL), 0);
		lease_attach(&tenant->lease, tenant->limit);
	}
}

static void house_close(struct house *house)
{
	for (int i = 0; i < N_TENANTS; i++) {
		vio_lease_detach(&house->tenants[i].lease);
		limit_destroy(house->tenants[i].limit);
	}
	limit_destroy(house->root);
}

static uint64_t sum_offered(const struct house *house)
{
	uint64_t sum = 0;

	for (int i = 0; i < N_TENANTS; i++)
		sum += house->tenants[i].offered;
	return sum;
}

/* Half of the time a tenant asks for nothing, or for less than it is assured of. */
static void change_mind(struct house *house, struct tenant *tenant)
{
	static const uint64_t percent[] = { 0, 0, 50, 90, 100, 150, 250, 400 };

	uint64_t most;

	tenant->offered = 0;
	most = house->most - vio_min_u64(house->most, sum_offered(house));
	tenant->offered = vio_min_u64(
		most,
		tenant->assured / 100 * percent[draw(house, VIO_ARRAY_SIZE(percent))]);
	tenant->until_ns = house->now_ns + 20 * MS + draw(house, 2000) * MS;
}

static void arrive(struct house *house, struct tenant *tenant)
{
	if (house->now_ns >= tenant->until_ns)
		change_mind(house, tenant);
	tenant->arrived_ns += tenant->offered * STEP_NS;
	tenant->waiting += tenant->arrived_ns / SEC;
	tenant->arrived_ns %= SEC;
	/* Who offers too much for long would never be done with it. */
	tenant->waiting = vio_min_u64(tenant->waiting, tenant->assured);
}

static void serve(struct house *house, struct tenant *tenant)
{
	while (tenant->waiting >= REQUEST_BYTES && house->now_ns >= tenant->next_ns)
		if (!lease_spend(&tenant->lease, house->now_ns, REQUEST_BYTES, 0,
				 &tenant->next_ns)) {
			tenant->waiting -= REQUEST_BYTES;
			tenant->served += REQUEST_BYTES;
		}
	if (tenant->waiting < REQUEST_BYTES)
		tenant->has_always_waited = 0;
}

static void judge(struct house *house)
{
	for (int i = 0; i < N_TENANTS; i++) {
		struct tenant *tenant = &house->tenants[i];

		if (tenant->has_always_waited) {
			house->n_full++;
			house->n_broken += tenant->served + REQUEST_BYTES <
					   tenant->assured / (SEC / WINDOW_NS);
		}
		house->n_late += tenant->waiting >
				 REQUEST_BYTES + tenant->offered / (SEC / MS) * 2;
		tenant->served = 0;
		tenant->has_always_waited = 1;
	}
}

static void run_window(struct house *house)
{
	for (uint64_t end_ns = house->now_ns + WINDOW_NS; house->now_ns < end_ns;
	     house->now_ns += STEP_NS)
		for (int i = 0; i < N_TENANTS; i++) {
			arrive(house, &house->tenants[i]);
			serve(house, &house->tenants[i]);
		}
	judge(house);
}

static void guarantees_hold_while_what_is_unused_is_lent(void **state)
{
	struct house house = { .seed = UINT64_C(0x9e3779b97f4a7c15),
			       .most = UINT64_MAX };
	uint64_t borrowed = 0;

	(void)state;
	house_open(&house);
	for (uint64_t i = 0; i < n_windows; i++)
		run_window(&house);
	for (int i = 0; i < N_TENANTS; i++)
		borrowed += limit_read(house.tenants[i].limit).borrowed_bytes;
	print_message("%llu windows, %llu of a tenant with work all the time: "
		      "%llu below what is assured; %llu bytes borrowed\n",
		      (unsigned long long)n_windows, (unsigned long long)house.n_full,
		      (unsigned long long)house.n_broken, (unsigned long long)borrowed);
	assert_int_equal(house.n_broken, 0);
	assert_true(house.n_full > n_windows);
	assert_true(borrowed > 0);
	house_close(&house);
}

static void demand_that_fits_is_served(void **state)
{
	struct house house = { .seed = UINT64_C(0xda942042e4dd58b5),
			       .most = ROOT_RATE / 100 * 98 };
	uint64_t offered = 0;

	(void)state;
	house_open(&house);
	for (uint64_t i = 0; i < n_windows; i++) {
		run_window(&house);
		offered += sum_offered(&house);
	}
	print_message("%llu windows, %llu %% offered: %llu times work was left over\n",
		      (unsigned long long)n_windows,
		      (unsigned long long)(offered / n_windows / (ROOT_RATE / 100)),
		      (unsigned long long)house.n_late);
	assert_int_equal(house.n_late, 0);
	assert_true(offered / n_windows > ROOT_RATE / 2);
	house_close(&house);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guarantees_hold_while_what_is_unused_is_lent),
		cmocka_unit_test(demand_that_fits_is_served),
	};

	if (argc > 1)
		n_windows = strtoull(argv[1], NULL, 10);
	else if (getenv("VIO_TEST_SOAK"))
		n_windows = SOAK_WINDOWS;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
