/* SPDX-License-Identifier: MIT */
/*
 * A block device in a cgroup. The kernel waits for the device's queue while io.max is
 * written, hence not at once; the file is opened anew each time, since a cgroup may go
 * and come back. It takes no rate of 0 or 1, and has "max" for none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/list.h"
#include "limit_hw/limit_hw.h"
#include "sys/sys.h"

#define PATH_MOST  4000u /* with the file's name less than PATH_MAX */
#define MAJOR_MOST 4095u /* as the kernel's MAJOR() and MINOR() */
#define MINOR_MOST 1048575u
#define RATE_LEAST 2u
#define OPS_MOST   (UINT32_MAX - 1u) /* UINT32_MAX is the kernel's none */

#define FIELDS     (VIO_LIMIT_HW_CEILING_BYTES | VIO_LIMIT_HW_CEILING_OPS)

static void release(struct vio_limit_hw *hw)
{
	vio_free(hw->env, hw->cgroup.path, hw->cgroup.path_bytes, 1);
	vio_free(hw->env, hw->cgroup.text, VIO_CGROUP_TEXT_BYTES, 1);
}

static int check_params(const struct vio_limit_hw_params *params, struct vio_error *err)
{
	const uint32_t ways = VIO_LIMIT_HW_READS | VIO_LIMIT_HW_WRITES;

	if (!params->cgroup || !params->cgroup[0] ||
	    strnlen(params->cgroup, PATH_MOST) == PATH_MOST)
		return vio_fail(err, -EINVAL, "cgroup: no path, or one of more than %u",
				PATH_MOST);
	if (params->major > MAJOR_MOST || params->minor > MINOR_MOST)
		return vio_fail(err, -EINVAL, "%u:%u is no device", params->major,
				params->minor);
	if (!(params->flags & ways) || params->flags & ~(ways | VIO_LIMIT_HW_NO_TRIALS))
		return vio_fail(err, -EINVAL, "flags: 0x%x: reads, writes or both",
				params->flags);
	return 0;
}

static int create_buffers(struct vio_limit_hw *hw, const char *folder)
{
	struct vio_hw_cgroup *cgroup = &hw->cgroup;

	cgroup->path_bytes = strlen(folder) + sizeof("/io.max");
	cgroup->path = vio_alloc(hw->env, cgroup->path_bytes, 1);
	cgroup->text = vio_alloc(hw->env, VIO_CGROUP_TEXT_BYTES, 1);
	if (cgroup->path && cgroup->text) {
		snprintf(cgroup->path, cgroup->path_bytes, "%s/io.max", folder);
		return 0;
	}
	release(hw);
	return -ENOMEM;
}

static int prepare(struct vio_limit_hw *hw, const struct vio_limit_hw_params *params,
		   struct vio_error *err)
{
	struct vio_hw_cgroup *cgroup = &hw->cgroup;
	int ret;

	ret = check_params(params, err);
	if (ret)
		return ret;
	if (create_buffers(hw, params->cgroup))
		return vio_fail(err, -ENOMEM, "no memory for a cgroup's text");
	cgroup->major = params->major;
	cgroup->minor = params->minor;
	snprintf(hw->name, sizeof(hw->name), "%u:%u in %.90s", params->major,
		 params->minor, params->cgroup);
	hw->ways = (params->flags & VIO_LIMIT_HW_READS ? 1u << VIO_HW_READS : 0) |
		   (params->flags & VIO_LIMIT_HW_WRITES ? 1u << VIO_HW_WRITES : 0);
	hw->caps.is_each_way = !vio_is_power_of_two(hw->ways);
	hw->caps.bytes_least = hw->caps.ops_least = RATE_LEAST;
	hw->caps.bytes_step = hw->caps.ops_step = 1;
	hw->caps.bytes_most = VIO_LIMIT_RATE_MAX;
	hw->caps.ops_most = OPS_MOST;
	return 0;
}

static struct vio_limit_hw *hw_of(struct vio_async_call *call)
{
	return VIO_CONTAINER_OF(call, struct vio_limit_hw, cgroup.call);
}

static void end_call(struct vio_limit_hw *hw, int result)
{
	const struct vio_sys *sys = hw->env->sys;

	(void)sys->close(sys->opaque, hw->cgroup.fd);
	vio_hw_resume(hw, result);
}

