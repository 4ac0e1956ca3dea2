/* SPDX-License-Identifier: MIT */
/*
 * Chains of descriptors that break the rules of virtio 1.2, 2.7.5, and some that
 * seem to. T numbers are those of the list of malformed rings that hostile drivers
 * are tested with elsewhere.
 */
#include <endian.h>

#include <string.h>

#include "hostile/hostile.h"

/* Read where it should be written: a device that writes shows by this. */
#define PATTERN 0xa5

static void one(struct hostile *h, uint64_t addr, uint32_t length, uint32_t flags)
{
	write_desc(desc_at(h, 0), addr, length, flags, 0);
	offer(h, 0);
}

static void follow_itself(struct hostile *h)
{
	set_desc(h, 0, VIO_DESC_NEXT, 0);
	offer(h, 0);
}

static void loop_through_all(struct hostile *h)
{
	for (uint32_t i = 0; i < N_DESCS; i++)
		set_desc(h, i, VIO_DESC_NEXT, (i + 1) % N_DESCS);
	offer(h, 3);
}

static void next_beyond_table(struct hostile *h)
{
	set_desc(h, 0, VIO_DESC_NEXT, N_DESCS);
	offer(h, 0);
}

static void next_far_beyond_table(struct hostile *h)
{
	set_desc(h, 0, VIO_DESC_NEXT, UINT16_MAX);
	offer(h, 0);
}

static void chain_as_long_as_ring(struct hostile *h)
{
	for (uint32_t i = 0; i < N_DESCS; i++)
		set_desc(h, i, i + 1 < N_DESCS ? VIO_DESC_NEXT : 0, i + 1);
	offer(h, 0);
}

static void chain_of_one_more(struct hostile *h)
{
	chain_as_long_as_ring(h);
	set_desc(h, N_DESCS - 1, VIO_DESC_NEXT, 0);
}

static void at_zero(struct hostile *h)
{
	one(h, 0, 16, 0);
}

static void beyond_memory(struct hostile *h)
{
	one(h, RAM_END, 16, 0);
}

static void empty(struct hostile *h)
{
	one(h, DATA_GPA, 0, 0);
}

static void huge(struct hostile *h)
{
	one(h, DATA_GPA, UINT32_MAX, 0);
}

static void wrapping(struct hostile *h)
{
	one(h, UINT64_MAX - 15, 0x1000, 0);
}

static void last_byte_of_all(struct hostile *h)
{
	one(h, UINT64_MAX, 1, 0);
}

static void empty_at_zero(struct hostile *h)
{
	one(h, 0, 0, 0);
}

static void in_device_window(struct hostile *h)
{
	one(h, UINT64_C(0xfe000000), 64, VIO_DESC_WRITE);
}

static void over_end_of_memory(struct hostile *h)
{
	one(h, RAM_END - 16, 17, VIO_DESC_WRITE);
}

static void up_to_end_of_memory(struct hostile *h)
{
	one(h, RAM_END - 16, 16, 0);
}

static void all_ones(struct hostile *h)
{
	memset(desc_at(h, 0), 0xff, sizeof(struct vio_split_desc));
	offer(h, 0);
}

static void across_hole(struct hostile *h)
{
	one(h, RAM_END - PAGE, (uint32_t)(HIGH_GPA - RAM_END) + 2 * PAGE, 0);
}

static void across_regions(struct hostile *h)
{
	one(h, MID_GPA - 8, 16, 0);
}

static void more_than_4_gib(struct hostile *h)
{
	for (uint32_t i = 0; i < 3; i++)
		write_desc(desc_at(h, i), LOW_GPA, 0x80000000u,
			   i < 2 ? VIO_DESC_NEXT : 0, i + 1);
	offer(h, 0);
}

/* Directions. */

