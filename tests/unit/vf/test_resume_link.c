/* SPDX-License-Identifier: MIT */
/*
 * A VF that had a rate comes back while its PF's link is still away, as it is after
 * the number of VFs has changed. Time is the test's, so that each look at the link is
 * one that it allows.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "pause_stage.h"

#define VF_NAME    "0000:01:10.0"
#define CARRIER    VIO_FAKE_PCI_ROOT "/bus/pci/devices/0000:01:00.0/net/eth0/carrier"
#define LOOK_NS    UINT64_C(100000000)
#define STEPS_MAX  1000u /* no resume takes as many: a loop that does not end */
#define LOOKS_MANY 1000u

struct link {
	struct stage *stage;
	uint32_t n_looks;
	uint32_t n_away; /* looks that find it away */
	uint32_t n_set;  /* rates set before it was there */
};

static int show_carrier(void *opaque, char *buf, size_t n)
{
	struct link *link = opaque;

	link->n_looks++;
	link->n_set += link->stage->scene.vf[0]->config.max_tx_mbps != 0;
	return snprintf(buf, n, link->n_looks > link->n_away ? "1\n" : "0\n");
}

/* As of an interface that is down. */
static int refuse_carrier(void *opaque, char *buf, size_t n)
{
	(void)buf;
	(void)n;
	((struct link *)opaque)->n_looks++;
	return -EINVAL;
}

static void replace_carrier(struct link *link, int (*show)(void *, char *, size_t))
{
	const struct vio_fake_attr attr = { .show = show, .opaque = link };

	vio_fake_remove(link->stage->scene.fake, CARRIER);
	vio_fake_add_attr(link->stage->scene.fake, CARRIER, &attr);
}

/* Paused with a rate, and its function made anew. */
static void prepare(struct link *link, struct stage *s)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;

	*link = (struct link){ .stage = s };
	config.fields = VIO_VF_MAX_RATE;
	config.max_tx_mbps = 100;
	assert_int_equal(
		process_wait(&s->p, vio_vf_configure(s->vf, &config, NULL, process_done,
						     &s->p, &s->err)),
		0);
	assert_int_equal(pause_vf(s), 0);
	make_anew(s, VF_NAME);
}

/* Begins a resume and moves time until it ends; returns its result. */
static int resume_over_time(struct stage *s)
{
	const uint32_t n_done = s->p.n_done;
	uint64_t now_ns = 0;
	uint32_t n = 0;

	assert_int_equal(vio_vf_resume(s->vf, NULL, process_done, &s->p, &s->err), 0);
	for (uint32_t looks = 0; s->p.n_done == n_done; looks++) {
		assert_true(looks < LOOKS_MANY);
		for (n = 0; process_step(&s->p); n++)
			assert_true(n < STEPS_MAX);
		now_ns += LOOK_NS;
		vio_fake_set_time(s->scene.fake, now_ns);
	}
	return s->p.result;
}

static void a_rate_waits_for_the_link(void **state)
{
	struct stage *s = *state;
	struct link link;

	prepare(&link, s);
	link.n_away = 3;
	replace_carrier(&link, show_carrier);
	assert_int_equal(resume_over_time(s), 0);
	assert_int_equal(link.n_looks, 4);
	assert_int_equal(link.n_set, 0);
	assert_int_equal(s->scene.vf[0]->config.max_tx_mbps, 100);
}

static void a_link_that_never_comes_is_waited_for_no_longer_than_10_s(void **state)
{
	struct stage *s = *state;
	struct link link;

	prepare(&link, s);
	link.n_away = UINT32_MAX;
	replace_carrier(&link, show_carrier);
	assert_int_equal(resume_over_time(s), 0);
	assert_int_equal(link.n_looks, 100);
	assert_int_equal(s->scene.vf[0]->config.max_tx_mbps, 100);
}

static void an_interface_that_is_down_is_not_waited_for(void **state)
{
	struct stage *s = *state;
	struct link link;

	prepare(&link, s);
	replace_carrier(&link, refuse_carrier);
	assert_int_equal(resume_over_time(s), 0);
	assert_int_equal(link.n_looks, 1);
	assert_int_equal(s->scene.vf[0]->config.max_tx_mbps, 100);
}

