/* SPDX-License-Identifier: MIT */
/* What of configuration space a guest sees, and what its writes do. */
#include "ctx.h"
#include "unit/vf/view_scene.h"

static uint32_t get(struct scene *scene, uint32_t at, uint32_t n)
{
	return vio_view_read(scene->view, at, n);
}

static void the_guest_sees_the_identity_of_the_function(void **state)
{
	assert_int_equal(get(*state, 0x00, 4), 0x15208086);
	assert_int_equal(get(*state, 0x08, 4), 0x02000001);
	assert_int_equal(get(*state, 0x2c, 4), 0x00018086);
}

static void the_guest_sees_no_rom_no_ports_no_intx_and_no_neighbours(void **state)
{
	vio_view_write(((struct scene *)*state)->view, 0x30, UINT32_MAX, 4);
	vio_view_write(((struct scene *)*state)->view, 0x20, UINT32_MAX, 4);
	assert_int_equal(get(*state, 0x30, 4), 0);
	assert_int_equal(get(*state, 0x20, 4), 0);
	assert_int_equal(get(*state, 0x3d, 1), 0);
	assert_int_equal(get(*state, 0x0e, 1), 0);
}

static void the_list_leads_around_hidden_capabilities(void **state)
{
	static const uint32_t expected[] = { AT_PM, AT_MSIX, AT_EXPRESS, AT_VENDOR,
					     AT_AF };
	uint32_t at = get(*state, 0x34, 1);

	for (uint32_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		assert_int_equal(at, expected[i]);
		at = get(*state, at + 1, 1);
	}
	assert_int_equal(at, 0);
	assert_int_equal(get(*state, AT_MSI, 4), 0);
}

static void the_extended_list_begins_with_the_null_capability(void **state)
{
	assert_int_equal(get(*state, AT_AER, 4), AT_SERIAL << 20);
	assert_int_equal(get(*state, AT_AER + 8, 4), 0);
	assert_int_equal(get(*state, AT_SERIAL, 4), 0x10003 | AT_VSEC << 20);
	assert_int_equal(get(*state, AT_SERIAL + 4, 4), 0xaabbccdd);
	assert_int_equal(get(*state, AT_SRIOV, 4), 0);
	assert_int_equal(get(*state, AT_VSEC, 4), 0x1000b);
}

static void without_capabilities_status_says_so(void **state)
{
	struct scene *scene = *state;

	config_set(&scene->function, 0x34, AT_MSI, 1);
	config_set(&scene->function, AT_MSI + 1, 0, 1);
	assert_int_equal(scene_create_view(scene), 0);
	assert_int_equal(get(scene, 0x06, 2), 0);
	assert_int_equal(get(scene, 0x34, 1), 0);
}

static void conventional_configuration_space_ends_at_256(void **state)
{
	struct scene *scene = *state;

	scene->function.config_bytes = 256;
	assert_int_equal(scene_create_view(scene), 0);
	assert_int_equal(get(scene, 0x100, 4), 0);
	assert_int_equal(get(scene, AT_SERIAL, 4), 0);
	vio_view_write(scene->view, AT_VSEC + 8, 1, 4);
	assert_int_equal(get(scene, AT_VSEC + 8, 4), 0);
}

static void capabilities_without_msix_vectors_hide_msix(void **state)
{
	struct scene *scene = *state;

	scene->function.n_vectors = 0;
	assert_int_equal(scene_create_view(scene), 0);
	assert_int_equal(get(scene, AT_PM + 1, 1), AT_EXPRESS);
}

static void a_second_capability_of_a_kind_is_hidden(void **state)
{
	static const uint32_t ids[] = { 0x01, 0x10, 0x13 };
	struct scene *scene = *state;

	for (uint32_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		function_prepare(&scene->function);
		config_set(&scene->function, AT_AF + 1, 0x58, 1);
		config_set(&scene->function, 0x58, ids[i], 4);
		assert_int_equal(scene_create_view(scene), 0);
		assert_int_equal(get(scene, AT_AF + 1, 1), 0);
		assert_int_equal(get(scene, 0x58, 4), 0);
		vio_view_destroy(scene->view);
		scene->view = NULL;
	}
}

