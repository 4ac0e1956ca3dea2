/* SPDX-License-Identifier: MIT */
/*
 * The guest's processor runs on the thread that calls, which is also the one that
 * the view belongs to: exits need no lock. A guest that does not come back is the
 * one thing that has to be interrupted; a timer does that, and only while it runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "guest.h"
#include "nested_vmm.h"

#define WAIT_NS        UINT64_C(30000000000) /* an emulated machine on a loaded host */
#define PROTECTED_MODE 0x11u                 /* CR0: PE, ET */
#define CONFIG_ADDRESS 0xcf8u
#define CONFIG_DATA    0xcfcu
#define CONFIG_ON      0x80000000u
#define GSI0           24u /* behind those of the I/O APIC */
/* Where this machine has room for BARs. */
#define WINDOW_FIRST UINT64_C(0xc0000000)
#define WINDOW_END   UINT64_C(0xfec00000)
/* What a message is written to that is an interrupt. */
#define APIC_SHIFT 20
#define APIC_WHERE 0xfeeu

static int
set_slot(struct vmm *vmm, uint32_t slot, uint64_t gpa, uint64_t length_bytes, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = length_bytes,
		.userspace_addr = (uintptr_t)hva,
	};

	if (ioctl(vmm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return -errno;
	vmm->slots[slot].gpa = gpa;
	vmm->slots[slot].length_bytes = length_bytes;
	return 0;
}

static int map(void *opaque, uint64_t gpa, uint64_t length_bytes, void *hva)
{
	struct vmm *vmm = opaque;
	uint32_t slot = 1;

	if (gpa < WINDOW_FIRST || gpa >= WINDOW_END ||
	    length_bytes > WINDOW_END - gpa) {
		vmm->n_refused++;
		return -EADDRNOTAVAIL;
	}
	while (slot < VMM_SLOTS && vmm->slots[slot].length_bytes)
		slot++;
	assert_true(slot < VMM_SLOTS);
	return set_slot(vmm, slot, gpa, length_bytes, hva);
}

static void unmap(void *opaque, uint64_t gpa, uint64_t length_bytes)
{
	struct vmm *vmm = opaque;

	for (uint32_t i = 1; i < VMM_SLOTS; i++)
		if (vmm->slots[i].gpa == gpa &&
		    vmm->slots[i].length_bytes == length_bytes) {
			assert_int_equal(set_slot(vmm, i, gpa, 0, NULL), 0);
			return;
		}
	fail_msg("0x%llx was not mapped", (unsigned long long)gpa);
}

/* A table of one entry for each vector: the kernel's type ends with no entries. */
static void set_routes(struct vmm *vmm)
{
	union {
		struct kvm_irq_routing head;
		uint8_t bytes[sizeof(struct kvm_irq_routing) + sizeof(vmm->routes)];
	} all = { .head = { .nr = NESTED_MSIX } };

	memcpy(all.bytes + sizeof(all.head), vmm->routes, sizeof(vmm->routes));
	assert_int_equal(ioctl(vmm->vm_fd, KVM_SET_GSI_ROUTING, &all), 0);
}

static void set_listener(struct vmm *vmm, uint32_t vector, int32_t eventfd)
{
	struct kvm_irqfd irqfd = { .gsi = GSI0 + vector };

	if (vmm->eventfds[vector] == eventfd)
		return;
	if (vmm->eventfds[vector] >= 0) {
		irqfd.fd = (uint32_t)vmm->eventfds[vector];
		irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
		assert_int_equal(ioctl(vmm->vm_fd, KVM_IRQFD, &irqfd), 0);
	}
	if (eventfd >= 0) {
		irqfd.fd = (uint32_t)eventfd;
		irqfd.flags = 0;
		assert_int_equal(ioctl(vmm->vm_fd, KVM_IRQFD, &irqfd), 0);
	}
	vmm->eventfds[vector] = eventfd;
}

/* What is written elsewhere than to an interrupt controller is no interrupt. */
static void route(void *opaque, uint32_t vector, int eventfd, uint64_t address,
		  uint32_t data, int is_masked)
{
	struct vmm *vmm = opaque;
	const int is_heard =
		eventfd >= 0 && !is_masked && address >> APIC_SHIFT == APIC_WHERE;

	assert_true(vector < NESTED_MSIX);
	if (is_heard) {
		vmm->routes[vector].u.msi.address_lo = (uint32_t)address;
		vmm->routes[vector].u.msi.data = data;
		set_routes(vmm);
	}
	set_listener(vmm, vector, is_heard ? eventfd : -1);
}

static void note_time(int signal)
{
	(void)signal;
}

/* Every second, so that one that comes before the guest runs does no harm. */
static void set_timer(time_t seconds)
{
	const struct itimerval every = { { seconds, 0 }, { seconds, 0 } };
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = note_time;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
}

/* The guest's access lasts until the function is there again. */
static void reset(void *opaque)
{
	struct vmm *vmm = opaque;

	set_timer(0);
	vmm->n_resets++;
	vmm->reset(vmm->opaque);
	set_timer(1);
}

struct vio_view_ops vmm_get_ops(struct vmm *vmm)
{
	struct vio_view_ops ops = VIO_VIEW_OPS_INIT;

	ops.map = map;
	ops.unmap = unmap;
	ops.route = route;
	ops.reset = reset;
	ops.opaque = vmm;
	return ops;
}

static void open_files(struct vmm *vmm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };

	vmm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	assert_true(vmm->kvm_fd >= 0);
	vmm->vm_fd = ioctl(vmm->kvm_fd, KVM_CREATE_VM, 0L);
	assert_true(vmm->vm_fd >= 0);
	assert_int_equal(ioctl(vmm->vm_fd, KVM_CREATE_IRQCHIP, 0L), 0);
	vmm->cpu_fd = ioctl(vmm->vm_fd, KVM_CREATE_VCPU, 0L);
	assert_true(vmm->cpu_fd >= 0);
	assert_int_equal(ioctl(vmm->vm_fd, KVM_CREATE_DEVICE, &device), 0);
	vmm->vfio_fd = (int)device.fd;
	vmm->run_bytes = (size_t)ioctl(vmm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0L);
	vmm->run = mmap(NULL, vmm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			vmm->cpu_fd, 0);
	assert_true(vmm->run != MAP_FAILED);
}

