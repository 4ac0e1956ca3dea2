/* SPDX-License-Identifier: MIT */
/*
 * Operations whose lent thread is taken back in their middle, after each of their
 * effects in turn. They end and say so; what they had begun is left to a recovery.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"
#include "vf/plan.h"

#define EFFECTS_MAX 200u /* no operation has as many: a loop that does not end */

/* Without a thread nothing is released: what is sent and never taken is let go. */
static void let_go(struct vio_vf *vf)
{
	struct vio_error err = VIO_ERROR_INIT;
	int sockets[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	assert_int_equal(vio_vf_detach(vf, sockets[0], &err), 0);
	close(sockets[0]);
	close(sockets[1]);
}

static void verify_recovered(struct scene *scene)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct process p;

	process_start(&p, scene);
	assert_int_equal(process_wait(&p, vio_host_recover(p.host, &recovery,
							   process_done, &p, &err)),
			 0);
	assert_int_equal(recovery.n_alive + recovery.n_unknown + recovery.n_failed, 0);
	process_end(&p);
	scene_verify_before(scene);
}

/* The operation ends well only if it needed the thread no more. */
static void verify_result(const struct process *p, int ret)
{
	if (ret || p->n_effects > p->abort_at)
		assert_int_equal(ret, -EOPNOTSUPP);
	if (ret)
		assert_non_null(strstr(p->why, "0000:01:10."));
}

static void fill_config(struct vio_vf_config *config)
{
	*config = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	config->fields = VIO_VF_MAC | VIO_VF_TRUST;
	memcpy(config->mac, "\x02\x11\x22\x33\x44\x55", 6);
	config->trust = 1;
}

/* Whether it came as far as that. */
static int abort_claim(uint32_t at)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_vf_config config;
	struct scene scene;
	struct process p;
	struct vio_vf *vf[2];
	int ret;

	scene_create(&scene);
	process_start(&p, &scene);
	p.abort_at = at;
	fill_config(&config);
	request.n = 2;
	request.config = &config;
	ret = process_wait(&p,
			   vio_vf_claim(p.host, &request, vf, process_done, &p, &err));
	verify_result(&p, ret);
	for (uint32_t i = 0; !ret && i < 2; i++)
		let_go(vf[i]);
	process_end(&p);
	verify_recovered(&scene);
	scene_destroy(&scene);
	return p.n_effects >= at;
}

static void a_claim_that_loses_its_thread_is_recovered_from(void **state)
{
	uint32_t n = 1;

	(void)state;
	while (abort_claim(n))
		assert_true(++n < EFFECTS_MAX);
	assert_true(n > 20);
}

static int abort_configure(uint32_t at)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_vf_config config;
	struct scene scene;
	struct process p;
	struct vio_vf *vf;
	uint32_t n_before;
	int ret;

	scene_create(&scene);
	process_start(&p, &scene);
	assert_int_equal(process_claim(&p, &vf), 0);
	n_before = p.n_effects;
	p.abort_at = n_before + at;
	fill_config(&config);
	ret = process_wait(&p,
			   vio_vf_configure(vf, &config, NULL, process_done, &p, &err));
	verify_result(&p, ret);
	let_go(vf);
	process_end(&p);
	verify_recovered(&scene);
	scene_destroy(&scene);
	return p.n_effects >= n_before + at;
}

static void a_configuration_that_loses_its_thread_is_recovered_from(void **state)
{
	uint32_t n = 1;

	(void)state;
	while (abort_configure(n))
		assert_true(++n < EFFECTS_MAX);
	assert_true(n > 5);
}

static int abort_release(uint32_t at)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct scene scene;
	struct process p;
	struct vio_vf *vf;
	uint32_t n_before;
	int ret;

	scene_create(&scene);
	process_start(&p, &scene);
	assert_int_equal(process_claim(&p, &vf), 0);
	n_before = p.n_effects;
	p.abort_at = n_before + at;
	ret = process_wait(&p, vio_vf_release(vf, process_done, &p, &err));
	verify_result(&p, ret);
	process_end(&p);
	verify_recovered(&scene);
	scene_destroy(&scene);
	return p.n_effects >= n_before + at;
}

static void a_release_that_loses_its_thread_is_recovered_from(void **state)
{
	uint32_t n = 1;

	(void)state;
	while (abort_release(n))
		assert_true(++n < EFFECTS_MAX);
	assert_true(n > 5);
}

static void what_is_longer_than_an_attribute_is_not_written(void **state)
{
	char text[VIO_PLAN_ATTR_BYTES + 2];
	struct solo *s = *state;
	struct vio_plan plan = { .host = s->p.host };

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(vio_plan_write(&plan, "bus/pci/drivers_probe", text), -EINVAL);
	assert_int_equal(vio_async_get_pending(s->p.host->async), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_claim_that_loses_its_thread_is_recovered_from),
		cmocka_unit_test(
			a_configuration_that_loses_its_thread_is_recovered_from),
		cmocka_unit_test(a_release_that_loses_its_thread_is_recovered_from),
		cmocka_unit_test_setup_teardown(
			what_is_longer_than_an_attribute_is_not_written, solo_setup,
			solo_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
