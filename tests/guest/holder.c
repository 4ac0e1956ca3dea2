/* SPDX-License-Identifier: MIT */
/*
 * When asked to close the function a holder waits for what the device is at, and has
 * more in its ring that the device has not been told of, which is done again once the
 * function is back. To cut off what the device is at would be a third way, but the
 * emulated controller may then end the emulator.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "guest.h"
#include "holder.h"

#define STATUS  0x0008u /* of the igb VF: its link and more */
#define TICK_NS 10000000
#define WAIT_NS UINT64_C(10000000000) /* an emulated machine on a loaded host */

static struct vio_vf_config network_config(const struct holder *holder)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;

	config.fields = VIO_VF_MAC | VIO_VF_VLAN | VIO_VF_SPOOFCHK | VIO_VF_TRUST;
	memcpy(config.mac, (uint8_t[6]){ 2, 0, 0, 0, 2, (uint8_t)holder->index }, 6);
	config.vlan = 200 + holder->index;
	config.qos = 3;
	config.trust = 1;
	if (holder->mbps) {
		config.fields |= VIO_VF_MAX_RATE;
		config.max_tx_mbps = holder->mbps;
	}
	return config;
}

static struct vio_vf_config nvme_config(void)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;

	config.fields = VIO_VF_NVME;
	config.nvme_vq = 3;
	config.nvme_vi = 2;
	return config;
}

static uint64_t block_of(const struct holder *holder, uint64_t operation)
{
	return holder->index * HOLDER_BLOCKS + operation % HOLDER_BLOCKS;
}

/* What an operation leaves in its block. */
static uint64_t content_of(const struct holder *holder, uint64_t operation)
{
	return operation << 8 | holder->index;
}

static void fill_slot(struct holder *holder, uint32_t slot, uint64_t content)
{
	uint8_t *data = nvme_user_get_data(holder->nvme) + slot * NVME_BLOCK_BYTES;

	for (size_t at = 0; at < NVME_BLOCK_BYTES; at += sizeof(content))
		memcpy(data + at, &content, sizeof(content));
}

static void submit(struct holder *holder, uint32_t slot)
{
	const uint64_t operation = holder->in_slots[slot];

	fill_slot(holder, slot, content_of(holder, operation));
	nvme_user_submit(holder->nvme, 1, slot, block_of(holder, operation));
}

static void take_slot(struct holder *holder, uint32_t slot)
{
	assert_int_equal(holder->in_slots[slot], 0);
	holder->in_slots[slot] = ++holder->n_operations;
}

static void begin_operation(struct holder *holder, uint32_t slot)
{
	take_slot(holder, slot);
	submit(holder, slot);
}

static void queue_operation(struct holder *holder, uint32_t slot)
{
	take_slot(holder, slot);
	fill_slot(holder, slot, content_of(holder, holder->in_slots[slot]));
	nvme_user_queue(holder->nvme, 1, slot,
			block_of(holder, holder->in_slots[slot]));
}

static int take_operation(struct holder *holder)
{
	uint64_t operation;
	uint32_t slot;

	if (!nvme_user_take(holder->nvme, &slot))
		return 0;
	operation = holder->in_slots[slot];
	assert_int_not_equal(operation, 0);
	holder->on_disk[operation % HOLDER_BLOCKS] = operation;
	holder->in_slots[slot] = 0;
	return 1;
}

static void wait_operations(struct holder *holder, uint32_t n)
{
	const uint64_t deadline_ns = now_ns() + WAIT_NS;

	while (n) {
		n -= (uint32_t)take_operation(holder);
		assert_true(now_ns() < deadline_ns);
	}
}

static void read_back(struct holder *holder, uint64_t operation)
{
	const uint64_t deadline_ns = now_ns() + WAIT_NS;
	const uint64_t content = content_of(holder, operation);
	const uint8_t *data = nvme_user_get_data(holder->nvme);
	uint32_t slot;

	fill_slot(holder, 0, ~content);
	nvme_user_submit(holder->nvme, 0, 0, block_of(holder, operation));
	while (!nvme_user_take(holder->nvme, &slot))
		assert_true(now_ns() < deadline_ns);
	for (size_t at = 0; at < NVME_BLOCK_BYTES; at += sizeof(content))
		assert_memory_equal(data + at, &content, sizeof(content));
}

