/* SPDX-License-Identifier: MIT */
/*
 * One question to rtnetlink and its answer: by a scripted kernel, which may say
 * anything at any time, and by the real one, which knows the loopback interface.
 */
#include <endian.h>
#include <poll.h>
#include <semaphore.h>

#include "core/list.h"
#include "unit/sys/netlink_peer.h"

struct counted_call {
	struct vio_netlink_call call;
	uint32_t n_done;
	int result;
};

static sem_t write_gate;

static void count_done(struct vio_netlink_call *call, int result)
{
	struct counted_call *counted =
		VIO_CONTAINER_OF(call, struct counted_call, call);

	counted->n_done++;
	counted->result = result;
}

static int set_up(void **state)
{
	(void)state;
	peer_open(&vio_sys_linux);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	peer_close();
	return 0;
}

static void prepare(struct counted_call *counted, struct vio_ctx *ctx)
{
	*counted = (struct counted_call){
		.call = { .env = &ctx->env,
			  .async = ctx->async,
			  .ifindex = PEER_IFINDEX,
			  .vf = { .index = PEER_VF,
				  .fields = VIO_NETLINK_TRUST,
				  .trust = 1 },
			  .done = count_done },
	};
}

static void set_trust(struct counted_call *counted)
{
	prepare(counted, peer.ctx);
	assert_int_equal(vio_netlink_set_vf(&counted->call), 0);
}

static void read_vf(struct counted_call *counted)
{
	prepare(counted, peer.ctx);
	assert_int_equal(vio_netlink_read_vf(&counted->call), 0);
}

static int result_of(struct counted_call *counted)
{
	vio_test_dispatch_until(peer.ctx, &counted->n_done, 1);
	assert_int_equal(counted->n_done, 1);
	return counted->result;
}

/* Runs what is due until nothing is. */
static void dispatch_idle(void)
{
	while (vio_test_is_readable(vio_ctx_get_fd(peer.ctx)))
		assert_true(vio_ctx_dispatch(peer.ctx, 64) >= 0);
}

