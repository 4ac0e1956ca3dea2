/* SPDX-License-Identifier: MIT */
/*
 * The nested guest: a program without a system that drives the function it finds on
 * its PCI bus as any driver would, in 32-bit mode without paging. It does the step
 * that the page says, tells by a port, and is run again for the next one. Nothing
 * here is checked: what it saw is in the page, and its monitor judges.
 */
#include "nested.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define COMMAND        0x04u
#define BAR0           0x10u
#define CAPS           0x34u
#define CAP_MSIX       0x11u
#define DECODE         0x0006u /* memory and bus master */
#define BAR_64BIT      0x4u
#define MSIX_ENABLE    0x80000000u /* as bits of the capability's first dword */
#define MSIX_TABLE     4u
#define MSIX_PENDING   8u

#define APIC           0xfee00000u
#define APIC_ID        0x20u
#define APIC_EOI       0xb0u
#define APIC_SPURIOUS  0xf0u
#define APIC_ON        0x1ffu

/* Of the VF (82576, 8.14.3); a vector is a bit of the first four. */
#define EICS           0x1520u
#define EIMS           0x1524u
#define EIAC           0x152cu
#define EICR           0x1580u
#define ALL_VECTORS    7u
#define MAILBOX        0x0c40u
#define MAILBOX_MEMORY 0x0800u
#define MAILBOX_REQ    0x01u
#define MAILBOX_ACK    0x02u
#define MAILBOX_VFU    0x04u
#define MAILBOX_PFSTS  0x10u
#define MAILBOX_POLLS  100000u
#define VF_RESET       1u
#define VF_RESET_ACK   0x80000001u

/* Its first queue for sending, with two pages of the guest's memory. */
#define QUEUE         0x3800u
#define QUEUE_BYTES   (QUEUE + 0x08u)
#define QUEUE_TAIL    (QUEUE + 0x18u)
#define QUEUE_CONTROL (QUEUE + 0x28u)
#define QUEUE_ON      0x02000000u
#define DESCRIPTORS   0x90000u
#define PACKET        0x91000u
#define PACKET_BYTES  64u
/* Advanced data descriptor, end of packet, frame check sequence, report status. */
#define SEND_PACKET    0x2b300000u

#define INTERRUPT_GATE 0x8e00u

struct frame;

struct gate {
	uint16_t low;
	uint16_t selector;
	uint16_t type;
	uint16_t high;
};

struct table {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

static struct nested_talk *const talk = (struct nested_talk *)NESTED_TALK_GPA;
static const uint64_t segments[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
static const uint32_t registers[NESTED_REGISTERS] = { NESTED_CTRL, NESTED_STATUS,
						      NESTED_IVAR, NESTED_IVAR_MISC };
static struct gate gates[NESTED_VECTOR0 + NESTED_MSIX];

void begin(void);

static void out(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "d"(port) : "memory");
}

static uint32_t in(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "d"(port) : "memory");
	return value;
}

/* Accesses of 32 bits each, whatever the compiler thinks of them. */
static uint32_t get_word(uint32_t gpa)
{
	return *(volatile uint32_t *)gpa;
}

static void set_word(uint32_t gpa, uint32_t value)
{
	*(volatile uint32_t *)gpa = value;
}

static uint32_t get_of(uint32_t device, uint32_t offset)
{
	out(CONFIG_ADDRESS, 0x80000000u | device << 11 | offset);
	return in(CONFIG_DATA);
}

static uint32_t get(uint32_t offset)
{
	return get_of(talk->device, offset);
}

static void set(uint32_t offset, uint32_t value)
{
	out(CONFIG_ADDRESS, 0x80000000u | talk->device << 11 | offset);
	out(CONFIG_DATA, value);
}

static uint32_t get_bar(uint32_t bar)
{
	return get(BAR0 + 4 * bar) & ~0xfu;
}

static void find(void)
{
	uint32_t at, n = 0;

	for (talk->device = 0; talk->device < NESTED_NONE; talk->device++)
		if (get(0) != UINT32_MAX)
			break;
	talk->id = get(0);
	talk->msix = 0;
	for (at = get(CAPS) & 0xfc; at && n < NESTED_DWORDS; n++) {
		if ((get(at) & 0xff) == CAP_MSIX)
			talk->msix = at;
		at = get(at) >> 8 & 0xfc;
	}
}

