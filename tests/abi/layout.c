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
#include <vio/driver.h>
#include <vio/error.h>
#include <vio/heap.h>
#include <vio/host.h>
#include <vio/mem.h>
#include <vio/meters.h>
#include <vio/pci.h>
#include <vio/queue.h>
#include <vio/resize.h>
#include <vio/unstable/guard.h>
#include <vio/unstable/limit.h>
#include <vio/unstable/limit_hw.h>
#include <vio/unstable/record.h>
#include <vio/vf.h>
#include <vio/vfio.h>
#include <vio/vfio_migration.h>
#include <vio/view.h>

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

SIZE(vio_pci_info, 248);
FIELD(vio_pci_info, size, 0, 4);
FIELD(vio_pci_info, flags, 4, 4);
FIELD(vio_pci_info, addr, 8, 8);
FIELD(vio_pci_info, physfn, 16, 8);
FIELD(vio_pci_info, vendor_id, 24, 4);
FIELD(vio_pci_info, device_id, 28, 4);
FIELD(vio_pci_info, class_code, 32, 4);
FIELD(vio_pci_info, numa_node, 36, 4);
FIELD(vio_pci_info, iommu_group, 40, 4);
FIELD(vio_pci_info, vf_index, 44, 4);
FIELD(vio_pci_info, total_vfs, 48, 4);
FIELD(vio_pci_info, n_vfs, 52, 4);
FIELD(vio_pci_info, reset_methods, 56, 4);
FIELD(vio_pci_info, link_mbps, 60, 4);
FIELD(vio_pci_info, ifindex, 64, 4);
FIELD(vio_pci_info, n_vf_msix, 68, 4);
FIELD(vio_pci_info, bar_bytes, 72, 48);
FIELD(vio_pci_info, vf_bar_bytes, 120, 48);
FIELD(vio_pci_info, driver, 168, 32);
FIELD(vio_pci_info, driver_override, 200, 32);
FIELD(vio_pci_info, netdev, 232, 16);

SIZE(vio_host_event, 16);
FIELD(vio_host_event, size, 0, 4);
FIELD(vio_host_event, type, 4, 4);
FIELD(vio_host_event, addr, 8, 8);

SIZE(vio_host_params, 56);
FIELD(vio_host_params, size, 0, 4);
FIELD(vio_host_params, flags, 4, 4);
FIELD(vio_host_params, sysfs_root, 8, 8);
FIELD(vio_host_params, dev_root, 16, 8);
FIELD(vio_host_params, run_dir, 24, 8);
FIELD(vio_host_params, owner, 32, 8);
FIELD(vio_host_params, event, 40, 8);
FIELD(vio_host_params, opaque, 48, 8);

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

SIZE(vio_meters, 96);
FIELD(vio_meters, size, 0, 4);
FIELD(vio_meters, flags, 4, 4);
FIELD(vio_meters, bytes, 8, 8);
FIELD(vio_meters, ops, 16, 8);
FIELD(vio_meters, kicks, 24, 8);
FIELD(vio_meters, descs, 32, 8);
FIELD(vio_meters, service_ns, 40, 8);
FIELD(vio_meters, faults, 48, 8);
FIELD(vio_meters, refused, 56, 8);
FIELD(vio_meters, lent_bytes, 64, 8);
FIELD(vio_meters, lent_ops, 72, 8);
FIELD(vio_meters, borrowed_bytes, 80, 8);
FIELD(vio_meters, borrowed_ops, 88, 8);

SIZE(vio_pci_addr, 8);
FIELD(vio_pci_addr, domain, 0, 4);
FIELD(vio_pci_addr, bus, 4, 1);
FIELD(vio_pci_addr, device, 5, 1);
FIELD(vio_pci_addr, function, 6, 1);
FIELD(vio_pci_addr, reserved, 7, 1);

