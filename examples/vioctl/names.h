/* SPDX-License-Identifier: MIT */
/* What people call a function, where libvio-pci was built. */
#ifndef VIOCTL_NAMES_H
#define VIOCTL_NAMES_H

#include "out.h"
#include "vioctl.h"

/* The key "name"; null without libvio-pci. */
void name_print(struct out *out, const struct vio_pci_info *info);

#endif /* VIOCTL_NAMES_H */
