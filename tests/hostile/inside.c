/* SPDX-License-Identifier: MIT */
/*
 * The device within this process: a thread for each queue, which owns it as
 * <vio/queue.h> shows, reads all that a chain has to read and fills all that it
 * has to write. What goes wrong is then found by the sanitizers of one process.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <vio/mem.h>

#include "hostile/hostile.h"

#define N_CHAINS 8u
#define N_IOV    1024u

struct owner {
	struct hostile *h;
	struct ring *ring;
	struct vio_queue *queue;
	pthread_t thread;
	int quit; /* eventfd */
	bool is_latched;
	uint64_t sum; /* of all bytes read, so that they are */
	struct vio_chain chains[N_CHAINS];
	struct iovec iov[N_IOV];
};

struct inside {
	struct vio_mem *mem;
	uint64_t features;
	struct owner owners[N_RINGS];
};

static void serve_chain(struct owner *owner, struct vio_chain *chain)
{
	for (uint32_t i = 0; i < chain->n_out; i++)
		for (size_t k = 0; k < chain->iov[i].iov_len; k++)
			owner->sum += ((uint8_t *)chain->iov[i].iov_base)[k];
	for (uint32_t i = chain->n_out; i < chain->n_out + chain->n_in; i++)
		memset(chain->iov[i].iov_base, 0, chain->iov[i].iov_len);
	chain->written_bytes = (uint32_t)chain->in_bytes;
}

static int serve_burst(struct owner *owner)
{
	struct vio_queue *queue = owner->queue;
	int n = vio_queue_pop(queue, owner->chains, N_CHAINS, owner->iov, N_IOV);

	for (int i = 0; i < n; i++)
		serve_chain(owner, &owner->chains[i]);
	if (n > 0) {
		vio_queue_push(queue, owner->chains, (uint32_t)n);
		if (vio_queue_publish(queue) > 0)
			vio_queue_notify(queue);
	}
	return n;
}

static void serve_all(struct owner *owner)
{
	int n;

	do {
		vio_queue_set_kicks(owner->queue, 0);
		while ((n = serve_burst(owner)) > 0)
			;
	} while (n == 0 && vio_queue_set_kicks(owner->queue, 1) > 0);
	owner->is_latched = n < 0;
}

static void *own(void *opaque)
{
	struct owner *owner = opaque;
	struct pollfd pfds[2] = {
		{ .fd = owner->quit, .events = POLLIN },
		{ .fd = vio_queue_get_kick_fd(owner->queue), .events = POLLIN },
	};

	serve_all(owner);
	for (;;) {
		/* Kicks of a queue that latched are not listened to. */
		poll(pfds, owner->is_latched ? 1 : 2, -1);
		if (pfds[0].revents)
			return NULL;
		vio_queue_read_kicks(owner->queue);
		serve_all(owner);
	}
}

static void
tell_fault(void *opaque, struct vio_queue *queue, const struct vio_queue_fault *fault)
{
	struct owner *owner = opaque;

	(void)queue;
	(void)fault;
	eventfd_write(owner->ring->err, 1);
}

static struct vio_mem_region region_of(struct hostile *h, uint64_t gpa, uint64_t n)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = gpa;
	region.length_bytes = n;
	region.hva = guest_at(h, gpa);
	return region;
}

static int add(struct hostile *h, uint64_t gpa, uint64_t n)
{
	const struct vio_mem_region region = region_of(h, gpa, n);

	return vio_mem_add(h->inside->mem, &region, NULL);
}

static int inside_open(struct hostile *h)
{
	h->inside = calloc(1, sizeof(*h->inside));
	if (!h->inside || vio_mem_create(NULL, &h->inside->mem) ||
	    add(h, LOW_GPA, LOW_BYTES) || add(h, MID_GPA, MID_BYTES) ||
	    add(h, HIGH_GPA, HIGH_BYTES)) {
		fail(h, "no memory table");
		return -1;
	}
	h->features = VIO_QUEUE_FEATURES;
	return 0;
}

static void inside_describe(struct hostile *h, uint64_t features)
{
	h->inside->features = features;
}

static int create_queue(struct hostile *h, struct owner *owner)
{
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;
	struct vio_queue_state state = VIO_QUEUE_STATE_INIT;
	const struct ring *ring = owner->ring;
	int ret;

	params.mem = h->inside->mem;
	params.features = h->inside->features;
	params.desc_addr = ring->desc;
	params.driver_addr = ring->avail;
	params.device_addr = ring->used;
	params.n_descs = ring->n_descs;
	params.kick_fd = ring->kick;
	params.call_fd = ring->call;
	params.fault = tell_fault;
	params.opaque = owner;
	ret = vio_queue_create(NULL, &params, &owner->queue, NULL);
	if (ret)
		return ret;
	state.avail_index = ring->base;
	state.used_index = ring->base;
	return vio_queue_set_state(owner->queue, &state);
}

static void inside_start(struct hostile *h, struct ring *ring)
{
	struct owner *owner = &h->inside->owners[ring - h->rings];

	owner->h = h;
	owner->ring = ring;
	owner->is_latched = false;
	if (create_queue(h, owner)) {
		h->is_refused = true;
		return;
	}
	owner->quit = eventfd(0, EFD_CLOEXEC);
	if (owner->quit < 0 || pthread_create(&owner->thread, NULL, own, owner))
		abort();
	ring->is_started = true;
}

static void inside_stop(struct hostile *h, struct ring *ring)
{
	struct owner *owner = &h->inside->owners[ring - h->rings];
	struct vio_queue_state state = VIO_QUEUE_STATE_INIT;

	if (ring->is_started) {
		eventfd_write(owner->quit, 1);
		pthread_join(owner->thread, NULL);
		close(owner->quit);
	}
	if (owner->queue && vio_queue_read_state(owner->queue, &state) == 0)
		ring->base = state.avail_index;
	vio_queue_destroy(owner->queue);
	owner->queue = NULL;
	ring->is_started = false;
}

static bool inside_sync(struct hostile *h)
{
	return !h->is_refused;
}

static void inside_set_mid(struct hostile *h, bool is_there)
{
	int ret = is_there ? add(h, MID_GPA, MID_BYTES)
			   : vio_mem_remove(h->inside->mem, MID_GPA);

	if (ret)
		fail(h, "memory does not change: error %d", -ret);
}

static uint64_t inside_read_cpu_ns(struct hostile *h)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < N_RINGS; i++) {
		struct timespec time;
		clockid_t clock;

		if (!h->rings[i].is_started ||
		    pthread_getcpuclockid(h->inside->owners[i].thread, &clock) ||
		    clock_gettime(clock, &time))
			continue;
		sum += (uint64_t)time.tv_sec * UINT64_C(1000000000) +
		       (uint64_t)time.tv_nsec;
	}
	return sum;
}

static void inside_close(struct hostile *h)
{
	if (!h->inside)
		return;
	for (uint32_t i = 0; i < N_RINGS; i++)
		inside_stop(h, &h->rings[i]);
	if (vio_mem_destroy(h->inside->mem, NULL))
		fail(h, "the memory table is still in use");
	free(h->inside);
	h->inside = NULL;
}

const struct target_ops inside_target = {
	.open = inside_open,
	.describe = inside_describe,
	.start = inside_start,
	.stop = inside_stop,
	.sync = inside_sync,
	.set_mid = inside_set_mid,
	.read_cpu_ns = inside_read_cpu_ns,
	.close = inside_close,
};
