/* SPDX-License-Identifier: MIT */
/*
 * The way from state to state is told by where it leads next, as the rules of
 * linux/vfio.h have it: the shortest, and no session begun on it that does not last to
 * its end. What a device cannot do is passed through.
 */
#include <fcntl.h>
#include <stdio.h>

#include <vio/vfio_migration.h>

#include "fake/fake_migration.h"
#include "fake/support.h"
#include "sys/uapi/vfio_migration.h"

#define ERROR        VIO_VFIO_STATE_ERROR
#define STOP         VIO_VFIO_STATE_STOP
#define RUNNING      VIO_VFIO_STATE_RUNNING
#define STOP_COPY    VIO_VFIO_STATE_STOP_COPY
#define RESUMING     VIO_VFIO_STATE_RESUMING
#define RUNNING_P2P  VIO_VFIO_STATE_RUNNING_P2P
#define PRE_COPY     VIO_VFIO_STATE_PRE_COPY
#define PRE_COPY_P2P VIO_VFIO_STATE_PRE_COPY_P2P

static const char head[FAKE_MIGRATION_HEAD] = { 'f', 'a', 'k', 'e' };

static int has_state(uint64_t features, uint32_t state)
{
	static const uint64_t needs[] = {
		[ERROR] = UINT64_MAX,
		[STOP] = VIO_VFIO_CAN_STOP_COPY,
		[RUNNING] = VIO_VFIO_CAN_STOP_COPY,
		[STOP_COPY] = VIO_VFIO_CAN_STOP_COPY,
		[RESUMING] = VIO_VFIO_CAN_STOP_COPY,
		[RUNNING_P2P] = VIO_VFIO_CAN_STOP_COPY | VIO_VFIO_CAN_P2P,
		[PRE_COPY] = VIO_VFIO_CAN_STOP_COPY | VIO_VFIO_CAN_PRE_COPY,
		[PRE_COPY_P2P] = VIO_VFIO_CAN_STOP_COPY | VIO_VFIO_CAN_P2P |
				 VIO_VFIO_CAN_PRE_COPY,
	};

	return state <= PRE_COPY_P2P && (needs[state] & ~features) == 0;
}

static int is_saving(uint32_t state)
{
	return state == STOP_COPY || state == PRE_COPY || state == PRE_COPY_P2P;
}

/* For a device that has all states. */
static uint32_t next_state(uint32_t from, uint32_t to)
{
	switch (from) {
	case STOP:
		return to == STOP_COPY || to == RESUMING ? to : RUNNING_P2P;
	case STOP_COPY:
		return to == PRE_COPY || to == PRE_COPY_P2P ? ERROR : STOP;
	case RESUMING:
		return STOP;
	case RUNNING:
		return to == PRE_COPY ? PRE_COPY : RUNNING_P2P;
	case RUNNING_P2P:
		if (to == PRE_COPY_P2P)
			return to;
		return to == RUNNING || to == PRE_COPY ? RUNNING : STOP;
	case PRE_COPY:
		return to == PRE_COPY_P2P || to == STOP_COPY ? PRE_COPY_P2P : RUNNING;
	case PRE_COPY_P2P:
		return to == PRE_COPY || to == STOP_COPY ? to : RUNNING_P2P;
	}
	return ERROR;
}

uint32_t fake_migration_step(uint64_t features, uint32_t from, uint32_t to)
{
	uint32_t next = from;

	if (!has_state(features, from) || !has_state(features, to))
		return ERROR;
	do {
		next = next == to ? to : next_state(next, to);
	} while (next != ERROR && !has_state(features, next));
	return next;
}

static void end_session(struct fake_migration *m)
{
	if (m->session)
		m->session->is_over = 1;
	m->session = NULL;
}

void fake_migration_reset(struct fake_migration *m)
{
	end_session(m);
	m->state = RUNNING;
}

static int begin_session(struct fake_migration *m, uint32_t state)
{
	struct fake_session *s = m->sessions;

	while (s->is_open) {
		s++;
		assert_true(s < m->sessions + FAKE_MIGRATION_SESSIONS);
	}
	s->is_over = 0;
	s->is_writable = state == RESUMING;
	s->n = s->seen = 0;
	if (!s->is_writable) {
		memcpy(s->bytes, head, sizeof(head));
		s->n = sizeof(head);
	}
	m->session = s;
	return 0;
}

/* All of it, and nothing else, or it is not taken. */
static int load(struct fake_migration *m)
{
	const struct fake_session *s = m->session;

	if (s->n != FAKE_MIGRATION_STREAM || memcmp(s->bytes, head, sizeof(head)))
		return -EINVAL;
	memcpy(m->inside, s->bytes + sizeof(head), sizeof(m->inside));
	return 0;
}

