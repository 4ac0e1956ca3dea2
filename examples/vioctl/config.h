/* SPDX-License-Identifier: MIT */
/* A VF's settings as options, for claim and configure, and how they are told. */
#ifndef VIOCTL_CONFIG_H
#define VIOCTL_CONFIG_H

#include "out.h"
#include "vioctl.h"

/* The values are those of a struct vio_vf_config, its fields as they are named. */
extern const struct option_spec config_options[];

/* Once, after the options. */
void config_finish(struct vio_vf_config *config);

/* Lines for --help. */
#define CONFIG_HELP                                                                    \
	"  --mac MAC           02:00:00:00:00:01; zeroes take it back\n"               \
	"  --vlan N            0: untagged; --qos N, --vlan-protocol 802.1Q|802.1ad\n" \
	"  --min-rate MBPS, --max-rate MBPS    0: none\n"                              \
	"  --spoofchk on|off, --trust on|off, --link auto|enable|disable\n"            \
	"  --msix N            interrupt vectors\n"                                    \
	"  --nvme-vq N, --nvme-vi N            virtual queues, interrupts (NVMe)\n"

/* The names of the fields in @fields, as a list. */
void fields_print(struct out *out, const char *key, uint32_t fields);

#endif /* VIOCTL_CONFIG_H */