SIZE(vio_pci_bar, 24);
FIELD(vio_pci_bar, address, 0, 8);
FIELD(vio_pci_bar, is_io, 8, 4);
FIELD(vio_pci_bar, is_64bit, 12, 4);
FIELD(vio_pci_bar, is_prefetchable, 16, 4);
FIELD(vio_pci_bar, is_present, 20, 4);

SIZE(vio_sriov, 208);
FIELD(vio_sriov, size, 0, 4);
FIELD(vio_sriov, offset, 4, 4);
FIELD(vio_sriov, capabilities, 8, 4);
FIELD(vio_sriov, control, 12, 4);
FIELD(vio_sriov, status, 16, 4);
FIELD(vio_sriov, initial_vfs, 20, 4);
FIELD(vio_sriov, total_vfs, 24, 4);
FIELD(vio_sriov, n_vfs, 28, 4);
FIELD(vio_sriov, dependency_link, 32, 4);
FIELD(vio_sriov, first_vf_offset, 36, 4);
FIELD(vio_sriov, vf_stride, 40, 4);
FIELD(vio_sriov, vf_device_id, 44, 4);
FIELD(vio_sriov, supported_page_sizes, 48, 4);
FIELD(vio_sriov, system_page_size, 52, 4);
FIELD(vio_sriov, migration_offset, 56, 4);
FIELD(vio_sriov, is_ari, 60, 4);
FIELD(vio_sriov, vf_bars, 64, 144);

SIZE(vio_pci_caps, 104);
FIELD(vio_pci_caps, size, 0, 4);
FIELD(vio_pci_caps, has_flr, 4, 4);
FIELD(vio_pci_caps, pcie_offset, 8, 4);
FIELD(vio_pci_caps, pcie_type, 12, 4);
FIELD(vio_pci_caps, max_payload_bytes, 16, 4);
FIELD(vio_pci_caps, link_speed, 20, 4);
FIELD(vio_pci_caps, link_width, 24, 4);
FIELD(vio_pci_caps, link_speed_max, 28, 4);
FIELD(vio_pci_caps, link_width_max, 32, 4);
FIELD(vio_pci_caps, msix_offset, 36, 4);
FIELD(vio_pci_caps, n_msix, 40, 4);
FIELD(vio_pci_caps, msix_table_bar, 44, 4);
FIELD(vio_pci_caps, msix_table_offset, 48, 4);
FIELD(vio_pci_caps, msix_pba_bar, 52, 4);
FIELD(vio_pci_caps, msix_pba_offset, 56, 4);
FIELD(vio_pci_caps, msi_offset, 60, 4);
FIELD(vio_pci_caps, n_msi, 64, 4);
FIELD(vio_pci_caps, ari_offset, 68, 4);
FIELD(vio_pci_caps, ari_next_function, 72, 4);
FIELD(vio_pci_caps, acs_offset, 76, 4);
FIELD(vio_pci_caps, acs_capabilities, 80, 4);
FIELD(vio_pci_caps, acs_control, 84, 4);
FIELD(vio_pci_caps, ats_offset, 88, 4);
FIELD(vio_pci_caps, aer_offset, 92, 4);
FIELD(vio_pci_caps, sriov_offset, 96, 4);
FIELD(vio_pci_caps, pm_offset, 100, 4);

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

SIZE(vio_pause_ops, 32);
FIELD(vio_pause_ops, size, 0, 4);
FIELD(vio_pause_ops, flags, 4, 4);
FIELD(vio_pause_ops, pause, 8, 8);
FIELD(vio_pause_ops, resume, 16, 8);
FIELD(vio_pause_ops, opaque, 24, 8);

SIZE(vio_resize_params, 24);
FIELD(vio_resize_params, size, 0, 4);
FIELD(vio_resize_params, flags, 4, 4);
FIELD(vio_resize_params, n_vfs, 8, 4);
FIELD(vio_resize_params, reserved, 12, 4);
FIELD(vio_resize_params, timeout_ns, 16, 8);

