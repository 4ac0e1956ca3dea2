/* SPDX-License-Identifier: MIT */
/*
 * VFIO for real: VFs of the emulated igb and NVMe, claimed and opened through the
 * public interface under the emulated IOMMU. Data moves by the NVMe VF's own DMA,
 * its interrupts arrive, and what is not mapped is not reached. Said "iommufd", it
 * takes that way; else it takes groups.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vio/ctx.h>
#include <vio/mem.h>
#include <vio/vfio.h>

#include "guest.h"
#include "nvme_user.h"
#include "sys/uapi/iommufd.h"

#define WAIT_MS 60000 /* an emulated machine on a loaded host */
#define PAGE    4096u
#define READS   100
#define IGB     "/sys/bus/pci/devices/0000:01:00.0"
#define NVME    "/sys/bus/pci/devices/0000:02:00.0"
#define STATUS  0x0008u /* of the igb VF: its link and more */

static struct vio_ctx *ctx;
static struct vio_host *host;
static uint32_t way = VIO_IOMMU_TYPE1;
static pthread_t worker;

struct end {
	uint32_t n;
	int result;
	char text[VIO_ERROR_TEXT_BYTES];
};

static void note_end(void *opaque, int result, const struct vio_error *err)
{
	struct end *end = opaque;

	end->n++;
	end->result = result;
	if (err)
		snprintf(end->text, sizeof(end->text), "%s", err->text);
}

static void dispatch_until(const uint32_t *value)
{
	struct pollfd fd = { .fd = vio_ctx_get_fd(ctx), .events = POLLIN };

	while (!*value) {
		if (poll(&fd, 1, WAIT_MS) != 1)
			fail_msg("nothing happened for %d ms", WAIT_MS);
		assert_true(vio_ctx_dispatch(ctx, 16) >= 0);
	}
}

/* Waits for an operation that began with @ret. */
static int wait_end(struct end *end, int ret, const struct vio_error *err)
{
	if (ret) {
		print_message("refused: %s\n", err->text);
		return ret;
	}
	dispatch_until(&end->n);
	if (end->result)
		print_message("failed: %s\n", end->text);
	return end->result;
}

static struct vio_vf *claim(uint8_t bus, const struct vio_vf_config *config)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_vf *vf = NULL;
	struct end end = { 0 };

	request.flags = VIO_VF_FROM_PF;
	request.pf.bus = bus;
	request.config = config;
	assert_int_equal(
		wait_end(&end, vio_vf_claim(host, &request, &vf, note_end, &end, &err),
			 &err),
		0);
	return vf;
}

static void release(struct vio_vf *vf)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct end end = { 0 };

	assert_int_equal(wait_end(&end, vio_vf_release(vf, note_end, &end, &err), &err),
			 0);
}

/* An open function and what it needs, for one test. */
struct open_vf {
	struct vio_vf *vf;
	struct vio_iommu *iommu;
	struct vio_vfio *vfio;
	uint32_t n_requested;
};

static void note_request(void *opaque, struct vio_vfio *vfio)
{
	struct open_vf *o = opaque;

	assert_ptr_equal(o->vfio, vfio);
	o->n_requested++;
}

static int open_function(struct open_vf *o)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct end end = { 0 };

	params.iommu = o->iommu;
	params.requested = note_request;
	params.opaque = o;
	return wait_end(&end,
			vio_vfio_open(o->vf, &params, &o->vfio, note_end, &end, &err),
			&err);
}

static void close_function(struct open_vf *o)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct end end = { 0 };

	assert_int_equal(
		wait_end(&end, vio_vfio_close(o->vfio, note_end, &end, &err), &err), 0);
}

static struct open_vf
open_vf(uint8_t bus, const struct vio_vf_config *config, struct vio_mem *mem)
{
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct open_vf o = { .vf = claim(bus, config) };

	params.flags = way;
	params.mem = mem;
	if (vio_iommu_open(host, &params, &o.iommu, &err))
		fail_msg("%s", err.text);
	return o;
}

static void close_vf(struct open_vf *o)
{
	close_function(o);
	assert_int_equal(vio_iommu_close(o->iommu, NULL), 0);
	release(o->vf);
}

