/* SPDX-License-Identifier: MIT */
/*
 * The migration states of an open function. Whether there is a way from one to another
 * is found out here, before the kernel is asked: its one answer for all refusals does
 * not say what was wrong. The kernel looks for the way itself; of a change that failed
 * it only knows where it ended, so that is asked for at once, on the same thread.
 */
#include <errno.h>
#include <string.h>

#include <vio/vfio_migration.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "vf/vfio.h"

#define STOP_COPY VIO_VFIO_CAN_STOP_COPY
#define P2P       VIO_VFIO_CAN_P2P
#define PRE_COPY  VIO_VFIO_CAN_PRE_COPY

#define NOT_KNOWN UINT32_MAX /* a state that could not be read */

/* What each is called, and what it needs. */
static const struct state {
	const char *name;
	uint32_t needs;
} states[] = {
	[VIO_VFIO_STATE_ERROR] = { "ERROR", 0 },
	[VIO_VFIO_STATE_STOP] = { "STOP", STOP_COPY },
	[VIO_VFIO_STATE_RUNNING] = { "RUNNING", STOP_COPY },
	[VIO_VFIO_STATE_STOP_COPY] = { "STOP_COPY", STOP_COPY },
	[VIO_VFIO_STATE_RESUMING] = { "RESUMING", STOP_COPY },
	[VIO_VFIO_STATE_RUNNING_P2P] = { "RUNNING_P2P", STOP_COPY | P2P },
	[VIO_VFIO_STATE_PRE_COPY] = { "PRE_COPY", STOP_COPY | PRE_COPY },
	[VIO_VFIO_STATE_PRE_COPY_P2P] = { "PRE_COPY_P2P", STOP_COPY | P2P | PRE_COPY },
};

/* A newer kernel's, or nonsense of the caller's: known by its number alone. */
static const struct state unknown = { "an unknown state", 0 };

static const struct state *state_of(uint32_t number)
{
	return number < VIO_ARRAY_SIZE(states) ? &states[number] : &unknown;
}

static int is_pre_copy(uint32_t state)
{
	return state == VIO_VFIO_STATE_PRE_COPY || state == VIO_VFIO_STATE_PRE_COPY_P2P;
}

/* The reason, or NULL: there is a way. */
static const char *find_obstacle(uint32_t features, uint32_t from, uint32_t to)
{
	const struct state *wanted = state_of(to);

	if (wanted == &unknown || to == VIO_VFIO_STATE_ERROR)
		return "it is none to ask for";
	if (from == VIO_VFIO_STATE_ERROR)
		return "only a reset leads out of ERROR";
	if (wanted->needs & ~features)
		return "the device does not have it";
	if (from == VIO_VFIO_STATE_STOP_COPY && is_pre_copy(to))
		return "it has been stopped to be read to the end";
	return NULL;
}

/* Bits that are none of ours are a newer kernel's, and of no use to the caller. */
static int read_now(const struct vio_vfio *vfio, struct vio_vfio_migration *own)
{
	uint64_t features = 0;
	int ret = vio_function_read_migration(vfio->env->sys, vfio->fd, &features,
					      &own->state);

	if (ret == -EOPNOTSUPP) {
		own->state = VIO_VFIO_STATE_RUNNING;
		ret = 0;
	}
	own->features = (uint32_t)features & (STOP_COPY | P2P | PRE_COPY);
	return ret;
}

static int fail_read(const struct vio_vfio *vfio, int code, struct vio_error *err)
{
	return vio_fail(err, code, "%s: its migration state: %s", vfio->name,
			strerror(-code));
}

/* While a change is under way the kernel would have us wait for its end. */
static int check_idle(const struct vio_vfio *vfio, struct vio_error *err)
{
	const struct vio_vf *vf = vfio->vf;

	if (vio_env_is_child(vfio->env))
		return vio_fail(err, -ECHILD, "%s: not in a forked child", vfio->name);
	if (vf->done)
		return vio_fail(err, -EBUSY, "%s: an operation is under way",
				vfio->name);
	if (vf->info.state == VIO_VF_LOST)
		return vio_fail(err, -ENODEV, "%s: the function has gone", vfio->name);
	return 0;
}

int vio_vfio_read_migration(struct vio_vfio *vfio, struct vio_vfio_migration *migration,
			    struct vio_error *err)
{
	struct vio_vfio_migration own = VIO_VFIO_MIGRATION_INIT;
	int ret = check_idle(vfio, err);

	if (!ret && (!migration || migration->size < sizeof(own)))
		ret = vio_fail(err, -EINVAL, "migration: its size is wrong");
	if (ret)
		return ret;
	ret = read_now(vfio, &own);
	if (ret)
		return fail_read(vfio, ret, err);
	return vio_params_fill(migration, sizeof(own), &own, sizeof(own));
}

/* An operation. The lent thread's from submit until done. */
struct migration_call {
	struct vio_async_call call;
	struct vio_vfio *vfio;
	/* A change. */
	uint32_t from;
	uint32_t to;
	uint32_t at; /* where it failed */
	int32_t *out_data_fd;
	/* Both: the session that began, or the one that is looked at. */
	int data_fd;
	/* A look. */
	struct vio_vfio_precopy found;
	struct vio_vfio_precopy *out_precopy;
};

static int submit(struct migration_call *c, vio_vf_done_fn done, void *opaque,
		  struct vio_error *err)
{
	struct vio_vfio *vfio = c->vfio;
	int ret = vio_vfio_begin(vfio, done, opaque, err);