SIZE(vio_resize_times, 32);
FIELD(vio_resize_times, size, 0, 4);
FIELD(vio_resize_times, n_paused, 4, 4);
FIELD(vio_resize_times, pause_ns, 8, 8);
FIELD(vio_resize_times, kernel_ns, 16, 8);
FIELD(vio_resize_times, total_ns, 24, 8);

SIZE(vio_guard_params, 104);
FIELD(vio_guard_params, size, 0, 4);
FIELD(vio_guard_params, flags, 4, 4);
FIELD(vio_guard_params, actions, 8, 4);
FIELD(vio_guard_params, waiting_permille, 12, 4);
FIELD(vio_guard_params, slot_ns, 16, 8);
FIELD(vio_guard_params, slot_descs, 24, 8);
FIELD(vio_guard_params, slot_bytes, 32, 8);
FIELD(vio_guard_params, window_ns, 40, 8);
FIELD(vio_guard_params, kicks_max, 48, 8);
FIELD(vio_guard_params, idle_kicks_per_sec, 56, 8);
FIELD(vio_guard_params, waiting_max_ns, 64, 8);
FIELD(vio_guard_params, escalate_ns, 72, 8);
FIELD(vio_guard_params, calm_ns, 80, 8);
FIELD(vio_guard_params, delay_ns, 88, 8);
FIELD(vio_guard_params, mask_ns, 96, 8);

SIZE(vio_guard_verdict, 168);
FIELD(vio_guard_verdict, size, 0, 4);
FIELD(vio_guard_verdict, flags, 4, 4);
FIELD(vio_guard_verdict, verdict, 8, 4);
FIELD(vio_guard_verdict, actions, 12, 4);
FIELD(vio_guard_verdict, evidence, 16, 4);
FIELD(vio_guard_verdict, share_permille, 20, 4);
FIELD(vio_guard_verdict, n_alarms, 24, 8);
FIELD(vio_guard_verdict, since_ns, 32, 8);
FIELD(vio_guard_verdict, kicks, 40, 8);
FIELD(vio_guard_verdict, ops, 48, 8);
FIELD(vio_guard_verdict, bytes, 56, 8);
FIELD(vio_guard_verdict, service_ns, 64, 8);
FIELD(vio_guard_verdict, excess_kicks, 72, 8);
FIELD(vio_guard_verdict, excess_waiting_ns, 80, 8);
FIELD(vio_guard_verdict, base_kicks_permille, 88, 8);
FIELD(vio_guard_verdict, base_share_permille, 96, 8);
FIELD(vio_guard_verdict, name, 104, 64);

SIZE(vio_guard_member_params, 40);
FIELD(vio_guard_member_params, size, 0, 4);
FIELD(vio_guard_member_params, flags, 4, 4);
FIELD(vio_guard_member_params, name, 8, 8);
FIELD(vio_guard_member_params, weight, 16, 8);
FIELD(vio_guard_member_params, act, 24, 8);
FIELD(vio_guard_member_params, opaque, 32, 8);

SIZE(vio_guard_slot, 56);
FIELD(vio_guard_slot, size, 0, 4);
FIELD(vio_guard_slot, flags, 4, 4);
FIELD(vio_guard_slot, member, 8, 8);
FIELD(vio_guard_slot, opaque, 16, 8);
FIELD(vio_guard_slot, service_ns, 24, 8);
FIELD(vio_guard_slot, descs, 32, 8);
FIELD(vio_guard_slot, bytes, 40, 8);
FIELD(vio_guard_slot, retry_at_ns, 48, 8);

SIZE(vio_guard_sample, 56);
FIELD(vio_guard_sample, size, 0, 4);
FIELD(vio_guard_sample, flags, 4, 4);
FIELD(vio_guard_sample, kicks, 8, 8);
FIELD(vio_guard_sample, ops, 16, 8);
FIELD(vio_guard_sample, bytes, 24, 8);
FIELD(vio_guard_sample, service_ns, 32, 8);
FIELD(vio_guard_sample, unwanted_kicks, 40, 8);
FIELD(vio_guard_sample, lost_ns, 48, 8);

