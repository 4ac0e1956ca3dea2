/* SPDX-License-Identifier: MIT */
/*
 * Claims. Everything that can be known without waiting is known before the call
 * returns: the choice is made and all locks are taken, in the order of addresses.
 * Then one VF after the other goes through its steps; if one fails, those before it
 * are given back, and none is left.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "vf/claim.h"
#include "vf/op.h"
#include "vf/policy.h"

/* Each time somebody else was faster: more often than that it is no accident. */
#define CHOICES_MAX 8

struct claim {
	struct vio_host *host;
	struct vio_claim_request asked;
	struct vio_vf *vfs[VIO_VF_CLAIM_MAX];
	uint32_t n;
	uint32_t at;
	int result;
	struct vio_error err;
	struct vio_plan plan;
	vio_vf_done_fn done;
	void *opaque;
};

static int hold(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;

	record->state = VIO_JOURNAL_HELD;
	record->begun |= VIO_JOURNAL_USE;
	record->done = record->begun;
	return vio_plan_save(plan);
}

/* Settings before the driver: it reads some of them when it binds, and only then. */
static const struct vio_plan_step claim_steps[] = {
	{ .begin = vio_plan_verify_exists },
	{ .begin = vio_plan_read_override, .end = vio_plan_keep_override },
	{ .bit = VIO_JOURNAL_DRIVER,
	  .is_due = vio_plan_driver_is_due,
	  .begin = vio_plan_unbind,
	  .end = vio_plan_verify_unbound },
	{ .is_due = vio_plan_setting_is_due,
	  .begin = vio_plan_read_settings,
	  .end = vio_plan_keep_settings },
	{ .bit = VIO_JOURNAL_SETTING,
	  .is_due = vio_plan_setting_is_due,
	  .begin = vio_plan_set_settings },
	{ .is_due = vio_plan_setting_is_due,
	  .begin = vio_plan_read_settings,
	  .end = vio_plan_verify_settings },
	{ .is_due = vio_plan_driver_is_due, .begin = vio_plan_set_override },
	{ .is_due = vio_plan_driver_is_due,
	  .begin = vio_plan_probe,
	  .end = vio_plan_verify_bound },
	{ .is_due = vio_plan_driver_is_due,
	  .begin = vio_plan_read_override,
	  .end = vio_plan_verify_override },
	{ .begin = hold },
};

static const struct vio_plan_list claim_list = {
	.steps = claim_steps,
	.n = VIO_ARRAY_SIZE(claim_steps),
};

static void finish(struct claim *claim)
{
	const struct vio_env *env = claim->host->env;
	const vio_vf_done_fn done = claim->done;
	const struct vio_error err = claim->err;
	const int result = claim->result;
	void *opaque = claim->opaque;

	VIO_DELETE(env, claim);
	done(opaque, result, result ? &err : NULL);
}

static void start_next(struct claim *claim);
static void give_back_last(struct claim *claim);

/* What could not be undone is in its journal, and in the line that the caller gets. */
static void name_left(struct claim *claim, const struct vio_plan *plan, int result)
{
	const struct vio_error why = claim->err;

	if (result && !plan->is_gone && result != -ESTALE)
		vio_fail(&claim->err, claim->result, "%.160s; %s is left to a recovery",
			 why.text, plan->name);
}

static void gave_back(struct vio_plan *plan, int result)
{
	struct claim *claim = plan->opaque;

	name_left(claim, plan, result);
	give_back_last(claim);
}

static void start_plan(struct claim *claim, const struct vio_plan_list *list,
		       void (*done)(struct vio_plan *plan, int result))
{
	claim->plan = (struct vio_plan){
		.host = claim->host,
		.lease = claim->vfs[claim->at]->lease,
		.list = list,
		.undo = &vio_plan_undo_all,
		.wanted = claim->asked.config,
		.done = done,
		.opaque = claim,
	};
	vio_plan_start(&claim->plan);
}

/* The one at the end has been undone: its lock goes, then the one before it. */
static void give_back_last(struct claim *claim)
{
	vio_vf_destroy(claim->vfs[claim->at]);
	claim->vfs[claim->at] = NULL;
	if (!claim->at) {
		finish(claim);
		return;
	}
	claim->at--;
	start_plan(claim, NULL, gave_back);
}

static void claimed(struct vio_plan *plan, int result)
{
	struct claim *claim = plan->opaque;

	if (!result) {
		claim->at++;
		start_next(claim);
		return;
	}
	claim->result = result;
	claim->err = plan->err;
	name_left(claim, plan, plan->undo_result);
	/* Those that had not begun have nothing to undo. */
	while (claim->n > claim->at + 1)
		vio_vf_destroy(claim->vfs[--claim->n]);
	give_back_last(claim);
}

static void start_next(struct claim *claim)
{
	if (claim->at < claim->n) {
		start_plan(claim, &claim_list, claimed);
		return;
	}
	for (uint32_t i = 0; i < claim->n; i++)
		claim->vfs[i]->info.state = VIO_VF_HELD;
	finish(claim);
}

static void fill_record(struct claim *claim, const struct vio_journal_record *self,
			const struct vio_policy_vf *vf, uint64_t generation,
			struct vio_journal_record *record)
{
	const uint64_t sequence = record->sequence;