static void the_first_version_of_pci_express_is_shorter(void **state)
{
	struct scene *scene = *state;

	config_set(&scene->function, AT_EXPRESS + 2, 0x0001, 2);
	config_set(&scene->function, AT_EXPRESS + 0x0c, 0x00000c11, 4);
	config_set(&scene->function, AT_EXPRESS + 0x2c, UINT32_MAX, 4);
	assert_int_equal(scene_create_view(scene), 0);
	assert_int_equal(get(scene, AT_EXPRESS + 0x0c, 4), 0x11);
	assert_int_equal(get(scene, AT_EXPRESS + 0x2c, 4), 0);
	vio_view_destroy(scene->view);
	scene->view = NULL;
	config_set(&scene->function, AT_EXPRESS + 2, 0x0091, 2);
	assert_int_equal(scene_create_view(scene), 0);
	assert_int_equal(get(scene, AT_EXPRESS + 0x0c, 4), 0);
}

static void registers_of_what_has_gone_read_as_ones(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	scene->function.is_gone = 1;
	assert_true(vio_view_read_bar(scene->view, 2, 0, 4) == UINT32_MAX);
	vio_view_write_bar(scene->view, 2, 0, 1, 4);
	assert_int_equal(scene->function.bars[2][0], 0);
}

static void vendor_registers_are_read_from_the_device(void **state)
{
	struct scene *scene = *state;

	config_set(&scene->function, AT_VENDOR + 4, 0x99, 1);
	assert_int_equal(get(scene, AT_VENDOR + 4, 4), 0x11223399);
	config_set(&scene->function, AT_VSEC + 8, 0x77, 1);
	assert_int_equal(get(scene, AT_VSEC + 8, 1), 0x77);
}

static void writes_to_what_is_not_the_guests_are_dropped(void **state)
{
	struct scene *scene = *state;
	const uint32_t before = scene->function.n_config_writes;

	for (uint32_t at = 0x40; at < 4096; at += 4)
		if (at != AT_EXPRESS + 8 && at != AT_AF + 4 && at != AT_PM + 4)
			vio_view_write(scene->view, at, UINT32_MAX, 4);
	vio_view_write(scene->view, 0x00, 0, 4);
	assert_int_equal(scene->function.n_config_writes, before);
	assert_int_equal(get(scene, 0x00, 4), 0x15208086);
	assert_int_equal(get(scene, AT_VENDOR + 4, 4), 0x11223344);
	assert_int_equal(scene->n_resets, 0);
}

static void accesses_that_are_none_answer_all_ones(void **state)
{
	struct scene *scene = *state;
	static const uint32_t bad[][2] = { { 1, 2 },    { 2, 4 },         { 4096, 1 },
					   { 4094, 4 }, { 0, 0 },         { 0, 3 },
					   { 0, 8 },    { UINT32_MAX, 1 } };

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(get(scene, bad[i][0], bad[i][1]), UINT32_MAX);
		vio_view_write(scene->view, bad[i][0], UINT32_MAX, bad[i][1]);
	}
	assert_int_equal(get(scene, 0x04, 2), 0);
}

static void command_reaches_the_device_without_the_hosts_bits(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(config_get(&scene->function, 0x04, 2), 0x0140);
	vio_view_write(scene->view, 0x04, 0xffff, 2);
	assert_int_equal(get(scene, 0x04, 2), 0x0406);
	assert_int_equal(config_get(&scene->function, 0x04, 2), 0x0546);
	vio_view_write(scene->view, 0x05, 0x00, 1);
	assert_int_equal(config_get(&scene->function, 0x04, 2), 0x0146);
}

