/* SPDX-License-Identifier: MIT */
/* Indirect tables (virtio 1.2, 2.7.5.3). Numbers as in cases_chain.c. */
#include <endian.h>

#include "hostile/hostile.h"

#define ODD (VIO_DESC_INDIRECT | VIO_DESC_NEXT)

static void plain_table(struct hostile *h)
{
	set_table(h, 0, 0, 0);
	set_indirect(h, 0, 1);
	offer(h, 0);
}

static void table_behind_descriptor(struct hostile *h)
{
	set_desc(h, 0, VIO_DESC_NEXT, 1);
	set_table(h, 0, 0, 0);
	set_indirect(h, 1, 1);
	offer(h, 0);
}

static void table_in_table(struct hostile *h)
{
	write_desc(table_at(h, 0), TABLE_GPA, 16, VIO_DESC_INDIRECT, 0);
	set_indirect(h, 0, 1);
	offer(h, 0);
}

static void table_that_goes_on(struct hostile *h)
{
	set_table(h, 0, 0, 0);
	write_desc(desc_at(h, 0), TABLE_GPA, 16, ODD, 1);
	set_desc(h, 1, 0, 0);
	offer(h, 0);
}

static void table_chained_to_table(struct hostile *h)
{
	set_table(h, 0, 0, 0);
	set_table(h, 1, 0, 0);
	write_desc(desc_at(h, 0), TABLE_GPA, 16, ODD, 1);
	write_desc(desc_at(h, 1), TABLE_GPA + 16, 16, VIO_DESC_INDIRECT, 0);
	offer(h, 0);
}

static void second_table_by_next(struct hostile *h)
{
	set_desc(h, 2, VIO_DESC_NEXT, 0);
	table_chained_to_table(h);
	avail_of(h, &h->rings[ATTACKED])->ring[0] = htole16(2);
}

static void odd(struct hostile *h, uint64_t addr, uint32_t length)
{
	for (uint32_t i = 0; i < 2 * N_DESCS; i++)
		set_table(h, i, VIO_DESC_NEXT, i + 1);
	write_desc(desc_at(h, 0), addr, length, VIO_DESC_INDIRECT, 0);
	offer(h, 0);
}

static void broken_length(struct hostile *h)
{
	odd(h, TABLE_GPA, 16 + 8);
}

static void no_length(struct hostile *h)
{
	odd(h, TABLE_GPA, 0);
}

static void no_entries(struct hostile *h)
{
	odd(h, TABLE_GPA, 15);
}

static void table_beyond_memory(struct hostile *h)
{
	odd(h, RAM_END, 16);
}

static void wrapping_table(struct hostile *h)
{
	odd(h, UINT64_MAX - 15, 32);
}

static void loop_in_table(struct hostile *h)
{
	set_table(h, 0, VIO_DESC_NEXT, 1);
	set_table(h, 1, VIO_DESC_NEXT, 0);
	set_indirect(h, 0, 2);
	offer(h, 0);
}

static void fill(struct hostile *h, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		set_table(h, i, i + 1 < n ? VIO_DESC_NEXT : 0, i + 1);
	set_indirect(h, 0, n);
}

static void too_many_entries(struct hostile *h)
{
	fill(h, N_DESCS + 1);
	offer(h, 0);
}

static void as_many_as_ring(struct hostile *h)
{
	fill(h, N_DESCS);
	offer(h, 0);
}

static void next_beyond(struct hostile *h)
{
	fill(h, 2);
	set_table(h, 0, VIO_DESC_NEXT, 2);
	offer(h, 0);
}

static void writable_table(struct hostile *h)
{
	set_table(h, 0, 0, 0);
	write_desc(desc_at(h, 0), TABLE_GPA, 16, VIO_DESC_INDIRECT | VIO_DESC_WRITE, 0);
	offer(h, 0);
}

static void writable_table_out_of_order(struct hostile *h)
{
	set_table(h, 0, VIO_DESC_WRITE | VIO_DESC_NEXT, 1);
	set_table(h, 1, 0, 0);
	write_desc(desc_at(h, 0), TABLE_GPA, 32, VIO_DESC_INDIRECT | VIO_DESC_WRITE, 0);
	offer(h, 0);
}

