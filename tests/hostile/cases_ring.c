/* SPDX-License-Identifier: MIT */
/*
 * Available rings that break the rules, used rings that the guest writes, kicks
 * at the wrong time (virtio 1.2, 2.7.6 to 2.7.13), and rings set up where none can
 * be. Numbers as in cases_chain.c.
 */
#include <endian.h>

#include "hostile/hostile.h"

static struct ring *attacked(struct hostile *h)
{
	return &h->rings[ATTACKED];
}

/* Serves @n good requests first. */
static void serve_some(struct hostile *h, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!serve_good(h, attacked(h)))
			fail(h, "a good request is not served");
}

static void head_twice(struct hostile *h)
{
	/* Shown at once: the second is seen while the first is with the device. */
	write_good(h, attacked(h));
	show_avail(h, attacked(h), 2);
}

static void ring_of_one_head(struct hostile *h)
{
	write_good(h, attacked(h));
	show_avail(h, attacked(h), N_DESCS);
}

static void jump_forward(struct hostile *h)
{
	show_avail(h, attacked(h), N_DESCS + 1);
}

static void go_back(struct hostile *h)
{
	serve_some(h, 4);
	show_avail(h, attacked(h), 1);
}

static void go_back_by_one(struct hostile *h)
{
	serve_some(h, 1);
	show_avail(h, attacked(h), 0);
}

/* The used index, too, is the front end's to set: that of a ring that stood there. */
static void begin_at(struct hostile *h, uint16_t index)
{
	struct ring *ring = attacked(h);

	h->target->stop(h, ring);
	ring->base = index;
	used_of(h, ring)->index = htole16(index);
	show_avail(h, ring, index);
	h->target->start(h, ring);
}

static void wrap(struct hostile *h)
{
	begin_at(h, 65530);
	serve_some(h, 12);
}

static void jump_near_wrap(struct hostile *h)
{
	wrap(h);
	show_avail(h, attacked(h), 65535);
}

static void head_beyond_table(struct hostile *h)
{
	offer(h, N_DESCS);
}

static void heads_beyond_table(struct hostile *h)
{
	for (uint32_t i = 0; i < N_DESCS; i++)
		offer(h, 65535 - i);
}

static void unknown_avail_flags(struct hostile *h)
{
	avail_of(h, attacked(h))->flags = htole16(0xfffe);
	serve_some(h, 2);
}

static void any_used_event(struct hostile *h)
{
	for (uint32_t event = 0; event < 65536; event += 2027) {
		avail_of(h, attacked(h))->ring[N_DESCS] = htole16((uint16_t)event);
		serve_some(h, 1);
	}
}

static void used_index_written(struct hostile *h)
{
	serve_some(h, 1);
	used_of(h, attacked(h))->index = htole16(12345);
	used_of(h, attacked(h))->ring[1] =
		(struct vio_split_used_elem){ UINT32_MAX, UINT32_MAX };
}

/* The device's next index is its own again. */
static void used_index_written_and_on(struct hostile *h)
{
	used_index_written(h);
	serve_some(h, 1);
}

static void used_flags_written(struct hostile *h)
{
	used_of(h, attacked(h))->flags = 0xffff;
	serve_some(h, 2);
}

static void avail_event_written(struct hostile *h)
{
	uint8_t *used = guest_at(h, attacked(h)->home + USED_OFFSET);

	*(uint16_t *)(void *)(used + 4 + 8 * N_DESCS) = 0xffff;
	serve_some(h, 2);
}

static void verify_unserved(struct hostile *h)
{
	kick(attacked(h));
	h->target->sync(h);
	/* Early, but no harm: libvio has to know better. */
	if (is_all_used(h, attacked(h)) && h->options.is_pinned)
		fail(h, "a ring that does not run was served");
}

static void kick_before_enable(struct hostile *h)
{
	struct ring *ring = attacked(h);

	if (!(h->front.features & VHOST_USER_F_PROTOCOL_FEATURES))
		return;
	h->target->start(h, ring);
	send_state(h, VHOST_USER_SET_VRING_ENABLE, ring->queue, 0);
	h->target->sync(h);
	offer_good(h, ring);
	verify_unserved(h);
	send_state(h, VHOST_USER_SET_VRING_ENABLE, ring->queue, 1);
}

static void kick_after_stop(struct hostile *h)
{
	struct ring *ring = attacked(h);

	serve_some(h, 3);
	h->target->stop(h, ring);
	offer_good(h, ring);
	verify_unserved(h);
	h->target->start(h, ring);
}

static void kick_for_nothing(struct hostile *h)
{
	for (uint32_t i = 0; i < 100; i++)
		kick(attacked(h));
	h->target->sync(h);
}

