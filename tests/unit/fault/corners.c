/* SPDX-License-Identifier: MIT */
/*
 * Errors at the edges between layers: what a caller, a peer or the kernel does
 * seldom, and no suite of one layer alone comes by.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vio/dom.h>

#include "ctx.h"
#include "unit/device/vhost_peer.h"

#define RING_BYTES (3 * 4096u)

struct scene {
	struct vio_ctx *ctx;
	struct vio_mem *mem;
	struct vio_dom *dom;
	void *pages;
	struct vio_queue_params params;
};

static int setup(void **state)
{
	struct scene *s = test_calloc(1, sizeof(*s));
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	s->pages = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s->pages, MAP_FAILED);
	assert_int_equal(vio_ctx_create(NULL, &s->ctx, NULL), 0);
	assert_int_equal(vio_dom_create(s->ctx, "tenant", &s->dom), 0);
	assert_int_equal(vio_mem_create(s->ctx, &s->mem), 0);
	region.length_bytes = RING_BYTES;
	region.hva = s->pages;
	assert_int_equal(vio_mem_add(s->mem, &region, NULL), 0);
	s->params = (struct vio_queue_params)VIO_QUEUE_PARAMS_INIT;
	s->params.mem = s->mem;
	s->params.n_descs = 8;
	s->params.driver_addr = 4096;
	s->params.device_addr = 8192;
	s->params.index = 7;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	assert_int_equal(vio_mem_destroy(s->mem, NULL), 0);
	assert_int_equal(vio_dom_destroy(s->dom, NULL), 0);
	assert_int_equal(vio_ctx_destroy(s->ctx, NULL), 0);
	munmap(s->pages, RING_BYTES);
	test_free(s);
	return 0;
}

static void a_tenant_in_use_names_its_queue(void **state)
{
	struct scene *s = *state;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_queue *queue;

	s->params.dom = s->dom;
	assert_int_equal(vio_queue_create(s->ctx, &s->params, &queue, NULL), 0);
	assert_int_equal(vio_dom_destroy(s->dom, &err), -EBUSY);
	assert_non_null(strstr(err.text, "queue 7"));
	vio_queue_destroy(queue);
}

static void ignore_stop(void *opaque, struct vio_queue *queue, struct vio_stop *token,
			uint32_t stop_flags)
{
	(void)opaque;
	(void)queue;
	(void)token;
	(void)stop_flags;
}

static void a_queue_without_a_context_has_nobody_to_stop_it_for(void **state)
{
	struct scene *s = *state;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_queue *queue = VIO_FAULT_UNTOUCHED;

	s->params.stop = ignore_stop;
	assert_int_equal(vio_queue_create(NULL, &s->params, &queue, &err), -EINVAL);
	assert_ptr_equal(queue, VIO_FAULT_UNTOUCHED);
	assert_non_null(strstr(err.text, "queue 7"));
}

static void a_kick_descriptor_that_is_no_eventfd_is_an_error(void **state)
{
	struct scene *s = *state;
	struct vio_queue *queue;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	s->params.kick_fd = fds[0];
	assert_int_equal(vio_queue_create(s->ctx, &s->params, &queue, NULL), 0);
	assert_int_equal(vio_queue_read_kicks(queue), 0);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	assert_int_equal(vio_queue_read_kicks(queue), -EIO);
	vio_queue_destroy(queue);
	close(fds[0]);
	close(fds[1]);
}

/* Back ends. */

static void a_tenants_reset_waits_for_a_connection_that_ends(void **state)
{
	struct vhost_stage stage;
	struct vio_backend_params params;
	struct vio_dom *dom;
	int fds[2];

	(void)state;
	vhost_stage_prepare(&stage);
	vhost_stage_params(&stage, &params, fds);
	stage.fd = fds[0];
	assert_int_equal(vio_dom_create(NULL, "tenant", &dom), 0);
	params.dom = dom;
	assert_int_equal(vhost_stage_open(&stage, &params, NULL), 0);
	vio_backend_close(stage.backend, 0);
	assert_int_equal(vio_dom_reset(dom), 0);
	assert_int_equal(vio_dom_step(dom, NULL), 1);
	vio_test_dispatch_until(stage.ctx, &stage.n_closed, 1);
	assert_int_equal(vio_dom_step(dom, NULL), 0);
	assert_int_equal(stage.n_resets, 0);
	vhost_stage_clear(&stage);
	assert_int_equal(vio_dom_destroy(dom, NULL), 0);
}

