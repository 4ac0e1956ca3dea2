/* SPDX-License-Identifier: MIT */
/*
 * Settings that the PF holds, field by field, then read back whole. What a field was
 * before its first change goes into the journal before that change, so that who
 * undoes needs nothing else.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "vf/plan.h"

/* To the kernel as one, or one of them alone. */
#define RATES (VIO_VF_MIN_RATE | VIO_VF_MAX_RATE)

struct field {
	uint32_t bit;
	uint16_t offset;
	uint16_t n;
};

#define FIELD(bit, first, last)                                                        \
	{                                                                              \
		(bit), offsetof(struct vio_vf_config, first),                          \
			offsetof(struct vio_vf_config, last) +                         \
				sizeof(((struct vio_vf_config *)0)->last) -            \
				offsetof(struct vio_vf_config, first)                  \
	}

static const struct field fields[] = {
	FIELD(VIO_VF_MAC, mac, mac),
	FIELD(VIO_VF_VLAN, vlan, vlan_protocol),
	FIELD(VIO_VF_MIN_RATE, min_tx_mbps, min_tx_mbps),
	FIELD(VIO_VF_MAX_RATE, max_tx_mbps, max_tx_mbps),
	FIELD(VIO_VF_SPOOFCHK, spoofchk, spoofchk),
	FIELD(VIO_VF_TRUST, trust, trust),
	FIELD(VIO_VF_LINK, link_state, link_state),
	FIELD(VIO_VF_NVME, nvme_vq, nvme_vi),
	FIELD(VIO_VF_MSIX, n_msix, n_msix),
};

/* The values of @which, and that they count. */
static void
copy_fields(struct vio_vf_config *to, const struct vio_vf_config *from, uint32_t which)
{
	for (size_t i = 0; i < VIO_ARRAY_SIZE(fields); i++)
		if (which & fields[i].bit)
			memcpy((char *)to + fields[i].offset,
			       (const char *)from + fields[i].offset, fields[i].n);
	to->fields |= which;
}

static struct vio_plan *plan_of(struct vio_setting_call *call)
{
	return VIO_CONTAINER_OF(call, struct vio_plan, setting);
}

static void fill_call(struct vio_plan *plan,
		      void (*done)(struct vio_setting_call *call, int result))
{
	const struct vio_journal_record *record = &plan->lease->record;

	plan->setting = (struct vio_setting_call){
		.host = plan->host,
		.pf = record->pf,
		.vf = record->addr,
		.vf_index = record->vf_index,
		.config = VIO_VF_CONFIG_INIT,
		.err = VIO_ERROR_INIT,
		.done = done,
	};
}

static int fail_call(struct vio_plan *plan, int result)
{
	return vio_plan_fail(plan, result, "%s",
			     plan->setting.err.text[0] ? plan->setting.err.text
						       : "its settings cannot be used");
}

int vio_plan_setting_is_due(const struct vio_plan *plan)
{
	return plan->wanted.fields != 0;
}

int vio_plan_setting_was_begun(const struct vio_plan *plan)
{
	return !!(plan->lease->record.begun & VIO_JOURNAL_SETTING);
}

static void read_done(struct vio_setting_call *call, int result)
{
	struct vio_plan *plan = plan_of(call);

	vio_plan_resume(plan, result < 0 ? fail_call(plan, result) : 0);
}

int vio_plan_read_settings(struct vio_plan *plan)
{
	int ret;

	fill_call(plan, read_done);
	ret = vio_setting_read(&plan->setting);
	return ret ? fail_call(plan, ret) : VIO_PLAN_WAITS;
}

/* A field that cannot be read could not be put back: it is not set either. */
int vio_plan_keep_settings(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;
	const uint32_t wanted = plan->wanted.fields;
	const uint32_t missing = wanted & ~plan->setting.config.fields;

	if (missing) {
		if (plan->report)
			plan->report->unsupported |= missing;
		return vio_plan_fail(plan, -EOPNOTSUPP,
				     "settings 0x%x are not to be had", missing);
	}
	plan->previous = plan->setting.config;
	plan->previous.fields = wanted;
	copy_fields(&record->before, &plan->previous, wanted & ~record->before.fields);
	copy_fields(&record->set, &plan->wanted, wanted);
	return 0;
}

/*
 * What the lease has set is what it should be, whatever is read. The vectors of an NVMe
 * controller are what it makes of its interrupt resources; its driver sets none.
 */
static void keep_identity(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;
	const struct vio_vf_config *now = &plan->setting.config;
	uint32_t fresh = now->fields & ~record->before.fields;

	if (now->fields & VIO_VF_NVME)
		fresh &= ~VIO_VF_MSIX;
	copy_fields(&record->before, now, fresh);
	copy_fields(&record->set, now, fresh);
}

