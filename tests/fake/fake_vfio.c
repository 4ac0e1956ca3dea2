/* SPDX-License-Identifier: MIT */
/*
 * Groups and functions of the fake VFIO. BAR 0 has an MSI-X table in its second
 * page, BAR 2 can be mapped whole, BAR 4 not at all; there is no other. Descriptors
 * of functions are opened by way of nodes that no path in use leads to.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake/fake_vfio.h"
#include "fake/support.h"
#include "sys/uapi/iommufd.h"
#include "sys/uapi/vfio_migration.h"

#define REGION_SHIFT 40

static void disconnect(struct fake_vfio_irqs *irqs)
{
	for (uint32_t i = 0; i < irqs->n; i++)
		if (irqs->fds[i] >= 0)
			close(irqs->fds[i]);
	irqs->n = 0;
}

static void close_function(void *opaque, int fd)
{
	struct fake_vfio_function *f = opaque;

	(void)fd;
	pthread_mutex_lock(&f->machine->lock);
	for (size_t i = 0; i < 5; i++)
		disconnect(&f->irqs[i]);
	if (f->is_bound)
		fake_vfio_leave(f->machine);
	f->is_bound = 0;
	f->is_open = 0;
	fake_migration_reset(&f->migration);
	pthread_mutex_unlock(&f->machine->lock);
}

static int vectors_of(uint32_t index)
{
	return index == VFIO_PCI_MSIX_IRQ_INDEX ? FAKE_VFIO_VECTORS : 1;
}

static int connect_irqs(struct fake_vfio_function *f, const struct vfio_irq_set *set)
{
	struct fake_vfio_irqs *irqs = &f->irqs[set->index];
	int32_t fds[FAKE_VFIO_VECTORS];

	if (set->index < 3)
		for (uint32_t i = 0; i < 3; i++)
			if (i != set->index && f->irqs[i].n)
				return -EINVAL;
	if (irqs->n && set->count > irqs->n)
		return -EINVAL;
	if (set->count > f->n_ready_vectors)
		return (int)f->n_ready_vectors;
	memcpy(fds, set->data, set->count * sizeof(*fds));
	for (uint32_t i = 0; i < set->count; i++)
		if (fds[i] >= 0 && fcntl(fds[i], F_GETFD) < 0)
			return -EBADF;
	disconnect(irqs);
	for (uint32_t i = 0; i < set->count; i++)
		irqs->fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
	irqs->n = set->count;
	return 0;
}

static void raise_one(const struct fake_vfio_irqs *irqs, uint32_t vector)
{
	const uint64_t one = 1;

	assert_true(vector < irqs->n);
	assert_int_equal(write(irqs->fds[vector], &one, sizeof(one)), sizeof(one));
}

static int set_irqs(struct fake_vfio_function *f, const struct vfio_irq_set *set)
{
	int ret;

	f->n_irq_calls++;
	if (set->index >= 5 || set->start || (int)set->count > vectors_of(set->index))
		return -EINVAL;
	if (set->flags == (VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE)) {
		disconnect(&f->irqs[set->index]);
		return set->count ? -EINVAL : 0;
	}
	if (set->flags != (VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD) ||
	    set->argsz < sizeof(*set) + set->count * sizeof(int32_t))
		return -EINVAL;
	ret = connect_irqs(f, set);
	if (!ret && f->raises & 1u << set->index)
		raise_one(&f->irqs[set->index], 0);
	return ret;
}

static void put_areas(const struct fake_vfio *m, struct vfio_region_info *info)
{
	const uint32_t first = 64;
	struct vfio_region_info_cap_sparse_mmap *cap = (void *)((char *)info + first);

	assert_true(info->argsz >= 256);
	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	/* One in front of what is looked for; the chain may end there. */
	info->cap_offset = 32;
	((struct vfio_info_cap_header *)(void *)((char *)info + 32))->id =
		VFIO_REGION_INFO_CAP_TYPE;
	((struct vfio_info_cap_header *)(void *)((char *)info + 32))->next =
		m->is_chain_looping ? 32 : first;
	cap->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	cap->nr_areas = 3;
	cap->areas[0].offset = 0;
	cap->areas[0].size = FAKE_VFIO_MSIX_PAGE;
	cap->areas[1].offset = 2 * FAKE_VFIO_MSIX_PAGE;
	cap->areas[1].size = FAKE_VFIO_BAR_BYTES - 2 * FAKE_VFIO_MSIX_PAGE;
	/* Beyond the BAR: not to be believed. */
	cap->areas[2].offset = FAKE_VFIO_BAR_BYTES;
	cap->areas[2].size = FAKE_VFIO_BAR_BYTES;
}

