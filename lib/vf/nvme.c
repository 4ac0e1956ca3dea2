/* SPDX-License-Identifier: MIT */
/*
 * Queues and interrupts that an NVMe controller gives to a secondary one (Base
 * Specification 2.0, 8.26). They change only while that is offline, in four steps;
 * when one fails, the same steps lead back to what was found. Each is an ioctl that
 * waits for the device, so a lent thread makes it.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/list.h"
#include "sys/sys.h"
#include "vf/setting_kind.h"
#include "vf/sysfs.h"

#define VQ_MIN 2u /* less cannot go online */

static const uint32_t actions[] = {
	VIO_NVME_OFFLINE,
	VIO_NVME_ASSIGN | VIO_NVME_VQ,
	VIO_NVME_ASSIGN | VIO_NVME_VI,
	VIO_NVME_ONLINE,
};
#define STEPS VIO_ARRAY_SIZE(actions)

static const struct {
	uint32_t status;
	int result;
} results[] = {
	{ VIO_NVME_STATUS_OPCODE, -EOPNOTSUPP },
	{ VIO_NVME_STATUS_FIELD, -EINVAL },
	{ VIO_NVME_STATUS_CONTROLLER, -ENODEV },
	{ VIO_NVME_STATUS_SECONDARY_STATE, -EBUSY },
	{ VIO_NVME_STATUS_RESOURCES, -ENOSPC },
	{ VIO_NVME_STATUS_RESOURCE_ID, -EOPNOTSUPP },
};

/* What the ioctl returned: -errno, or the status that the controller completed with. */
static int result_of(int64_t ret)
{
	if (ret <= 0)
		return (int)ret;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(results); i++)
		if (results[i].status == (ret & VIO_NVME_STATUS_MASK))
			return results[i].result;
	return -EREMOTEIO;
}

static struct vio_setting *setting_of(struct vio_async_call *ioctl)
{
	return VIO_CONTAINER_OF(ioctl, struct vio_setting, nvme.ioctl);
}

static void close_controller(struct vio_setting *setting)
{
	const struct vio_sys *sys = setting->host->env->sys;

	(void)sys->close(sys->opaque, setting->nvme.fd);
}

static void finish(struct vio_setting *setting, int result)
{
	close_controller(setting);
	setting->ended(setting, result);
}

static int submit(struct vio_setting *setting,
		  void (*done)(struct vio_async_call *ioctl, int64_t ret))
{
	struct vio_nvme_call *nvme = &setting->nvme;

	nvme->ioctl = (struct vio_async_call){
		.op = VIO_ASYNC_IOCTL,
		.fd = nvme->fd,
		.request = NVME_IOCTL_ADMIN_CMD,
		.buf = &nvme->command,
		.done = done,
	};
	return vio_async_submit(setting->host->async, &nvme->ioctl);
}

static void action_done(struct vio_async_call *ioctl, int64_t ret);

static uint32_t resources_of(uint32_t action, const struct vio_nvme_secondary *to)
{
	if (action == (VIO_NVME_ASSIGN | VIO_NVME_VQ))
		return to->n_vq;
	return action == (VIO_NVME_ASSIGN | VIO_NVME_VI) ? to->n_vi : 0;
}

static int submit_action(struct vio_setting *setting)
{
	struct vio_nvme_call *nvme = &setting->nvme;
	const struct vio_nvme_secondary *to =
		nvme->is_undoing ? &nvme->found : &nvme->want;
	const uint32_t action = actions[nvme->step];

	nvme->command = (struct nvme_admin_cmd){
		.opcode = VIO_NVME_VIRTUALIZATION,
		.cdw10 = action | nvme->found.controller << 16,
		.cdw11 = resources_of(action, to),
	};
	return submit(setting, action_done);
}

/* The step that is due, or the end. What is not to be online is left offline. */
static void go_on(struct vio_setting *setting)
{
	struct vio_nvme_call *nvme = &setting->nvme;
	const int is_online =
		nvme->is_undoing ? nvme->found.is_online : nvme->want.is_online;
	int ret;

	if (nvme->step == STEPS - !is_online) {
		finish(setting, nvme->result);
		return;
	}
	ret = submit_action(setting);
	if (ret)
		finish(setting, nvme->result ? nvme->result : ret);
}

/* On the way back every step is tried: what one leaves the next may still mend. */
static void action_done(struct vio_async_call *ioctl, int64_t ret)
{
	struct vio_setting *setting = setting_of(ioctl);
	struct vio_nvme_call *nvme = &setting->nvme;
	const int result = result_of(ret);

	if (!result || nvme->is_undoing) {
		nvme->step++;
	} else {
		nvme->result = result;
		nvme->is_undoing = 1;
		nvme->step = 0;
	}
	go_on(setting);
}

static uint32_t read_u16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