SIZE(vio_limit_params, 96);
FIELD(vio_limit_params, size, 0, 4);
FIELD(vio_limit_params, flags, 4, 4);
FIELD(vio_limit_params, bytes_per_sec, 8, 8);
FIELD(vio_limit_params, ops_per_sec, 16, 8);
FIELD(vio_limit_params, burst_bytes, 24, 8);
FIELD(vio_limit_params, burst_ops, 32, 8);
FIELD(vio_limit_params, quantum_bytes, 40, 8);
FIELD(vio_limit_params, quantum_ops, 48, 8);
FIELD(vio_limit_params, assured_bytes_per_sec, 56, 8);
FIELD(vio_limit_params, assured_ops_per_sec, 64, 8);
FIELD(vio_limit_params, weight, 72, 4);
FIELD(vio_limit_params, reserved, 76, 4);
FIELD(vio_limit_params, name, 80, 8);
FIELD(vio_limit_params, dom, 88, 8);

SIZE(vio_limit_stats, 88);
FIELD(vio_limit_stats, size, 0, 4);
FIELD(vio_limit_stats, flags, 4, 4);
FIELD(vio_limit_stats, bytes, 8, 8);
FIELD(vio_limit_stats, ops, 16, 8);
FIELD(vio_limit_stats, refused, 24, 8);
FIELD(vio_limit_stats, n_leases, 32, 8);
FIELD(vio_limit_stats, lent_bytes, 40, 8);
FIELD(vio_limit_stats, lent_ops, 48, 8);
FIELD(vio_limit_stats, borrowed_bytes, 56, 8);
FIELD(vio_limit_stats, borrowed_ops, 64, 8);
FIELD(vio_limit_stats, credit_bytes, 72, 8);
FIELD(vio_limit_stats, credit_ops, 80, 8);

SIZE(vio_lease, 32);
FIELD(vio_lease, layout, 0, 8);
FIELD(vio_lease, bytes, 8, 8);
FIELD(vio_lease, ops, 16, 8);
FIELD(vio_lease, limit, 24, 8);

SIZE(vio_limit_waiter, 88);
FIELD(vio_limit_waiter, ready, 0, 8);
FIELD(vio_limit_waiter, bytes, 8, 8);
FIELD(vio_limit_waiter, ops, 16, 8);
FIELD(vio_limit_waiter, words, 24, 64);

SIZE(vio_limit_hw_params, 80);
FIELD(vio_limit_hw_params, size, 0, 4);
FIELD(vio_limit_hw_params, flags, 4, 4);
FIELD(vio_limit_hw_params, kind, 8, 4);
FIELD(vio_limit_hw_params, vf_index, 12, 4);
FIELD(vio_limit_hw_params, host, 16, 8);
FIELD(vio_limit_hw_params, pf, 24, 8);
FIELD(vio_limit_hw_params, handle, 32, 8);
FIELD(vio_limit_hw_params, node, 40, 8);
FIELD(vio_limit_hw_params, parent, 48, 8);
FIELD(vio_limit_hw_params, cgroup, 56, 8);
FIELD(vio_limit_hw_params, port, 64, 4);
FIELD(vio_limit_hw_params, major, 68, 4);
FIELD(vio_limit_hw_params, minor, 72, 4);
FIELD(vio_limit_hw_params, reserved, 76, 4);