static int take_arc(struct fake_migration *m, uint32_t next)
{
	int ret = 0;

	if (m->fail_at == next && m->fail_code) {
		if (m->fails_to_error) {
			end_session(m);
			m->state = ERROR;
		}
		return m->fail_code;
	}
	if (m->state == RESUMING && next == STOP)
		ret = load(m);
	if (ret)
		return ret;
	if (!is_saving(m->state) || !is_saving(next))
		end_session(m);
	if (!m->session && (is_saving(next) || next == RESUMING))
		begin_session(m, next);
	if (next == STOP_COPY) {
		memcpy(m->session->bytes + sizeof(head), m->inside, sizeof(m->inside));
		m->session->n = FAKE_MIGRATION_STREAM;
	}
	m->state = next;
	return 0;
}

/* A descriptor if the last arc began a session. */
static int set_state(struct fake_migration *m, struct vio_uapi_mig_state *request)
{
	const struct vio_sys *sys = vio_fake_get_sys(m->fake);
	const struct fake_session *before = m->session;

	m->n_sets++;
	request->data_fd = -1;
	while (m->state != request->device_state) {
		const uint32_t next = fake_migration_step(m->features, m->state,
							  request->device_state);
		const int ret = next == ERROR ? -EINVAL : take_arc(m, next);

		if (ret)
			return ret;
	}
	if (!m->session || m->session == before)
		return 0;
	m->session->is_open = 1;
	request->data_fd =
		sys->openat(sys->opaque, AT_FDCWD, m->session->path, O_RDWR, 0);
	return request->data_fd < 0 ? request->data_fd : 0;
}

int fake_migration_call(struct fake_migration *m, void *argument)
{
	struct vio_uapi_migration *features = argument;
	struct vio_uapi_mig_state *state = argument;

	if (!m->features)
		return -ENOTTY;
	if (features->head.argsz < sizeof(*features))
		return -EINVAL;
	switch (features->head.flags) {
	case VIO_UAPI_FEATURE_MIGRATION | VIO_UAPI_DEVICE_FEATURE_GET:
		features->flags = m->features;
		return 0;
	case VIO_UAPI_FEATURE_MIG_DEVICE_STATE | VIO_UAPI_DEVICE_FEATURE_GET:
		state->device_state = m->state;
		state->data_fd = -1;
		return 0;
	case VIO_UAPI_FEATURE_MIG_DEVICE_STATE | VIO_UAPI_DEVICE_FEATURE_SET:
		return set_state(m, state);
	}
	return -ENOTTY;
}

static int session_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	const struct fake_session *s = opaque;
	const struct fake_migration *m = s->migration;
	struct vio_uapi_precopy_info *info = argument;

	(void)fd;
	if (request != VIO_UAPI_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (info->argsz < sizeof(*info) ||
	    (m->state != PRE_COPY && m->state != PRE_COPY_P2P))
		return -EINVAL;
	if (s->is_over)
		return -ENODEV;
	info->flags = 0;
	info->initial_bytes = s->n - s->seen;
	info->dirty_bytes = m->dirty_bytes;
	return 0;
}

static ssize_t
session_access(void *opaque, void *buf, size_t n, off_t offset, int is_write)
{
	struct fake_session *s = opaque;
	const size_t at = (size_t)offset;

	if (s->is_over)
		return -ENODEV;
	if (is_write != (int)s->is_writable)
		return -EBADF;
	if (is_write && at + n > sizeof(s->bytes))
		return -ENOMEM;
	if (is_write) {
		memcpy(s->bytes + at, buf, n);
		s->n = at + n;
		return (ssize_t)n;
	}
	n = at >= s->n ? 0 : n < s->n - at ? n : s->n - at;
	memcpy(buf, s->bytes + at, n);
	s->seen = at + n;
	return (ssize_t)n;
}

static void session_close(void *opaque, int fd)
{
	struct fake_session *s = opaque;

	(void)fd;
	s->is_open = 0;
}

void fake_migration_prepare(struct fake_migration *m, struct vio_fake *fake,
			    const char *name)
{
	m->fake = fake;
	m->state = RUNNING;
	for (uint32_t i = 0; i < FAKE_MIGRATION_SESSIONS; i++) {
		struct fake_session *s = &m->sessions[i];

		s->migration = m;
		s->file = (struct vio_fake_device){
			.close = session_close,
			.ioctl = session_ioctl,
			.access = session_access,
			.opaque = s,
		};
		snprintf(s->path, sizeof(s->path), "/fake-dev/sessions/%s.%u", name, i);
		vio_fake_add_device(fake, s->path, &s->file);
	}
}