static void a_setting_is_asked_for_and_acknowledged(void **state)
{
	struct counted_call counted;
	struct nlmsghdr header;
	struct message m;

	(void)state;
	set_trust(&counted);
	header = peer_receive(&m);
	assert_int_equal(header.nlmsg_type, RTM_SETLINK);
	assert_int_equal(header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(header.nlmsg_pid, 0);
	make_error(&m, 0);
	peer_send(&m);
	assert_int_equal(result_of(&counted), 0);
}

static void a_refusal_comes_back_as_it_is(void **state)
{
	struct counted_call counted;
	struct message m;

	(void)state;
	set_trust(&counted);
	make_error(&m, -EPERM);
	peer_send(&m);
	assert_int_equal(result_of(&counted), -EPERM);
}

static void a_read_asks_for_vfs_without_counters(void **state)
{
	/* RTEXT_FILTER_VF and RTEXT_FILTER_SKIP_STATS */
	const uint32_t mask = 1 | 8;
	struct counted_call counted;
	struct nlmsghdr header;
	struct message m;

	(void)state;
	read_vf(&counted);
	header = peer_receive(&m);
	assert_int_equal(header.nlmsg_type, RTM_GETLINK);
	assert_int_equal(header.nlmsg_flags, NLM_F_REQUEST);
	assert_memory_equal(m.bytes + m.n - sizeof(mask), &mask, sizeof(mask));
	make_link(&m);
	peer_send(&m);
	assert_int_equal(result_of(&counted), 0);
	assert_int_equal(counted.call.vf.max_tx_mbps, 200);
}

static ssize_t gated_write(void *opaque, int fd, const void *buf, size_t n)
{
	const ssize_t ret = vio_sys_linux.write(opaque, fd, buf, n);

	/* The loop's own are 8 bytes long. */
	if (n > 8)
		assert_int_equal(sem_wait(&write_gate), 0);
	return ret;
}

/* The kernel's lock is held: neither the caller nor the loop waits for it. */
static void a_kernel_that_takes_its_time_keeps_nobody(void **state)
{
	struct counted_call counted;
	struct message m;

	(void)state;
	sem_init(&write_gate, 0, 0);
	peer.sys.write = gated_write;
	set_trust(&counted);
	(void)peer_receive(&m);
	make_error(&m, -EPERM);
	peer_send(&m);
	vio_test_wait_fd(vio_ctx_get_fd(peer.ctx));
	dispatch_idle();
	/* Answered, but the request is still the kernel's to read. */
	assert_int_equal(counted.n_done, 0);
	assert_true(counted.call.ask.is_answered);

	assert_int_equal(sem_post(&write_gate), 0);
	assert_int_equal(result_of(&counted), -EPERM);
	sem_destroy(&write_gate);
}

static void an_answer_to_something_else_is_passed_over(void **state)
{
	struct counted_call counted;
	struct message m;

	(void)state;
	set_trust(&counted);
	make_error(&m, -EPERM);
	m.bytes[offsetof(struct nlmsghdr, nlmsg_seq)]++;
	peer_send(&m);
	make_error(&m, 0);
	peer_send(&m);
	assert_int_equal(result_of(&counted), 0);
}

static void a_process_that_plays_the_kernel_is_not_heard(void **state)
{
	struct counted_call counted;
	struct message m;

	(void)state;
	peer.port = 4711;
	set_trust(&counted);
	make_error(&m, -EPERM);
	peer_send(&m);
	vio_test_wait_fd(vio_ctx_get_fd(peer.ctx));
	dispatch_idle();
	assert_int_equal(counted.n_done, 0);
	peer.port = 0;
	make_error(&m, 0);
	peer_send(&m);
	assert_int_equal(result_of(&counted), 0);
}

static void a_flood_of_strange_messages_ends_the_call(void **state)
{
	struct counted_call counted;
	struct message m;

	(void)state;
	set_trust(&counted);
	make_error(&m, 0);
	m.bytes[offsetof(struct nlmsghdr, nlmsg_seq)]++;
	for (int i = 0; i < 17; i++)
		peer_send(&m);
	assert_int_equal(result_of(&counted), -EBADMSG);
}

static void a_closed_socket_ends_the_call(void **state)
{
	struct counted_call counted;

	(void)state;
	set_trust(&counted);
	assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
	assert_int_equal(result_of(&counted), -EBADMSG);
}

static void an_answer_that_is_too_long_is_not_believed(void **state)
{
	struct counted_call counted;
	struct message m;

	(void)state;
	set_trust(&counted);
	make_error(&m, 0);
	memset(m.bytes + m.n, 0, 5000);
	m.n += 5000;
	peer_send(&m);
	assert_int_equal(result_of(&counted), -EBADMSG);
}

static void a_lost_answer_is_told(void **state)
{
	struct counted_call counted;
	struct message m;

	(void)state;
	peer.recv_error = -ENOBUFS;
	set_trust(&counted);
	make_error(&m, 0);
	peer_send(&m);
	assert_int_equal(result_of(&counted), -ENOBUFS);
}

/* As where the kernel drops a datagram between its two answers. */
static void a_socket_with_nothing_to_read_is_waited_for(void **state)
{
	struct counted_call counted;
	struct message m;

	(void)state;
	peer.recv_error = -EAGAIN;
	set_trust(&counted);
	make_error(&m, 0);
	peer_send(&m);
	vio_test_wait_fd(vio_ctx_get_fd(peer.ctx));
	assert_true(vio_ctx_dispatch(peer.ctx, 64) > 0);
	assert_int_equal(counted.n_done, 0);
	peer.recv_error = 0;
	assert_int_equal(result_of(&counted), 0);
}

/* What the next writes of a request return, the last for ever; 0: write it. */
static int write_results[4];
static uint32_t n_writes;

static ssize_t scripted_write(void *opaque, int fd, const void *buf, size_t n)
{
	int result = 0;

	if (n > 8) {
		result = write_results[n_writes < 3 ? n_writes : 3];
		n_writes++;
	}
	return result ? result : vio_sys_linux.write(opaque, fd, buf, n);
}

static void script_writes(int first, int second, int rest)
{
	write_results[0] = first;
	write_results[1] = second;
	write_results[2] = rest;
	write_results[3] = rest;
	n_writes = 0;
	peer.sys.write = scripted_write;
}

static void an_interrupted_write_is_made_again(void **state)
{
	struct counted_call counted;
	struct message m;

	(void)state;
	script_writes(-EINTR, -EINTR, 0);
	set_trust(&counted);
	vio_test_wait_fd(vio_ctx_get_fd(peer.ctx));
	while (!vio_test_is_readable(peer.fd))
		assert_true(vio_ctx_dispatch(peer.ctx, 64) >= 0);
	(void)peer_receive(&m);
	make_error(&m, 0);
	peer_send(&m);
	assert_int_equal(result_of(&counted), 0);
	assert_int_equal(n_writes, 3);
}

static void a_write_that_is_always_interrupted_ends(void **state)
{
	struct counted_call counted;

	(void)state;
	script_writes(-EINTR, -EINTR, -EINTR);
	set_trust(&counted);
	assert_int_equal(result_of(&counted), -EINTR);
	assert_int_equal(n_writes, 8);
}

static void a_write_that_fails_is_the_answer(void **state)
{
	struct counted_call counted;

	(void)state;
	script_writes(-ENOBUFS, -ENOBUFS, -ENOBUFS);
	set_trust(&counted);
	assert_int_equal(result_of(&counted), -ENOBUFS);
}

static void a_write_cut_short_is_an_error(void **state)
{
	struct counted_call counted;

	(void)state;
	script_writes(10, 10, 10);
	set_trust(&counted);
	assert_int_equal(result_of(&counted), -EIO);
}

static void aborted_work_cancels_the_call(void **state)
{
	struct counted_call counted;

	(void)state;
	assert_int_equal(vio_ctx_abort_work(peer.ctx), 0);
	prepare(&counted, peer.ctx);
	assert_int_equal(vio_netlink_read_vf(&counted.call), -EOPNOTSUPP);
	assert_int_equal(counted.n_done, 0);
}

static void a_minimum_without_a_maximum_is_refused(void **state)
{
	struct counted_call counted;

	(void)state;
	prepare(&counted, peer.ctx);
	counted.call.vf.fields = VIO_NETLINK_MIN_RATE;
	assert_int_equal(vio_netlink_set_vf(&counted.call), -EINVAL);
}

struct forked {
	struct counted_call counted;
	struct vio_ctx *ctx;
};

static int ask_in_child(void *opaque)
{
	struct forked *forked = opaque;

	if (vio_netlink_read_vf(&forked->counted.call) != -ECHILD)
		return 1;
	return vio_ctx_destroy(forked->ctx, NULL) ? 2 : 0;
}

/* Without the thread, whose memory the child would have and could not free. */
static void a_forked_child_asks_nothing(void **state)
{
	struct forked forked;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &forked.ctx, NULL), 0);
	prepare(&forked.counted, forked.ctx);
	assert_int_equal(vio_test_fork(ask_in_child, &forked), 0);
	assert_int_equal(vio_ctx_destroy(forked.ctx, NULL), 0);
}

