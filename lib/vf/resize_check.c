/* SPDX-License-Identifier: MIT */
/*
 * What a resize is refused for, before anybody is asked to let go of anything. First
 * the PF's lock, then a look at its VFs: who claims does it the other way round, so
 * that a VF that is seen as free here stays so.
 */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/params.h"
#include "vf/host_read.h"
#include "vf/resize.h"

static int read_params(struct vio_resize *resize,
		       const struct vio_resize_params *params, struct vio_error *err)
{
	struct vio_resize_params *p = &resize->params;
	int ret;

	ret = vio_params_copy(p, sizeof(*p), sizeof(*p), params);
	if (ret)
		return vio_fail(err, ret,
				"resize: the parameters are missing, their size is "
				"wrong, or a field that this libvio does not know is "
				"set");
	if (p->reserved ||
	    (p->flags != VIO_RESIZE_FAIL_IF_HELD && p->flags != VIO_RESIZE_PAUSE_HELD))
		return vio_fail(err, -EINVAL,
				"resize: one of two flags is needed, not 0x%x",
				p->flags);
	if (resize->caller_times && resize->caller_times->size < sizeof(uint32_t))
		return vio_fail(err, -EINVAL, "resize: the size of times is wrong");
	if (!p->timeout_ns)
		p->timeout_ns = VIO_PAUSE_TIMEOUT_NS;
	return 0;
}

static int check_pf(struct vio_resize *resize, const struct vio_pci_addr *pf,
		    struct vio_error *err)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	resize->pf = (struct vio_pci_info)VIO_PCI_INFO_INIT;
	if (!pf || vio_pci_addr_print(pf, name) < 0)
		return vio_fail(err, -EINVAL, "resize: not an address");
	ret = vio_host_read_function_parts(resize->host, pf, 0, &resize->pf, err);
	if (ret)
		return ret;
	if (!(resize->pf.flags & VIO_PCI_IS_PF))
		return vio_fail(err, -EOPNOTSUPP, "%s: cannot make virtual functions",
				name);
	if (resize->params.n_vfs > resize->pf.total_vfs)
		return vio_fail(err, -ERANGE, "%s: %u VFs are asked for, it makes %u",
				name, resize->params.n_vfs, resize->pf.total_vfs);
	if (!resize->pf.driver[0])
		return vio_fail(err, -ENOENT, "%s: it has no driver to make VFs", name);
	return 0;
}

static void fill_record(struct vio_resize *resize,
			const struct vio_journal_record *self,
			struct vio_journal_record *record)
{
	const uint64_t sequence = record->sequence;
	const uint64_t generation = record->generation;

	*record = *self;
	record->sequence = sequence;
	record->generation = generation + 1;
	record->state = VIO_JOURNAL_RESIZING;
	record->addr = resize->pf.addr;
	record->pf = resize->pf.addr;
	record->before = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	record->set = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	record->n_vfs_before = resize->pf.n_vfs;
	record->n_vfs_after = resize->params.n_vfs;
	record->autoprobe = !!(resize->pf.flags & VIO_PCI_AUTOPROBE);
}

static int
fail_locked(struct vio_resize *resize, const char *name, int ret, struct vio_error *err)
{
	struct vio_journal_record record;
	enum vio_lease_standing standing;

	if (ret == -EBADMSG)
		return vio_fail(err, -EBUSY, "%s: its journal is corrupt or not ours",
				name);
	if (ret == -EBUSY &&
	    !vio_lease_read_pf(resize->host, &resize->pf.addr, &standing, &record) &&
	    record.state)
		return vio_fail(err, ret, "%s: %s (pid %d) is changing its VFs", name,
				record.owner, record.pid);
	return vio_fail(err, ret, "%s: its VFs cannot be locked: %s", name,
			vio_explain(ret));
}

/* What a resize of an earlier boot left has gone with that boot. */
static int
is_left(const struct vio_lease_file *lease, const struct vio_journal_record *self)
{
	return lease->record.state == VIO_JOURNAL_RESIZING &&
	       !strcmp(lease->record.boot_id, self->boot_id);
}

static int lock_pf(struct vio_resize *resize, struct vio_error *err)
{
	struct vio_journal_record self = { .state = 0 };
	struct vio_host *host = resize->host;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_lease_file *lease;
	int ret;

	vio_pci_addr_print(&resize->pf.addr, name);
	ret = vio_lease_read_self(host, &self);
	if (!ret)
		ret = vio_lease_prepare(host);
	if (ret)
		return vio_fail(err, ret, "%s: %s", host->run_dir, vio_explain(ret));
	ret = vio_lease_open_pf(host, &resize->pf.addr, &lease);
	if (ret)
		return fail_locked(resize, name, ret, err);
	if (is_left(lease, &self)) {
		vio_fail(err, -ESTALE,
			 "%s: %s has ended while it changed its VFs; recover", name,
			 lease->record.owner);
		vio_lease_close(lease);
		return -ESTALE;
	}
	/* Destroyed with the resize, whatever comes next. */
	resize->plan.lease = lease;
	/* Now that nobody else changes it: what the number is. */
	ret = vio_host_read_function_parts(host, &resize->pf.addr, 0, &resize->pf, err);
	if (!ret)
		fill_record(resize, &self, &lease->record);
	return ret;
}

