/* SPDX-License-Identifier: MIT */
/*
 * Settings of a VF that its PF holds: what rtnetlink, the NVMe controller and sysfs
 * know of it. Each call goes to the kernel through the context's asynchronous calls,
 * since the kernel may keep its locks for seconds while VFs are made.
 */
#ifndef VIO_VF_SETTING_H
#define VIO_VF_SETTING_H

#include <vio/vf.h>

#include "vf/host.h"

struct vio_setting_call {
	struct vio_host *host;
	struct vio_pci_addr pf;
	struct vio_pci_addr vf;
	uint32_t vf_index;
	/*
	 * Set: one bit of fields, and its value; or both rates, which go to the
	 * kernel as one. Read: filled, fields says what the kernel knows.
	 */
	struct vio_vf_config config;
	struct vio_error err; /* one line where it fails */
	/*
	 * In dispatch, exactly once: 0; -EOPNOTSUPP: the driver has no such field,
	 * or not with this value; -ENODEV: the VF, or its PF, has gone; -ENOBUFS:
	 * the kernel's answer was lost, only a read tells whether it did as asked;
	 * or what the kernel answered. A set that answered 0 is still to be read
	 * back.
	 */
	void (*done)(struct vio_setting_call *call, int result);
	void *inner; /* setting.c's, while under way */
};

/*
 * Ranges that hold for every driver (the kernel lets igb have VLAN 4095). Fills
 * report->refused and @err; @link_mbps 0: not known.
 */
int vio_setting_check(const struct vio_vf_config *config, uint32_t link_mbps,
		      struct vio_vf_report *report, struct vio_error *err);

/*
 * 0: done will be called. The call and what it points to stay until then: nothing
 * takes back what the kernel has begun, and it ends when the kernel ends it. A
 * deadline is the caller's, who goes on without the answer and keeps the call.
 * -EOPNOTSUPP: as of done, or there is no way to ask without blocking (NVMe needs a
 * lent thread); a read leaves out what it cannot ask for, unless that is all.
 *
 * The order of settings is the caller's as well: drivers refuse a minimum rate over
 * the maximum they have; an NVMe controller goes offline while its resources change,
 * and stays so with none; vectors are set while no driver is bound.
 */
int vio_setting_set(struct vio_setting_call *call);
int vio_setting_read(struct vio_setting_call *call);

/* Do the values of the fields in @fields agree? */
int vio_setting_is_equal(const struct vio_vf_config *a, const struct vio_vf_config *b,
			 uint32_t fields);

/* Of the lowest of the VIO_VF_ bits, for a person. */
const char *vio_setting_get_name(uint32_t field);

#endif /* VIO_VF_SETTING_H */
