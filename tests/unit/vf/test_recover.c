/* SPDX-License-Identifier: MIT */
/*
 * Recovery beyond crashes: living holders, journals that say nothing, earlier boots,
 * and what a claim makes of leases that nobody has recovered yet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scene.h"
#include "vf/journal.h"

struct stage {
	struct scene scene;
	struct process p;
	struct process dead;
	struct vio_vf_recovery recovery;
	struct vio_error err;
	char path[128]; /* of the lease of the first VF */
};

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	scene_create(&s->scene);
	process_start(&s->p, &s->scene);
	s->err = (struct vio_error)VIO_ERROR_INIT;
	snprintf(s->path, sizeof(s->path), "%s/vf/0000:01:10.0", s->scene.run_dir);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	process_end(&s->p);
	scene_destroy(&s->scene);
	free(s);
	return 0;
}

static int recover(struct stage *s)
{
	s->recovery = (struct vio_vf_recovery)VIO_VF_RECOVERY_INIT;
	return process_wait(&s->p, vio_host_recover(s->p.host, &s->recovery,
						    process_done, &s->p, &s->err));
}

/* A process claims the first VF and dies. */
static void leave_dead(struct stage *s)
{
	struct vio_vf *vf;

	process_start(&s->dead, &s->scene);
	assert_int_equal(process_claim(&s->dead, &vf), 0);
	s->dead.is_dead = 1;
	assert_int_not_equal(process_wait(&s->dead, vio_vf_release(vf, process_done,
								   &s->dead, &s->err)),
			     0);
	process_end(&s->dead);
}

static void
change_journal(struct stage *s, void (*change)(struct vio_journal_record *record))
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES];
	struct vio_journal_record record;
	FILE *f = fopen(s->path, "r+");
	size_t n;

	assert_non_null(f);
	n = fread(file, 1, sizeof(file), f);
	assert_int_equal(vio_journal_parse(file, n, &record), 0);
	change(&record);
	record.sequence++;
	fseek(f, vio_journal_get_offset(record.sequence), SEEK_SET);
	vio_journal_print(&record, file);
	assert_int_equal(fwrite(file, 1, VIO_JOURNAL_RECORD_BYTES, f),
			 VIO_JOURNAL_RECORD_BYTES);
	fclose(f);
}

static void nothing_to_recover_is_no_failure(void **state)
{
	struct stage *s = *state;

	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_undone, 0);
}

static void the_living_are_left_alone(void **state)
{
	struct stage *s = *state;
	struct vio_vf *vf;

	assert_int_equal(process_claim(&s->p, &vf), 0);
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_alive, 1);
	assert_int_equal(s->recovery.n_undone, 0);
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
	assert_int_equal(
		process_wait(&s->p, vio_vf_release(vf, process_done, &s->p, &s->err)),
		0);
}

static void the_dead_are_undone(void **state)
{
	struct stage *s = *state;

	leave_dead(s);
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_undone, 1);
	assert_int_equal(s->scene.vf[0]->n_resets, 1);
	scene_verify_before(&s->scene);
}

static void a_vf_of_the_dead_is_not_claimed_before_it_is_recovered(void **state)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct stage *s = *state;
	struct vio_vf *vf[2];

	leave_dead(s);
	request.flags = VIO_VF_FROM_PF;
	request.n = 2;
	assert_int_equal(vio_pci_addr_parse("0000:01:00.0", &request.pf), 0);
	assert_int_equal(
		vio_vf_claim(s->p.host, &request, vf, process_done, &s->p, &s->err),
		-ESTALE);
	assert_non_null(strstr(s->err.text, "0000:01:10.0"));
}

static void set_other_boot(struct vio_journal_record *record)
{
	record->boot_id[0] ^= 1;
}

static void an_earlier_boot_has_nothing_to_undo(void **state)
{
	struct stage *s = *state;

	leave_dead(s);
	change_journal(s, set_other_boot);
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_undone, 1);
	assert_int_equal(s->scene.vf[0]->n_resets, 0);
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
}

