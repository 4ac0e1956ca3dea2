/* SPDX-License-Identifier: MIT */
/*
 * What a limit is to others: to its parent and its children, to a tenant, to hardware,
 * and to those who still hold it when it is destroyed.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <vio/ctx.h>
#include <vio/dom.h>

#include "fake/support.h"
#include "unit/limit/support.h"

static void expect_text(const struct vio_error *err, const char *text)
{
	if (!strstr(err->text, text))
		fail_msg("\"%s\" does not say \"%s\"", err->text, text);
}

static void expect_no_child(struct vio_limit *parent,
			    const struct vio_limit_params *params, int code,
			    const char *text)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *child = (struct vio_limit *)&err;

	assert_int_equal(vio_limit_add(parent, params, 0, &child, &err), code);
	assert_ptr_equal(child, &err);
	expect_text(&err, text);
}

static struct vio_limit *add(struct vio_limit *parent, const char *name)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *child = NULL;

	params.name = name;
	assert_int_equal(vio_limit_add(parent, &params, 0, &child, NULL), 0);
	return child;
}

static void names_and_weights_out_of_range_are_refused(void **state)
{
	static const char *const names[] = { "", "a/b", "tab\t",
					     "of thirty-two characters, too long" };
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = limit_of_bytes(1000, 1000);

	(void)state;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(names); i++) {
		params.name = names[i];
		expect_no_child(limit, &params, -EINVAL, "name: write 1 to 31");
	}
	params.name = NULL;
	params.weight = VIO_LIMIT_WEIGHT_MAX + 1;
	expect_no_child(limit, &params, -EINVAL, "weight: 10001");
	params.weight = 0;
	params.reserved = 1;
	expect_no_child(limit, &params, -EINVAL, "reserved:");
	params.reserved = 0;
	params.burst_bytes = 501;
	expect_no_child(limit, &params, -EINVAL, "half of the parent's, 500");
	params.burst_bytes = 0;
	params.quantum_bytes = 501;
	expect_no_child(limit, &params, -EINVAL, "quantum_bytes: 501");
	limit_destroy(limit);
}

static void a_name_is_one_childs_only(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct vio_limit *red = add(limit, "red");
	struct vio_limit *one = add(limit, NULL), *other = add(limit, NULL);

	(void)state;
	params.name = "red";
	expect_no_child(limit, &params, -EEXIST, "limit: it has a child named red");
	assert_int_equal(vio_limit_read_params(one, &params), 0);
	assert_string_equal(params.name, "limit");
	assert_int_equal(vio_limit_read_params(other, &params), 0);
	assert_string_equal(params.name, "limit1");
	limit_destroy(other);
	limit_destroy(one);
	limit_destroy(red);
	limit_destroy(limit);
}

static void a_limit_has_children_or_leases(void **state)
{
	const struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = limit_of_bytes(1000, 1000), *red;
	struct vio_lease lease, other = { 0 };

	(void)state;
	lease_attach(&lease, limit);
	expect_no_child(limit, &params, -EBUSY, "it has leases");
	vio_lease_detach(&lease);
	red = add(limit, "red");
	assert_int_equal(vio_lease_attach(&other, limit), -ENOTEMPTY);
	assert_int_equal(vio_limit_destroy(limit), -EBUSY);
	limit_destroy(red);
	limit_destroy(limit);
}

static void a_destroyed_limit_is_told_apart(void **state)
{
	const struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, 10, 0, &retry), 0);
	limit_destroy(limit);
	expect_no_child(limit, &params, -ESTALE, "limit: it is destroyed");
	assert_int_equal(vio_limit_configure(limit, &params, 0, &err), -ESTALE);
	assert_int_equal(limit_read(limit).bytes, 10 + lease.bytes);
	vio_lease_detach(&lease);
}

static void what_a_destroyed_child_had_is_its_parents(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct vio_limit *red = add(limit, "red");
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, red);
	assert_int_equal(lease_spend(&lease, VIO_NODE_STEP_NS, 400, 0, &retry), 0);
	vio_lease_detach(&lease);
	limit_destroy(red);
	assert_int_equal(limit_read(limit).bytes, 400);
	assert_int_equal(limit_read(limit).credit_bytes, 600);
	assert_int_equal(limit_drain(limit, VIO_NODE_STEP_NS), 600);
	limit_destroy(limit);
}

static void what_a_limit_let_through_before_it_had_children_counts(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct vio_limit *red;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	limit_drain(limit, 0);
	red = add(limit, "red");
	lease_attach(&lease, red);
	assert_int_equal(lease_spend(&lease, SEC, 500, 0, &retry), 0);
	vio_lease_detach(&lease);
	assert_int_equal(limit_read(limit).bytes, 1500);
	assert_int_equal(limit_read(red).bytes, 500);
	limit_destroy(red);
	assert_int_equal(limit_read(limit).bytes, 1500);
	limit_destroy(limit);
}

static void name_and_tenant_stay_as_they_are(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *limit, *other;
	struct vio_dom *dom;

	(void)state;
	assert_int_equal(vio_dom_create(NULL, "red", &dom), 0);
	params.name = "mine";
	limit = limit_create(&params, 0);
	assert_int_equal(vio_limit_configure(limit, &params, 0, &err), 0);
	params.name = "yours";
	assert_int_equal(vio_limit_configure(limit, &params, 0, &err), -EINVAL);
	expect_text(&err, "mine: name:");
	params.name = NULL;
	params.dom = dom;
	assert_int_equal(vio_limit_configure(limit, &params, 0, &err), -EINVAL);
	expect_text(&err, "mine: dom:");
	params.name = "theirs";
	other = limit_create(&params, 0);
	assert_int_equal(vio_limit_configure(other, &params, 0, &err), 0);
	limit_destroy(other);
	limit_destroy(limit);
	assert_int_equal(vio_dom_destroy(dom, NULL), 0);
}

static void a_tenant_counts_its_limits_and_is_not_destroyed_before(void **state)
{
	struct vio_limit_params params = bytes_params(1000, 1000);
	struct vio_meters meters = VIO_METERS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *limit;
	struct vio_lease lease;
	struct vio_dom *dom;
	uint64_t retry;

	(void)state;
	assert_int_equal(vio_dom_create(NULL, "red", &dom), 0);
	params.dom = dom;
	params.name = "disk";
	limit = limit_create(&params, 0);
	limit_drain(limit, 0);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 1, 0, &retry), -EAGAIN);
	assert_int_equal(vio_dom_read_meters(dom, &meters), 0);
	assert_int_equal(meters.refused, limit_read(limit).refused);
	assert_int_equal(vio_dom_destroy(dom, &err), -EBUSY);
	expect_text(&err, "limit disk");
	assert_int_equal(vio_dom_reset(dom), 0);
	assert_int_equal(vio_dom_step(dom, NULL), 0);
	assert_int_equal(vio_dom_close(dom), 0);
	assert_int_equal(vio_dom_step(dom, NULL), 0);
	assert_int_equal(vio_lease_refill(&lease, SEC, 1, 0, &retry), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
	assert_int_equal(vio_dom_destroy(dom, NULL), 0);
}

static void what_hardware_enforces_is_not_charged_until_the_next_change(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = limit_of_bytes(1000, 1000);

	(void)state;
	assert_int_equal(vio_limit_set_offload(limit, 1u << VIO_NODE_BYTES, 0, NULL),
			 0);
	assert_int_equal(vio_limit_read_params(limit, &params), 0);
	assert_int_equal(params.bytes_per_sec, 1000);
	for (int i = 0; i < 3; i++) {
		struct vio_lease lease;
		uint64_t retry;

		lease_attach(&lease, limit);
		assert_int_equal(lease_spend(&lease, 0, 1 << 30, 0, &retry), 0);
		vio_lease_detach(&lease);
	}
	limit_configure(limit, bytes_params(1000, 1000), 0);
	assert_int_equal(limit_drain(limit, SEC), 1000);
	limit_destroy(limit);
}

/* A ready that stays until another thread has seen it at work. */
struct slow {
	struct vio_limit_waiter waiter; /* first */
	struct vio_limit *limit;
	pthread_barrier_t barrier;
};

