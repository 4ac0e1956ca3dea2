/* SPDX-License-Identifier: MIT */
/*
 * The choice. One VF after the other, each the best of what is left: what is asked
 * of a VF does not depend on the others but for its PF, where counts and promises
 * are kept up as VFs are taken.
 */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "vf/policy.h"

/* By itself: without the whole bus, and without taking its power. */
#define OWN_RESETS (VIO_PCI_RESET_DEVICE | VIO_PCI_RESET_FLR | VIO_PCI_RESET_AF)

static int has_place(const struct vio_policy *policy, const struct vio_policy_pf *pf)
{
	const struct vio_vf_request *r = policy->request;

	if (r->flags & VIO_VF_APART && pf->n_taken)
		return 0;
	/* What is not known cannot be promised too often. */
	return !pf->info.link_mbps || !r->load_mbps ||
	       pf->promised_mbps + r->load_mbps <= pf->info.link_mbps;
}

/* Higher is better; of VIO_VF_LOAD, what the link has left. */
static int64_t rate_pf(const struct vio_policy *policy, const struct vio_policy_pf *pf)
{
	switch (policy->request->policy) {
	case VIO_VF_PACK:
		return -(int64_t)pf->n_free;
	case VIO_VF_SPREAD:
		return pf->n_free;
	default:
		return (int64_t)pf->info.link_mbps - (int64_t)pf->promised_mbps;
	}
}

/* Negative: not this one. */
static int64_t score(const struct vio_policy *policy, const struct vio_policy_vf *vf)
{
	const struct vio_vf_request *r = policy->request;

	if (!r->score)
		return 0;
	return r->score(r->opaque, &vf->info, &policy->pfs[vf->pf].info);
}

static int is_near(const struct vio_policy *policy, const struct vio_policy_vf *vf)
{
	return policy->request->numa_node < 0 ||
	       vf->info.numa_node == policy->request->numa_node;
}

/* Is @a better than @b? The first wins where they are equal. */
static int is_better(const struct vio_policy *policy, const struct vio_policy_vf *a,
		     int64_t score_a, const struct vio_policy_vf *b, int64_t score_b)
{
	int64_t rate_a, rate_b;

	if (!b)
		return 1;
	if (policy->request->score)
		return score_a > score_b;
	if (is_near(policy, a) != is_near(policy, b))
		return is_near(policy, a);
	rate_a = rate_pf(policy, &policy->pfs[a->pf]);
	rate_b = rate_pf(policy, &policy->pfs[b->pf]);
	return rate_a > rate_b;
}

static struct vio_policy_vf *choose_one(struct vio_policy *policy)
{
	struct vio_policy_vf *best = NULL;
	int64_t best_score = 0;

	for (uint32_t i = 0; i < policy->n_vfs; i++) {
		struct vio_policy_vf *vf = &policy->vfs[i];
		int64_t now;

		if (!vf->fits || !vf->is_alone || vf->is_taken ||
		    vf->standing != VIO_LEASE_FREE ||
		    !has_place(policy, &policy->pfs[vf->pf]))
			continue;
		now = score(policy, vf);
		if (now < 0 || !is_better(policy, vf, now, best, best_score))
			continue;
		best = vf;
		best_score = now;
	}
	return best;
}

static void take(struct vio_policy *policy, struct vio_policy_vf *vf)
{
	struct vio_policy_pf *pf = &policy->pfs[vf->pf];

	vf->is_taken = 1;
	pf->n_free--;
	pf->n_taken++;
	pf->promised_mbps += policy->request->load_mbps;
}

/* By address, so that all claimants lock in one order. */
static int is_before(const struct vio_pci_addr *a, const struct vio_pci_addr *b)
{
	if (a->domain != b->domain)
		return a->domain < b->domain;
	if (a->bus != b->bus)
		return a->bus < b->bus;
	if (a->device != b->device)
		return a->device < b->device;
	return a->function < b->function;
}

static void
insert(const struct vio_policy_vf **out, uint32_t n, const struct vio_policy_vf *vf)
{
	for (; n && is_before(&vf->info.addr, &out[n - 1]->info.addr); n--)
		out[n] = out[n - 1];
	out[n] = vf;
}

/* Why there are too few. */
struct shortage {
	uint32_t n_fit;    /* whoever has them */
	uint32_t n_free;   /* isolated or not */
	uint32_t n_usable; /* free and isolated as was asked for */
	uint32_t n_claimed;
	const struct vio_policy_vf *holder; /* alive before dead before unknown */
	const struct vio_policy_vf *shared;
};