static int is_same(const struct vio_pci_addr *a, const struct vio_pci_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The next VF of the PF that was claimed through the host. */
static struct vio_vf *
find_vf(const struct vio_resize *resize, const struct vio_list *after)
{
	const struct vio_list *head = &resize->host->vfs;

	for (const struct vio_list *at = after->next; at != head; at = at->next) {
		struct vio_vf *vf = VIO_CONTAINER_OF(at, struct vio_vf, node);

		if (is_same(&vf->info.pf, &resize->pf.addr))
			return vf;
	}
	return NULL;
}

static int check_vf(const struct vio_resize *resize, const struct vio_vf *vf,
		    struct vio_error *err)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	vio_pci_addr_print(&vf->info.addr, name);
	if (resize->params.flags & VIO_RESIZE_FAIL_IF_HELD)
		return vio_fail(err, -EBUSY, "%s: claimed by %s (pid %d)", name,
				vf->info.owner, vf->info.pid);
	if (vf->info.vf_index >= resize->params.n_vfs)
		return vio_fail(err, -EBUSY,
				"%s: claimed by %s (pid %d), and would be VF %u of %u",
				name, vf->info.owner, vf->info.pid, vf->info.vf_index,
				resize->params.n_vfs);
	if (vf->waiter)
		return vio_fail(err, -EBUSY, "%s: it is being paused", name);
	if (vf->info.state == VIO_VF_PAUSED && !vf->done)
		return 0;
	if (vf->info.state == VIO_VF_LOST)
		return vio_fail(err, -EBUSY, "%s: has gone, release it", name);
	if (vf->vfio && !vf->pause_ops.pause)
		return vio_fail(err, -EBUSY,
				"%s: it is open, and nobody can be asked to close it",
				name);
	return vio_vf_check(vf, 0, err);
}

static int collect(struct vio_resize *resize, struct vio_error *err)
{
	const struct vio_host *host = resize->host;
	struct vio_vf *vf;
	uint32_t n = 0;
	int ret = 0;

	for (vf = find_vf(resize, &host->vfs); vf && !ret;
	     vf = find_vf(resize, &vf->node)) {
		ret = check_vf(resize, vf, err);
		n++;
	}
	if (ret || !n)
		return ret;
	resize->vfs = vio_alloc_array(host->env, n, sizeof(*resize->vfs),
				      _Alignof(struct vio_resize_vf));
	if (!resize->vfs)
		return vio_fail(err, -ENOMEM, "resize: no memory");
	for (vf = find_vf(resize, &host->vfs); vf; vf = find_vf(resize, &vf->node))
		resize->vfs[resize->n_vfs++] = (struct vio_resize_vf){
			.resize = resize,
			.vf = vf,
			.state = vf->info.state == VIO_VF_PAUSED ? VIO_RESIZE_VF_PAUSED
								 : VIO_RESIZE_VF_IN_USE,
		};
	return 0;
}

struct look {
	const struct vio_resize *resize;
	struct vio_error *err;
	int is_told; /* the error has its line */
};

static int is_ours(const struct vio_resize *resize, const struct vio_pci_addr *addr)
{
	for (uint32_t i = 0; i < resize->n_vfs; i++)
		if (is_same(&resize->vfs[i].vf->info.addr, addr))
			return 1;
	return 0;
}

/* Of others, who cannot be asked. */
static int look_at(void *opaque, uint32_t index, const struct vio_pci_addr *vf)
{
	struct look *look = opaque;
	struct vio_journal_record record;
	enum vio_lease_standing standing;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	(void)index;
	if (is_ours(look->resize, vf))
		return 0;
	vio_pci_addr_print(vf, name);
	ret = vio_lease_read(look->resize->host, vf, &standing, &record);
	look->is_told = ret || standing != VIO_LEASE_FREE;
	if (ret || standing == VIO_LEASE_FREE)
		return ret ? vio_fail(look->err, ret, "%s: %s", name, vio_explain(ret))
			   : 0;
	if (standing == VIO_LEASE_DEAD)
		return vio_fail(look->err, -ESTALE,
				"%s: left by %s, which has ended; recover", name,
				record.owner);
	if (!record.state)
		return vio_fail(look->err, -EBUSY,
				"%s: claimed, or its journal is not ours", name);
	return vio_fail(look->err, -EBUSY, "%s: claimed by %s (pid %d)", name,
			record.owner, record.pid);
}

static int check_others(const struct vio_resize *resize, struct vio_error *err)
{
	struct look look = { .resize = resize, .err = err };
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	ret = vio_host_foreach_link(resize->host, &resize->pf.addr, look_at, &look);
	if (!ret || look.is_told)
		return ret;
	vio_pci_addr_print(&resize->pf.addr, name);
	return vio_fail(err, ret, "%s: its VFs cannot be told: %s", name,
			vio_explain(ret));
}

int vio_resize_prepare(struct vio_resize *resize, const struct vio_pci_addr *pf,
		       const struct vio_resize_params *params, struct vio_error *err)
{
	int ret;

	ret = read_params(resize, params, err);
	if (!ret)
		ret = check_pf(resize, pf, err);
	if (!ret)
		ret = lock_pf(resize, err);
	if (!ret)
		ret = collect(resize, err);
	return ret ? ret : check_others(resize, err);
}

void vio_resize_destroy(struct vio_resize *resize)
{
	const struct vio_env *env = resize->host->env;

	vio_lease_close(resize->plan.lease);
	vio_free(env, resize->vfs, resize->n_vfs * sizeof(*resize->vfs),
		 _Alignof(struct vio_resize_vf));
	VIO_DELETE(env, resize);
}
