/* SPDX-License-Identifier: MIT */
/*
 * Address spaces where something is refused on the way: by the kernel, by another
 * listener of the memory table, for lack of memory. What devices reach afterwards is
 * what they reached before, and where it is not the log says so.
 */
#include <linux/vfio.h>

#include "sys/uapi/iommufd.h"
#include "unit/vf/table.h"

#define READ_WRITE (VIO_IOMMU_READ | VIO_IOMMU_WRITE)

/* The last line of the log. */
static struct {
	uint32_t n;
	uint32_t level;
	char text[256];
} line;

static void
note_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	(void)opaque;
	assert_string_equal(subsystem, "vf");
	assert_true(strlen(text) < sizeof(line.text));
	strcpy(line.text, text);
	line.level = level;
	line.n++;
}

static void listen_to_log(struct scene *s)
{
	memset(&line, 0, sizeof(line));
	s->ctx->env.log = note_line;
}

/* A function is open on an address space that follows an empty table. */
static void open_table(struct scene *s, struct table *t)
{
	struct vio_vfio *vfio;

	*t = (struct table){ 0 };
	assert_int_equal(vio_mem_create(NULL, &t->mem), 0);
	assert_int_equal(scene_open_iommu(s, 0, t->mem), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	listen_to_log(s);
}

static void refuse_requests(struct scene *s, int to_map)
{
	const unsigned long of_container =
		to_map ? VFIO_IOMMU_MAP_DMA : VFIO_IOMMU_UNMAP_DMA;
	const unsigned long of_ioas = to_map ? VIO_UAPI_IOAS_MAP : VIO_UAPI_IOAS_UNMAP;

	s->machine->fail_request = s->machine->iommufd.opaque ? of_ioas : of_container;
	s->machine->fail_code = -EIO;
}

static int map_at(struct scene *s, uint64_t iova, uint64_t page, uint64_t n_pages)
{
	return vio_iommu_map(s->iommu, s->memory + page * SCENE_PAGE,
			     n_pages * SCENE_PAGE, READ_WRITE | VIO_IOMMU_FIXED, &iova,
			     &s->end.err);
}

static void
check_map(const struct scene *s, uint64_t iova, uint64_t page, uint64_t n_pages)
{
	const struct fake_vfio_map *map = find_map(s, iova);

	assert_non_null(map);
	assert_int_equal(map->address, (uintptr_t)s->memory + page * SCENE_PAGE);
	assert_int_equal(map->length_bytes, n_pages * SCENE_PAGE);
}

static void what_the_kernel_does_not_unmap_stays_the_callers(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	assert_int_equal(map_at(s, SCENE_IOVA, 0, 4), 0);
	refuse_requests(s, 0);
	assert_int_equal(vio_iommu_unmap(s->iommu, SCENE_IOVA), -EIO);
	s->machine->fail_request = 0;
	assert_int_equal(map_at(s, SCENE_IOVA, 0, 4), -EEXIST);
	assert_int_equal(vio_iommu_unmap(s->iommu, SCENE_IOVA), 0);
}

/* A table cannot be refused a removal: that devices keep reaching it is an error. */
static void a_region_that_the_kernel_does_not_unmap_is_logged(void **state)
{
	struct scene *s = *state;
	struct table t;

	open_table(s, &t);
	assert_int_equal(table_add(s, &t, 0x100000, 0, 4, 0), 0);
	refuse_requests(s, 0);
	assert_int_equal(vio_mem_remove(t.mem, 0x100000), 0);
	assert_int_equal(line.n, 1);
	assert_int_equal(line.level, VIO_LOG_ERROR);
	assert_non_null(strstr(line.text, "does not unmap I/O address 0x100000"));
	s->machine->fail_request = 0;
	table_close(s, &t);
}

static void an_open_batch_keeps_the_address_space(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	assert_int_equal(scene_open_iommu(s, 0, t.mem), 0);
	assert_int_equal(vio_mem_begin(t.mem), 0);
	assert_int_equal(vio_iommu_close(s->iommu, &err), -EBUSY);
	assert_non_null(strstr(err.text, "open batch"));
	assert_int_equal(vio_mem_commit(t.mem), 0);
	table_close(s, &t);
}

static void without_memory_a_table_keeps_the_address_space(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_mem_create(s->ctx, &t.mem), 0);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	assert_int_equal(scene_open_iommu(s, 0, t.mem), 0);
	s->fault.fail_alloc_at = s->fault.n_allocs + 1;
	assert_int_equal(vio_iommu_close(s->iommu, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "no memory"));
	table_close(s, &t);
}

