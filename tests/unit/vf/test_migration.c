/* SPDX-License-Identifier: MIT */
/*
 * Migration states of open functions: what is told of them, every way between two of
 * them and every refusal, and the sessions that carry the data.
 */
#include <linux/vfio.h>
#include <stdlib.h>

#include <vio/vfio_migration.h>

#include "core/bits.h"
#include "sys/uapi/vfio_migration.h"
#include "unit/vf/vfio_scene.h"

#define ALL       (VIO_VFIO_CAN_STOP_COPY | VIO_VFIO_CAN_P2P | VIO_VFIO_CAN_PRE_COPY)

#define N_STATES  (VIO_VFIO_STATE_PRE_COPY_P2P + 1)
#define UNTOUCHED 0x5a5a

static const char *const names[N_STATES] = { "ERROR",     "STOP",        "RUNNING",
					     "STOP_COPY", "RESUMING",    "RUNNING_P2P",
					     "PRE_COPY",  "PRE_COPY_P2P" };

static struct fake_migration *inside(struct scene *s, uint32_t i)
{
	return &s->machine->functions[i].migration;
}

/* The @i-th function, of a device that has these features. */
static struct vio_vfio *open_with(struct scene *s, uint32_t i, uint64_t features)
{
	struct vio_vfio *vfio = NULL;

	if (!s->iommu)
		assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	inside(s, i)->features = features;
	assert_int_equal(scene_open(s, i, &vfio), 0);
	return vfio;
}

static int set(struct scene *s, struct vio_vfio *vfio, uint32_t to, int32_t *out_fd)
{
	const int ret =
		vio_vfio_set_migration(vfio, to, out_fd, scene_done, s, &s->end.err);

	return ret ? ret : scene_wait(s);
}

static void close_session(struct scene *s, int32_t fd)
{
	const struct vio_sys *sys = vio_fake_get_sys(s->fake);

	assert_true(fd >= 0);
	assert_int_equal(sys->close(sys->opaque, fd), 0);
}

static ssize_t
read_session(struct scene *s, int32_t fd, void *buf, size_t n, size_t offset)
{
	const struct vio_sys *sys = vio_fake_get_sys(s->fake);

	return sys->pread(sys->opaque, fd, buf, n, (off_t)offset);
}

static ssize_t write_session(struct scene *s, int32_t fd, const void *buf, size_t n)
{
	const struct vio_sys *sys = vio_fake_get_sys(s->fake);

	return sys->pwrite(sys->opaque, fd, buf, n, 0);
}

/* To a state on the way to which no session is to be looked at. */
static void bring(struct scene *s, struct vio_vfio *vfio, uint32_t to)
{
	int32_t fd = UNTOUCHED;

	assert_int_equal(set(s, vfio, to, &fd), 0);
	assert_int_not_equal(fd, UNTOUCHED);
	if (fd >= 0)
		close_session(s, fd);
}

static uint32_t read_state(struct vio_vfio *vfio)
{
	struct vio_vfio_migration m = VIO_VFIO_MIGRATION_INIT;

	assert_int_equal(vio_vfio_read_migration(vfio, &m, NULL), 0);
	return m.state;
}

static int
look(struct scene *s, struct vio_vfio *vfio, int fd, struct vio_vfio_precopy *precopy)
{
	const int ret =
		vio_vfio_read_precopy(vfio, fd, precopy, scene_done, s, &s->end.err);

	return ret ? ret : scene_wait(s);
}

static void features_and_state_are_told(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_migration m = VIO_VFIO_MIGRATION_INIT;
	struct vio_vfio *vfio = open_with(s, 0, ALL | UINT64_C(1) << 40);

	assert_int_equal(vio_vfio_read_migration(vfio, &m, NULL), 0);
	assert_int_equal(m.features, ALL);
	assert_int_equal(m.state, VIO_VFIO_STATE_RUNNING);
	bring(s, vfio, VIO_VFIO_STATE_STOP);
	assert_int_equal(read_state(vfio), VIO_VFIO_STATE_STOP);
}

static void a_device_without_migration_just_runs(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_migration m = VIO_VFIO_MIGRATION_INIT;
	struct vio_vfio *vfio = open_with(s, 0, 0);
	int32_t fd = UNTOUCHED;

	assert_int_equal(vio_vfio_read_migration(vfio, &m, NULL), 0);
	assert_int_equal(m.features, 0);
	assert_int_equal(m.state, VIO_VFIO_STATE_RUNNING);
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP, &fd), -EOPNOTSUPP);
	assert_non_null(strstr(s->end.err.text, "no migration"));
	assert_int_equal(fd, UNTOUCHED);
}