static int
read_region(const struct fake_vfio_function *f, struct vfio_region_info *info)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	if (info->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	info->offset = (uint64_t)info->index << REGION_SHIFT;
	info->size = 0;
	info->flags = 0;
	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info->size = f->config_bytes;
		info->flags = rw;
	} else if (info->index <= 4 && !(info->index & 1)) {
		info->size = FAKE_VFIO_BAR_BYTES;
		info->flags = rw | (info->index < 4 ? VFIO_REGION_INFO_FLAG_MMAP : 0);
	}
	if (!info->index)
		put_areas(f->machine, info);
	return 0;
}

static int read_irq(struct vfio_irq_info *info)
{
	if (info->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	info->count = (uint32_t)vectors_of(info->index);
	return 0;
}

static int call_function(struct fake_vfio_function *f, unsigned long request, void *a)
{
	struct vfio_device_info *info = a;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = f->device_flags;
		info->num_regions = VFIO_PCI_NUM_REGIONS;
		info->num_irqs = VFIO_PCI_NUM_IRQS;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return read_region(f, a);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return read_irq(a);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(f, a);
	case VFIO_DEVICE_RESET:
		f->n_resets++;
		fake_migration_reset(&f->migration);
		return 0;
	case VIO_UAPI_DEVICE_FEATURE:
		return fake_migration_call(&f->migration, a);
	}
	return -ENOTTY;
}

/* Under the lock, before each request. */
static void note_request(struct fake_vfio *m, unsigned long request)
{
	if (request == m->gone_request)
		m->functions[0].is_gone = 1;
}

static int function_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	struct fake_vfio_function *f = opaque;
	int ret;

	(void)fd;
	pthread_mutex_lock(&f->machine->lock);
	note_request(f->machine, request);
	if (f->is_gone)
		ret = -ENODEV;
	else if (request == f->machine->fail_request)
		ret = f->machine->fail_code;
	else
		ret = call_function(f, request, argument);
	pthread_mutex_unlock(&f->machine->lock);
	return ret;
}

/* One that has gone: the vendor and device are VFIO's own, the rest all ones. */
static void read_gone(const struct fake_vfio_function *f, int is_config, uint8_t *buf,
		      size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = is_config && at + i < 4 ? f->config[at + i] : 0xff;
}

static ssize_t
function_access(void *opaque, void *buf, size_t n, off_t offset, int is_write)
{
	struct fake_vfio_function *f = opaque;
	const uint32_t index = (uint32_t)(offset >> REGION_SHIFT);
	const size_t at = (size_t)(offset & ((INT64_C(1) << REGION_SHIFT) - 1));
	const int is_config = index == VFIO_PCI_CONFIG_REGION_INDEX;

	if (at + n > (is_config ? f->config_bytes : FAKE_VFIO_BAR_BYTES))
		return -EINVAL;
	if (f->is_gone && !is_write)
		read_gone(f, is_config, buf, n, at);
	else if (is_config && !f->is_gone)
		memcpy(is_write ? f->config + at : buf, is_write ? buf : f->config + at,
		       n);
	else if (!f->is_gone)
		return is_write ? pwrite(f->bar_fd, buf, n, (off_t)at)
				: pread(f->bar_fd, buf, n, (off_t)at);
	return (ssize_t)n;
}

static int function_map(void *opaque, off_t *offset)
{
	const struct fake_vfio_function *f = opaque;

	*offset &= (INT64_C(1) << REGION_SHIFT) - 1;
	return f->bar_fd;
}

static int
bind_function(struct fake_vfio_function *f, const struct vio_uapi_bind_iommufd *bind)
{
	struct fake_vfio *m = f->machine;

	if (f->is_open || bind->iommufd != m->space.fd || bind->flags)
		return -EINVAL;
	for (uint32_t i = 0; i < m->n_groups; i++)
		if (m->groups[i].number == f->group &&
		    (!m->groups[i].is_viable || m->groups[i].is_held))
			return m->groups[i].is_viable ? -EINVAL : -EBUSY;
	f->is_open = 1;
	f->n_resets++;
	return 0;
}

static int attach_function(struct fake_vfio_function *f,
			   const struct vio_uapi_attach_iommufd_pt *a)
{
	if (!f->is_open || f->is_bound || a->pt_id != 7)
		return -EINVAL;
	f->is_bound = 1;
	f->machine->space.n_attached++;
	return 0;
}

