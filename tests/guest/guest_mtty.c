/* SPDX-License-Identifier: MIT */
/*
 * Migration for real: two serial devices of software, whose driver has every state of
 * VFIO's, opened and led about by the library. What is inside is seen in the scratch
 * register of a port. Said "iommufd", it takes that way; else it takes groups.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <vio/vfio_migration.h>

#include "guest.h"
#include "owner.h"
#include "sys/uapi/vfio_migration.h"

#define WAIT_MS  60000 /* an emulated machine on a loaded host */
#define STATES   (VIO_VFIO_STATE_PRE_COPY_P2P + 1)
#define SCRATCH  7u /* 16550's, in BAR 0 */
#define ROOM     256u
#define MTTY     "/sys/devices/virtual/mtty/mtty/"
#define TYPE     MTTY "mdev_supported_types/mtty-1/create"
#define FEATURES (VIO_VFIO_CAN_STOP_COPY | VIO_VFIO_CAN_P2P | VIO_VFIO_CAN_PRE_COPY)

static const char *const uuids[] = { "5f0e1a52-7a4c-4f0e-9c52-0d7b3a1c0001",
				     "5f0e1a52-7a4c-4f0e-9c52-0d7b3a1c0002" };
static uint32_t way = VIO_IOMMU_TYPE1;
static struct owner owner;
static struct vio_iommu *iommu;
static struct vio_vfio *devices[2];

struct end {
	int is_done;
	int result;
	struct vio_error err;
};

static struct end last;

static void note_end(void *opaque, int result, const struct vio_error *err)
{
	struct end *end = opaque;

	end->is_done = 1;
	end->result = result;
	if (err)
		end->err = *err;
}

static struct end *begin(void)
{
	last = (struct end){ .err = VIO_ERROR_INIT };
	return &last;
}

/* Of what began with @ret. */
static int wait_end(int ret)
{
	struct pollfd fd = { .fd = vio_ctx_get_fd(owner.ctx), .events = POLLIN };

	while (!ret && !last.is_done) {
		if (poll(&fd, 1, WAIT_MS) != 1)
			fail_msg("nothing happened for %d ms", WAIT_MS);
		assert_true(vio_ctx_dispatch(owner.ctx, 16) >= 0);
	}
	if (ret || last.result)
		print_message("%s\n", last.err.text);
	return ret ? ret : last.result;
}

static int set(struct vio_vfio *vfio, uint32_t state, int32_t *out_fd)
{
	struct end *end = begin();

	return wait_end(
		vio_vfio_set_migration(vfio, state, out_fd, note_end, end, &end->err));
}

/* To a state that begins no session. */
static void bring(struct vio_vfio *vfio, uint32_t state)
{
	int32_t fd = 0;

	assert_int_equal(set(vfio, state, &fd), 0);
	assert_int_equal(fd, -1);
}

static int32_t begin_session(struct vio_vfio *vfio, uint32_t state)
{
	int32_t fd = -1;

	assert_int_equal(set(vfio, state, &fd), 0);
	assert_true(fd >= 0);
	return fd;
}

static void reset(struct vio_vfio *vfio)
{
	struct end *end = begin();

	assert_int_equal(wait_end(vio_vfio_reset(vfio, note_end, end, &end->err)), 0);
}

static uint32_t read_state(struct vio_vfio *vfio)
{
	struct vio_vfio_migration m = VIO_VFIO_MIGRATION_INIT;

	assert_int_equal(vio_vfio_read_migration(vfio, &m, NULL), 0);
	assert_int_equal(m.features, FEATURES);
	return m.state;
}

static struct vio_vfio_precopy look(struct vio_vfio *vfio, int fd)
{
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	struct end *end = begin();

	assert_int_equal(wait_end(vio_vfio_read_precopy(vfio, fd, &precopy, note_end,
							end, &end->err)),
			 0);
	return precopy;
}

static void put_scratch(struct vio_vfio *vfio, uint8_t value)
{
	assert_int_equal(vio_vfio_write(vfio, 0, SCRATCH, &value, 1), 0);
}

static uint8_t read_scratch(struct vio_vfio *vfio)
{
	uint8_t value = 0;

	assert_int_equal(vio_vfio_read(vfio, 0, SCRATCH, &value, 1), 0);
	return value;
}