static void three(struct hostile *h, uint32_t header, uint32_t data, uint32_t status)
{
	write_desc(desc_at(h, 0), data_gpa(0), 16, VIO_DESC_NEXT | header, 1);
	write_desc(desc_at(h, 1), data_gpa(1), 512, VIO_DESC_NEXT | data, 2);
	write_desc(desc_at(h, 2), data_gpa(2), 1, status, 0);
	memset(guest_at(h, data_gpa(1)), PATTERN, PAGE);
	memset(guest_at(h, data_gpa(2)), PATTERN, PAGE);
	offer(h, 0);
}

/* @k: the page that the device was to read and no more. */
static void verify_untouched(struct hostile *h, uint32_t k)
{
	const uint8_t *page = guest_at(h, data_gpa(k));

	kick(&h->rings[ATTACKED]);
	wait_used(h, &h->rings[ATTACKED]);
	for (uint32_t i = 0; i < PAGE; i++)
		if (page[i] != PATTERN) {
			fail(h, "a buffer that is to be read was written");
			return;
		}
}

static void header_writable(struct hostile *h)
{
	three(h, VIO_DESC_WRITE, VIO_DESC_WRITE, VIO_DESC_WRITE);
}

static void data_to_send_writable(struct hostile *h)
{
	three(h, 0, VIO_DESC_WRITE, VIO_DESC_WRITE);
	*(uint32_t *)guest_at(h, data_gpa(0)) = htole32(1); /* a write */
}

static void data_to_receive_readable(struct hostile *h)
{
	three(h, 0, 0, VIO_DESC_WRITE);
	verify_untouched(h, 1);
}

static void status_readable(struct hostile *h)
{
	three(h, 0, 0, 0);
	verify_untouched(h, 2);
}

static void no_status(struct hostile *h)
{
	write_desc(desc_at(h, 0), data_gpa(0), 16, VIO_DESC_NEXT, 1);
	write_desc(desc_at(h, 1), data_gpa(1), 512, 0, 0);
	offer(h, 0);
}

static void header_alone(struct hostile *h)
{
	one(h, data_gpa(0), 16, 0);
}

static void read_after_write(struct hostile *h)
{
	set_desc(h, 0, VIO_DESC_NEXT, 1);
	set_desc(h, 1, VIO_DESC_WRITE | VIO_DESC_NEXT, 2);
	set_desc(h, 2, 0, 0);
	offer(h, 0);
}

/* Descriptors that change, or that cover what they should not. */

static void changed_in_flight(struct hostile *h)
{
	offer_good(h, &h->rings[ATTACKED]);
	kick(&h->rings[ATTACKED]);
	write_desc(desc_at(h, 0), 0, UINT32_MAX, VIO_DESC_NEXT, 0);
}

static void freed_in_flight(struct hostile *h)
{
	offer_good(h, &h->rings[ATTACKED]);
	write_desc(desc_at(h, 1), MID_GPA, 512, VIO_DESC_NEXT | VIO_DESC_WRITE, 2);
	kick(&h->rings[ATTACKED]);
	h->target->set_mid(h, false);
}

static void changed_after_offer(struct hostile *h)
{
	set_desc(h, 0, 0, 0);
	offer(h, 0);
	write_desc(desc_at(h, 0), RAM_END, PAGE, 0, 0);
}

/* The first sector is written over the table that its own chain is in. */
static void in_ring_itself(struct hostile *h)
{
	offer_good(h, &h->rings[ATTACKED]);
	write_desc(desc_at(h, 1), LOW_GPA, 512, VIO_DESC_NEXT | VIO_DESC_WRITE, 2);
}

static void unmapped_after_offer(struct hostile *h)
{
	write_desc(desc_at(h, 0), MID_GPA, PAGE, 0, 0);
	avail_of(h, &h->rings[ATTACKED])->ring[0] = 0;
	h->target->set_mid(h, false);
	h->target->sync(h);
	offer(h, 0);
}

static void good(struct hostile *h)
{
	offer_good(h, &h->rings[ATTACKED]);
}