static void open_memory(struct vmm *vmm, const char *path)
{
	int fd;

	vmm->ram = mmap(NULL, NESTED_RAM_BYTES, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(vmm->ram != MAP_FAILED);
	vmm->talk = (struct nested_talk *)(vmm->ram + NESTED_TALK_GPA);
	assert_int_equal(set_slot(vmm, 0, 0, NESTED_RAM_BYTES, vmm->ram), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, vmm->ram + NESTED_ENTRY_GPA,
			 NESTED_STACK_GPA - NESTED_ENTRY_GPA) > 0);
	close(fd);
}

static struct kvm_segment get_segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = UINT32_MAX,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

static void set_processor(struct vmm *vmm)
{
	const struct kvm_segment data = get_segment(NESTED_DATA, 3);
	struct kvm_regs regs = { .rip = NESTED_ENTRY_GPA,
				 .rsp = NESTED_STACK_GPA,
				 .rflags = 2 };
	struct kvm_sregs sregs;

	assert_int_equal(ioctl(vmm->cpu_fd, KVM_GET_SREGS, &sregs), 0);
	sregs.cr0 = PROTECTED_MODE;
	sregs.cs = get_segment(NESTED_CODE, 11);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	assert_int_equal(ioctl(vmm->cpu_fd, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(vmm->cpu_fd, KVM_SET_REGS, &regs), 0);
}

void vmm_open(struct vmm *vmm, const char *path)
{
	memset(vmm, 0, sizeof(*vmm));
	for (uint32_t i = 0; i < NESTED_MSIX; i++) {
		vmm->eventfds[i] = -1;
		vmm->routes[i].gsi = GSI0 + i;
		vmm->routes[i].type = KVM_IRQ_ROUTING_MSI;
	}
	open_files(vmm);
	open_memory(vmm, path);
	set_processor(vmm);
}

void vmm_close(struct vmm *vmm)
{
	munmap(vmm->run, vmm->run_bytes);
	close(vmm->vfio_fd);
	close(vmm->cpu_fd);
	close(vmm->vm_fd);
	close(vmm->kvm_fd);
	munmap(vmm->ram, NESTED_RAM_BYTES);
}

static uint32_t read_config(struct vmm *vmm, uint32_t port, uint32_t n)
{
	const uint32_t offset = (vmm->config_address & 0xfc) | (port & 3);

	if (!vmm->view ||
	    vmm->config_address >> 8 != (CONFIG_ON >> 8 | VMM_DEVICE << 3))
		return UINT32_MAX;
	return vio_view_read(vmm->view, offset, n);
}

static void write_config(struct vmm *vmm, uint32_t port, uint32_t value, uint32_t n)
{
	const uint32_t offset = (vmm->config_address & 0xfc) | (port & 3);

	if (vmm->view && vmm->config_address >> 8 == (CONFIG_ON >> 8 | VMM_DEVICE << 3))
		vio_view_write(vmm->view, offset, value, n);
}

/* Mechanism #1: the address by whole dwords, the data by any part of one. */
static void handle_port(struct vmm *vmm, uint32_t port, void *data, uint32_t n)
{
	const int is_write = vmm->run->io.direction == KVM_EXIT_IO_OUT;
	const int is_data = port >= CONFIG_DATA && port < CONFIG_DATA + 4;
	uint32_t value = UINT32_MAX;

	if (is_write)
		memcpy(&value, data, n);
	if (is_write && port == CONFIG_ADDRESS && n == 4)
		vmm->config_address = value;
	else if (is_write && is_data)
		write_config(vmm, port, value, n);
	else if (is_data)
		value = read_config(vmm, port, n);
	else if (port == CONFIG_ADDRESS && n == 4)
		value = vmm->config_address;
	if (!is_write)
		memcpy(data, &value, n);
}

static void handle_memory(struct vmm *vmm)
{
	struct kvm_run *run = vmm->run;
	uint64_t value = UINT64_MAX, offset;
	uint32_t bar;

	vmm->n_traps++;
	if (run->mmio.is_write)
		memcpy(&value, run->mmio.data, run->mmio.len);
	if (vmm->view &&
	    !vio_view_translate(vmm->view, run->mmio.phys_addr, &bar, &offset)) {
		if (run->mmio.is_write)
			vio_view_write_bar(vmm->view, bar, offset, value,
					   run->mmio.len);
		else
			value = vio_view_read_bar(vmm->view, bar, offset,
						  run->mmio.len);
	}
	if (!run->mmio.is_write)
		memcpy(run->mmio.data, &value, run->mmio.len);
}

/* Returns 1 when the guest says that its step is done. */
static int handle_exit(struct vmm *vmm)
{
	struct kvm_run *run = vmm->run;
	uint8_t *data = (uint8_t *)run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		data += run->io.data_offset;
		for (uint32_t i = 0; i < run->io.count; i++)
			handle_port(vmm, run->io.port, data + i * run->io.size,
				    run->io.size);
		return run->io.port == NESTED_PORT;
	case KVM_EXIT_MMIO:
		handle_memory(vmm);
		return 0;
	default:
		fail_msg("the guest ended for reason %u", run->exit_reason);
		return 1;
	}
}