static int cdev_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	struct fake_vfio_function *f = opaque;
	int ret;

	if (request != VIO_UAPI_BIND_IOMMUFD && request != VIO_UAPI_ATTACH_IOMMUFD_PT)
		return function_ioctl(opaque, fd, request, argument);
	pthread_mutex_lock(&f->machine->lock);
	note_request(f->machine, request);
	if (f->is_gone)
		ret = -ENODEV;
	else if (request == f->machine->fail_request)
		ret = f->machine->fail_code;
	else if (request == VIO_UAPI_BIND_IOMMUFD)
		ret = bind_function(f, argument);
	else
		ret = attach_function(f, argument);
	pthread_mutex_unlock(&f->machine->lock);
	return ret;
}

static int open_group(void *opaque, int fd)
{
	struct fake_vfio_group *g = opaque;

	if (g->fd >= 0 || g->is_held)
		return -EBUSY;
	g->fd = fd;
	return 0;
}

static void close_group(void *opaque, int fd)
{
	struct fake_vfio_group *g = opaque;

	(void)fd;
	pthread_mutex_lock(&g->machine->lock);
	for (uint32_t i = 0; i < g->machine->n_functions; i++)
		if (g->machine->functions[i].group == g->number)
			assert_false(g->machine->functions[i].is_open);
	if (g->container_fd >= 0)
		fake_vfio_leave(g->machine);
	g->container_fd = -1;
	g->fd = -1;
	pthread_mutex_unlock(&g->machine->lock);
}

static int join(struct fake_vfio_group *g, int container_fd)
{
	if (g->container_fd >= 0 || !g->is_viable ||
	    container_fd != g->machine->space.fd || g->machine->space.is_iommufd)
		return -EINVAL;
	g->container_fd = container_fd;
	g->machine->space.n_attached++;
	return 0;
}

static struct fake_vfio_function *
find_function(struct fake_vfio_group *g, const char *name)
{
	for (uint32_t i = 0; i < g->machine->n_functions; i++) {
		struct fake_vfio_function *f = &g->machine->functions[i];

		if (f->group == g->number && !strcmp(f->name, name) && !f->is_gone)
			return f;
	}
	return NULL;
}

static int open_function(struct fake_vfio_group *g, const char *name)
{
	const struct vio_sys *sys = vio_fake_get_sys(g->machine->fake);
	struct fake_vfio_function *f = find_function(g, name);
	char path[96];

	if (g->container_fd < 0 || !g->machine->space.is_set)
		return -EINVAL;
	if (!f)
		return -ENODEV;
	if (f->is_open)
		return -EBUSY;
	f->is_open = 1;
	f->n_resets++;
	snprintf(path, sizeof(path), FAKE_VFIO_DEV "/nodes/%s", name);
	return sys->openat(sys->opaque, AT_FDCWD, path, O_RDWR, 0);
}

static int call_group(struct fake_vfio_group *g, unsigned long request, void *argument)
{
	struct vfio_group_status *status = argument;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		status->flags = g->is_viable ? VFIO_GROUP_FLAGS_VIABLE : 0;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		return join(g, *(int *)argument);
	case VFIO_GROUP_GET_DEVICE_FD:
		return open_function(g, argument);
	}
	return -ENOTTY;
}

static int group_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	struct fake_vfio_group *g = opaque;
	int ret;

	(void)fd;
	pthread_mutex_lock(&g->machine->lock);
	note_request(g->machine, request);
	ret = request == g->machine->fail_request ? g->machine->fail_code
						  : call_group(g, request, argument);
	pthread_mutex_unlock(&g->machine->lock);
	return ret;
}

static struct fake_vfio_group *add_group(struct fake_vfio *m, uint32_t number)
{
	struct fake_vfio_group *g;
	char path[64];

	for (uint32_t i = 0; i < m->n_groups; i++)
		if (m->groups[i].number == number)
			return &m->groups[i];
	assert_true(m->n_groups < FAKE_VFIO_FUNCTIONS);
	g = &m->groups[m->n_groups++];
	*g = (struct fake_vfio_group){
		.machine = m,
		.number = number,
		.fd = -1,
		.container_fd = -1,
		.is_viable = 1,
		.file = { open_group, close_group, group_ioctl, NULL, NULL, g },
	};
	snprintf(path, sizeof(path), FAKE_VFIO_DEV "/vfio/%u", number);
	vio_fake_add_device(m->fake, path, &g->file);
	return g;
}

