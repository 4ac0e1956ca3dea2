/* SPDX-License-Identifier: MIT */
/*
 * The function of a view's tests has what a network VF has, and a capability of each
 * kind that a guest must not see.
 */
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "unit/vf/view_scene.h"

void config_set(struct function *function, uint32_t at, uint64_t value, uint32_t n)
{
	vio_view_set_bytes(function->config + at, value, n);
}

uint64_t config_get(const struct function *function, uint32_t at, uint32_t n)
{
	return vio_view_get_bytes(function->config + at, n);
}

static void set_header(struct function *f)
{
	config_set(f, 0x00, 0x15208086, 4);
	config_set(f, 0x04, 0x0146, 2); /* memory, master, parity, SERR */
	config_set(f, 0x06, 0x0010, 2);
	config_set(f, 0x08, 0x02000001, 4);
	config_set(f, 0x0e, 0x80, 1);
	config_set(f, 0x10, 0x0000000c, 4);
	config_set(f, 0x18, 0x00000000, 4);
	config_set(f, 0x1c, 0x00000000, 4);
	config_set(f, 0x20, 0x00000001, 4); /* ports */
	config_set(f, 0x2c, 0x00018086, 4);
	config_set(f, 0x30, 0xfffff800, 4);
	config_set(f, 0x3d, 1, 1);
}

static void set_cap(struct function *f, uint32_t at, uint32_t id, uint32_t next)
{
	config_set(f, at, id | next << 8, 2);
}

static void set_caps(struct function *f)
{
	config_set(f, 0x34, AT_PM, 1);
	set_cap(f, AT_PM, 0x01, AT_MSI);
	config_set(f, AT_PM + 2, 0xfa03, 2); /* D1 and PME, no D2 */
	set_cap(f, AT_MSI, 0x05, AT_MSIX);
	set_cap(f, AT_MSIX, 0x11, AT_EXPRESS);
	config_set(f, AT_MSIX + 2, VECTORS - 1, 2);
	config_set(f, AT_MSIX + 4, TABLE_OFFSET, 4);
	config_set(f, AT_MSIX + 8, PBA_OFFSET, 4);
	set_cap(f, AT_EXPRESS, 0x10, AT_VENDOR);
	config_set(f, AT_EXPRESS + 2, 0x0002, 2);
	config_set(f, AT_EXPRESS + 4, 0x10008022, 4);
	config_set(f, AT_EXPRESS + 8, 0x2810, 2);
	set_cap(f, AT_VENDOR, 0x09, AT_AF);
	config_set(f, AT_VENDOR + 2, 0x1208, 2);
	config_set(f, AT_VENDOR + 4, 0x11223344, 4);
	set_cap(f, AT_AF, 0x13, 0);
	config_set(f, AT_AF + 2, 0x0306, 2);
}

static void set_extended_caps(struct function *f)
{
	config_set(f, AT_AER, 0x0001u | 2u << 16 | AT_SERIAL << 20, 4);
	config_set(f, AT_AER + 8, 0x12345678, 4);
	config_set(f, AT_SERIAL, 0x0003u | 1u << 16 | AT_SRIOV << 20, 4);
	config_set(f, AT_SERIAL + 4, 0xaabbccdd, 4);
	config_set(f, AT_SRIOV, 0x0010u | 1u << 16 | AT_VSEC << 20, 4);
	config_set(f, AT_VSEC, 0x000bu | 1u << 16, 4);
	config_set(f, AT_VSEC + 4, 0x00010007u | 16u << 20, 4);
	config_set(f, AT_VSEC + 8, 0x55667788, 4);
}

void function_prepare(struct function *f)
{
	memset(f, 0, sizeof(*f));
	f->config_bytes = sizeof(f->config);
	f->can_map = 1;
	f->n_vectors = VECTORS;
	f->bar_bytes[0] = BAR0_BYTES;
	f->bar_bytes[2] = BAR2_BYTES;
	f->bar_bytes[3] = BAR3_BYTES;
	f->bar_bytes[4] = 0x20;
	set_header(f);
	set_caps(f);
	set_extended_caps(f);
}

/* The function's side. */

struct vio_vfio *as_vfio(struct function *function)
{
	return (struct vio_vfio *)(void *)function;
}