static void write_of_no_room(struct hostile *h)
{
	three(h, 0, VIO_DESC_WRITE, VIO_DESC_WRITE);
	write_desc(desc_at(h, 1), data_gpa(1), 1, VIO_DESC_NEXT | VIO_DESC_WRITE, 2);
}

#define CHAIN(id, name, wants, run)                                                    \
	{                                                                              \
		id, name, AT_RUNNING, wants, wants, run, 0, NULL                       \
	}

static const struct attack list[] = {
	CHAIN("T0001", "a descriptor that follows itself", LATCHED, follow_itself),
	CHAIN("T0002", "a loop through all descriptors", LATCHED, loop_through_all),
	CHAIN("T0003", "a next beyond the table", LATCHED, next_beyond_table),
	CHAIN("T0003b", "a next far beyond the table", LATCHED, next_far_beyond_table),
	CHAIN("T0004", "a buffer at zero", LATCHED, at_zero),
	CHAIN("T0005", "a buffer beyond memory", LATCHED, beyond_memory),
	CHAIN("T0006", "an empty buffer", LATCHED, empty),
	CHAIN("T0007", "a huge buffer", LATCHED, huge),
	CHAIN("T0008", "a buffer that wraps the address space", LATCHED, wrapping),
	CHAIN("T0008b", "a buffer of the last byte of all", LATCHED, last_byte_of_all),
	CHAIN("T0009", "a header marked writable", SERVED, header_writable),
	CHAIN("T0010", "data to send marked writable", SERVED, data_to_send_writable),
	CHAIN("T0011", "data to receive marked readable", SERVED,
	      data_to_receive_readable),
	CHAIN("T0012", "a status marked readable", SERVED, status_readable),
	CHAIN("T0013", "a chain without a status", SERVED, no_status),
	CHAIN("T0014", "a chain of a header alone", SERVED, header_alone),
	CHAIN("T0051", "a descriptor changed in flight", LATCHED | SERVED,
	      changed_in_flight),
	CHAIN("T0052", "a buffer freed in flight", LATCHED | SERVED, freed_in_flight),
	CHAIN("T0053", "a readable buffer after a writable one", LATCHED,
	      read_after_write),
	CHAIN("T0054", "a chain of one more than the ring", LATCHED, chain_of_one_more),
	CHAIN("T0054b", "a chain as long as the ring", SERVED, chain_as_long_as_ring),
	CHAIN("T0056", "a descriptor changed after it was offered", LATCHED,
	      changed_after_offer),
	CHAIN("T0061", "an empty buffer at zero", LATCHED, empty_at_zero),
	CHAIN("T0063", "a buffer in a device window", LATCHED, in_device_window),
	CHAIN("T0070", "a buffer in the ring itself", SERVED, in_ring_itself),
	CHAIN("T0073", "a buffer over the end of memory", LATCHED, over_end_of_memory),
	CHAIN("T0073b", "a buffer up to the end of memory", SERVED,
	      up_to_end_of_memory),
	CHAIN("T0075", "a buffer unmapped before it was offered", LATCHED,
	      unmapped_after_offer),
	CHAIN("T0077", "lengths of more than 4 GiB", LATCHED, more_than_4_gib),
	CHAIN("T0078", "a completion of no more than was writable", SERVED, good),
	{ "T0079", "a physical address with an IOMMU negotiated", AT_RUNNING, LATCHED,
	  LATCHED, beyond_memory, VIO_F_ACCESS_PLATFORM, NULL },
	CHAIN("T0082", "a descriptor of all ones", LATCHED, all_ones),
	CHAIN("T0087", "a completion of what was written", SERVED, write_of_no_room),
	CHAIN("T0090", "a buffer across a hole", LATCHED, across_hole),
	CHAIN("T0090b", "a buffer across two regions", SERVED, across_regions),
};

const struct attacks chain_attacks = { list, sizeof(list) / sizeof(list[0]) };