static void a_pf_without_an_interface_is_not_waited_for(void **state)
{
	struct stage *s = *state;
	struct link link;

	prepare(&link, s);
	vio_fake_remove(s->scene.fake,
			VIO_FAKE_PCI_ROOT "/bus/pci/devices/0000:01:00.0/net");
	assert_int_equal(resume_over_time(s), 0);
	assert_int_equal(s->scene.vf[0]->config.max_tx_mbps, 100);
}

/* Shown once as away; then it has gone with its interface. */
static int show_and_go(void *opaque, char *buf, size_t n)
{
	struct link *link = opaque;

	link->n_looks++;
	vio_fake_remove(link->stage->scene.fake, CARRIER);
	return snprintf(buf, n, "0\n");
}

static void an_interface_that_goes_ends_the_wait(void **state)
{
	struct stage *s = *state;
	struct link link;

	prepare(&link, s);
	replace_carrier(&link, show_and_go);
	assert_int_equal(resume_over_time(s), 0);
	assert_int_equal(link.n_looks, 1);
	assert_int_equal(s->scene.vf[0]->config.max_tx_mbps, 100);
}

static int refuse_timer(void *opaque, int clock_id)
{
	(void)opaque;
	(void)clock_id;
	return -EMFILE;
}

static void without_a_timer_there_is_no_wait(void **state)
{
	struct stage *s = *state;
	struct link link;

	prepare(&link, s);
	link.n_away = UINT32_MAX;
	replace_carrier(&link, show_carrier);
	s->p.sys.timerfd_create = refuse_timer;
	assert_int_equal(resume_over_time(s), 0);
	assert_int_equal(link.n_looks, 1);
}

static int refuse_time(void *opaque, int fd, int flags, const struct itimerspec *value)
{
	(void)opaque;
	(void)fd;
	(void)flags;
	(void)value;
	return -EINVAL;
}

static void a_timer_that_cannot_be_set_is_closed(void **state)
{
	struct stage *s = *state;
	struct link link;

	prepare(&link, s);
	link.n_away = UINT32_MAX;
	replace_carrier(&link, show_carrier);
	s->p.sys.timerfd_settime = refuse_time;
	assert_int_equal(resume_over_time(s), 0);
	assert_int_equal(link.n_looks, 1);
}

/* Whoever looks is the last work of the lent thread. */
static int show_and_abort(void *opaque, char *buf, size_t n)
{
	struct link *link = opaque;

	link->n_looks++;
	assert_int_equal(vio_ctx_abort_work(link->stage->p.ctx), 0);
	return snprintf(buf, n, "0\n");
}

/* Nothing but a hand-over gives such a VF away, see vio_ctx_abort_work(). */
static void detach(struct stage *s)
{
	int sockets[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	assert_int_equal(vio_vf_detach(s->vf, sockets[0], &s->err), 0);
	s->vf = NULL;
	close(sockets[0]);
	close(sockets[1]);
}

static void without_a_thread_nobody_looks_again(void **state)
{
	struct stage *s = *state;
	struct link link;

	prepare(&link, s);
	replace_carrier(&link, show_and_abort);
	assert_int_equal(resume_over_time(s), -EOPNOTSUPP);
	assert_int_equal(link.n_looks, 1);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
	detach(s);
}

/* What is there already need not be set again. */
static void a_rate_that_stayed_does_not_look_for_the_link(void **state)
{
	struct stage *s = *state;
	struct link link;

	prepare(&link, s);
	s->scene.vf[0]->config.max_tx_mbps = 100;
	replace_carrier(&link, show_carrier);
	assert_int_equal(resume_over_time(s), 0);
	assert_int_equal(link.n_looks, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_rate_waits_for_the_link),
		TEST(a_link_that_never_comes_is_waited_for_no_longer_than_10_s),
		TEST(an_interface_that_is_down_is_not_waited_for),
		TEST(a_pf_without_an_interface_is_not_waited_for),
		TEST(a_rate_that_stayed_does_not_look_for_the_link),
		TEST(an_interface_that_goes_ends_the_wait),
		TEST(without_a_thread_nobody_looks_again),
		TEST(without_a_timer_there_is_no_wait),
		TEST(a_timer_that_cannot_be_set_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