static uint32_t read_register(struct vio_vfio *vfio, uint32_t index, uint32_t offset)
{
	uint32_t value = 0;

	assert_int_equal(vio_vfio_read(vfio, index, offset, &value, sizeof(value)), 0);
	return value;
}

static void enable_memory(struct vio_vfio *vfio)
{
	const uint16_t command = 6;

	assert_int_equal(vio_vfio_write(vfio, VIO_VFIO_CONFIG_REGION, 4, &command, 2),
			 0);
}

static void registers_of_a_network_vf_are_read_and_mapped(void **state)
{
	struct vio_vfio_region region = VIO_VFIO_REGION_INIT;
	struct open_vf o = open_vf(1, NULL, NULL);
	void *ptr = NULL;

	(void)state;
	assert_int_equal(open_function(&o), 0);
	assert_int_equal(read_register(o.vfio, VIO_VFIO_CONFIG_REGION, 0), 0x10ca8086);
	assert_int_equal(vio_vfio_read_region(o.vfio, VIO_VFIO_MSIX, &region), 0);
	assert_int_equal(region.n_vectors, 3);
	enable_memory(o.vfio);
	assert_int_equal(vio_vfio_map_bar(o.vfio, 0, 0, PAGE, &ptr, NULL), 0);
	assert_int_equal(((volatile uint32_t *)ptr)[STATUS / 4],
			 read_register(o.vfio, 0, STATUS));
	close_vf(&o);
}

/* The kernel answers as it does for the tables of the fake one. */
static void bad_ranges_and_vectors_are_refused(void **state)
{
	struct open_vf o = open_vf(1, NULL, NULL);
	struct vio_error err = VIO_ERROR_INIT;
	const int32_t fds[99] = { 0 };
	uint64_t iova = 0xfee00000;
	char *memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(memory != MAP_FAILED);
	assert_int_equal(open_function(&o), 0);
	assert_int_equal(vio_iommu_map(o.iommu, memory, PAGE,
				       VIO_IOMMU_READ | VIO_IOMMU_FIXED, &iova, &err),
			 -EINVAL);
	iova = 0x100000;
	assert_int_equal(vio_iommu_map(o.iommu, memory, 4 * PAGE,
				       VIO_IOMMU_READ | VIO_IOMMU_FIXED, &iova, &err),
			 0);
	assert_int_equal(vio_iommu_map(o.iommu, memory, PAGE,
				       VIO_IOMMU_READ | VIO_IOMMU_FIXED, &iova, &err),
			 -EEXIST);
	assert_int_equal(vio_iommu_unmap(o.iommu, iova + PAGE), -ENOENT);
	assert_int_equal(vio_iommu_unmap(o.iommu, iova), 0);
	assert_int_equal(vio_vfio_set_interrupts(o.vfio, VIO_VFIO_MSIX, fds, 99, &err),
			 -EINVAL);
	close_vf(&o);
	munmap(memory, 4 * PAGE);
}

/* Anew through its link, not duplicated. */
static int open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* A group refuses to be opened, a function with a file of its own to be bound. */
static void a_second_opener_finds_it_busy(void **state)
{
	struct open_vf o = open_vf(1, NULL, NULL);
	struct vio_uapi_bind_iommufd bind = { .argsz = sizeof(bind) };
	int group, fd;

	(void)state;
	assert_int_equal(open_function(&o), 0);
	group = vio_vfio_get_group_fd(o.vfio);
	assert_int_equal(group < 0, way == VIO_IOMMU_IOMMUFD);
	fd = open_again(group < 0 ? vio_vfio_get_fd(o.vfio) : group);
	if (group < 0) {
		bind.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0 && bind.iommufd >= 0);
		assert_int_equal(ioctl(fd, VIO_UAPI_BIND_IOMMUFD, &bind), -1);
		assert_int_equal(errno, EINVAL);
		close(bind.iommufd);
		close(fd);
	} else {
		assert_int_equal(fd, -1);
		assert_int_equal(errno, EBUSY);
	}
	close_vf(&o);
}

static void a_closed_function_can_be_opened_at_once(void **state)
{
	struct open_vf o = open_vf(1, NULL, NULL);

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(open_function(&o), 0);
		if (i < 4)
			close_function(&o);
	}
	close_vf(&o);
}

static const struct vio_vf_config nvme_config = {
	.size = sizeof(nvme_config),
	.fields = VIO_VF_NVME,
	.nvme_vq = 3,
	.nvme_vi = 2,
};