/* A stream to its end; it is shorter than the room. */
static size_t read_all(int fd, uint8_t data[ROOM])
{
	size_t n = 0;
	ssize_t got;

	do {
		assert_true(n < ROOM);
		got = read(fd, data + n, ROOM - n);
		assert_true(got >= 0);
		n += (size_t)got;
	} while (got);
	return n;
}

/* What a device with that scratch register gives when it is read out; then it runs. */
static size_t save(struct vio_vfio *vfio, uint8_t scratch, uint8_t data[ROOM])
{
	int32_t fd;
	size_t n;

	put_scratch(vfio, scratch);
	bring(vfio, VIO_VFIO_STATE_STOP);
	fd = begin_session(vfio, VIO_VFIO_STATE_STOP_COPY);
	n = read_all(fd, data);
	bring(vfio, VIO_VFIO_STATE_STOP);
	close(fd);
	bring(vfio, VIO_VFIO_STATE_RUNNING);
	return n;
}

static void the_driver_has_every_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(read_state(devices[i]), VIO_VFIO_STATE_RUNNING);
	assert_int_equal(vio_vfio_get_group_fd(devices[0]) < 0,
			 way == VIO_IOMMU_IOMMUFD);
}

static void the_state_of_one_device_is_loaded_by_the_other(void **state)
{
	uint8_t data[ROOM];
	int32_t fd;
	size_t n;

	(void)state;
	n = save(devices[0], 0x5a, data);
	assert_true(n > 0);
	put_scratch(devices[1], 0x11);
	bring(devices[1], VIO_VFIO_STATE_STOP);
	fd = begin_session(devices[1], VIO_VFIO_STATE_RESUMING);
	assert_int_equal(write(fd, data, n), n);
	bring(devices[1], VIO_VFIO_STATE_STOP);
	close(fd);
	bring(devices[1], VIO_VFIO_STATE_RUNNING);
	assert_int_equal(read_scratch(devices[1]), 0x5a);
}

static void both_work_afterwards_as_before(void **state)
{
	(void)state;
	assert_int_equal(read_scratch(devices[0]), 0x5a);
	for (uint8_t i = 0; i < 2; i++) {
		put_scratch(devices[i], 0x20 + i);
		assert_int_equal(read_scratch(devices[i]), 0x20 + i);
		assert_int_equal(read_state(devices[i]), VIO_VFIO_STATE_RUNNING);
	}
}

static void precopy_reads_what_it_says_and_goes_on_when_it_stops(void **state)
{
	struct vio_vfio *vfio = devices[0];
	const int32_t fd = begin_session(vfio, VIO_VFIO_STATE_PRE_COPY);
	const uint64_t n = look(vfio, fd).initial_bytes;
	uint8_t data[ROOM];

	(void)state;
	assert_true(n > 0);
	assert_int_equal(read_all(fd, data), n);
	assert_int_equal(look(vfio, fd).initial_bytes, 0);
	assert_int_equal(look(vfio, fd).dirty_bytes, 0);
	bring(vfio, VIO_VFIO_STATE_PRE_COPY_P2P);
	bring(vfio, VIO_VFIO_STATE_STOP_COPY);
	assert_true(read_all(fd, data) > 0);
	close(fd);
	bring(vfio, VIO_VFIO_STATE_RUNNING);
}

static void what_precopy_has_left_is_not_told_once_it_has_stopped(void **state)
{
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	const int32_t fd = begin_session(devices[0], VIO_VFIO_STATE_STOP_COPY);
	struct end *end = begin();

	(void)state;
	assert_int_equal(wait_end(vio_vfio_read_precopy(devices[0], fd, &precopy,
							note_end, end, &end->err)),
			 -EINVAL);
	close(fd);
	bring(devices[0], VIO_VFIO_STATE_RUNNING);
}

static void a_state_cut_short_is_refused_and_a_reset_leads_out(void **state)
{
	struct vio_vfio *vfio = devices[1];
	uint8_t data[ROOM];
	const size_t n = save(devices[0], 0x33, data);
	int32_t fd, other = 0x5a5a;

	(void)state;
	fd = begin_session(vfio, VIO_VFIO_STATE_RESUMING);
	assert_int_equal(write(fd, data, n - 1), n - 1);
	assert_int_equal(set(vfio, VIO_VFIO_STATE_RUNNING, &other), -EINVAL);
	assert_int_equal(other, 0x5a5a);
	assert_non_null(strstr(last.err.text, "it is in RESUMING"));
	assert_int_equal(read_state(vfio), VIO_VFIO_STATE_RESUMING);
	reset(vfio);
	assert_int_equal(read_state(vfio), VIO_VFIO_STATE_RUNNING);
	assert_int_equal(write(fd, data, 1), -1);
	assert_int_equal(errno, ENODEV);
	close(fd);
}

