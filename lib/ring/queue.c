/* SPDX-License-Identifier: MIT */
/*
 * A queue's state beside its data path: checking what it is created with, finding
 * its ring in guest memory, latching, reset. The ring's pointers are derived
 * state: they are good for one view of memory and found anew for the next.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "ring/queue.h"

#define MAX_CHAIN_IOV_DEFAULT 1024u /* what one readv(2) takes */

#define F_RING_PACKED         (UINT64_C(1) << 34)

struct part {
	const char *name;
	uint64_t addr;
	uint64_t length_bytes;
	uint64_t align;
	uint32_t access;
};

/* virtio 1.2, 2.7: with the event index, which is reserved room without it. */
static void list_parts(const struct vio_queue_params *params, struct part parts[3])
{
	const uint64_t n = params->n_descs;

	parts[0] = (struct part){ "descriptor table", params->desc_addr,
				  n * sizeof(struct vio_split_desc), 16, VIO_MEM_READ };
	parts[1] = (struct part){ "available ring", params->driver_addr, 6 + 2 * n, 2,
				  VIO_MEM_READ };
	parts[2] = (struct part){ "used ring", params->device_addr, 6 + 8 * n, 4,
				  VIO_MEM_WRITE };
}

static int check_parts(const struct vio_queue_params *params, struct vio_error *err)
{
	struct part parts[3];
	uint64_t last[3];

	list_parts(params, parts);
	for (int i = 0; i < 3; i++) {
		if (!vio_is_aligned(parts[i].addr, parts[i].align))
			return vio_fail(err, -EINVAL,
					"queue %u: %s at 0x%llx is not aligned to %llu",
					params->index, parts[i].name,
					(unsigned long long)parts[i].addr,
					(unsigned long long)parts[i].align);
		if (!vio_range_last(parts[i].addr, parts[i].length_bytes, &last[i]))
			return vio_fail(err, -EFAULT, "queue %u: %s wraps past 2^64",
					params->index, parts[i].name);
		/* The device would overwrite descriptors with completions. */
		for (int k = 0; k < i; k++)
			if (parts[i].addr <= last[k] && parts[k].addr <= last[i])
				return vio_fail(
					err, -EFAULT, "queue %u: %s overlaps the %s",
					params->index, parts[i].name, parts[k].name);
	}
	return 0;
}

int vio_queue_check(const struct vio_queue_params *params, struct vio_error *err)
{
	if (params->flags || params->reserved)
		return vio_fail(err, -EINVAL, "queue %u: unknown flag", params->index);
	if (!params->mem)
		return vio_fail(err, -EINVAL, "queue %u: no memory table",
				params->index);
	if (params->features & F_RING_PACKED)
		return vio_fail(err, -EOPNOTSUPP,
				"queue %u: packed rings are not supported, clear "
				"VIRTIO_F_RING_PACKED",
				params->index);
	if (!vio_is_power_of_two(params->n_descs) ||
	    params->n_descs > VIO_QUEUE_SIZE_MAX)
		return vio_fail(err, -EINVAL,
				"queue %u: size %u is not a power of two up to %u",
				params->index, params->n_descs, VIO_QUEUE_SIZE_MAX);
	return check_parts(params, err);
}

static int find_part(struct vio_queue *queue, const struct vio_mem_view *view,
		     const struct part *part, void **out)
{
	struct iovec iov;
	int n;

	if (queue->is_iova)
		n = vio_mem_view_translate_iova(
			queue->params.mem, view, &queue->reader.hint, part->addr,
			part->length_bytes, part->access, &iov, 1);
	else
		n = vio_mem_view_translate(view, &queue->reader.hint, part->addr,
					   part->length_bytes, part->access, &iov, 1);
	if (n == -EAGAIN)
		return n;
	if (n != 1)
		return -EFAULT;
	*out = iov.iov_base;
	return 0;
}

/* 0, -EAGAIN, or -EFAULT with the part that is to blame in *out_bad. */
static int find_ring(struct vio_queue *queue, const struct vio_mem_view *view,
		     struct part *out_bad)
{
	struct part parts[3];
	void *found[3];

	list_parts(&queue->params, parts);
	for (int i = 0; i < 3; i++) {
		int ret = find_part(queue, view, &parts[i], &found[i]);

		if (ret) {
			*out_bad = parts[i];
			return ret;
		}
	}
	queue->desc = found[0];
	queue->avail = found[1];
	queue->used = found[2];
	queue->generation = view->generation;
	return 0;
}

/*
 * Acquire: pairs with the release in vio_mem_notify(), so that the hook is asked
 * after what it was notified of. Read before asking: a notification that comes
 * in between is then seen as a new one.
 */
uint64_t vio_queue_translations(const struct vio_queue *queue)
{
	return __atomic_load_n(&vio_mem_current_of(queue->params.mem)->translations,
			       __ATOMIC_ACQUIRE);
}