/* @out_n: how many registers it has, 1 or 2. */
static uint64_t size_bar(uint32_t bar, uint32_t *out_n)
{
	const uint32_t at = BAR0 + 4 * bar;
	const uint32_t is_64bit = get(at) & BAR_64BIT;
	uint64_t mask;

	set(at, UINT32_MAX);
	mask = get(at) & ~0xfu;
	*out_n = 1;
	if (is_64bit) {
		set(at + 4, UINT32_MAX);
		mask |= (uint64_t)get(at + 4) << 32;
		*out_n = 2;
	} else if (mask) {
		mask |= (uint64_t)UINT32_MAX << 32;
	}
	return mask ? ~mask + 1 : 0;
}

/* With decoding off, as must be: all ones is an address, too. */
static void size(void)
{
	uint32_t n;

	set(COMMAND, get(COMMAND) & 0xffff & ~DECODE);
	for (uint32_t i = 0; i < NESTED_BARS; i++)
		talk->bar_bytes[i] = 0;
	for (uint32_t i = 0; i < NESTED_BARS; i += n)
		talk->bar_bytes[i] = size_bar(i, &n);
}

static void place(void)
{
	for (uint32_t i = 0; i < NESTED_BARS; i++)
		if (talk->bar_bytes[i]) {
			set(BAR0 + 4 * i, NESTED_BAR_GPA + NESTED_BAR_STEP * i);
			if (get(BAR0 + 4 * i) & BAR_64BIT)
				set(BAR0 + 4 * i + 4, 0);
		}
	set(COMMAND, (get(COMMAND) & 0xffff) | DECODE);
}

/* Where a part is that the capability tells in its dword at @offset. */
static uint32_t find_part(uint32_t offset)
{
	const uint32_t where = get(talk->msix + offset);

	return get_bar(where & 7) + (where & ~7u);
}

static void connect(void)
{
	const uint32_t table = find_part(MSIX_TABLE);
	const uint32_t id = get_word(APIC + APIC_ID) >> 24;

	for (uint32_t i = 0; i < NESTED_MSIX; i++) {
		set_word(table + 16 * i, APIC | id << 12);
		set_word(table + 16 * i + 4, 0);
		set_word(table + 16 * i + 8, NESTED_VECTOR0 + i);
		set_word(table + 16 * i + 12, 0);
	}
	set(talk->msix, get(talk->msix) | MSIX_ENABLE);
}

/* Of the VF's vectors, the first is the sending queue's, the second the receiving. */
static void drive(void)
{
	const uint32_t bar = get_bar(0);

	set_word(bar + EICR, ALL_VECTORS);
	set_word(bar + EIAC, ALL_VECTORS);
	set_word(bar + EIMS, ALL_VECTORS);
	set_word(bar + NESTED_IVAR, 0x8081);
	set_word(bar + NESTED_IVAR_MISC, 0x82);
	set_word(bar + QUEUE, DESCRIPTORS);
	set_word(bar + QUEUE_BYTES, 128);
	set_word(bar + QUEUE_CONTROL, QUEUE_ON);
}

static void start(void)
{
	find();
	size();
	place();
	connect();
	drive();
}

static void read(void)
{
	const uint32_t table = find_part(MSIX_TABLE), bar = get_bar(0);

	for (uint32_t i = 0; i < NESTED_DWORDS; i++)
		talk->config[i] = get(4 * i);
	for (uint32_t i = 0; i < NESTED_MSIX * 4; i++)
		talk->table[i] = get_word(table + 4 * i);
	for (uint32_t i = 0; i < NESTED_REGISTERS; i++)
		talk->registers[i] = get_word(bar + registers[i]);
}

static uint32_t is_answered(uint32_t bar)
{
	for (uint32_t i = 0; i < MAILBOX_POLLS; i++)
		if ((get_word(bar + MAILBOX) & MAILBOX_PFSTS) &&
		    get_word(bar + MAILBOX_MEMORY) == VF_RESET_ACK)
			return 1;
	return 0;
}

/*
 * A VF has no register with its MAC: the PF's driver says it in answer to a reset.
 * What the PF has to say by itself takes the place of a question: it is asked again.
 */
