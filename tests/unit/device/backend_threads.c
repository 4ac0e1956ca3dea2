/* SPDX-License-Identifier: MIT */
/*
 * Four queues on four threads, under load, while the front end changes memory,
 * exchanges descriptors, stops, starts and resets. The first argument is the
 * number of rounds; what the test is for, ThreadSanitizer sees.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/device/vhost_peer.h"

#define ROUNDS_DEFAULT 100
#define ROUNDS_SOAK    1000
#define BURST          8 /* of what the ring's 64 descriptors hold */

/* The owner of one queue: a thread, told by a lock and an eventfd. */
struct owner {
	pthread_t thread;
	pthread_mutex_t lock;
	struct vio_queue *queue; /* all of these under the lock */
	struct vio_stop *token;
	bool is_over;
	int wake;
	uint64_t n_served;
};

static struct owner owners[PEER_QUEUES];
static long n_rounds = ROUNDS_DEFAULT;

static void wake(struct owner *owner)
{
	const uint64_t one = 1;

	assert_int_equal(write(owner->wake, &one, sizeof(one)), sizeof(one));
}

static int on_start(void *opaque, uint32_t index, struct vio_queue *queue)
{
	struct owner *owner = &owners[index];

	((struct vhost_stage *)opaque)->n_starts++;
	pthread_mutex_lock(&owner->lock);
	owner->queue = queue;
	pthread_mutex_unlock(&owner->lock);
	wake(owner);
	return 0;
}

static void on_stop(void *opaque, uint32_t index, struct vio_queue *queue,
		    struct vio_stop *token, uint32_t stop_flags)
{
	struct owner *owner = &owners[index];

	(void)queue;
	(void)stop_flags; /* nothing is left open between bursts */
	((struct vhost_stage *)opaque)->n_stops++;
	pthread_mutex_lock(&owner->lock);
	owner->token = token;
	pthread_mutex_unlock(&owner->lock);
	wake(owner);
}

/* Serves until there is nothing to; a latched queue serves nothing. */
static void serve_all(struct owner *owner, struct vio_queue *queue)
{
	int n;

	do {
		vio_queue_set_kicks(queue, 0);
		while ((n = stage_serve(queue)) > 0)
			__atomic_fetch_add(&owner->n_served, (uint64_t)n,
					   __ATOMIC_RELAXED);
	} while (n == 0 && vio_queue_set_kicks(queue, 1) > 0);
}

/* Answers if asked to stop, and returns the queue to serve, or NULL. */
static struct vio_queue *take_orders(struct owner *owner, bool *out_is_over)
{
	struct vio_stop *token;
	struct vio_queue *queue;

	pthread_mutex_lock(&owner->lock);
	token = owner->token;
	owner->token = NULL;
	if (token)
		owner->queue = NULL;
	queue = owner->queue;
	*out_is_over = owner->is_over;
	pthread_mutex_unlock(&owner->lock);
	if (token)
		assert_int_equal(vio_queue_stopped(token), 0);
	return queue;
}

static void *run_owner(void *opaque)
{
	struct owner *owner = opaque;
	bool is_over = false;

	while (!is_over) {
		struct vio_queue *queue = take_orders(owner, &is_over);
		struct pollfd pfds[2] = {
			{ .fd = owner->wake, .events = POLLIN },
			{ .fd = queue ? vio_queue_get_kick_fd(queue) : -1,
			  .events = POLLIN },
		};

		if (queue)
			serve_all(owner, queue);
		if (is_over)
			break;
		assert_true(poll(pfds, 2, VIO_TEST_TIMEOUT_MS) > 0);
		peer_take_event(owner->wake);
		if (queue)
			vio_queue_read_kicks(queue);
	}
	return NULL;
}

static void start_owners(void)
{
	for (uint32_t i = 0; i < PEER_QUEUES; i++) {
		struct owner *owner = &owners[i];

		*owner = (struct owner){ .wake = eventfd(0,
							 EFD_CLOEXEC | EFD_NONBLOCK) };
		pthread_mutex_init(&owner->lock, NULL);
		assert_int_equal(pthread_create(&owner->thread, NULL, run_owner, owner),
				 0);
	}
}

static void join_owners(void)
{
	for (uint32_t i = 0; i < PEER_QUEUES; i++) {
		struct owner *owner = &owners[i];

		pthread_mutex_lock(&owner->lock);
		owner->is_over = true;
		pthread_mutex_unlock(&owner->lock);
		wake(owner);
		assert_int_equal(pthread_join(owner->thread, NULL), 0);
		pthread_mutex_destroy(&owner->lock);
		close(owner->wake);
	}
}