void vmm_run(struct vmm *vmm, uint32_t step)
{
	const uint64_t deadline = now_ns() + WAIT_NS;
	int is_done = 0;

	vmm->talk->step = step;
	set_timer(1);
	while (!is_done) {
		if (!ioctl(vmm->cpu_fd, KVM_RUN, 0L))
			is_done = handle_exit(vmm);
		else if (errno != EINTR)
			fail_msg("the guest does not run: error %d", errno);
		if (now_ns() >= deadline)
			fail_msg("the guest does not end step %u", step);
	}
	set_timer(0);
}

void vmm_run_at(struct vmm *vmm, uint32_t step, uint32_t at)
{
	vmm->talk->at = at;
	vmm_run(vmm, step);
}

void vmm_set(struct vmm *vmm, uint32_t step, uint32_t at, uint32_t value)
{
	vmm->talk->value = value;
	vmm_run_at(vmm, step, at);
}

uint32_t vmm_get(struct vmm *vmm, uint32_t step, uint32_t at)
{
	vmm_run_at(vmm, step, at);
	return vmm->talk->value;
}

static void change_group(struct vmm *vmm, uint64_t what, int group_fd)
{
	const int32_t fd = group_fd;
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = what,
		.addr = (uintptr_t)&fd,
	};

	assert_int_equal(ioctl(vmm->vfio_fd, KVM_SET_DEVICE_ATTR, &attr), 0);
}

void vmm_add_group(struct vmm *vmm, int group_fd)
{
	change_group(vmm, KVM_DEV_VFIO_GROUP_ADD, group_fd);
}

void vmm_remove_group(struct vmm *vmm, int group_fd)
{
	change_group(vmm, KVM_DEV_VFIO_GROUP_DEL, group_fd);
}
