/* SPDX-License-Identifier: MIT */
/*
 * The life of a request: popped, parsed, paid for, submitted, completed, pushed.
 * It goes round in bursts: one submission and one publication for all that a round
 * has brought. The number of rounds at a time is bounded, for a guest that makes
 * requests faster than they are refused would otherwise keep its worker from ever
 * hearing that it is to stop.
 */
#include <sys/timerfd.h>
#include <time.h>

#include "worker.h"

#define BURST      32u
#define ROUNDS_MAX 16u

/* The data of a round where turns are bounded, so that the clock is looked at often. */
#define ROUND_BYTES (64u << 10)

static struct request *request_take(struct worker *worker)
{
	const struct vio_alloc_ops *ops = vio_heap_get_ops(worker->requests);

	return ops->alloc(ops->opaque, sizeof(struct request),
			  _Alignof(struct request));
}

static void request_give_back(struct worker *worker, struct request *request)
{
	const struct vio_alloc_ops *ops = vio_heap_get_ops(worker->requests);

	ops->free(ops->opaque, request, sizeof(*request), _Alignof(struct request));
}

/* A chain that is refused is no longer with the device: nothing is owed to it. */
static void push(struct worker *worker, struct request *request)
{
	worker->turn.bytes += request_finish(request);
	vio_queue_push(worker->queue, &request->chain, 1);
	request_give_back(worker, request);
}

static void submit(struct worker *worker, struct request *request)
{
	/* As many entries as requests, each with one at most: never full. */
	if (disk_prepare(worker->disk, &worker->ring, request) < 0) {
		request->status = VIRTIO_BLK_S_IOERR;
		push(worker, request);
		return;
	}
	worker->n_in_kernel++;
}