static void entry_before(struct hostile *h, uint64_t end_gpa, uint32_t n)
{
	write_desc(guest_at(h, end_gpa - 16), data_gpa(0), 16, VIO_DESC_NEXT, 1);
	write_desc(desc_at(h, 0), end_gpa - 16, n * 16, VIO_DESC_INDIRECT, 0);
	offer(h, 0);
}

static void out_of_memory(struct hostile *h)
{
	entry_before(h, RAM_END, 2);
}

static void huge_length(struct hostile *h)
{
	entry_before(h, RAM_END, UINT32_MAX / 16);
}

static void split_between_regions(struct hostile *h)
{
	write_desc(guest_at(h, MID_GPA), data_gpa(1), 512, VIO_DESC_WRITE, 0);
	entry_before(h, MID_GPA, 2);
}

static void not_aligned(struct hostile *h)
{
	char *at = guest_at(h, TABLE_GPA + 3);
	struct vio_split_desc entry;

	write_desc(&entry, data_gpa(3), 33, 0, 0);
	__builtin_memcpy(at, &entry, sizeof(entry));
	write_desc(desc_at(h, 0), TABLE_GPA + 3, 16, VIO_DESC_INDIRECT, 0);
	offer(h, 0);
}

static void bad_address_in_table(struct hostile *h)
{
	write_desc(table_at(h, 0), RAM_END, 16, 0, 0);
	set_indirect(h, 0, 1);
	offer(h, 0);
}

#define TABLE(id, name, wants, run)                                                    \
	{                                                                              \
		id, name, AT_RUNNING, wants, wants, run, VIO_F_INDIRECT_DESC, NULL     \
	}
#define PLAIN(id, name, wants, run)                                                    \
	{                                                                              \
		id, name, AT_RUNNING, wants, wants, run, 0, NULL                       \
	}

static const struct attack list[] = {
	PLAIN("T0015", "a table without the feature", LATCHED, plain_table),
	TABLE("T0016", "a table in a table", LATCHED, table_in_table),
	TABLE("T0017", "a table that goes on", LATCHED, table_that_goes_on),
	TABLE("T0018", "a table of a broken length", LATCHED, broken_length),
	TABLE("T0019", "a table of no length", LATCHED, no_length),
	TABLE("T0020", "a table beyond memory", LATCHED, table_beyond_memory),
	TABLE("T0020b", "a table that wraps the address space", LATCHED,
	      wrapping_table),
	TABLE("T0021", "a loop in a table", LATCHED, loop_in_table),
	TABLE("T0021b", "a next beyond a table", LATCHED, next_beyond),
	PLAIN("T0038", "a table behind a descriptor without the feature", LATCHED,
	      table_behind_descriptor),
	TABLE("T0058", "a table that runs out of memory", LATCHED, out_of_memory),
	TABLE("T0059", "a table chained to a table", LATCHED, table_chained_to_table),
	TABLE("T0064", "a table of more entries than the ring", LATCHED,
	      too_many_entries),
	TABLE("T0064b", "a table of as many entries as the ring", SERVED,
	      as_many_as_ring),
	TABLE("T0067", "a table marked writable", SERVED, writable_table),
	TABLE("T0072", "a table of no entries", LATCHED, no_entries),
	TABLE("T0076", "a table split between two regions", SERVED,
	      split_between_regions),
	TABLE("T0076b", "a table that is not aligned", SERVED, not_aligned),
	TABLE("T0089", "a writable table whose buffers are out of order", LATCHED,
	      writable_table_out_of_order),
	TABLE("T0089b", "a buffer beyond memory in a table", LATCHED,
	      bad_address_in_table),
	TABLE("T0099", "a table of a huge length", LATCHED, huge_length),
	TABLE("T0100", "a second table reached by next", LATCHED, second_table_by_next),
};

const struct attacks table_attacks = { list, sizeof(list) / sizeof(list[0]) };
