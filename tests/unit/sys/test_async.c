/* SPDX-License-Identifier: MIT */
/*
 * Calls that can block, by io_uring and by a lent thread. What both must do is
 * tested twice, what io_uring alone does in test_uring.c; a machine whose kernel
 * refuses io_uring skips one half, and says so. The other half includes that refusal,
 * simulated.
 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#if VIO_HAVE_LIBURING
#include <liburing.h>
#endif

#include "core/list.h"
#include "ctx.h"
#include "fake/fault.h"
#include "fake/support.h"

#define CALLS_MAX 64 /* under way at once, of either way */

struct fixture {
	struct vio_fault fault;
	struct vio_sys sys; /* under the fault's */
	struct vio_ctx *ctx;
	struct vio_async *async;
	pthread_t thread;
	int has_thread;
	int pipe[2];
	sem_t begun;
	char dir[64];
};

static void *lend(void *ctx)
{
	assert_int_equal(vio_ctx_work(ctx), 0);
	return NULL;
}

static struct fixture *create_fixture(uint32_t flags, const struct vio_sys *sys)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	vio_fault_prepare(&f->fault, sys);
	assert_int_equal(vio_fault_create_ctx(&f->fault, flags, &f->ctx), 0);
	f->async = f->ctx->async;
	assert_int_equal(pipe2(f->pipe, O_CLOEXEC), 0);
	snprintf(f->dir, sizeof(f->dir), "/tmp/vio-async-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	return f;
}

static void start_thread(struct fixture *f)
{
	assert_int_equal(pthread_create(&f->thread, NULL, lend, f->ctx), 0);
	f->has_thread = 1;
}

static int has_uring(void)
{
#if VIO_HAVE_LIBURING
	struct io_uring ring;

	if (vio_sys_linux.uring_create(NULL, &ring, 8))
		return 0;
	vio_sys_linux.uring_destroy(NULL, &ring);
	return 1;
#else
	return 0;
#endif
}

static int set_up_uring(void **state)
{
	*state = has_uring() ? create_fixture(0, NULL) : NULL;
	return 0;
}

static int set_up_thread(void **state)
{
	struct fixture *f =
		create_fixture(VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD, NULL);

	start_thread(f);
	*state = f;
	return 0;
}

static int set_up_idle(void **state)
{
	*state = create_fixture(VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD, NULL);
	return 0;
}

static int set_up_neither(void **state)
{
	*state = create_fixture(VIO_CTX_NO_URING, NULL);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f)
		return 0;
	if (f->has_thread) {
		assert_int_equal(vio_ctx_abort_work(f->ctx), 0);
		pthread_join(f->thread, NULL);
	}
	assert_int_equal(vio_ctx_destroy(f->ctx, NULL), 0);
	vio_fault_verify(&f->fault);
	close(f->pipe[0]);
	close(f->pipe[1]);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct fixture *fixture_of(void **state)
{
	if (!*state) {
		print_message("the kernel or the build has no io_uring\n");
		skip();
	}
	return *state;
}

/* A call with what came of it. */
struct counted_call {
	struct vio_async_call call;
	uint32_t n_done;
	int64_t result;
};

static void count_done(struct vio_async_call *call, int64_t result)
{
	struct counted_call *counted =
		VIO_CONTAINER_OF(call, struct counted_call, call);

	counted->n_done++;
	counted->result = result;
}

static void
submit(struct fixture *f, struct counted_call *counted, struct vio_async_call call)
{
	*counted = (struct counted_call){ .call = call };
	counted->call.done = count_done;
	assert_int_equal(vio_async_submit(f->async, &counted->call), 0);
}

static int64_t carry_out(struct fixture *f, struct vio_async_call call)
{
	struct counted_call counted;

	submit(f, &counted, call);
	vio_test_dispatch_until(f->ctx, &counted.n_done, 1);
	assert_int_equal(counted.n_done, 1);
	return counted.result;
}

static struct vio_async_call read_call(int fd, void *buf, uint32_t n, int64_t offset)
{
	return (struct vio_async_call){
		.op = VIO_ASYNC_READ, .fd = fd, .buf = buf, .n = n, .offset = offset
	};
}

static struct vio_async_call write_call(int fd, void *buf, uint32_t n, int64_t offset)
{
	return (struct vio_async_call){
		.op = VIO_ASYNC_WRITE, .fd = fd, .buf = buf, .n = n, .offset = offset
	};
}

static struct vio_async_call open_call(const char *path, int flags)
{
	return (struct vio_async_call){ .op = VIO_ASYNC_OPEN,
					.path = path,
					.open_flags = flags };
}

static struct vio_async_call fd_call(enum vio_async_op op, int fd)
{
	return (struct vio_async_call){ .op = op, .fd = fd };
}