/* Begins a call on io.max; closes it if that fails. */
static int submit(struct vio_limit_hw *hw, enum vio_async_op op, uint32_t n,
		  void (*done)(struct vio_async_call *call, int64_t result))
{
	struct vio_hw_cgroup *cgroup = &hw->cgroup;

	cgroup->call = (struct vio_async_call){
		.op = op,
		.fd = cgroup->fd,
		.buf = cgroup->text + cgroup->n,
		.n = n,
		.offset = cgroup->n,
		.done = done,
	};
	return vio_async_submit(hw->async, &cgroup->call);
}

static int begin(struct vio_limit_hw *hw, int flags, enum vio_async_op op, uint32_t n,
		 void (*done)(struct vio_async_call *call, int64_t result))
{
	const struct vio_sys *sys = hw->env->sys;
	int ret;

	hw->cgroup.n = 0;
	hw->cgroup.fd = sys->openat(sys->opaque, AT_FDCWD, hw->cgroup.path,
				    flags | O_CLOEXEC, 0);
	if (hw->cgroup.fd < 0)
		return hw->cgroup.fd == -ENOENT ? -EOPNOTSUPP : hw->cgroup.fd;
	ret = submit(hw, op, n, done);
	if (ret)
		(void)sys->close(sys->opaque, hw->cgroup.fd);
	return ret;
}

/* The kernel writes lines for disks with a limit alone: with one there is the disk. */
static int parse(struct vio_limit_hw *hw)
{
	const struct vio_hw_cgroup *cgroup = &hw->cgroup;
	const int ret = vio_cgroup_parse(cgroup->text, cgroup->n, cgroup->major,
					 cgroup->minor, &hw->now);

	if (ret < 0)
		return ret;
	hw->known = FIELDS;
	hw->is_certain = (uint32_t)ret;
	return 0;
}

/* The kernel gives it a part at a time; a file that never ends is cut off. */
static void read_done(struct vio_async_call *call, int64_t result)
{
	struct vio_limit_hw *hw = hw_of(call);
	int ret = result < 0 ? (int)result : 0;

	if (result > 0) {
		hw->cgroup.n += (uint32_t)result;
		ret = hw->cgroup.n < VIO_CGROUP_TEXT_BYTES ? 0 : -EFBIG;
	}
	if (!ret && result > 0) {
		ret = submit(hw, VIO_ASYNC_READ, VIO_CGROUP_TEXT_BYTES - hw->cgroup.n,
			     read_done);
		if (!ret)
			return;
	}
	end_call(hw, ret ? ret : parse(hw));
}

static int read_values(struct vio_limit_hw *hw)
{
	return begin(hw, O_RDONLY, VIO_ASYNC_READ, VIO_CGROUP_TEXT_BYTES, read_done);
}

static void write_done(struct vio_async_call *call, int64_t result)
{
	end_call(hw_of(call), result < 0 ? (int)result : result == call->n ? 0 : -EIO);
}

static uint32_t print_value(char *text, uint32_t n, const char *key, uint64_t value)
{
	text += n;
	if (!value)
		return n + (uint32_t)sprintf(text, " %s=max", key);
	return n + (uint32_t)sprintf(text, " %s=%llu", key, (unsigned long long)value);
}

/* At most 115 bytes. */
static uint32_t
print(struct vio_limit_hw *hw, uint32_t fields, const struct vio_hw_values *values)
{
	struct vio_hw_cgroup *cgroup = &hw->cgroup;
	static const char ways[VIO_HW_N_WAYS] = { 'r', 'w' };
	uint32_t n;

	n = (uint32_t)sprintf(cgroup->text, "%u:%u", cgroup->major, cgroup->minor);
	for (uint32_t i = 0; i < VIO_HW_N_WAYS; i++) {
		char bytes[] = "?bps", ops[] = "?iops";

		if (!(hw->ways & 1u << i))
			continue;
		bytes[0] = ops[0] = ways[i];
		if (fields & VIO_LIMIT_HW_CEILING_BYTES)
			n = print_value(cgroup->text, n, bytes, values->bytes[i]);
		if (fields & VIO_LIMIT_HW_CEILING_OPS)
			n = print_value(cgroup->text, n, ops, values->ops[i]);
	}
	return n;
}

static int
set_values(struct vio_limit_hw *hw, uint32_t fields, const struct vio_hw_values *values)
{
	return begin(hw, O_WRONLY, VIO_ASYNC_WRITE, print(hw, fields, values),
		     write_done);
}

const struct vio_hw_kind vio_hw_cgroup = {
	.prepare = prepare,
	.release = release,
	.read = read_values,
	.set = set_values,
};
