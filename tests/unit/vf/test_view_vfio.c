/* SPDX-License-Identifier: MIT */
/* A view on a function that VFIO has open: both keep to one contract. */
#include "unit/vf/vfio_scene.h"
#include "vf/view.h"

#define AT_MSIX  0x40u
#define BAR0_GPA 0x80000000u

struct monitor {
	uint32_t n_mapped;
	uint32_t n_trapped;
	int eventfd; /* of vector 2 */
	uint32_t data;
};

static int on_map(void *opaque, uint64_t gpa, uint64_t n, void *hva)
{
	((struct monitor *)opaque)->n_mapped++;
	assert_true(hva != NULL && gpa >= BAR0_GPA && n < FAKE_VFIO_BAR_BYTES);
	return 0;
}

static void on_unmap(void *opaque, uint64_t gpa, uint64_t n)
{
	((struct monitor *)opaque)->n_mapped--;
	assert_true(gpa >= BAR0_GPA && n < FAKE_VFIO_BAR_BYTES);
}

static void on_trap(void *opaque, uint64_t gpa, uint64_t n, int is_trapped)
{
	((struct monitor *)opaque)->n_trapped += is_trapped ? 1u : -1u;
	assert_true(gpa >= BAR0_GPA && n <= FAKE_VFIO_BAR_BYTES);
}

static void on_route(void *opaque, uint32_t vector, int eventfd, uint64_t address,
		     uint32_t data, int is_masked)
{
	struct monitor *monitor = opaque;

	assert_int_equal(vector, 2);
	assert_true(eventfd < 0 || (address == 0xfee00000 && !is_masked));
	monitor->eventfd = eventfd;
	monitor->data = data;
}

static void set_config(uint8_t *config)
{
	memset(config, 0, 256);
	vio_view_set_bytes(config, 0x15208086, 4);
	vio_view_set_bytes(config + 0x06, 0x10, 2);
	config[0x34] = AT_MSIX;
	config[AT_MSIX] = 0x11;
	config[AT_MSIX + 2] = FAKE_VFIO_VECTORS - 1;
	vio_view_set_bytes(config + AT_MSIX + 4, FAKE_VFIO_MSIX_PAGE, 4);
	vio_view_set_bytes(config + AT_MSIX + 8, FAKE_VFIO_MSIX_PAGE + 0x800, 4);
}

static struct vio_vfio *open_function(struct scene *scene)
{
	struct vio_vfio *vfio = NULL;

	set_config(scene->machine->functions[0].config);
	assert_int_equal(scene_open_iommu(scene, 0, NULL), 0);
	assert_int_equal(scene_open(scene, 0, &vfio), 0);
	return vfio;
}

static struct vio_view *
create_view(struct scene *scene, struct monitor *monitor, struct vio_vfio *vfio)
{
	struct vio_view_ops ops = VIO_VIEW_OPS_INIT;
	struct vio_view *view = NULL;

	ops.map = on_map;
	ops.unmap = on_unmap;
	ops.trap = on_trap;
	ops.route = on_route;
	ops.opaque = monitor;
	assert_int_equal(vio_view_create(scene->ctx, vfio, &ops, &view, NULL), 0);
	return view;
}

static void use(struct vio_view *view)
{
	vio_view_write(view, 0x10, BAR0_GPA, 4);
	vio_view_write(view, 0x04, 6, 2);
	vio_view_write(view, AT_MSIX + 2, 0x8000, 2);
	vio_view_write_bar(view, 0, FAKE_VFIO_MSIX_PAGE + 0x20, 0xfee00000, 8);
	vio_view_write_bar(view, 0, FAKE_VFIO_MSIX_PAGE + 0x28, 0x41, 8);
}

static void interrupts_of_the_function_reach_the_monitor(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor = { .eventfd = -1 };
	struct vio_vfio *vfio = open_function(scene);
	struct vio_view *view = create_view(scene, &monitor, vfio);

	use(view);
	assert_int_equal(monitor.data, 0x41);
	fake_vfio_fire(&scene->machine->functions[0], VIO_VFIO_MSIX, 2);
	assert_true(vio_test_is_readable(monitor.eventfd));
	vio_view_destroy(view);
	assert_int_equal(scene->machine->functions[0].irqs[VIO_VFIO_MSIX].n, 0);
	assert_int_equal(scene_close(scene, vfio), 0);
}

static void all_but_the_page_of_the_table_is_mapped(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor = { .eventfd = -1 };
	struct vio_vfio *vfio = open_function(scene);
	struct vio_view *view = create_view(scene, &monitor, vfio);

	use(view);
	assert_int_equal(monitor.n_mapped, 2);
	assert_int_equal(monitor.n_trapped, 1);
	vio_view_write_bar(view, 0, 0x10, 0x1234, 4);
	assert_true(vio_view_read_bar(view, 0, 0x10, 4) == 0x1234);
	vio_view_destroy(view);
	assert_int_equal(monitor.n_mapped + monitor.n_trapped, 0);
	assert_int_equal(scene_close(scene, vfio), 0);
}

static void a_function_closed_and_opened_again_is_attached(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor = { .eventfd = -1 };
	struct vio_vfio *vfio = open_function(scene);
	struct vio_view *view = create_view(scene, &monitor, vfio);

	use(view);
	assert_int_equal(vio_view_detach(view, NULL), 0);
	assert_int_equal(scene_close(scene, vfio), 0);
	assert_int_equal(vio_view_read(view, 0, 4), 0x15208086);
	assert_int_equal(scene_open(scene, 0, &vfio), 0);
	assert_int_equal(vio_view_attach(view, vfio, NULL), 0);
	assert_int_equal(monitor.n_mapped, 2);
	assert_int_equal(scene->machine->functions[0].config[4], 6);
	fake_vfio_fire(&scene->machine->functions[0], VIO_VFIO_MSIX, 2);
	assert_true(vio_test_is_readable(monitor.eventfd));
	vio_view_destroy(view);
	assert_int_equal(scene_close(scene, vfio), 0);
}

#define BOTH(test)                                                                     \
	cmocka_unit_test_setup_teardown(test, scene_set_up_groups, scene_tear_down),   \
		cmocka_unit_test_setup_teardown(test, scene_set_up_iommufd,            \
						scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(interrupts_of_the_function_reach_the_monitor),
		BOTH(all_but_the_page_of_the_table_is_mapped),
		BOTH(a_function_closed_and_opened_again_is_attached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