	*record = *self;
	record->sequence = sequence;
	record->generation = generation;
	record->state = VIO_JOURNAL_CLAIMING;
	record->addr = vf->info.addr;
	record->pf = vf->info.physfn;
	record->vf_index = vf->info.vf_index;
	record->load_mbps = claim->asked.request.load_mbps;
	record->before = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	record->set = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	memcpy(record->tag, claim->asked.tag, sizeof(record->tag));
	memcpy(record->driver, claim->asked.driver, sizeof(record->driver));
}

/* -EBUSY: its number of VFs is being changed. */
static int check_pf(struct vio_host *host, const struct vio_pci_addr *pf)
{
	struct vio_journal_record record;
	enum vio_lease_standing standing;
	const int ret = vio_lease_read_pf(host, pf, &standing, &record);

	return ret || standing == VIO_LEASE_FREE ? ret : -EBUSY;
}

static int lock_one(struct claim *claim, const struct vio_journal_record *self,
		    const struct vio_policy_vf *vf)
{
	struct vio_lease_file *lease;
	int ret;

	ret = vio_lease_open(claim->host, &vf->info.addr, &lease);
	if (ret)
		return ret == -EBADMSG ? -EBUSY : ret;
	/* Left by the dead since we looked. */
	if (lease->record.state && lease->record.state != VIO_JOURNAL_FREE)
		ret = -EBUSY;
	/* Only now: see vio_lease_open_pf(). */
	if (!ret)
		ret = check_pf(claim->host, &vf->info.physfn);
	if (!ret) {
		fill_record(claim, self, vf, lease->record.generation + 1,
			    &lease->record);
		ret = vio_vf_create(claim->host, lease, VIO_VF_BUSY,
				    &claim->vfs[claim->n]);
	}
	if (ret)
		vio_lease_close(lease);
	else
		claim->n++;
	return ret;
}

static void unlock_all(struct claim *claim)
{
	while (claim->n)
		vio_vf_destroy(claim->vfs[--claim->n]);
}

static int lock_all(struct claim *claim, const struct vio_journal_record *self,
		    const struct vio_policy_vf **chosen, struct vio_error *err)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	for (uint32_t i = 0; i < claim->asked.request.n; i++) {
		const int ret = lock_one(claim, self, chosen[i]);

		if (!ret)
			continue;
		unlock_all(claim);
		vio_pci_addr_print(&chosen[i]->info.addr, name);
		return vio_fail(err, ret, "%s: its lease cannot be taken: %s", name,
				vio_explain(ret));
	}
	return 0;
}

static int check_settings(const struct claim *claim, const struct vio_policy *policy,
			  const struct vio_policy_vf **chosen, struct vio_error *err)
{
	int ret = 0;

	if (!claim->asked.config.fields)
		return 0;
	for (uint32_t i = 0; !ret && i < claim->asked.request.n; i++) {
		struct vio_vf_report report = VIO_VF_REPORT_INIT;

		ret = vio_setting_check(&claim->asked.config,
					policy->pfs[chosen[i]->pf].info.link_mbps,
					&report, err);
	}
	return ret;
}

/* *@is_race: the choice was good, and somebody else was faster. */
static int choose_and_lock(struct claim *claim, const struct vio_journal_record *self,
			   int *is_race, struct vio_error *err)
{
	const struct vio_policy_vf *chosen[VIO_VF_CLAIM_MAX];
	struct vio_policy policy = { .host = claim->host,
				     .request = &claim->asked.request };
	int ret;

	ret = vio_policy_read(&policy, err);
	if (!ret)
		ret = vio_policy_choose(&policy, chosen, err);
	if (!ret)
		ret = check_settings(claim, &policy, chosen, err);
	*is_race = 0;
	if (!ret) {
		ret = lock_all(claim, self, chosen, err);
		*is_race = ret == -EBUSY;
	}
	vio_policy_destroy(&policy);
	return ret;
}

static int lock(struct claim *claim, struct vio_error *err)
{
	struct vio_journal_record self = { .state = 0 };
	int ret, is_race = 1;

	ret = vio_lease_read_self(claim->host, &self);
	if (!ret)
		ret = vio_lease_prepare(claim->host);
	if (ret)
		return vio_fail(err, ret, "%s: %s", claim->host->run_dir,
				vio_explain(ret));
	for (int i = 0; i < CHOICES_MAX && is_race; i++)
		ret = choose_and_lock(claim, &self, &is_race, err);
	return ret;
}

int vio_vf_claim(struct vio_host *host, const struct vio_vf_request *request,
		 struct vio_vf **out, vio_vf_done_fn done, void *opaque,
		 struct vio_error *err)
{
	struct claim *claim;
	int ret;

	ret = vio_claim_check_host(host, err);
	if (ret)
		return ret;
	claim = VIO_NEW(host->env, struct claim);
	if (!claim)
		return vio_fail(err, -ENOMEM, "claim: no memory");
	claim->host = host;
	claim->err = (struct vio_error)VIO_ERROR_INIT;
	claim->done = done;
	claim->opaque = opaque;
	ret = vio_claim_parse(host, request, &claim->asked, err);
	if (!ret)
		ret = lock(claim, err);
	if (ret) {
		VIO_DELETE(host->env, claim);
		return ret;
	}
	memcpy(out, claim->vfs, claim->n * sizeof(*out));
	start_next(claim);
	return 0;
}