/* Asked after the address space: it has been told of the batch already. */
struct other {
	struct scene *scene;
	int is_refusing;
	int is_full; /* from then on the kernel maps nothing */
};

static int refuse(void *opaque, const struct vio_mem_change *changes, uint32_t n)
{
	struct other *other = opaque;

	(void)changes;
	(void)n;
	if (other->is_full)
		refuse_requests(other->scene, 1);
	return other->is_refusing ? -EPERM : 0;
}

static void attach_other(struct scene *s, struct table *t, struct other *other)
{
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;

	*other = (struct other){ .scene = s };
	listener.prepare = refuse;
	listener.opaque = other;
	assert_int_equal(vio_mem_attach_listener(t->mem, &listener), 0);
}

/* In place of the region at 0, of 8 pages, one at its second page. */
static int replace(struct scene *s, struct table *t)
{
	assert_int_equal(vio_mem_begin(t->mem), 0);
	assert_int_equal(vio_mem_remove(t->mem, 0), 0);
	assert_int_equal(table_add(s, t, 0x1000, 8, 4, 0), 0);
	return vio_mem_commit(t->mem);
}

static void a_region_that_made_way_comes_back_when_refused(void **state)
{
	struct scene *s = *state;
	struct other other;
	struct table t;

	open_table(s, &t);
	assert_int_equal(table_add(s, &t, 0, 0, 8, 0), 0);
	attach_other(s, &t, &other);
	other.is_refusing = 1;
	assert_int_equal(replace(s, &t), -EPERM);
	assert_int_equal(s->machine->space.n_maps, 1);
	check_map(s, 0, 0, 8);
	assert_int_equal(line.n, 0);
	assert_int_equal(vio_mem_detach_listener(t.mem, &other), 0);
	table_close(s, &t);
}

static void a_region_that_does_not_come_back_is_logged(void **state)
{
	struct scene *s = *state;
	struct other other;
	struct table t;

	open_table(s, &t);
	assert_int_equal(table_add(s, &t, 0, 0, 8, 0), 0);
	attach_other(s, &t, &other);
	other.is_refusing = other.is_full = 1;
	assert_int_equal(replace(s, &t), -EPERM);
	s->machine->fail_request = 0;
	assert_int_equal(s->machine->space.n_maps, 0);
	assert_int_equal(line.n, 1);
	assert_int_equal(line.level, VIO_LOG_ERROR);
	assert_non_null(strstr(line.text, "devices lose guest memory"));
	/* The table has it still, and may remove it. */
	other.is_refusing = other.is_full = 0;
	assert_int_equal(vio_mem_remove(t.mem, 0), 0);
	assert_int_equal(vio_mem_detach_listener(t.mem, &other), 0);
	table_close(s, &t);
}

/* The place of a region that was lost is free, and what comes there is not its. */
static void a_lost_regions_removal_leaves_the_callers_mapping(void **state)
{
	struct scene *s = *state;
	struct other other;
	struct table t;

	open_table(s, &t);
	assert_int_equal(table_add(s, &t, 0, 0, 8, 0), 0);
	attach_other(s, &t, &other);
	other.is_refusing = other.is_full = 1;
	assert_int_equal(replace(s, &t), -EPERM);
	s->machine->fail_request = 0;
	assert_int_equal(map_at(s, 0, 0, 8), 0);
	other.is_refusing = other.is_full = 0;
	assert_int_equal(vio_mem_remove(t.mem, 0), 0);
	check_map(s, 0, 0, 8);
	assert_int_equal(vio_iommu_unmap(s->iommu, 0), 0);
	assert_int_equal(vio_mem_detach_listener(t.mem, &other), 0);
	table_close(s, &t);
}

