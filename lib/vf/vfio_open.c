/* SPDX-License-Identifier: MIT */
/*
 * Opening a function. What is needed of sysfs is read first, by the dispatching
 * thread; then a lent one goes through the kernel's calls in a straight line and
 * undoes them in reverse where one fails; the result is entered by the dispatching
 * thread again. iommufd is tried first, groups where its files cannot be opened.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "vf/sysfs.h"
#include "vf/vfio.h"

#define NAME_BYTES 32u /* of a driver, a group or a device's file */

/* "vfio12" and nothing else: it becomes part of a path. */
static int is_cdev(const char *name)
{
	const size_t n = strlen(name);

	return n > 4 && n < NAME_BYTES && !memcmp(name, "vfio", 4) &&
	       strspn(name + 4, "0123456789") == n - 4;
}

static int note_cdev(void *opaque, const char *name)
{
	char *found = opaque;

	if (!is_cdev(name))
		return 0;
	memcpy(found, name, strlen(name) + 1);
	return 1;
}

/* The bus is the only difference between a VF and a mediated device. */
static void device_path(const struct vio_vfio *vfio, const char *attr,
			char path[VIO_SYSFS_PATH_BYTES])
{
	snprintf(path, VIO_SYSFS_PATH_BYTES, "bus/%s/devices/%s/%s",
		 vfio->vf->mdev[0] ? "mdev" : "pci", vfio->name, attr);
}

static int read_driver(struct vio_host *host, const struct vio_pci_addr *addr,
		       char driver[NAME_BYTES])
{
	char path[VIO_SYSFS_PATH_BYTES];
	int ret = vio_sysfs_path(addr, "driver", path);

	return ret ? ret : vio_sysfs_read_link(host, path, driver, NAME_BYTES);
}

/* Every driver of VFIO's, and no other, has the function in this folder. */
static int
find_cdev(struct vio_vfio *vfio, char name[NAME_BYTES], struct vio_error *err)
{
	struct vio_host *host = vfio->vf->host;
	char path[VIO_SYSFS_PATH_BYTES], driver[NAME_BYTES];
	int ret;

	device_path(vfio, "vfio-dev", path);
	ret = vio_sysfs_foreach(host, path, note_cdev, name);
	if (ret == 1)
		return 0;
	if (ret && ret != -ENOENT)
		return vio_fail(err, ret, "%s: its vfio-dev cannot be read",
				vfio->name);
	device_path(vfio, "driver", path);
	if (vio_sysfs_read_link(host, path, driver, NAME_BYTES))
		return vio_fail(err, -ENODEV,
				"%s: it has gone, or no driver is bound to it",
				vfio->name);
	return vio_fail(err, -ENODEV, "%s: bound to %s, which is no driver of VFIO's",
			vfio->name, driver);
}

static int find_group(struct vio_vfio *vfio, struct vio_error *err)
{
	char path[VIO_SYSFS_PATH_BYTES], name[NAME_BYTES];
	uint64_t number = 0;
	int ret;

	device_path(vfio, "iommu_group", path);
	ret = vio_sysfs_read_link(vfio->vf->host, path, name, sizeof(name));
	if (!ret)
		ret = vio_sysfs_parse_u64(name, &number);
	if (ret || number > INT32_MAX)
		return vio_fail(err, -ENODEV, "%s: in no IOMMU group, is the IOMMU on?",
				vfio->name);
	vfio->group_number = (uint32_t)number;
	return 0;
}

static int write_paths(struct vio_vfio *vfio, const char *cdev)
{
	const struct vio_host *host = vfio->vf->host;
	struct vio_vfio_job *job = &vfio->job;
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "vfio/devices/%s", cdev);
	ret = vio_vfio_path(job->cdev, host, name);
	snprintf(name, sizeof(name), "vfio/%u", vfio->group_number);
	if (!ret)
		ret = vio_vfio_path(job->group, host, name);
	if (!ret)
		ret = vio_vfio_path(job->iommufd, host, "iommu");
	if (!ret)
		ret = vio_vfio_path(job->container, host, "vfio/vfio");
	return ret;
}