static void arm_timer(struct worker *worker, uint64_t at_ns)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(at_ns / 1000000000),
		.it_value.tv_nsec = (long)(at_ns % 1000000000),
	};

	timerfd_settime(worker->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* 0: paid; -1: not yet, and the timer tells when to ask again. */
static int pay(struct worker *worker, struct bill *bill)
{
	uint64_t retry_at_ns = 0;

	if (throttle_pay(worker->throttle, &worker->lease, bill, &retry_at_ns) == 0)
		return 0;
	arm_timer(worker, retry_at_ns);
	return -1;
}

/*
 * A queue that is to drain keeps its front end waiting, which for a slow limit could
 * be minutes. So its requests go now and are paid for later: the worker is in debt,
 * and takes nothing new, from this guest or the next, until it is not. However often
 * a guest has its queue stopped, it is never ahead by more than one ring.
 */
static int is_in_a_hurry(const struct worker *worker)
{
	return worker->stop && worker->stop_flags & VIO_STOP_DRAIN;
}

static void pay_later(struct worker *worker, struct bill *bill)
{
	worker->debt.owed_bytes += bill->owed_bytes;
	worker->debt.owed_ops += bill->owed_ops;
	bill->owed_bytes = bill->owed_ops = 0;
}

/* Those at the head of the line that can go now; a timer for the next. */
static void serve_line(struct worker *worker)
{
	while (worker->line) {
		struct request *request = worker->line;

		if (is_in_a_hurry(worker))
			pay_later(worker, &request->bill);
		else if (pay(worker, &request->bill) < 0)
			return;
		worker->line = request->next;
		if (!worker->line)
			worker->line_end = &worker->line;
		submit(worker, request);
	}
}

static void stand_in_line(struct worker *worker, struct request *request)
{
	request->next = NULL;
	*worker->line_end = request;
	worker->line_end = &request->next;
}

/* To the disk, or into the line if it has to be paid for. */
static void begin(struct worker *worker, struct request *request)
{
	if (request->kind == REQUEST_ANSWERED)
		push(worker, request);
	else if (bill_is_open(&request->bill))
		stand_in_line(worker, request);
	else
		submit(worker, request);
}

static int may_take(const struct worker *worker)
{
	return worker->queue && !worker->stop && !worker->is_latched;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int is_turn_over(const struct turn *turn)
{
	return turn->until_ns &&
	       (turn->chains >= turn->chains_max || turn->bytes >= turn->bytes_max ||
		now_ns() >= turn->until_ns);
}

static int is_round_full(const struct turn *turn, uint64_t bytes_before)
{
	return turn->until_ns && (turn->chains >= turn->chains_max ||
				  turn->bytes - bytes_before >= ROUND_BYTES);
}

static uint64_t part_bytes(uint64_t n_bytes)
{
	return n_bytes < PART_BYTES ? n_bytes : PART_BYTES;
}

/* Returns 1 if there may be more: parts of large requests count as new ones do. */
static int reap(struct worker *worker)
{
	struct turn *turn = &worker->turn;
	uint64_t bytes_before = turn->bytes;
	struct io_uring_cqe *cqe;

	while (!is_round_full(turn, bytes_before)) {
		struct request *request;
		int result;

		if (io_uring_peek_cqe(&worker->ring, &cqe) < 0)
			return 0;
		request = io_uring_cqe_get_data(cqe);
		result = cqe->res;
		io_uring_cqe_seen(&worker->ring, cqe);
		worker->n_in_kernel--;
		if (!disk_complete(request, result)) {
			push(worker, request);
			continue;
		}
		turn->bytes += part_bytes(request->left_bytes);
		begin(worker, request);
	}
	return 1;
}

/* Returns 1 if there may be more. */
static int take_chains(struct worker *worker)
{
	struct turn *turn = &worker->turn;
	uint64_t bytes_before = turn->bytes;

	if (!may_take(worker) || pay(worker, &worker->debt) < 0)
		return 0;
	for (uint32_t i = 0; i < BURST && !is_round_full(turn, bytes_before); i++) {
		struct request *request = request_take(worker);
		int n;

		if (!request)
			return 0;
		n = vio_queue_pop(worker->queue, &request->chain, 1, request->iov,
				  CHAIN_IOV);
		if (n <= 0) {
			request_give_back(worker, request);
			worker->is_latched = n < 0;
			return 0;
		}
		request_parse(request, worker->disk);
		turn->chains++;
		turn->bytes += part_bytes(request->bill.owed_bytes);
		begin(worker, request);
	}
	return 1;
}

static void show(struct worker *worker)
{
	/* What the kernel does not take now is offered again in the next round. */
	if (io_uring_sq_ready(&worker->ring))
		io_uring_submit(&worker->ring);
	if (worker->queue && vio_queue_publish(worker->queue) > 0)
		vio_queue_notify(worker->queue);
}

/*
 * Nothing left to pop: 1 if the driver added something before it could know. In
 * debt there may be something, but it is the timer that is waited for.
 */
static int ask_for_kicks(struct worker *worker)
{
	if (!may_take(worker) || bill_is_open(&worker->debt))
		return 0;
	if (worker->turn.until_ns)
		worker_read_kicks(worker, 1);
	if (vio_queue_set_kicks(worker->queue, 1) <= 0)
		return 0;
	/* This thread may have been away in between: read what was wanted meanwhile. */
	worker_spare_kicks(worker);
	if (worker->turn.until_ns)
		worker_read_kicks(worker, 0);
	return 1;
}

void worker_serve(struct worker *worker)
{
	int more = 1;

	if (worker->queue && !worker->is_latched)
		vio_queue_set_kicks(worker->queue, 0);
	for (uint32_t round = 0; more && round < ROUNDS_MAX; round++) {
		more = reap(worker);
		more |= take_chains(worker);
		serve_line(worker);
		show(worker);
		more = more || ask_for_kicks(worker);
		if (more && is_turn_over(&worker->turn))
			break;
	}
	worker->has_more = more;
}
