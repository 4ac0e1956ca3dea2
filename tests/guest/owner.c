/* SPDX-License-Identifier: MIT */
/*
 * Waiting is a poll of the context's descriptor, with a bound that only a hang
 * reaches: an emulated machine on a loaded host is slow, and nothing more.
 */
#include <errno.h>
#include <poll.h>

#include "ctx.h"
#include "owner.h"

#define WAIT_MS 60000

struct end {
	struct owner *owner;
	uint32_t is_done;
	int result;
};

static void note_end(void *opaque, int result, const struct vio_error *err)
{
	struct end *end = opaque;

	end->is_done = 1;
	end->result = result;
	if (err)
		end->owner->err = *err;
}

/* One turn of the loop. A completion of io_uring may interrupt the wait. */
static int turn(struct owner *owner)
{
	struct pollfd fds[] = {
		{ .fd = vio_ctx_get_fd(owner->ctx), .events = POLLIN },
		{ .fd = owner->tick_fd, .events = POLLIN },
	};
	int ret = poll(fds, 2, WAIT_MS);

	if (ret <= 0)
		return !ret ? -ETIME : errno == EINTR ? 0 : -errno;
	if (fds[1].revents)
		owner->tick(owner->tick_opaque);
	ret = fds[0].revents ? vio_ctx_dispatch(owner->ctx, 16) : 0;
	return ret < 0 ? ret : 0;
}

int owner_wait(struct owner *owner, const uint32_t *value)
{
	int ret = 0;

	while (!ret && !*value)
		ret = turn(owner);
	return ret;
}

int owner_wait_zero(struct owner *owner, const uint32_t *value)
{
	int ret = 0;

	while (!ret && *value)
		ret = turn(owner);
	return ret;
}

/* Waits for an operation that began with @ret. */
static int wait_end(struct end *end, int ret)
{
	if (!ret)
		ret = owner_wait(end->owner, &end->is_done);
	return ret ? ret : end->result;
}

static struct end begin(struct owner *owner)
{
	owner->err = (struct vio_error)VIO_ERROR_INIT;
	return (struct end){ .owner = owner };
}

static _Thread_local int is_worker;

int owner_is_worker(void)
{
	return is_worker;
}

static void *lend(void *opaque)
{
	is_worker = 1;
	(void)vio_ctx_work(opaque);
	return NULL;
}

static int open_host(struct owner *owner, const char *name)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	int ret = 0;

	owner->tick_fd = -1;
	for (uint32_t i = 0; i < OWNER_WORKERS && !ret; i++)
		ret = pthread_create(&owner->workers[i], NULL, lend, owner->ctx);
	if (ret)
		return -ret;
	params.owner = name;
	return vio_host_open(owner->ctx, &params, &owner->host, &owner->err);
}

int owner_open(struct owner *owner, const char *name)
{
	return owner_open_flags(owner, name, 0);
}

int owner_open_flags(struct owner *owner, const char *name, uint32_t flags)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	int ret;

	(void)begin(owner);
	params.flags = VIO_CTX_LENDS_THREAD | flags;
	ret = vio_ctx_create(&params, &owner->ctx, &owner->err);
	return ret ? ret : open_host(owner, name);
}

int owner_open_on(struct owner *owner, const char *name, const struct vio_sys *sys)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	int ret;

	(void)begin(owner);
	params.flags = VIO_CTX_LENDS_THREAD | VIO_CTX_NO_URING;
	ret = vio_ctx_create_on(&params, sys, &owner->ctx, &owner->err);
	return ret ? ret : open_host(owner, name);
}

int owner_close(struct owner *owner)
{
	int ret;

	(void)begin(owner);
	ret = vio_host_close(owner->host, &owner->err);
	if (ret)
		return ret;
	ret = vio_ctx_abort_work(owner->ctx);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < OWNER_WORKERS; i++)
		pthread_join(owner->workers[i], NULL);
	return vio_ctx_destroy(owner->ctx, &owner->err);
}