/* Each in turn: what was being done, for the line, then doing it. */
static int open_dma(struct vio_vfio_job *job, const struct vio_sys *sys,
		    const char *path, uint32_t is_iommufd)
{
	int ret;

	if (job->dma.fd >= 0)
		return 0;
	job->what = path;
	ret = vio_dma_open(sys, path, is_iommufd, &job->dma);
	job->has_made_dma = !ret;
	return ret;
}

static void undo_dma(struct vio_vfio_job *job, const struct vio_sys *sys)
{
	if (job->has_made_dma)
		vio_dma_close(sys, &job->dma);
	job->has_made_dma = 0;
}

static int open_by_cdev(struct vio_vfio *vfio)
{
	const struct vio_sys *sys = vfio->env->sys;
	struct vio_vfio_job *job = &vfio->job;
	int ret = open_dma(job, sys, job->iommufd, 1);

	if (ret)
		return ret;
	job->what = job->cdev;
	ret = vio_cdev_open_function(sys, job->cdev, &job->dma);
	if (ret < 0) {
		undo_dma(job, sys);
		return ret;
	}
	vfio->fd = ret;
	return 0;
}

static int open_in_group(struct vio_vfio *vfio)
{
	const struct vio_sys *sys = vfio->env->sys;
	struct vio_vfio_job *job = &vfio->job;
	int ret;

	job->what = job->group;
	if (job->group_fd < 0) {
		ret = vio_group_open(sys, job->group, &job->dma);
		if (ret < 0)
			return ret;
		job->group_fd = ret;
		job->has_made_group = 1;
	}
	ret = vio_group_open_function(sys, job->group_fd, vfio->name);
	if (ret >= 0) {
		vfio->fd = ret;
		return 0;
	}
	if (job->has_made_group)
		sys->close(sys->opaque, job->group_fd);
	return ret;
}

static int open_by_group(struct vio_vfio *vfio)
{
	const struct vio_sys *sys = vfio->env->sys;
	struct vio_vfio_job *job = &vfio->job;
	int ret = open_dma(job, sys, job->container, 0);

	if (ret)
		return ret;
	ret = open_in_group(vfio);
	if (ret)
		undo_dma(job, sys);
	return ret;
}

/* A file that is not there, or not for us; not what came of using it. */
static int is_no_file(int ret)
{
	return ret == -ENOENT || ret == -ENODEV || ret == -ENXIO || ret == -EACCES ||
	       ret == -EPERM;
}

static int open_function(struct vio_vfio *vfio)
{
	struct vio_vfio_job *job = &vfio->job;
	int ret = -ENODEV;

	if (job->ways & VIO_IOMMU_IOMMUFD)
		ret = open_by_cdev(vfio);
	if (is_no_file(ret) && job->ways & VIO_IOMMU_TYPE1)
		ret = open_by_group(vfio);
	return ret;
}

/* All that the address space has, into the kernel's new object. */
static int map_all(struct vio_vfio *vfio)
{
	const struct vio_iommu *iommu = vfio->iommu;
	struct vio_vfio_job *job = &vfio->job;

	for (uint32_t i = 0; i < iommu->iova.n; i++) {
		const struct vio_dma_map *map = &iommu->iova.maps[i].map;
		int ret = vio_iommu_verify(&job->limits, map, &job->err);

		if (ret)
			return ret;
		ret = i < job->limits.n_maps
			      ? vio_dma_map(vfio->env->sys, &job->dma, map)
			      : -ENOSPC;
		if (ret) {
			job->refused = map;
			return ret;
		}
	}
	return 0;
}