static void reads_are_right(struct nvme_user *nvme)
{
	uint8_t *data = nvme_user_get_data(nvme);

	/* The disk reads as zeros: what is there before must be gone after. */
	for (uint32_t i = 0; i < READS; i++) {
		memset(data, 0xaa, NVME_DATA_BYTES);
		assert_int_equal(
			nvme_user_read(nvme, i, NVME_DATA_BYTES / NVME_BLOCK_BYTES), 0);
		for (uint32_t at = 0; at < NVME_DATA_BYTES; at++)
			if (data[at])
				fail_msg("read %u: byte %u is 0x%x", i, at, data[at]);
	}
}

static void an_nvme_vf_moves_data_and_interrupts(void **state)
{
	struct open_vf o = open_vf(2, &nvme_config, NULL);
	struct nvme_identity identity;
	struct nvme_user *nvme;

	(void)state;
	assert_int_equal(open_function(&o), 0);
	nvme = nvme_user_open(o.vfio, o.iommu);
	assert_int_equal(nvme_user_identify(nvme, &identity), 0);
	assert_string_equal(identity.serial, "vio");
	assert_int_equal(nvme_user_create_io(nvme), 0);
	reads_are_right(nvme);
	/* One each: identify, two queues, the reads. */
	assert_int_equal(nvme_user_get_interrupts(nvme), READS + 3);
	nvme_user_close(nvme);
	close_vf(&o);
}

static void what_is_not_mapped_is_not_written(void **state)
{
	struct open_vf o = open_vf(2, &nvme_config, NULL);
	struct nvme_identity identity;
	uint64_t iova = 0x90000000;
	struct nvme_user *nvme;
	uint8_t *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(memory != MAP_FAILED);
	assert_int_equal(open_function(&o), 0);
	nvme = nvme_user_open(o.vfio, o.iommu);
	assert_int_equal(vio_iommu_map(o.iommu, memory, PAGE,
				       VIO_IOMMU_WRITE | VIO_IOMMU_FIXED, &iova, NULL),
			 0);
	assert_int_equal(nvme_user_identify_at(nvme, iova), 0);
	assert_memory_equal(memory + 4, "vio", 3);
	memset(memory, 0, PAGE);
	assert_int_equal(vio_iommu_unmap(o.iommu, iova), 0);
	/* The device may well say that it succeeded. */
	(void)nvme_user_identify_at(nvme, iova);
	assert_int_equal(memory[4], 0);
	assert_int_equal(nvme_user_identify(nvme, &identity), 0);
	nvme_user_close(nvme);
	close_vf(&o);
	munmap(memory, PAGE);
}

static void a_reset_stops_the_controller_and_keeps_the_mappings(void **state)
{
	struct open_vf o = open_vf(2, &nvme_config, NULL);
	struct vio_error err = VIO_ERROR_INIT;
	struct nvme_identity identity;
	struct nvme_user *nvme;
	struct end end = { 0 };

	(void)state;
	assert_int_equal(open_function(&o), 0);
	nvme = nvme_user_open(o.vfio, o.iommu);
	assert_int_equal(
		wait_end(&end, vio_vfio_reset(o.vfio, note_end, &end, &err), &err), 0);
	enable_memory(o.vfio);
	assert_int_equal(read_register(o.vfio, 0, 0x1c) & 1, 0);
	nvme_user_close(nvme);
	nvme = nvme_user_open(o.vfio, o.iommu);
	assert_int_equal(nvme_user_identify(nvme, &identity), 0);
	nvme_user_close(nvme);
	close_vf(&o);
}

