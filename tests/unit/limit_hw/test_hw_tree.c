/* SPDX-License-Identifier: MIT */
/*
 * What software goes on charging for while a back end holds a limit of a tree, and what
 * it takes back.
 */
#include "limit/node.h"
#include "unit/limit_hw/rates_scene.h"

static struct vio_limit_hw *create_port(void)
{
	struct vio_limit_hw *hw = create_hw(port_params());

	fake_rates.n_sets = 0;
	return hw;
}

static void end(struct vio_limit_hw *hw, struct vio_limit *limit)
{
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void a_ceiling_that_is_held_is_not_charged_for(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(limit->offload, 1u << VIO_NODE_BYTES);
	assert_int_equal(detach_hw(hw), 0);
	assert_int_equal(limit->offload, 0);
	end(hw, limit);
}

/* Its parent's credit is shared out by what it is charged for. */
static void a_child_with_an_assured_rate_is_charged_for_all_the_same(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *parent = create_limit(10 * MBPS, 0, 0), *child;
	struct vio_limit_hw *hw = create_port();

	(void)state;
	params.bytes_per_sec = 8 * MBPS;
	params.assured_bytes_per_sec = 2 * MBPS;
	assert_int_equal(vio_limit_add(parent, &params, 0, &child, NULL), 0);
	assert_int_equal(attach_hw(hw, child, CEILING | ASSURED), 0);
	assert_int_equal(scene.report.set, CEILING | ASSURED);
	assert_int_equal(scene.report.held, 0);
	assert_int_equal(child->offload, 0);
	params.assured_bytes_per_sec = 0;
	assert_int_equal(vio_limit_configure(child, &params, 0, NULL), 0);
	assert_int_equal(attach_hw(hw, child, CEILING), 0);
	assert_int_equal(scene.report.held, CEILING);
	assert_int_equal(child->offload, 1u << VIO_NODE_BYTES);
	end(hw, child);
	assert_int_equal(vio_limit_destroy(parent), 0);
}

/* What they get is found from its ceiling. */
static void a_limit_with_children_shares_its_ceiling_out_all_the_same(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *parent = create_limit(10 * MBPS, 0, 0), *child;
	struct vio_limit_hw *hw = create_port();

	(void)state;
	params.assured_bytes_per_sec = 2 * MBPS;
	assert_int_equal(vio_limit_add(parent, &params, 0, &child, NULL), 0);
	assert_int_equal(attach_hw(hw, parent, CEILING), 0);
	assert_int_equal(scene.report.set, CEILING);
	assert_int_equal(scene.report.held, 0);
	assert_int_equal(parent->offload, 0);
	assert_int_equal(fake_rates.rates[0].max, 10 * MBPS);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(vio_limit_destroy(child), 0);
	assert_int_equal(vio_limit_destroy(parent), 0);
}

/* Its children are assured of more than its own ceiling would give. */
static void a_limit_that_software_cannot_take_back_stays(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *root = create_limit(0, 0, 0), *limit, *child;
	struct vio_limit_hw *hw = create_port();

	(void)state;
	params.bytes_per_sec = 8 * MBPS;
	assert_int_equal(vio_limit_add(root, &params, 0, &limit, NULL), 0);
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(scene.report.held, CEILING);
	params.bytes_per_sec = 0;
	params.assured_bytes_per_sec = 9 * MBPS;
	assert_int_equal(vio_limit_add(limit, &params, 0, &child, NULL), 0);
	assert_int_equal(detach_hw(hw), -EINVAL);
	assert_int_equal(close_hw(hw), -EINVAL);
	assert_int_equal(attach_hw(hw, limit, 0), -EINVAL);
	assert_int_equal(fake_rates.rates[0].max, 8 * MBPS);
	assert_int_equal(vio_limit_destroy(child), 0);
	end(hw, limit);
	assert_int_equal(fake_rates.rates[0].max, 0);
	assert_int_equal(vio_limit_destroy(root), 0);
}

static void configure(struct vio_limit *limit, uint64_t bytes, uint64_t assured_bytes)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.bytes_per_sec = bytes;
	params.assured_bytes_per_sec = assured_bytes;
	assert_int_equal(vio_limit_configure(limit, &params, 0, NULL), 0);
}

/* Attaches a limit that is given @bytes before the back end is done. */
static void attach_changing(struct vio_limit_hw *hw, struct vio_limit *limit,
			    uint64_t bytes, uint64_t assured_bytes)
{
	scene.report = (struct vio_limit_hw_report)VIO_LIMIT_HW_REPORT_INIT;
	assert_int_equal(vio_limit_hw_attach(hw, limit, 0, &scene.report, scene_told,
					     &scene, NULL),
			 0);
	configure(limit, bytes, assured_bytes);
	assert_int_equal(scene_wait(0), 0);
}