/* Saved from one, loaded into another: the sessions' ends and owners on the way. */
static void what_is_read_from_one_device_is_loaded_by_another(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *from = open_with(s, 0, ALL), *to = open_with(s, 1, ALL);
	char data[FAKE_MIGRATION_STREAM + 1];
	int32_t out = -1, in = -1;

	memset(inside(s, 0)->inside, 0x42, FAKE_MIGRATION_INSIDE);
	assert_int_equal(set(s, from, VIO_VFIO_STATE_STOP_COPY, &out), 0);
	assert_int_equal(read_session(s, out, data, sizeof(data), 0),
			 FAKE_MIGRATION_STREAM);
	assert_int_equal(read_session(s, out, data, 1, FAKE_MIGRATION_STREAM), 0);
	assert_int_equal(set(s, to, VIO_VFIO_STATE_RESUMING, &in), 0);
	assert_int_equal(write_session(s, in, data, FAKE_MIGRATION_STREAM),
			 FAKE_MIGRATION_STREAM);
	bring(s, to, VIO_VFIO_STATE_RUNNING);
	assert_memory_equal(inside(s, 1)->inside, inside(s, 0)->inside,
			    FAKE_MIGRATION_INSIDE);
	close_session(s, out);
	close_session(s, in);
}

static void a_session_that_is_over_is_still_the_callers_to_close(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = -1;
	char byte;

	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP_COPY, &fd), 0);
	bring(s, vfio, VIO_VFIO_STATE_STOP);
	assert_int_equal(read_session(s, fd, &byte, 1, 0), -ENODEV);
	close_session(s, fd);
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP_COPY, &fd), 0);
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(read_session(s, fd, &byte, 1, 0), -ENODEV);
	close_session(s, fd);
}

static void a_state_that_came_in_part_is_refused_by_the_device(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t in = -1, fd = UNTOUCHED;

	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_RESUMING, &in), 0);
	assert_int_equal(write_session(s, in, "fake", 4), 4);
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_RUNNING, &fd), -EINVAL);
	assert_int_equal(fd, UNTOUCHED);
	assert_non_null(strstr(s->end.err.text, "from RESUMING to RUNNING"));
	assert_non_null(strstr(s->end.err.text, "it is in RESUMING"));
	close_session(s, in);
}

static void precopy_goes_on_in_the_same_session_when_the_device_stops(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = -1, other = UNTOUCHED;
	char data[FAKE_MIGRATION_STREAM];

	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_PRE_COPY, &fd), 0);
	assert_int_equal(read_session(s, fd, data, sizeof(data), 0),
			 FAKE_MIGRATION_HEAD);
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP_COPY, &other), 0);
	assert_int_equal(other, -1);
	assert_int_equal(read_session(s, fd, data, sizeof(data), FAKE_MIGRATION_HEAD),
			 FAKE_MIGRATION_INSIDE);
	close_session(s, fd);
}

static void what_precopy_has_left_is_told(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	char head[FAKE_MIGRATION_HEAD];
	int32_t fd = -1;

	inside(s, 0)->dirty_bytes = UINT64_C(5) << 32;
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_PRE_COPY_P2P, &fd), 0);
	assert_int_equal(look(s, vfio, fd, &precopy), 0);
	assert_int_equal(precopy.initial_bytes, FAKE_MIGRATION_HEAD);
	assert_int_equal(precopy.dirty_bytes, UINT64_C(5) << 32);
	assert_int_equal(read_session(s, fd, head, sizeof(head), 0), sizeof(head));
	assert_int_equal(look(s, vfio, fd, &precopy), 0);
	assert_int_equal(precopy.initial_bytes, 0);
	assert_int_equal(precopy.flags, 0);
	close_session(s, fd);
}

static void there_is_nothing_left_to_tell_outside_precopy(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = -1;

	precopy.initial_bytes = UNTOUCHED;
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP_COPY, &fd), 0);
	assert_int_equal(look(s, vfio, fd, &precopy), -EINVAL);
	assert_non_null(strstr(s->end.err.text, "pre-copy"));
	assert_int_equal(precopy.initial_bytes, UNTOUCHED);
	assert_int_equal(look(s, vfio, -1, &precopy), -EBADF);
	assert_int_equal(look(s, vfio, vio_vfio_get_fd(vfio), &precopy), -ENOTTY);
	close_session(s, fd);
}

