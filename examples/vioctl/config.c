/* SPDX-License-Identifier: MIT */
/*
 * A VF's settings as options. Ranges are the library's to check: it knows the VF,
 * and names what it refuses.
 */
#include "config.h"

#define SETTING(option, what, member, bit)                                             \
	.name = option, .kind = what,                                                  \
	.offset = offsetof(struct vio_vf_config, member), .mark = bit,                 \
	.mark_at = offsetof(struct vio_vf_config, fields)

const struct option_spec config_options[] = {
	{ SETTING("mac", OPTION_MAC, mac, VIO_VF_MAC) },
	{ SETTING("vlan", OPTION_NUMBER, vlan, VIO_VF_VLAN), .max = 65535 },
	{ SETTING("qos", OPTION_NUMBER, qos, VIO_VF_VLAN), .max = 255 },
	{ SETTING("vlan-protocol", OPTION_CHOICE, vlan_protocol, VIO_VF_VLAN),
	  .choices = "802.1Q,802.1ad" },
	{ SETTING("min-rate", OPTION_NUMBER, min_tx_mbps, VIO_VF_MIN_RATE),
	  .max = UINT32_MAX },
	{ SETTING("max-rate", OPTION_NUMBER, max_tx_mbps, VIO_VF_MAX_RATE),
	  .max = UINT32_MAX },
	{ SETTING("spoofchk", OPTION_CHOICE, spoofchk, VIO_VF_SPOOFCHK),
	  .choices = "off,on" },
	{ SETTING("trust", OPTION_CHOICE, trust, VIO_VF_TRUST), .choices = "off,on" },
	{ SETTING("link", OPTION_CHOICE, link_state, VIO_VF_LINK),
	  .choices = "auto,enable,disable" },
	{ SETTING("nvme-vq", OPTION_NUMBER, nvme_vq, VIO_VF_NVME), .max = UINT32_MAX },
	{ SETTING("nvme-vi", OPTION_NUMBER, nvme_vi, VIO_VF_NVME), .max = UINT32_MAX },
	{ SETTING("msix", OPTION_NUMBER, n_msix, VIO_VF_MSIX), .max = UINT32_MAX },
	{ .name = NULL },
};

void config_finish(struct vio_vf_config *config)
{
	/* The place in the list above: 0 is 802.1Q for the library as well. */
	if (config->vlan_protocol == 1)
		config->vlan_protocol = 0x88a8;
}

void fields_print(struct out *out, const char *key, uint32_t fields)
{
	static const char *const names[] = { "mac",      "vlan",     "min_rate",
					     "max_rate", "spoofchk", "trust",
					     "link",     "nvme",     "msix" };

	out_list(out, key);
	for (uint32_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (fields & UINT32_C(1) << i)
			out_text(out, NULL, names[i]);
	out_end(out);
}