static void stay(struct vio_limit_waiter *waiter)
{
	struct slow *slow = (struct slow *)waiter;

	pthread_barrier_wait(&slow->barrier);
	pthread_barrier_wait(&slow->barrier);
}

static void *dispatch(void *opaque)
{
	struct slow *slow = opaque;
	uint64_t next_ns;

	return vio_limit_dispatch(slow->limit, 0, 1, &next_ns) == 1 ? slow : NULL;
}

static void who_is_being_called_is_not_detached_meanwhile(void **state)
{
	struct slow slow = { .waiter = { .ready = stay, .bytes = 1 } };
	struct vio_lease lease;
	pthread_t thread;
	void *ret;

	(void)state;
	slow.limit = limit_of_bytes(1000, 1000);
	lease_attach(&lease, slow.limit);
	assert_int_equal(pthread_barrier_init(&slow.barrier, NULL, 2), 0);
	assert_int_equal(vio_waiter_attach(&slow.waiter, &lease, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, dispatch, &slow), 0);
	pthread_barrier_wait(&slow.barrier);
	assert_int_equal(vio_waiter_detach(&slow.waiter), -EBUSY);
	pthread_barrier_wait(&slow.barrier);
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_ptr_equal(ret, &slow);
	assert_int_equal(vio_waiter_detach(&slow.waiter), 0);
	pthread_barrier_destroy(&slow.barrier);
	vio_lease_detach(&lease);
	limit_destroy(slow.limit);
}

