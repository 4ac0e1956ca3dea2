/* SPDX-License-Identifier: MIT */
/*
 * The PF goes, and its VFs with it, in the middle of every operation: before each
 * callback, and before each effect, when files of the function are open already. The
 * operation ends, with -ENODEV unless it was past all that needs the function; the
 * lease ends with a release; and nothing is left over.
 */
#include <stdlib.h>

#include "scene.h"

enum moment { BEFORE_CALLBACK, BEFORE_EFFECT };

struct stage {
	struct scene scene;
	struct process p;
	struct process other; /* whose lease is recovered */
	struct vio_vf *vf[2];
	uint32_t n_vfs;
	struct vio_vf_config config;
	struct vio_vf_recovery recovery;
	struct vio_error err;
};

/* What is done, and what must have been done before. */
struct operation {
	int (*begin)(struct stage *s);
	void (*prepare)(struct stage *s);
	void (*verify)(struct stage *s, int result);
};

static struct vio_vf_config settings(uint8_t last)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;

	config.fields = VIO_VF_MAC | VIO_VF_TRUST;
	config.mac[0] = 2;
	config.mac[5] = last;
	config.trust = 1;
	return config;
}

static int begin_claim(struct stage *s)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;

	s->config = settings(0xaa);
	request.flags = VIO_VF_FROM_PF;
	request.n = 2;
	request.config = &s->config;
	assert_int_equal(vio_pci_addr_parse("0000:01:00.0", &request.pf), 0);
	return vio_vf_claim(s->p.host, &request, s->vf, process_done, &s->p, &s->err);
}

static void prepare_claimed(struct stage *s)
{
	assert_int_equal(process_wait(&s->p, begin_claim(s)), 0);
	s->n_vfs = 2;
}

static int begin_configure(struct stage *s)
{
	s->config = settings(0xbb);
	return vio_vf_configure(s->vf[0], &s->config, NULL, process_done, &s->p,
				&s->err);
}

static int begin_read(struct stage *s)
{
	s->config = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	return vio_vf_read_config(s->vf[0], &s->config, process_done, &s->p, &s->err);
}

static int begin_reset(struct stage *s)
{
	return vio_vf_reset(s->vf[0], process_done, &s->p, &s->err);
}

static int begin_release(struct stage *s)
{
	return vio_vf_release(s->vf[--s->n_vfs], process_done, &s->p, &s->err);
}

static void verify_claim(struct stage *s, int result)
{
	if (!result)
		s->n_vfs = 2;
}

/* The one that was told is lost; the other will be. */
static void verify_claimed(struct stage *s, int result)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	assert_int_equal(vio_vf_read_info(s->vf[0], &info), 0);
	assert_int_equal(info.state, result ? VIO_VF_LOST : VIO_VF_HELD);
	if (result)
		assert_int_equal(begin_reset(s), -ENODEV);
}

static void verify_nothing(struct stage *s, int result)
{
	(void)s;
	(void)result;
}

static void prepare_dead(struct stage *s)
{
	struct process *p = &s->other;
	struct vio_vf *vf;

	process_start(p, &s->scene);
	assert_int_equal(process_claim(p, &vf), 0);
	p->is_dead = 1;
	assert_int_not_equal(
		process_wait(p, vio_vf_release(vf, process_done, p, &s->err)), 0);
	process_end(p);
}

static int begin_recover(struct stage *s)
{
	s->recovery = (struct vio_vf_recovery)VIO_VF_RECOVERY_INIT;
	return vio_host_recover(s->p.host, &s->recovery, process_done, &s->p, &s->err);
}

static void verify_recovered(struct stage *s, int result)
{
	assert_int_equal(result, 0);
	assert_int_equal(s->recovery.n_undone, 1);
	assert_int_equal(s->recovery.n_failed, 0);
}

static void prepare_nothing(struct stage *s)
{
	(void)s;
}

static const struct operation claim = { begin_claim, prepare_nothing, verify_claim };
static const struct operation configure = { begin_configure, prepare_claimed,
					    verify_claimed };
static const struct operation read_config = { begin_read, prepare_claimed,
					      verify_claimed };
