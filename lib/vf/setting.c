/* SPDX-License-Identifier: MIT */
/*
 * One setting to its kind, or one question to every kind in turn. A read is the
 * sum of what those kinds know that the VF has; a kind it has not is no failure,
 * unless it has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "sys/sys.h"
#include "vf/setting_kind.h"
#include "vf/sysfs.h"

#define RATES (VIO_VF_MIN_RATE | VIO_VF_MAX_RATE)

static const struct vio_setting_kind *const kinds[] = {
	&vio_setting_net,
	&vio_setting_nvme,
	&vio_setting_msix,
};

int vio_setting_explain_missing(struct vio_host *host, const struct vio_pci_addr *addr)
{
	const struct vio_sys *sys = host->env->sys;
	char path[VIO_SYSFS_PATH_BYTES];
	int ret;

	ret = vio_sysfs_path(addr, NULL, path);
	if (ret)
		return ret;
	ret = vio_sysfs_open(host, path, O_RDONLY | O_DIRECTORY);
	if (ret < 0)
		return ret == -ENOENT ? -ENODEV : ret;
	(void)sys->close(sys->opaque, ret);
	return -EOPNOTSUPP;
}

struct name {
	char *text;
	size_t n;
};

static int take_first(void *opaque, const char *text)
{
	const struct name *name = opaque;

	if (strlen(text) >= name->n)
		return -EBADMSG;
	memcpy(name->text, text, strlen(text) + 1);
	return 1;
}

int vio_setting_find_name(struct vio_host *host, const struct vio_pci_addr *addr,
			  const char *attr, char *name, size_t n)
{
	struct name found = { .text = name, .n = n };
	char path[VIO_SYSFS_PATH_BYTES];
	int ret;

	ret = vio_sysfs_path(addr, attr, path);
	if (!ret)
		ret = vio_sysfs_foreach(host, path, take_first, &found);
	if (ret == 1)
		return 0;
	return !ret || ret == -ENOENT ? vio_setting_explain_missing(host, addr) : ret;
}

static int fail(struct vio_setting_call *call, int result)
{
	char text[VIO_PCI_ADDR_TEXT_BYTES] = "?";

	(void)vio_pci_addr_print(&call->vf, text);
	return vio_fail(&call->err, result, "%s: %s: %s", text,
			vio_setting_get_name(call->config.fields), vio_explain(result));
}

/* The call may be gone once it is told. */
static void finish(struct vio_setting *setting, int result)
{
	struct vio_setting_call *call = setting->call;

	VIO_DELETE(setting->host->env, setting);
	call->inner = NULL;
	if (result)
		fail(call, result);
	call->done(call, result);
}

/* NULL: no memory. */
static struct vio_setting *create_setting(struct vio_setting_call *call)
{
	struct vio_setting *setting;

	call->err = (struct vio_error)VIO_ERROR_INIT;
	setting = VIO_NEW(call->host->env, struct vio_setting);
	if (!setting)
		return NULL;
	setting->call = call;
	setting->host = call->host;
	return setting;
}

/* Keeps what was begun, or takes back what was not. */
static int begin(struct vio_setting_call *call, struct vio_setting *setting, int ret)
{
	if (!ret) {
		call->inner = setting;
		return 0;
	}
	VIO_DELETE(call->host->env, setting);
	return fail(call, ret);
}

static const struct vio_setting_kind *find_kind(uint32_t fields)
{
	if (!vio_is_power_of_two(fields) && fields != RATES)
		return NULL;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(kinds); i++)
		if (!(fields & ~kinds[i]->fields))
			return kinds[i];
	return NULL;
}

int vio_setting_set(struct vio_setting_call *call)
{
	const struct vio_setting_kind *kind = find_kind(call->config.fields);
	struct vio_setting *setting;

	if (!kind)
		return -EINVAL;
	setting = create_setting(call);
	if (!setting)
		return fail(call, -ENOMEM);
	setting->ended = finish;
	return begin(call, setting, kind->set(setting));
}

/* Asks the first kind from setting->kind on that the VF has. */
static int ask_next(struct vio_setting *setting)
{
	int ret = -EOPNOTSUPP;

	for (; setting->kind < VIO_ARRAY_SIZE(kinds); setting->kind++) {
		ret = kinds[setting->kind]->read(setting);
		if (ret != -EOPNOTSUPP)
			break;
	}
	return ret;
}

static void kind_read(struct vio_setting *setting, int result)
{
	if (!result || result == -EOPNOTSUPP) {
		setting->kind++;
		result = ask_next(setting);
		if (!result)
			return;
	}
	if (result == -EOPNOTSUPP && setting->call->config.fields)
		result = 0;
	finish(setting, result);
}

int vio_setting_read(struct vio_setting_call *call)
{
	struct vio_setting *setting;

	call->config = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	setting = create_setting(call);
	if (!setting)
		return fail(call, -ENOMEM);
	setting->ended = kind_read;
	return begin(call, setting, ask_next(setting));
}
