/* SPDX-License-Identifier: MIT */
/*
 * The survey that a choice is made from: every PF in question, its VFs, and who has
 * them. The inventory may change meanwhile; the locks say what was true.
 */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "vf/host_read.h"
#include "vf/policy.h"

#define ROOM_FIRST 8u

/*
 * What a claim reads, it reads at once: nothing that another VF's reset could hold up,
 * unless the request is about it.
 */
static uint32_t get_parts(const struct vio_vf_request *request)
{
	return request->score || request->flags & VIO_VF_NEED_ACS ? VIO_READ_CONFIG : 0;
}

/* Room for one more, by doubling. */
static int grow(const struct vio_env *env, void **all, uint32_t n, uint32_t *room,
		size_t size, size_t align)
{
	const uint32_t wanted = *room ? *room * 2 : ROOM_FIRST;
	void *more;

	if (n < *room)
		return 0;
	more = vio_alloc_array(env, wanted, size, align);
	if (!more)
		return -ENOMEM;
	if (n)
		memcpy(more, *all, n * size);
	vio_free(env, *all, *room * size, align);
	*all = more;
	*room = wanted;
	return 0;
}

/* Its VFs come and go: none is to be had, whoever holds them. */
static int read_resize(struct vio_policy *policy, struct vio_policy_pf *pf)
{
	struct vio_journal_record record;
	int ret;

	ret = vio_lease_read_pf(policy->host, &pf->info.addr, &pf->standing, &record);
	if (ret)
		return vio_fail(policy->err, ret,
				"claim: a record of a PF cannot be read: %s",
				vio_explain(ret));
	memcpy(pf->owner, record.state ? record.owner : "", record.state ? 64 : 1);
	return 0;
}

static int add_pf(void *opaque, const struct vio_pci_info *info)
{
	struct vio_policy *policy = opaque;
	void *all = policy->pfs;
	int ret;

	ret = grow(policy->host->env, &all, policy->n_pfs, &policy->pfs_room,
		   sizeof(*policy->pfs), _Alignof(struct vio_policy_pf));
	if (ret)
		return ret;
	policy->pfs = all;
	policy->pfs[policy->n_pfs++] = (struct vio_policy_pf){ .info = *info };
	return read_resize(policy, &policy->pfs[policy->n_pfs - 1]);
}

/* Who has it, and what was promised to whoever has. */
static int read_lease(struct vio_policy *policy, struct vio_policy_vf *vf)
{
	struct vio_journal_record record;
	int ret;

	ret = vio_lease_read(policy->host, &vf->info.addr, &vf->standing, &record);
	if (ret)
		return vio_fail(policy->err, ret, "claim: a lease cannot be read: %s",
				vio_explain(ret));
	/* Free, but of a PF whose number of VFs somebody is changing. */
	if (vf->standing == VIO_LEASE_FREE) {
		vf->standing = policy->pfs[vf->pf].standing;
		memcpy(vf->owner, policy->pfs[vf->pf].owner, sizeof(vf->owner));
		return 0;
	}
	if (!record.state)
		return 0;
	memcpy(vf->owner, record.owner, sizeof(vf->owner));
	if (record.state != VIO_JOURNAL_FREE)
		policy->pfs[vf->pf].promised_mbps += record.load_mbps;
	return 0;
}

static int add_vf(void *opaque, const struct vio_pci_info *info)
{
	struct vio_policy *policy = opaque;
	struct vio_policy_vf *vf;
	void *all = policy->vfs;
	int ret;

	ret = grow(policy->host->env, &all, policy->n_vfs, &policy->vfs_room,
		   sizeof(*policy->vfs), _Alignof(struct vio_policy_vf));
	if (ret)
		return ret;
	policy->vfs = all;
	vf = &policy->vfs[policy->n_vfs];
	*vf = (struct vio_policy_vf){ .info = *info, .pf = policy->n_pfs - 1 };
	ret = read_lease(policy, vf);
	if (ret)
		return ret;
	vf->fits = vio_policy_fits(policy, vf);
	vf->is_alone = vio_policy_is_alone(policy, vf);
	if (vf->fits && vf->is_alone && vf->standing == VIO_LEASE_FREE)
		policy->pfs[vf->pf].n_free++;
	policy->n_vfs++;
	return 0;
}

static int
read_pf(struct vio_policy *policy, const struct vio_pci_info *pf, struct vio_error *err)
{
	int ret = add_pf(policy, pf);

	if (ret)
		return ret;
	ret = vio_host_foreach_vf_parts(policy->host, &pf->addr,
					get_parts(policy->request), add_vf, policy,
					err);
	/* One that went meanwhile has no VFs to give. */
	return ret == -ENODEV && !(policy->request->flags & VIO_VF_FROM_PF) ? 0 : ret;
}

struct walk {
	struct vio_policy *policy;
	struct vio_error *err;
};

static int visit_pf(void *opaque, const struct vio_pci_info *info)
{
	const struct walk *walk = opaque;

	return read_pf(walk->policy, info, walk->err);
}

static int read_one(struct vio_policy *policy, struct vio_error *err)
{
	const struct vio_pci_addr *addr = &policy->request->pf;
	struct vio_pci_info pf = VIO_PCI_INFO_INIT;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	ret = vio_host_read_function_parts(policy->host, addr,
					   get_parts(policy->request), &pf, err);
	if (ret)
		return ret;
	vio_pci_addr_print(addr, name);
	if (!(pf.flags & VIO_PCI_IS_PF))
		return vio_fail(err, -EOPNOTSUPP, "%s: cannot make virtual functions",
				name);
	return read_pf(policy, &pf, err);
}

int vio_policy_read(struct vio_policy *policy, struct vio_error *err)
{
	struct walk walk = { .policy = policy, .err = err };
	int ret;

	policy->err = err;
	if (policy->request->flags & VIO_VF_FROM_PF)
		ret = read_one(policy, err);
	else
		ret = vio_host_foreach_pf_parts(
			policy->host, get_parts(policy->request), visit_pf, &walk, err);
	if (ret == -ENOMEM)
		return vio_fail(err, ret, "claim: no memory");
	return ret;
}

void vio_policy_destroy(struct vio_policy *policy)
{
	const struct vio_env *env = policy->host->env;

	vio_free(env, policy->pfs, policy->pfs_room * sizeof(*policy->pfs),
		 _Alignof(struct vio_policy_pf));
	vio_free(env, policy->vfs, policy->vfs_room * sizeof(*policy->vfs),
		 _Alignof(struct vio_policy_vf));
	policy->pfs = NULL;
	policy->vfs = NULL;
	policy->n_pfs = policy->pfs_room = 0;
	policy->n_vfs = policy->vfs_room = 0;
}