static struct function *of(struct vio_vfio *vfio)
{
	return (struct function *)(void *)vfio;
}

static int
read_region(struct vio_vfio *vfio, uint32_t index, struct vio_vfio_region *region)
{
	struct function *f = of(vfio);

	if (++f->n_regions == f->refuses_at)
		return -EIO;
	if (index < 6)
		region->length_bytes = f->bar_bytes[index];
	if (index == VIO_VFIO_CONFIG_REGION)
		region->length_bytes = f->config_bytes;
	region->can_map = f->can_map;
	if (index == VIO_VFIO_MSIX)
		region->n_vectors = f->n_vectors;
	return 0;
}

static int is_gone(struct function *f)
{
	if (f->goes_at && !--f->goes_at)
		f->is_gone = 1;
	return f->is_gone;
}

/* An access out of a region is the view's mistake. */
static uint8_t *find_bytes(struct function *f, uint32_t index, uint64_t at, uint32_t n)
{
	if (index == VIO_VFIO_CONFIG_REGION) {
		assert_true(at + n <= f->config_bytes);
		return f->config + at;
	}
	assert_in_range(index, 0, 5);
	assert_true(at + n <= f->bar_bytes[index]);
	return f->bars[index] + at;
}

static int
device_read(struct vio_vfio *vfio, uint32_t index, uint64_t at, void *out, uint32_t n)
{
	if (is_gone(of(vfio)))
		return -ENODEV;
	memcpy(out, find_bytes(of(vfio), index, at, n), n);
	return 0;
}

static int device_write(struct vio_vfio *vfio, uint32_t index, uint64_t at,
			const void *data, uint32_t n)
{
	if (is_gone(of(vfio)))
		return -ENODEV;
	of(vfio)->n_config_writes += index == VIO_VFIO_CONFIG_REGION;
	memcpy(find_bytes(of(vfio), index, at, n), data, n);
	return 0;
}

static int map_bar(struct vio_vfio *vfio, uint32_t bar, uint64_t at, uint64_t n,
		   void **out, struct vio_error *err)
{
	(void)err;
	if (of(vfio)->map_errno)
		return of(vfio)->map_errno;
	assert_int_equal((at | n) % 4096, 0);
	*out = find_bytes(of(vfio), bar, at, (uint32_t)n);
	of(vfio)->n_mapped++;
	return 0;
}

static int unmap_bar(struct vio_vfio *vfio, void *ptr)
{
	assert_non_null(ptr);
	of(vfio)->n_mapped--;
	return 0;
}

static int set_interrupts(struct vio_vfio *vfio, uint32_t kind, const int32_t *eventfds,
			  uint32_t n, struct vio_error *err)
{
	(void)err;
	assert_int_equal(kind, VIO_VFIO_MSIX);
	assert_true(n <= of(vfio)->n_vectors);
	if (of(vfio)->is_gone)
		return -ENODEV;
	if (n && of(vfio)->connect_errno)
		return of(vfio)->connect_errno;
	of(vfio)->n_connected = n;
	if (n)
		memcpy(of(vfio)->eventfds, eventfds, n * sizeof(*eventfds));
	return 0;
}

const struct vio_view_device view_test_device = {
	.read_region = read_region,
	.read = device_read,
	.write = device_write,
	.map_bar = map_bar,
	.unmap_bar = unmap_bar,
	.set_interrupts = set_interrupts,
};

/* The monitor's side. */

static void add_place(struct scene *scene, uint64_t gpa, uint64_t n, void *hva)
{
	assert_true(scene->n_places < VIO_ARRAY_SIZE(scene->places));
	for (uint32_t i = 0; i < scene->n_places; i++)
		assert_true(gpa >= scene->places[i].gpa + scene->places[i].n ||
			    scene->places[i].gpa >= gpa + n);
	scene->places[scene->n_places++] = (struct place){ gpa, n, hva };
}

static void remove_place(struct scene *scene, uint64_t gpa, uint64_t n, int has_hva)
{
	for (uint32_t i = 0; i < scene->n_places; i++) {
		struct place *place = &scene->places[i];

		if (place->gpa != gpa || place->n != n ||
		    (place->hva != NULL) != has_hva)
			continue;
		*place = scene->places[--scene->n_places];
		return;
	}
	fail_msg("nothing at 0x%llx", (unsigned long long)gpa);
}