/* Where the kernel's rules lead from one to the other at all. */
static int is_way(uint64_t features, uint32_t from, uint32_t to)
{
	do {
		from = fake_migration_step(features, from, to);
	} while (from != to && from != VIO_VFIO_STATE_ERROR);
	return from != VIO_VFIO_STATE_ERROR;
}

/* The model leads it there by arcs that begin nothing that lasts. */
static void put(struct fake_migration *m, uint32_t to)
{
	fake_migration_reset(m);
	m->state = to;
	if (to == VIO_VFIO_STATE_RUNNING || to == VIO_VFIO_STATE_STOP ||
	    to == VIO_VFIO_STATE_ERROR || to == VIO_VFIO_STATE_RUNNING_P2P)
		return;
	m->session = &m->sessions[FAKE_MIGRATION_SESSIONS - 1];
	m->session->is_over = 0;
	m->session->is_writable = to == VIO_VFIO_STATE_RESUMING;
	m->session->n = FAKE_MIGRATION_STREAM;
	memcpy(m->session->bytes, "fake", FAKE_MIGRATION_HEAD);
}

static void
take_way(struct scene *s, struct vio_vfio *vfio, uint64_t features, const uint32_t *way)
{
	struct fake_migration *m = inside(s, 0);
	const uint32_t n_before = m->n_sets;
	int32_t fd = UNTOUCHED;
	int ret;

	m->features = features;
	put(m, way[0]);
	ret = set(s, vfio, way[1], &fd);
	if (is_way(features, way[0], way[1])) {
		assert_int_equal(ret, 0);
		assert_int_equal(m->state, way[1]);
		assert_int_equal(m->n_sets, n_before + 1);
		if (fd >= 0)
			close_session(s, fd);
		return;
	}
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(fd, UNTOUCHED);
	assert_int_equal(m->n_sets, n_before);
	assert_non_null(strstr(s->end.err.text, names[way[0]]));
	assert_non_null(strstr(s->end.err.text, names[way[1]]));
}

static void every_way_is_taken_and_what_is_none_is_refused_unasked(void **state)
{
	static const uint64_t devices[] = {
		VIO_VFIO_CAN_STOP_COPY,
		VIO_VFIO_CAN_STOP_COPY | VIO_VFIO_CAN_P2P,
		VIO_VFIO_CAN_STOP_COPY | VIO_VFIO_CAN_PRE_COPY,
		ALL,
	};
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	uint32_t way[2];

	for (size_t i = 0; i < VIO_ARRAY_SIZE(devices); i++)
		for (way[0] = 0; way[0] < N_STATES; way[0]++)
			for (way[1] = 0; way[1] < N_STATES; way[1]++)
				if (!way[0] || is_way(devices[i], way[0], way[0]))
					take_way(s, vfio, devices[i], way);
	put(inside(s, 0), VIO_VFIO_STATE_RUNNING);
}

/* The one pair in doubt, apart from the model: both are of one session. */
static void stop_copy_does_not_lead_back_to_precopy(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = UNTOUCHED;

	bring(s, vfio, VIO_VFIO_STATE_STOP_COPY);
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_PRE_COPY, &fd), -EINVAL);
	assert_non_null(strstr(s->end.err.text, "from STOP_COPY to PRE_COPY"));
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_PRE_COPY_P2P, &fd), -EINVAL);
	assert_int_equal(fd, UNTOUCHED);
	bring(s, vfio, VIO_VFIO_STATE_STOP);
	bring(s, vfio, VIO_VFIO_STATE_PRE_COPY);
}

static void a_state_that_the_device_lacks_is_refused_by_name(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, VIO_VFIO_CAN_STOP_COPY);
	int32_t fd = UNTOUCHED;

	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_RUNNING_P2P, &fd), -EINVAL);
	assert_non_null(strstr(s->end.err.text,
			       "0000:01:10.0: from RUNNING to RUNNING_P2P: the device "
			       "does not have it"));
}

static void a_state_that_nobody_knows_is_refused(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = UNTOUCHED;

	assert_int_equal(set(s, vfio, N_STATES, &fd), -EINVAL);
	assert_int_equal(set(s, vfio, UINT32_MAX, &fd), -EINVAL);
	assert_non_null(strstr(s->end.err.text, "an unknown state"));
	assert_int_equal(inside(s, 0)->n_sets, 0);
}

static void from_a_newer_kernels_state_the_kernel_finds_the_way(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = UNTOUCHED;

	inside(s, 0)->state = 77;
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP, &fd), -EINVAL);
	assert_int_equal(inside(s, 0)->n_sets, 1);
}