int owner_claim(struct owner *owner, const struct vio_vf_request *request,
		struct vio_vf **out)
{
	struct end end = begin(owner);

	return wait_end(&end, vio_vf_claim(owner->host, request, out, note_end, &end,
					   &owner->err));
}

int owner_release(struct owner *owner, struct vio_vf *vf)
{
	struct end end = begin(owner);

	return wait_end(&end, vio_vf_release(vf, note_end, &end, &owner->err));
}

int owner_configure(struct owner *owner, struct vio_vf *vf,
		    const struct vio_vf_config *config)
{
	struct end end = begin(owner);

	return wait_end(
		&end, vio_vf_configure(vf, config, NULL, note_end, &end, &owner->err));
}

int owner_recover(struct owner *owner, struct vio_vf_recovery *out)
{
	struct end end = begin(owner);

	*out = (struct vio_vf_recovery)VIO_VF_RECOVERY_INIT;
	return wait_end(
		&end, vio_host_recover(owner->host, out, note_end, &end, &owner->err));
}

int owner_pause(struct owner *owner, struct vio_vf *vf, uint64_t timeout_ns)
{
	struct end end = begin(owner);

	return wait_end(&end,
			vio_vf_pause(vf, timeout_ns, note_end, &end, &owner->err));
}

int owner_resume(struct owner *owner, struct vio_vf *vf, const struct vio_pci_addr *to)
{
	struct end end = begin(owner);

	return wait_end(&end, vio_vf_resume(vf, to, note_end, &end, &owner->err));
}

int owner_resize(struct owner *owner, const struct vio_pci_addr *pf,
		 const struct vio_resize_params *params, struct vio_resize_times *times)
{
	struct end end = begin(owner);

	return wait_end(&end, vio_host_resize(owner->host, pf, params, times, note_end,
					      &end, &owner->err));
}

int owner_open_function(struct owner *owner, struct vio_vf *vf, struct vio_iommu *iommu,
			void (*requested)(void *opaque, struct vio_vfio *vfio),
			void *opaque, struct vio_vfio **out)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct end end = begin(owner);

	params.iommu = iommu;
	params.requested = requested;
	params.opaque = opaque;
	return wait_end(&end,
			vio_vfio_open(vf, &params, out, note_end, &end, &owner->err));
}

int owner_reset_function(struct owner *owner, struct vio_vfio *vfio)
{
	struct end end = begin(owner);

	return wait_end(&end, vio_vfio_reset(vfio, note_end, &end, &owner->err));
}

int owner_close_function(struct owner *owner, struct vio_vfio *vfio)
{
	struct end end = begin(owner);

	return wait_end(&end, vio_vfio_close(vfio, note_end, &end, &owner->err));
}

/* A VF has no vendor of its own in configuration space; the kernel's copy has. */
static int read_vendor(struct vio_vfio *vfio)
{
	uint16_t vendor = 0;
	const int ret =
		vio_vfio_read(vfio, VIO_VFIO_CONFIG_REGION, 0, &vendor, sizeof(vendor));

	return ret < 0 ? ret : vendor == 0 || vendor == 0xffff ? -EIO : 0;
}

static int use_opened(struct owner *owner, struct vio_vf *vf, struct vio_iommu *iommu)
{
	struct vio_vfio *vfio = NULL;
	int ret, closed;

	ret = owner_open_function(owner, vf, iommu, NULL, NULL, &vfio);
	if (ret)
		return ret;
	ret = read_vendor(vfio);
	closed = owner_close_function(owner, vfio);
	return ret ? ret : closed;
}

int owner_use(struct owner *owner, struct vio_vf *vf)
{
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;
	struct vio_iommu *iommu = NULL;
	int ret, closed;

	ret = vio_iommu_open(owner->host, &params, &iommu, &owner->err);
	if (ret)
		return ret;
	ret = use_opened(owner, vf, iommu);
	closed = vio_iommu_close(iommu, NULL);
	return ret ? ret : closed;
}