static void a_corrupt_journal_is_kept_and_its_vf_with_it(void **state)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct stage *s = *state;
	struct vio_vf *vf[2];

	FILE *file;

	leave_dead(s);
	file = fopen(s->path, "r+");
	assert_non_null(file);
	fputs("x", file);
	fclose(file);
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_unknown, 1);
	assert_int_equal(s->recovery.n_undone, 0);
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
	request.flags = VIO_VF_FROM_PF;
	request.n = 2;
	assert_int_equal(vio_pci_addr_parse("0000:01:00.0", &request.pf), 0);
	assert_int_equal(
		vio_vf_claim(s->p.host, &request, vf, process_done, &s->p, &s->err),
		-EBUSY);
	assert_non_null(strstr(s->err.text, "journal"));
}

static void a_journal_under_another_name_is_unknown(void **state)
{
	struct stage *s = *state;
	char other[128];

	leave_dead(s);
	snprintf(other, sizeof(other), "%s/vf/0000:02:10.0", s->scene.run_dir);
	assert_int_equal(rename(s->path, other), 0);
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_unknown, 1);
}

static void a_link_in_the_place_of_a_lease_is_unknown(void **state)
{
	struct stage *s = *state;
	char target[128];

	leave_dead(s);
	snprintf(target, sizeof(target), "%s/vf/target", s->scene.run_dir);
	assert_int_equal(rename(s->path, target), 0);
	assert_int_equal(symlink(target, s->path), 0);
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_unknown, 1);
}

static void what_cannot_be_undone_now_is_kept(void **state)
{
	struct stage *s = *state;

	leave_dead(s);
	s->scene.vf[0]->fails_reset = 1;
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_failed, 1);
	s->scene.vf[0]->fails_reset = 0;
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_undone, 1);
	scene_verify_before(&s->scene);
}

static void a_function_that_has_gone_is_forgotten(void **state)
{
	struct stage *s = *state;

	leave_dead(s);
	vio_fake_pci_remove(s->scene.vf[0]);
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_undone, 1);
	assert_int_equal(recover(s), 0);
	assert_int_equal(s->recovery.n_undone, 0);
}

static void a_second_recovery_waits_its_turn(void **state)
{
	struct stage *s = *state;
	int ret;

	s->recovery = (struct vio_vf_recovery)VIO_VF_RECOVERY_INIT;
	ret = vio_host_recover(s->p.host, &s->recovery, process_done, &s->p, &s->err);
	assert_int_equal(ret, 0);
	assert_int_equal(
		vio_host_recover(s->p.host, &s->recovery, process_done, &s->p, &s->err),
		-EBUSY);
	assert_int_equal(process_wait(&s->p, ret), 0);
}

struct seen {
	uint32_t n;
	struct vio_vf_info info;
};

static int see(void *opaque, const struct vio_vf_info *info)
{
	struct seen *seen = opaque;

	seen->n++;
	seen->info = *info;
	return 0;
}

static void leases_are_listed_alive_and_dead(void **state)
{
	struct stage *s = *state;
	struct seen seen = { 0 };
	struct vio_vf *vf;

	assert_int_equal(vio_host_foreach_lease(s->p.host, see, &seen, &s->err), 0);
	assert_int_equal(seen.n, 0);
	leave_dead(s);
	assert_int_equal(vio_host_foreach_lease(s->p.host, see, &seen, &s->err), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.info.is_alive, 0);
	assert_int_equal(seen.info.pid, getpid());
	assert_int_equal(recover(s), 0);
	assert_int_equal(process_claim(&s->p, &vf), 0);
	assert_int_equal(vio_host_foreach_lease(s->p.host, see, &seen, &s->err), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.info.is_alive, 1);
	assert_int_equal(seen.info.generation, 2);
	assert_int_equal(
		process_wait(&s->p, vio_vf_release(vf, process_done, &s->p, &s->err)),
		0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_to_recover_is_no_failure),
		TEST(the_living_are_left_alone),
		TEST(the_dead_are_undone),
		TEST(a_vf_of_the_dead_is_not_claimed_before_it_is_recovered),
		TEST(an_earlier_boot_has_nothing_to_undo),
		TEST(a_corrupt_journal_is_kept_and_its_vf_with_it),
		TEST(a_journal_under_another_name_is_unknown),
		TEST(a_link_in_the_place_of_a_lease_is_unknown),
		TEST(what_cannot_be_undone_now_is_kept),
		TEST(a_function_that_has_gone_is_forgotten),
		TEST(a_second_recovery_waits_its_turn),
		TEST(leases_are_listed_alive_and_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
