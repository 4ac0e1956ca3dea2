/* SPDX-License-Identifier: MIT */
/*
 * A kernel that holds rates: of VFs by rtnetlink, of a port function and of nodes by
 * devlink, of one disk in one cgroup. It answers each question at once, as its drivers
 * can, and can be told to refuse one, to agree and do nothing, or to answer nonsense.
 */
#ifndef TESTS_FAKE_FAKE_RATES_H
#define TESTS_FAKE_FAKE_RATES_H

#include "fake/fake.h"

#define FAKE_RATES_IFINDEX 7u
#define FAKE_RATES_N_VFS   4u
#define FAKE_RATES_HANDLE  "pci/0000:01:00.0"
#define FAKE_RATES_PORT    3u
#define FAKE_RATES_CGROUP  "/cgroup/tenant"
#define FAKE_RATES_MAJOR   8u
#define FAKE_RATES_MINOR   16u

/* What drivers can, for can. */
#define FAKE_RATES_VF_MAX    (1u << 0)
#define FAKE_RATES_VF_MIN    (1u << 1)
#define FAKE_RATES_TX_SHARE  (1u << 2)
#define FAKE_RATES_TX_MAX    (1u << 3)
#define FAKE_RATES_TX_WEIGHT (1u << 4)
#define FAKE_RATES_PARENT    (1u << 5)
#define FAKE_RATES_DEVLINK   (1u << 6) /* the kernel has it at all */
#define FAKE_RATES_ALL       0x7fu

struct fake_rate {
	int is_there;
	char node[64]; /* "": the port */
	char parent[64];
	uint64_t share, max;
	uint32_t weight;
};

struct fake_rates {
	uint32_t can;
	struct {
		uint32_t min, max;
	} vfs[FAKE_RATES_N_VFS];
	struct fake_rate rates[4]; /* the first is the port's */
	uint64_t io[4];            /* rbps, wbps, riops, wiops; 0: none */
	const char *io_text;       /* shown instead, or NULL */

	/* Of questions that set something, counted from 1. */
	uint32_t n_sets;
	uint32_t fail_at; /* 0: none */
	int fail_code;    /* negative */
	uint32_t idle_at; /* says yes and does nothing; 0: none */
	uint32_t lose_at; /* of a VF: does it, and the answer is nonsense; 0: none */
	uint32_t n_sockets;
	uint32_t fail_socket_at; /* too many open files; 0: none */
	uint32_t n_reads;
	uint32_t fail_read_at;
	int fail_read_code; /* 0: nonsense */
};

/* One per program. All can be done, and nothing is set. */
extern struct fake_rates fake_rates;

/*
 * Begins anew, and puts itself into @sys, which is of @fake or of a copy of it. The
 * PF's interface and the cgroup are added to the tree.
 */
void fake_rates_prepare(struct vio_fake *fake, struct vio_sys *sys, const char *pf);

#endif /* TESTS_FAKE_FAKE_RATES_H */
