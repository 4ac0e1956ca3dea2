/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the structs that cross the ABI. The input chooses a struct, the
 * size that it claims and its bytes; it lies in a block that ends where it does,
 * so that a sanitizer sees a byte read or written too far. Pointers are replaced
 * by sound ones: what they point to is the caller's word, not an attacker's.
 *
 * Whatever the struct, its size and its unknown tail must be answered as
 * openat2(2) does, an unknown flag is refused, outputs are untouched on failure,
 * and nothing is left behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vio/vio.h>
#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/limit.h>

#include "core/params.h"
#include "heap/heap.h"

#define SIZE_KNOWN_MAX 4096u      /* beyond it a size is -E2BIG, not looked at */
#define ALLOC_MAX      (8u << 20) /* larger requests fail, as on a small machine */
#define RING_BYTES     (1u << 20) /* of the largest ring's largest part, and some */
#define PAGE           4096u
#define UNTOUCHED      ((void *)(uintptr_t)0x5a5a5a5a)

#define MUST(x)                                                                        \
	do {                                                                           \
		if (!(x))                                                              \
			__builtin_trap();                                              \
	} while (0)

struct run {
	const uint8_t *in;
	size_t left;
	struct vio_alloc_ops alloc;
	int64_t n_blocks;
	struct vio_ctx *ctx;
	struct vio_mem *mem;
	struct vio_dom *dom;
	char *ring; /* three parts, one after the other */
	uint8_t bits[8];
	uint32_t n_closed;
	uint32_t claimed; /* what the struct says of its size */
	void *out;
};

/* A struct and what takes it. */
struct kind {
	uint32_t size;
	uint32_t known_flags;
	uint32_t has_no_flags;
	int (*try)(struct run *run, void *bytes);
};

static uint8_t take(struct run *run)
{
	if (!run->left)
		return 0;
	run->left--;
	return *run->in++;
}

static uint32_t take_u32(struct run *run)
{
	uint32_t n = 0;

	for (int i = 0; i < 4; i++)
		n = n << 8 | take(run);
	return n;
}

/* The caller's memory. */

static void *alloc_block(void *opaque, size_t n, size_t align)
{
	struct run *run = opaque;

	if (n > ALLOC_MAX)
		return NULL;
	run->n_blocks++;
	return vio_heap_malloc(NULL, n, align);
}

static void free_block(void *opaque, void *ptr, size_t n, size_t align)
{
	((struct run *)opaque)->n_blocks--;
	vio_heap_free(NULL, ptr, n, align);
}

static const struct vio_alloc_ops ops_of_run = {
	.size = sizeof(struct vio_alloc_ops),
	.alloc = alloc_block,
	.free = free_block,
};

/* A struct of the caller's, exactly as long as it may be read; to be freed. */
static void *take_struct(struct run *run, uint32_t size_known)
{
	const uint8_t how = take(run);
	uint32_t n;
	uint8_t *bytes;

	/* Mostly a size that is right, or nearly so. */
	run->claimed = how < 128   ? size_known
		       : how < 192 ? size_known + how % 64
		       : how < 224 ? how % 32
				   : take_u32(run);
	n = run->claimed > SIZE_KNOWN_MAX ? SIZE_KNOWN_MAX : run->claimed;
	bytes = calloc(1, n < 4 ? 4 : n);
	MUST(bytes);
	for (uint32_t i = 4; i < n && run->left; i++)
		bytes[i] = take(run);
	memcpy(bytes, &run->claimed, 4);
	return bytes;
}

/* What its size and its tail come to; 0: it is read. */
static int expect_copy(const struct run *run, uint32_t size_known, const uint8_t *bytes)
{
	if (run->claimed < size_known)
		return -EINVAL;
	if (run->claimed > SIZE_KNOWN_MAX)
		return -E2BIG;
	for (uint32_t i = size_known; i < run->claimed; i++)
		if (bytes[i])
			return -E2BIG;
	return 0;
}

/* An error of any size, in a block of just that; to be freed. */
static struct vio_error *take_error(struct run *run)
{
	uint32_t n = take(run) < 128 ? sizeof(struct vio_error)
				     : take_u32(run) % (2 * sizeof(struct vio_error));
	struct vio_error *err = calloc(1, n < 8 ? 8 : n);

	MUST(err);
	memcpy(err, &n, 4);
	return err;
}

/* Structs that create something: an attempt ends with all given back. */