/* The kernel itself, past the library. */
static int ask_kernel(struct vio_vfio *vfio, uint32_t state)
{
	struct vio_uapi_mig_state request = {
		.head = { .argsz = sizeof(request),
			  .flags = VIO_UAPI_FEATURE_MIG_DEVICE_STATE |
				   VIO_UAPI_DEVICE_FEATURE_SET },
		.device_state = state,
	};

	return ioctl(vio_vfio_get_fd(vfio), VIO_UAPI_DEVICE_FEATURE, &request) ? -errno
									       : 0;
}

/* From a reset to @from; what leaving it takes is there. */
static int32_t
stand(struct vio_vfio *vfio, uint32_t from, const uint8_t *data, size_t n)
{
	int32_t fd = -1;

	reset(vfio);
	assert_int_equal(set(vfio, from, &fd), 0);
	if (from == VIO_VFIO_STATE_RESUMING)
		assert_int_equal(write(fd, data, n), n);
	return fd;
}

static void
take_way(struct vio_vfio *vfio, uint32_t from, uint32_t to, uint32_t *n_refused)
{
	int32_t fd = -1;
	const int ret = set(vfio, to, &fd);

	if (!ret)
		assert_int_equal(read_state(vfio), to);
	else if (ret != -EINVAL || ask_kernel(vfio, to) != -EINVAL)
		fail_msg("from %u to %u: %d, the kernel answers something else", from,
			 to, ret);
	else
		(*n_refused)++;
	if (fd >= 0)
		close(fd);
}

/* Pre-copy, in two forms, from STOP_COPY; ERROR and an unknown one from all seven. */
static void what_is_refused_the_kernel_refuses_too_and_nothing_else(void **state)
{
	struct vio_vfio *vfio = devices[1];
	uint32_t n_refused = 0;
	uint8_t data[ROOM];
	const size_t n = save(devices[0], 0x44, data);

	(void)state;
	for (uint32_t from = VIO_VFIO_STATE_STOP; from < STATES; from++)
		for (uint32_t to = 0; to <= STATES; to++) {
			const int32_t fd = stand(vfio, from, data, n);

			take_way(vfio, from, to, &n_refused);
			if (fd >= 0)
				close(fd);
		}
	reset(vfio);
	assert_int_equal(n_refused, 2 + 7 * 2);
}

static int open_device(size_t i)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct end *end = begin();

	params.iommu = iommu;
	return wait_end(vio_vfio_open_mdev(owner.host, uuids[i], &params, &devices[i],
					   note_end, end, &end->err));
}

static int create_device(size_t i)
{
	char command[256];

	snprintf(command, sizeof(command), "echo %s >" TYPE, uuids[i]);
	return command_run(command);
}

/* One kernel has the driver built in, the other is given it. */
static int set_up(void **state)
{
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;

	(void)state;
	if (command_run("modprobe -a mdev vfio vfio_iommu_type1 && mkdir -p /run && "
			"{ [ -d " MTTY " ] || insmod mtty.ko; }") ||
	    create_device(0) || create_device(1) || owner_open(&owner, "mtty"))
		return -1;
	params.flags = way;
	if (vio_iommu_open(owner.host, &params, &iommu, &last.err))
		return -1;
	return open_device(0) || open_device(1);
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct end *end = begin();

		if (wait_end(vio_vfio_close(devices[i], note_end, end, &end->err)))
			return -1;
	}
	return vio_iommu_close(iommu, NULL) || owner_close(&owner);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_driver_has_every_state),
		cmocka_unit_test(the_state_of_one_device_is_loaded_by_the_other),
		cmocka_unit_test(both_work_afterwards_as_before),
		cmocka_unit_test(precopy_reads_what_it_says_and_goes_on_when_it_stops),
		cmocka_unit_test(what_precopy_has_left_is_not_told_once_it_has_stopped),
		cmocka_unit_test(a_state_cut_short_is_refused_and_a_reset_leads_out),
		cmocka_unit_test(
			what_is_refused_the_kernel_refuses_too_and_nothing_else),
	};

	if (argc > 1 && !strcmp(argv[1], "iommufd"))
		way = VIO_IOMMU_IOMMUFD;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
