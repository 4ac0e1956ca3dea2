/* SPDX-License-Identifier: MIT */
/*
 * Found as fuser finds them, by the descriptors of all processes: a VF's file is that
 * of its IOMMU group or, where the kernel has one, its own below vfio/devices. Looked
 * at again and again, since nothing tells when a descriptor is closed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "say.h"
#include "users.h"

#define LOOK_MS   100
#define NAME_ROOM 32

struct node {
	char group[PATH_MAX];
	char device[PATH_MAX]; /* empty: there is none */
};

struct user {
	char pid[NAME_ROOM];
	char name[NAME_ROOM];
};

/* The first entry that is not hidden; empty: none. */
static void read_entry(const char *path, char *buf, size_t n)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	buf[0] = '\0';
	while (dir && !*buf && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			snprintf(buf, n, "%.*s", (int)n - 1, entry->d_name);
	if (dir)
		closedir(dir);
}

static void
find_node(const struct vioctl *vioctl, const struct vio_pci_info *vf, struct node *out)
{
	const char *sysfs = vioctl->common.sysfs ? vioctl->common.sysfs : "/sys";
	char *dev = realpath(vioctl->common.dev ? vioctl->common.dev : "/dev", NULL);
	char path[PATH_MAX], address[VIO_PCI_ADDR_TEXT_BYTES] = "", name[NAME_ROOM];

	vio_pci_addr_print(&vf->addr, address);
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/vfio-dev", sysfs, address);
	read_entry(path, name, sizeof(name));
	*out = (struct node){ 0 };
	if (dev && vf->iommu_group >= 0)
		snprintf(out->group, sizeof(out->group), "%s/vfio/%d", dev,
			 vf->iommu_group);
	if (dev && *name)
		snprintf(out->device, sizeof(out->device), "%s/vfio/devices/%s", dev,
			 name);
	free(dev);
}

static int is_open_in(const char *pid, const struct node *node)
{
	char path[NAME_ROOM + 16], target[PATH_MAX];
	struct dirent *entry;
	int is_open = 0;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !is_open && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		is_open = *target && (!strcmp(target, node->group) ||
				      !strcmp(target, node->device));
	}
	if (dir)
		closedir(dir);
	return is_open;
}

/* Whatever a program calls itself, it does not reach the terminal's switches. */
static void read_name(struct user *user)
{
	char path[NAME_ROOM + 16];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", user->pid);
	file = fopen(path, "re");
	if (!file || !fgets(user->name, sizeof(user->name), file))
		snprintf(user->name, sizeof(user->name), "a process");
	if (file)
		fclose(file);
	user->name[strcspn(user->name, "\n")] = '\0';
	for (char *at = user->name; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

/* Is there one? */
static int
find_user(const struct vioctl *vioctl, const struct vio_pci_info *vf, struct user *out)
{
	struct dirent *entry;
	struct node node;
	int is_found = 0;
	DIR *dir;

	find_node(vioctl, vf, &node);
	/* Most VFs are no business of VFIO, and there are many processes. */
	if (!*node.device && access(node.group, F_OK))
		return 0;
	dir = opendir("/proc");
	while (dir && !is_found && (entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(out->pid, sizeof(out->pid), "%.*s", NAME_ROOM - 1,
			 entry->d_name);
		is_found = is_open_in(out->pid, &node);
	}
	if (dir)
		closedir(dir);
	if (is_found)
		read_name(out);
	return is_found;
}

static int
fail_late(const struct vio_pci_info *vf, const struct user *user, uint32_t timeout_s)
{
	char address[VIO_PCI_ADDR_TEXT_BYTES] = "", text[160];

	vio_pci_addr_print(&vf->addr, address);
	snprintf(text, sizeof(text),
		 "%s: %s[%s] has it open and has not closed it within %u s: have it "
		 "close the device, or end it",
		 address, user->name, user->pid, timeout_s);
	return fail(-ETIMEDOUT, text);
}

static uint64_t read_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int users_wait(const struct vioctl *vioctl, const struct vio_pci_info *vfs, uint32_t n,
	       uint32_t timeout_s)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	const uint64_t end_ms = read_clock_ms() + (uint64_t)timeout_s * 1000;
	struct user user;
	uint32_t i = 0;

	while (i < n) {
		if (!find_user(vioctl, &vfs[i], &user)) {
			i++;
			continue;
		}
		if (read_clock_ms() >= end_ms)
			return fail_late(&vfs[i], &user, timeout_s);
		progress_show("waiting for a program to close its device");
		nanosleep(&pause, NULL);
	}
	progress_show("");
	return EXIT_DONE;
}
