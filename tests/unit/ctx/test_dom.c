/* SPDX-License-Identifier: MIT */
/* Tenants, with members that do as they are told. */
#include <pthread.h>
#include <stdio.h>

#include <vio/dom.h>

#include "core/member.h"
#include "fake/fault.h"
#include "fake/support.h"

#define N_THREADS 4
#define N_ROUNDS  2000 /* of joining, counting and leaving, by each */

struct fake_member {
	struct vio_member member;
	struct vio_meter meter;
	const char *name;
	struct vio_dom *dom;
	int busy; /* is_busy() answers it */
	unsigned int n_resets;
	unsigned int n_closes;
	struct fake_member *leaver;                 /* leaves during reset, or NULL */
	struct fake_member *joiner;                 /* joins during reset, or NULL */
	int inner_reset, inner_step, inner_destroy; /* answers during close */
};

static struct fake_member *fake_of(const struct vio_member *member)
{
	return VIO_CONTAINER_OF(member, struct fake_member, member);
}

static void fake_reset(struct vio_member *member)
{
	struct fake_member *fake = fake_of(member);

	fake->n_resets++;
	if (fake->leaver)
		vio_member_leave(&fake->leaver->member);
	if (fake->joiner)
		vio_member_join(&fake->joiner->member, member->dom);
}

static void fake_close(struct vio_member *member)
{
	struct fake_member *fake = fake_of(member);

	fake->n_closes++;
	fake->inner_reset = vio_dom_reset(fake->dom);
	fake->inner_step = vio_dom_step(fake->dom, NULL);
	fake->inner_destroy = vio_dom_destroy(fake->dom, NULL);
}

static int fake_is_busy(const struct vio_member *member)
{
	return fake_of(member)->busy;
}

static void fake_describe(const struct vio_member *member, char *buf, size_t n)
{
	snprintf(buf, n, "%s", fake_of(member)->name);
}

static const struct vio_member_ops fake_ops = {
	.reset = fake_reset,
	.close = fake_close,
	.is_busy = fake_is_busy,
	.describe = fake_describe,
};

static void join(struct fake_member *fake, struct vio_dom *dom, const char *name)
{
	*fake = (struct fake_member){ .name = name, .dom = dom };
	fake->member.ops = &fake_ops;
	fake->member.meter = &fake->meter;
	vio_member_join(&fake->member, dom);
}

static struct vio_dom *create_dom(void)
{
	struct vio_dom *dom;

	assert_int_equal(vio_dom_create(NULL, "guest", &dom), 0);
	return dom;
}

static void destroy_dom(struct vio_dom *dom)
{
	assert_int_equal(vio_dom_destroy(dom, NULL), 0);
}

static void a_name_has_1_to_63_bytes(void **state)
{
	char longest[64] = "", too_long[65] = "";
	struct vio_dom *dom = VIO_FAULT_UNTOUCHED;

	(void)state;
	memset(longest, 'a', 63);
	memset(too_long, 'a', 64);
	assert_int_equal(vio_dom_create(NULL, NULL, &dom), -EINVAL);
	assert_int_equal(vio_dom_create(NULL, "", &dom), -EINVAL);
	assert_int_equal(vio_dom_create(NULL, too_long, &dom), -EINVAL);
	assert_ptr_equal(dom, VIO_FAULT_UNTOUCHED);
	assert_int_equal(vio_dom_create(NULL, longest, &dom), 0);
	destroy_dom(dom);
}

static void destroying_no_tenant_is_harmless(void **state)
{
	(void)state;
	assert_int_equal(vio_dom_destroy(NULL, NULL), 0);
}

static void an_object_without_a_tenant_joins_and_leaves_nothing(void **state)
{
	struct fake_member fake;

	(void)state;
	join(&fake, NULL, "queue 0");
	assert_null(fake.member.dom);
	vio_member_leave(&fake.member);
}

