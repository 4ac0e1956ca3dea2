/* SPDX-License-Identifier: MIT */
/*
 * Resources of secondary NVMe controllers, against one made up: it keeps the rules
 * of the specification, can refuse any step, and can list whatever a test wants.
 */
#include <limits.h>

#include "sys/uapi/nvme.h"
#include "unit/vf/setting_fixture.h"

#define POOL_VQ 8u
#define POOL_VI 4u

struct secondary {
	uint16_t controller;
	uint16_t vf;
	uint16_t n_vq;
	uint16_t n_vi;
	int is_online;
};

/* Only the lent thread calls it while a call is under way. */
static struct controller {
	struct secondary secondary[200];
	uint32_t n;
	uint32_t n_lists;
	uint32_t n_actions;
	uint32_t fail_at;   /* the action that fails, counted from 1; 0: none */
	int fail_result;    /* what the ioctl returns then */
	int is_stuck;       /* every action after fail_at fails as well */
	int list_result;    /* of Identify, if not 0 */
	int is_list_circle; /* each list is the first */
	uint32_t abort_at;  /* the last action before the thread returns; 0: none */
} nvme;

static int get_list(struct nvme_admin_cmd *command)
{
	uint8_t *list = (uint8_t *)(uintptr_t)command->addr;
	const uint32_t first = nvme.is_list_circle ? 0 : command->cdw10 >> 16;

	assert_int_equal(command->data_len, VIO_NVME_LIST_BYTES);
	assert_int_equal(command->cdw10 & 0xff, VIO_NVME_CNS_SECONDARY);
	nvme.n_lists++;
	for (uint32_t i = 0; i < nvme.n && list[0] < VIO_NVME_LIST_MAX; i++) {
		const struct secondary *from = &nvme.secondary[i];
		uint8_t *to = list + (list[0] + 1) * VIO_NVME_ENTRY_BYTES;

		if (from->controller < first)
			continue;
		memcpy(to + VIO_NVME_ENTRY_CONTROLLER, &from->controller, 2);
		memcpy(to + VIO_NVME_ENTRY_VF, &from->vf, 2);
		memcpy(to + VIO_NVME_ENTRY_VQ, &from->n_vq, 2);
		memcpy(to + VIO_NVME_ENTRY_VI, &from->n_vi, 2);
		to[VIO_NVME_ENTRY_STATE] = (uint8_t)from->is_online;
		list[0]++;
	}
	return nvme.list_result;
}

static int assign(struct secondary *to, uint32_t type, uint32_t n)
{
	if (to->is_online)
		return VIO_NVME_STATUS_SECONDARY_STATE;
	if (n > (type ? POOL_VI : POOL_VQ))
		return VIO_NVME_STATUS_RESOURCES;
	*(type ? &to->n_vi : &to->n_vq) = (uint16_t)n;
	return 0;
}

static int put_online(struct secondary *to)
{
	if (to->n_vq < 2 || !to->n_vi)
		return VIO_NVME_STATUS_SECONDARY_STATE;
	to->is_online = 1;
	return 0;
}

static int act(const struct nvme_admin_cmd *command)
{
	const uint32_t controller = command->cdw10 >> 16;
	struct secondary *to = NULL;

	nvme.n_actions++;
	if (nvme.n_actions == nvme.abort_at)
		(void)vio_ctx_abort_work(peer.ctx);
	if (nvme.fail_at && (nvme.n_actions == nvme.fail_at ||
			     (nvme.is_stuck && nvme.n_actions > nvme.fail_at)))
		return nvme.fail_result;
	for (uint32_t i = 0; i < nvme.n; i++)
		if (nvme.secondary[i].controller == controller)
			to = &nvme.secondary[i];
	if (!to)
		return VIO_NVME_STATUS_CONTROLLER;
	switch (command->cdw10 & 0xf) {
	case VIO_NVME_OFFLINE:
		to->is_online = 0;
		return 0;
	case VIO_NVME_ONLINE:
		return put_online(to);
	default:
		return assign(to, command->cdw10 >> 8 & 7, command->cdw11);
	}
}

static int nvme_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	struct nvme_admin_cmd *command = argument;

	(void)opaque;
	(void)fd;
	if (request != NVME_IOCTL_ADMIN_CMD)
		return -ENOTTY;
	return command->opcode == VIO_NVME_IDENTIFY ? get_list(command) : act(command);
}

static int store_nothing(void *opaque, const char *buf, size_t n)
{
	(void)opaque;
	(void)buf;
	(void)n;
	return -EINVAL;
}

static int show_nothing(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	(void)buf;
	(void)n;
	return 0;
}