/* A ready that dispatches the tree itself, for one that stays in its turn. */
struct nesting {
	struct slow outer; /* first */
	struct slow inner;
	int n_called;
};

static void dispatch_and_stay(struct vio_limit_waiter *waiter)
{
	struct nesting *nesting = (struct nesting *)waiter;
	uint64_t next_ns;

	nesting->n_called = vio_limit_dispatch(nesting->outer.limit, 0, 1, &next_ns);
	stay(waiter);
}

static void who_dispatches_in_its_call_is_still_being_called(void **state)
{
	struct nesting nesting = {
		.outer = { .waiter = { .ready = dispatch_and_stay, .bytes = 1 } },
		.inner = { .waiter = { .ready = stay, .bytes = 1 } },
	};
	struct vio_lease lease;
	pthread_t thread;
	void *ret;

	(void)state;
	nesting.outer.limit = limit_of_bytes(1000, 1000);
	lease_attach(&lease, nesting.outer.limit);
	assert_int_equal(pthread_barrier_init(&nesting.outer.barrier, NULL, 2), 0);
	assert_int_equal(pthread_barrier_init(&nesting.inner.barrier, NULL, 2), 0);
	assert_int_equal(vio_waiter_attach(&nesting.outer.waiter, &lease, 0), 0);
	assert_int_equal(vio_waiter_attach(&nesting.inner.waiter, &lease, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, dispatch, &nesting.outer), 0);
	/* While the inner one is called, and when it was. */
	pthread_barrier_wait(&nesting.inner.barrier);
	assert_int_equal(vio_waiter_detach(&nesting.inner.waiter), -EBUSY);
	assert_int_equal(vio_waiter_detach(&nesting.outer.waiter), -EBUSY);
	pthread_barrier_wait(&nesting.inner.barrier);
	pthread_barrier_wait(&nesting.outer.barrier);
	assert_int_equal(vio_waiter_detach(&nesting.inner.waiter), 0);
	assert_int_equal(vio_waiter_detach(&nesting.outer.waiter), -EBUSY);
	pthread_barrier_wait(&nesting.outer.barrier);
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_ptr_equal(ret, &nesting);
	assert_int_equal(nesting.n_called, 1);
	assert_int_equal(vio_waiter_detach(&nesting.outer.waiter), 0);
	pthread_barrier_destroy(&nesting.outer.barrier);
	pthread_barrier_destroy(&nesting.inner.barrier);
	vio_lease_detach(&lease);
	limit_destroy(nesting.outer.limit);
}

struct family {
	struct vio_ctx *ctx;
	struct vio_limit *limit;
};

static int open_in_child(void *opaque)
{
	struct family *family = opaque;
	struct vio_limit_timer *timer;
	int ret = vio_limit_timer_open(family->ctx, family->limit, &timer, NULL);

	limit_destroy(family->limit);
	return ret != -ECHILD || vio_ctx_destroy(family->ctx, NULL);
}

static void a_forked_child_opens_no_timer(void **state)
{
	struct family family = { .limit = limit_of_bytes(1000, 1000) };

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &family.ctx, NULL), 0);
	assert_int_equal(vio_test_fork(open_in_child, &family), 0);
	assert_int_equal(vio_ctx_destroy(family.ctx, NULL), 0);
	limit_destroy(family.limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_weights_out_of_range_are_refused),
		cmocka_unit_test(a_name_is_one_childs_only),
		cmocka_unit_test(a_limit_has_children_or_leases),
		cmocka_unit_test(a_destroyed_limit_is_told_apart),
		cmocka_unit_test(what_a_destroyed_child_had_is_its_parents),
		cmocka_unit_test(
			what_a_limit_let_through_before_it_had_children_counts),
		cmocka_unit_test(name_and_tenant_stay_as_they_are),
		cmocka_unit_test(
			a_tenant_counts_its_limits_and_is_not_destroyed_before),
		cmocka_unit_test(
			what_hardware_enforces_is_not_charged_until_the_next_change),
		cmocka_unit_test(who_is_being_called_is_not_detached_meanwhile),
		cmocka_unit_test(who_dispatches_in_its_call_is_still_being_called),
		cmocka_unit_test(a_forked_child_opens_no_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