static void identity_done(struct vio_setting_call *call, int result)
{
	struct vio_plan *plan = plan_of(call);

	if (!result)
		keep_identity(plan);
	/* Nobody has settings for it: there are none to come back to. */
	if (result == -EOPNOTSUPP)
		result = 0;
	vio_plan_resume(plan, result < 0 ? fail_call(plan, result) : 0);
}

int vio_plan_read_identity(struct vio_plan *plan)
{
	int ret;

	fill_call(plan, identity_done);
	ret = vio_setting_read(&plan->setting);
	if (ret == -EOPNOTSUPP)
		return 0;
	return ret ? fail_call(plan, ret) : VIO_PLAN_WAITS;
}

/* A controller that came back is offline, though its resources may be the same. */
static int is_due(const struct vio_plan *plan, uint32_t bit)
{
	if (bit == VIO_VF_NVME && (plan->wanted.nvme_vq || plan->wanted.nvme_vi))
		return 1;
	return !vio_setting_is_equal(&plan->setting.config, &plan->wanted, bit);
}

int vio_plan_keep_due(struct vio_plan *plan)
{
	const uint32_t known = plan->setting.config.fields;
	uint32_t due = plan->wanted.fields & ~known;

	for (size_t i = 0; i < VIO_ARRAY_SIZE(fields); i++)
		if (plan->wanted.fields & known & fields[i].bit &&
		    is_due(plan, fields[i].bit))
			due |= fields[i].bit;
	plan->wanted.fields = due;
	return due ? vio_plan_keep_settings(plan) : 0;
}

static int set_next(struct vio_plan *plan);

static void note_refusal(struct vio_plan *plan, uint32_t bit, int result)
{
	if (!plan->report)
		return;
	if (result == -EOPNOTSUPP)
		plan->report->unsupported |= bit;
	else
		plan->report->refused |= bit;
}

/*
 * Going forward the first that fails ends it. Undoing goes on to the others, and what
 * is read back decides: a field that the driver refused to change needs no undoing.
 */
static void set_done(struct vio_setting_call *call, int result)
{
	struct vio_plan *plan = plan_of(call);
	const uint32_t bit = call->config.fields;

	plan->todo &= ~bit;
	/* The answer was lost: what is read back tells. */
	if (result == -ENOBUFS)
		result = 0;
	if (result < 0 && !plan->setting_result)
		plan->setting_result = result;
	if (result < 0 && !plan->is_undoing) {
		note_refusal(plan, bit, result);
		vio_plan_resume(plan, fail_call(plan, result));
		return;
	}
	result = set_next(plan);
	if (result != VIO_PLAN_WAITS)
		vio_plan_resume(plan, result);
}

/* The lowest bit of todo, with its value as fill_call() left it in previous. */
static int set_next(struct vio_plan *plan)
{
	const struct vio_journal_record *record = &plan->lease->record;
	uint32_t bit = plan->todo & (0 - plan->todo);
	int ret;

	if (bit & RATES)
		bit = plan->todo & RATES;
	if (!bit)
		return 0;
	fill_call(plan, set_done);
	if (!plan->is_undoing)
		copy_fields(&plan->setting.config, &plan->wanted, bit);
	else if (plan->previous.fields)
		copy_fields(&plan->setting.config, &plan->previous, bit);
	else
		copy_fields(&plan->setting.config, &record->before, bit);
	ret = vio_setting_set(&plan->setting);
	return ret ? fail_call(plan, ret) : VIO_PLAN_WAITS;
}

static int set_all(struct vio_plan *plan, uint32_t which)
{
	plan->todo = which;
	plan->setting_result = 0;
	return set_next(plan);
}

int vio_plan_set_settings(struct vio_plan *plan)
{
	return set_all(plan, plan->wanted.fields);
}

/* To what they were before the lease. */
int vio_plan_restore_settings(struct vio_plan *plan)
{
	plan->previous.fields = 0;
	return set_all(plan, plan->lease->record.before.fields);
}

int vio_plan_settings_were_kept(const struct vio_plan *plan)
{
	return plan->previous.fields != 0;
}

/* To what they were before this plan. */
int vio_plan_put_back_settings(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;

	copy_fields(&record->set, &plan->previous, plan->previous.fields);
	return set_all(plan, plan->previous.fields);
}

static int verify(struct vio_plan *plan, const struct vio_vf_config *wanted)
{
	const int ret = plan->setting_result ? plan->setting_result : -EIO;

	if (vio_setting_is_equal(&plan->setting.config, wanted, wanted->fields))
		return 0;
	return vio_plan_fail(plan, ret,
			     "its settings read back otherwise than they were set");
}

int vio_plan_verify_settings(struct vio_plan *plan)
{
	const int ret = verify(plan, &plan->wanted);

	if (!ret && plan->report)
		plan->report->applied = plan->wanted.fields;
	return ret;
}

int vio_plan_verify_before(struct vio_plan *plan)
{
	return verify(plan, plan->previous.fields ? &plan->previous
						  : &plan->lease->record.before);
}
