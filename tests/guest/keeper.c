/* SPDX-License-Identifier: MIT */
/*
 * The loop is a poll of two descriptors, the context's and the timer's. Each tick
 * uses the bystander: a read by DMA of an NVMe VF, a register of a network VF.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"

#define WAIT_MS 60000 /* an emulated machine on a loaded host */
#define TICK_NS 10000000
#define MS      UINT64_C(1000000)
#define IGB     "/sys/bus/pci/devices/0000:01:00.0"
#define NVME    "/sys/bus/pci/devices/0000:02:00.0"
#define STATUS  0x0008u /* of the igb VF */

/* What the loop may be late beyond the thread beside it, which has other ticks. */
#define SLACK_NS (100 * MS)

int write_text(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const ssize_t ret = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return ret > 0 ? 0 : -1;
}

int machine_prepare(void)
{
	return command_run("modprobe -a vfio_iommu_type1 vfio-pci igbvf &&"
			   "mkdir -p /run");
}

int machine_make_vfs(const char *n)
{
	if (command_run("/bin/ip link set eth0 up") ||
	    write_text(IGB "/sriov_drivers_autoprobe", "1") ||
	    write_text(NVME "/sriov_drivers_autoprobe", "0") || nvme_pool_free() ||
	    write_text(IGB "/sriov_numvfs", n) || write_text(NVME "/sriov_numvfs", "2"))
		return -1;
	return 0;
}

int machine_destroy_vfs(void)
{
	return write_text(IGB "/sriov_numvfs", "0") ||
	       write_text(NVME "/sriov_numvfs", "0");
}

static void note_gap(struct gap *gap)
{
	const uint64_t now = now_ns();

	if (now - gap->last_ns > gap->longest_ns)
		gap->longest_ns = now - gap->last_ns;
	gap->last_ns = now;
	gap->n++;
}

static void *run_control(void *opaque)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct keeper *keeper = opaque;

	while (__atomic_load_n(&keeper->is_measured, __ATOMIC_ACQUIRE)) {
		nanosleep(&tick, NULL);
		note_gap(&keeper->control);
	}
	return NULL;
}

void keeper_measure(struct keeper *keeper)
{
	keeper->ticks = keeper->control = (struct gap){ .last_ns = now_ns() };
	__atomic_store_n(&keeper->is_measured, 1, __ATOMIC_RELEASE);
	assert_int_equal(
		pthread_create(&keeper->control_thread, NULL, run_control, keeper), 0);
}

void keeper_judge(struct keeper *keeper)
{
	note_gap(&keeper->ticks);
	__atomic_store_n(&keeper->is_measured, 0, __ATOMIC_RELEASE);
	pthread_join(keeper->control_thread, NULL);
	print_message("loop and bystander: %u rounds, longest gap %llu ms; a thread "
		      "beside it: %llu ms\n",
		      keeper->ticks.n,
		      (unsigned long long)(keeper->ticks.longest_ns / MS),
		      (unsigned long long)(keeper->control.longest_ns / MS));
	assert_true(keeper->ticks.longest_ns <= keeper->control.longest_ns + SLACK_NS);
}

int held_read(const struct held *held, uint32_t index, uint32_t *out)
{
	const uint32_t offset = index == VIO_VFIO_CONFIG_REGION ? 0 : STATUS;

	return vio_vfio_read(held->vfio, index, offset, out, sizeof(*out));
}

static void use_bystander(struct keeper *keeper)
{
	uint32_t value = 0;

	if (keeper->nvme) {
		memset(nvme_user_get_data(keeper->nvme), 0xaa, NVME_BLOCK_BYTES);
		assert_int_equal(nvme_user_read(keeper->nvme, keeper->ticks.n, 1), 0);
		assert_int_equal(nvme_user_get_data(keeper->nvme)[0], 0);
		return;
	}
	assert_int_equal(held_read(&keeper->bystander, 0, &value), 0);
	assert_true(value && value != UINT32_MAX);
}

static void tick(struct keeper *keeper)
{
	uint64_t count;

	assert_int_equal(read(keeper->timer_fd, &count, sizeof(count)), sizeof(count));
	if (keeper->bystander.vfio)
		use_bystander(keeper);
	note_gap(&keeper->ticks);
}