/* The VF of the tests is online with 4 and 2; its controller is number 9. */
static void add_controller(void)
{
	const struct vio_fake_attr attr = { .show = show_nothing,
					    .store = store_nothing };

	vio_fake_add_text(fake, PF "/nvme/nvme0/cntlid", "0\n");
	vio_fake_add_attr(fake, "/made/dev/nvme0", &attr);
	peer.sys.ioctl = nvme_ioctl;
	nvme = (struct controller){ .n = 2 };
	nvme.secondary[0] = (struct secondary){ .controller = 1, .vf = 1 };
	nvme.secondary[1] = (struct secondary){
		.controller = 9, .vf = PEER_VF + 1, .n_vq = 4, .n_vi = 2, .is_online = 1
	};
}

static int set_nvme(uint32_t vq, uint32_t vi)
{
	return set_config((struct vio_vf_config){
		.fields = VIO_VF_NVME, .nvme_vq = vq, .nvme_vi = vi });
}

static void check_secondary(uint32_t vq, uint32_t vi, int is_online)
{
	assert_int_equal(nvme.secondary[1].n_vq, vq);
	assert_int_equal(nvme.secondary[1].n_vi, vi);
	assert_int_equal(nvme.secondary[1].is_online, is_online);
}

static void resources_change_offline_and_go_online(void **state)
{
	(void)state;
	add_controller();
	assert_int_equal(set_nvme(3, 1), 0);
	check_secondary(3, 1, 1);
	assert_int_equal(nvme.n_actions, 4);
	assert_int_equal(nvme.secondary[0].n_vq, 0);
}

static void without_resources_it_stays_offline(void **state)
{
	(void)state;
	add_controller();
	assert_int_equal(set_nvme(0, 0), 0);
	check_secondary(0, 0, 0);
	assert_int_equal(nvme.n_actions, 3);
}

static void a_read_gives_what_the_controller_has(void **state)
{
	struct waited_call waited = call_of((struct vio_vf_config)VIO_VF_CONFIG_INIT);

	(void)state;
	add_controller();
	assert_int_equal(carry_out(&waited, vio_setting_read), 0);
	assert_int_equal(waited.call.config.fields, VIO_VF_NVME);
	assert_int_equal(waited.call.config.nvme_vq, 4);
	assert_int_equal(waited.call.config.nvme_vi, 2);
	assert_int_equal(nvme.n_actions, 0);
}

static void whichever_step_fails_what_was_there_is_there_again(void **state)
{
	(void)state;
	for (uint32_t at = 1; at <= 4; at++) {
		add_controller();
		nvme.fail_at = at;
		nvme.fail_result = -EINTR;
		assert_int_equal(set_nvme(3, 1), -EINTR);
		check_secondary(4, 2, 1);
		vio_fake_remove(fake, "/made/dev");
		vio_fake_remove(fake, PF "/nvme");
	}
}

static void what_was_offline_is_left_offline(void **state)
{
	(void)state;
	add_controller();
	nvme.secondary[1].is_online = 0;
	assert_int_equal(set_nvme(3, POOL_VI + 1), -ENOSPC);
	check_secondary(4, 2, 0);
}

static void a_device_that_answers_nothing_more_ends_the_call(void **state)
{
	(void)state;
	add_controller();
	nvme.fail_at = 2;
	nvme.fail_result = -ETIMEDOUT;
	nvme.is_stuck = 1;
	assert_int_equal(set_nvme(3, 1), -ETIMEDOUT);
	/* Two there, and each step back. */
	assert_int_equal(nvme.n_actions, 6);
}

static void a_status_becomes_an_error(void **state)
{
	static const struct {
		int status;
		int result;
	} rows[] = {
		{ VIO_NVME_STATUS_OPCODE, -EOPNOTSUPP },
		{ VIO_NVME_STATUS_FIELD, -EINVAL },
		{ VIO_NVME_STATUS_CONTROLLER, -ENODEV },
		{ VIO_NVME_STATUS_SECONDARY_STATE, -EBUSY },
		/* With the bit that says not to retry. */
		{ VIO_NVME_STATUS_RESOURCES | 0x4000, -ENOSPC },
		{ VIO_NVME_STATUS_RESOURCE_ID, -EOPNOTSUPP },
		{ 0x006, -EREMOTEIO },
		{ -EACCES, -EACCES },
	};

	(void)state;
	add_controller();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		nvme.n_actions = 0;
		nvme.fail_at = 1;
		nvme.fail_result = rows[i].status;
		assert_int_equal(set_nvme(3, 1), rows[i].result);
	}
}

static void a_controller_without_secondary_ones_has_no_resources(void **state)
{
	(void)state;
	add_controller();
	nvme.list_result = VIO_NVME_STATUS_FIELD;
	assert_int_equal(set_nvme(3, 1), -EOPNOTSUPP);
}

static void a_vf_that_is_not_in_the_list_has_gone(void **state)
{
	(void)state;
	add_controller();
	nvme.n = 1;
	assert_int_equal(set_nvme(3, 1), -ENODEV);
	nvme.n = 0;
	assert_int_equal(set_nvme(3, 1), -ENODEV);
}

