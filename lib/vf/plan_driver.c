/* SPDX-License-Identifier: MIT */
/*
 * From one driver to another, by the kernel's rules: unbind, name the driver in
 * driver_override, have the bus probe. A driver that was bound is put back in the
 * same way and only then is driver_override what it was, because the two need not
 * agree: what was bound may not be what would be bound today.
 *
 * Links are read at once; driver_override is not, since the kernel takes the
 * device's lock to show it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sys/sys.h"
#include "vf/plan.h"

static int set_path(const struct vio_plan *plan, const char *attr, char *buf)
{
	return vio_sysfs_path(&plan->lease->record.addr, attr, buf);
}

/* The driver that is bound; empty: none. */
static int read_driver(const struct vio_plan *plan, char *buf)
{
	char path[VIO_SYSFS_PATH_BYTES];
	int ret = set_path(plan, "driver", path);

	if (!ret)
		ret = vio_sysfs_read_link(plan->host, path, buf, VIO_HOST_DRIVER_BYTES);
	if (ret != -ENOENT)
		return ret;
	buf[0] = '\0';
	return 0;
}

/* The driver that this plan goes to. */
static const char *find_driver(const struct vio_plan *plan)
{
	const struct vio_journal_record *record = &plan->lease->record;

	return plan->is_undoing ? record->driver_before : record->driver;
}

/* 0: it is bound already; 1: it is not. */
static int is_elsewhere(struct vio_plan *plan, char *now)
{
	const int ret = read_driver(plan, now);

	return ret ? ret : strcmp(now, find_driver(plan)) != 0;
}

int vio_plan_driver_is_due(const struct vio_plan *plan)
{
	const struct vio_journal_record *record = &plan->lease->record;

	return strcmp(record->driver_before, record->driver) != 0;
}

int vio_plan_driver_was_begun(const struct vio_plan *plan)
{
	return !!(plan->lease->record.begun & VIO_JOURNAL_DRIVER);
}

int vio_plan_read_override(struct vio_plan *plan)
{
	char path[VIO_SYSFS_PATH_BYTES];
	const int ret = set_path(plan, "driver_override", path);

	return ret ? ret : vio_plan_read(plan, path);
}

/* What was read, as a name; the kernel prints a NULL as text. */
static int parse_override(struct vio_plan *plan, char *out)
{
	char *text = plan->attr;

	text[strcspn(text, "\n")] = '\0';
	if (!strcmp(text, "(null)"))
		text[0] = '\0';
	if (text[0] && !vio_sysfs_is_name(text))
		return vio_plan_fail(plan, -EBADMSG,
				     "driver_override is no driver's name");
	memset(out, 0, VIO_HOST_DRIVER_BYTES);
	memcpy(out, text, strlen(text));
	return 0;
}

int vio_plan_keep_override(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;
	int ret;

	memset(record->driver_before, 0, sizeof(record->driver_before));
	ret = read_driver(plan, record->driver_before);
	return ret ? ret : parse_override(plan, record->override_before);
}

static int verify_override(struct vio_plan *plan, const char *wanted)
{
	char now[VIO_HOST_DRIVER_BYTES];
	const int ret = parse_override(plan, now);

	if (ret || !strcmp(now, wanted))
		return ret;
	return vio_plan_fail(plan, -EIO, "driver_override is \"%s\", not \"%s\"", now,
			     wanted);
}

int vio_plan_verify_override(struct vio_plan *plan)
{
	const struct vio_journal_record *record = &plan->lease->record;

	return verify_override(plan, record->driver[0] ? record->driver
						       : record->override_before);
}

int vio_plan_verify_restored(struct vio_plan *plan)
{
	return verify_override(plan, plan->lease->record.override_before);
}

/* A reset comes next. */
static int is_undoing_use(const struct vio_plan *plan)
{
	return plan->is_undoing && plan->lease->record.begun & VIO_JOURNAL_USE;
}

/*
 * Does it run the function by itself? It would not be told of a reset, or not know
 * how to go on after one. VFIO's drivers leave it to who has it open, nobody here.
 */
static int is_running(const char *driver)
{
	return *driver && !strstr(driver, "vfio") && strcmp(driver, "pci-stub") != 0;
}