static int create_ctx(struct run *run, void *bytes)
{
	struct vio_ctx_params *params = bytes;
	struct vio_alloc_ops ops = run->alloc;
	struct vio_ctx *ctx = run->out;
	struct vio_error *err = take_error(run);
	int ret;

	if (run->claimed >= sizeof(*params)) {
		params->alloc = params->alloc ? &ops : NULL;
		params->log = NULL;
		params->clock = NULL;
		params->flags |= VIO_CTX_NO_URING; /* too slow for a fuzzer */
	}
	if (take(run) & 1) {
		ops.size = take(run) % (sizeof(ops) + 1);
		ops.flags = take(run) & 1;
		ops.free = take(run) & 1 ? ops.free : NULL;
	}
	ret = vio_ctx_create(bytes, &ctx, err);
	run->out = ctx;
	if (!ret)
		MUST(!vio_ctx_destroy(ctx, err));
	free(err);
	return ret;
}

static int end_heap(struct run *run, struct vio_heap *heap, int ret)
{
	const struct vio_alloc_ops *ops;
	void *block;

	run->out = heap;
	if (ret)
		return ret;
	ops = vio_heap_get_ops(heap);
	block = ops->alloc(ops->opaque, 1, 1);
	if (block)
		ops->free(ops->opaque, block, 1, 1);
	vio_heap_destroy(heap);
	return 0;
}

static int create_arena(struct run *run, void *bytes)
{
	struct vio_heap *heap = run->out;
	int ret = vio_heap_create_arena(run->ctx, bytes, &heap);

	return end_heap(run, heap, ret);
}

static int create_pool(struct run *run, void *bytes)
{
	struct vio_heap *heap = run->out;
	int ret = vio_heap_create_pool(run->ctx, bytes, &heap);

	return end_heap(run, heap, ret);
}

static int add_region(struct run *run, void *bytes)
{
	struct vio_mem_region *region = bytes;
	struct vio_error *err = take_error(run);
	int ret;

	if (run->claimed >= sizeof(*region)) {
		region->released = NULL;
		/* Not a descriptor that this process happens to have. */
		region->fd = region->fd < 0 ? region->fd : region->fd | 1 << 30;
	}
	ret = vio_mem_add(run->mem, bytes, err);
	if (!ret)
		MUST(!vio_mem_remove(run->mem, region->gpa));
	free(err);
	return ret;
}

static int attach_listener(struct run *run, void *bytes)
{
	struct vio_mem_listener *listener = bytes;
	int ret;

	if (run->claimed >= sizeof(*listener)) {
		listener->prepare = NULL;
		listener->commit = NULL;
	}
	ret = vio_mem_attach_listener(run->mem, bytes);
	if (!ret)
		MUST(!vio_mem_detach_listener(run->mem, listener->opaque));
	return ret;
}

static int attach_bitmap(struct run *run, void *bytes)
{
	struct vio_mem_bitmap *bitmap = bytes;
	int ret;

	if (run->claimed >= sizeof(*bitmap)) {
		bitmap->bits = bitmap->bits ? run->bits : NULL;
		bitmap->released = NULL;
	}
	ret = vio_mem_attach_bitmap(run->mem, bytes);
	if (!ret)
		MUST(!vio_mem_detach_bitmap(run->mem, run->bits));
	return ret;
}

static int create_queue(struct run *run, void *bytes)
{
	struct vio_queue_params *params = bytes;
	struct vio_queue *queue = run->out;
	struct vio_error *err = take_error(run);
	int ret;

	if (run->claimed >= sizeof(*params)) {
		params->mem = params->mem ? run->mem : NULL;
		params->dom = params->dom ? run->dom : NULL;
		params->stop = NULL;
		params->fault = NULL;
	}
	ret = vio_queue_create(run->ctx, bytes, &queue, err);
	run->out = queue;
	if (!ret)
		vio_queue_destroy(queue);
	free(err);
	return ret;
}

/* On a queue that is always the same. */
static int set_state(struct run *run, void *bytes)
{
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;
	struct vio_queue *queue;
	int ret;

	params.mem = run->mem;
	params.n_descs = 8;
	params.driver_addr = PAGE;
	params.device_addr = 2 * PAGE;
	MUST(!vio_queue_create(run->ctx, &params, &queue, NULL));
	ret = vio_queue_set_state(queue, bytes);
	vio_queue_destroy(queue);
	return ret;
}

/* The pointers' low bits stay, to be misaligned with. */
static void *into_ring(struct run *run, const void *ptr, uint32_t part)
{
	return ptr ? run->ring + part * (size_t)RING_BYTES + ((uintptr_t)ptr & 31)
		   : NULL;
}

static int create_driver(struct run *run, void *bytes)
{
	struct vio_driver_params *params = bytes;
	struct vio_driver *driver = run->out;
	struct vio_error *err = take_error(run);
	int ret;

	if (run->claimed >= sizeof(*params)) {
		params->desc = into_ring(run, params->desc, 0);
		params->driver = into_ring(run, params->driver, 1);
		params->device = into_ring(run, params->device, 2);
		params->indirect = into_ring(run, params->indirect, 0);
	}
	ret = vio_driver_create(run->ctx, bytes, &driver, err);
	run->out = driver;
	if (!ret)
		vio_driver_destroy(driver);
	free(err);
	return ret;
}