static void ask(void)
{
	const uint32_t bar = get_bar(0);

	do {
		set_word(bar + MAILBOX, MAILBOX_VFU);
		set_word(bar + MAILBOX_MEMORY, VF_RESET);
		set_word(bar + MAILBOX, MAILBOX_REQ);
	} while (!is_answered(bar));
	talk->mac[0] = get_word(bar + MAILBOX_MEMORY + 4);
	talk->mac[1] = get_word(bar + MAILBOX_MEMORY + 8) & 0xffff;
	set_word(bar + MAILBOX, MAILBOX_ACK);
}

static void trigger(void)
{
	set_word(get_bar(0) + EICS, 1u << talk->at);
}

/* Interrupts are off but for the instruction that waits. */
static void wait(uint32_t vector, uint32_t before)
{
	volatile uint32_t *n = &talk->interrupts[vector];

	while (*n == before)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void await(void)
{
	wait(talk->at, talk->value);
}

/* The device reads the descriptor and the packet, and writes that it has. */
static void send(void)
{
	const uint32_t bar = get_bar(0), tail = get_word(bar + QUEUE_TAIL);
	const uint32_t at = DESCRIPTORS + 16 * tail;
	const uint32_t before = talk->interrupts[0];

	for (uint32_t i = 0; i < PACKET_BYTES; i += 4)
		set_word(PACKET + i, i < 8 ? UINT32_MAX : i);
	set_word(at, PACKET);
	set_word(at + 4, 0);
	set_word(at + 8, SEND_PACKET | PACKET_BYTES);
	set_word(at + 12, PACKET_BYTES << 14);
	set_word(bar + QUEUE_TAIL, tail + 1);
	wait(0, before);
	talk->value = get_word(at + 12);
}

static void wait_pending(void)
{
	const uint32_t pending = find_part(MSIX_PENDING);

	while (!(get_word(pending) >> talk->at & 1))
		__asm__ volatile("pause");
}

static void get_config(void)
{
	talk->value = get(talk->at);
}

static void set_config(void)
{
	set(talk->at, talk->value);
}

static void get_memory(void)
{
	talk->value = get_word(talk->at);
}

static void set_memory(void)
{
	set_word(talk->at, talk->value);
}

/* What a handler calls saves the registers that it uses. */
__attribute__((no_caller_saved_registers)) static void note(uint32_t vector)
{
	talk->interrupts[vector]++;
	set_word(APIC + APIC_EOI, 0);
}

__attribute__((interrupt)) static void on_vector0(struct frame *frame)
{
	(void)frame;
	note(0);
}

__attribute__((interrupt)) static void on_vector1(struct frame *frame)
{
	(void)frame;
	note(1);
}

__attribute__((interrupt)) static void on_vector2(struct frame *frame)
{
	(void)frame;
	note(2);
}

static void set_gate(uint32_t vector, void (*handler)(struct frame *frame))
{
	const uint32_t at = (uint32_t)handler;

	gates[NESTED_VECTOR0 + vector] =
		(struct gate){ (uint16_t)at, NESTED_CODE, INTERRUPT_GATE,
			       (uint16_t)(at >> 16) };
}

static void prepare(void)
{
	const struct table gdt = { sizeof(segments) - 1, (uint32_t)segments };
	const struct table idt = { sizeof(gates) - 1, (uint32_t)gates };

	set_gate(0, on_vector0);
	set_gate(1, on_vector1);
	set_gate(2, on_vector2);
	__asm__ volatile("lgdt %0; lidt %1" : : "m"(gdt), "m"(idt) : "memory");
	set_word(APIC + APIC_SPURIOUS, APIC_ON);
}

static void (*const steps[])(void) = {
	[NESTED_FIND] = find,           [NESTED_SIZE] = size,
	[NESTED_PLACE] = place,         [NESTED_CONNECT] = connect,
	[NESTED_DRIVE] = drive,         [NESTED_START] = start,
	[NESTED_READ] = read,           [NESTED_ASK] = ask,
	[NESTED_SEND] = send,           [NESTED_TRIGGER] = trigger,
	[NESTED_AWAIT] = await,         [NESTED_PENDING] = wait_pending,
	[NESTED_GET] = get_config,      [NESTED_SET] = set_config,
	[NESTED_GET_WORD] = get_memory, [NESTED_SET_WORD] = set_memory,
};

__attribute__((section(".text.begin"))) void begin(void)
{
	prepare();
	for (;;) {
		steps[talk->step]();
		out(NESTED_PORT, talk->step);
	}
}
