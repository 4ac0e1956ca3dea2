/* SPDX-License-Identifier: MIT */
/* The capabilities in configuration space, for show. */
#ifndef VIOCTL_CAPS_H
#define VIOCTL_CAPS_H

#include "out.h"

/*
 * Prints "capabilities" and "sriov" from the first @n_bytes of configuration space.
 * 0, or what the library says of bytes that cannot be; they are null then.
 */
int caps_print(struct out *out, const uint8_t *config, uint32_t n_bytes);

#endif /* VIOCTL_CAPS_H */
