/* SPDX-License-Identifier: MIT */
/*
 * All memory is one mapping: the queues' pages first, a list of pages, then the data.
 * One command is under way at a time, so that an interrupt means its completion; but
 * for blocks that are submitted, whose completions are looked for.
 */
#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/nvme_ioctl.h>

#include "guest.h"
#include "nvme_user.h"

#define PAGE        4096u
#define N_ENTRIES   16u
#define REG_CAP     0x00u
#define REG_CC      0x14u
#define REG_CSTS    0x1cu
#define REG_AQA     0x24u
#define REG_ASQ     0x28u
#define REG_ACQ     0x30u
#define REG_BELLS   0x1000u
#define CC_ENABLE   (1u | 6u << 16 | 4u << 20) /* entries of 64 and 16 bytes */
#define CSTS_READY  1u
#define OP_WRITE    0x01u
#define OP_READ     0x02u
#define OP_NEW_SQ   0x01u
#define OP_NEW_CQ   0x05u
#define OP_IDENTIFY 0x06u
#define AT_LIST     (4 * PAGE)
#define AT_DATA     (5 * PAGE)
#define ALL_BYTES   (AT_DATA + NVME_DATA_BYTES)
#define WAIT_MS     10000 /* an emulated machine on a loaded host */

struct command {
	uint32_t head; /* operation, and the command's number above bit 16 */
	uint32_t nsid;
	uint64_t reserved[2];
	uint64_t prp[2];
	uint32_t words[6];
};

struct completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t id;
	uint16_t status; /* bit 0: phase */
};

/* 0: admin, 1: I/O. */
struct queue {
	uint32_t tail;
	uint32_t head;
	uint32_t phase;
	int eventfd;
};

struct nvme_user {
	struct vio_vfio *vfio;
	struct vio_iommu *iommu;
	volatile uint8_t *registers;
	uint32_t stride;
	uint8_t *memory;
	uint64_t iova;
	struct queue queues[2];
	uint16_t n_commands;
	uint64_t n_interrupts;
};

static volatile uint32_t *reg(struct nvme_user *nvme, uint32_t offset)
{
	return (volatile uint32_t *)(nvme->registers + offset);
}

static void write_reg64(struct nvme_user *nvme, uint32_t offset, uint64_t value)
{
	*reg(nvme, offset) = (uint32_t)value;
	*reg(nvme, offset + 4) = (uint32_t)(value >> 32);
}

static void wait_ready(struct nvme_user *nvme, uint32_t want)
{
	const uint64_t deadline = now_ns() + (uint64_t)WAIT_MS * 1000000;

	while ((*reg(nvme, REG_CSTS) & CSTS_READY) != want)
		assert_true(now_ns() < deadline);
}

/* Memory space and bus master: VFIO leaves the latter to its user. */
static void set_bus_master(struct vio_vfio *vfio)
{
	uint16_t command = 0;

	assert_int_equal(vio_vfio_read(vfio, VIO_VFIO_CONFIG_REGION, 4, &command, 2),
			 0);
	command |= 6;
	assert_int_equal(vio_vfio_write(vfio, VIO_VFIO_CONFIG_REGION, 4, &command, 2),
			 0);
}

static void connect_interrupts(struct nvme_user *nvme)
{
	struct vio_error err = VIO_ERROR_INIT;
	int32_t fds[2];

	for (int i = 0; i < 2; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_true(fds[i] >= 0);
		nvme->queues[i].eventfd = fds[i];
		nvme->queues[i].phase = 1;
	}
	if (vio_vfio_set_interrupts(nvme->vfio, VIO_VFIO_MSIX, fds, 2, &err))
		fail_msg("%s", err.text);
}

