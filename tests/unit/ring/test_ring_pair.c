/* SPDX-License-Identifier: MIT */
/*
 * Both sides of a ring, on two threads, each asleep whenever it has nothing to
 * do: every request is answered once, and no notification is lost. A lost one
 * shows as a wait that runs into its limit.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vio/driver.h>

#include "unit/ring/guest.h"

#define N_REQUESTS  20000u
#define N_SLOTS     16u /* requests that may be under way, more than the ring has */
#define SLOT_BYTES  64u
#define TABLE_DESCS 4u
#define WAIT_MS     10000 /* longer than any scheduler takes */

struct pair {
	struct guest *g;
	struct vio_driver *driver;
	uint32_t free_slots[N_SLOTS];
	uint32_t n_free;
	uint32_t n_asked;
	uint32_t n_answered;
	int answer; /* what the device thread ended with */
};

static int wait_for(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };
	eventfd_t value;

	if (poll(&one, 1, WAIT_MS) != 1)
		return -ETIMEDOUT;
	return eventfd_read(fd, &value);
}

/* The device: answers a number with its double, and a burst last first. */

static void answer(struct vio_chain *chain)
{
	uint64_t number;

	memcpy(&number, chain->iov[0].iov_base, sizeof(number));
	number *= 2;
	memcpy(chain->iov[chain->n_out].iov_base, &number, sizeof(number));
	chain->written_bytes = sizeof(number);
}

static int serve_burst(struct guest *g, uint32_t n)
{
	for (uint32_t i = n; i--;) {
		answer(&g->chains[i]);
		if (vio_queue_push(g->queue, &g->chains[i], 1) != 1)
			return -EPROTO;
	}
	if (vio_queue_publish(g->queue) > 0)
		return vio_queue_notify(g->queue);
	return 0;
}

static int serve_all(struct guest *g)
{
	for (uint32_t n_served = 0; n_served < N_REQUESTS;) {
		int n;

		vio_queue_set_kicks(g->queue, 0);
		while ((n = pop(g, N_CHAINS)) > 0) {
			n_served += (uint32_t)n;
			if (serve_burst(g, (uint32_t)n))
				return -EPROTO;
		}
		if (n < 0)
			return n;
		if (n_served < N_REQUESTS && !vio_queue_set_kicks(g->queue, 1) &&
		    wait_for(vio_queue_get_kick_fd(g->queue)))
			return -ETIMEDOUT;
	}
	return 0;
}

static void *device_thread(void *opaque)
{
	struct pair *pair = opaque;

	pair->answer = serve_all(pair->g);
	return NULL;
}

/* The driver. */

static uint64_t slot_gpa(uint64_t slot)
{
	return DATA_GPA + slot * SLOT_BYTES;
}

static int ask(struct pair *pair)
{
	const uint32_t slot = pair->free_slots[pair->n_free - 1];
	const uint64_t number = pair->n_asked, gpa = slot_gpa(slot);
	/* Chains of two or three buffers, for tables and for the ring. */
	const struct vio_driver_buf bufs[3] = { { gpa, 8, 0 },
						{ gpa + 8, 8, 0 },
						{ gpa + 16, 8, 0 } };
	const struct vio_driver_chain chain = { bufs, 1, 1 + number % 2, slot };
	int ret;

	memcpy(guest_at(pair->g, gpa), &number, sizeof(number));
	memset(guest_at(pair->g, gpa + 8), 0xff, 16);
	ret = vio_driver_push(pair->driver, &chain, 1);
	if (ret == 1) {
		pair->n_free--;
		pair->n_asked++;
	}
	return ret;
}

static void ask_many(struct pair *pair)
{
	while (pair->n_asked < N_REQUESTS && pair->n_free) {
		int ret = ask(pair);

		if (ret == -ENOSPC)
			break;
		assert_int_equal(ret, 1);
	}
	if (vio_driver_publish(pair->driver))
		assert_int_equal(eventfd_write(pair->g->params.kick_fd, 1), 0);
}

