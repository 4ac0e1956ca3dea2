/* SPDX-License-Identifier: MIT */
/*
 * What io_uring alone does: entries as they are handed to the kernel, and what
 * becomes of those that the kernel refuses. Skipped, with a message, where the
 * kernel has no io_uring.
 */
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/list.h"
#include "ctx.h"
#include "fake/fault.h"
#include "fake/support.h"

#define RING_ENTRIES 64

struct fixture {
	struct vio_sys sys;
	struct vio_ctx *ctx;
	int pipe[2];
	int refusal;  /* what the kernel answers to a submission; 0: it takes it */
	int flags;    /* of the last entry handed over */
	void *ready;  /* what the loop waits for with the ring */
	int is_ready; /* told once, though the ring is empty */
	struct vio_async_call call;
	uint32_t n_done;
	int64_t result;
};

static int create(void *opaque, struct io_uring *ring, unsigned int n)
{
	(void)opaque;
	return vio_sys_linux.uring_create(NULL, ring, n);
}

static int submit_or_refuse(void *opaque, struct io_uring *ring)
{
	struct fixture *f = opaque;
	unsigned int mask = *ring->sq.kring_mask;

	f->flags = ring->sq.sqes[(ring->sq.sqe_tail - 1) & mask].flags;
	return f->refusal ? f->refusal : vio_sys_linux.uring_submit(NULL, ring);
}

static int watch(void *opaque, int epoll_fd, int op, int fd, struct epoll_event *event)
{
	struct fixture *f = opaque;

	/* The ring is the last that a new context waits for. */
	if (op == EPOLL_CTL_ADD)
		f->ready = event->data.ptr;
	return vio_sys_linux.epoll_ctl(NULL, epoll_fd, op, fd, event);
}

static int wait_or_tell(void *opaque, int epoll_fd, struct epoll_event *events, int n,
			int timeout_ms)
{
	struct fixture *f = opaque;

	if (!f->is_ready)
		return vio_sys_linux.epoll_wait(NULL, epoll_fd, events, n, timeout_ms);
	f->is_ready = 0;
	events[0] = (struct epoll_event){ .events = EPOLLIN, .data.ptr = f->ready };
	return 1;
}

static void count_done(struct vio_async_call *call, int64_t result)
{
	struct fixture *f = VIO_CONTAINER_OF(call, struct fixture, call);

	f->n_done++;
	f->result = result;
}

static int set_up(void **state)
{
	struct fixture *f;
	struct io_uring ring;

	if (vio_sys_linux.uring_create(NULL, &ring, 8)) {
		*state = NULL;
		return 0;
	}
	vio_sys_linux.uring_destroy(NULL, &ring);
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->sys = vio_sys_linux;
	f->sys.opaque = f;
	f->sys.uring_create = create;
	f->sys.uring_submit = submit_or_refuse;
	f->sys.epoll_ctl = watch;
	f->sys.epoll_wait = wait_or_tell;
	assert_int_equal(vio_ctx_create_on(NULL, &f->sys, &f->ctx, NULL), 0);
	assert_int_equal(pipe2(f->pipe, O_CLOEXEC | O_NONBLOCK), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f)
		return 0;
	assert_int_equal(vio_ctx_destroy(f->ctx, NULL), 0);
	close(f->pipe[0]);
	close(f->pipe[1]);
	free(f);
	return 0;
}

static struct fixture *fixture_of(void **state)
{
	if (!*state) {
		print_message("the kernel has no io_uring\n");
		skip();
	}
	return *state;
}

static int submit_write(struct fixture *f, char *byte)
{
	f->call = (struct vio_async_call){
		.op = VIO_ASYNC_WRITE,
		.fd = f->pipe[1],
		.buf = byte,
		.n = 1,
		.offset = -1,
		.done = count_done,
	};
	return vio_async_submit(f->ctx->async, &f->call);
}

static void ioctl_is_not_for_io_uring(void **state)
{
	struct fixture *f = fixture_of(state);

	f->call = (struct vio_async_call){ .op = VIO_ASYNC_IOCTL, .done = count_done };
	assert_int_equal(vio_async_submit(f->ctx->async, &f->call), -EOPNOTSUPP);
}

/* Without it, the kernel would try the call on the submitting thread first. */
static void every_entry_is_for_the_kernels_own_workers(void **state)
{
	struct fixture *f = fixture_of(state);
	char byte = 'x';

	assert_int_equal(submit_write(f, &byte), 0);
	assert_true(f->flags & IOSQE_ASYNC);
	vio_test_dispatch_until(f->ctx, &f->n_done, 1);
	assert_int_equal(f->result, 1);
}

static void an_entry_that_the_kernel_refuses_has_no_effect(void **state)
{
	struct fixture *f = fixture_of(state);
	char byte = 'x';

	f->refusal = -EBUSY;
	assert_int_equal(submit_write(f, &byte), -EAGAIN);
	f->refusal = 0;
	byte = 'y';
	assert_int_equal(submit_write(f, &byte), 0);
	vio_test_dispatch_until(f->ctx, &f->n_done, 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
	assert_int_equal(f->n_done, 1);
	assert_int_equal(read(f->pipe[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(read(f->pipe[0], &byte, 1), -1);
}

/* A kernel short of memory for a while must not end the ring for good. */
static void refused_entries_do_not_fill_the_ring(void **state)
{
	struct fixture *f = fixture_of(state);
	char byte = 'x';

	f->refusal = -ENOMEM;
	for (int i = 0; i < 3 * RING_ENTRIES; i++)
		assert_int_equal(submit_write(f, &byte), -EAGAIN);
	f->refusal = 0;
	assert_int_equal(submit_write(f, &byte), 0);
	vio_test_dispatch_until(f->ctx, &f->n_done, 1);
	assert_int_equal(f->result, 1);
}

static void a_ring_that_is_ready_and_empty_ends_no_call(void **state)
{
	struct fixture *f = fixture_of(state);
	char byte;

	f->call = (struct vio_async_call){
		.op = VIO_ASYNC_READ,
		.fd = f->pipe[0],
		.buf = &byte,
		.n = 1,
		.offset = -1,
		.done = count_done,
	};
	assert_int_equal(fcntl(f->pipe[0], F_SETFL, 0), 0);
	assert_int_equal(vio_async_submit(f->ctx->async, &f->call), 0);
	f->is_ready = 1;
	assert_int_equal(vio_ctx_dispatch(f->ctx, 1), 1);
	assert_int_equal(f->n_done, 0);
	assert_int_equal(vio_async_get_pending(f->ctx->async), 1);
	assert_int_equal(write(f->pipe[1], "x", 1), 1);
	vio_test_dispatch_until(f->ctx, &f->n_done, 1);
	assert_int_equal(f->result, 1);
}

#define URING_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		URING_TEST(ioctl_is_not_for_io_uring),
		URING_TEST(every_entry_is_for_the_kernels_own_workers),
		URING_TEST(an_entry_that_the_kernel_refuses_has_no_effect),
		URING_TEST(refused_entries_do_not_fill_the_ring),
		URING_TEST(a_ring_that_is_ready_and_empty_ends_no_call),
	};

	return cmocka_run_group_tests_name("uring", tests, NULL, NULL);
}
