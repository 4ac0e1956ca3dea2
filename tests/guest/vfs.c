/* SPDX-License-Identifier: MIT */
/*
 * What VFs are is asked of the kernel in the plain ways: links, attributes, and ip
 * for what the PF's driver holds. No code of the library has a part in it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfs.h"

#define LINKS_BYTES 4096

const char *const vfs_names[VFS] = {
	"0000:01:10.0", "0000:01:10.2", "0000:01:10.4",
	"0000:02:00.1", "0000:02:00.2", "0000:02:00.3",
};

static struct function_state before[VFS];
static char links_before[LINKS_BYTES];

void function_read_state(const char *name, struct function_state *out)
{
	char path[64], link[256];
	ssize_t n;
	int fd;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", name);
	n = readlink(path, link, sizeof(link) - 1);
	if (n > 0) {
		link[n] = '\0';
		snprintf(out->driver, sizeof(out->driver), "%.31s",
			 strrchr(link, '/') + 1);
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1
		   : read(fd, out->driver_override, sizeof(out->driver_override) - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return;
	out->driver_override[strcspn(out->driver_override, "\n")] = '\0';
	if (!strcmp(out->driver_override, "(null)"))
		out->driver_override[0] = '\0';
}

/* ip's text from the VFs on; before them are counters of the PF's own. */
static void read_links(char *out)
{
	FILE *file = popen("/bin/ip -j link show dev eth0", "re");
	const char *vfs;
	size_t n;

	assert_non_null(file);
	n = fread(out, 1, LINKS_BYTES - 1, file);
	out[n] = '\0';
	assert_int_equal(pclose(file), 0);
	vfs = strstr(out, "vfinfo_list");
	assert_non_null(vfs);
	memmove(out, vfs, strlen(vfs) + 1);
}

void vfs_read_link(uint32_t vf, char out[VFS_LINK_BYTES])
{
	char links[LINKS_BYTES], head[16];
	char *at, *end;

	read_links(links);
	snprintf(head, sizeof(head), "\"vf\":%u,", vf);
	at = strstr(links, head);
	assert_non_null(at);
	end = strstr(at + 1, "\"vf\":");
	if (!end)
		end = at + strlen(at);
	/* What closes it, or opens the next. */
	while (strchr(",[]{} \n", end[-1]))
		end--;
	*end = '\0';
	snprintf(out, VFS_LINK_BYTES, "%s", at);
}

int vfs_has_link(uint32_t vf, const char *text)
{
	char link[VFS_LINK_BYTES];

	vfs_read_link(vf, link);
	return strstr(link, text) != NULL;
}

uint32_t vfs_count(const char *pf)
{
	DIR *folder = opendir(pf);
	struct dirent *entry;
	uint32_t n = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)))
		n += !strncmp(entry->d_name, "virtfn", 6);
	closedir(folder);
	return n;
}

void vfs_assert_as_before(void)
{
	struct function_state now;
	char links[LINKS_BYTES];

	for (uint32_t i = 0; i < VFS; i++) {
		function_read_state(vfs_names[i], &now);
		assert_string_equal(now.driver, before[i].driver);
		assert_string_equal(now.driver_override, before[i].driver_override);
	}
	read_links(links);
	assert_string_equal(links, links_before);
}

/*
 * Without autoprobe a function is only bound by an override, which is taken back
 * here: what is bound is then not what the bus would bind.
 */
int vfs_create(void)
{
	if (command_run(
		    "modprobe -a igbvf vfio-pci vfio_iommu_type1 && mkdir -p /run &&"
		    "/bin/ip link set eth0 up && cd " VFS_IGB " &&"
		    "echo 0 >sriov_drivers_autoprobe && echo 3 >sriov_numvfs &&"
		    "cd " VFS_NVME " &&"
		    "echo 0 >sriov_drivers_autoprobe && echo 3 >sriov_numvfs &&"
		    "/bin/ip link set eth0 vf 0 mac 02:00:00:00:00:a0 &&"
		    "/bin/ip link set eth0 vf 2 mac 02:00:00:00:00:a2 vlan 7 &&"
		    "cd /sys/bus/pci/devices &&"
		    "echo igbvf >0000:01:10.0/driver_override &&"
		    "echo 0000:01:10.0 >../drivers_probe &&"
		    "echo >0000:01:10.0/driver_override &&"
		    "echo igbvf >0000:01:10.4/driver_override &&"
		    "echo nvme >0000:02:00.2/driver_override"))
		return -1;
	for (uint32_t i = 0; i < VFS; i++)
		function_read_state(vfs_names[i], &before[i]);
	read_links(links_before);
	return strcmp(before[0].driver, "igbvf");
}

int vfs_destroy(void)
{
	return command_run("echo 0 >" VFS_IGB "/sriov_numvfs &&"
			   "echo 0 >" VFS_NVME "/sriov_numvfs");
}