static void take_answer(struct pair *pair, const struct vio_driver_used *used)
{
	const uint64_t gpa = slot_gpa(used->cookie);
	uint64_t number, doubled;

	memcpy(&number, guest_at(pair->g, gpa), sizeof(number));
	memcpy(&doubled, guest_at(pair->g, gpa + 8), sizeof(doubled));
	assert_true(doubled == 2 * number);
	assert_int_equal(used->written_bytes, 8);
	pair->free_slots[pair->n_free++] = (uint32_t)used->cookie;
	pair->n_answered++;
}

static void drive(struct pair *pair)
{
	struct vio_driver_used used[N_SLOTS];

	while (pair->n_answered < N_REQUESTS) {
		int n;

		ask_many(pair);
		n = vio_driver_pop(pair->driver, used, N_SLOTS);
		assert_true(n >= 0);
		for (int i = 0; i < n; i++)
			take_answer(pair, &used[i]);
		if (!n && !vio_driver_set_calls(pair->driver, 1))
			assert_int_equal(wait_for(pair->g->params.call_fd), 0);
		vio_driver_set_calls(pair->driver, 0);
	}
}

static void open_driver(struct pair *pair)
{
	struct vio_driver_params params = VIO_DRIVER_PARAMS_INIT;
	struct guest *g = pair->g;

	params.features = g->params.features;
	params.desc = guest_at(g, DESC_GPA);
	params.driver = guest_at(g, AVAIL_GPA);
	params.device = guest_at(g, USED_GPA);
	params.n_descs = g->params.n_descs;
	if (params.features & VIO_F_INDIRECT_DESC) {
		params.indirect = guest_at(g, TABLE_GPA);
		params.indirect_addr = TABLE_GPA;
		params.indirect_descs = TABLE_DESCS;
	}
	assert_int_equal(vio_driver_create(NULL, &params, &pair->driver, NULL), 0);
}

static void run_pair(uint32_t n_descs, uint64_t features)
{
	struct pair pair = { .g = prepare_guest(n_descs, features), .n_free = N_SLOTS };
	pthread_t thread;
	void *own = pair.g;

	for (uint32_t i = 0; i < N_SLOTS; i++)
		pair.free_slots[i] = i;
	pair.g->params.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pair.g->params.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	open_driver(&pair);
	start_queue(pair.g);
	assert_int_equal(pthread_create(&thread, NULL, device_thread, &pair), 0);
	drive(&pair);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(pair.answer, 0);
	assert_int_equal(pair.g->n_faults, 0);
	assert_int_equal(vio_driver_get_free(pair.driver), n_descs);
	vio_driver_destroy(pair.driver);
	close(pair.g->params.kick_fd);
	close(pair.g->params.call_fd);
	close_guest(&own);
}

static void requests_are_answered_with_flags(void **state)
{
	(void)state;
	run_pair(N_DESCS, 0);
}

static void requests_are_answered_with_event_indexes(void **state)
{
	(void)state;
	run_pair(N_DESCS, VIO_F_EVENT_IDX);
}

static void requests_are_answered_through_tables(void **state)
{
	(void)state;
	run_pair(N_DESCS, VIO_F_INDIRECT_DESC);
}

static void requests_are_answered_in_order(void **state)
{
	(void)state;
	run_pair(N_DESCS, VIO_F_IN_ORDER);
}

static void requests_are_answered_with_all_features(void **state)
{
	(void)state;
	run_pair(16, VIO_F_INDIRECT_DESC | VIO_F_EVENT_IDX | VIO_F_IN_ORDER);
}

static void requests_are_answered_one_at_a_time(void **state)
{
	(void)state;
	run_pair(4, VIO_F_EVENT_IDX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered_with_flags),
		cmocka_unit_test(requests_are_answered_with_event_indexes),
		cmocka_unit_test(requests_are_answered_through_tables),
		cmocka_unit_test(requests_are_answered_in_order),
		cmocka_unit_test(requests_are_answered_with_all_features),
		cmocka_unit_test(requests_are_answered_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