static void a_device_in_error_is_left_alone_until_it_is_reset(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	struct fake_migration *m = inside(s, 0);
	int32_t fd = UNTOUCHED;

	m->fail_at = VIO_VFIO_STATE_STOP;
	m->fail_code = -EIO;
	m->fails_to_error = 1;
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP_COPY, &fd), -EIO);
	assert_non_null(strstr(s->end.err.text, "it is in ERROR, reset it"));
	assert_int_equal(read_state(vfio), VIO_VFIO_STATE_ERROR);
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_RUNNING, &fd), -EINVAL);
	assert_non_null(strstr(s->end.err.text, "only a reset"));
	assert_int_equal(fd, UNTOUCHED);
	m->fail_at = 0;
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), 0);
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(read_state(vfio), VIO_VFIO_STATE_RUNNING);
	bring(s, vfio, VIO_VFIO_STATE_STOP_COPY);
}

static void a_change_that_fails_halfway_tells_where_it_is(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	struct fake_migration *m = inside(s, 0);
	int32_t fd = UNTOUCHED;

	m->fail_at = VIO_VFIO_STATE_STOP_COPY;
	m->fail_code = -ENOMEM;
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP_COPY, &fd), -ENOMEM);
	assert_non_null(strstr(s->end.err.text, "from RUNNING to STOP_COPY"));
	assert_non_null(strstr(s->end.err.text, "it is in STOP"));
	assert_int_equal(s->vfs[0].info.state, VIO_VF_HELD);
}

static void one_operation_at_a_time(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	struct vio_vfio_migration m = VIO_VFIO_MIGRATION_INIT;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = UNTOUCHED, other = UNTOUCHED;

	assert_int_equal(vio_vfio_set_migration(vfio, VIO_VFIO_STATE_STOP, &fd,
						scene_done, s, NULL),
			 0);
	assert_int_equal(vio_vfio_set_migration(vfio, VIO_VFIO_STATE_RUNNING, &other,
						scene_done, s, NULL),
			 -EBUSY);
	assert_int_equal(vio_vfio_read_migration(vfio, &m, NULL), -EBUSY);
	assert_int_equal(vio_vfio_read_precopy(vfio, 0, &precopy, scene_done, s, NULL),
			 -EBUSY);
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), -EBUSY);
	assert_int_equal(vio_vfio_close(vfio, scene_done, s, NULL), -EBUSY);
	assert_int_equal(fd, UNTOUCHED);
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(other, UNTOUCHED);
}

static void a_lost_function_has_no_state(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	struct vio_vfio_migration m = VIO_VFIO_MIGRATION_INIT;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = UNTOUCHED;

	s->vfs[0].info.state = VIO_VF_LOST;
	assert_int_equal(vio_vfio_read_migration(vfio, &m, NULL), -ENODEV);
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP, &fd), -ENODEV);
	assert_int_equal(look(s, vfio, 0, &precopy), -ENODEV);
}

static void a_paused_function_is_left_where_it_is(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = UNTOUCHED;

	s->vfs[0].info.state = VIO_VF_PAUSED;
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP, &fd), -EBUSY);
	assert_non_null(strstr(s->end.err.text, "paused"));
	assert_int_equal(inside(s, 0)->n_sets, 0);
	s->vfs[0].info.state = VIO_VF_HELD;
}

static void what_the_kernel_says_of_the_state_is_what_the_caller_hears(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_migration m = VIO_VFIO_MIGRATION_INIT;
	struct vio_vfio *vfio = open_with(s, 0, ALL);
	int32_t fd = UNTOUCHED;

	m.state = UNTOUCHED;
	s->machine->fail_request = VIO_UAPI_DEVICE_FEATURE;
	s->machine->fail_code = -EIO;
	assert_int_equal(vio_vfio_read_migration(vfio, &m, &s->end.err), -EIO);
	assert_non_null(strstr(s->end.err.text, "migration state"));
	assert_int_equal(m.state, UNTOUCHED);
	assert_int_equal(set(s, vfio, VIO_VFIO_STATE_STOP, &fd), -EIO);
	s->machine->fail_request = 0;
}

static void bad_sizes_are_refused(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	struct vio_vfio_migration m = VIO_VFIO_MIGRATION_INIT;
	struct vio_vfio *vfio = open_with(s, 0, ALL);

	assert_int_equal(vio_vfio_read_migration(vfio, NULL, NULL), -EINVAL);
	assert_int_equal(look(s, vfio, 0, NULL), -EINVAL);
	m.size = 8;
	precopy.size = 8;
	assert_int_equal(vio_vfio_read_migration(vfio, &m, NULL), -EINVAL);
	assert_int_equal(look(s, vfio, 0, &precopy), -EINVAL);
}

