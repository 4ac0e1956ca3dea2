/* SPDX-License-Identifier: MIT */
/*
 * What no driver should be asked for, whatever it says to it: one check per field,
 * and every field that is wrong is named. A field's check looks at the others that
 * are set with it only where one makes no sense without the other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "vf/setting.h"

#define VLAN_MAX     4094u /* 4095 is reserved (IEEE 802.1Q, 9.6) */
#define QOS_MAX      7u
#define VLAN_8021Q   0x8100u
#define VLAN_8021AD  0x88a8u
#define RESOURCE_MAX 0xffffu /* 16 bits of the command */
#define VQ_MIN       2u      /* one for the admin queue, one for I/O */
#define MSIX_MAX     2048u   /* 11 bits of Message Control, and 1 */

static int is_multicast(const struct vio_vf_config *c)
{
	return c->mac[0] & 1;
}

/* A bound that is not set is none. */
static int is_over(uint32_t n, uint32_t max)
{
	return max && n > max;
}

static const char *check_mac(const struct vio_vf_config *c, uint32_t link_mbps)
{
	(void)link_mbps;
	return is_multicast(c) ? "mac is a group's, a VF needs one of its own" : NULL;
}

static const char *check_vlan(const struct vio_vf_config *c, uint32_t link_mbps)
{
	(void)link_mbps;
	if (c->vlan > VLAN_MAX)
		return "vlan is not 0 to 4094";
	if (c->qos > QOS_MAX)
		return "qos is not 0 to 7";
	if (c->qos && !c->vlan)
		return "qos needs a vlan";
	if (c->vlan_protocol && c->vlan_protocol != VLAN_8021Q &&
	    c->vlan_protocol != VLAN_8021AD)
		return "vlan_protocol is neither 0x8100 nor 0x88a8";
	return NULL;
}

static const char *check_min_rate(const struct vio_vf_config *c, uint32_t link_mbps)
{
	if (is_over(c->min_tx_mbps, link_mbps))
		return "min_tx_mbps is over the link's speed";
	if (c->fields & VIO_VF_MAX_RATE && is_over(c->min_tx_mbps, c->max_tx_mbps))
		return "min_tx_mbps is over max_tx_mbps";
	return NULL;
}

static const char *check_max_rate(const struct vio_vf_config *c, uint32_t link_mbps)
{
	return is_over(c->max_tx_mbps, link_mbps)
		       ? "max_tx_mbps is over the link's speed"
		       : NULL;
}

static const char *check_spoofchk(const struct vio_vf_config *c, uint32_t link_mbps)
{
	(void)link_mbps;
	return c->spoofchk > 1 ? "spoofchk is not 0 or 1" : NULL;
}

static const char *check_trust(const struct vio_vf_config *c, uint32_t link_mbps)
{
	(void)link_mbps;
	return c->trust > 1 ? "trust is not 0 or 1" : NULL;
}

static const char *check_link(const struct vio_vf_config *c, uint32_t link_mbps)
{
	(void)link_mbps;
	return c->link_state > VIO_VF_LINK_DISABLE ? "link_state is not a VIO_VF_LINK_"
						   : NULL;
}

static const char *check_nvme(const struct vio_vf_config *c, uint32_t link_mbps)
{
	(void)link_mbps;
	if (c->nvme_vq > RESOURCE_MAX || c->nvme_vi > RESOURCE_MAX)
		return "nvme_vq and nvme_vi are at most 65535";
	if (!c->nvme_vq && !c->nvme_vi)
		return NULL;
	return c->nvme_vq < VQ_MIN || !c->nvme_vi
		       ? "an NVMe controller needs nvme_vq 2 and nvme_vi 1, or neither"
		       : NULL;
}

static const char *check_msix(const struct vio_vf_config *c, uint32_t link_mbps)
{
	(void)link_mbps;
	return !c->n_msix || c->n_msix > MSIX_MAX ? "n_msix is not 1 to 2048" : NULL;
}

/* In the order of the bits. */
static const struct {
	const char *name;
	const char *(*check)(const struct vio_vf_config *c, uint32_t link_mbps);
} checks[] = {
	{ "mac", check_mac },
	{ "vlan", check_vlan },
	{ "min_tx_mbps", check_min_rate },
	{ "max_tx_mbps", check_max_rate },
	{ "spoofchk", check_spoofchk },
	{ "trust", check_trust },
	{ "link_state", check_link },
	{ "nvme_vq and nvme_vi", check_nvme },
	{ "n_msix", check_msix },
};

const char *vio_setting_get_name(uint32_t field)
{
	for (size_t i = 0; i < VIO_ARRAY_SIZE(checks); i++)
		if (field & (1u << i))
			return checks[i].name;
	return "settings";
}

int vio_setting_check(const struct vio_vf_config *config, uint32_t link_mbps,
		      struct vio_vf_report *report, struct vio_error *err)
{
	const uint32_t unknown = config->fields & ~((1u << VIO_ARRAY_SIZE(checks)) - 1);
	const char *first = NULL;
	uint32_t refused = 0;

	for (size_t i = 0; i < VIO_ARRAY_SIZE(checks); i++) {
		const char *text = NULL;

		if (config->fields & (1u << i))
			text = checks[i].check(config, link_mbps);
		if (text)
			refused |= 1u << i;
		if (!first)
			first = text;
	}
	if (!refused && !unknown && !config->reserved[0] && !config->reserved[1])
		return 0;
	if (report)
		report->refused = refused;
	return vio_fail(err, -EINVAL, "configuration: %s",
			first ? first : "an unknown field, or reserved is not 0");
}

static uint32_t protocol_of(const struct vio_vf_config *c)
{
	return c->vlan_protocol ? c->vlan_protocol : VLAN_8021Q;
}

/* Untagged is untagged, whatever the tag would be. */
static int is_vlan_equal(const struct vio_vf_config *a, const struct vio_vf_config *b)
{
	if (!a->vlan && !b->vlan)
		return 1;
	return a->vlan == b->vlan && a->qos == b->qos &&
	       protocol_of(a) == protocol_of(b);
}

static int is_nvme_equal(const struct vio_vf_config *a, const struct vio_vf_config *b)
{
	return a->nvme_vq == b->nvme_vq && a->nvme_vi == b->nvme_vi;
}

int vio_setting_is_equal(const struct vio_vf_config *a, const struct vio_vf_config *b,
			 uint32_t fields)
{
	const uint32_t differ =
		(memcmp(a->mac, b->mac, sizeof(a->mac)) ? VIO_VF_MAC : 0) |
		(is_vlan_equal(a, b) ? 0 : VIO_VF_VLAN) |
		(a->min_tx_mbps != b->min_tx_mbps ? VIO_VF_MIN_RATE : 0) |
		(a->max_tx_mbps != b->max_tx_mbps ? VIO_VF_MAX_RATE : 0) |
		(a->spoofchk != b->spoofchk ? VIO_VF_SPOOFCHK : 0) |
		(a->trust != b->trust ? VIO_VF_TRUST : 0) |
		(a->link_state != b->link_state ? VIO_VF_LINK : 0) |
		(is_nvme_equal(a, b) ? 0 : VIO_VF_NVME) |
		(a->n_msix != b->n_msix ? VIO_VF_MSIX : 0);

	return !(differ & fields);
}