static void count(const struct vio_policy *policy, struct shortage *s)
{
	for (uint32_t i = 0; i < policy->n_vfs; i++) {
		const struct vio_policy_vf *vf = &policy->vfs[i];

		s->n_claimed += vf->standing != VIO_LEASE_FREE;
		if (!vf->fits)
			continue;
		if (vf->standing == VIO_LEASE_FREE) {
			s->n_free++;
			s->n_usable += vf->is_alone != 0;
			if (!vf->is_alone)
				s->shared = vf;
		} else if (!s->holder || vf->standing < s->holder->standing) {
			s->holder = vf;
		}
		s->n_fit += vf->is_alone != 0;
	}
}

struct peer {
	const struct vio_pci_addr *self;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
};

static int find_peer(void *opaque, const struct vio_pci_info *info)
{
	struct peer *peer = opaque;

	if (!memcmp(&info->addr, peer->self, sizeof(info->addr)))
		return 0;
	vio_pci_addr_print(&info->addr, peer->name);
	return 1;
}

static int fail_shared(const struct vio_policy *policy, const struct vio_policy_vf *vf,
		       struct vio_error *err)
{
	struct peer peer = { .self = &vf->info.addr };
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	vio_pci_addr_print(&vf->info.addr, name);
	if (vio_host_foreach_peer(policy->host, &vf->info.addr, find_peer, &peer,
				  NULL) != 1)
		return vio_fail(err, -EXDEV, "%s: not isolated, its path lacks ACS",
				name);
	return vio_fail(err, -EXDEV, "%s: not isolated from %s", name, peer.name);
}

static int fail_held(const struct vio_policy_vf *vf, struct vio_error *err)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	vio_pci_addr_print(&vf->info.addr, name);
	if (vf->standing == VIO_LEASE_DEAD)
		return vio_fail(err, -ESTALE,
				"%s: left by %s, which has ended; recover", name,
				vf->owner);
	if (vf->standing == VIO_LEASE_UNKNOWN)
		return vio_fail(err, -EBUSY, "%s: its journal is corrupt or not ours",
				name);
	return vio_fail(err, -EBUSY, "%s: claimed by %s", name, vf->owner);
}

static int fail_short(const struct vio_policy *policy, struct vio_error *err)
{
	const struct vio_vf_request *r = policy->request;
	char name[VIO_PCI_ADDR_TEXT_BYTES] = "PCI";
	struct shortage s = { .n_fit = 0 };

	count(policy, &s);
	if (s.n_usable >= r->n)
		return vio_fail(err, -ENOSPC,
				"%u VFs are free, but not apart, or the link has no "
				"bandwidth left, or the score rules them out",
				s.n_usable);
	if (s.shared && s.n_free >= r->n)
		return fail_shared(policy, s.shared, err);
	if (r->flags & VIO_VF_FROM_PF)
		vio_pci_addr_print(&r->pf, name);
	if (r->flags & VIO_VF_FROM_PF && s.holder && s.n_fit >= r->n)
		return fail_held(s.holder, err);
	if (s.n_fit >= r->n)
		return vio_fail(err, -ENOSPC, "%s: too few VFs left (%u of %u claimed)",
				name, s.n_claimed, policy->n_vfs);
	return vio_fail(err, -ENOSPC,
			"%s: %u of %u VFs meet the request, %u are needed", name,
			s.n_fit, policy->n_vfs, r->n);
}

int vio_policy_choose(struct vio_policy *policy, const struct vio_policy_vf **out,
		      struct vio_error *err)
{
	for (uint32_t n = 0; n < policy->request->n; n++) {
		struct vio_policy_vf *vf = choose_one(policy);

		if (!vf)
			return fail_short(policy, err);
		take(policy, vf);
		insert(out, n, vf);
	}
	return 0;
}

int vio_policy_fits(const struct vio_policy *policy, const struct vio_policy_vf *vf)
{
	const struct vio_vf_request *r = policy->request;
	const struct vio_pci_info *pf = &policy->pfs[vf->pf].info;

	if (r->vendor_id && vf->info.vendor_id != r->vendor_id)
		return 0;
	if (r->device_id && vf->info.device_id != r->device_id)
		return 0;
	if (r->flags & VIO_VF_NUMA_STRICT && !is_near(policy, vf))
		return 0;
	if (r->flags & VIO_VF_NEED_FLR && !(vf->info.reset_methods & OWN_RESETS))
		return 0;
	return !(r->flags & VIO_VF_NEED_LINK) || pf->flags & VIO_PCI_LINK_UP;
}

int vio_policy_is_alone(const struct vio_policy *policy, const struct vio_policy_vf *vf)
{
	const uint32_t flags = policy->request->flags;

	if (flags & VIO_VF_NEED_ISOLATED && !(vf->info.flags & VIO_PCI_ISOLATED))
		return 0;
	return !(flags & VIO_VF_NEED_ACS) || vf->info.flags & VIO_PCI_ACS_PATH;
}