/* The back end has the ceiling before, which is ten times the new one. */
static void a_limit_configured_while_it_is_attached_stays_with_software(void **state)
{
	struct vio_limit *limit = create_limit(1000 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	attach_changing(hw, limit, 100 * MBPS, 0);
	assert_int_equal(scene.report.set, CEILING);
	assert_int_equal(scene.report.held, 0);
	assert_int_equal(scene.report.bytes_per_sec, 1000 * MBPS);
	assert_int_equal(limit->offload, 0);
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(scene.report.held, CEILING);
	assert_int_equal(fake_rates.rates[0].max, 100 * MBPS);
	assert_int_equal(limit->offload, 1u << VIO_NODE_BYTES);
	/* Attaching it again is no other. */
	attach_changing(hw, limit, 50 * MBPS, 0);
	assert_int_equal(scene.report.held, 0);
	assert_int_equal(limit->offload, 0);
	end(hw, limit);
	assert_int_equal(fake_rates.rates[0].max, 0);
}

/* Nor is what was never to be left to hardware called held. */
static void an_assured_rate_configured_meanwhile_is_not_held(void **state)
{
	struct vio_limit *limit = create_limit(0, 0, 2 * MBPS);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(attach_hw(hw, limit, ASSURED), 0);
	assert_int_equal(scene.report.held, ASSURED);
	attach_changing(hw, limit, 0, 3 * MBPS);
	assert_int_equal(scene.report.set, ASSURED);
	assert_int_equal(scene.report.held, 0);
	end(hw, limit);
}

/* What one back end holds is not taken away by another that has an older limit. */
static void a_back_end_takes_back_only_what_it_holds(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *port = create_port(), *disk = create_hw(cgroup_params());

	(void)state;
	assert_int_equal(attach_hw(disk, limit, CEILING), 0);
	configure(limit, 4 * MBPS, 0);
	assert_int_equal(attach_hw(port, limit, CEILING), 0);
	assert_int_equal(close_hw(disk), 0);
	assert_int_equal(limit->offload, 1u << VIO_NODE_BYTES);
	end(port, limit);
}

/* Against the manual; a lease keeps its memory. */
static void a_limit_that_is_destroyed_meanwhile_is_let_go(void **state)
{
	struct vio_limit_hw_report report = VIO_LIMIT_HW_REPORT_INIT;
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();
	struct vio_lease lease = { 0 };

	(void)state;
	assert_int_equal(vio_lease_attach(&lease, limit), 0);
	assert_int_equal(vio_limit_hw_attach(hw, limit, CEILING, &report, scene_told,
					     &scene, NULL),
			 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
	assert_int_equal(scene_wait(0), 0);
	assert_int_equal(report.set, CEILING);
	assert_int_equal(report.held, 0);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(fake_rates.rates[0].max, 0);
	vio_lease_detach(&lease);
}

static void assured_operations_stay_with_software(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit_hw *hw = create_hw(cgroup_params());
	struct vio_limit *limit;

	(void)state;
	params.bytes_per_sec = 1000;
	params.ops_per_sec = 50;
	params.assured_ops_per_sec = 10;
	assert_int_equal(vio_limit_create(NULL, &params, 0, &limit, NULL), 0);
	assert_int_equal(attach_hw(hw, limit, VIO_LIMIT_HW_ASSURED_OPS), -EOPNOTSUPP);
	assert_int_equal(attach_hw(hw, limit, OPS), 0);
	assert_int_equal(scene.report.left, VIO_LIMIT_HW_ASSURED_OPS);
	assert_int_equal(scene.report.held, CEILING);
	assert_int_equal(limit->offload, 1u << VIO_NODE_BYTES);
	end(hw, limit);
}

/* Leases pass what the back end holds, and are refused what it does not. */
static void leases_of_a_bound_limit_are_charged_for_the_rest(void **state)
{
	struct vio_limit *limit = create_limit(MBPS, 10, 0);
	struct vio_limit_hw *hw = create_port();
	struct vio_lease lease = { 0 };
	uint64_t retry_at_ns, n = 0;

	(void)state;
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(vio_lease_attach(&lease, limit), 0);
	while (!vio_lease_refill(&lease, 0, 1 << 20, 1, &retry_at_ns)) {
		assert_int_equal(vio_lease_take(&lease, 1 << 20, 1), 0);
		assert_true(++n < 100);
	}
	/* The burst of operations, and eight times that of bytes. */
	assert_true(n >= 4 && n <= 8);
	vio_lease_detach(&lease);
	assert_int_equal(detach_hw(hw), 0);
	assert_int_equal(vio_lease_attach(&lease, limit), 0);
	for (n = 0; !vio_lease_refill(&lease, 2000000000, 1 << 20, 1, &retry_at_ns);
	     n++)
		assert_int_equal(vio_lease_take(&lease, 1 << 20, 1), 0);
	/* No more than the burst, though operations for more are there. */
	assert_int_equal(n, 1);
	vio_lease_detach(&lease);
	end(hw, limit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_ceiling_that_is_held_is_not_charged_for),
		TEST(a_child_with_an_assured_rate_is_charged_for_all_the_same),
		TEST(a_limit_with_children_shares_its_ceiling_out_all_the_same),
		TEST(a_limit_that_software_cannot_take_back_stays),
		TEST(a_limit_configured_while_it_is_attached_stays_with_software),
		TEST(an_assured_rate_configured_meanwhile_is_not_held),
		TEST(a_back_end_takes_back_only_what_it_holds),
		TEST(a_limit_that_is_destroyed_meanwhile_is_let_go),
		TEST(assured_operations_stay_with_software),
		TEST(leases_of_a_bound_limit_are_charged_for_the_rest),
	};

	return cmocka_run_group_tests_name("hw_tree", tests, NULL, NULL);
}