static void read_register(struct holder *holder)
{
	uint32_t value = 0;

	assert_int_equal(vio_vfio_read(holder->vfio, 0, STATUS, &value, sizeof(value)),
			 0);
	assert_int_not_equal(value, 0);
	assert_int_not_equal(value, UINT32_MAX);
}

void holder_work(struct holder *holder)
{
	uint64_t now;

	if (holder->nvme) {
		begin_operation(holder, 0);
		wait_operations(holder, 1);
		read_back(holder, holder->n_operations);
	} else {
		read_register(holder);
	}
	now = now_ns();
	if (now - holder->worked_ns > holder->gap_ns)
		holder->gap_ns = now - holder->worked_ns;
	holder->worked_ns = now;
}

void holder_restart(struct holder *holder)
{
	holder->worked_ns = now_ns();
	holder->gap_ns = 0;
}

static void start_nvme(struct holder *holder)
{
	uint32_t n_again = 0;

	holder->nvme = nvme_user_open(holder->vfio, holder->iommu);
	assert_int_equal(nvme_user_create_io(holder->nvme), 0);
	for (uint32_t i = 0; i < NVME_SLOTS; i++) {
		if (!holder->in_slots[i])
			continue;
		submit(holder, i);
		n_again++;
	}
	wait_operations(holder, n_again);
	holder->n_again += n_again;
}

static void start_network(struct holder *holder)
{
	const uint16_t command = 6; /* memory space, bus master */

	assert_int_equal(vio_vfio_write(holder->vfio, VIO_VFIO_CONFIG_REGION, 4,
					&command, sizeof(command)),
			 0);
}

static void start_work(struct holder *holder)
{
	if (holder->bus == 2)
		start_nvme(holder);
	else
		start_network(holder);
	holder_work(holder);
}

static void stop_work(struct holder *holder)
{
	if (!holder->nvme)
		return;
	for (uint32_t i = 0; i < NVME_SLOTS / 2; i++)
		begin_operation(holder, i);
	wait_operations(holder, NVME_SLOTS / 2);
	holder->worked_ns = now_ns();
	for (uint32_t i = 0; i < NVME_SLOTS / 2; i++)
		queue_operation(holder, i);
	nvme_user_stop(holder->nvme);
	assert_int_equal(take_operation(holder), 0);
	nvme_user_close(holder->nvme);
	holder->nvme = NULL;
}

static void closed(void *opaque, int result, const struct vio_error *err)
{
	struct holder *holder = opaque;

	if (result)
		fail_msg("close: %s", err->text);
	holder->vfio = NULL;
}

static void pause_work(void *opaque, struct vio_vf *vf)
{
	struct vio_error err = VIO_ERROR_INIT;
	const uint64_t begun_ns = now_ns();
	struct holder *holder = opaque;

	assert_ptr_equal(vf, holder->vf);
	holder->n_paused++;
	if (holder->is_stubborn)
		return;
	holder->is_away = 1;
	stop_work(holder);
	holder->stopped_ns = holder->worked_ns;
	holder->asked_ns += now_ns() - begun_ns;
	if (vio_vfio_close(holder->vfio, closed, holder, &err))
		fail_msg("close: %s", err.text);
}

static void opened(void *opaque, int result, const struct vio_error *err)
{
	struct holder *holder = opaque;

	if (result)
		fail_msg("open: %s", err->text);
	start_work(holder);
	if (holder->worked_ns - holder->stopped_ns > holder->outage_ns)
		holder->outage_ns = holder->worked_ns - holder->stopped_ns;
	holder->is_away = 0;
}

static void resume_work(void *opaque, struct vio_vf *vf, int is_state_lost)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct holder *holder = opaque;

	holder->n_resumed++;
	holder->n_lost += !!is_state_lost;
	if (!holder->is_away)
		return;
	params.iommu = holder->iommu;
	if (vio_vfio_open(vf, &params, &holder->vfio, opened, holder, &err))
		fail_msg("open: %s", err.text);
}

void holder_wait(struct holder *holder)
{
	assert_int_equal(owner_wait_zero(holder->owner, &holder->is_away), 0);
}