static int create_limit(struct run *run, void *bytes)
{
	const struct vio_limit_params none = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = run->out, *plain, *child;
	struct vio_error *err = take_error(run);
	static char names[][8] = { "a name", "", "a/b" };
	struct vio_limit_params *params = bytes;
	int ret;

	if (run->claimed >= sizeof(*params)) {
		params->name = params->name ? names[params->weight % 3] : NULL;
		params->dom = params->dom ? run->dom : NULL;
	}
	ret = vio_limit_create(run->ctx, bytes, 1, &limit, err);
	run->out = limit;
	MUST(!vio_limit_create(run->ctx, &none, 1, &plain, err));
	if (!vio_limit_add(plain, bytes, 2, &child, err))
		MUST(!vio_limit_destroy(child));
	else
		MUST(ret);
	(void)!vio_limit_configure(plain, bytes, 3, err);
	MUST(!vio_limit_destroy(plain));
	if (!ret)
		MUST(!vio_limit_destroy(limit));
	free(err);
	return ret;
}

/* Back ends. */

static int start_queue(void *opaque, uint32_t index, struct vio_queue *queue)
{
	(void)opaque;
	(void)index;
	(void)queue;
	return -EIO;
}

static void stop_queue(void *opaque, uint32_t index, struct vio_queue *queue,
		       struct vio_stop *token, uint32_t stop_flags)
{
	(void)opaque;
	(void)index;
	(void)queue;
	(void)stop_flags;
	vio_queue_stopped(token);
}

static void count_closed(void *opaque, const struct vio_error *why)
{
	MUST(why->code == -ECANCELED);
	((struct run *)opaque)->n_closed++;
}

static void end_backend(struct run *run, struct vio_backend *backend)
{
	run->n_closed = 0;
	vio_backend_close(backend, 0);
	while (!run->n_closed)
		MUST(vio_ctx_dispatch(run->ctx, 16) >= 0);
	MUST(!vio_backend_destroy(backend, NULL));
}

static int open_backend(struct run *run, struct vio_backend_params *params)
{
	struct vio_backend *backend = run->out;
	struct vio_error *err = take_error(run);
	int fds[2], ret;

	MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	if (run->claimed >= sizeof(*params)) {
		params->fd = params->fd & 1 ? -1 : fds[0];
		params->dom = params->dom ? run->dom : NULL;
		params->opaque = run;
	}
	ret = vio_backend_open(run->ctx, params, &backend, err);
	run->out = backend;
	if (!ret)
		end_backend(run, backend);
	else
		close(fds[0]);
	close(fds[1]);
	free(err);
	return ret;
}

static const struct vio_backend_ops sound_ops = {
	.size = sizeof(sound_ops),
	.queue_start = start_queue,
	.queue_stop = stop_queue,
	.closed = count_closed,
};

static int open_by_params(struct run *run, void *bytes)
{
	struct vio_backend_params *params = bytes;

	if (run->claimed >= sizeof(*params))
		params->ops = params->ops ? &sound_ops : NULL;
	return open_backend(run, params);
}

static int open_by_ops(struct run *run, void *bytes)
{
	struct vio_backend_params params = VIO_BACKEND_PARAMS_INIT;
	struct vio_backend_ops *ops = bytes;
	const uint32_t claimed = run->claimed;
	int ret;

	if (run->claimed >= sizeof(*ops)) {
		*ops = (struct vio_backend_ops){
			.size = ops->size,
			.flags = ops->flags,
			.queue_start = ops->queue_start ? start_queue : NULL,
			.queue_stop = ops->queue_stop ? stop_queue : NULL,
			.closed = ops->closed ? count_closed : NULL,
		};
	}
	params.ops = ops;
	params.n_queues = 1;
	run->claimed = sizeof(params);
	ret = open_backend(run, &params);
	run->claimed = claimed;
	return ret;
}