static int settle(struct vio_vfio *vfio)
{
	const struct vio_sys *sys = vfio->env->sys;
	struct vio_vfio_job *job = &vfio->job;
	int ret;

	job->what = "its address space";
	ret = vio_dma_read_limits(sys, &job->dma, &job->limits);
	if (!ret && job->has_made_dma)
		ret = map_all(vfio);
	if (ret)
		return ret;
	job->what = "its regions";
	ret = vio_function_read_parts(sys, vfio->fd, &vfio->parts);
	if (ret)
		return ret;
	job->what = "its error and request interrupts";
	return vio_vfio_connect_signals(vfio, vfio->fd);
}

static int64_t run_open(struct vio_async_call *call)
{
	struct vio_vfio *vfio = VIO_CONTAINER_OF(call, struct vio_vfio, job.call);
	const struct vio_sys *sys = vfio->env->sys;
	struct vio_vfio_job *job = &vfio->job;
	int ret = open_function(vfio);

	if (ret)
		return ret;
	ret = settle(vfio);
	if (!ret)
		return 0;
	sys->close(sys->opaque, vfio->fd);
	if (job->has_made_group)
		sys->close(sys->opaque, job->group_fd);
	undo_dma(job, sys);
	return ret;
}

static struct vio_vfio_group *find_open_group(const struct vio_vfio *vfio)
{
	const struct vio_list *head = &vfio->iommu->groups;

	for (struct vio_list *n = head->next; n != head; n = n->next) {
		struct vio_vfio_group *group =
			VIO_CONTAINER_OF(n, struct vio_vfio_group, node);

		if (group->number == vfio->group_number)
			return group;
	}
	return NULL;
}

/* Of a kind already chosen there is one way. */
static uint32_t ways_of(const struct vio_iommu *iommu)
{
	if (iommu->dma.fd >= 0)
		return iommu->dma.is_iommufd ? VIO_IOMMU_IOMMUFD : VIO_IOMMU_TYPE1;
	return iommu->flags ? iommu->flags : VIO_IOMMU_IOMMUFD | VIO_IOMMU_TYPE1;
}

static void start_open(struct vio_vfio *vfio)
{
	const struct vio_vfio_group *group = find_open_group(vfio);
	struct vio_iommu *iommu = vfio->iommu;
	struct vio_vfio_job *job = &vfio->job;

	job->ways = ways_of(iommu);
	job->dma = iommu->dma;
	job->group_fd = group ? group->fd : -1;
	job->err.size = sizeof(job->err);
	job->call.run = run_open;
	iommu->is_frozen = iommu->dma.fd < 0;
}

/* The kernel counts what is left; the bound is on all. */
static void enter_limits(struct vio_iommu *iommu, const struct vio_vfio_job *job)
{
	const uint32_t n_mapped = job->has_made_dma ? 0 : iommu->iova.n;

	iommu->dma = job->dma;
	iommu->limits = job->limits;
	if (iommu->limits.n_maps < UINT32_MAX - n_mapped)
		iommu->limits.n_maps += n_mapped;
}

static void enter(struct vio_vfio *vfio)
{
	struct vio_iommu *iommu = vfio->iommu;
	struct vio_vfio_job *job = &vfio->job;

	enter_limits(iommu, job);
	if (job->has_made_group) {
		vfio->group->fd = job->group_fd;
		vfio->group->number = vfio->group_number;
		vio_list_append(&iommu->groups, &vfio->group->node);
	} else {
		VIO_DELETE(vfio->env, vfio->group);
		vfio->group = iommu->dma.is_iommufd ? NULL : find_open_group(vfio);
	}
	if (vfio->group)
		vfio->group->n_functions++;
	vio_list_append(&iommu->functions, &vfio->node);
	vfio->vf->vfio = vfio;
	*vfio->out = vfio;
}

/* Another function of the group whose driver is none of VFIO's. */
struct foreign {
	const struct vio_vfio *vfio;
	char peer[VIO_PCI_ADDR_TEXT_BYTES];
	char driver[NAME_BYTES];
};

static int is_harmless(const char *driver)
{
	return strstr(driver, "vfio") || !strcmp(driver, "pci-stub") ||
	       !strcmp(driver, "pcieport");
}