static void map_all(struct nvme_user *nvme)
{
	struct vio_vfio_region region = VIO_VFIO_REGION_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	void *registers = NULL;

	assert_int_equal(vio_vfio_read_region(nvme->vfio, 0, &region), 0);
	assert_true(region.length_bytes >= 2 * PAGE);
	if (vio_vfio_map_bar(nvme->vfio, 0, 0, 2 * PAGE, &registers, &err))
		fail_msg("%s", err.text);
	nvme->registers = registers;
	nvme->memory = mmap(NULL, ALL_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(nvme->memory != MAP_FAILED);
	if (vio_iommu_map(nvme->iommu, nvme->memory, ALL_BYTES,
			  VIO_IOMMU_READ | VIO_IOMMU_WRITE, &nvme->iova, &err))
		fail_msg("%s", err.text);
}

struct nvme_user *nvme_user_open(struct vio_vfio *vfio, struct vio_iommu *iommu)
{
	struct nvme_user *nvme = calloc(1, sizeof(*nvme));

	assert_non_null(nvme);
	nvme->vfio = vfio;
	nvme->iommu = iommu;
	set_bus_master(vfio);
	map_all(nvme);
	connect_interrupts(nvme);
	nvme->stride = 4u << (*reg(nvme, REG_CAP + 4) & 15);
	*reg(nvme, REG_CC) = 0;
	wait_ready(nvme, 0);
	*reg(nvme, REG_AQA) = (N_ENTRIES - 1) | (N_ENTRIES - 1) << 16;
	write_reg64(nvme, REG_ASQ, nvme->iova);
	write_reg64(nvme, REG_ACQ, nvme->iova + PAGE);
	*reg(nvme, REG_CC) = CC_ENABLE;
	wait_ready(nvme, CSTS_READY);
	return nvme;
}

void nvme_user_stop(struct nvme_user *nvme)
{
	*reg(nvme, REG_CC) = 0;
	wait_ready(nvme, 0);
}

void nvme_user_close(struct nvme_user *nvme)
{
	nvme_user_stop(nvme);
	assert_int_equal(
		vio_vfio_set_interrupts(nvme->vfio, VIO_VFIO_MSIX, NULL, 0, NULL), 0);
	assert_int_equal(
		vio_vfio_unmap_bar(nvme->vfio, (void *)(uintptr_t)nvme->registers), 0);
	assert_int_equal(vio_iommu_unmap(nvme->iommu, nvme->iova), 0);
	munmap(nvme->memory, ALL_BYTES);
	close(nvme->queues[0].eventfd);
	close(nvme->queues[1].eventfd);
	free(nvme);
}

static volatile struct completion *get_completion(struct nvme_user *nvme, uint32_t q)
{
	return (volatile struct completion *)(nvme->memory + (2 * q + 1) * PAGE) +
	       nvme->queues[q].head;
}

static void take_interrupts(struct nvme_user *nvme, uint32_t q)
{
	uint64_t count = 0;

	if (read(nvme->queues[q].eventfd, &count, sizeof(count)) == sizeof(count))
		nvme->n_interrupts += count;
}

static int leave_completion(struct nvme_user *nvme, uint32_t q)
{
	struct queue *queue = &nvme->queues[q];
	const int status = get_completion(nvme, q)->status >> 1;

	if (++queue->head == N_ENTRIES) {
		queue->head = 0;
		queue->phase ^= 1;
	}
	*reg(nvme, REG_BELLS + (2 * q + 1) * nvme->stride) = queue->head;
	return status;
}

/* Waits for the interrupt, then takes the completion it stands for. */
static int take_completion(struct nvme_user *nvme, uint32_t q)
{
	struct queue *queue = &nvme->queues[q];
	struct pollfd fd = { .fd = queue->eventfd, .events = POLLIN };

	assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
	take_interrupts(nvme, q);
	/* Acquire: the device wrote the entry, and the data, before it interrupted. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	assert_int_equal(get_completion(nvme, q)->status & 1, queue->phase);
	return leave_completion(nvme, q);
}

static void
queue_command(struct nvme_user *nvme, uint32_t q, const struct command *command)
{
	struct queue *queue = &nvme->queues[q];
	struct command *ring = (struct command *)(void *)(nvme->memory + 2 * q * PAGE);

	ring[queue->tail] = *command;
	queue->tail = (queue->tail + 1) % N_ENTRIES;
}

static void ring_bell(struct nvme_user *nvme, uint32_t q)
{
	/* Release: the device reads the entries once it sees the bell. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*reg(nvme, REG_BELLS + 2 * q * nvme->stride) = nvme->queues[q].tail;
}

static int run(struct nvme_user *nvme, uint32_t q, struct command *command)
{
	command->head |= (uint32_t)nvme->n_commands++ << 16;
	queue_command(nvme, q, command);
	ring_bell(nvme, q);
	return take_completion(nvme, q);
}

int nvme_user_identify_at(struct nvme_user *nvme, uint64_t iova)
{
	struct command command = { .head = OP_IDENTIFY, .prp = { iova } };

	command.words[0] = 1;
	return run(nvme, 0, &command);
}

static void copy_text(char *out, const uint8_t *from, size_t n)
{
	memcpy(out, from, n);
	for (out[n] = '\0'; n && out[n - 1] == ' '; n--)
		out[n - 1] = '\0';
}

int nvme_user_identify(struct nvme_user *nvme, struct nvme_identity *out)
{
	const uint8_t *data = nvme_user_get_data(nvme);
	int ret = nvme_user_identify_at(nvme, nvme->iova + AT_DATA);

	memcpy(&out->vendor, data, sizeof(out->vendor));
	copy_text(out->serial, data + 4, 20);
	copy_text(out->model, data + 24, 40);
	return ret;
}

int nvme_user_create_io(struct nvme_user *nvme)
{
	struct command cq = { .head = OP_NEW_CQ,
			      .prp = { nvme->iova + 3 * PAGE },
			      .words = { 1 | (N_ENTRIES - 1) << 16, 1 << 16 | 3 } };
	struct command sq = { .head = OP_NEW_SQ,
			      .prp = { nvme->iova + 2 * PAGE },
			      .words = { 1 | (N_ENTRIES - 1) << 16, 1 << 16 | 1 } };
	int ret = run(nvme, 0, &cq);

	return ret ? ret : run(nvme, 0, &sq);
}

int nvme_user_read(struct nvme_user *nvme, uint64_t block, uint32_t n_blocks)
{
	const uint32_t n_pages = (n_blocks * NVME_BLOCK_BYTES + PAGE - 1) / PAGE;
	uint64_t *list = (uint64_t *)(void *)(nvme->memory + AT_LIST);
	struct command command = {
		.head = OP_READ,
		.nsid = 1,
		.prp = { nvme->iova + AT_DATA },
		.words = { (uint32_t)block, (uint32_t)(block >> 32), n_blocks - 1 },
	};

	assert_true(n_blocks * NVME_BLOCK_BYTES <= NVME_DATA_BYTES);
	for (uint32_t i = 1; i < n_pages; i++)
		list[i - 1] = htole64(nvme->iova + AT_DATA + i * PAGE);
	if (n_pages > 1)
		command.prp[1] = n_pages > 2 ? nvme->iova + AT_LIST
					     : nvme->iova + AT_DATA + PAGE;
	return run(nvme, 1, &command);
}

void nvme_user_queue(struct nvme_user *nvme, int is_write, uint32_t slot,
		     uint64_t block)
{
	const struct command command = {
		.head = (is_write ? OP_WRITE : OP_READ) | slot << 16,
		.nsid = 1,
		.prp = { nvme->iova + AT_DATA + slot * NVME_BLOCK_BYTES },
		.words = { (uint32_t)block, (uint32_t)(block >> 32) },
	};

	queue_command(nvme, 1, &command);
}

void nvme_user_submit(struct nvme_user *nvme, int is_write, uint32_t slot,
		      uint64_t block)
{
	nvme_user_queue(nvme, is_write, slot, block);
	ring_bell(nvme, 1);
}

int nvme_user_take(struct nvme_user *nvme, uint32_t *out_slot)
{
	volatile struct completion *c = get_completion(nvme, 1);

	take_interrupts(nvme, 1);
	if ((c->status & 1) != nvme->queues[1].phase)
		return 0;
	/* Acquire: the entry's other words, and the data, are older than its phase. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*out_slot = c->id;
	assert_true(*out_slot < NVME_SLOTS);
	assert_int_equal(leave_completion(nvme, 1), 0);
	return 1;
}

uint8_t *nvme_user_get_data(struct nvme_user *nvme)
{
	return nvme->memory + AT_DATA;
}

uint64_t nvme_user_get_interrupts(const struct nvme_user *nvme)
{
	return nvme->n_interrupts;
}

int nvme_pool_free(void)
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