static void go_round(struct keeper *keeper)
{
	struct pollfd fds[] = {
		{ .fd = vio_ctx_get_fd(keeper->ctx), .events = POLLIN },
		{ .fd = keeper->timer_fd, .events = POLLIN },
	};
	int ret = poll(fds, 2, WAIT_MS);

	if (ret < 0)
		assert_int_equal(errno, EINTR);
	else if (fds[1].revents)
		tick(keeper);
	assert_true(vio_ctx_dispatch(keeper->ctx, 16) >= 0);
}

static void check_deadline(uint64_t began_ns)
{
	if (now_ns() - began_ns > WAIT_MS * MS)
		fail_msg("nothing happened for %d ms", WAIT_MS);
}

void keeper_run(struct keeper *keeper, const uint32_t *value)
{
	const uint64_t began_ns = now_ns();

	while (!__atomic_load_n(value, __ATOMIC_ACQUIRE)) {
		go_round(keeper);
		check_deadline(began_ns);
	}
}

uint32_t
keeper_find(const struct keeper *keeper, uint32_t from, uint32_t type, const char *name)
{
	struct vio_pci_addr addr;
	uint32_t i;

	assert_int_equal(vio_pci_addr_parse(name, &addr), 0);
	for (i = from; i < keeper->n_events; i++)
		if (keeper->events[i].type == type &&
		    !memcmp(&keeper->events[i].addr, &addr, sizeof(addr)))
			break;
	return i;
}

void keeper_await(struct keeper *keeper, uint32_t from, uint32_t type, const char *name)
{
	const uint64_t began_ns = now_ns();

	while (keeper_find(keeper, from, type, name) == keeper->n_events) {
		go_round(keeper);
		check_deadline(began_ns);
	}
}

void end_note(void *opaque, int result, const struct vio_error *err)
{
	struct end *end = opaque;

	end->result = result;
	if (err)
		end->err = *err;
	end->n++;
}

int keeper_wait(struct keeper *keeper, struct end *end, int ret)
{
	if (!ret) {
		keeper_run(keeper, &end->n);
		ret = end->result;
	}
	if (ret && ret != -ENODEV)
		print_message("%s\n", end->err.text);
	return ret;
}

static const struct vio_vf_config nvme_config = {
	.size = sizeof(nvme_config),
	.fields = VIO_VF_NVME,
	.nvme_vq = 3,
	.nvme_vi = 2,
};

static void claim(struct keeper *keeper, struct held *held, uint32_t bus)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf_info info = VIO_VF_INFO_INIT;
	struct end end = { .err = VIO_ERROR_INIT };

	request.flags = VIO_VF_FROM_PF;
	request.pf.bus = (uint8_t)bus;
	request.config = bus == BUS_NVME ? &nvme_config : NULL;
	assert_int_equal(keeper_wait(keeper, &end,
				     vio_vf_claim(keeper->host, &request, &held->vf,
						  end_note, &end, &end.err)),
			 0);
	assert_int_equal(vio_vf_read_info(held->vf, &info), 0);
	vio_pci_addr_print(&info.addr, held->name);
}

static void note_told(struct held *held, struct vio_vfio *vfio, uint32_t *n)
{
	assert_ptr_equal(held->vfio, vfio);
	if (!held->n_requested && !held->n_failed)
		held->told_ns = now_ns();
	++*n;
}

static void note_request(void *opaque, struct vio_vfio *vfio)
{
	struct held *held = opaque;

	note_told(held, vfio, &held->n_requested);
}

static void note_failure(void *opaque, struct vio_vfio *vfio)
{
	struct held *held = opaque;

	note_told(held, vfio, &held->n_failed);
}

/* Memory space: what is read by registers must be switched on. */
void keeper_open_function(struct keeper *keeper, struct held *held)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct end end = { .err = VIO_ERROR_INIT };
	const uint16_t command = 6;

	params.iommu = held->iommu;
	params.requested = note_request;
	params.failed = note_failure;
	params.opaque = held;
	assert_int_equal(keeper_wait(keeper, &end,
				     vio_vfio_open(held->vf, &params, &held->vfio,
						   end_note, &end, &end.err)),
			 0);
	assert_int_equal(
		vio_vfio_write(held->vfio, VIO_VFIO_CONFIG_REGION, 4, &command, 2), 0);
}

