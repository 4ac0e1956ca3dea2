/* SPDX-License-Identifier: MIT */
/*
 * A guest's memory with a split ring in it, and a queue on it. The driver is the
 * test: it writes descriptors and indexes by hand, rightly or wrongly. Each part
 * of the ring has pages of its own, so that a test can take one away.
 */
#ifndef TEST_RING_GUEST_H
#define TEST_RING_GUEST_H

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <vio/mem.h>
#include <vio/queue.h>

#include "core/bits.h"
#include "ring/layout.h"

#define PAGE      4096u
#define RAM_GPA   UINT64_C(0x100000) /* nothing is mapped below */
#define RAM_BYTES 0x400000u
#define RAM_END   (RAM_GPA + RAM_BYTES)
/* Room for the largest ring, then for tables, then for data. */
#define DESC_GPA    RAM_GPA
#define AVAIL_GPA   (RAM_GPA + 0x80000)
#define USED_GPA    (RAM_GPA + 0xa0000)
#define TABLE_GPA   (RAM_GPA + 0x100000)
#define DATA_GPA    (RAM_GPA + 0x200000)
#define DESC_BYTES  0x80000u
#define AVAIL_BYTES 0x20000u

#define N_DESCS     8u
#define N_IOV       1024u
#define N_CHAINS    64u

struct guest {
	struct vio_mem *mem;
	struct vio_queue *queue;
	struct vio_queue_params params;
	char *ram;
	uint16_t avail_index; /* the driver's */
	uint32_t n_faults;    /* calls of the fault callback */
	struct vio_queue_fault fault;
	struct vio_chain chains[N_CHAINS];
	struct iovec iov[N_IOV];
};

static inline void *guest_at(struct guest *g, uint64_t gpa)
{
	return g->ram + (gpa - RAM_GPA);
}

static inline uint64_t guest_gpa(const struct guest *g, const void *hva)
{
	return RAM_GPA + (uint64_t)((const char *)hva - g->ram);
}

/* A page of data of its own for every @k. */
static inline uint64_t data_gpa(uint32_t k)
{
	return DATA_GPA + (uint64_t)k * PAGE;
}

