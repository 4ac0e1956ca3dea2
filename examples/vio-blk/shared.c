/* SPDX-License-Identifier: MIT */
/*
 * The shared thread. With a guard, it says whose turn it is and for how long; all time
 * since the turn before, also that of hearing events, is charged to the one that has
 * it. A worker's descriptor is reported once and armed again after its turn, so that
 * a guest that has to wait cannot wake the thread meanwhile, however often it kicks.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "say.h"
#include "shared.h"

#define SEC  UINT64_C(1000000000)
#define WAKE UINT64_MAX

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SEC + (uint64_t)now.tv_nsec;
}

static const char *const verdicts[] = { "ok", "suspect", "attack" };

static void tell(const struct vio_guard_verdict *verdict)
{
	complain("guard: %s: %s, actions 0x%x, evidence 0x%x, %llu alarms, %llu kicks, "
		 "%llu operations, %llu bytes, %llu us, share %u permille, beyond its "
		 "bounds %llu kicks and %llu us of waiting",
		 verdict->name, verdicts[verdict->verdict], verdict->actions,
		 verdict->evidence, (unsigned long long)verdict->n_alarms,
		 (unsigned long long)verdict->kicks, (unsigned long long)verdict->ops,
		 (unsigned long long)verdict->bytes,
		 (unsigned long long)verdict->service_ns / 1000,
		 verdict->share_permille, (unsigned long long)verdict->excess_kicks,
		 (unsigned long long)verdict->excess_waiting_ns / 1000);
}

/* There is no BAR to unmap and no function to pause. */
static void act(void *opaque, const struct vio_guard_verdict *verdict)
{
	struct seat *seat = opaque;

	for (uint32_t i = 0; i < seat->n_workers; i++)
		worker_mask(&seat->workers[i],
			    (verdict->actions & VIO_GUARD_MASK) != 0);
	tell(verdict);
}

static void report(struct shared *shared)
{
	for (uint32_t i = 0; i < shared->n_seats; i++) {
		struct vio_guard_verdict verdict = VIO_GUARD_VERDICT_INIT;

		if (vio_guard_read_verdict(shared->seats[i].member, &verdict) == 0)
			tell(&verdict);
	}
}

static void mark(struct shared *shared, struct seat *seat)
{
	seat->is_ready = 1;
	if (shared->guard)
		vio_guard_mark(seat->member, now_ns());
}

/* The event of a worker's descriptor tells its seat and its number. */
static void arm(struct shared *shared, uint32_t seat, uint32_t worker, int op)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
	int fd = shared->seats[seat].workers[worker].epoll_fd;

	event.data.u64 = (uint64_t)seat << 32 | worker;
	if (epoll_ctl(shared->epoll_fd, op, fd, &event) < 0)
		complain("cannot wait for a queue: %s", strerror(errno));
}

static void hear(struct shared *shared, const struct timespec *wait)
{
	struct epoll_event events[SEATS_MAX];
	int n = epoll_pwait2(shared->epoll_fd, events, SEATS_MAX, wait, NULL);

	/* Sleeping is nobody's time, nor is what followed until the thread ran. */
	if (!wait || wait->tv_sec || wait->tv_nsec) {
		if (shared->guard)
			lost_take(&shared->lost);
		shared->began_ns = now_ns();
	}
	for (int i = 0; i < n; i++) {
		uint64_t count;

		if (events[i].data.u64 != WAKE)
			mark(shared, &shared->seats[events[i].data.u64 >> 32]);
		else if (read(shared->wake_fd, &count, sizeof(count)) < 0)
			continue;
	}
	/* Relaxed: the eventfd orders it. */
	if (__atomic_exchange_n(&shared->wants_report, 0, __ATOMIC_RELAXED))
		report(shared);
}

/* What the kernel or a stop is to be asked about again soon counts as more to do. */
static int serve_worker(struct worker *worker, const struct turn *turn)
{
	worker->turn = *turn;
	worker_take_turn(worker, 0);
	return worker_wait_ms(worker) >= 0;
}

/* Every worker of the seat, each with what the others have left of the turn. */
static void serve_seat(struct shared *shared, struct seat *seat, struct turn *turn)
{
	const uint32_t index = (uint32_t)(seat - shared->seats);

	seat->is_ready = 0;
	for (uint32_t i = 0; i < seat->n_workers; i++) {
		uint32_t k = (seat->first + i) % seat->n_workers;

		seat->is_ready |= serve_worker(&seat->workers[k], turn);
		*turn = seat->workers[k].turn;
		arm(shared, index, k, EPOLL_CTL_MOD);
	}
	seat->first = (seat->first + 1) % seat->n_workers;
}

/*
 * A turn within its slot cannot have lost more than that, and is not worth a system
 * call. What it did lose is taken off a longer one: a few of them at most until the
 * thread sleeps, and never more than that one took.
 */
static uint64_t find_lost_ns(struct shared *shared, uint64_t took_ns, uint64_t slot_ns)
{
	uint64_t lost_ns = took_ns > slot_ns ? lost_take(&shared->lost) : 0;

	return lost_ns < took_ns ? lost_ns : took_ns;
}