static void a_sleeping_function_has_neither_memory_nor_dma(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	vio_view_write(scene->view, AT_PM + 4, 3, 2);
	assert_int_equal(get(scene, AT_PM + 4, 2), 3);
	assert_int_equal(scene->n_places, 0);
	assert_int_equal(config_get(&scene->function, 0x04, 2), 0x0140);
	assert_int_equal(config_get(&scene->function, AT_PM + 4, 2), 0);
	assert_true(vio_view_read_bar(scene->view, 0, 0, 4) == UINT64_MAX);
}

static void waking_up_from_d3_resets(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	vio_view_write(scene->view, AT_PM + 4, 3, 2);
	assert_int_equal(scene->n_resets, 0);
	vio_view_write(scene->view, AT_PM + 4, 0, 2);
	assert_int_equal(scene->n_resets, 1);
	assert_int_equal(get(scene, 0x04, 2), 0);
	assert_int_equal(get(scene, 0x18, 4), 0);
}

static void waking_up_without_soft_reset_keeps_all(void **state)
{
	struct scene *scene = *state;

	config_set(&scene->function, AT_PM + 4, 0x8, 2);
	assert_int_equal(scene_create_view(scene), 0);
	scene_place(scene);
	vio_view_write(scene->view, AT_PM + 4, 3, 2);
	vio_view_write(scene->view, AT_PM + 4, 0, 2);
	assert_int_equal(scene->n_resets, 0);
	assert_int_equal(get(scene, 0x04, 2), 6);
	assert_non_null(scene_find(scene, BAR0_GPA));
}

static void a_power_state_that_is_not_there_is_not_entered(void **state)
{
	vio_view_write(((struct scene *)*state)->view, AT_PM + 4, 2, 2);
	assert_int_equal(get(*state, AT_PM + 4, 2), 0);
	vio_view_write(((struct scene *)*state)->view, AT_PM + 4, 1, 2);
	assert_int_equal(get(*state, AT_PM + 4, 2), 1);
}

static void function_level_reset_is_the_monitors_to_do(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	scene_enable_msix(scene, 0x8000);
	scene_unmask(scene, 1, 5);
	vio_view_write(scene->view, AT_EXPRESS + 8, 0x8000, 2);
	assert_int_equal(scene->n_resets, 1);
	assert_int_equal(scene->n_places, 0);
	assert_int_equal(scene->route_fd[1], -1);
	assert_int_equal(scene->function.n_connected, 0);
	assert_int_equal(get(scene, AT_MSIX + 2, 2), VECTORS - 1);
	assert_int_equal(get(scene, AT_EXPRESS + 8, 2), 0x2810);
}

static void a_byte_of_device_control_resets_as_well(void **state)
{
	struct scene *scene = *state;

	vio_view_write(scene->view, AT_EXPRESS + 9, 0x80, 1);
	assert_int_equal(scene->n_resets, 1);
	vio_view_write(scene->view, AT_EXPRESS + 8, 0x80, 1);
	assert_int_equal(scene->n_resets, 1);
}

static void the_advanced_features_reset_as_well(void **state)
{
	struct scene *scene = *state;

	vio_view_write(scene->view, AT_AF + 4, 1, 1);
	assert_int_equal(scene->n_resets, 1);
}

static void a_function_without_flr_is_not_reset(void **state)
{
	struct scene *scene = *state;

	config_set(&scene->function, AT_EXPRESS + 4, 0x00008022, 4);
	config_set(&scene->function, AT_AF + 3, 1, 1);
	assert_int_equal(scene_create_view(scene), 0);
	vio_view_write(scene->view, AT_EXPRESS + 8, 0x8000, 2);
	vio_view_write(scene->view, AT_AF + 4, 1, 1);
	assert_int_equal(scene->n_resets, 0);
}