static void kick_again(struct hostile *h)
{
	serve_some(h, 1);
	kick_for_nothing(h);
}

static void fill_ring(struct hostile *h)
{
	for (uint32_t i = 0; i < N_DESCS; i++) {
		set_desc(h, i, 0, 0);
		offer(h, i);
	}
	kick(attacked(h));
	wait_used(h, attacked(h));
}

static void many_between_kicks(struct hostile *h)
{
	serve_some(h, 100);
}

static void two_at_once(struct hostile *h)
{
	for (uint32_t i = 0; i < 50; i++) {
		offer_good(h, attacked(h));
		kick(attacked(h));
		if (h->has_bystander)
			serve_good(h, &h->rings[BYSTANDER]);
		wait_used(h, attacked(h));
	}
}

static void spare_calls(struct hostile *h)
{
	take_event(attacked(h)->call);
	avail_of(h, attacked(h))->flags = htole16(1);
	serve_some(h, 4);
}

static void ask_for_calls_again(struct hostile *h)
{
	spare_calls(h);
	avail_of(h, attacked(h))->flags = 0;
	serve_some(h, 2);
}

static void toggle(struct hostile *h)
{
	struct ring *ring = attacked(h);

	for (uint32_t i = 0; i < 3; i++) {
		serve_some(h, 1);
		h->target->stop(h, ring);
		h->target->start(h, ring);
	}
}

#define RING(id, name, wants, run)                                                     \
	{                                                                              \
		id, name, AT_RUNNING, wants, wants, run, 0, NULL                       \
	}
#define EVENT(id, name, run)                                                           \
	{                                                                              \
		id, name, AT_RUNNING, SERVED, SERVED, run, VIO_F_EVENT_IDX, NULL       \
	}
#define ABSENT(id, name, why)                                                          \
	{                                                                              \
		id, name, AT_NOTHING, 0, 0, NULL, 0, why                               \
	}

static const struct attack list[] = {
	RING("T0022", "a head offered twice", LATCHED, head_twice),
	RING("T0023", "an index that jumps forward", LATCHED, jump_forward),
	RING("T0024", "an index that goes back", LATCHED, go_back),
	RING("T0025", "a head beyond the table", LATCHED, head_beyond_table),
	RING("T0026", "unknown flags of the available ring", SERVED,
	     unknown_avail_flags),
	EVENT("T0027", "any event index of the driver", any_used_event),
	RING("T0028", "a used index that the guest writes", SERVED,
	     used_index_written_and_on),
	RING("T0029", "used flags that the guest writes", SERVED, used_flags_written),
	{ "T0030", "a kick before the queue is enabled", AT_DESCRIBED, SERVED, 0,
	  kick_before_enable, 0, "a queue in this process runs from its creation" },
	RING("T0031", "a kick after the queue was stopped", SERVED, kick_after_stop),
	RING("T0032", "kicks for nothing", SERVED, kick_for_nothing),
	RING("T0037", "an event index without the feature", SERVED, any_used_event),
	ABSENT("T0039", "a device feature that was not negotiated",
	       "the meaning of a request is the device's, not the ring's"),
	ABSENT("T0040", "features changed after FEATURES_OK",
	       "that is V0083 in messages: features change while a queue runs"),
	EVENT("T0055", "an event half a wrap away", any_used_event),
	RING("T0057", "an index that goes back by one", LATCHED, go_back_by_one),
	RING("T0062", "an index that jumps near its wrap", LATCHED, jump_near_wrap),
	RING("T0065", "a ring filled completely", SERVED, fill_ring),
	EVENT("T0066", "a kick event that the guest writes", avail_event_written),
	RING("T0068", "a kick without chains", SERVED, kick_for_nothing),
	RING("T0069", "a second kick without chains", SERVED, kick_again),
	RING("T0071", "a kick where all is used", SERVED, kick_again),
	RING("T0074", "a ring of one head", LATCHED, ring_of_one_head),
	EVENT("T0080", "events over the wrap of the indexes", wrap),
	RING("T0081", "two queues at once", SERVED, two_at_once),
	RING("T0083", "chains offered between pops", SERVED, many_between_kicks),
	RING("T0084", "a ring of heads beyond the table", LATCHED, heads_beyond_table),
	{ "T0085", "chains used in order", AT_RUNNING, SERVED, SERVED, fill_ring,
	  VIO_F_IN_ORDER, NULL },
	ABSENT("T0088", "a call exactly when the index passes the event",
	       "no abuse: a driver that is told too often is not harmed"),
	RING("T0093", "a driver that spares calls", SERVED, spare_calls),
	ABSENT("T0094", "kicks spared and asked for by the flag",
	       "no abuse: T0029 and T0066 write what the device says by it"),
	RING("T0095", "a queue toggled", SERVED, toggle),
	RING("T0096", "two batches one after the other", SERVED, two_at_once),
	RING("T0097", "a driver that asks for calls again", SERVED,
	     ask_for_calls_again),
	ABSENT("T0098", "kicks with data",
	       "an eventfd carries none: the data ends at the front end"),
};