static int note_foreign(void *opaque, const char *name)
{
	struct foreign *f = opaque;
	struct vio_pci_addr addr;

	if (vio_pci_addr_parse(name, &addr) || !strcmp(name, f->vfio->name) ||
	    read_driver(f->vfio->vf->host, &addr, f->driver) || is_harmless(f->driver))
		return 0;
	vio_pci_addr_print(&addr, f->peer);
	return 1;
}

static int find_foreign(const struct vio_vfio *vfio, struct foreign *out)
{
	char path[VIO_SYSFS_PATH_BYTES];

	*out = (struct foreign){ .vfio = vfio };
	device_path(vfio, "iommu_group/devices", path);
	return vio_sysfs_foreach(vfio->vf->host, path, note_foreign, out) == 1;
}

static int fail_peer(const struct vio_vfio *vfio, const struct foreign *foreign,
		     struct vio_error *err)
{
	return vio_fail(err, -EXDEV,
			"%s: %s of its IOMMU group %u is bound to %s: bind it to "
			"vfio-pci too",
			vfio->name, foreign->peer, vfio->group_number, foreign->driver);
}

/*
 * A group that is not viable is refused as such, a function with its own file as
 * busy: then it is the group if a foreign driver is in it.
 */
static int explain(const struct vio_vfio *vfio, int result, struct vio_error *err)
{
	const struct vio_vfio_job *job = &vfio->job;
	struct foreign foreign;

	if ((result == -EXDEV || result == -EBUSY) && find_foreign(vfio, &foreign))
		return fail_peer(vfio, &foreign, err);
	if (result == -EXDEV)
		return vio_fail(err, result, "%s: its IOMMU group %u is not viable",
				vfio->name, vfio->group_number);
	if (result == -EBUSY)
		return vio_fail(err, result, "%s: another process has it open (%s)",
				vfio->name, job->what);
	if (result == -EACCES || result == -EPERM)
		return vio_fail(err, result,
				"%s: %s may not be opened: give it to this user",
				vfio->name, job->what);
	if (job->refused)
		return vio_iommu_fail_map(vfio->iommu, job->refused, result, err);
	if (job->err.code)
		return vio_fail(err, result, "%s: %.200s", vfio->name, job->err.text);
	return vio_fail(err, result, "%s: %s: %s", vfio->name, job->what,
			strerror(-result));
}

static void end_open(struct vio_vfio *vfio, int result)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_iommu *iommu = vfio->iommu;
	struct vio_vf *vf = vfio->vf;

	if (!result) {
		enter(vfio);
		vio_vfio_tell_early(vfio);
		vio_vfio_start_next(iommu);
		vio_vfio_end(vfio, 0, NULL);
		return;
	}
	result = explain(vfio, result, &err);
	if (vf->info.state != VIO_VF_LOST)
		vf->info.state = vfio->state;
	VIO_DELETE(vfio->env, vfio->group);
	vio_vfio_destroy(vfio);
	vio_vfio_start_next(iommu);
	vio_vfio_end_closed(vf, vf->info.state, result, &err);
}

int vio_vfio_prepare_open(struct vio_vfio *vfio, struct vio_error *err)
{
	char cdev[NAME_BYTES];
	int ret = find_cdev(vfio, cdev, err);

	if (!ret)
		ret = find_group(vfio, err);
	if (ret)
		return ret;
	if (write_paths(vfio, cdev))
		return vio_fail(err, -ENAMETOOLONG, "%s: dev_root is too long",
				vfio->name);
	/* Taken now, so that nothing can fail once the kernel has said yes. */
	vfio->group = VIO_NEW(vfio->env, struct vio_vfio_group);
	if (!vfio->group)
		return vio_fail(err, -ENOMEM, "%s: no memory", vfio->name);
	vfio->job.what = "waiting for its turn";
	vfio->job.start = start_open;
	vfio->job.end = end_open;
	return 0;
}