void holder_claim(struct holder *holder)
{
	const struct vio_vf_config config =
		holder->bus == 2 ? nvme_config() : network_config(holder);
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_pause_ops ops = VIO_PAUSE_OPS_INIT;

	request.flags = VIO_VF_FROM_PF;
	request.pf.bus = (uint8_t)holder->bus;
	request.config = &config;
	if (owner_claim(holder->owner, &request, &holder->vf))
		fail_msg("claim: %s", holder->owner->err.text);
	ops.pause = pause_work;
	ops.resume = resume_work;
	ops.opaque = holder;
	assert_int_equal(vio_vf_set_pause(holder->vf, &ops), 0);
}

void holder_release(struct holder *holder)
{
	if (owner_release(holder->owner, holder->vf))
		fail_msg("release: %s", holder->owner->err.text);
	holder->vf = NULL;
}

void holder_start(struct holder *holder)
{
	if (owner_open_function(holder->owner, holder->vf, holder->iommu, NULL, NULL,
				&holder->vfio))
		fail_msg("open: %s", holder->owner->err.text);
	start_work(holder);
}

void holder_stop(struct holder *holder)
{
	stop_work(holder);
	if (owner_close_function(holder->owner, holder->vfio))
		fail_msg("close: %s", holder->owner->err.text);
	holder->vfio = NULL;
}

void holder_open(struct holder *holder, struct owner *owner, uint8_t bus,
		 uint32_t index, uint32_t mbps)
{
	memset(holder, 0, sizeof(*holder));
	holder->mbps = mbps;
	holder->owner = owner;
	holder->bus = bus;
	holder->index = index;
	if (vio_iommu_open(owner->host, NULL, &holder->iommu, &owner->err))
		fail_msg("%s", owner->err.text);
	holder_claim(holder);
	holder_start(holder);
	holder_restart(holder);
}

void holder_close(struct holder *holder)
{
	holder_stop(holder);
	assert_int_equal(vio_iommu_close(holder->iommu, NULL), 0);
	holder_release(holder);
}

void holder_verify_disk(const struct holder *holder)
{
	const int fd = open("/dev/nvme0n1", O_RDONLY | O_DIRECT | O_CLOEXEC);
	uint64_t *block = disk_buffer_create(NVME_BLOCK_BYTES);

	assert_true(fd >= 0);
	for (uint32_t i = 0; i < HOLDER_BLOCKS; i++) {
		const uint64_t operation = holder->on_disk[i];
		const off_t at = (off_t)(block_of(holder, i) * NVME_BLOCK_BYTES);

		if (!operation)
			continue;
		assert_int_equal(pread(fd, block, NVME_BLOCK_BYTES, at),
				 NVME_BLOCK_BYTES);
		assert_int_equal(block[0], content_of(holder, operation));
	}
	free(block);
	close(fd);
}

static void note_gap(struct ticker *ticker)
{
	const uint64_t now = now_ns();

	if (now - ticker->last_ns > ticker->gap_ns)
		ticker->gap_ns = now - ticker->last_ns;
	ticker->last_ns = now;
}

static void tick(void *opaque)
{
	struct ticker *ticker = opaque;
	uint64_t n;

	note_gap(ticker);
	assert_int_equal(read(ticker->fd, &n, sizeof(n)), sizeof(n));
	if (ticker->holder)
		holder_work(ticker->holder);
}

void ticker_open(struct ticker *ticker, struct owner *owner, struct holder *holder)
{
	const struct itimerspec every = {
		.it_interval = { .tv_nsec = TICK_NS },
		.it_value = { .tv_nsec = TICK_NS },
	};

	ticker->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	assert_true(ticker->fd >= 0);
	ticker->last_ns = now_ns();
	ticker->gap_ns = 0;
	ticker->holder = holder;
	if (holder)
		holder_restart(holder);
	assert_int_equal(timerfd_settime(ticker->fd, 0, &every, NULL), 0);
	owner->tick_fd = ticker->fd;
	owner->tick = tick;
	owner->tick_opaque = ticker;
}

void ticker_close(struct ticker *ticker, struct owner *owner)
{
	note_gap(ticker);
	owner->tick_fd = -1;
	close(ticker->fd);
}