static void fill_list(uint32_t n)
{
	nvme.n = n;
	for (uint32_t i = 0; i < n; i++)
		nvme.secondary[i] = (struct secondary){ .controller = (uint16_t)(i + 1),
							.vf = (uint16_t)(i + 100) };
}

static void a_list_of_several_parts_is_read_to_its_end(void **state)
{
	(void)state;
	add_controller();
	fill_list(200);
	nvme.secondary[199].vf = PEER_VF + 1;
	assert_int_equal(set_nvme(3, 1), 0);
	assert_int_equal(nvme.n_lists, 2);
	assert_int_equal(nvme.secondary[199].n_vq, 3);
}

/* A controller could otherwise keep the lent thread for ever. */
static void a_list_that_begins_anew_ends_the_call(void **state)
{
	(void)state;
	add_controller();
	fill_list(VIO_NVME_LIST_MAX);
	nvme.is_list_circle = 1;
	assert_int_equal(set_nvme(3, 1), -EBADMSG);
	assert_int_equal(nvme.n_lists, 2);
}

static void a_controller_that_does_not_open_is_told(void **state)
{
	(void)state;
	add_controller();
	vio_fake_remove(fake, "/made/dev/nvme0");
	vio_fake_add_text(fake, "/made/dev/nvme0", "");
	assert_int_equal(set_nvme(3, 1), -EACCES);
}

static void a_pf_without_a_controller_has_no_resources(void **state)
{
	(void)state;
	assert_int_equal(set_nvme(3, 1), -EOPNOTSUPP);
}

static void without_a_lent_thread_nothing_is_asked(void **state)
{
	(void)state;
	add_controller();
	assert_int_equal(vio_ctx_abort_work(peer.ctx), 0);
	assert_int_equal(set_nvme(3, 1), -EOPNOTSUPP);
	assert_int_equal(nvme.n_lists, 0);
}

/* Nobody is left to make the next step: the call ends, the file is closed. */
static void a_thread_that_is_taken_back_ends_the_call(void **state)
{
	(void)state;
	add_controller();
	nvme.abort_at = 2;
	assert_int_equal(set_nvme(3, 1), -EOPNOTSUPP);
	assert_int_equal(nvme.n_actions, 2);
}

/* Why it went wrong is what is told, not that it could not be put back. */
static void a_thread_that_is_taken_back_hides_no_failure(void **state)
{
	(void)state;
	add_controller();
	nvme.fail_at = 2;
	nvme.fail_result = -ETIMEDOUT;
	nvme.abort_at = 2;
	assert_int_equal(set_nvme(3, 1), -ETIMEDOUT);
	assert_int_equal(nvme.n_actions, 2);
}

static void a_controllers_name_that_does_not_fit_is_not_cut(void **state)
{
	(void)state;
	vio_fake_add_dir(fake, PF "/nvme/nvme_of_as_many_as_32_characters");
	assert_int_equal(set_nvme(3, 1), -EBADMSG);
}

static void a_folder_that_fills_a_path_has_no_controllers(void **state)
{
	char long_root[PATH_MAX];

	(void)state;
	add_controller();
	memset(long_root, 'a', sizeof(long_root) - 1);
	long_root[sizeof(long_root) - 1] = '\0';
	host.dev_root = long_root;
	assert_int_equal(set_nvme(3, 1), -ENAMETOOLONG);
	assert_int_equal(nvme.n_lists, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resources_change_offline_and_go_online),
		cmocka_unit_test(without_resources_it_stays_offline),
		cmocka_unit_test(a_read_gives_what_the_controller_has),
		cmocka_unit_test(whichever_step_fails_what_was_there_is_there_again),
		cmocka_unit_test(what_was_offline_is_left_offline),
		cmocka_unit_test(a_device_that_answers_nothing_more_ends_the_call),
		cmocka_unit_test(a_status_becomes_an_error),
		cmocka_unit_test(a_controller_without_secondary_ones_has_no_resources),
		cmocka_unit_test(a_vf_that_is_not_in_the_list_has_gone),
		cmocka_unit_test(a_list_of_several_parts_is_read_to_its_end),
		cmocka_unit_test(a_list_that_begins_anew_ends_the_call),
		cmocka_unit_test(a_controller_that_does_not_open_is_told),
		cmocka_unit_test(a_pf_without_a_controller_has_no_resources),
		cmocka_unit_test(without_a_lent_thread_nothing_is_asked),
		cmocka_unit_test(a_thread_that_is_taken_back_ends_the_call),
		cmocka_unit_test(a_thread_that_is_taken_back_hides_no_failure),
		cmocka_unit_test(a_controllers_name_that_does_not_fit_is_not_cut),
		cmocka_unit_test(a_folder_that_fills_a_path_has_no_controllers),
	};

	return run_host_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