static void a_tenant_with_members_is_not_destroyed_and_names_them(void **state)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_dom *dom = create_dom();
	struct fake_member a, b;

	(void)state;
	join(&a, dom, "queue 0");
	join(&b, dom, "queue 1");
	assert_int_equal(vio_dom_destroy(dom, &err), -EBUSY);
	assert_int_equal(err.code, -EBUSY);
	assert_string_equal(err.text, "guest: 2 members, destroy them first: "
				      "queue 0, queue 1");
	vio_member_leave(&a.member);
	assert_int_equal(vio_dom_destroy(dom, &err), -EBUSY);
	vio_member_leave(&b.member);
	destroy_dom(dom);
}

static void more_names_than_fit_are_cut(void **state)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_dom *dom = create_dom();
	static struct fake_member fakes[100];

	(void)state;
	for (int i = 0; i < 100; i++)
		join(&fakes[i], dom, "a queue with a name");
	assert_int_equal(vio_dom_destroy(dom, &err), -EBUSY);
	assert_non_null(strstr(err.text, "100 members"));
	assert_true(strlen(err.text) < sizeof(err.text));
	for (int i = 0; i < 100; i++)
		vio_member_leave(&fakes[i].member);
	destroy_dom(dom);
}

static void a_reset_tells_every_member_once(void **state)
{
	struct vio_dom *dom = create_dom();
	struct fake_member fakes[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		join(&fakes[i], dom, "queue");
	assert_int_equal(vio_dom_reset(dom), 0);
	assert_int_equal(vio_dom_step(dom, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fakes[i].n_resets, 1);
		assert_int_equal(fakes[i].n_closes, 0);
		vio_member_leave(&fakes[i].member);
	}
	destroy_dom(dom);
}

static void a_close_tells_every_member_once(void **state)
{
	struct vio_dom *dom = create_dom();
	struct fake_member fakes[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		join(&fakes[i], dom, "queue");
	assert_int_equal(vio_dom_close(dom), 0);
	assert_int_equal(vio_dom_step(dom, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fakes[i].n_closes, 1);
		assert_int_equal(fakes[i].n_resets, 0);
		vio_member_leave(&fakes[i].member);
	}
	destroy_dom(dom);
}

static void stepping_names_the_member_it_waits_for(void **state)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_dom *dom = create_dom();
	struct fake_member idle, busy;

	(void)state;
	join(&idle, dom, "queue 0");
	join(&busy, dom, "queue 1");
	busy.busy = 1;
	assert_int_equal(vio_dom_reset(dom), 0);
	assert_int_equal(vio_dom_step(dom, &err), 1);
	assert_int_equal(err.code, 1);
	assert_string_equal(err.text, "guest: waiting for queue 1");
	busy.busy = 0;
	assert_int_equal(vio_dom_step(dom, &err), 0);
	vio_member_leave(&idle.member);
	vio_member_leave(&busy.member);
	destroy_dom(dom);
}

static void stepping_without_need_is_done_at_once(void **state)
{
	struct vio_dom *dom = create_dom();
	struct fake_member busy;

	(void)state;
	join(&busy, dom, "queue 0");
	busy.busy = 1;
	assert_int_equal(vio_dom_step(dom, NULL), 0);
	vio_member_leave(&busy.member);
	destroy_dom(dom);
}

static void a_second_reset_or_close_waits_for_the_first(void **state)
{
	struct vio_dom *dom = create_dom();
	struct fake_member busy;

	(void)state;
	join(&busy, dom, "queue 0");
	busy.busy = 1;
	assert_int_equal(vio_dom_reset(dom), 0);
	assert_int_equal(vio_dom_reset(dom), -EBUSY);
	assert_int_equal(vio_dom_close(dom), -EBUSY);
	assert_int_equal(busy.n_resets, 1);
	assert_int_equal(busy.n_closes, 0);
	busy.busy = 0;
	assert_int_equal(vio_dom_step(dom, NULL), 0);
	assert_int_equal(vio_dom_close(dom), 0);
	assert_int_equal(busy.n_closes, 1);
	vio_member_leave(&busy.member);
	destroy_dom(dom);
}

static void a_member_may_leave_while_members_are_told(void **state)
{
	struct vio_dom *dom = create_dom();
	struct fake_member fakes[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		join(&fakes[i], dom, "queue");
	fakes[0].leaver = &fakes[0];
	fakes[1].leaver = &fakes[2];
	assert_int_equal(vio_dom_reset(dom), 0);
	assert_int_equal(fakes[1].n_resets, 1);
	assert_int_equal(fakes[2].n_resets, 0);
	assert_int_equal(fakes[3].n_resets, 1);
	vio_member_leave(&fakes[1].member);
	vio_member_leave(&fakes[3].member);
	destroy_dom(dom);
}

static void a_member_that_joins_while_members_are_told_is_told_too(void **state)
{
	struct vio_dom *dom = create_dom();
	struct fake_member first, joiner;

	(void)state;
	join(&joiner, NULL, "queue 1");
	join(&first, dom, "queue 0");
	first.joiner = &joiner;
	assert_int_equal(vio_dom_reset(dom), 0);
	assert_int_equal(joiner.n_resets, 1);
	vio_member_leave(&first.member);
	vio_member_leave(&joiner.member);
	destroy_dom(dom);
}

static void within_a_members_callback_the_tenant_holds_still(void **state)
{
	struct vio_dom *dom = create_dom();
	struct fake_member fake;

	(void)state;
	join(&fake, dom, "queue 0");
	assert_int_equal(vio_dom_close(dom), 0);
	assert_int_equal(fake.inner_reset, -EBUSY);
	assert_int_equal(fake.inner_step, 1);
	assert_int_equal(fake.inner_destroy, -EBUSY);
	vio_member_leave(&fake.member);
	destroy_dom(dom);
}

/* Every counter of its own, so that none can stand for another. */
static struct vio_meter counts(uint64_t times)
{
	return (struct vio_meter){
		.bytes = times,
		.ops = times * 2,
		.kicks = times * 3,
		.descs = times * 4,
		.faults = times * 5,
		.service_ns = times * 6,
		.refused = times * 7,
		.lent_bytes = times * 8,
		.lent_ops = times * 9,
		.borrowed_bytes = times * 10,
		.borrowed_ops = times * 11,
	};
}

static void meters_are_those_of_members_past_and_present(void **state)
{
	struct vio_meters meters = VIO_METERS_INIT;
	struct vio_dom *dom = create_dom();
	struct fake_member gone, here, silent;

	(void)state;
	join(&gone, dom, "queue 0");
	join(&here, dom, "queue 1");
	join(&silent, dom, "backend");
	silent.member.meter = NULL;
	gone.meter = counts(1);
	here.meter = counts(10);
	vio_member_leave(&gone.member);

	assert_int_equal(vio_dom_read_meters(dom, &meters), 0);
	assert_int_equal(meters.size, sizeof(meters));
	assert_int_equal(meters.bytes, 11);
	assert_int_equal(meters.ops, 22);
	assert_int_equal(meters.kicks, 33);
	assert_int_equal(meters.descs, 44);
	assert_int_equal(meters.faults, 55);
	assert_int_equal(meters.service_ns, 66);
	assert_int_equal(meters.refused, 77);
	assert_int_equal(meters.lent_bytes, 88);
	assert_int_equal(meters.lent_ops, 99);
	assert_int_equal(meters.borrowed_bytes, 110);
	assert_int_equal(meters.borrowed_ops, 121);
	vio_member_leave(&here.member);
	vio_member_leave(&silent.member);
	destroy_dom(dom);
}

static void service_of_a_tenant_and_of_its_queues_is_one_sum(void **state)
{
	struct vio_meters meters = VIO_METERS_INIT;
	struct vio_dom *dom = create_dom();
	struct fake_member fake;

	(void)state;
	join(&fake, dom, "queue 0");
	fake.meter.service_ns = 5;
	vio_dom_add_service(dom, 7);
	vio_dom_add_service(dom, 70);

	assert_int_equal(vio_dom_read_meters(dom, &meters), 0);
	assert_int_equal(meters.service_ns, 82);
	vio_member_leave(&fake.member);
	destroy_dom(dom);
}

#define OLD_METERS_BYTES 56 /* up to faults, as the first programs know it */

static void meters_of_an_older_program_are_filled_as_far_as_they_reach(void **state)
{
	struct vio_meters meters = { .size = OLD_METERS_BYTES, .refused = 12 };
	struct vio_dom *dom = create_dom();
	struct fake_member fake;

	(void)state;
	join(&fake, dom, "queue 0");
	fake.meter = counts(1);
	assert_int_equal(vio_dom_read_meters(dom, &meters), 0);
	assert_int_equal(meters.size, OLD_METERS_BYTES);
	assert_int_equal(meters.faults, 5);
	assert_int_equal(meters.refused, 12);
	vio_member_leave(&fake.member);
	destroy_dom(dom);
}

static void meters_without_room_are_refused(void **state)
{
	struct vio_meters meters = { .size = 8, .ops = 77 };
	struct vio_dom *dom = create_dom();

	(void)state;
	assert_int_equal(vio_dom_read_meters(dom, NULL), -EINVAL);
	assert_int_equal(vio_dom_read_meters(dom, &meters), -EINVAL);
	assert_int_equal(meters.ops, 77);
	destroy_dom(dom);
}

static void *join_and_leave(void *opaque)
{
	for (int i = 0; i < N_ROUNDS; i++) {
		struct fake_member fake;

		join(&fake, opaque, "queue");
		vio_meter_add(&fake.meter.ops, 1);
		vio_dom_add_service(opaque, 1);
		vio_member_leave(&fake.member);
	}
	return NULL;
}

static void members_of_several_threads_are_counted_exactly(void **state)
{
	struct vio_meters meters = VIO_METERS_INIT;
	struct vio_dom *dom = create_dom();
	pthread_t threads[N_THREADS];
	uint64_t last_ops = 0;

	(void)state;
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, join_and_leave, dom),
				 0);
	for (int i = 0; i < N_ROUNDS; i++) {
		assert_int_equal(vio_dom_read_meters(dom, &meters), 0);
		assert_true(meters.ops >= last_ops);
		last_ops = meters.ops;
	}
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(vio_dom_read_meters(dom, &meters), 0);
	assert_int_equal(meters.ops, N_THREADS * N_ROUNDS);
	assert_int_equal(meters.service_ns, N_THREADS * N_ROUNDS);
	destroy_dom(dom);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_1_to_63_bytes),
		cmocka_unit_test(destroying_no_tenant_is_harmless),
		cmocka_unit_test(an_object_without_a_tenant_joins_and_leaves_nothing),
		cmocka_unit_test(a_tenant_with_members_is_not_destroyed_and_names_them),
		cmocka_unit_test(more_names_than_fit_are_cut),
		cmocka_unit_test(a_reset_tells_every_member_once),
		cmocka_unit_test(a_close_tells_every_member_once),
		cmocka_unit_test(stepping_names_the_member_it_waits_for),
		cmocka_unit_test(stepping_without_need_is_done_at_once),
		cmocka_unit_test(a_second_reset_or_close_waits_for_the_first),
		cmocka_unit_test(a_member_may_leave_while_members_are_told),
		cmocka_unit_test(
			a_member_that_joins_while_members_are_told_is_told_too),
		cmocka_unit_test(within_a_members_callback_the_tenant_holds_still),
		cmocka_unit_test(meters_are_those_of_members_past_and_present),
		cmocka_unit_test(service_of_a_tenant_and_of_its_queues_is_one_sum),
		cmocka_unit_test(
			meters_of_an_older_program_are_filled_as_far_as_they_reach),
		cmocka_unit_test(meters_without_room_are_refused),
		cmocka_unit_test(members_of_several_threads_are_counted_exactly),
	};

	return cmocka_run_group_tests_name("dom", tests, NULL, NULL);
}