const struct attacks ring_attacks = { list, sizeof(list) / sizeof(list[0]) };

/* Rings set up where none can be: judged by what start answers. */

static void start_odd(struct hostile *h)
{
	h->target->start(h, attacked(h));
}

static void size_of(struct hostile *h, uint32_t n_descs)
{
	attacked(h)->n_descs = n_descs;
	start_odd(h);
}

static void no_power_of_two(struct hostile *h)
{
	size_of(h, 6);
}

static void size_zero(struct hostile *h)
{
	size_of(h, 0);
}

static void size_too_large(struct hostile *h)
{
	size_of(h, 65536);
}

static void size_huge(struct hostile *h)
{
	size_of(h, UINT32_C(1) << 31);
}

static void table_off_by(struct hostile *h, uint64_t offset)
{
	attacked(h)->desc += offset;
	start_odd(h);
}

static void table_unaligned(struct hostile *h)
{
	table_off_by(h, 8);
}

static void table_aligned_to_one(struct hostile *h)
{
	table_off_by(h, 1);
}

static void avail_unaligned(struct hostile *h)
{
	attacked(h)->avail += 1;
	start_odd(h);
}

static void used_unaligned(struct hostile *h)
{
	attacked(h)->used += 2;
	start_odd(h);
}

static void parts_overlap(struct hostile *h)
{
	attacked(h)->used = attacked(h)->desc;
	start_odd(h);
}

static void avail_in_table(struct hostile *h)
{
	attacked(h)->avail = attacked(h)->desc + (N_DESCS - 1) * 16;
	start_odd(h);
}

static void table_outside(struct hostile *h)
{
	attacked(h)->desc = RAM_END - 16;
	start_odd(h);
}

static void avail_outside(struct hostile *h)
{
	attacked(h)->avail = RAM_END;
	start_odd(h);
}

static void used_outside(struct hostile *h)
{
	attacked(h)->used = HIGH_GPA + HIGH_BYTES - 16;
	start_odd(h);
}

/* Nothing at the address zero of the front end's, nor of the guest's. */
static void no_addresses(struct hostile *h)
{
	const uint64_t zero = h->options.is_inside ? 0 : -UVA_OFFSET;

	attacked(h)->desc = attacked(h)->avail = attacked(h)->used = zero;
	start_odd(h);
}

static void part_in_two_pieces(struct hostile *h)
{
	attacked(h)->desc = MID_GPA - 64;
	start_odd(h);
}

static void part_wraps(struct hostile *h)
{
	const uint64_t top = UINT64_MAX - 15;

	attacked(h)->desc = h->options.is_inside ? top : top - UVA_OFFSET;
	start_odd(h);
}

#define SETUP(id, name, run)                                                           \
	{                                                                              \
		id, name, AT_DESCRIBED, REFUSED, REFUSED, run, 0, NULL                 \
	}

static const struct attack setup_list[] = {
	SETUP("T0041", "a size that is no power of two", no_power_of_two),
	SETUP("T0042", "a size of zero", size_zero),
	SETUP("T0043", "a size over 32768", size_too_large),
	SETUP("T0043b", "a huge size", size_huge),
	SETUP("T0044", "a table that is not aligned", table_unaligned),
	SETUP("T0045", "an available ring that is not aligned", avail_unaligned),
	SETUP("T0046", "a used ring that is not aligned", used_unaligned),
	SETUP("T0047", "a used ring on the table", parts_overlap),
	SETUP("T0047b", "an available ring in the table", avail_in_table),
	SETUP("T0048", "a table that ends outside of memory", table_outside),
	SETUP("T0048b", "an available ring outside of memory", avail_outside),
	SETUP("T0048c", "a used ring that ends outside of memory", used_outside),
	SETUP("T0048d", "a table that wraps the address space", part_wraps),
	SETUP("T0048e", "a table in two pieces", part_in_two_pieces),
	SETUP("T0049", "a ring without addresses", no_addresses),
	SETUP("T0086", "a table aligned to one", table_aligned_to_one),
};

const struct attacks setup_attacks = { setup_list,
				       sizeof(setup_list) / sizeof(setup_list[0]) };