SIZE(vio_limit_hw_caps, 64);
FIELD(vio_limit_hw_caps, size, 0, 4);
FIELD(vio_limit_hw_caps, fields, 4, 4);
FIELD(vio_limit_hw_caps, untried, 8, 4);
FIELD(vio_limit_hw_caps, is_each_way, 12, 4);
FIELD(vio_limit_hw_caps, bytes_least, 16, 8);
FIELD(vio_limit_hw_caps, bytes_most, 24, 8);
FIELD(vio_limit_hw_caps, bytes_step, 32, 8);
FIELD(vio_limit_hw_caps, ops_least, 40, 8);
FIELD(vio_limit_hw_caps, ops_most, 48, 8);
FIELD(vio_limit_hw_caps, ops_step, 56, 8);

SIZE(vio_limit_hw_report, 48);
FIELD(vio_limit_hw_report, size, 0, 4);
FIELD(vio_limit_hw_report, set, 4, 4);
FIELD(vio_limit_hw_report, held, 8, 4);
FIELD(vio_limit_hw_report, left, 12, 4);
FIELD(vio_limit_hw_report, bytes_per_sec, 16, 8);
FIELD(vio_limit_hw_report, ops_per_sec, 24, 8);
FIELD(vio_limit_hw_report, assured_bytes_per_sec, 32, 8);
FIELD(vio_limit_hw_report, weight, 40, 4);
FIELD(vio_limit_hw_report, reserved, 44, 4);

SIZE(vio_io_record, 56);
FIELD(vio_io_record, arrival_ns, 0, 8);
FIELD(vio_io_record, start_ns, 8, 8);
FIELD(vio_io_record, end_ns, 16, 8);
FIELD(vio_io_record, bytes, 24, 8);
FIELD(vio_io_record, tag, 32, 8);
FIELD(vio_io_record, op, 40, 4);
FIELD(vio_io_record, status, 44, 4);
FIELD(vio_io_record, queue, 48, 4);
FIELD(vio_io_record, lost, 52, 4);

SIZE(vio_recorder_params, 24);
FIELD(vio_recorder_params, size, 0, 4);
FIELD(vio_recorder_params, flags, 4, 4);
FIELD(vio_recorder_params, dom, 8, 8);
FIELD(vio_recorder_params, n_records, 16, 4);
FIELD(vio_recorder_params, index, 20, 4);

SIZE(vio_recorder_stats, 32);
FIELD(vio_recorder_stats, size, 0, 4);
FIELD(vio_recorder_stats, flags, 4, 4);
FIELD(vio_recorder_stats, pushed, 8, 8);
FIELD(vio_recorder_stats, lost, 16, 8);
FIELD(vio_recorder_stats, popped, 24, 8);

SIZE(vio_vf_config, 60);
FIELD(vio_vf_config, size, 0, 4);
FIELD(vio_vf_config, fields, 4, 4);
FIELD(vio_vf_config, mac, 8, 6);
FIELD(vio_vf_config, reserved, 14, 2);
FIELD(vio_vf_config, vlan, 16, 4);
FIELD(vio_vf_config, qos, 20, 4);
FIELD(vio_vf_config, vlan_protocol, 24, 4);
FIELD(vio_vf_config, min_tx_mbps, 28, 4);
FIELD(vio_vf_config, max_tx_mbps, 32, 4);
FIELD(vio_vf_config, spoofchk, 36, 4);
FIELD(vio_vf_config, trust, 40, 4);
FIELD(vio_vf_config, link_state, 44, 4);
FIELD(vio_vf_config, nvme_vq, 48, 4);
FIELD(vio_vf_config, nvme_vi, 52, 4);
FIELD(vio_vf_config, n_msix, 56, 4);

SIZE(vio_vf_request, 80);
FIELD(vio_vf_request, size, 0, 4);
FIELD(vio_vf_request, flags, 4, 4);
FIELD(vio_vf_request, pf, 8, 8);
FIELD(vio_vf_request, n, 16, 4);
FIELD(vio_vf_request, policy, 20, 4);
FIELD(vio_vf_request, numa_node, 24, 4);
FIELD(vio_vf_request, load_mbps, 28, 4);
FIELD(vio_vf_request, vendor_id, 32, 4);
FIELD(vio_vf_request, device_id, 36, 4);
FIELD(vio_vf_request, driver, 40, 8);
FIELD(vio_vf_request, tag, 48, 8);
FIELD(vio_vf_request, config, 56, 8);
FIELD(vio_vf_request, score, 64, 8);
FIELD(vio_vf_request, opaque, 72, 8);

