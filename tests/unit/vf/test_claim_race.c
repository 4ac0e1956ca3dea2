/* SPDX-License-Identifier: MIT */
/*
 * Somebody else is faster, between the survey that a claim chooses from and its
 * locks. The score is asked for right there, so that is when the other one acts.
 */
#include <stdlib.h>

#include "scene.h"

#define CHOICES_MAX 8u /* of a claim */

struct race {
	struct scene scene;
	struct process p;
	struct process other;
	struct vio_vf_request request;
	struct vio_vf *vf[2];
	struct vio_vf *theirs; /* NULL: the other one holds nothing */
	struct vio_error err;
	const char *victim; /* that it takes; NULL: the first that could be chosen */
	uint32_t n_left;    /* times that it acts */
	uint32_t n_surveys;
	uint32_t last; /* that a score was asked for: they come in order */
	int dies;      /* once it has what it wants */
};

static int setup(void **state)
{
	struct race *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	scene_create(&r->scene);
	process_start(&r->p, &r->scene);
	process_start(&r->other, &r->scene);
	r->request = (struct vio_vf_request)VIO_VF_REQUEST_INIT;
	r->err = (struct vio_error)VIO_ERROR_INIT;
	r->n_left = 1;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct race *r = *state;

	scene_verify_before(&r->scene);
	process_end(&r->p);
	if (!r->dies)
		process_end(&r->other);
	scene_destroy(&r->scene);
	free(r);
	return 0;
}

static int64_t
score_only(void *opaque, const struct vio_pci_info *vf, const struct vio_pci_info *pf)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	(void)pf;
	vio_pci_addr_print(&vf->addr, name);
	return strcmp(name, opaque) ? -1 : 0;
}

static int release(struct race *r, struct process *p, struct vio_vf *vf)
{
	return process_wait(p, vio_vf_release(vf, process_done, p, &r->err));
}

/* The other one lets go of what it has, takes @name, and dies if it is to. */
static void act(struct race *r, char *name)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;

	r->n_left--;
	if (r->theirs)
		assert_int_equal(release(r, &r->other, r->theirs), 0);
	request.score = score_only;
	request.opaque = name;
	assert_int_equal(process_wait(&r->other,
				      vio_vf_claim(r->other.host, &request, &r->theirs,
						   process_done, &r->other, &r->err)),
			 0);
	if (!r->dies)
		return;
	r->other.is_dead = 1;
	assert_int_not_equal(release(r, &r->other, r->theirs), 0);
	process_end(&r->other);
}

/* The first that is asked for is preferred, since all are worth the same. */
static int64_t
meanwhile(void *opaque, const struct vio_pci_info *vf, const struct vio_pci_info *pf)
{
	const uint32_t now =
		vf->addr.bus * 256u + vf->addr.device * 8u + vf->addr.function;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	struct race *r = opaque;
	const int is_new = now <= r->last || !r->n_surveys;

	(void)pf;
	r->last = now;
	r->n_surveys += (uint32_t)is_new;
	if (!is_new || !r->n_left)
		return 0;
	if (r->victim)
		strcpy(name, r->victim);
	else
		vio_pci_addr_print(&vf->addr, name);
	act(r, name);
	return 0;
}

static int claim(struct race *r, uint32_t n)
{
	r->request.n = n;
	r->request.score = meanwhile;
	r->request.opaque = r;
	return process_wait(&r->p, vio_vf_claim(r->p.host, &r->request, r->vf,
						process_done, &r->p, &r->err));
}

static void verify_name(const struct vio_vf *vf, const char *name)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;
	char now[VIO_PCI_ADDR_TEXT_BYTES];

	assert_int_equal(vio_vf_read_info(vf, &info), 0);
	vio_pci_addr_print(&info.addr, now);
	assert_string_equal(now, name);
}

static void a_vf_that_was_just_taken_is_not_claimed_twice(void **state)
{
	struct race *r = *state;

	assert_int_equal(claim(r, 1), 0);
	verify_name(r->theirs, "0000:01:10.0");
	verify_name(r->vf[0], "0000:01:10.2");
	assert_int_equal(release(r, &r->p, r->vf[0]), 0);
	assert_int_equal(release(r, &r->other, r->theirs), 0);
}

/* The first lock was had; it is let go with all else, and the choice is new. */
static void one_of_two_that_was_just_taken_makes_another_choice_of_both(void **state)
{
	struct race *r = *state;

	r->victim = "0000:01:10.2";
	assert_int_equal(claim(r, 2), 0);
	verify_name(r->theirs, "0000:01:10.2");
	verify_name(r->vf[0], "0000:01:10.0");
	verify_name(r->vf[1], "0000:02:10.0");
	assert_int_equal(release(r, &r->p, r->vf[0]), 0);
	assert_int_equal(release(r, &r->p, r->vf[1]), 0);
	assert_int_equal(release(r, &r->other, r->theirs), 0);
}

/* Its lock is free, and what the dead did to it is still to be undone. */
static void a_vf_whose_holder_just_died_is_left_to_a_recovery(void **state)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct race *r = *state;

	r->dies = 1;
	assert_int_equal(claim(r, 1), 0);
	verify_name(r->vf[0], "0000:01:10.2");
	assert_int_equal(release(r, &r->p, r->vf[0]), 0);
	assert_int_equal(
		process_wait(&r->p, vio_host_recover(r->p.host, &recovery, process_done,
						     &r->p, &r->err)),
		0);
	assert_int_equal(recovery.n_undone, 1);
}

static void who_is_always_too_late_gives_up(void **state)
{
	struct race *r = *state;

	r->n_left = UINT32_MAX;
	assert_int_equal(claim(r, 1), -EBUSY);
	assert_int_equal(r->n_surveys, CHOICES_MAX);
	assert_non_null(strstr(r->err.text, "cannot be taken"));
	assert_int_equal(release(r, &r->other, r->theirs), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_vf_that_was_just_taken_is_not_claimed_twice),
		TEST(one_of_two_that_was_just_taken_makes_another_choice_of_both),
		TEST(a_vf_whose_holder_just_died_is_left_to_a_recovery),
		TEST(who_is_always_too_late_gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