static inline void *map_pages(size_t length_bytes)
{
	void *at = mmap(NULL, length_bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static inline struct vio_mem_region
region_of(uint64_t gpa, void *hva, uint64_t length_bytes)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = gpa;
	region.hva = hva;
	region.length_bytes = length_bytes;
	return region;
}

static inline void add_region(struct guest *g, uint64_t gpa, void *hva,
			      uint64_t length_bytes, uint32_t flags)
{
	struct vio_mem_region region = region_of(gpa, hva, length_bytes);

	region.flags = flags;
	assert_int_equal(vio_mem_add(g->mem, &region, NULL), 0);
}

static inline void
note_fault(void *opaque, struct vio_queue *queue, const struct vio_queue_fault *fault)
{
	struct guest *g = opaque;

	assert_ptr_equal(queue, g->queue);
	g->n_faults++;
	g->fault = *fault;
}

/* Memory and parameters, no queue yet. */
static inline struct guest *prepare_guest(uint32_t n_descs, uint64_t features)
{
	struct guest *g = test_calloc(1, sizeof(*g));
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;

	g->ram = map_pages(RAM_BYTES);
	assert_int_equal(vio_mem_create(NULL, &g->mem), 0);
	add_region(g, RAM_GPA, g->ram, RAM_BYTES, 0);
	params.mem = g->mem;
	params.features = VIO_F_VERSION_1 | features;
	params.desc_addr = DESC_GPA;
	params.driver_addr = AVAIL_GPA;
	params.device_addr = USED_GPA;
	params.n_descs = n_descs;
	params.fault = note_fault;
	params.opaque = g;
	g->params = params;
	return g;
}

static inline void start_queue(struct guest *g)
{
	assert_int_equal(vio_queue_create(NULL, &g->params, &g->queue, NULL), 0);
}

static inline struct guest *open_guest(uint32_t n_descs, uint64_t features)
{
	struct guest *g = prepare_guest(n_descs, features);

	start_queue(g);
	return g;
}

static inline int close_guest(void **state)
{
	struct guest *g = *state;

	vio_queue_destroy(g->queue);
	assert_int_equal(vio_mem_destroy(g->mem, NULL), 0);
	assert_int_equal(munmap(g->ram, RAM_BYTES), 0);
	test_free(g);
	return 0;
}

static inline int open_plain(void **state)
{
	*state = open_guest(N_DESCS, 0);
	return 0;
}

static inline int open_indirect(void **state)
{
	*state = open_guest(N_DESCS, VIO_F_INDIRECT_DESC);
	return 0;
}

static inline int open_events(void **state)
{
	*state = open_guest(N_DESCS, VIO_F_EVENT_IDX);
	return 0;
}

static inline int open_in_order(void **state)
{
	*state = open_guest(N_DESCS, VIO_F_IN_ORDER);
	return 0;
}

static inline int open_memory(void **state)
{
	*state = prepare_guest(N_DESCS, 0);
	return 0;
}

/* The driver's half of the ring. */

static inline struct vio_split_desc *desc_at(struct guest *g, uint32_t index)
{
	return (struct vio_split_desc *)guest_at(g, DESC_GPA) + index;
}

static inline struct vio_split_desc *table_at(struct guest *g, uint32_t index)
{
	return (struct vio_split_desc *)guest_at(g, TABLE_GPA) + index;
}

static inline struct vio_split_avail *avail_of(struct guest *g)
{
	return guest_at(g, AVAIL_GPA);
}

static inline struct vio_split_used *used_of(struct guest *g)
{
	return guest_at(g, USED_GPA);
}

static inline void write_desc(struct vio_split_desc *desc, uint64_t addr,
			      uint32_t length, uint32_t flags, uint32_t next)
{
	*desc = (struct vio_split_desc){
		.addr = htole64(addr),
		.length = htole32(length),
		.flags = htole16((uint16_t)flags),
		.next = htole16((uint16_t)next),
	};
}

/* A descriptor of a page of data, the one of its number. */
static inline void
set_desc(struct guest *g, uint32_t index, uint32_t flags, uint32_t next)
{
	write_desc(desc_at(g, index), data_gpa(index), PAGE, flags, next);
}

static inline void
set_table(struct guest *g, uint32_t index, uint32_t flags, uint32_t next)
{
	write_desc(table_at(g, index), data_gpa(index), PAGE, flags, next);
}

/* The descriptor @index refers to a table of @n_entries. */
static inline void set_indirect(struct guest *g, uint32_t index, uint32_t n_entries)
{
	write_desc(desc_at(g, index), TABLE_GPA, n_entries * 16, VIO_DESC_INDIRECT, 0);
}

static inline void show_avail(struct guest *g, uint16_t index)
{
	__atomic_store_n(&avail_of(g)->index, htole16(index), __ATOMIC_RELEASE);
}

static inline void offer(struct guest *g, uint32_t head)
{
	avail_of(g)->ring[g->avail_index % g->params.n_descs] = htole16((uint16_t)head);
	show_avail(g, ++g->avail_index);
}

/* A chain of one readable page. */
static inline void offer_page(struct guest *g, uint32_t head)
{
	set_desc(g, head, 0, 0);
	offer(g, head);
}

/* A chain of one writable page. */
static inline void offer_room(struct guest *g, uint32_t head)
{
	set_desc(g, head, VIO_DESC_WRITE, 0);
	offer(g, head);
}

static inline uint16_t used_index(struct guest *g)
{
	return le16toh(__atomic_load_n(&used_of(g)->index, __ATOMIC_ACQUIRE));
}

static inline uint32_t used_id(struct guest *g, uint32_t index)
{
	return le32toh(used_of(g)->ring[index % g->params.n_descs].id);
}

static inline uint32_t used_length(struct guest *g, uint32_t index)
{
	return le32toh(used_of(g)->ring[index % g->params.n_descs].length);
}

static inline void set_used_event(struct guest *g, uint16_t index)
{
	avail_of(g)->ring[g->params.n_descs] = htole16(index);
}

static inline uint16_t avail_event(struct guest *g)
{
	return le16toh(*(uint16_t *)guest_at(g, USED_GPA + 4 + 8 * g->params.n_descs));
}

/* The device's half, as its owner has it. */

static inline int pop(struct guest *g, uint32_t n)
{
	return vio_queue_pop(g->queue, g->chains, n, g->iov, N_IOV);
}

static inline void expect_pop(struct guest *g, uint32_t head)
{
	assert_int_equal(pop(g, 1), 1);
	assert_int_equal(g->chains[0].head, head);
}

static inline int push(struct guest *g, uint32_t head, uint32_t written_bytes)
{
	struct vio_chain chain = { .head = head, .written_bytes = written_bytes };

	return vio_queue_push(g->queue, &chain, 1);
}

static inline int publish(struct guest *g)
{
	return vio_queue_publish(g->queue);
}

/* Pops the chain of one page at @head and gives it back. */
static inline void serve(struct guest *g, uint32_t head)
{
	expect_pop(g, head);
	assert_int_equal(vio_queue_push(g->queue, g->chains, 1), 1);
	assert_true(publish(g) >= 0);
}

static inline void set_state(struct guest *g, uint16_t avail, uint16_t used)
{
	struct vio_queue_state state = VIO_QUEUE_STATE_INIT;

	state.avail_index = avail;
	state.used_index = used;
	assert_int_equal(vio_queue_set_state(g->queue, &state), 0);
	g->avail_index = avail;
	show_avail(g, avail);
	used_of(g)->index = htole16(used);
}

static inline void expect_fault(struct guest *g, uint32_t code)
{
	struct vio_queue_fault fault = VIO_QUEUE_FAULT_INIT;

	assert_int_equal(g->n_faults, 1);
	assert_int_equal(g->fault.code, code);
	assert_int_equal(vio_queue_read_fault(g->queue, &fault), 0);
	assert_memory_equal(&fault, &g->fault, sizeof(fault));
}

/* The queue latches for @code, says so once, and stays latched. */
static inline void expect_latch(struct guest *g, uint32_t code)
{
	assert_int_equal(pop(g, 1), -EBADMSG);
	expect_fault(g, code);
	assert_int_equal(pop(g, 1), -EBADMSG);
	assert_int_equal(g->n_faults, 1);
}

/* A test on a queue that @open made. */
#define ON(open, test) cmocka_unit_test_setup_teardown(test, open, close_guest)

#endif /* TEST_RING_GUEST_H */
