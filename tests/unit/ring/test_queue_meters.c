/* SPDX-License-Identifier: MIT */
/* What a queue counts of its own, and what its tenant has of it. */
#include <vio/dom.h>

#include "unit/ring/guest.h"

#define OLD_METERS_BYTES 56 /* up to faults, as the first programs know it */

static struct vio_meters read_meters(const struct vio_queue *queue)
{
	struct vio_meters meters = VIO_METERS_INIT;

	assert_int_equal(vio_queue_read_meters(queue, &meters), 0);
	assert_int_equal(meters.size, sizeof(meters));
	return meters;
}

static void a_new_queue_has_counted_nothing(void **state)
{
	const struct vio_meters none = VIO_METERS_INIT;
	struct guest *g = *state;
	struct vio_meters meters = read_meters(g->queue);

	assert_memory_equal(&meters, &none, sizeof(none));
}

static void chains_count_when_they_are_given_back(void **state)
{
	struct guest *g = *state;
	struct vio_meters meters;

	offer_room(g, 0);
	offer_page(g, 1);
	assert_int_equal(pop(g, 2), 2);
	meters = read_meters(g->queue);
	assert_int_equal(meters.descs, 2);
	assert_int_equal(meters.ops, 0);
	assert_int_equal(vio_queue_push(g->queue, g->chains, 2), 2);
	meters = read_meters(g->queue);
	assert_int_equal(meters.ops, 2);
	assert_int_equal(meters.bytes, 2 * PAGE);
	assert_int_equal(meters.faults, 0);
}

static void a_latched_queue_counts_its_fault_once(void **state)
{
	struct guest *g = *state;

	offer(g, N_DESCS);
	assert_int_equal(pop(g, 1), -EBADMSG);
	assert_int_equal(pop(g, 1), -EBADMSG);
	assert_int_equal(read_meters(g->queue).faults, 1);
}

static void a_reset_forgets_no_count(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	serve(g, 0);
	vio_queue_add_service(g->queue, 9);
	vio_queue_reset(g->queue);
	assert_int_equal(read_meters(g->queue).ops, 1);
	assert_int_equal(read_meters(g->queue).service_ns, 9);
}

static void meters_of_a_queue_without_room_are_refused(void **state)
{
	struct vio_meters meters = { .size = OLD_METERS_BYTES - 8, .ops = 77 };
	struct guest *g = *state;

	assert_int_equal(vio_queue_read_meters(g->queue, NULL), -EINVAL);
	assert_int_equal(vio_queue_read_meters(g->queue, &meters), -EINVAL);
	assert_int_equal(meters.ops, 77);
	meters.size = OLD_METERS_BYTES;
	assert_int_equal(vio_queue_read_meters(g->queue, &meters), 0);
	assert_int_equal(meters.size, OLD_METERS_BYTES);
	assert_int_equal(meters.ops, 0);
}

static struct vio_queue *create_member(struct guest *g, struct vio_dom *dom)
{
	struct vio_queue *queue;

	g->params.dom = dom;
	assert_int_equal(vio_queue_create(NULL, &g->params, &queue, NULL), 0);
	return queue;
}

static void service_of_a_queue_is_its_tenants_also_when_it_is_gone(void **state)
{
	struct vio_meters meters = VIO_METERS_INIT;
	struct vio_queue *one, *other;
	struct guest *g = *state;
	struct vio_dom *dom;

	assert_int_equal(vio_dom_create(NULL, "tenant", &dom), 0);
	one = create_member(g, dom);
	other = create_member(g, dom);
	vio_queue_add_service(one, 5);
	vio_queue_add_service(other, 30);
	vio_queue_add_service(other, 1);
	vio_dom_add_service(dom, 100);
	assert_int_equal(read_meters(one).service_ns, 5);
	assert_int_equal(read_meters(other).service_ns, 31);
	vio_queue_destroy(one);
	assert_int_equal(vio_dom_read_meters(dom, &meters), 0);
	assert_int_equal(meters.service_ns, 136);
	vio_queue_destroy(other);
	assert_int_equal(vio_dom_destroy(dom, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, a_new_queue_has_counted_nothing),
		ON(open_plain, chains_count_when_they_are_given_back),
		ON(open_plain, a_latched_queue_counts_its_fault_once),
		ON(open_plain, a_reset_forgets_no_count),
		ON(open_plain, meters_of_a_queue_without_room_are_refused),
		ON(open_plain, service_of_a_queue_is_its_tenants_also_when_it_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