#define CALLS_MAX 256u /* far above what a context takes */

static int64_t run_nothing(struct vio_async_call *call)
{
	(void)call;
	return 0;
}

static uint32_t n_nothing;

static void nothing_done(struct vio_async_call *call, int64_t result)
{
	(void)call;
	assert_int_equal(result, 0);
	n_nothing++;
}

/* The lent thread is kept in a reset of another function meanwhile. */
static void with_too_many_calls_under_way_nothing_begins(void **state)
{
	static struct vio_async_call calls[CALLS_MAX];
	struct scene *s = *state;
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	struct vio_vfio *vfio = open_with(s, 0, ALL), *other = open_with(s, 1, ALL);
	uint32_t n = 0;

	n_nothing = 0;
	pthread_mutex_lock(&s->machine->lock);
	assert_int_equal(vio_vfio_reset(other, scene_done, s, NULL), 0);
	do {
		assert_true(n < CALLS_MAX);
		calls[n] = (struct vio_async_call){ .op = VIO_ASYNC_RUN,
						    .run = run_nothing,
						    .done = nothing_done };
	} while (!vio_async_submit(s->host.async, &calls[n]) && ++n);
	assert_int_equal(look(s, vfio, 0, &precopy), -EAGAIN);
	assert_non_null(strstr(s->end.err.text, "too many"));
	assert_null(s->vfs[0].done);
	assert_int_equal(s->vfs[0].info.state, VIO_VF_HELD);
	pthread_mutex_unlock(&s->machine->lock);
	assert_int_equal(scene_wait(s), 0);
	vio_test_dispatch_until(s->ctx, &n_nothing, n);
}

static int use_in_child(void *opaque)
{
	struct scene *s = opaque;
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	struct vio_vfio_migration m = VIO_VFIO_MIGRATION_INIT;
	struct vio_vfio *vfio = s->vfs[0].vfio;
	int32_t fd;

	if (vio_vfio_read_migration(vfio, &m, NULL) != -ECHILD)
		return 1;
	if (set(s, vfio, VIO_VFIO_STATE_STOP, &fd) != -ECHILD)
		return 2;
	return look(s, vfio, 0, &precopy) != -ECHILD;
}

static void a_child_changes_nothing(void **state)
{
	struct scene *s = *state;

	open_with(s, 0, ALL);
	assert_int_equal(vio_test_fork(use_in_child, s), 0);
	assert_int_equal(inside(s, 0)->n_sets, 0);
}

#define test_both(name)                                                                \
	{ #name " (groups)", name, scene_set_up_groups, scene_tear_down, NULL },       \
	{                                                                              \
#name " (iommufd)", name, scene_set_up_iommufd, scene_tear_down, NULL  \
	}
#define test_groups(name)                                                              \
	cmocka_unit_test_setup_teardown(name, scene_set_up_groups, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(features_and_state_are_told),
		test_both(a_device_without_migration_just_runs),
		test_both(what_is_read_from_one_device_is_loaded_by_another),
		test_both(a_session_that_is_over_is_still_the_callers_to_close),
		test_groups(a_state_that_came_in_part_is_refused_by_the_device),
		test_groups(precopy_goes_on_in_the_same_session_when_the_device_stops),
		test_groups(what_precopy_has_left_is_told),
		test_groups(there_is_nothing_left_to_tell_outside_precopy),
		test_groups(every_way_is_taken_and_what_is_none_is_refused_unasked),
		test_groups(stop_copy_does_not_lead_back_to_precopy),
		test_groups(a_state_that_the_device_lacks_is_refused_by_name),
		test_groups(a_state_that_nobody_knows_is_refused),
		test_groups(from_a_newer_kernels_state_the_kernel_finds_the_way),
		test_groups(a_device_in_error_is_left_alone_until_it_is_reset),
		test_groups(a_change_that_fails_halfway_tells_where_it_is),
		test_groups(one_operation_at_a_time),
		test_groups(a_lost_function_has_no_state),
		test_groups(a_paused_function_is_left_where_it_is),
		test_groups(what_the_kernel_says_of_the_state_is_what_the_caller_hears),
		test_groups(bad_sizes_are_refused),
		test_groups(with_too_many_calls_under_way_nothing_begins),
		test_groups(a_child_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
