/* SPDX-License-Identifier: MIT */
/* The functions of a machine and the leases on them, as of one moment. */
#ifndef VIOCTL_INVENTORY_H
#define VIOCTL_INVENTORY_H

#include "out.h"
#include "vioctl.h"

struct inventory {
	struct vio_pci_info *functions; /* each PF, and its VFs behind it */
	struct vio_vf_info *leases;
	uint32_t n_functions;
	uint32_t n_leases;
	int is_short; /* memory ran out */
};

/* Of @pf alone, or of all with NULL. An exit code; destroy it in any case. */
int inventory_create(struct inventory *inventory, struct vioctl *vioctl,
		     const struct vio_pci_addr *pf);
void inventory_destroy(struct inventory *inventory);

/* The leases alone. */
int leases_create(struct inventory *inventory, struct vioctl *vioctl);

/* The lease on a function, or NULL. */
const struct vio_vf_info *
lease_find(const struct inventory *inventory, const struct vio_pci_addr *addr);

int is_same(const struct vio_pci_addr *a, const struct vio_pci_addr *b);

/* The members of a function, into an object that has begun. */
void function_print(struct out *out, const struct vio_pci_info *info,
		    const struct vio_vf_info *lease);

/* The words of VIO_VF_BUSY and so on. */
const char *lease_state_name(uint32_t state);

void address_print(struct out *out, const char *key, const struct vio_pci_addr *addr);

#endif /* VIOCTL_INVENTORY_H */