static void device_control_stays_here(void **state)
{
	struct scene *scene = *state;

	vio_view_write(scene->view, AT_EXPRESS + 8, 0x500f, 2);
	assert_int_equal(get(scene, AT_EXPRESS + 8, 2), 0x500f);
	assert_int_equal(config_get(&scene->function, AT_EXPRESS + 8, 2), 0x2810);
}

static void a_function_that_has_gone_answers_from_the_copy(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	scene->function.is_gone = 1;
	assert_int_equal(get(scene, AT_VENDOR + 4, 4), 0x11223344);
	assert_true(vio_view_read_bar(scene->view, 2, 0, 4) == UINT32_MAX);
	vio_view_write(scene->view, 0x3c, 7, 1);
	assert_int_equal(get(scene, 0x3c, 1), 7);
	assert_null(scene_find(scene, BAR0_GPA)->hva);
}

struct log {
	uint32_t n;
	uint32_t level;
	char text[256];
};

static void
note_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	struct log *log = opaque;

	assert_string_equal(subsystem, "vf");
	assert_true(strlen(text) < sizeof(log->text));
	strcpy(log->text, text);
	log->level = level;
	log->n++;
}

/* A guest that reads on and on must not fill the log. */
static void a_function_that_has_gone_is_logged_once(void **state)
{
	struct scene *scene = *state;
	struct log log = { 0 };

	scene->ctx->env.log = note_line;
	scene->ctx->env.log_opaque = &log;
	scene->function.is_gone = 1;
	assert_int_equal(get(scene, AT_VENDOR + 4, 4), 0x11223344);
	assert_int_equal(log.n, 1);
	assert_int_equal(log.level, VIO_LOG_WARNING);
	assert_string_equal(log.text,
			    "view: configuration space cannot be read: error 19");
	for (int i = 0; i < 1000; i++)
		(void)get(scene, AT_VENDOR + 4, 4);
	assert_int_equal(log.n, 1);
}

#define WITH_VIEW(test)                                                                \
	cmocka_unit_test_setup_teardown(test, scene_open_view, scene_close)
#define WITHOUT_VIEW(test)                                                             \
	cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_VIEW(the_guest_sees_the_identity_of_the_function),
		WITH_VIEW(the_guest_sees_no_rom_no_ports_no_intx_and_no_neighbours),
		WITH_VIEW(the_list_leads_around_hidden_capabilities),
		WITH_VIEW(the_extended_list_begins_with_the_null_capability),
		WITHOUT_VIEW(without_capabilities_status_says_so),
		WITHOUT_VIEW(conventional_configuration_space_ends_at_256),
		WITHOUT_VIEW(capabilities_without_msix_vectors_hide_msix),
		WITHOUT_VIEW(a_second_capability_of_a_kind_is_hidden),
		WITHOUT_VIEW(the_first_version_of_pci_express_is_shorter),
		WITH_VIEW(registers_of_what_has_gone_read_as_ones),
		WITH_VIEW(vendor_registers_are_read_from_the_device),
		WITH_VIEW(writes_to_what_is_not_the_guests_are_dropped),
		WITH_VIEW(accesses_that_are_none_answer_all_ones),
		WITH_VIEW(command_reaches_the_device_without_the_hosts_bits),
		WITH_VIEW(a_sleeping_function_has_neither_memory_nor_dma),
		WITH_VIEW(waking_up_from_d3_resets),
		WITHOUT_VIEW(waking_up_without_soft_reset_keeps_all),
		WITH_VIEW(a_power_state_that_is_not_there_is_not_entered),
		WITH_VIEW(function_level_reset_is_the_monitors_to_do),
		WITH_VIEW(a_byte_of_device_control_resets_as_well),
		WITH_VIEW(the_advanced_features_reset_as_well),
		WITHOUT_VIEW(a_function_without_flr_is_not_reset),
		WITH_VIEW(device_control_stays_here),
		WITH_VIEW(a_function_that_has_gone_answers_from_the_copy),
		WITH_VIEW(a_function_that_has_gone_is_logged_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