	if (ret)
		goto destroy_call;
	c->call.op = VIO_ASYNC_RUN;
	ret = vio_async_submit(vfio->vf->host->async, &c->call);
	if (!ret)
		return 0;
	vio_vfio_cancel(vfio);
	vio_fail(err, ret,
		 ret == -EOPNOTSUPP ? "%s: this needs a thread, see vio_ctx_work()"
				    : "%s: too many calls are under way",
		 vfio->name);
destroy_call:
	VIO_DELETE(vfio->env, c);
	return ret;
}

static struct migration_call *create_call(struct vio_vfio *vfio, struct vio_error *err)
{
	struct migration_call *c = VIO_NEW(vfio->env, struct migration_call);

	if (c)
		c->vfio = vfio;
	else
		vio_fail(err, -ENOMEM, "%s: no memory", vfio->name);
	return c;
}

static int64_t run_change(struct vio_async_call *call)
{
	struct migration_call *c = VIO_CONTAINER_OF(call, struct migration_call, call);
	const struct vio_vfio *vfio = c->vfio;
	struct vio_vfio_migration now;
	int ret = vio_function_set_migration(vfio->env->sys, vfio->fd, c->to,
					     &c->data_fd);

	if (ret)
		c->at = read_now(vfio, &now) ? NOT_KNOWN : now.state;
	return ret;
}

static void fail_change(const struct migration_call *c, int code, struct vio_error *err)
{
	vio_fail(err, code, "%s: from %s to %s: %s; it is in %s%s", c->vfio->name,
		 state_of(c->from)->name, state_of(c->to)->name, strerror(-code),
		 state_of(c->at)->name,
		 c->at == VIO_VFIO_STATE_ERROR ? ", reset it" : "");
}

static void change_done(struct vio_async_call *call, int64_t result)
{
	struct migration_call *c = VIO_CONTAINER_OF(call, struct migration_call, call);
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_vfio *vfio = c->vfio;

	if (result)
		fail_change(c, (int)result, &err);
	else
		*c->out_data_fd = c->data_fd;
	VIO_DELETE(vfio->env, c);
	vio_vfio_end(vfio, (int)result, result ? &err : NULL);
}

static int check_change(const struct vio_vfio *vfio, uint32_t to, uint32_t *out_from,
			struct vio_error *err)
{
	struct vio_vfio_migration now = VIO_VFIO_MIGRATION_INIT;
	const char *obstacle;
	int ret = check_idle(vfio, err);

	if (ret)
		return ret;
	ret = read_now(vfio, &now);
	if (ret)
		return fail_read(vfio, ret, err);
	if (!now.features)
		return vio_fail(err, -EOPNOTSUPP,
				"%s: the device, or its driver, has no migration",
				vfio->name);
	obstacle = find_obstacle(now.features, now.state, to);
	*out_from = now.state;
	return obstacle ? vio_fail(err, -EINVAL, "%s: from %s to %s: %s", vfio->name,
				   state_of(now.state)->name, state_of(to)->name,
				   obstacle)
			: 0;
}

int vio_vfio_set_migration(struct vio_vfio *vfio, uint32_t state, int32_t *out_data_fd,
			   vio_vf_done_fn done, void *opaque, struct vio_error *err)
{
	struct migration_call *c;
	uint32_t from = NOT_KNOWN;
	int ret = check_change(vfio, state, &from, err);

	if (ret)
		return ret;
	c = create_call(vfio, err);
	if (!c)
		return -ENOMEM;
	/* Unless the call is made it is where it was. */
	c->from = c->at = from;
	c->to = state;
	c->out_data_fd = out_data_fd;
	c->call.run = run_change;
	c->call.done = change_done;
	return submit(c, done, opaque, err);
}

static int64_t run_look(struct vio_async_call *call)
{
	struct migration_call *c = VIO_CONTAINER_OF(call, struct migration_call, call);

	return vio_session_read_precopy(c->vfio->env->sys, c->data_fd,
					&c->found.initial_bytes, &c->found.dirty_bytes);
}

static void look_done(struct vio_async_call *call, int64_t result)
{
	struct migration_call *c = VIO_CONTAINER_OF(call, struct migration_call, call);
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_vfio *vfio = c->vfio;

	if (result)
		vio_fail(&err, (int)result, "%s: what pre-copy has to read: %s",
			 vfio->name, strerror(-(int)result));
	else
		vio_params_fill(c->out_precopy, sizeof(uint32_t), &c->found,
				sizeof(c->found));
	VIO_DELETE(vfio->env, c);
	vio_vfio_end(vfio, (int)result, result ? &err : NULL);
}

int vio_vfio_read_precopy(struct vio_vfio *vfio, int data_fd,
			  struct vio_vfio_precopy *precopy, vio_vf_done_fn done,
			  void *opaque, struct vio_error *err)
{
	struct migration_call *c;
	int ret = check_idle(vfio, err);

	if (ret)
		return ret;
	if (!precopy || precopy->size < sizeof(*precopy))
		return vio_fail(err, -EINVAL, "pre-copy: its size is wrong");
	if (data_fd < 0)
		return vio_fail(err, -EBADF, "%s: no descriptor of a session",
				vfio->name);
	c = create_call(vfio, err);
	if (!c)
		return -ENOMEM;
	c->found = (struct vio_vfio_precopy)VIO_VFIO_PRECOPY_INIT;
	c->data_fd = data_fd;
	c->out_precopy = precopy;
	c->call.run = run_look;
	c->call.done = look_done;
	return submit(c, done, opaque, err);
}
