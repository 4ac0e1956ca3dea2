/* SPDX-License-Identifier: MIT */
/*
 * Admin commands to an NVMe controller through the kernel, and what NVM Express
 * says of those that the kernel does not know by name: secondary controllers (Base
 * Specification 2.0, 5.17.2.15 and 5.31) and their states (8.26).
 */
#ifndef VIO_SYS_UAPI_NVME_H
#define VIO_SYS_UAPI_NVME_H

#include <linux/ioctl.h>
#include <linux/nvme_ioctl.h>

#define VIO_NVME_IDENTIFY       0x06u
#define VIO_NVME_VIRTUALIZATION 0x1cu

/* Identify: Secondary Controller List, of those from a controller on. */
#define VIO_NVME_CNS_SECONDARY 0x15u
#define VIO_NVME_LIST_BYTES    4096u
#define VIO_NVME_LIST_MAX      127u

/* Bytes of an entry, little-endian, behind a header of the same size. */
#define VIO_NVME_ENTRY_BYTES      32u
#define VIO_NVME_ENTRY_CONTROLLER 0u
#define VIO_NVME_ENTRY_STATE      4u
#define VIO_NVME_ENTRY_VF         8u
#define VIO_NVME_ENTRY_VQ         10u
#define VIO_NVME_ENTRY_VI         12u

/* Virtualization Management: what to do, and to which resources. */
#define VIO_NVME_OFFLINE 0x7u
#define VIO_NVME_ASSIGN  0x8u
#define VIO_NVME_ONLINE  0x9u
#define VIO_NVME_VQ      (0u << 8)
#define VIO_NVME_VI      (1u << 8)

/* Status code type and code; the bits above say how to go on. */
#define VIO_NVME_STATUS_MASK            0x7ffu
#define VIO_NVME_STATUS_OPCODE          0x001u
#define VIO_NVME_STATUS_FIELD           0x002u
#define VIO_NVME_STATUS_CONTROLLER      0x11fu
#define VIO_NVME_STATUS_SECONDARY_STATE 0x120u
#define VIO_NVME_STATUS_RESOURCES       0x121u
#define VIO_NVME_STATUS_RESOURCE_ID     0x122u

#endif /* VIO_SYS_UAPI_NVME_H */