static const struct operation reset = { begin_reset, prepare_claimed, verify_claimed };
static const struct operation release = { begin_release, prepare_claimed,
					  verify_nothing };
static const struct operation recover = { begin_recover, prepare_dead,
					  verify_recovered };

/* 0: it was over before @n callbacks had run. */
static int step(struct stage *s, uint32_t n)
{
	const uint32_t before = s->p.n_done;

	while (n-- && s->p.n_done == before)
		process_step(&s->p);
	return s->p.n_done == before;
}

/* Returns whether it went before the end, and what the operation ended with. */
static int run(struct stage *s, const struct operation *operation, enum moment moment,
	       uint32_t n, int *out_result)
{
	const uint32_t before = s->p.n_done;

	if (moment == BEFORE_EFFECT)
		s->p.vanish_at = s->p.n_effects + n;
	assert_int_equal(operation->begin(s), 0);
	if (moment == BEFORE_CALLBACK) {
		if (!step(s, n - 1))
			return 0;
		process_settle(&s->p);
		scene_remove_pf(&s->scene);
	}
	vio_test_dispatch_until(s->p.ctx, &s->p.n_done, before + 1);
	*out_result = s->p.result;
	return moment == BEFORE_CALLBACK || s->p.n_effects >= s->p.vanish_at;
}

static int count(void *opaque, const struct vio_vf_info *info)
{
	(void)info;
	++*(uint32_t *)opaque;
	return 0;
}

/* Every lease ends, and of none anything is left. */
static void verify_over(struct stage *s)
{
	uint32_t n = 0;

	s->p.vanish_at = 0;
	while (s->n_vfs)
		assert_int_equal(process_wait(&s->p, begin_release(s)), -ENODEV);
	assert_int_equal(vio_host_foreach_lease(s->p.host, count, &n, &s->err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(process_wait(&s->p, begin_recover(s)), 0);
	assert_int_equal(
		s->recovery.n_undone + s->recovery.n_failed + s->recovery.n_unknown, 0);
}

/* One attempt. Returns 0 once the operation is over before the PF goes. */
static int attempt(const struct operation *operation, enum moment moment, uint32_t n,
		   uint32_t *n_gone)
{
	struct stage *s = calloc(1, sizeof(*s));
	int result = 0, ret;

	assert_non_null(s);
	scene_create(&s->scene);
	process_start(&s->p, &s->scene);
	s->err = (struct vio_error)VIO_ERROR_INIT;
	operation->prepare(s);
	ret = run(s, operation, moment, n, &result);
	if (!ret) {
		operation->verify(s, s->p.result);
		scene_remove_pf(&s->scene);
	} else {
		if (result && result != -ENODEV)
			fail_msg("moment %u: %s", n, s->p.why);
		operation->verify(s, result);
		*n_gone += result == -ENODEV;
	}
	verify_over(s);
	process_end(&s->p);
	scene_destroy(&s->scene);
	free(s);
	return ret;
}

static uint32_t attempt_all(const struct operation *operation)
{
	uint32_t n_gone = 0;

	for (int moment = BEFORE_CALLBACK; moment <= BEFORE_EFFECT; moment++)
		for (uint32_t n = 1;
		     attempt(operation, (enum moment)moment, n, &n_gone);)
			n++;
	return n_gone;
}

static void a_pf_may_go_in_the_middle_of_any_operation(void **state)
{
	assert_true(attempt_all(*state) > 0);
}

/* Recovery has nothing to tell: what has gone is undone. */
static void a_pf_may_go_in_the_middle_of_a_recovery(void **state)
{
	assert_int_equal(attempt_all(*state), 0);
}

#define TEST(name, operation)                                                          \
	{                                                                              \
#name " (" #operation ")", name, NULL, NULL,                           \
			(void *)(uintptr_t)&operation                                  \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pf_may_go_in_the_middle_of_any_operation, claim),
		TEST(a_pf_may_go_in_the_middle_of_any_operation, configure),
		TEST(a_pf_may_go_in_the_middle_of_any_operation, read_config),
		TEST(a_pf_may_go_in_the_middle_of_any_operation, reset),
		TEST(a_pf_may_go_in_the_middle_of_any_operation, release),
		TEST(a_pf_may_go_in_the_middle_of_a_recovery, recover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