static const struct kind kinds[] = {
	{ sizeof(struct vio_ctx_params), VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD, 0,
	  create_ctx },
	{ sizeof(struct vio_arena_params), 0, 0, create_arena },
	{ sizeof(struct vio_pool_params), 0, 0, create_pool },
	{ sizeof(struct vio_mem_region), VIO_MEM_READONLY | VIO_MEM_ACCEPT_UNSEALED, 0,
	  add_region },
	{ sizeof(struct vio_mem_listener), 0, 0, attach_listener },
	{ sizeof(struct vio_mem_bitmap), 0, 1, attach_bitmap },
	{ sizeof(struct vio_queue_params), 0, 0, create_queue },
	{ sizeof(struct vio_queue_state), 0, 0, set_state },
	{ sizeof(struct vio_driver_params), 0, 0, create_driver },
	{ sizeof(struct vio_limit_params), 0, 0, create_limit },
	{ sizeof(struct vio_backend_params), VIO_BACKEND_ACCEPT_UNSEALED, 0,
	  open_by_params },
	{ sizeof(struct vio_backend_ops), 0, 0, open_by_ops },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void try_kind(struct run *run, const struct kind *kind)
{
	uint8_t *bytes = take_struct(run, kind->size);
	const int want = expect_copy(run, kind->size, bytes);
	const int64_t n_blocks = run->n_blocks;
	uint32_t flags = 0;
	int ret;

	if (run->claimed >= 8)
		memcpy(&flags, bytes + 4, 4);
	run->out = UNTOUCHED;
	ret = kind->try(run, bytes);
	(void)vio_mem_dispatch(run->mem); /* frees what was removed */
	MUST(ret <= 0);
	if (want)
		MUST(ret == want);
	else if (!kind->has_no_flags && (flags & ~kind->known_flags))
		MUST(ret == -EINVAL);
	if (ret)
		MUST(run->out == UNTOUCHED);
	MUST(run->n_blocks == n_blocks);
	free(bytes);
}

/* The copy itself, between structs of any two versions. */
static void try_copy(struct run *run)
{
	const uint32_t ours = 8 + take(run), least = 4 + take(run) % (ours - 3);
	uint8_t *dst = malloc(ours), *bytes = take_struct(run, ours);
	int want = 0, ret;

	MUST(dst);
	memset(dst, 0xa5, ours);
	/* The tail that counts begins where our struct ends. */
	if (run->claimed < least)
		want = -EINVAL;
	else if (run->claimed > ours)
		want = expect_copy(run, ours, bytes);
	MUST(vio_params_copy(dst, ours, least, NULL) == -EINVAL);
	ret = vio_params_copy(dst, ours, least, bytes);
	MUST(ret == want);
	for (uint32_t i = 0; i < ours; i++)
		MUST(dst[i] == (ret ? 0xa5 : i < run->claimed ? bytes[i] : 0));
	free(bytes);
	free(dst);
}

/* Structs that are filled: as far as both reach, and no further. */
static void try_fill(struct run *run)
{
	const uint32_t ours = 8 + take(run) % 128, least = 4 + take(run) % (ours - 3);
	uint8_t *bytes = take_struct(run, ours), *src = malloc(ours), *before;
	const uint32_t n = run->claimed < ours ? run->claimed : ours;
	const uint32_t room =
		run->claimed > SIZE_KNOWN_MAX ? SIZE_KNOWN_MAX : run->claimed;
	int ret;

	before = malloc(room < 4 ? 4 : room);
	MUST(src && before);
	memcpy(before, bytes, room < 4 ? 4 : room);
	memset(src, 0xa5, ours);
	MUST(vio_params_fill(NULL, least, src, ours) == -EINVAL);
	ret = vio_params_fill(bytes, least, src, ours);
	MUST(ret == (run->claimed < least ? -EINVAL : 0));
	for (uint32_t i = 4; i < room; i++)
		MUST(bytes[i] == (!ret && i < n ? 0xa5 : before[i]));
	if (!ret)
		MUST(!memcmp(bytes, &n, 4));
	free(before);
	free(src);
	free(bytes);
}

static void open_run(struct run *run)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	run->alloc = ops_of_run;
	run->alloc.opaque = run;
	params.flags = VIO_CTX_NO_URING;
	params.alloc = &run->alloc;
	MUST(!vio_ctx_create(&params, &run->ctx, NULL));
	MUST(!vio_mem_create(run->ctx, &run->mem));
	MUST(!vio_dom_create(run->ctx, "fuzz", &run->dom));
	run->ring = mmap(NULL, 3 * (size_t)RING_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MUST(run->ring != MAP_FAILED);
	region.hva = run->ring;
	region.length_bytes = RING_BYTES;
	MUST(!vio_mem_add(run->mem, &region, NULL));
}

static void close_run(struct run *run)
{
	MUST(!vio_dom_destroy(run->dom, NULL));
	MUST(!vio_mem_destroy(run->mem, NULL));
	MUST(!vio_ctx_destroy(run->ctx, NULL));
	munmap(run->ring, 3 * (size_t)RING_BYTES);
	MUST(!run->n_blocks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = { .in = data, .left = size };
	uint8_t which;

	open_run(&run);
	for (int i = 0; i < 8 && run.left; i++) {
		which = take(&run) % (N_KINDS + 2);
		if (which < N_KINDS)
			try_kind(&run, &kinds[which]);
		else if (which == N_KINDS)
			try_copy(&run);
		else
			try_fill(&run);
	}
	close_run(&run);
	return 0;
}