/* The first half begins where the whole did, in the same memory, and is not it. */
static void a_region_may_be_split_in_two(void **state)
{
	struct scene *s = *state;
	struct table t;

	open_table(s, &t);
	assert_int_equal(table_add(s, &t, 0, 0, 8, 0), 0);
	assert_int_equal(vio_mem_begin(t.mem), 0);
	assert_int_equal(vio_mem_remove(t.mem, 0), 0);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	assert_int_equal(table_add(s, &t, 0x4000, 4, 4, 0), 0);
	assert_int_equal(vio_mem_commit(t.mem), 0);
	assert_int_equal(s->machine->space.n_maps, 2);
	check_map(s, 0, 0, 4);
	check_map(s, 0x4000, 4, 4);
	table_close(s, &t);
}

/* Between its halves a region at an address that the IOMMU reserves. */
static void a_split_that_is_refused_leaves_the_whole(void **state)
{
	struct scene *s = *state;
	struct table t;

	open_table(s, &t);
	assert_int_equal(table_add(s, &t, 0, 0, 8, 0), 0);
	assert_int_equal(vio_mem_begin(t.mem), 0);
	assert_int_equal(vio_mem_remove(t.mem, 0), 0);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	assert_int_equal(table_add(s, &t, 0x4000, 4, 4, 0), 0);
	assert_int_equal(table_add(s, &t, 0xfee00000, 8, 1, 0), 0);
	assert_int_equal(vio_mem_commit(t.mem), -EINVAL);
	assert_int_equal(s->machine->space.n_maps, 1);
	check_map(s, 0, 0, 8);
	table_close(s, &t);
}

static int note_range(void *opaque, uint64_t first, uint64_t last)
{
	uint64_t *seen = opaque;

	seen[0]++;
	seen[1] = first;
	seen[2] = last;
	return 0;
}

/* Linux before 5.6: what is reserved only the kernel's refusal tells. */
static void a_container_that_tells_no_ranges_is_asked_for_all(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio;
	uint64_t seen[3] = { 0 };

	s->machine->is_old = 1;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	assert_int_equal(vio_iommu_foreach(s->iommu, note_range, seen), 0);
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], 0);
	assert_true(seen[2] == UINT64_MAX);
	assert_int_equal(map_at(s, 0xfee00000, 0, 1), -EINVAL);
	assert_int_equal(s->machine->n_map_calls, 1);
	assert_int_equal(map_at(s, SCENE_IOVA, 0, 1), 0);
}

static void a_dev_root_longer_than_its_paths_may_be_has_no_vfio(void **state)
{
	struct scene *s = *state;
	char *const dev_root = s->host.dev_root;
	char root[300];

	memset(root, 'x', sizeof(root) - 1);
	root[0] = '/';
	root[sizeof(root) - 1] = '\0';
	s->host.dev_root = root;
	assert_int_equal(scene_open_iommu(s, 0, NULL), -ENODEV);
	assert_null(s->iommu);
	s->host.dev_root = dev_root;
}

#define test_both(name)                                                                \
	{ #name " (groups)", name, scene_set_up_groups, scene_tear_down, NULL },       \
	{                                                                              \
#name " (iommufd)", name, scene_set_up_iommufd, scene_tear_down, NULL  \
	}
#define test_groups(name)                                                              \
	cmocka_unit_test_setup_teardown(name, scene_set_up_groups, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(what_the_kernel_does_not_unmap_stays_the_callers),
		test_both(a_region_that_the_kernel_does_not_unmap_is_logged),
		test_groups(an_open_batch_keeps_the_address_space),
		test_groups(without_memory_a_table_keeps_the_address_space),
		test_both(a_region_that_made_way_comes_back_when_refused),
		test_both(a_region_that_does_not_come_back_is_logged),
		test_both(a_lost_regions_removal_leaves_the_callers_mapping),
		test_both(a_region_may_be_split_in_two),
		test_both(a_split_that_is_refused_leaves_the_whole),
		test_groups(a_container_that_tells_no_ranges_is_asked_for_all),
		test_both(a_dev_root_longer_than_its_paths_may_be_has_no_vfio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