/* 1: found; 0: not in this part of the list, which may go on at nvme->first. */
static int
find_secondary(struct vio_nvme_call *nvme, uint32_t vf_index, int *out_is_more)
{
	const uint32_t n = nvme->list[0];

	*out_is_more = n == VIO_NVME_LIST_MAX;
	for (uint32_t i = 0; i < n && i < VIO_NVME_LIST_MAX; i++) {
		const uint8_t *entry = nvme->list + (i + 1) * VIO_NVME_ENTRY_BYTES;
		const uint32_t controller = read_u16(entry + VIO_NVME_ENTRY_CONTROLLER);

		/* A list that goes back could be asked for without end. */
		if (controller < nvme->first)
			return -EBADMSG;
		nvme->first = controller + 1;
		/* VFs are numbered from 1. */
		if (read_u16(entry + VIO_NVME_ENTRY_VF) != vf_index + 1)
			continue;
		nvme->found = (struct vio_nvme_secondary){
			.controller = controller,
			.is_online = entry[VIO_NVME_ENTRY_STATE] & 1,
			.n_vq = read_u16(entry + VIO_NVME_ENTRY_VQ),
			.n_vi = read_u16(entry + VIO_NVME_ENTRY_VI),
		};
		return 1;
	}
	return 0;
}

static void list_read(struct vio_async_call *ioctl, int64_t ret);

static int submit_list(struct vio_setting *setting)
{
	struct vio_nvme_call *nvme = &setting->nvme;

	memset(nvme->list, 0, sizeof(nvme->list));
	nvme->command = (struct nvme_admin_cmd){
		.opcode = VIO_NVME_IDENTIFY,
		.addr = (uint64_t)(uintptr_t)nvme->list,
		.data_len = sizeof(nvme->list),
		.cdw10 = VIO_NVME_CNS_SECONDARY | nvme->first << 16,
	};
	return submit(setting, list_read);
}

static void use_found(struct vio_setting *setting)
{
	struct vio_vf_config *config = &setting->call->config;

	if (setting->nvme.is_set) {
		go_on(setting);
		return;
	}
	config->nvme_vq = setting->nvme.found.n_vq;
	config->nvme_vi = setting->nvme.found.n_vi;
	config->fields |= VIO_VF_NVME;
	finish(setting, 0);
}

/* A controller that knows no such list has no virtual functions to give to. */
static void list_read(struct vio_async_call *ioctl, int64_t ret)
{
	struct vio_setting *setting = setting_of(ioctl);
	struct vio_nvme_call *nvme = &setting->nvme;
	int result = result_of(ret), is_more;

	if (!result)
		result = find_secondary(nvme, setting->call->vf_index, &is_more);
	else if (result == -EINVAL)
		result = -EOPNOTSUPP;
	if (result == 1) {
		use_found(setting);
		return;
	}
	if (!result && is_more && nvme->first <= UINT16_MAX)
		result = submit_list(setting);
	else if (!result)
		result = -ENODEV;
	if (result)
		finish(setting, result);
}

static int open_controller(struct vio_setting *setting)
{
	struct vio_host *host = setting->host;
	const struct vio_sys *sys = host->env->sys;
	char name[VIO_HOST_DRIVER_BYTES], path[PATH_MAX];
	int n, ret;

	ret = vio_setting_find_name(host, &setting->call->pf, "nvme", name,
				    sizeof(name));
	if (ret)
		return ret;
	n = snprintf(path, sizeof(path), "%s/%s", host->dev_root, name);
	if (n < 0 || n >= (int)sizeof(path))
		return -ENAMETOOLONG;
	/* Opening waits for nothing: a controller that is busy says so. */
	ret = sys->openat(sys->opaque, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	if (ret < 0)
		return ret;
	setting->nvme.fd = ret;
	return 0;
}

static int begin(struct vio_setting *setting, uint32_t is_set)
{
	const struct vio_vf_config *config = &setting->call->config;
	struct vio_nvme_call *nvme = &setting->nvme;
	int ret;

	ret = open_controller(setting);
	if (ret)
		return ret;
	nvme->first = 0;
	nvme->step = 0;
	nvme->is_undoing = 0;
	nvme->result = 0;
	nvme->is_set = is_set;
	nvme->want = (struct vio_nvme_secondary){
		.n_vq = config->nvme_vq,
		.n_vi = config->nvme_vi,
		.is_online = config->nvme_vq >= VQ_MIN && config->nvme_vi,
	};
	ret = submit_list(setting);
	if (ret)
		close_controller(setting);
	return ret;
}

static int nvme_set(struct vio_setting *setting)
{
	return begin(setting, 1);
}

static int nvme_read(struct vio_setting *setting)
{
	return begin(setting, 0);
}

const struct vio_setting_kind vio_setting_nvme = {
	.fields = VIO_VF_NVME,
	.set = nvme_set,
	.read = nvme_read,
};
