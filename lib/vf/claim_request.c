/* SPDX-License-Identifier: MIT */
/*
 * What a caller asks for, before anything is looked at. A driver's name goes into
 * sysfs and a tag into other people's listings: both are checked here, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/params.h"
#include "sys/sys.h"
#include "vf/claim.h"
#include "vf/journal.h"
#include "vf/setting.h"
#include "vf/sysfs.h"

#define FLAGS                                                                          \
	(VIO_VF_FROM_PF | VIO_VF_NUMA_STRICT | VIO_VF_NEED_ISOLATED |                  \
	 VIO_VF_NEED_ACS | VIO_VF_NEED_FLR | VIO_VF_NEED_LINK | VIO_VF_APART)

int vio_claim_check_host(struct vio_host *host, struct vio_error *err)
{
	if (vio_env_is_child(host->env))
		return vio_fail(err, -ECHILD, "claim: not in a forked child");
	if (!vio_async_is_able(host->async))
		return vio_fail(err, -EOPNOTSUPP,
				"claim: the context has neither io_uring nor a lent "
				"thread");
	return 0;
}

static int check_numbers(const struct vio_vf_request *r, struct vio_error *err)
{
	if (r->flags & ~FLAGS)
		return vio_fail(err, -EINVAL, "claim: unknown flag in 0x%x", r->flags);
	if (!r->n || r->n > VIO_VF_CLAIM_MAX)
		return vio_fail(err, -EINVAL, "claim: n is 1 to %u, not %u",
				VIO_VF_CLAIM_MAX, r->n);
	if (r->policy > VIO_VF_LOAD)
		return vio_fail(err, -EINVAL, "claim: unknown policy %u", r->policy);
	if (r->numa_node < -1)
		return vio_fail(err, -EINVAL, "claim: no NUMA node %d", r->numa_node);
	return 0;
}

static int parse_driver(struct vio_host *host, const char *driver, char *out,
			struct vio_error *err)
{
	const struct vio_sys *sys = host->env->sys;
	char path[VIO_SYSFS_PATH_BYTES];
	int fd;

	driver = driver ? driver : "vfio-pci";
	if (!*driver)
		return 0;
	if (!vio_sysfs_is_name(driver))
		return vio_fail(err, -EINVAL, "claim: that is no driver's name");
	snprintf(path, sizeof(path), "bus/pci/drivers/%s", driver);
	fd = vio_sysfs_open(host, path, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return vio_fail(err, fd, "claim: the driver %s is not loaded", driver);
	sys->close(sys->opaque, fd);
	memcpy(out, driver, strlen(driver));
	return 0;
}

static int parse_tag(const char *tag, char *out, struct vio_error *err)
{
	if (!tag)
		return 0;
	if (!vio_journal_is_text(tag, sizeof(((struct vio_claim_request *)0)->tag)))
		return vio_fail(err, -EINVAL,
				"claim: a tag is one line of at most 63 bytes");
	memcpy(out, tag, strlen(tag));
	return 0;
}

static int parse_config(const struct vio_vf_config *config, struct vio_vf_config *out,
			struct vio_error *err)
{
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	int ret;

	if (!config)
		return 0;
	ret = vio_params_copy(out, sizeof(*out), sizeof(*out), config);
	if (ret)
		return vio_fail(err, ret,
				"claim: the settings' size is wrong, or a "
				"field that this library does not know is "
				"set");
	out->size = sizeof(*out);
	return vio_setting_check(out, 0, &report, err);
}

int vio_claim_parse(struct vio_host *host, const struct vio_vf_request *request,
		    struct vio_claim_request *out, struct vio_error *err)
{
	struct vio_vf_request *r = &out->request;
	int ret;

	*out = (struct vio_claim_request){ .config = VIO_VF_CONFIG_INIT };
	ret = vio_params_copy(r, sizeof(*r), sizeof(*r), request);
	if (ret)
		return vio_fail(err, ret,
				"claim: the request's size is wrong, or a "
				"field that this library does not know is "
				"set");
	ret = check_numbers(r, err);
	if (!ret)
		ret = parse_tag(r->tag, out->tag, err);
	if (!ret)
		ret = parse_config(r->config, &out->config, err);
	if (!ret)
		ret = parse_driver(host, r->driver, out->driver, err);
	return ret;
}
