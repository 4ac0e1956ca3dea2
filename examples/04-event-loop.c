/* SPDX-License-Identifier: MIT */
/*
 * How does libvio get into my event loop? By one descriptor: when it is readable,
 * dispatch. Here the loop is epoll with a timer beside it, and what the context has
 * to tell is that a region of memory, removed by the timer, has been released.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <vio/vio.h>

#define REGION_BYTES 0x10000u

struct program {
	struct vio_ctx *ctx;
	struct vio_mem *mem;
	int timer_fd;
	int is_done;
};

static void check(int ret, const char *text)
{
	if (ret < 0) {
		fprintf(stderr, "error %d: %s\n", ret, text);
		exit(EXIT_FAILURE);
	}
}

static void
log_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	(void)opaque;
	printf("<%u> %s: %s\n", level, subsystem, text);
}

static void released(void *opaque, uint64_t gpa)
{
	struct program *program = opaque;

	(void)gpa;
	printf("dispatch says: released\n");
	program->is_done = 1;
}

static void add_region(struct program *program, void *memory)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	region.length_bytes = REGION_BYTES;
	region.hva = memory;
	region.released = released;
	region.opaque = program;
	check(vio_mem_add(program->mem, &region, &err), err.text);
}

static void watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	check(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void on_timer(struct program *program)
{
	uint64_t ticks;

	check((int)read(program->timer_fd, &ticks, sizeof(ticks)), "timer");
	printf("the timer removes the region\n");
	check(vio_mem_remove(program->mem, 0), "remove");
}

static void run(struct program *program)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	watch(epoll_fd, vio_ctx_get_fd(program->ctx));
	watch(epoll_fd, program->timer_fd);
	while (!program->is_done) {
		struct epoll_event event;

		check(epoll_wait(epoll_fd, &event, 1, -1), "epoll_wait");
		if (event.data.fd == program->timer_fd)
			on_timer(program);
		else
			check(vio_ctx_dispatch(program->ctx, 16), "dispatch");
	}
	close(epoll_fd);
}

int main(void)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 10000000 };
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct program program = { 0 };
	void *memory = aligned_alloc(4096, REGION_BYTES);

	params.log = log_line;
	params.log_level = VIO_LOG_INFO;
	check(vio_ctx_create(&params, &program.ctx, &err), err.text);
	check(vio_mem_create(program.ctx, &program.mem), "memory table");
	add_region(&program, memory);
	program.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	check(timerfd_settime(program.timer_fd, 0, &soon, NULL), "timer");

	run(&program);

	close(program.timer_fd);
	check(vio_mem_destroy(program.mem, &err), err.text);
	check(vio_ctx_destroy(program.ctx, &err), err.text);
	free(memory);
	return EXIT_SUCCESS;
}