/* A claim for the driver that was bound already has not begun to change it. */
int vio_plan_driver_is_in_the_way(const struct vio_plan *plan)
{
	char now[VIO_HOST_DRIVER_BYTES];

	return !vio_plan_driver_was_begun(plan) && is_undoing_use(plan) &&
	       !read_driver(plan, now) && is_running(now);
}

int vio_plan_verify_idle(struct vio_plan *plan)
{
	char now[VIO_HOST_DRIVER_BYTES];
	const int ret = read_driver(plan, now);

	if (ret || !is_running(now))
		return ret;
	return vio_plan_fail(plan, -EBUSY, "%s runs it: not to be reset under a driver",
			     now);
}

/*
 * Undoing, the driver of before may be back already, if who undid this died then. It
 * has to go once more: there are drivers that do not come back from a reset.
 */
int vio_plan_unbind(struct vio_plan *plan)
{
	char path[VIO_SYSFS_PATH_BYTES], now[VIO_HOST_DRIVER_BYTES];
	int ret;

	ret = is_elsewhere(plan, now);
	if (ret < 0 || !now[0] || (!ret && !is_undoing_use(plan)))
		return ret < 0 ? ret : 0;
	ret = set_path(plan, "driver/unbind", path);
	return ret ? ret : vio_plan_write(plan, path, plan->name);
}

int vio_plan_verify_unbound(struct vio_plan *plan)
{
	char now[VIO_HOST_DRIVER_BYTES];
	const int ret = read_driver(plan, now);

	if (ret || !now[0])
		return ret;
	return vio_plan_fail(plan, -EIO, "%s has not let go of it", now);
}

static int write_override(struct vio_plan *plan, const char *name)
{
	char path[VIO_SYSFS_PATH_BYTES];
	const int ret = set_path(plan, "driver_override", path);

	/* A write of nothing is not seen; a line without a name takes it back. */
	return ret ? ret : vio_plan_write(plan, path, name[0] ? name : "\n");
}

int vio_plan_set_override(struct vio_plan *plan)
{
	char now[VIO_HOST_DRIVER_BYTES];
	const char *driver = find_driver(plan);
	const int ret = is_elsewhere(plan, now);

	if (ret <= 0 || !driver[0])
		return ret < 0 ? ret : 0;
	return write_override(plan, driver);
}

int vio_plan_restore_override(struct vio_plan *plan)
{
	return write_override(plan, plan->lease->record.override_before);
}

int vio_plan_probe(struct vio_plan *plan)
{
	char now[VIO_HOST_DRIVER_BYTES];
	const int ret = is_elsewhere(plan, now);

	if (ret <= 0 || !find_driver(plan)[0])
		return ret < 0 ? ret : 0;
	return vio_plan_write(plan, "bus/pci/drivers_probe", plan->name);
}

int vio_plan_verify_bound(struct vio_plan *plan)
{
	char now[VIO_HOST_DRIVER_BYTES];
	const int ret = is_elsewhere(plan, now);

	if (ret <= 0)
		return ret;
	return vio_plan_fail(plan, -EIO, "%s has not taken it", find_driver(plan));
}

int vio_plan_is_there(struct vio_plan *plan)
{
	const struct vio_sys *sys = plan->host->env->sys;
	char path[VIO_SYSFS_PATH_BYTES];
	int ret = set_path(plan, NULL, path);

	if (!ret)
		ret = vio_sysfs_open(plan->host, path, O_PATH | O_DIRECTORY);
	if (ret >= 0)
		sys->close(sys->opaque, ret);
	return ret != -ENOENT;
}

int vio_plan_verify_exists(struct vio_plan *plan)
{
	if (vio_plan_is_there(plan))
		return 0;
	return vio_plan_fail(plan, -ENODEV, "the function has gone");
}

int vio_plan_reset(struct vio_plan *plan)
{
	char path[VIO_SYSFS_PATH_BYTES];
	int ret = set_path(plan, "reset", path);

	if (!ret)
		ret = vio_plan_write(plan, path, "1");
	if (ret != -ENOENT)
		return ret;
	return vio_plan_fail(plan, -EOPNOTSUPP, "there is no way to reset it");
}
