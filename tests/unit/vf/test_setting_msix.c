/* SPDX-License-Identifier: MIT */
/* How many vectors a VF has: written to one file, read from another. */
#include <stdlib.h>

#include "unit/vf/setting_fixture.h"
#include "vf/setting_kind.h"

#define MSIX_AT 0x60u

static char stored[16];
static int store_result;
static uint8_t config[256];
static int config_bytes;

static int store_count(void *opaque, const char *buf, size_t n)
{
	(void)opaque;
	assert_true(n < sizeof(stored));
	memcpy(stored, buf, n);
	stored[n] = '\0';
	return store_result;
}

static int show_config(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	assert_true(n >= (size_t)config_bytes);
	memcpy(buf, config, (size_t)config_bytes);
	return config_bytes;
}

static void add_count(int result)
{
	const struct vio_fake_attr attr = { .store = store_count };

	store_result = result;
	vio_fake_add_attr(fake, VF "/sriov_vf_msix_count", &attr);
}

/* One capability, of 64 vectors. */
static void add_config(int n)
{
	const struct vio_fake_attr attr = { .show = show_config };

	memset(config, 0, sizeof(config));
	config[0x06] = 0x10; /* Status: there is a list */
	config[0x34] = MSIX_AT;
	config[MSIX_AT] = 0x11;
	config[MSIX_AT + 2] = 63;
	config_bytes = n;
	vio_fake_add_attr(fake, VF "/config", &attr);
}

static int set_count(uint32_t n)
{
	return set_config((struct vio_vf_config){ .fields = VIO_VF_MSIX, .n_msix = n });
}

static int read_count(struct vio_vf_config *out)
{
	struct waited_call waited = call_of((struct vio_vf_config)VIO_VF_CONFIG_INIT);
	const int ret = carry_out(&waited, vio_setting_read);

	*out = waited.call.config;
	return ret;
}

static void a_count_is_written_as_text(void **state)
{
	(void)state;
	add_count(0);
	assert_int_equal(set_count(17), 0);
	assert_string_equal(stored, "17");
	assert_int_equal(set_count(UINT32_MAX), 0);
	assert_string_equal(stored, "4294967295");
}

static void what_the_kernel_answers_comes_back(void **state)
{
	(void)state;
	add_count(-EBUSY);
	assert_int_equal(set_count(17), -EBUSY);
	vio_fake_remove(fake, VF "/sriov_vf_msix_count");
	add_count(-EOPNOTSUPP);
	assert_int_equal(set_count(17), -EOPNOTSUPP);
}

static void a_count_is_read_from_the_capability(void **state)
{
	struct vio_vf_config found;

	(void)state;
	add_config(sizeof(config));
	assert_int_equal(read_count(&found), 0);
	assert_int_equal(found.fields, VIO_VF_MSIX);
	assert_int_equal(found.n_msix, 64);
}

static void a_function_without_the_capability_has_no_count(void **state)
{
	struct vio_vf_config found;

	(void)state;
	add_config(sizeof(config));
	config[MSIX_AT] = 0x01;
	assert_int_equal(read_count(&found), -EOPNOTSUPP);
	assert_int_equal(found.fields, 0);
}

static void what_is_hidden_from_the_process_is_not_known(void **state)
{
	struct vio_vf_config found;

	(void)state;
	add_config(64);
	assert_int_equal(read_count(&found), -EOPNOTSUPP);
}

static void capabilities_that_loop_are_not_believed(void **state)
{
	struct vio_vf_config found;

	(void)state;
	add_config(sizeof(config));
	config[MSIX_AT + 1] = MSIX_AT;
	assert_int_equal(read_count(&found), -EBADMSG);
}

static void a_function_without_the_file_has_no_count(void **state)
{
	(void)state;
	assert_int_equal(set_count(17), -EOPNOTSUPP);
	vio_fake_remove(fake, VF);
	assert_int_equal(set_count(17), -ENODEV);
}

static void without_a_way_to_wait_nothing_is_written(void **state)
{
	(void)state;
	add_count(0);
	stored[0] = '\0';
	assert_int_equal(vio_ctx_abort_work(peer.ctx), 0);
	assert_int_equal(set_count(17), -EOPNOTSUPP);
	assert_string_equal(stored, "");
}

/* A read of what there is, through every kind, with allocations and calls failing. */
static int read_or_fail(struct vio_fault *fault, void *opaque)
{
	struct vio_host made = host;
	struct waited_call waited;
	struct vio_ctx *ctx;
	pthread_t worker;
	int ret;

	(void)opaque;
	fault->base = &peer.sys;
	ret = vio_fault_create_ctx(fault, VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD,
				   &ctx);
	if (ret)
		return ret;
	assert_int_equal(pthread_create(&worker, NULL, peer_lend, ctx), 0);
	made.env = &ctx->env;
	made.async = ctx->async;
	waited = call_of((struct vio_vf_config)VIO_VF_CONFIG_INIT);
	waited.call.host = &made;
	ret = vio_setting_read(&waited.call);
	if (!ret) {
		vio_test_dispatch_until(ctx, &waited.n_done, 1);
		ret = waited.result;
	}
	(void)vio_ctx_abort_work(ctx);
	pthread_join(worker, NULL);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return ret;
}

static void a_failing_allocation_or_call_leaves_nothing_open(void **state)
{
	(void)state;
	add_config(sizeof(config));
	assert_true(vio_fault_run_allocs(read_or_fail, NULL) > 1);
	assert_true(vio_fault_run_calls(read_or_fail, NULL, EMFILE) > 1);
}

static void an_address_out_of_range_has_no_settings(void **state)
{
	const struct vio_pci_addr addr = { .device = 32 };
	struct waited_call waited =
		call_of((struct vio_vf_config){ .fields = VIO_VF_MSIX, .n_msix = 1 });

	(void)state;
	waited.call.vf = addr;
	assert_int_equal(carry_out(&waited, vio_setting_set), -EINVAL);
	assert_int_equal(vio_setting_explain_missing(&host, &addr), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_is_written_as_text),
		cmocka_unit_test(what_the_kernel_answers_comes_back),
		cmocka_unit_test(a_count_is_read_from_the_capability),
		cmocka_unit_test(a_function_without_the_capability_has_no_count),
		cmocka_unit_test(what_is_hidden_from_the_process_is_not_known),
		cmocka_unit_test(capabilities_that_loop_are_not_believed),
		cmocka_unit_test(a_function_without_the_file_has_no_count),
		cmocka_unit_test(without_a_way_to_wait_nothing_is_written),
		cmocka_unit_test(an_address_out_of_range_has_no_settings),
		cmocka_unit_test(a_failing_allocation_or_call_leaves_nothing_open),
	};

	return run_host_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
