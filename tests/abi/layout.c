/* SPDX-License-Identifier: MIT */
/*
 * The layout of every public struct, field by field: offset and size in bytes.
 * Written by accept.sh and reviewed like code. A struct may grow at its end;
 * any other change of a line here breaks programs that are already built.
 */
#define VIO_ENABLE_UNSTABLE
#include <stddef.h>

#include <vio/backend.h>
#include <vio/ctx.h>
#include <vio/dom.h>
#include <vio/driver.h>
#include <vio/error.h>
#include <vio/heap.h>
#include <vio/mem.h>
#include <vio/queue.h>
#include <vio/unstable/limit.h>

#define SIZE(type, bytes)                                                              \
	_Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define FIELD(type, field, offset, bytes)                                              \
	_Static_assert(offsetof(struct type, field) == (offset) &&                     \
			       sizeof(((struct type *)0)->field) == (bytes),           \
		       #type "." #field)

SIZE(vio_backend_ops, 72);
FIELD(vio_backend_ops, size, 0, 4);
FIELD(vio_backend_ops, flags, 4, 4);
FIELD(vio_backend_ops, queue_start, 8, 8);
FIELD(vio_backend_ops, queue_stop, 16, 8);
FIELD(vio_backend_ops, config_read, 24, 8);
FIELD(vio_backend_ops, config_write, 32, 8);
FIELD(vio_backend_ops, features_set, 40, 8);
FIELD(vio_backend_ops, status_set, 48, 8);
FIELD(vio_backend_ops, reset, 56, 8);
FIELD(vio_backend_ops, closed, 64, 8);

SIZE(vio_backend_params, 64);
FIELD(vio_backend_params, size, 0, 4);
FIELD(vio_backend_params, flags, 4, 4);
FIELD(vio_backend_params, fd, 8, 4);
FIELD(vio_backend_params, n_queues, 12, 4);
FIELD(vio_backend_params, features, 16, 8);
FIELD(vio_backend_params, dom, 24, 8);
FIELD(vio_backend_params, ops, 32, 8);
FIELD(vio_backend_params, opaque, 40, 8);
FIELD(vio_backend_params, queue_features, 48, 8);
FIELD(vio_backend_params, max_queue_size, 56, 4);
FIELD(vio_backend_params, max_chain_iov, 60, 4);

SIZE(vio_ctx_params, 56);
FIELD(vio_ctx_params, size, 0, 4);
FIELD(vio_ctx_params, flags, 4, 4);
FIELD(vio_ctx_params, log_level, 8, 4);
FIELD(vio_ctx_params, reserved, 12, 4);
FIELD(vio_ctx_params, alloc, 16, 8);
FIELD(vio_ctx_params, log, 24, 8);
FIELD(vio_ctx_params, log_opaque, 32, 8);
FIELD(vio_ctx_params, clock, 40, 8);
FIELD(vio_ctx_params, clock_opaque, 48, 8);

SIZE(vio_meters, 56);
FIELD(vio_meters, size, 0, 4);
FIELD(vio_meters, flags, 4, 4);
FIELD(vio_meters, bytes, 8, 8);
FIELD(vio_meters, ops, 16, 8);
FIELD(vio_meters, kicks, 24, 8);
FIELD(vio_meters, descs, 32, 8);
FIELD(vio_meters, service_ns, 40, 8);
FIELD(vio_meters, faults, 48, 8);

SIZE(vio_driver_buf, 16);
FIELD(vio_driver_buf, addr, 0, 8);
FIELD(vio_driver_buf, length_bytes, 8, 4);
FIELD(vio_driver_buf, reserved, 12, 4);

SIZE(vio_driver_chain, 24);
FIELD(vio_driver_chain, bufs, 0, 8);
FIELD(vio_driver_chain, n_out, 8, 4);
FIELD(vio_driver_chain, n_in, 12, 4);
FIELD(vio_driver_chain, cookie, 16, 8);

SIZE(vio_driver_used, 16);
FIELD(vio_driver_used, cookie, 0, 8);
FIELD(vio_driver_used, written_bytes, 8, 4);
FIELD(vio_driver_used, reserved, 12, 4);

SIZE(vio_driver_params, 64);
FIELD(vio_driver_params, size, 0, 4);
FIELD(vio_driver_params, flags, 4, 4);
FIELD(vio_driver_params, features, 8, 8);
FIELD(vio_driver_params, desc, 16, 8);
FIELD(vio_driver_params, driver, 24, 8);
FIELD(vio_driver_params, device, 32, 8);
FIELD(vio_driver_params, indirect, 40, 8);
FIELD(vio_driver_params, indirect_addr, 48, 8);
FIELD(vio_driver_params, n_descs, 56, 4);
FIELD(vio_driver_params, indirect_descs, 60, 4);

SIZE(vio_error, 256);
FIELD(vio_error, size, 0, 4);
FIELD(vio_error, code, 4, 4);
FIELD(vio_error, text, 8, 248);

SIZE(vio_alloc_ops, 32);
FIELD(vio_alloc_ops, size, 0, 4);
FIELD(vio_alloc_ops, flags, 4, 4);
FIELD(vio_alloc_ops, alloc, 8, 8);
FIELD(vio_alloc_ops, free, 16, 8);
FIELD(vio_alloc_ops, opaque, 24, 8);

SIZE(vio_heap_stats, 56);
FIELD(vio_heap_stats, size, 0, 4);
FIELD(vio_heap_stats, flags, 4, 4);
FIELD(vio_heap_stats, live_bytes, 8, 8);
FIELD(vio_heap_stats, peak_bytes, 16, 8);
FIELD(vio_heap_stats, held_bytes, 24, 8);
FIELD(vio_heap_stats, n_live, 32, 8);
FIELD(vio_heap_stats, n_allocs, 40, 8);
FIELD(vio_heap_stats, n_failed, 48, 8);

SIZE(vio_arena_params, 16);
FIELD(vio_arena_params, size, 0, 4);
FIELD(vio_arena_params, flags, 4, 4);
FIELD(vio_arena_params, chunk_bytes, 8, 8);

SIZE(vio_pool_params, 32);
FIELD(vio_pool_params, size, 0, 4);
FIELD(vio_pool_params, flags, 4, 4);
FIELD(vio_pool_params, block_bytes, 8, 8);
FIELD(vio_pool_params, align, 16, 8);
FIELD(vio_pool_params, n_blocks, 24, 8);

SIZE(vio_mem_region, 64);
FIELD(vio_mem_region, size, 0, 4);
FIELD(vio_mem_region, flags, 4, 4);
FIELD(vio_mem_region, gpa, 8, 8);
FIELD(vio_mem_region, length_bytes, 16, 8);
FIELD(vio_mem_region, hva, 24, 8);
FIELD(vio_mem_region, fd, 32, 4);
FIELD(vio_mem_region, reserved, 36, 4);
FIELD(vio_mem_region, fd_offset_bytes, 40, 8);
FIELD(vio_mem_region, released, 48, 8);
FIELD(vio_mem_region, opaque, 56, 8);

SIZE(vio_mem_change, 32);
FIELD(vio_mem_change, gpa, 0, 8);
FIELD(vio_mem_change, length_bytes, 8, 8);
FIELD(vio_mem_change, hva, 16, 8);
FIELD(vio_mem_change, flags, 24, 4);
FIELD(vio_mem_change, is_added, 28, 4);

SIZE(vio_mem_listener, 32);
FIELD(vio_mem_listener, size, 0, 4);
FIELD(vio_mem_listener, flags, 4, 4);
FIELD(vio_mem_listener, prepare, 8, 8);
FIELD(vio_mem_listener, commit, 16, 8);
FIELD(vio_mem_listener, opaque, 24, 8);

SIZE(vio_mem_bitmap, 48);
FIELD(vio_mem_bitmap, size, 0, 4);
FIELD(vio_mem_bitmap, page_shift, 4, 4);
FIELD(vio_mem_bitmap, gpa, 8, 8);
FIELD(vio_mem_bitmap, length_bytes, 16, 8);
FIELD(vio_mem_bitmap, bits, 24, 8);
FIELD(vio_mem_bitmap, released, 32, 8);
FIELD(vio_mem_bitmap, opaque, 40, 8);

SIZE(vio_chain, 40);
FIELD(vio_chain, head, 0, 4);
FIELD(vio_chain, written_bytes, 4, 4);
FIELD(vio_chain, n_out, 8, 4);
FIELD(vio_chain, n_in, 12, 4);
FIELD(vio_chain, out_bytes, 16, 8);
FIELD(vio_chain, in_bytes, 24, 8);
FIELD(vio_chain, iov, 32, 8);

SIZE(vio_queue_fault, 24);
FIELD(vio_queue_fault, size, 0, 4);
FIELD(vio_queue_fault, code, 4, 4);
FIELD(vio_queue_fault, head, 8, 4);
FIELD(vio_queue_fault, index, 12, 4);
FIELD(vio_queue_fault, detail, 16, 8);

SIZE(vio_queue_state, 16);
FIELD(vio_queue_state, size, 0, 4);
FIELD(vio_queue_state, flags, 4, 4);
FIELD(vio_queue_state, avail_index, 8, 4);
FIELD(vio_queue_state, used_index, 12, 4);

SIZE(vio_queue_params, 104);
FIELD(vio_queue_params, size, 0, 4);
FIELD(vio_queue_params, flags, 4, 4);
FIELD(vio_queue_params, mem, 8, 8);
FIELD(vio_queue_params, dom, 16, 8);
FIELD(vio_queue_params, features, 24, 8);
FIELD(vio_queue_params, desc_addr, 32, 8);
FIELD(vio_queue_params, driver_addr, 40, 8);
FIELD(vio_queue_params, device_addr, 48, 8);
FIELD(vio_queue_params, n_descs, 56, 4);
FIELD(vio_queue_params, max_chain_iov, 60, 4);
FIELD(vio_queue_params, index, 64, 4);
FIELD(vio_queue_params, kick_fd, 68, 4);
FIELD(vio_queue_params, call_fd, 72, 4);
FIELD(vio_queue_params, reserved, 76, 4);
FIELD(vio_queue_params, stop, 80, 8);
FIELD(vio_queue_params, fault, 88, 8);
FIELD(vio_queue_params, opaque, 96, 8);

SIZE(vio_limit_params, 56);
FIELD(vio_limit_params, size, 0, 4);
FIELD(vio_limit_params, flags, 4, 4);
FIELD(vio_limit_params, bytes_per_sec, 8, 8);
FIELD(vio_limit_params, ops_per_sec, 16, 8);
FIELD(vio_limit_params, burst_bytes, 24, 8);
FIELD(vio_limit_params, burst_ops, 32, 8);
FIELD(vio_limit_params, quantum_bytes, 40, 8);
FIELD(vio_limit_params, quantum_ops, 48, 8);

SIZE(vio_limit_stats, 40);
FIELD(vio_limit_stats, size, 0, 4);
FIELD(vio_limit_stats, flags, 4, 4);
FIELD(vio_limit_stats, bytes, 8, 8);
FIELD(vio_limit_stats, ops, 16, 8);
FIELD(vio_limit_stats, refused, 24, 8);
FIELD(vio_limit_stats, n_leases, 32, 8);

SIZE(vio_lease, 32);
FIELD(vio_lease, layout, 0, 8);
FIELD(vio_lease, bytes, 8, 8);
FIELD(vio_lease, ops, 16, 8);
FIELD(vio_lease, limit, 24, 8);
