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
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/nvme_ioctl.h>

#include "holder.h"

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

/* The primary controller keeps none of what can be given; that takes a reset. */
static int free_nvme_pool(void)
{
	const int fd = open("/dev/nvme0", O_RDWR | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -1;
	for (unsigned int type = 0; type < 2; type++) {
		struct nvme_admin_cmd command = { .opcode = 0x1c,
						  .cdw10 = 1 | type << 8 };

		ret |= ioctl(fd, NVME_IOCTL_ADMIN_CMD, &command);
	}
	ret |= ioctl(fd, NVME_IOCTL_RESET);
	close(fd);
	return ret;
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
	    write_text(NVME "/sriov_drivers_autoprobe", "0") || free_nvme_pool() ||
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
	struct holder *holder = opaque;

	while (__atomic_load_n(&holder->is_measured, __ATOMIC_ACQUIRE)) {
		nanosleep(&tick, NULL);
		note_gap(&holder->control);
	}
	return NULL;
}

void holder_measure(struct holder *holder)
{
	holder->ticks = holder->control = (struct gap){ .last_ns = now_ns() };
	__atomic_store_n(&holder->is_measured, 1, __ATOMIC_RELEASE);
	assert_int_equal(
		pthread_create(&holder->control_thread, NULL, run_control, holder), 0);
}

void holder_judge(struct holder *holder)
{
	note_gap(&holder->ticks);
	__atomic_store_n(&holder->is_measured, 0, __ATOMIC_RELEASE);
	pthread_join(holder->control_thread, NULL);
	print_message("loop and bystander: %u rounds, longest gap %llu ms; a thread "
		      "beside it: %llu ms\n",
		      holder->ticks.n,
		      (unsigned long long)(holder->ticks.longest_ns / MS),
		      (unsigned long long)(holder->control.longest_ns / MS));
	assert_true(holder->ticks.longest_ns <= holder->control.longest_ns + SLACK_NS);
}

int held_read(const struct held *held, uint32_t index, uint32_t *out)
{
	const uint32_t offset = index == VIO_VFIO_CONFIG_REGION ? 0 : STATUS;

	return vio_vfio_read(held->vfio, index, offset, out, sizeof(*out));
}

static void use_bystander(struct holder *holder)
{
	uint32_t value = 0;

	if (holder->nvme) {
		memset(nvme_user_get_data(holder->nvme), 0xaa, NVME_BLOCK_BYTES);
		assert_int_equal(nvme_user_read(holder->nvme, holder->ticks.n, 1), 0);
		assert_int_equal(nvme_user_get_data(holder->nvme)[0], 0);
		return;
	}
	assert_int_equal(held_read(&holder->bystander, 0, &value), 0);
	assert_true(value && value != UINT32_MAX);
}

static void tick(struct holder *holder)
{
	uint64_t count;

	assert_int_equal(read(holder->timer_fd, &count, sizeof(count)), sizeof(count));
	if (holder->bystander.vfio)
		use_bystander(holder);
	note_gap(&holder->ticks);
}

static void go_round(struct holder *holder)
{
	struct pollfd fds[] = {
		{ .fd = vio_ctx_get_fd(holder->ctx), .events = POLLIN },
		{ .fd = holder->timer_fd, .events = POLLIN },
	};
	int ret = poll(fds, 2, WAIT_MS);

	if (ret < 0)
		assert_int_equal(errno, EINTR);
	else if (fds[1].revents)
		tick(holder);
	assert_true(vio_ctx_dispatch(holder->ctx, 16) >= 0);
}

static void check_deadline(uint64_t began_ns)
{
	if (now_ns() - began_ns > WAIT_MS * MS)
		fail_msg("nothing happened for %d ms", WAIT_MS);
}

void holder_run(struct holder *holder, const uint32_t *value)
{
	const uint64_t began_ns = now_ns();

	while (!__atomic_load_n(value, __ATOMIC_ACQUIRE)) {
		go_round(holder);
		check_deadline(began_ns);
	}
}

uint32_t
holder_find(const struct holder *holder, uint32_t from, uint32_t type, const char *name)
{
	struct vio_pci_addr addr;
	uint32_t i;

	assert_int_equal(vio_pci_addr_parse(name, &addr), 0);
	for (i = from; i < holder->n_events; i++)
		if (holder->events[i].type == type &&
		    !memcmp(&holder->events[i].addr, &addr, sizeof(addr)))
			break;
	return i;
}

void holder_await(struct holder *holder, uint32_t from, uint32_t type, const char *name)
{
	const uint64_t began_ns = now_ns();

	while (holder_find(holder, from, type, name) == holder->n_events) {
		go_round(holder);
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

int holder_wait(struct holder *holder, struct end *end, int ret)
{
	if (!ret) {
		holder_run(holder, &end->n);
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

static void claim(struct holder *holder, struct held *held, uint32_t bus)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf_info info = VIO_VF_INFO_INIT;
	struct end end = { .err = VIO_ERROR_INIT };

	request.flags = VIO_VF_FROM_PF;
	request.pf.bus = (uint8_t)bus;
	request.config = bus == BUS_NVME ? &nvme_config : NULL;
	assert_int_equal(holder_wait(holder, &end,
				     vio_vf_claim(holder->host, &request, &held->vf,
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
void holder_open_function(struct holder *holder, struct held *held)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct end end = { .err = VIO_ERROR_INIT };
	const uint16_t command = 6;

	params.iommu = held->iommu;
	params.requested = note_request;
	params.failed = note_failure;
	params.opaque = held;
	assert_int_equal(holder_wait(holder, &end,
				     vio_vfio_open(held->vf, &params, &held->vfio,
						   end_note, &end, &end.err)),
			 0);
	assert_int_equal(
		vio_vfio_write(held->vfio, VIO_VFIO_CONFIG_REGION, 4, &command, 2), 0);
}

void holder_close_function(struct holder *holder, struct held *held)
{
	struct vio_vfio *vfio = held->vfio;
	struct end end = { .err = VIO_ERROR_INIT };

	held->vfio = NULL;
	assert_int_equal(holder_wait(holder, &end,
				     vio_vfio_close(vfio, end_note, &end, &end.err)),
			 0);
}

void holder_take(struct holder *holder, struct held *held, uint32_t bus)
{
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;

	*held = (struct held){ 0 };
	claim(holder, held, bus);
	assert_int_equal(vio_iommu_open(holder->host, &params, &held->iommu, NULL), 0);
	holder_open_function(holder, held);
}

int holder_release(struct holder *holder, struct held *held)
{
	struct end end = { .err = VIO_ERROR_INIT };

	assert_int_equal(vio_iommu_close(held->iommu, NULL), 0);
	return holder_wait(holder, &end,
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
	struct holder *holder = opaque;

	assert_true(holder->n_events < HOLDER_EVENTS);
	holder->events[holder->n_events++] = *event;
}

static void *lend(void *ctx)
{
	(void)vio_ctx_work(ctx);
	return NULL;
}

static void open_timer(struct holder *holder)
{
	const struct itimerspec every = { { 0, TICK_NS }, { 0, TICK_NS } };

	holder->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	assert_true(holder->timer_fd >= 0);
	assert_int_equal(timerfd_settime(holder->timer_fd, 0, &every, NULL), 0);
}

void holder_open(struct holder *holder, uint32_t bystander_bus)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_host_params host_params = VIO_HOST_PARAMS_INIT;

	*holder = (struct holder){ 0 };
	params.flags = VIO_CTX_LENDS_THREAD;
	host_params.event = note_event;
	host_params.opaque = holder;
	assert_int_equal(vio_ctx_create(&params, &holder->ctx, NULL), 0);
	assert_int_equal(pthread_create(&holder->worker, NULL, lend, holder->ctx), 0);
	assert_int_equal(vio_host_open(holder->ctx, &host_params, &holder->host, NULL),
			 0);
	open_timer(holder);
	holder_take(holder, &holder->bystander, bystander_bus);
	if (bystander_bus != BUS_NVME)
		return;
	holder->nvme = nvme_user_open(holder->bystander.vfio, holder->bystander.iommu);
	assert_int_equal(nvme_user_create_io(holder->nvme), 0);
}

void holder_close(struct holder *holder)
{
	if (holder->nvme)
		nvme_user_close(holder->nvme);
	holder->nvme = NULL;
	holder_close_function(holder, &holder->bystander);
	assert_int_equal(holder_release(holder, &holder->bystander), 0);
	assert_int_equal(vio_host_close(holder->host, NULL), 0);
	assert_int_equal(vio_ctx_abort_work(holder->ctx), 0);
	pthread_join(holder->worker, NULL);
	assert_int_equal(vio_ctx_destroy(holder->ctx, NULL), 0);
	close(holder->timer_fd);
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

int writer_join(struct writer *writer, struct holder *holder)
{
	holder_run(holder, &writer->is_over);
	pthread_join(writer->thread, NULL);
	return writer->result;
}
