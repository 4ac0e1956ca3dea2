/* SPDX-License-Identifier: MIT */
/*
 * Claims and resets: what the kernel locks while a function is reset is not read by
 * who dispatches, and nothing is reset under a driver of the host's.
 */
#include <pthread.h>
#include <stdio.h>

#include "scene.h"

/* Reads of what a reset locks, of the first VF and of its PF. */
static uint32_t n_locked;
static uint32_t n_at_once; /* of them by the thread that dispatches */

static void note_locked(const struct solo *s)
{
	n_locked++;
	n_at_once += !pthread_equal(pthread_self(), s->p.thread);
}

static int show_override(void *opaque, char *buf, size_t n)
{
	struct solo *s = opaque;

	note_locked(s);
	return snprintf(buf, n, "%s\n", s->scene.vf[0]->override);
}

static int store_override(void *opaque, const char *buf, size_t n)
{
	struct solo *s = opaque;

	snprintf(s->scene.vf[0]->override, sizeof(s->scene.vf[0]->override), "%.*s",
		 buf[0] == '\n' ? 0 : (int)n, buf);
	return 0;
}

static int show_config(void *opaque, char *buf, size_t n)
{
	note_locked(opaque);
	memset(buf, 0, n);
	return 64;
}

static void put_attr(struct solo *s, const struct vio_fake_function *function,
		     const char *name, int is_there, const struct vio_fake_attr *attr)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", VIO_FAKE_PCI_ROOT,
		 function->name, name);
	if (is_there)
		vio_fake_remove(s->scene.fake, path);
	vio_fake_add_attr(s->scene.fake, path, attr);
}

/* The BARs of a PF are a reason to read its configuration space. */
static int show_resource(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	return snprintf(buf, n, "0x1000 0x1fff 0x200\n");
}

static int setup_locked(void **state)
{
	const int ret = solo_setup(state);
	struct solo *s = *state;
	const struct vio_fake_attr override = { show_override, store_override, s };
	const struct vio_fake_attr config = { .show = show_config, .opaque = s };
	const struct vio_fake_attr resource = { .show = show_resource };

	n_locked = 0;
	n_at_once = 0;
	put_attr(s, s->scene.vf[0], "driver_override", 1, &override);
	put_attr(s, s->scene.vf[0], "config", 0, &config);
	put_attr(s, s->scene.pf[0], "config", 0, &config);
	put_attr(s, s->scene.pf[0], "resource", 0, &resource);
	return ret;
}

/* The kernel would have the reader wait, and with it all that the loop serves. */
static void what_a_reset_locks_is_read_by_the_lent_thread_alone(void **state)
{
	struct solo *s = *state;

	assert_int_equal(solo_claim(s), 0);
	solo_release(s, 1);
	assert_true(n_locked > 0);
	assert_int_equal(n_at_once, 0);
}

static int64_t
score_any(void *opaque, const struct vio_pci_info *vf, const struct vio_pci_info *pf)
{
	(void)opaque;
	(void)vf;
	(void)pf;
	return 1;
}

static void a_score_is_told_what_takes_configuration_space_to_know(void **state)
{
	struct solo *s = *state;

	s->request.score = score_any;
	assert_int_equal(solo_claim(s), 0);
	assert_int_equal(n_at_once, 1);
	solo_release(s, 1);
}

/* A driver of the host's need not come back from a reset that is made under it. */
static void a_driver_that_was_bound_already_is_unbound_for_the_last_reset(void **state)
{
	struct solo *s = *state;

	s->request.driver = "igbvf";
	assert_int_equal(solo_claim(s), 0);
	assert_int_equal(s->scene.vf[0]->n_resets, 0);
	solo_release(s, 1);
	assert_int_equal(s->scene.vf[0]->n_resets, 1);
	assert_int_equal(s->scene.vf[0]->n_resets_in_use, 0);
	assert_string_equal(s->scene.vf[0]->driver, "igbvf");
}

static void a_reset_under_a_driver_of_the_host_is_refused(void **state)
{
	struct solo *s = *state;

	s->request.driver = "igbvf";
	assert_int_equal(solo_claim(s), 0);
	assert_int_equal(process_wait(&s->p, vio_vf_reset(s->vf[0], process_done, &s->p,
							  &s->err)),
			 -EBUSY);
	assert_non_null(strstr(s->p.why, "igbvf"));
	assert_int_equal(s->scene.vf[0]->n_resets, 0);
	solo_release(s, 1);
}

#define TEST(name)   cmocka_unit_test_setup_teardown(name, solo_setup, solo_teardown)
#define LOCKED(name) cmocka_unit_test_setup_teardown(name, setup_locked, solo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOCKED(what_a_reset_locks_is_read_by_the_lent_thread_alone),
		LOCKED(a_score_is_told_what_takes_configuration_space_to_know),
		TEST(a_driver_that_was_bound_already_is_unbound_for_the_last_reset),
		TEST(a_reset_under_a_driver_of_the_host_is_refused),
	};

	return cmocka_run_group_tests_name("test_claim_reset", tests, NULL, NULL);
}