static int on_map(void *opaque, uint64_t gpa, uint64_t n, void *hva)
{
	struct scene *scene = opaque;

	assert_non_null(hva);
	if (scene->map_errno)
		return scene->map_errno;
	add_place(scene, gpa, n, hva);
	return 0;
}

static void on_unmap(void *opaque, uint64_t gpa, uint64_t n)
{
	remove_place(opaque, gpa, n, 1);
}

static void on_trap(void *opaque, uint64_t gpa, uint64_t n, int is_trapped)
{
	if (is_trapped)
		add_place(opaque, gpa, n, NULL);
	else
		remove_place(opaque, gpa, n, 0);
}

static void on_route(void *opaque, uint32_t vector, int eventfd, uint64_t address,
		     uint32_t data, int is_masked)
{
	struct scene *scene = opaque;

	assert_true(vector < VECTORS);
	assert_true(eventfd >= 0 || scene->route_fd[vector] >= 0);
	scene->route_fd[vector] = eventfd;
	scene->route_address[vector] = address;
	scene->route_data[vector] = data;
	scene->route_is_masked[vector] = is_masked;
	scene->n_routes++;
}

static void on_reset(void *opaque)
{
	((struct scene *)opaque)->n_resets++;
}

struct vio_view_ops scene_get_ops(struct scene *scene)
{
	struct vio_view_ops ops = VIO_VIEW_OPS_INIT;

	ops.map = on_map;
	ops.unmap = on_unmap;
	ops.trap = on_trap;
	ops.route = on_route;
	ops.reset = on_reset;
	ops.opaque = scene;
	return ops;
}

int scene_create_view(struct scene *scene)
{
	const struct vio_view_ops ops = scene_get_ops(scene);

	return vio_view_create_on(scene->ctx, &view_test_device,
				  as_vfio(&scene->function), &ops, &scene->view, NULL);
}

int scene_open(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	function_prepare(&scene->function);
	function_prepare(&scene->other);
	for (uint32_t i = 0; i < VIEW_VECTORS; i++)
		scene->route_fd[i] = -1;
	assert_int_equal(vio_ctx_create(NULL, &scene->ctx, NULL), 0);
	*state = scene;
	return 0;
}

int scene_open_view(void **state)
{
	scene_open(state);
	assert_int_equal(scene_create_view(*state), 0);
	return 0;
}

/* Whatever happened, destroying the view leaves nothing with anybody. */
int scene_close(void **state)
{
	struct scene *scene = *state;

	vio_view_destroy(scene->view);
	assert_int_equal(scene->n_places, 0);
	assert_int_equal(scene->function.n_mapped, 0);
	assert_int_equal(scene->other.n_mapped, 0);
	for (uint32_t i = 0; i < VIEW_VECTORS; i++)
		assert_int_equal(scene->route_fd[i], -1);
	assert_int_equal(vio_ctx_destroy(scene->ctx, NULL), 0);
	free(scene);
	return 0;
}

void scene_place(struct scene *scene)
{
	vio_view_write(scene->view, 0x10, (uint32_t)BAR0_GPA, 4);
	vio_view_write(scene->view, 0x14, (uint32_t)(BAR0_GPA >> 32), 4);
	vio_view_write(scene->view, 0x18, (uint32_t)BAR2_GPA, 4);
	vio_view_write(scene->view, 0x04, 0x0006, 2);
}

void scene_enable_msix(struct scene *scene, uint32_t control)
{
	vio_view_write(scene->view, AT_MSIX + 2, control, 2);
}

void scene_unmask(struct scene *scene, uint32_t vector, uint32_t data)
{
	const uint64_t at = TABLE_OFFSET + (uint64_t)vector * 16;

	vio_view_write_bar(scene->view, 0, at, 0xfee00000, 4);
	vio_view_write_bar(scene->view, 0, at + 8, data, 4);
	vio_view_write_bar(scene->view, 0, at + 12, 0, 4);
}

const struct place *scene_find(const struct scene *scene, uint64_t gpa)
{
	for (uint32_t i = 0; i < scene->n_places; i++)
		if (gpa - scene->places[i].gpa < scene->places[i].n)
			return &scene->places[i];
	return NULL;
}