void keeper_close_function(struct keeper *keeper, struct held *held)
{
	struct vio_vfio *vfio = held->vfio;
	struct end end = { .err = VIO_ERROR_INIT };

	held->vfio = NULL;
	assert_int_equal(keeper_wait(keeper, &end,
				     vio_vfio_close(vfio, end_note, &end, &end.err)),
			 0);
}

void keeper_take(struct keeper *keeper, struct held *held, uint32_t bus)
{
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;

	*held = (struct held){ 0 };
	claim(keeper, held, bus);
	assert_int_equal(vio_iommu_open(keeper->host, &params, &held->iommu, NULL), 0);
	keeper_open_function(keeper, held);
}

int keeper_release(struct keeper *keeper, struct held *held)
{
	struct end end = { .err = VIO_ERROR_INIT };

	assert_int_equal(vio_iommu_close(held->iommu, NULL), 0);
	return keeper_wait(keeper, &end,
			   vio_vf_release(held->vf, end_note, &end, &end.err));
}

uint32_t held_get_state(const struct held *held)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	assert_int_equal(vio_vf_read_info(held->vf, &info), 0);
	return info.state;
}

static void note_event(void *opaque, const struct vio_host_event *event)
{
	struct keeper *keeper = opaque;

	assert_true(keeper->n_events < KEEPER_EVENTS);
	keeper->events[keeper->n_events++] = *event;
}

static void *lend(void *ctx)
{
	(void)vio_ctx_work(ctx);
	return NULL;
}

static void open_timer(struct keeper *keeper)
{
	const struct itimerspec every = { { 0, TICK_NS }, { 0, TICK_NS } };

	keeper->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	assert_true(keeper->timer_fd >= 0);
	assert_int_equal(timerfd_settime(keeper->timer_fd, 0, &every, NULL), 0);
}

void keeper_open(struct keeper *keeper, uint32_t bystander_bus)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_host_params host_params = VIO_HOST_PARAMS_INIT;

	*keeper = (struct keeper){ 0 };
	params.flags = VIO_CTX_LENDS_THREAD;
	host_params.event = note_event;
	host_params.opaque = keeper;
	assert_int_equal(vio_ctx_create(&params, &keeper->ctx, NULL), 0);
	assert_int_equal(pthread_create(&keeper->worker, NULL, lend, keeper->ctx), 0);
	assert_int_equal(vio_host_open(keeper->ctx, &host_params, &keeper->host, NULL),
			 0);
	open_timer(keeper);
	keeper_take(keeper, &keeper->bystander, bystander_bus);
	if (bystander_bus != BUS_NVME)
		return;
	keeper->nvme = nvme_user_open(keeper->bystander.vfio, keeper->bystander.iommu);
	assert_int_equal(nvme_user_create_io(keeper->nvme), 0);
}

void keeper_close(struct keeper *keeper)
{
	if (keeper->nvme)
		nvme_user_close(keeper->nvme);
	keeper->nvme = NULL;
	keeper_close_function(keeper, &keeper->bystander);
	assert_int_equal(keeper_release(keeper, &keeper->bystander), 0);
	assert_int_equal(vio_host_close(keeper->host, NULL), 0);
	assert_int_equal(vio_ctx_abort_work(keeper->ctx), 0);
	pthread_join(keeper->worker, NULL);
	assert_int_equal(vio_ctx_destroy(keeper->ctx, NULL), 0);
	close(keeper->timer_fd);
}

static void *run_writer(void *opaque)
{
	struct writer *writer = opaque;

	writer->began_ns = now_ns();
	writer->result = writer->path ? write_text(writer->path, writer->text)
				      : strcmp(host_ask("%s", writer->text), "ok");
	writer->ended_ns = now_ns();
	__atomic_store_n(&writer->is_over, 1, __ATOMIC_RELEASE);
	return NULL;
}

void writer_start(struct writer *writer, const char *path, const char *text)
{
	*writer = (struct writer){ .path = path, .text = text };
	assert_int_equal(pthread_create(&writer->thread, NULL, run_writer, writer), 0);
}

int writer_join(struct writer *writer, struct keeper *keeper)
{
	keeper_run(keeper, &writer->is_over);
	pthread_join(writer->thread, NULL);
	return writer->result;
}