static void serve_slot(struct shared *shared, const struct vio_guard_slot *slot)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct seat *seat = slot->opaque;
	struct turn turn = {
		.until_ns = now_ns() + slot->service_ns,
		.chains_max = slot->descs,
		.bytes_max = slot->bytes,
	};
	uint64_t ended_ns, took_ns;

	serve_seat(shared, seat, &turn);
	ended_ns = now_ns();
	sample.flags = seat->is_ready ? VIO_GUARD_MORE : 0;
	sample.kicks = turn.kicks;
	sample.unwanted_kicks = turn.unwanted;
	sample.ops = turn.chains;
	sample.bytes = turn.bytes;
	took_ns = ended_ns - shared->began_ns;
	sample.lost_ns = find_lost_ns(shared, took_ns, slot->service_ns);
	sample.service_ns = took_ns - sample.lost_ns;
	shared->began_ns = ended_ns;
	vio_guard_record(slot->member, ended_ns, &sample);
}

/* Returns when to go on without an event: 0: at once; UINT64_MAX: never. */
static uint64_t serve_guarded(struct shared *shared)
{
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;

	if (vio_guard_begin(shared->guard, now_ns(), &slot) < 0)
		return slot.retry_at_ns;
	serve_slot(shared, &slot);
	return 0;
}

/* One after the other, and each for as long as a worker goes on. */
static uint64_t serve_unguarded(struct shared *shared)
{
	uint64_t retry_at_ns = UINT64_MAX;

	for (uint32_t i = 0; i < shared->n_seats; i++) {
		struct turn turn = { 0 };

		if (shared->seats[i].is_ready)
			serve_seat(shared, &shared->seats[i], &turn);
		if (shared->seats[i].is_ready)
			retry_at_ns = 0;
	}
	return retry_at_ns;
}

static void *run(void *opaque)
{
	struct shared *shared = opaque;
	uint64_t retry_at_ns = UINT64_MAX;

	lost_open(&shared->lost);
	/* Relaxed: the eventfd orders it. */
	while (!__atomic_load_n(&shared->is_quitting, __ATOMIC_RELAXED)) {
		uint64_t now = retry_at_ns ? now_ns() : 0;
		uint64_t wait_ns = retry_at_ns > now ? retry_at_ns - now : 0;
		struct timespec wait = { .tv_sec = (time_t)(wait_ns / SEC),
					 .tv_nsec = (long)(wait_ns % SEC) };

		hear(shared, retry_at_ns == UINT64_MAX ? NULL : &wait);
		retry_at_ns =
			shared->guard ? serve_guarded(shared) : serve_unguarded(shared);
	}
	lost_close(&shared->lost);
	return NULL;
}

static int open_guard(struct shared *shared, struct vio_ctx *ctx)
{
	struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	/* Ours are the largest rings that there can be. */
	params.kicks_max = QUEUE_SIZE_MAX;
	if (vio_guard_create(ctx, &params, now_ns(), &shared->guard, &err) < 0)
		return complain("guard: %s", err.text);
	return 0;
}

int shared_open(struct shared *shared, struct vio_ctx *ctx, int is_guarded)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = WAKE };

	shared->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	shared->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared->is_open = 1;
	if (shared->epoll_fd < 0 || shared->wake_fd < 0 ||
	    epoll_ctl(shared->epoll_fd, EPOLL_CTL_ADD, shared->wake_fd, &event) < 0)
		return complain("epoll: %s", strerror(errno));
	return is_guarded ? open_guard(shared, ctx) : 0;
}

/* The end of a long path is what tells it from others. */
static const char *short_name(const char *name)
{
	size_t n = strlen(name);

	return n < VIO_GUARD_NAME_BYTES ? name : name + n - VIO_GUARD_NAME_BYTES + 1;
}

int shared_add(struct shared *shared, const char *name, struct worker *workers,
	       uint32_t n_workers)
{
	struct vio_guard_member_params params = VIO_GUARD_MEMBER_PARAMS_INIT;
	uint32_t index = shared->n_seats++;
	struct seat *seat = &shared->seats[index];
	struct vio_error err = VIO_ERROR_INIT;

	*seat = (struct seat){ name, workers, n_workers, 0, 0, NULL };
	for (uint32_t i = 0; i < n_workers; i++)
		arm(shared, index, i, EPOLL_CTL_ADD);
	if (!shared->guard)
		return 0;
	params.name = short_name(name);
	params.act = act;
	params.opaque = seat;
	if (vio_guard_add(shared->guard, &params, &seat->member, &err) < 0)
		return complain("guard: %s", err.text);
	return 0;
}

int shared_start(struct shared *shared)
{
	int ret = pthread_create(&shared->thread, NULL, run, shared);

	if (ret)
		return complain("cannot start a thread: %s", strerror(ret));
	shared->has_thread = 1;
	return 0;
}

void shared_report(struct shared *shared)
{
	__atomic_store_n(&shared->wants_report, 1, __ATOMIC_RELAXED);
	eventfd_write(shared->wake_fd, 1);
}

static void end_thread(struct shared *shared)
{
	__atomic_store_n(&shared->is_quitting, 1, __ATOMIC_RELAXED);
	eventfd_write(shared->wake_fd, 1);
	pthread_join(shared->thread, NULL);
}

void shared_close(struct shared *shared)
{
	if (!shared->is_open)
		return;
	if (shared->has_thread)
		end_thread(shared);
	for (uint32_t i = 0; i < shared->n_seats; i++)
		vio_guard_remove(shared->seats[i].member);
	vio_guard_destroy(shared->guard);
	if (shared->epoll_fd >= 0)
		close(shared->epoll_fd);
	if (shared->wake_fd >= 0)
		close(shared->wake_fd);
}
