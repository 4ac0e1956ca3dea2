/* SPDX-License-Identifier: MIT */
/*
 * A small ring in plain memory with a driver side on it, and a device that is
 * the test: it reads what the driver made available and writes the used ring by
 * hand, halfword by halfword as the specification has it, and wrongly where
 * that is the point.
 */
#ifndef TEST_DRIVER_RING_H
#define TEST_DRIVER_RING_H

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vio/driver.h>

#include "ring/layout.h"

#define N_DESCS     8u
#define TABLE_DESCS 4u
#define TABLES_ADDR UINT64_C(0x7000000000)

struct ring {
	_Alignas(16) struct vio_split_desc desc[N_DESCS];
	_Alignas(16) struct vio_split_desc tables[N_DESCS * TABLE_DESCS];
	_Alignas(4) uint16_t avail[3 + N_DESCS];
	_Alignas(4) uint16_t used[3 + N_DESCS * 4];
	struct vio_driver *driver;
	uint16_t n_taken; /* chains that the device took from the available ring */
	uint16_t n_given; /* entries that the device wrote into the used ring */
};

static inline struct vio_driver_params params_of(struct ring *ring, uint64_t features)
{
	struct vio_driver_params params = VIO_DRIVER_PARAMS_INIT;

	params.features = features;
	params.desc = ring->desc;
	params.driver = ring->avail;
	params.device = ring->used;
	params.n_descs = N_DESCS;
	return params;
}

static inline struct ring *open_ring(uint64_t features)
{
	struct ring *ring = test_calloc(1, sizeof(*ring));
	struct vio_driver_params params = params_of(ring, features);

	if (features & VIO_F_INDIRECT_DESC) {
		params.indirect = ring->tables;
		params.indirect_addr = TABLES_ADDR;
		params.indirect_descs = TABLE_DESCS;
	}
	memset(ring->desc, 0xaa, sizeof(ring->desc));
	assert_int_equal(vio_driver_create(NULL, &params, &ring->driver, NULL), 0);
	return ring;
}

static inline int open_plain(void **state)
{
	*state = open_ring(VIO_F_VERSION_1);
	return 0;
}

static inline int open_events(void **state)
{
	*state = open_ring(VIO_F_VERSION_1 | VIO_F_EVENT_IDX);
	return 0;
}

static inline int open_indirect(void **state)
{
	*state = open_ring(VIO_F_VERSION_1 | VIO_F_INDIRECT_DESC);
	return 0;
}

static inline int open_in_order(void **state)
{
	*state = open_ring(VIO_F_VERSION_1 | VIO_F_IN_ORDER);
	return 0;
}

static inline int close_ring(void **state)
{
	struct ring *ring = *state;

	vio_driver_destroy(ring->driver);
	test_free(ring);
	return 0;
}

/* The device's half of the ring. */

static inline uint16_t avail_index(const struct ring *ring)
{
	return le16toh(ring->avail[1]);
}

static inline uint16_t take_head(struct ring *ring)
{
	assert_int_not_equal(ring->n_taken, avail_index(ring));
	return le16toh(ring->avail[2 + ring->n_taken++ % N_DESCS]);
}

static inline void show_used(struct ring *ring, uint16_t index)
{
	ring->used[1] = htole16(index);
}

static inline void
write_elem(struct ring *ring, uint16_t at, uint32_t id, uint32_t length)
{
	uint16_t *elem = &ring->used[2 + at % N_DESCS * 4];

	elem[0] = htole16((uint16_t)id);
	elem[1] = htole16((uint16_t)(id >> 16));
	elem[2] = htole16((uint16_t)length);
	elem[3] = htole16((uint16_t)(length >> 16));
}

static inline void give_back(struct ring *ring, uint32_t id, uint32_t length)
{
	write_elem(ring, ring->n_given++, id, length);
	show_used(ring, ring->n_given);
}

/* One chain of n_out and n_in buffers with lengths 1, 2, ... at 0x1000, ... */
static inline int
push_bufs(struct ring *ring, uint32_t n_out, uint32_t n_in, uint64_t cookie)
{
	struct vio_driver_buf bufs[N_DESCS + 1] = { 0 };
	struct vio_driver_chain chain = { bufs, n_out, n_in, cookie };

	for (uint32_t i = 0; i < N_DESCS + 1; i++) {
		bufs[i].addr = UINT64_C(0x1000) * (i + 1);
		bufs[i].length_bytes = i + 1;
	}
	return vio_driver_push(ring->driver, &chain, 1);
}

static inline void
publish_bufs(struct ring *ring, uint32_t n_out, uint32_t n_in, uint64_t cookie)
{
	assert_int_equal(push_bufs(ring, n_out, n_in, cookie), 1);
	(void)!vio_driver_publish(ring->driver);
}

static inline void
expect_pop(struct ring *ring, uint64_t cookie, uint32_t written_bytes)
{
	struct vio_driver_used used;

	assert_int_equal(vio_driver_pop(ring->driver, &used, 1), 1);
	assert_int_equal(used.cookie, cookie);
	assert_int_equal(used.written_bytes, written_bytes);
	assert_int_equal(used.reserved, 0);
}

static inline void expect_latched(struct ring *ring)
{
	struct vio_driver_used used;

	assert_int_equal(vio_driver_pop(ring->driver, &used, 1), -EBADMSG);
	assert_int_equal(vio_driver_pop(ring->driver, &used, 1), -EBADMSG);
	assert_int_equal(push_bufs(ring, 1, 0, 9), -EBADMSG);
}

#endif /* TEST_DRIVER_RING_H */