static void add_sysfs(struct fake_vfio *m, const char *bus, const char *name,
		      uint32_t group, const char *driver)
{
	char path[160], target[160];

	snprintf(path, sizeof(path), FAKE_VFIO_SYSFS "/bus/%s/devices/%s/driver", bus,
		 name);
	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	vio_fake_add_link(m->fake, path, target);
	snprintf(path, sizeof(path), FAKE_VFIO_SYSFS "/bus/%s/devices/%s/iommu_group",
		 bus, name);
	snprintf(target, sizeof(target), FAKE_VFIO_SYSFS "/kernel/iommu_groups/%u",
		 group);
	vio_fake_add_link(m->fake, path, target);
	snprintf(path, sizeof(path),
		 FAKE_VFIO_SYSFS "/kernel/iommu_groups/%u/devices/%s", group, name);
	vio_fake_add_dir(m->fake, path);
}

static void fill_function(struct fake_vfio *m, struct fake_vfio_function *f,
			  const char *name, uint32_t group)
{
	static const uint8_t config[] = { 0x86, 0x80, 0xca, 0x10, 0, 0, 0x10, 0 };

	*f = (struct fake_vfio_function){
		.machine = m,
		.group = group,
		.config_bytes = sizeof(f->config),
		.device_flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		.bar_fd = memfd_create("bar", MFD_CLOEXEC),
		.n_ready_vectors = FAKE_VFIO_VECTORS,
		.node = { NULL, close_function, function_ioctl, function_access,
			  function_map, f },
	};
	f->file = f->node;
	f->file.ioctl = cdev_ioctl;
	snprintf(f->name, sizeof(f->name), "%s", name);
	memcpy(f->config, config, sizeof(config));
	assert_true(f->bar_fd >= 0);
	assert_int_equal(ftruncate(f->bar_fd, FAKE_VFIO_BAR_BYTES), 0);
}

static struct fake_vfio_function *add_device(struct fake_vfio *m, const char *bus,
					     const char *name, uint32_t group,
					     const char *driver)
{
	struct fake_vfio_function *f = &m->functions[m->n_functions];
	char path[160];

	assert_true(m->n_functions < FAKE_VFIO_FUNCTIONS);
	fill_function(m, f, name, group);
	add_group(m, group);
	add_sysfs(m, bus, name, group, driver);
	fake_migration_prepare(&f->migration, m->fake, name);
	snprintf(path, sizeof(path),
		 FAKE_VFIO_SYSFS "/bus/%s/devices/%s/vfio-dev/vfio%u", bus, name,
		 m->n_functions);
	vio_fake_add_dir(m->fake, path);
	snprintf(path, sizeof(path), FAKE_VFIO_DEV "/nodes/%s", name);
	vio_fake_add_device(m->fake, path, &f->node);
	if (m->iommufd.opaque) {
		snprintf(path, sizeof(path), FAKE_VFIO_DEV "/vfio/devices/vfio%u",
			 m->n_functions);
		vio_fake_add_device(m->fake, path, &f->file);
	}
	m->n_functions++;
	return f;
}

struct fake_vfio_function *
fake_vfio_add_function(struct fake_vfio *m, const char *name, uint32_t group)
{
	return add_device(m, "pci", name, group, "vfio-pci");
}

struct fake_vfio_function *
fake_vfio_add_mdev(struct fake_vfio *m, const char *uuid, uint32_t group)
{
	return add_device(m, "mdev", uuid, group, "mtty");
}

void fake_vfio_add_foreign(struct fake_vfio *m, const char *name, uint32_t group,
			   const char *driver)
{
	add_group(m, group)->is_viable = 0;
	add_sysfs(m, "pci", name, group, driver);
}

void fake_vfio_fire(struct fake_vfio_function *f, uint32_t index, uint32_t vector)
{
	pthread_mutex_lock(&f->machine->lock);
	raise_one(&f->irqs[index], vector);
	pthread_mutex_unlock(&f->machine->lock);
}

struct fake_vfio *fake_vfio_create(struct vio_fake *fake, int has_iommufd)
{
	struct fake_vfio *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->fake = fake;
	pthread_mutex_init(&m->lock, NULL);
	m->ranges[0][1] = 0xfedfffff;
	m->ranges[1][0] = 0xfef00000;
	m->ranges[1][1] = 0xffffffffffff;
	m->n_ranges = 2;
	m->n_maps_max = 16;
	m->locked_bytes_max = UINT64_MAX;
	fake_vfio_fill_dma(m);
	vio_fake_add_device(fake, FAKE_VFIO_DEV "/vfio/vfio", &m->container);
	if (has_iommufd)
		vio_fake_add_device(fake, FAKE_VFIO_DEV "/iommu", &m->iommufd);
	else
		m->iommufd.opaque = NULL;
	return m;
}

void fake_vfio_destroy(struct fake_vfio *m)
{
	for (uint32_t i = 0; i < m->n_functions; i++) {
		assert_false(m->functions[i].is_open);
		close(m->functions[i].bar_fd);
	}
	assert_int_equal(m->space.fd, -1);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