const struct vio_mem_view *vio_queue_resolve(struct vio_queue *queue,
					     const struct vio_mem_view *view,
					     int *out_error)
{
	uint64_t translations = vio_queue_translations(queue);
	struct part bad;
	int ret;

	if (view->generation == queue->generation &&
	    translations == queue->translations)
		return view;

	queue->generation = 0; /* the pointers are stale from here on */
	ret = find_ring(queue, view, &bad);
	if (!ret) {
		queue->translations = translations;
		return view;
	}
	*out_error = ret == -EAGAIN
			     ? ret
			     : vio_queue_latch(queue, VIO_FAULT_RING, 0, 0, bad.addr);
	vio_mem_reader_leave(&queue->reader);
	return NULL;
}

int vio_queue_latch(struct vio_queue *queue, uint32_t code, uint32_t head,
		    uint32_t index, uint64_t detail)
{
	struct vio_queue_params *params = &queue->params;

	if (queue->fault.code)
		return -EBADMSG;
	queue->fault = (struct vio_queue_fault){
		.size = sizeof(queue->fault),
		.code = code,
		.head = head,
		.index = index,
		.detail = detail,
	};
	vio_meter_add(&queue->meter.faults, 1);
	if (vio_log_allows(queue->env, &queue->log_brake, "ring"))
		vio_log(queue->env, VIO_LOG_WARNING, "ring",
			"queue %u latched: fault %u, head %u, descriptor %u, 0x%llx",
			params->index, code, head, index, (unsigned long long)detail);
	if (params->fault)
		params->fault(params->opaque, queue, &queue->fault);
	return -EBADMSG;
}

void vio_queue_mark_used(const struct vio_mem_view *view, void *first,
			 uint64_t length_bytes)
{
	struct iovec iov = { .iov_base = first, .iov_len = length_bytes };

	vio_mem_view_mark_iov(view, view, &iov, 1, length_bytes);
}

static void clear_indexes(struct vio_queue *queue)
{
	queue->avail_index = 0;
	queue->avail_seen = 0;
	queue->used_index = 0;
	queue->used_shown = 0;
	queue->n_open = 0;
	queue->n_waiting = 0;
	queue->is_parked = 0;
	queue->fault = (struct vio_queue_fault)VIO_QUEUE_FAULT_INIT;
}

/* Gives up what open chains hold of guest memory. */
static void forget_chains(struct vio_queue *queue)
{
	for (uint32_t head = 0; head < queue->n_descs; head++) {
		struct vio_open_chain *open = &queue->open[head];

		if (open->view && !open->is_done)
			vio_mem_reader_close_chain(&queue->reader, open->view);
		*open = (struct vio_open_chain){ 0 };
	}
}

void vio_queue_reset(struct vio_queue *queue)
{
	forget_chains(queue);
	vio_mem_reader_leave(&queue->reader);
	clear_indexes(queue);
}

int vio_queue_setup(struct vio_queue *queue, const struct vio_env *env,
		    const struct vio_queue_params *params, struct vio_open_chain *open,
		    struct vio_error *err)
{
	const struct vio_mem_view *view;
	struct part bad = { 0 };
	int ret;

	queue->env = env;
	queue->params = *params;
	queue->open = open;
	queue->n_descs = params->n_descs;
	queue->max_chain_iov =
		params->max_chain_iov ? params->max_chain_iov : MAX_CHAIN_IOV_DEFAULT;
	queue->has_event_index = !!(params->features & VIO_F_EVENT_IDX);
	queue->has_indirect = !!(params->features & VIO_F_INDIRECT_DESC);
	queue->is_in_order = !!(params->features & VIO_F_IN_ORDER);
	queue->is_iova = !!(params->features & VIO_F_ACCESS_PLATFORM);
	clear_indexes(queue);

	vio_mem_reader_attach(&queue->reader, params->mem);
	queue->translations = vio_queue_translations(queue);
	view = vio_mem_reader_enter(&queue->reader);
	ret = find_ring(queue, view, &bad);
	vio_mem_reader_leave(&queue->reader);
	if (!ret)
		return 0;

	vio_mem_reader_detach(&queue->reader);
	return vio_fail(err, ret,
			"queue %u: %s at 0x%llx is not guest memory in one piece",
			params->index, bad.name, (unsigned long long)bad.addr);
}

void vio_queue_teardown(struct vio_queue *queue)
{
	vio_queue_reset(queue);
	vio_mem_reader_detach(&queue->reader);
}

int vio_queue_read_meters(const struct vio_queue *queue, struct vio_meters *meters)
{
	return vio_meter_fill(&queue->meter, meters);
}

void vio_queue_add_service(struct vio_queue *queue, uint64_t service_ns)
{
	vio_meter_add(&queue->meter.service_ns, service_ns);
}
