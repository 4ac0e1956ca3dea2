/* SPDX-License-Identifier: MIT */
/*
 * How many MSI-X vectors a VF has. The kernel takes the number in an attribute that
 * cannot be read, and only while no driver is bound; what came of it is in the VF's
 * own capability. sriov_vf_total_msix would say whether it can be set, but reading
 * it waits while VFs are made.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include <vio/pci.h>

#include "core/list.h"
#include "sys/sys.h"
#include "vf/setting_kind.h"
#include "vf/sysfs.h"

static void end_call(struct vio_setting *setting, int result)
{
	const struct vio_sys *sys = setting->host->env->sys;

	(void)sys->close(sys->opaque, setting->msix.fd);
	setting->ended(setting, result);
}

static void write_done(struct vio_async_call *call, int64_t result)
{
	struct vio_setting *setting =
		VIO_CONTAINER_OF(call, struct vio_setting, msix.call);

	if (result >= 0)
		result = result == call->n ? 0 : -EIO;
	end_call(setting, (int)result);
}

static int parse_config(struct vio_setting *setting, uint32_t n)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	struct vio_vf_config *config = &setting->call->config;
	int ret;

	/* All that the kernel shows without CAP_SYS_ADMIN: no capability is there. */
	if (n < sizeof(setting->msix.config))
		return -EOPNOTSUPP;
	ret = vio_pci_caps_parse(setting->msix.config, n, &caps);
	if (ret || !caps.n_msix)
		return ret ? ret : -EOPNOTSUPP;
	config->n_msix = caps.n_msix;
	config->fields |= VIO_VF_MSIX;
	return 0;
}

static void read_done(struct vio_async_call *call, int64_t result)
{
	struct vio_setting *setting =
		VIO_CONTAINER_OF(call, struct vio_setting, msix.call);

	if (result >= 0)
		result = parse_config(setting, (uint32_t)result);
	end_call(setting, (int)result);
}

static int open_attr(struct vio_setting *setting, const char *attr, int flags)
{
	struct vio_host *host = setting->host;
	const struct vio_pci_addr *vf = &setting->call->vf;
	char path[VIO_SYSFS_PATH_BYTES];
	int ret;

	ret = vio_sysfs_path(vf, attr, path);
	if (ret)
		return ret;
	ret = vio_sysfs_open(host, path, flags);
	if (ret == -ENOENT)
		return vio_setting_explain_missing(host, vf);
	if (ret < 0)
		return ret;
	setting->msix.fd = ret;
	return 0;
}

/* Waits for the locks of the device, both ways. */
static int submit(struct vio_setting *setting)
{
	const struct vio_sys *sys = setting->host->env->sys;
	int ret;

	setting->msix.call.fd = setting->msix.fd;
	ret = vio_async_submit(setting->host->async, &setting->msix.call);
	if (ret)
		(void)sys->close(sys->opaque, setting->msix.fd);
	return ret;
}

static int msix_set(struct vio_setting *setting)
{
	struct vio_msix_call *msix = &setting->msix;
	int n, ret;

	ret = open_attr(setting, "sriov_vf_msix_count", O_WRONLY);
	if (ret)
		return ret;
	n = snprintf(msix->text, sizeof(msix->text), "%u",
		     setting->call->config.n_msix);
	msix->call = (struct vio_async_call){
		.op = VIO_ASYNC_WRITE,
		.buf = msix->text,
		.n = (uint32_t)n,
		.offset = 0,
		.done = write_done,
	};
	return submit(setting);
}

static int msix_read(struct vio_setting *setting)
{
	struct vio_msix_call *msix = &setting->msix;
	int ret;

	ret = open_attr(setting, "config", O_RDONLY);
	if (ret)
		return ret;
	msix->call = (struct vio_async_call){
		.op = VIO_ASYNC_READ,
		.buf = msix->config,
		.n = sizeof(msix->config),
		.offset = 0,
		.done = read_done,
	};
	return submit(setting);
}

const struct vio_setting_kind vio_setting_msix = {
	.fields = VIO_VF_MSIX,
	.set = msix_set,
	.read = msix_read,
};
