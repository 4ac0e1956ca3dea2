/* SPDX-License-Identifier: MIT */
/*
 * What the nested guest and its monitor agree on: where the guest's program is, and
 * one page of its memory through which it is told what to do. A step is done when
 * the guest writes to the port. The program is of 32 bits, so only types of a fixed
 * size are here, in an order without holes.
 */
#ifndef VIO_TESTS_GUEST_NESTED_H
#define VIO_TESTS_GUEST_NESTED_H

#include <stdint.h>

#define NESTED_RAM_BYTES 0x200000u
#define NESTED_TALK_GPA  0x1000u
#define NESTED_ENTRY_GPA 0x10000u
#define NESTED_STACK_GPA 0x80000u
#define NESTED_BAR_GPA   0xe0000000u /* BAR i is placed at this and i times ... */
#define NESTED_BAR_STEP  0x100000u
#define NESTED_PORT      0xf4u
#define NESTED_VECTOR0   0x40u /* of the processor, for the function's first one */

/* Selectors that the guest begins with: flat segments. */
#define NESTED_CODE      0x08u
#define NESTED_DATA      0x10u

#define NESTED_BARS      6u
#define NESTED_MSIX      3u  /* as many vectors as the VF has */
#define NESTED_DWORDS    64u /* of configuration space: mechanism #1 has no more */
#define NESTED_REGISTERS 4u

/* Steps. */
#define NESTED_FIND     1u  /* the function and its capabilities, on bus 0 */
#define NESTED_SIZE     2u  /* its BARs, by writing all ones */
#define NESTED_PLACE    3u  /* its BARs; decoding and bus master on */
#define NESTED_CONNECT  4u  /* MSI-X: entries programmed, and on */
#define NESTED_DRIVE    5u  /* the device's own registers */
#define NESTED_START    6u  /* all of these */
#define NESTED_READ     7u  /* registers, configuration space, the MSI-X table */
#define NESTED_ASK      8u  /* the PF for the MAC, through the mailbox */
#define NESTED_SEND     9u  /* a packet; @value: the last word of its descriptor */
#define NESTED_TRIGGER  10u /* interrupt vector @at of the device */
#define NESTED_AWAIT    11u /* sleeps while vector @at has arrived @value times */
#define NESTED_PENDING  12u /* waits until vector @at is pending */
#define NESTED_GET      13u /* @value: 32 bits of configuration space at @at */
#define NESTED_SET      14u
#define NESTED_GET_WORD 15u /* @value: 32 bits of memory at @at */
#define NESTED_SET_WORD 16u

/* Registers of the VF that are read; the last two are those that the guest writes. */
#define NESTED_CTRL      0x0000u
#define NESTED_STATUS    0x0008u
#define NESTED_IVAR      0x1700u
#define NESTED_IVAR_MISC 0x1740u
struct nested_talk {
	uint32_t step;
	uint32_t at;
	uint32_t value;
	uint32_t device; /* on bus 0; NESTED_NONE */
	uint32_t id;
	uint32_t msix;                    /* capability; 0: there is none */
	uint32_t interrupts[NESTED_MSIX]; /* that have arrived */
	uint32_t reserved;
	uint64_t bar_bytes[NESTED_BARS];
	uint32_t mac[2];
	uint32_t registers[NESTED_REGISTERS];
	uint32_t config[NESTED_DWORDS];
	uint32_t table[NESTED_MSIX * 4];
};

#define NESTED_NONE 32u

#endif