/* Fills the pipe to the last byte and leaves it blocking. */
static void fill_pipe(int fd)
{
	static char zeroes[4096];

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (write(fd, zeroes, sizeof(zeroes)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	while (write(fd, zeroes, 1) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

static void drain_pipe(int fd)
{
	char buf[4096];
	ssize_t n;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	do
		n = read(fd, buf, sizeof(buf));
	while (n > 0);
}

static void a_write_that_blocks_keeps_neither_submit_nor_dispatch(void **state)
{
	struct fixture *f = fixture_of(state);
	struct counted_call counted;
	char buf[100] = "";

	fill_pipe(f->pipe[1]);
	submit(f, &counted, write_call(f->pipe[1], buf, sizeof(buf), -1));
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
	assert_int_equal(counted.n_done, 0);

	drain_pipe(f->pipe[0]);
	vio_test_dispatch_until(f->ctx, &counted.n_done, 1);
	assert_int_equal(counted.result, sizeof(buf));
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
	assert_int_equal(counted.n_done, 1);
}

static void a_file_is_opened_written_synced_read_and_closed(void **state)
{
	struct fixture *f = fixture_of(state);
	char path[96], buf[8] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/file", f->dir);
	fd = (int)carry_out(f, open_call(path, O_RDWR | O_CREAT | O_EXCL));
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(carry_out(f, write_call(fd, "abcdef", 6, 10)), 6);
	assert_int_equal(carry_out(f, fd_call(VIO_ASYNC_FSYNC, fd)), 0);
	assert_int_equal(carry_out(f, read_call(fd, buf, 3, 12)), 3);
	assert_string_equal(buf, "cde");
	assert_int_equal(lseek(fd, 13, SEEK_SET), 13);
	assert_int_equal(carry_out(f, read_call(fd, buf, 8, -1)), 3);
	assert_int_equal(carry_out(f, write_call(fd, "x", 1, -1)), 1);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 17);
	assert_int_equal(carry_out(f, fd_call(VIO_ASYNC_CLOSE, fd)), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(unlink(path), 0);
	/* Opened by the table, closed by it or by the ring. */
	f->fault.is_open[fd] = 0;
}

static void a_call_that_fails_answers_with_its_error(void **state)
{
	struct fixture *f = fixture_of(state);
	char path[96];

	snprintf(path, sizeof(path), "%s/missing", f->dir);
	assert_int_equal(carry_out(f, open_call(path, O_RDONLY)), -ENOENT);
	assert_int_equal(carry_out(f, read_call(-1, path, 1, 0)), -EBADF);
	assert_int_equal(carry_out(f, write_call(-1, path, 1, 0)), -EBADF);
	assert_int_equal(carry_out(f, fd_call(VIO_ASYNC_FSYNC, -1)), -EBADF);
	assert_int_equal(carry_out(f, fd_call(VIO_ASYNC_CLOSE, 9999)), -EBADF);
}

/* A caller that submits in a loop must not make the queue grow for ever. */
static void calls_over_the_bound_are_told_to_come_again(void **state)
{
	struct fixture *f = fixture_of(state);
	struct counted_call *calls = calloc(CALLS_MAX + 1, sizeof(*calls));
	char in[CALLS_MAX], out[CALLS_MAX] = "";

	assert_non_null(calls);
	for (int i = 0; i < CALLS_MAX; i++)
		submit(f, &calls[i], read_call(f->pipe[0], &in[i], 1, -1));
	calls[CALLS_MAX].call = read_call(f->pipe[0], in, 1, -1);
	calls[CALLS_MAX].call.done = count_done;
	assert_int_equal(vio_async_submit(f->async, &calls[CALLS_MAX].call), -EAGAIN);

	assert_int_equal(write(f->pipe[1], out, sizeof(out)), sizeof(out));
	for (int i = 0; i < CALLS_MAX; i++) {
		vio_test_dispatch_until(f->ctx, &calls[i].n_done, 1);
		assert_int_equal(calls[i].result, 1);
	}
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
	assert_int_equal(calls[CALLS_MAX].n_done, 0);
	assert_int_equal(carry_out(f, write_call(f->pipe[1], out, 1, -1)), 1);
	free(calls);
}

static void dispatch_counts_every_completion(void **state)
{
	struct fixture *f = fixture_of(state);
	struct counted_call calls[3];
	char out[3] = "";

	for (int i = 0; i < 3; i++)
		submit(f, &calls[i], write_call(f->pipe[1], &out[i], 1, -1));
	for (uint32_t n = 0; n < 3; n++) {
		vio_test_wait_fd(vio_ctx_get_fd(f->ctx));
		while (!vio_ctx_dispatch(f->ctx, 1))
			vio_test_wait_fd(vio_ctx_get_fd(f->ctx));
		assert_int_equal(calls[0].n_done + calls[1].n_done + calls[2].n_done,
				 n + 1);
	}
}

static void a_context_with_calls_under_way_is_not_destroyed(void **state)
{
	struct fixture *f = fixture_of(state);
	struct vio_error err = VIO_ERROR_INIT;
	struct counted_call counted;
	char byte = 0;

	submit(f, &counted, read_call(f->pipe[0], &byte, 1, -1));
	assert_int_equal(vio_ctx_destroy(f->ctx, &err), -EBUSY);
	assert_non_null(strstr(err.text, "1 calls"));
	assert_int_equal(write(f->pipe[1], "x", 1), 1);
	vio_test_dispatch_until(f->ctx, &counted.n_done, 1);
	assert_int_equal(byte, 'x');
}

/* A callback that submits the next call, as a sequence of steps does. */
struct chained_call {
	struct counted_call counted;
	struct fixture *f;
	uint32_t n_left;
	uint32_t n_done;
};

static void submit_next(struct vio_async_call *call, int64_t result)
{
	struct chained_call *chained =
		VIO_CONTAINER_OF(call, struct chained_call, counted.call);

	assert_int_equal(result, 1);
	chained->n_done++;
	if (chained->n_left--)
		assert_int_equal(vio_async_submit(chained->f->async, call), 0);
}

static void a_completion_may_submit_the_same_call_again(void **state)
{
	struct fixture *f = fixture_of(state);
	struct chained_call chained = { .f = f, .n_left = 199 };
	char byte = 'x';

	chained.counted.call = write_call(f->pipe[1], &byte, 1, -1);
	chained.counted.call.done = submit_next;
	assert_int_equal(vio_async_submit(f->async, &chained.counted.call), 0);
	vio_test_dispatch_until(f->ctx, &chained.n_done, 200);
}

static void a_lent_thread_does_ioctl(void **state)
{
	struct fixture *f = fixture_of(state);
	int n = 0;

	assert_int_equal(write(f->pipe[1], "abc", 3), 3);
	assert_int_equal(carry_out(f, (struct vio_async_call){ .op = VIO_ASYNC_IOCTL,
							       .fd = f->pipe[0],
							       .request = FIONREAD,
							       .buf = &n }),
			 0);
	assert_int_equal(n, 3);
}

static void a_context_with_a_thread_in_work_is_not_destroyed(void **state)
{
	struct fixture *f = fixture_of(state);
	struct vio_error err = VIO_ERROR_INIT;

	/* Once it has done something, it is certainly there. */
	assert_int_equal(carry_out(f, write_call(f->pipe[1], "x", 1, -1)), 1);
	assert_int_equal(vio_ctx_destroy(f->ctx, &err), -EBUSY);
	assert_non_null(strstr(err.text, "1 threads"));
}

static void aborted_work_is_completed_as_cancelled(void **state)
{
	struct fixture *f = fixture_of(state);
	struct counted_call calls[3];
	char byte = 'x';

	for (int i = 0; i < 3; i++)
		submit(f, &calls[i], write_call(f->pipe[1], &byte, 1, -1));
	assert_int_equal(vio_ctx_abort_work(f->ctx), 0);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10) + vio_ctx_dispatch(f->ctx, 10) +
				 vio_ctx_dispatch(f->ctx, 10),
			 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(calls[i].n_done, 1);
		assert_int_equal(calls[i].result, -ECANCELED);
	}
	assert_int_equal(fcntl(f->pipe[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(f->pipe[0], &byte, 1), -1);
}

static void after_an_abort_no_thread_stays_and_no_call_is_taken(void **state)
{
	struct fixture *f = fixture_of(state);
	struct vio_async_call call = write_call(f->pipe[1], "x", 1, -1);

	call.done = count_done;
	assert_int_equal(vio_ctx_abort_work(f->ctx), 0);
	assert_int_equal(vio_ctx_work(f->ctx), 0);
	assert_int_equal(vio_async_submit(f->async, &call), -EOPNOTSUPP);
}

/* A read that tells when it has begun. */
static ssize_t read_and_tell(void *opaque, int fd, void *buf, size_t n)
{
	struct fixture *f = opaque;

	if (fd == f->pipe[0])
		sem_post(&f->begun);
	return vio_sys_linux.read(NULL, fd, buf, n);
}

static void work_already_begun_is_finished_when_aborted(void **state)
{
	struct fixture *f = fixture_of(state);
	struct counted_call begun, queued;
	char bytes[2] = "";

	f->sys = vio_sys_linux;
	f->sys.read = read_and_tell;
	f->sys.opaque = f;
	f->fault.base = &f->sys;
	sem_init(&f->begun, 0, 0);
	start_thread(f);

	submit(f, &begun, read_call(f->pipe[0], &bytes[0], 1, -1));
	submit(f, &queued, read_call(f->pipe[0], &bytes[1], 1, -1));
	assert_int_equal(sem_wait(&f->begun), 0);
	assert_int_equal(vio_ctx_abort_work(f->ctx), 0);
	vio_test_dispatch_until(f->ctx, &queued.n_done, 1);
	assert_int_equal(queued.result, -ECANCELED);
	assert_int_equal(begun.n_done, 0);

	assert_int_equal(write(f->pipe[1], "b", 1), 1);
	vio_test_dispatch_until(f->ctx, &begun.n_done, 1);
	assert_int_equal(begun.result, 1);
	assert_int_equal(bytes[0], 'b');
	sem_destroy(&f->begun);
}

static void several_threads_share_the_work(void **state)
{
	struct fixture *f = fixture_of(state);
	struct counted_call reader;
	pthread_t second;
	char byte = 0;

	/* The reader keeps one thread, so that the writer needs the other. */
	assert_int_equal(pthread_create(&second, NULL, lend, f->ctx), 0);
	submit(f, &reader, read_call(f->pipe[0], &byte, 1, -1));
	assert_int_equal(carry_out(f, write_call(f->pipe[1], "x", 1, -1)), 1);
	vio_test_dispatch_until(f->ctx, &reader.n_done, 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(vio_ctx_abort_work(f->ctx), 0);
	pthread_join(second, NULL);
}

static void without_any_way_a_call_is_refused_without_effect(void **state)
{
	struct fixture *f = fixture_of(state);
	struct vio_async_call call;
	char path[96];

	snprintf(path, sizeof(path), "%s/file", f->dir);
	call = open_call(path, O_RDWR | O_CREAT);
	call.done = count_done;
	assert_int_equal(vio_async_submit(f->async, &call), -EOPNOTSUPP);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_context_that_takes_no_threads_says_so(void **state)
{
	struct fixture *f = fixture_of(state);

	assert_int_equal(vio_ctx_work(f->ctx), -EINVAL);
	assert_int_equal(vio_ctx_abort_work(f->ctx), -EINVAL);
}

static int refuse_uring(void *opaque, struct io_uring *ring, unsigned int n)
{
	(void)ring;
	(void)n;
	return *(int *)opaque;
}

static void check_without_uring(int code)
{
	struct vio_sys sys = vio_sys_linux;
	struct fixture *f;

	sys.uring_create = refuse_uring;
	sys.opaque = &code;
	f = create_fixture(VIO_CTX_LENDS_THREAD, &sys);
	start_thread(f);
	assert_int_equal(carry_out(f, write_call(f->pipe[1], "x", 1, -1)), 1);
	tear_down((void **)&f);

	f = create_fixture(0, &sys);
	without_any_way_a_call_is_refused_without_effect((void **)&f);
	tear_down((void **)&f);
}

static void a_kernel_without_io_uring_leaves_the_lent_thread(void **state)
{
	(void)state;
	check_without_uring(-ENOSYS);
	check_without_uring(-EPERM);
}

#define URING(test)                                                                    \
	{                                                                              \
		"io_uring: " #test, test, set_up_uring, tear_down, NULL                \
	}
#define THREAD(test)                                                                   \
	{                                                                              \
		"thread: " #test, test, set_up_thread, tear_down, NULL                 \
	}
#define BOTH(test)    URING(test), THREAD(test)
#define IDLE(test)    cmocka_unit_test_setup_teardown(test, set_up_idle, tear_down)
#define NEITHER(test) cmocka_unit_test_setup_teardown(test, set_up_neither, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_write_that_blocks_keeps_neither_submit_nor_dispatch),
		BOTH(a_file_is_opened_written_synced_read_and_closed),
		BOTH(a_call_that_fails_answers_with_its_error),
		BOTH(calls_over_the_bound_are_told_to_come_again),
		BOTH(dispatch_counts_every_completion),
		BOTH(a_context_with_calls_under_way_is_not_destroyed),
		BOTH(a_completion_may_submit_the_same_call_again),
		URING(a_context_that_takes_no_threads_says_so),
		THREAD(a_lent_thread_does_ioctl),
		THREAD(a_context_with_a_thread_in_work_is_not_destroyed),
		THREAD(several_threads_share_the_work),
		IDLE(aborted_work_is_completed_as_cancelled),
		IDLE(work_already_begun_is_finished_when_aborted),
		IDLE(after_an_abort_no_thread_stays_and_no_call_is_taken),
		NEITHER(without_any_way_a_call_is_refused_without_effect),
		cmocka_unit_test(a_kernel_without_io_uring_leaves_the_lent_thread),
	};

	return cmocka_run_group_tests_name("async", tests, NULL, NULL);
}
