/* SPDX-License-Identifier: MIT */
/*
 * A hostile driver and a hostile front end, as a program. It lays rings out in
 * memory of its own, breaks a rule, and looks from outside at what becomes of the
 * device: it may stop the queue (latched), end the connection (refused) or find
 * nothing wrong (served). All else is a failure: a process that is gone, that
 * burns time, keeps descriptors, or lets another queue suffer.
 */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vio/queue.h>

#include "device/vhost_proto.h"
#include "ring/layout.h"

/*
 * Guest memory: three parts of one memfd. Low and mid are neighbours for the
 * guest and apart in the file; below low and above mid there is nothing.
 */
#define PAGE        0x1000u
#define LOW_GPA     UINT64_C(0x100000)
#define LOW_BYTES   UINT64_C(0x200000)
#define MID_GPA     (LOW_GPA + LOW_BYTES)
#define MID_BYTES   UINT64_C(0x100000)
#define MID_OFFSET  UINT64_C(0x400000) /* in the file */
#define RAM_END     (MID_GPA + MID_BYTES)
#define HIGH_GPA    UINT64_C(0x100000000)
#define HIGH_BYTES  UINT64_C(0x200000)
#define HIGH_OFFSET UINT64_C(0x200000)
#define FILE_BYTES  (MID_OFFSET + MID_BYTES)

/* The front end's addresses, which rings are told by. */
#define UVA_OFFSET UINT64_C(0x7f0000000000)

/* In low a ring, then a table, then data; in high what others use. */
#define RING_BYTES   UINT64_C(0x10000)
#define AVAIL_OFFSET UINT64_C(0x4000)
#define USED_OFFSET  UINT64_C(0x8000)
#define TABLE_GPA    (LOW_GPA + UINT64_C(0x80000))
#define DATA_GPA     (LOW_GPA + UINT64_C(0x100000))
#define PROBE_GPA    HIGH_GPA

#define N_REGIONS    3u
#define N_DESCS      32u
#define N_RINGS      2u
#define ATTACKED     0u
#define BYSTANDER    1u

/* What a device made of it, as bits: several can be right. */
#define LATCHED 1u
#define REFUSED 2u
#define SERVED  4u

enum device_kind { DEVICE_BLK, DEVICE_NET, DEVICE_ANY };

struct ring {
	uint32_t queue; /* its number */
	uint32_t n_descs;
	uint32_t base;
	uint64_t home; /* where its parts are; the device is told the next three */
	uint64_t desc, avail, used; /* guest-physical */
	uint16_t avail_index;       /* the driver's */
	bool is_started;
	int kick, call, err;
};

struct hostile;

struct target_ops {
	/* 0, or -1: the device cannot be reached. */
	int (*open)(struct hostile *h);
	/* Features and memory. */
	void (*describe)(struct hostile *h, uint64_t features);
	void (*start)(struct hostile *h, struct ring *ring);
	/* GET_VRING_BASE and what it stands for. */
	void (*stop)(struct hostile *h, struct ring *ring);
	/* Whether what was asked so far is done; false: it refused. */
	bool (*sync)(struct hostile *h);
	/* Takes a part of memory away from under the device, or gives it back. */
	void (*set_mid)(struct hostile *h, bool is_there);
	/* All threads of the device. */
	uint64_t (*read_cpu_ns)(struct hostile *h);
	void (*close)(struct hostile *h);
};

extern const struct target_ops socket_target;
extern const struct target_ops inside_target;

struct front {
	int fd; /* -1: closed */
	pid_t pid;
	uint64_t offered, features;
	uint64_t protocol_offered;
	uint32_t n_queues;
	bool is_open_ended; /* the attack left, or waits for no answer */
};

struct options {
	const char *socket;
	const char *ids; /* separated by commas; NULL: all */
	enum device_kind device;
	uint32_t queue;
	uint32_t repeat;
	int window_ms;  /* of the measurement of time after a latch */
	int timeout_ms; /* for an answer */
	bool is_inside, is_pinned, is_json, is_list;
};