SIZE(vio_vf_info, 176);
FIELD(vio_vf_info, size, 0, 4);
FIELD(vio_vf_info, state, 4, 4);
FIELD(vio_vf_info, addr, 8, 8);
FIELD(vio_vf_info, pf, 16, 8);
FIELD(vio_vf_info, generation, 24, 8);
FIELD(vio_vf_info, vf_index, 32, 4);
FIELD(vio_vf_info, is_alive, 36, 4);
FIELD(vio_vf_info, pid, 40, 4);
FIELD(vio_vf_info, load_mbps, 44, 4);
FIELD(vio_vf_info, owner, 48, 64);
FIELD(vio_vf_info, tag, 112, 64);

SIZE(vio_vf_report, 16);
FIELD(vio_vf_report, size, 0, 4);
FIELD(vio_vf_report, applied, 4, 4);
FIELD(vio_vf_report, refused, 8, 4);
FIELD(vio_vf_report, unsupported, 12, 4);

SIZE(vio_vf_recovery, 24);
FIELD(vio_vf_recovery, size, 0, 4);
FIELD(vio_vf_recovery, n_undone, 4, 4);
FIELD(vio_vf_recovery, n_alive, 8, 4);
FIELD(vio_vf_recovery, n_unknown, 12, 4);
FIELD(vio_vf_recovery, n_failed, 16, 4);
FIELD(vio_vf_recovery, reserved, 20, 4);

SIZE(vio_iommu_params, 16);
FIELD(vio_iommu_params, size, 0, 4);
FIELD(vio_iommu_params, flags, 4, 4);
FIELD(vio_iommu_params, mem, 8, 8);

SIZE(vio_vfio_region, 24);
FIELD(vio_vfio_region, size, 0, 4);
FIELD(vio_vfio_region, flags, 4, 4);
FIELD(vio_vfio_region, length_bytes, 8, 8);
FIELD(vio_vfio_region, can_map, 16, 4);
FIELD(vio_vfio_region, n_vectors, 20, 4);

SIZE(vio_vfio_params, 40);
FIELD(vio_vfio_params, size, 0, 4);
FIELD(vio_vfio_params, flags, 4, 4);
FIELD(vio_vfio_params, iommu, 8, 8);
FIELD(vio_vfio_params, requested, 16, 8);
FIELD(vio_vfio_params, failed, 24, 8);
FIELD(vio_vfio_params, opaque, 32, 8);

SIZE(vio_vfio_migration, 12);
FIELD(vio_vfio_migration, size, 0, 4);
FIELD(vio_vfio_migration, features, 4, 4);
FIELD(vio_vfio_migration, state, 8, 4);

SIZE(vio_vfio_precopy, 24);
FIELD(vio_vfio_precopy, size, 0, 4);
FIELD(vio_vfio_precopy, flags, 4, 4);
FIELD(vio_vfio_precopy, initial_bytes, 8, 8);
FIELD(vio_vfio_precopy, dirty_bytes, 16, 8);

SIZE(vio_view_ops, 56);
FIELD(vio_view_ops, size, 0, 4);
FIELD(vio_view_ops, flags, 4, 4);
FIELD(vio_view_ops, map, 8, 8);
FIELD(vio_view_ops, unmap, 16, 8);
FIELD(vio_view_ops, trap, 24, 8);
FIELD(vio_view_ops, route, 32, 8);
FIELD(vio_view_ops, reset, 40, 8);
FIELD(vio_view_ops, opaque, 48, 8);
