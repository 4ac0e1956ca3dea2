/* SPDX-License-Identifier: MIT */
/*
 * Settings come in kinds: of the network interface, of the NVMe controller, of the
 * function itself. Each kind knows its own way to the kernel; setting.c chooses one
 * to set and asks all to read.
 */
#ifndef VIO_VF_SETTING_KIND_H
#define VIO_VF_SETTING_KIND_H

#include "sys/netlink.h"
#include "sys/uapi/nvme.h"
#include "vf/setting.h"

struct vio_setting;

struct vio_setting_kind {
	uint32_t fields;
	/*
	 * 0: setting->ended() will be called, in dispatch; -EOPNOTSUPP: the VF has
	 * no such settings, or there is no way to reach them without blocking.
	 */
	int (*set)(struct vio_setting *setting);
	int (*read)(struct vio_setting *setting);
};

extern const struct vio_setting_kind vio_setting_net;
extern const struct vio_setting_kind vio_setting_nvme;
extern const struct vio_setting_kind vio_setting_msix;

/* What an NVMe controller knows of one of its secondary ones. */
struct vio_nvme_secondary {
	uint32_t controller;
	uint32_t n_vq;
	uint32_t n_vi;
	uint32_t is_online;
};

struct vio_nvme_call {
	struct vio_async_call ioctl;
	struct nvme_admin_cmd command;
	int fd;
	int result;          /* of the first step that failed */
	uint32_t step;       /* nvme.c's */
	uint32_t is_set;     /* 0: it ends when the secondary one is found */
	uint32_t is_undoing; /* a step failed: back to what was found */
	uint32_t first;      /* of the list: the lowest controller asked for */
	struct vio_nvme_secondary found;
	struct vio_nvme_secondary want;
	uint8_t list[VIO_NVME_LIST_BYTES];
};

struct vio_msix_call {
	struct vio_async_call call;
	int fd;
	char text[12];
	uint8_t config[256]; /* capabilities end here; the extended ones follow */
};

/* One setting, or all of them, on its way. */
struct vio_setting {
	struct vio_setting_call *call;
	struct vio_host *host;
	void (*ended)(struct vio_setting *setting, int result);
	uint32_t kind; /* setting.c's: of a read, the one that is asked */
	union {
		struct vio_netlink_call netlink;
		struct vio_nvme_call nvme;
		struct vio_msix_call msix;
	};
};

/* Why is @path, of a function below sysfs, not there? -EOPNOTSUPP or -ENODEV. */
int vio_setting_explain_missing(struct vio_host *host, const struct vio_pci_addr *addr);

/*
 * The first name in the folder @attr of a function, of less than @n bytes;
 * -EOPNOTSUPP: there is none; -ENODEV: nor is there the function.
 */
int vio_setting_find_name(struct vio_host *host, const struct vio_pci_addr *addr,
			  const char *attr, char *name, size_t n);

#endif /* VIO_VF_SETTING_KIND_H */