struct hostile {
	struct options options;
	const struct target_ops *target;
	uint8_t *ram;
	int memfd;
	struct ring rings[N_RINGS];
	bool has_bystander;
	uint64_t features; /* those offered that queues know */
	bool is_refused;   /* in process: a queue that could not be made */
	struct front front;
	struct inside *inside;
	uint32_t n_judged, n_failed;
	uint64_t cpu_permyriad; /* the most after any latch */
	char failure[160];      /* empty: none */
};

/* How far things are when the attack begins. */
enum stage { AT_CONNECTED, AT_DESCRIBED, AT_RUNNING, AT_NOTHING };

struct attack {
	const char *id;
	const char *name;
	enum stage stage;
	uint32_t wants_socket; /* what libvio answers; 0: does not apply, see why */
	uint32_t wants_inside;
	void (*run)(struct hostile *h);
	uint64_t features; /* needed */
	const char *why;
};

struct attacks {
	const struct attack *list;
	size_t n;
};

extern const struct attacks chain_attacks, table_attacks, ring_attacks, setup_attacks,
	message_attacks, memory_attacks, running_attacks, known_attacks;

/* Returns what the device made of @attack, or 0 and h->failure. */
uint32_t attack_judge(struct hostile *h, const struct attack *attack, uint32_t turn);
bool attack_applies(const struct hostile *h, const struct attack *attack,
		    const char **out_why);

void fail(struct hostile *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* guest.c: the driver's half. */
void guest_create(struct hostile *h);
void guest_reset(struct hostile *h);
void *guest_at(struct hostile *h, uint64_t gpa);
uint64_t data_gpa(uint32_t k);
void write_desc(struct vio_split_desc *desc, uint64_t addr, uint32_t length,
		uint32_t flags, uint32_t next);
struct vio_split_desc *desc_at(struct hostile *h, uint32_t index);
struct vio_split_desc *table_at(struct hostile *h, uint32_t index);
void set_desc(struct hostile *h, uint32_t index, uint32_t flags, uint32_t next);
void set_table(struct hostile *h, uint32_t index, uint32_t flags, uint32_t next);
void set_indirect(struct hostile *h, uint32_t index, uint32_t n_entries);
struct vio_split_avail *avail_of(struct hostile *h, const struct ring *ring);
struct vio_split_used *used_of(struct hostile *h, const struct ring *ring);
void show_avail(struct hostile *h, struct ring *ring, uint16_t index);
void offer(struct hostile *h, uint32_t head);
/* A request that this kind of device serves, at head 0. */
void write_good(struct hostile *h, struct ring *ring);
void offer_good(struct hostile *h, struct ring *ring);
void kick(const struct ring *ring);
uint64_t take_event(int fd);
bool is_all_used(struct hostile *h, const struct ring *ring);
/* Waits until all is used; false: it did not come to that. */
bool wait_used(struct hostile *h, const struct ring *ring);
/* The same for a good request, whose completion must be right. */
bool serve_good(struct hostile *h, struct ring *ring);

/* front.c: messages. */
void send_raw(struct hostile *h, const void *bytes, size_t n, const int *fds,
	      uint32_t n_fds);
void send_message(struct hostile *h, uint32_t request, const void *payload,
		  uint32_t size, const int *fds, uint32_t n_fds);
void send_u64(struct hostile *h, uint32_t request, uint64_t value);
void send_state(struct hostile *h, uint32_t request, uint32_t index, uint32_t num);
void send_fd(struct hostile *h, uint32_t request, uint32_t index, int fd);
void send_addr(struct hostile *h, const struct ring *ring, uint32_t flags);
void send_table(struct hostile *h, const struct vhost_memory *memory, const int *fds);
void fill_table(const struct hostile *h, struct vhost_memory *out,
		int fds[VHOST_USER_TABLE_MAX]);
/* Payload bytes of the reply to @request, or -1: there is none. */
int receive(struct hostile *h, uint32_t request, void *payload, uint32_t room);
bool ask_u64(struct hostile *h, uint32_t request, uint64_t *out);

/* process.c */
uint64_t now_ms(void);
int count_fds(pid_t pid);
int count_maps(pid_t pid, bool of_guest_only);
uint64_t read_process_cpu_ns(pid_t pid);

#endif /* TESTS_HOSTILE_H */