/* The loopback interface has no VFs, which any process may ask. */
static int ask_real_kernel(struct vio_fault *fault, void *opaque)
{
	const uint32_t *flags = opaque;
	struct counted_call counted;
	struct vio_ctx *ctx;
	pthread_t worker;
	int ret;

	ret = vio_fault_create_ctx(fault, *flags, &ctx);
	if (ret)
		return ret;
	assert_int_equal(pthread_create(&worker, NULL, peer_lend, ctx), 0);
	prepare(&counted, ctx);
	counted.call.ifindex = 1;
	ret = vio_netlink_read_vf(&counted.call);
	if (!ret) {
		vio_test_dispatch_until(ctx, &counted.n_done, 1);
		ret = counted.result == -ENODEV ? 0 : counted.result;
	}
	(void)vio_ctx_abort_work(ctx);
	pthread_join(worker, NULL);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return ret;
}

static void the_real_kernel_answers_a_lent_thread(void **state)
{
	uint32_t flags = VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD;
	struct vio_fault fault;

	(void)state;
	vio_fault_prepare(&fault, NULL);
	assert_int_equal(ask_real_kernel(&fault, &flags), 0);
	vio_fault_verify(&fault);
}

/* Where the kernel refuses io_uring, the lent thread is the way once more. */
static void the_real_kernel_answers_io_uring(void **state)
{
	uint32_t flags = VIO_CTX_LENDS_THREAD;
	struct vio_fault fault;

	(void)state;
	vio_fault_prepare(&fault, NULL);
	assert_int_equal(ask_real_kernel(&fault, &flags), 0);
	vio_fault_verify(&fault);
}

static void a_failing_allocation_or_call_leaves_nothing_open(void **state)
{
	uint32_t flags = VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD;

	(void)state;
	assert_true(vio_fault_run_allocs(ask_real_kernel, &flags) > 1);
	assert_true(vio_fault_run_calls(ask_real_kernel, &flags, EMFILE) > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_setting_is_asked_for_and_acknowledged),
		cmocka_unit_test(a_refusal_comes_back_as_it_is),
		cmocka_unit_test(a_read_asks_for_vfs_without_counters),
		cmocka_unit_test(a_kernel_that_takes_its_time_keeps_nobody),
		cmocka_unit_test(an_answer_to_something_else_is_passed_over),
		cmocka_unit_test(a_process_that_plays_the_kernel_is_not_heard),
		cmocka_unit_test(a_flood_of_strange_messages_ends_the_call),
		cmocka_unit_test(a_closed_socket_ends_the_call),
		cmocka_unit_test(an_answer_that_is_too_long_is_not_believed),
		cmocka_unit_test(a_lost_answer_is_told),
		cmocka_unit_test(a_socket_with_nothing_to_read_is_waited_for),
		cmocka_unit_test(an_interrupted_write_is_made_again),
		cmocka_unit_test(a_write_that_is_always_interrupted_ends),
		cmocka_unit_test(a_write_that_fails_is_the_answer),
		cmocka_unit_test(a_write_cut_short_is_an_error),
		cmocka_unit_test(aborted_work_cancels_the_call),
		cmocka_unit_test(a_minimum_without_a_maximum_is_refused),
		cmocka_unit_test(the_real_kernel_answers_a_lent_thread),
		cmocka_unit_test(the_real_kernel_answers_io_uring),
		cmocka_unit_test(a_failing_allocation_or_call_leaves_nothing_open),
	};
	const struct CMUnitTest alone[] = {
		cmocka_unit_test(a_forked_child_asks_nothing),
	};
	struct CMUnitTest prepared[sizeof(tests) / sizeof(tests[0])];

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		prepared[i] = tests[i];
		prepared[i].setup_func = set_up;
		prepared[i].teardown_func = tear_down;
	}
	return cmocka_run_group_tests(prepared, NULL, NULL) +
	       cmocka_run_group_tests(alone, NULL, NULL);
}
