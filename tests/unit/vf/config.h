/* SPDX-License-Identifier: MIT */
/*
 * Configuration space made by hand: a network controller that can make VFs, laid
 * out as Intel's 82576, and a root port. Tests change what they are about.
 */
#ifndef TESTS_UNIT_VF_CONFIG_H
#define TESTS_UNIT_VF_CONFIG_H

#include <stdint.h>
#include <string.h>

#define CONFIG_BYTES 4096u

/* Where the controller has its capabilities. */
#define NIC_PM       0x40u
#define NIC_MSI      0x50u
#define NIC_MSIX     0x70u
#define NIC_EXPRESS  0xa0u
#define NIC_AER      0x100u
#define NIC_ARI      0x150u
#define NIC_SRIOV    0x160u

#define PORT_EXPRESS 0x40u
#define PORT_ACS     0x100u
#define PORT_CONTROL (PORT_ACS + 6)

static inline void put8(uint8_t *config, uint32_t at, uint32_t value)
{
	config[at] = (uint8_t)value;
}

static inline void put16(uint8_t *config, uint32_t at, uint32_t value)
{
	put8(config, at, value & 0xff);
	put8(config, at + 1, value >> 8);
}

static inline void put32(uint8_t *config, uint32_t at, uint32_t value)
{
	put16(config, at, value & 0xffff);
	put16(config, at + 2, value >> 16);
}

static inline void put_cap(uint8_t *config, uint32_t at, uint32_t id, uint32_t next)
{
	put8(config, at, id);
	put8(config, at + 1, next);
}

static inline void
put_extended(uint8_t *config, uint32_t at, uint32_t id, uint32_t next)
{
	put32(config, at, id | 1u << 16 | next << 20);
}

static inline void put_header(uint8_t *config, uint32_t vendor, uint32_t device)
{
	memset(config, 0, CONFIG_BYTES);
	put16(config, 0x00, vendor);
	put16(config, 0x02, device);
	put16(config, 0x06, 0x0010); /* there are capabilities */
	put8(config, 0x34, 0x40);
}

static inline void put_sriov(uint8_t *config)
{
	put_extended(config, NIC_SRIOV, 0x10, 0);
	put32(config, NIC_SRIOV + 0x04, 0x00000002); /* ARI preserved */
	put16(config, NIC_SRIOV + 0x08, 0x0019);     /* VFs, memory, ARI */
	put16(config, NIC_SRIOV + 0x0a, 0x0001);
	put16(config, NIC_SRIOV + 0x0c, 8);
	put16(config, NIC_SRIOV + 0x0e, 8);
	put16(config, NIC_SRIOV + 0x10, 4);
	put8(config, NIC_SRIOV + 0x12, 3);
	put16(config, NIC_SRIOV + 0x14, 128);
	put16(config, NIC_SRIOV + 0x16, 2);
	put16(config, NIC_SRIOV + 0x1a, 0x10ca);
	put32(config, NIC_SRIOV + 0x1c, 0x00000553);
	put32(config, NIC_SRIOV + 0x20, 0x00000001);
	put32(config, NIC_SRIOV + 0x24, 0xfe00000c); /* 64-bit, prefetchable */
	put32(config, NIC_SRIOV + 0x28, 0x00000001);
	put32(config, NIC_SRIOV + 0x30, 0xfd000000); /* 32-bit */
	put32(config, NIC_SRIOV + 0x3c, 0x00000123);
}

static inline void put_nic(uint8_t *config)
{
	put_header(config, 0x8086, 0x10c9);
	put_cap(config, NIC_PM, 0x01, NIC_MSI);
	put_cap(config, NIC_MSI, 0x05, NIC_MSIX);
	put16(config, NIC_MSI + 2, 0x0186); /* 8 vectors could be had */
	put_cap(config, NIC_MSIX, 0x11, NIC_EXPRESS);
	put16(config, NIC_MSIX + 2, 0x8018); /* 25, enabled */
	put32(config, NIC_MSIX + 4, 0x00001003);
	put32(config, NIC_MSIX + 8, 0x00002004);
	put_cap(config, NIC_EXPRESS, 0x10, 0);
	put16(config, NIC_EXPRESS + 0x02, 0x0002);     /* an endpoint */
	put32(config, NIC_EXPRESS + 0x04, 0x10008cc2); /* can be reset */
	put16(config, NIC_EXPRESS + 0x08, 0x2037);     /* payload of 256 */
	put32(config, NIC_EXPRESS + 0x0c, 0x00000083); /* 8 GT/s, 8 lanes */
	put16(config, NIC_EXPRESS + 0x12, 0x1042);     /* 5 GT/s, 4 lanes */
	put_extended(config, NIC_AER, 0x01, NIC_ARI);
	put_extended(config, NIC_ARI, 0x0e, NIC_SRIOV);
	put16(config, NIC_ARI + 4, 0x0100); /* the next function is 1 */
	put_sriov(config);
}

/* With all that ACS has, and @control of it enabled. */
static inline void put_port(uint8_t *config, uint32_t control)
{
	put_header(config, 0x8086, 0x3420);
	put8(config, 0x0e, 0x01);
	put_cap(config, PORT_EXPRESS, 0x10, 0);
	put16(config, PORT_EXPRESS + 0x02, 0x0042); /* a root port */
	put_extended(config, PORT_ACS, 0x0d, 0);
	put16(config, PORT_ACS + 4, 0x001f);
	put16(config, PORT_CONTROL, control);
}

#endif /* TESTS_UNIT_VF_CONFIG_H */
