/* SPDX-License-Identifier: MIT */
/*
 * What the driver and the device do in a step. A request carries random bytes;
 * the answer follows from them, and so does its length, so the driver can check
 * every byte that came back and that nothing was written behind them.
 *
 * Where a step runs alone, each notification is compared with what the ring itself
 * says at that moment, counted out index by index: virtio 1.2, 2.7.7 and 2.7.10.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "traffic.h"

#define PAGE       UINT64_C(4096)
#define SLOT_BYTES 512u
#define BUF_BYTES  (SLOT_BYTES / SIDE_BUFS)
#define UNTOUCHED  0xee

enum step traffic_fail(struct traffic *traffic, const char *error)
{
	const char *none = NULL;

	/* Relaxed: it is read after both threads are joined. */
	__atomic_compare_exchange_n(&traffic->error, &none, error, 0, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
	return STEP_ERROR;
}

static uint64_t round_up(uint64_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

static int map_ring(struct ring *ring)
{
	const uint64_t n = ring->n_descs;
	int fd = memfd_create("ring", MFD_CLOEXEC);

	ring->avail_offset = 16 * n;
	ring->used_offset = round_up(ring->avail_offset + 6 + 2 * n);
	ring->table_offset = round_up(ring->used_offset + 6 + 8 * n);
	ring->n_bytes =
		round_up(ring->table_offset + n * (16 * SIDE_BUFS + SLOT_BYTES));
	if (fd < 0 || ftruncate(fd, (off_t)ring->n_bytes))
		return -1;
	ring->driver_base =
		mmap(NULL, ring->n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ring->device_base =
		mmap(NULL, ring->n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return ring->driver_base == MAP_FAILED || ring->device_base == MAP_FAILED ? -1
										  : 0;
}

int traffic_open(struct traffic *traffic)
{
	if (map_ring(&traffic->ring))
		return -1;
	traffic->error = NULL;
	traffic->driver.chance.state = traffic->seed;
	traffic->device.chance.state = ~traffic->seed;
	for (uint32_t i = 0; i < traffic->ring.n_descs; i++)
		traffic->driver.free[traffic->driver.n_free++] = i;
	traffic->driver.side = traffic->driver_ops->open(&traffic->ring);
	traffic->device.side = traffic->device_ops->open(&traffic->ring);
	return 0;
}

void traffic_close(struct traffic *traffic)
{
	traffic->driver_ops->close(traffic->driver.side);
	traffic->device_ops->close(traffic->device.side);
	munmap(traffic->ring.driver_base, traffic->ring.n_bytes);
	munmap(traffic->ring.device_base, traffic->ring.n_bytes);
}

static uint16_t ring_u16(const struct traffic *traffic, uint64_t offset)
{
	const char *at = traffic->ring.driver_base + offset;

	return __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_RELAXED);
}

/*
 * Whether the side that is about to show the entries from @from up to @to must
 * notify: the index it is asked to notify at is one of them, or, without events,
 * it is not asked to refrain.
 */
static int is_due(const struct traffic *traffic, uint64_t flags_offset,
		  uint64_t event_offset, uint64_t from, uint64_t to)
{
	uint16_t event;

	if (!(traffic->ring.features & SIDE_EVENT))
		return from != to && !(ring_u16(traffic, flags_offset) & 1);
	event = ring_u16(traffic, event_offset);
	for (uint64_t index = from; index != to; index++)
		if ((uint16_t)index == event)
			return 1;
	return 0;
}

static uint32_t add_up(const struct iovec *iov, uint32_t n)
{
	uint32_t sum = 1;

	for (uint32_t i = 0; i < n; i++)
		for (size_t at = 0; at < iov[i].iov_len; at++)
			sum = sum * 31 + ((const uint8_t *)iov[i].iov_base)[at];
	return sum;
}

static uint8_t answer_byte(uint32_t sum, uint32_t at)
{
	return (uint8_t)((sum >> 8) + at * 7);
}

/*
 * What a side tells the other before it sleeps: the flag at
 * @flags_offset, or the index to notify at. @from up to @to: what is to wake it.
 */
static enum step check_wish(struct traffic *traffic, uint64_t flags_offset,
			    uint64_t event_offset, uint64_t from, uint64_t to)
{
	if (traffic->is_exact && !is_due(traffic, flags_offset, event_offset, from, to))
		return traffic_fail(traffic, "a side sleeps that nothing will wake");
	return STEP_IDLE;
}

static void check_spared(struct traffic *traffic, uint64_t flags_offset)
{
	/* The event index stays where it is: it is passed once. */
	if (traffic->is_exact && !(traffic->ring.features & SIDE_EVENT) &&
	    !(ring_u16(traffic, flags_offset) & 1))
		traffic_fail(traffic, "notifications are not spared");
}

/* Where the device says when to kick, the driver when to call. */
static uint64_t kick_event(const struct ring *ring)
{
	return ring->used_offset + 4 + 8 * (uint64_t)ring->n_descs;
}

static uint64_t call_event(const struct ring *ring)
{
	return ring->avail_offset + 4 + 2 * (uint64_t)ring->n_descs;
}

/* The driver. */

static void fill_request(struct traffic *traffic, struct request *request)
{
	struct chance *chance = &traffic->driver.chance;
	const struct ring *ring = &traffic->ring;
	const uint32_t n_descs = ring->n_descs;
	const uint32_t most = n_descs < SIDE_BUFS ? n_descs : SIDE_BUFS;
	char *at = ring->driver_base + ring->table_offset +
		   (uint64_t)n_descs * 16 * SIDE_BUFS +
		   (uint64_t)request->slot * SLOT_BYTES;

	request->n_bufs = chance_between(chance, 1, most);
	request->n_out = chance_below(chance, request->n_bufs + 1);
	for (uint32_t i = 0; i < request->n_bufs; i++) {
		const uint32_t length = chance_between(chance, 1, BUF_BYTES);

		request->bufs[i] = (struct iovec){ at, length };
		memset(at,
		       i < request->n_out ? (int)chance_below(chance, 256) : UNTOUCHED,
		       length);
		at += length;
	}
}

static int add_some(struct traffic *traffic)
{
	struct chance *chance = &traffic->driver.chance;
	const int is_idle = traffic->driver.n_added == traffic->driver.n_taken;
	const uint32_t wanted = chance_below(chance, 16) + (is_idle ? 1 : 0);
	uint32_t n = 0;

	while (n < wanted && traffic->driver.n_free &&
	       traffic->driver.n_added < traffic->n_total) {
		const uint32_t slot = traffic->driver.free[traffic->driver.n_free - 1];
		struct request *request = &traffic->driver.requests[slot];
		int ret;

		request->slot = slot;
		fill_request(traffic, request);
		ret = traffic->driver_ops->add(traffic->driver.side, request);
		if (ret < 0)
			return ret;
		if (!ret)
			break;
		traffic->driver.n_free--;
		traffic->driver.sent[traffic->driver.n_added++ % DESCS_MAX] = slot;
		n++;
	}
	return (int)n;
}

static enum step kick(struct traffic *traffic)
{
	const struct ring *ring = &traffic->ring;
	const int due = is_due(traffic, ring->used_offset, kick_event(ring),
			       traffic->driver.n_kicked, traffic->driver.n_added);
	const int is_kick = traffic->driver_ops->kick(traffic->driver.side);

	if (traffic->is_exact && is_kick != due)
		return traffic_fail(traffic, due ? "a kick is missing"
						 : "a kick that nobody asked for");
	traffic->driver.n_kicked = traffic->driver.n_added;
	if (is_kick) {
		traffic->n_kicks++;
		traffic->notify(traffic, DEVICE);
	}
	return STEP_BUSY;
}

/* Every byte of an answer. */
static int is_right(const struct request *request, uint32_t written_bytes)
{
	const uint32_t sum = add_up(request->bufs, request->n_out);
	uint32_t in_bytes = 0;
	int is_good = 1;

	for (uint32_t i = request->n_out; i < request->n_bufs; i++) {
		const uint8_t *bytes = request->bufs[i].iov_base;

		for (size_t at = 0; at < request->bufs[i].iov_len; at++, in_bytes++)
			is_good &= bytes[at] == (in_bytes < written_bytes
							 ? answer_byte(sum, in_bytes)
							 : UNTOUCHED);
	}
	return is_good && written_bytes == sum % (in_bytes + 1);
}

static int check_taken(struct traffic *traffic, uint32_t slot, uint32_t written_bytes)
{
	const int is_ordered =
		traffic->is_fifo || (traffic->ring.features & SIDE_IN_ORDER);
	const uint32_t first =
		traffic->driver.sent[traffic->driver.n_taken % DESCS_MAX];

	if (slot >= traffic->ring.n_descs ||
	    !is_right(&traffic->driver.requests[slot], written_bytes))
		return traffic_fail(traffic, "an answer is wrong"), -1;
	if (is_ordered && slot != first)
		return traffic_fail(traffic, "answers out of order"), -1;
	return 0;
}

static int take_some(struct traffic *traffic)
{
	const uint32_t wanted = chance_between(&traffic->driver.chance, 1, 32);
	uint32_t slot, written_bytes;
	uint32_t n = 0;

	for (; n < wanted; n++) {
		int ret = traffic->driver_ops->take(traffic->driver.side, &slot,
						    &written_bytes);

		if (!ret)
			break;
		if (ret < 0 || check_taken(traffic, slot, written_bytes))
			return -1;
		traffic->driver.free[traffic->driver.n_free++] = slot;
		traffic->driver.n_taken++;
	}
	return (int)n;
}

/* Kicks may wait for more requests, but not while the driver sleeps. */
static enum step step_driver(struct traffic *traffic)
{
	const int n_added = add_some(traffic);
	const int n_taken = n_added < 0 ? 0 : take_some(traffic);

	if (n_added < 0 || n_taken < 0)
		return traffic_fail(traffic, "the driver refuses");
	if (traffic->driver.n_kicked != traffic->driver.n_added &&
	    (!(n_added || n_taken) || chance_below(&traffic->driver.chance, 4)) &&
	    kick(traffic) == STEP_ERROR)
		return STEP_ERROR;
	if (traffic->driver.n_taken == traffic->n_total)
		return STEP_DONE;
	if (n_added || n_taken)
		return STEP_BUSY;
	if (!traffic->driver_ops->enable(traffic->driver.side))
		return check_wish(traffic, traffic->ring.avail_offset,
				  call_event(&traffic->ring), traffic->driver.n_taken,
				  traffic->driver.n_added);
	traffic_wake(traffic, DRIVER);
	return STEP_BUSY;
}

/* The device. */

static uint32_t answer(const struct work *work)
{
	const uint32_t sum = add_up(work->iov, work->n_out);
	const uint32_t written_bytes = sum % (work->in_bytes + 1);
	uint32_t at = 0;

	for (uint32_t i = work->n_out; i < work->n_iov; i++)
		for (size_t k = 0; k < work->iov[i].iov_len && at < written_bytes; k++)
			((uint8_t *)work->iov[i].iov_base)[k] = answer_byte(sum, at++);
	return written_bytes;
}

static int pop_some(struct traffic *traffic)
{
	const uint32_t wanted = chance_between(&traffic->device.chance, 1, 24);
	uint32_t n = 0;

	for (; n < wanted && traffic->device.n_open < DESCS_MAX; n++) {
		int ret = traffic->device_ops->pop(
			traffic->device.side,
			&traffic->device.open[traffic->device.n_open]);

		if (ret < 0)
			return ret;
		if (!ret)
			break;
		traffic->device.n_open++;
	}
	return (int)n;
}

static int complete_one(struct traffic *traffic)
{
	struct work *open = traffic->device.open;
	const uint32_t n = traffic->device.n_open;
	const uint32_t at =
		traffic->is_fifo ? 0 : chance_below(&traffic->device.chance, n);

	if (traffic->device_ops->complete(traffic->device.side, &open[at],
					  answer(&open[at])))
		return -1;
	memmove(&open[at], &open[at + 1], (n - at - 1) * sizeof(open[0]));
	traffic->device.n_open--;
	traffic->device.n_completed++;
	return 0;
}

static enum step publish(struct traffic *traffic)
{
	const struct ring *ring = &traffic->ring;
	const uint16_t before = traffic->device.shown;
	uint16_t now;
	int is_call, due;

	is_call = traffic->device_ops->publish(traffic->device.side);
	if (is_call < 0)
		return traffic_fail(traffic, "the device cannot publish");
	now = ring_u16(traffic, ring->used_offset + 2);
	due = is_due(traffic, ring->avail_offset, call_event(ring), before,
		     before + (uint64_t)(uint16_t)(now - before));
	if (traffic->is_exact && is_call != due)
		return traffic_fail(traffic, due ? "a call is missing"
						 : "a call that nobody asked for");
	traffic->device.shown = now;
	if (is_call) {
		traffic->n_calls++;
		traffic->notify(traffic, DRIVER);
	}
	return STEP_BUSY;
}

static enum step step_device(struct traffic *traffic)
{
	const int n_popped = pop_some(traffic);
	const uint32_t least = n_popped ? 0 : 1;
	uint32_t n_done = 0;

	if (n_popped < 0)
		return traffic_fail(traffic, "the device refuses");
	if (traffic->device.n_open)
		n_done = chance_between(&traffic->device.chance, least,
					traffic->device.n_open);
	for (uint32_t i = 0; i < n_done; i++)
		if (complete_one(traffic))
			return traffic_fail(traffic, "a completion is refused");
	if (n_done && publish(traffic) == STEP_ERROR)
		return STEP_ERROR;
	if (traffic->device.n_completed == traffic->n_total)
		return STEP_DONE;
	if (n_popped || n_done)
		return STEP_BUSY;
	/* All that it popped is completed, so the next chain is to wake it. */
	if (!traffic->device_ops->enable(traffic->device.side))
		return check_wish(
			traffic, traffic->ring.used_offset, kick_event(&traffic->ring),
			traffic->device.n_completed, traffic->device.n_completed + 1);
	traffic_wake(traffic, DEVICE);
	return STEP_BUSY;
}

enum step traffic_step(struct traffic *traffic, enum actor actor)
{
	return actor == DRIVER ? step_driver(traffic) : step_device(traffic);
}

void traffic_wake(struct traffic *traffic, enum actor actor)
{
	if (actor == DRIVER) {
		traffic->driver_ops->disable(traffic->driver.side);
		check_spared(traffic, traffic->ring.avail_offset);
	} else {
		traffic->device_ops->disable(traffic->device.side);
		check_spared(traffic, traffic->ring.used_offset);
	}
}