/* The device has no business there, but the process is not lost by it. */
static void a_table_with_an_open_batch_ends_the_connection(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	assert_int_equal(vio_mem_begin(vio_backend_get_mem(stage->backend)), 0);
	peer_fill_table(stage, &memory, fds);
	peer_send_table(stage, &memory, fds);
	peer_verify_end(stage, -EBUSY);
}

static ssize_t
send_nothing(void *opaque, int fd, const struct msghdr *message, int flags)
{
	(void)opaque;
	(void)fd;
	(void)message;
	(void)flags;
	return 0;
}

static void a_socket_that_takes_nothing_ends_the_connection(void **state)
{
	struct vio_sys sys = vio_sys_linux;
	struct vio_backend_params params;
	struct vhost_stage stage;
	int fds[2];

	(void)state;
	sys.sendmsg = send_nothing;
	vhost_stage_prepare(&stage);
	vhost_stage_params(&stage, &params, fds);
	stage.fd = fds[0];
	assert_int_equal(vio_ctx_create_on(NULL, &sys, &stage.ctx, NULL), 0);
	assert_int_equal(vio_backend_open(stage.ctx, &params, &stage.backend, NULL), 0);
	peer_send(&stage, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
	peer_verify_end(&stage, -EIO);
	vhost_stage_clear(&stage);
}

/* Guest memory in a child: tests of the table fork on their own. */
struct forked {
	struct vio_mem *mem;
	int fd;
};

static int add_in_child(void *opaque)
{
	const struct forked *forked = opaque;
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	region.gpa = 0x100000;
	region.length_bytes = 4096;
	region.fd = forked->fd;
	if (vio_mem_add(forked->mem, &region, &err) != -ECHILD)
		return 1;
	return err.code == -ECHILD && err.text[0] ? 0 : 2;
}

/* All on the stack: a leak checker looks for it in the child as well. */
static void a_forked_child_maps_no_guest_memory(void **state)
{
	struct forked forked = { NULL, peer_create_memfd(4096, true) };
	struct vio_ctx *ctx;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_mem_create(ctx, &forked.mem), 0);
	assert_int_equal(vio_test_fork(add_in_child, &forked), 0);
	assert_int_equal(vio_mem_destroy(forked.mem, NULL), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	close(forked.fd);
}

/* The kernel refuses a ring without entries; nothing is left of it. */
static void a_ring_that_the_kernel_refuses_is_not_there(void **state)
{
	const unsigned int n_fds = vio_test_count_fds();
	_Alignas(16) char ring[1024] = { 0 };

	(void)state;
	assert_true(vio_sys_linux.uring_create(NULL, (struct io_uring *)(void *)ring,
					       0) < 0);
	assert_int_equal(vio_test_count_fds(), n_fds);
}

#define SCENE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define STAGED(f)                                                                      \
	cmocka_unit_test_setup_teardown(f, vhost_stage_setup, vhost_stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_tenant_in_use_names_its_queue),
		SCENE(a_queue_without_a_context_has_nobody_to_stop_it_for),
		SCENE(a_kick_descriptor_that_is_no_eventfd_is_an_error),
		cmocka_unit_test(a_tenants_reset_waits_for_a_connection_that_ends),
		STAGED(a_table_with_an_open_batch_ends_the_connection),
		cmocka_unit_test(a_socket_that_takes_nothing_ends_the_connection),
		cmocka_unit_test(a_forked_child_maps_no_guest_memory),
		cmocka_unit_test(a_ring_that_the_kernel_refuses_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