static void a_memory_table_is_what_the_device_reaches(void **state)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct nvme_user *nvme;
	struct vio_mem *mem;
	struct open_vf o;
	uint8_t *guest = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(guest != MAP_FAILED);
	assert_int_equal(vio_mem_create(ctx, &mem), 0);
	region.length_bytes = 32 * PAGE;
	region.hva = guest;
	assert_int_equal(vio_mem_add(mem, &region, NULL), 0);
	o = open_vf(2, &nvme_config, mem);
	assert_int_equal(open_function(&o), 0);
	nvme = nvme_user_open(o.vfio, o.iommu);
	assert_int_equal(nvme_user_identify_at(nvme, 16 * PAGE), 0);
	assert_memory_equal(guest + 16 * PAGE + 4, "vio", 3);
	region.gpa = 0x10000000;
	region.hva = guest + 32 * PAGE;
	assert_int_equal(vio_mem_add(mem, &region, NULL), 0);
	assert_int_equal(nvme_user_identify_at(nvme, 0x10000000), 0);
	assert_memory_equal(guest + 32 * PAGE + 4, "vio", 3);
	/* The window of interrupts is no place for memory. */
	region.gpa = 0xfee00000;
	assert_int_equal(vio_mem_add(mem, &region, NULL), -EINVAL);
	nvme_user_close(nvme);
	close_vf(&o);
	assert_int_equal(vio_mem_destroy(mem, NULL), 0);
	munmap(guest, 64 * PAGE);
}

static int write_text(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret = fd < 0 ? -1 : write(fd, text, strlen(text));

	close(fd);
	return ret > 0 ? 0 : -1;
}

/* The forked writer has the descriptors, too, until it runs another program. */
static void the_kernel_asks_and_is_given_the_function_back(void **state)
{
	struct open_vf o = open_vf(1, NULL, NULL);
	struct vio_error err = VIO_ERROR_INIT;
	struct end end = { 0 };
	uint64_t began;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(open_function(&o), 0);
	began = now_ns();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		execl("/bin/sh", "sh", "-c", "echo 0 >" IGB "/sriov_numvfs", NULL);
		_exit(127);
	}
	dispatch_until(&o.n_requested);
	assert_true(now_ns() - began < UINT64_C(1000000000));
	/* Until it is closed it works, and the writer waits. */
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	close_function(&o);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(vio_iommu_close(o.iommu, NULL), 0);
	/* The lease of a VF that has gone ends with it. */
	(void)wait_end(&end, vio_vf_release(o.vf, note_end, &end, &err), &err);
	assert_int_equal(write_text(IGB "/sriov_numvfs", "2"), 0);
}

static void *lend(void *unused)
{
	(void)unused;
	(void)vio_ctx_work(ctx);
	return NULL;
}

/* A kernel that was given may lack them. */
static int has_driver(const char *path)
{
	const int is_there = !access(path, F_OK);

	if (!is_there)
		print_message("this kernel has no %s\n", path);
	return is_there;
}

static int set_up(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	(void)state;
	if (!has_driver("/sys/bus/pci/drivers/igb") ||
	    !has_driver("/sys/bus/pci/drivers/nvme"))
		return -1;
	if (command_run("modprobe -a vfio_iommu_type1 vfio-pci") || nvme_pool_free() ||
	    command_run("echo 0 >" NVME "/sriov_drivers_autoprobe") ||
	    write_text(IGB "/sriov_numvfs", "2") ||
	    write_text(NVME "/sriov_numvfs", "2"))
		return -1;
	params.flags = VIO_CTX_LENDS_THREAD;
	if (vio_ctx_create(&params, &ctx, &err) ||
	    pthread_create(&worker, NULL, lend, NULL))
		return -1;
	if (!command_run("mkdir -p /run") && !vio_host_open(ctx, NULL, &host, &err))
		return 0;
	print_message("%s\n", err.text);
	return -1;
}

static int tear_down(void **state)
{
	(void)state;
	if (!host)
		return 0; /* it was not set up */
	if (vio_host_close(host, NULL) || vio_ctx_abort_work(ctx))
		return -1;
	pthread_join(worker, NULL);
	return vio_ctx_destroy(ctx, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_of_a_network_vf_are_read_and_mapped),
		cmocka_unit_test(bad_ranges_and_vectors_are_refused),
		cmocka_unit_test(a_second_opener_finds_it_busy),
		cmocka_unit_test(a_closed_function_can_be_opened_at_once),
		cmocka_unit_test(an_nvme_vf_moves_data_and_interrupts),
		cmocka_unit_test(what_is_not_mapped_is_not_written),
		cmocka_unit_test(a_reset_stops_the_controller_and_keeps_the_mappings),
		cmocka_unit_test(a_memory_table_is_what_the_device_reaches),
		cmocka_unit_test(the_kernel_asks_and_is_given_the_function_back),
	};

	if (argc > 1 && !strcmp(argv[1], "iommufd"))
		way = VIO_IOMMU_IOMMUFD;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