/* The guest: takes back what was used, makes a burst available, kicks. */
static void load(struct vhost_stage *stage)
{
	struct vio_driver_used used[PEER_DESCS];
	const uint64_t one = 1;

	for (uint32_t i = 0; i < PEER_QUEUES; i++) {
		assert_true(vio_driver_pop(stage->driver[i], used, PEER_DESCS) >= 0);
		for (int k = 0; k < BURST; k++)
			if (vio_driver_get_free(stage->driver[i]) >= 2)
				peer_push_echo(stage, i, "load");
		assert_int_equal(write(stage->kick[i], &one, sizeof(one)), sizeof(one));
	}
}

/* What the front end does to a running device, one after the other. */

static void change_table(struct vhost_stage *stage, uint32_t index)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	(void)index;
	peer_fill_table(stage, &memory, fds);
	peer_send_table(stage, &memory, fds);
}

static void exchange_call(struct vhost_stage *stage, uint32_t index)
{
	peer_send_fd(stage, VHOST_USER_SET_VRING_CALL, index, stage->call[index]);
}

static void disable_and_enable(struct vhost_stage *stage, uint32_t index)
{
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, index, 0);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, index, 1);
}

static void stop_and_start(struct vhost_stage *stage, uint32_t index)
{
	struct vhost_vring_state reply;

	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, index, 0);
	assert_int_equal(peer_receive(stage, VHOST_USER_GET_VRING_BASE, &reply), 8);
	peer_send_state(stage, VHOST_USER_SET_VRING_BASE, index, reply.num);
	peer_send_fd(stage, VHOST_USER_SET_VRING_KICK, index, stage->kick[index]);
}

static void reset_device(struct vhost_stage *stage, uint32_t index)
{
	(void)index;
	peer_send(stage, VHOST_USER_RESET_DEVICE, 0, NULL, 0, NULL, 0);
	peer_sync(stage);
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES);
	peer_start_all(stage, PEER_QUEUES);
}

static void log_and_not(struct vhost_stage *stage, uint32_t index)
{
	const struct vhost_log_area area = { .size_bytes = 0x30000 };
	int fd = peer_create_memfd(area.size_bytes, true);
	uint64_t reply;

	(void)index;
	peer_send(stage, VHOST_USER_SET_LOG_BASE, 0, &area, sizeof(area), &fd, 1);
	assert_int_equal(peer_receive(stage, VHOST_USER_SET_LOG_BASE, &reply), 8);
	close(fd);
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES | VHOST_F_LOG_ALL);
	load(stage);
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES);
}

static void (*const changes[])(struct vhost_stage *stage, uint32_t index) = {
	change_table,       stop_and_start, exchange_call,
	disable_and_enable, log_and_not,    reset_device,
};

#define N_CHANGES (sizeof(changes) / sizeof(changes[0]))

static void open_stage(struct vhost_stage *stage)
{
	struct vio_backend_ops ops = vhost_stage_ops;
	struct vio_backend_params params;
	int fds[2];

	vhost_stage_prepare(stage);
	start_owners();
	ops.queue_start = on_start;
	ops.queue_stop = on_stop;
	vhost_stage_params(stage, &params, fds);
	stage->fd = fds[0];
	params.ops = &ops;
	assert_int_equal(vhost_stage_open(stage, &params, NULL), 0);
	peer_begin(stage);
	peer_start_all(stage, PEER_QUEUES);
}

static void four_queues_on_four_threads_survive_every_change(void **state)
{
	struct vhost_stage stage;
	uint64_t n_served = 0;

	(void)state;
	open_stage(&stage);
	for (long round = 0; round < n_rounds; round++) {
		for (uint32_t i = 0; i < N_CHANGES; i++) {
			load(&stage);
			changes[i](&stage, (uint32_t)round % PEER_QUEUES);
		}
		peer_sync(&stage);
	}
	vio_backend_close(stage.backend, 0);
	peer_verify_end(&stage, -ECANCELED);
	join_owners();
	for (uint32_t i = 0; i < PEER_QUEUES; i++)
		n_served += owners[i].n_served;
	assert_true(n_served > (uint64_t)n_rounds * PEER_QUEUES);
	assert_int_equal(stage.n_starts, stage.n_stops);
	vhost_stage_clear(&stage);
}

static void a_peer_that_leaves_under_load_leaves_nothing(void **state)
{
	(void)state;
	for (long round = 0; round < n_rounds / 10 + 1; round++) {
		struct vhost_stage stage;

		open_stage(&stage);
		load(&stage);
		change_table(&stage, 0);
		exchange_call(&stage, 1);
		close(stage.fd);
		stage.fd = -1;
		peer_verify_end(&stage, 0);
		join_owners();
		vhost_stage_clear(&stage);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_queues_on_four_threads_survive_every_change),
		cmocka_unit_test(a_peer_that_leaves_under_load_leaves_nothing),
	};

	if (argc > 1)
		n_rounds = strtol(argv[1], NULL, 10);
	else if (getenv("VIO_TEST_SOAK"))
		n_rounds = ROUNDS_SOAK;
	print_message("%ld rounds\n", n_rounds);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
