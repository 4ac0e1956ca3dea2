/* SPDX-License-Identifier: MIT */
/*
 * What the back end shall hold of a limit, before it is asked to. A ceiling rounded
 * down and an assured rate rounded up never give less than was promised: nobody gets
 * more than the one, nor less than the other.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "limit_hw/limit_hw.h"

/* One field on its way; 0 in the limit: it has none. */
struct choice {
	uint32_t field;
	char name[24];
	uint64_t value;
	uint64_t least, most, step;
	uint32_t rounds_up;
};

void vio_hw_copy(struct vio_hw_values *to, const struct vio_hw_values *from,
		 uint32_t fields)
{
	if (fields & VIO_LIMIT_HW_CEILING_BYTES)
		memcpy(to->bytes, from->bytes, sizeof(to->bytes));
	if (fields & VIO_LIMIT_HW_CEILING_OPS)
		memcpy(to->ops, from->ops, sizeof(to->ops));
	if (fields & VIO_LIMIT_HW_ASSURED_BYTES)
		to->assured_bytes = from->assured_bytes;
	if (fields & VIO_LIMIT_HW_WEIGHT)
		to->weight = from->weight;
}

static uint32_t
find_other_way(const struct vio_limit_hw *hw, const uint64_t *a, const uint64_t *b)
{
	for (uint32_t i = 0; i < VIO_HW_N_WAYS; i++)
		if (hw->ways & 1u << i && a[i] != b[i])
			return 1;
	return 0;
}

uint32_t vio_hw_compare(const struct vio_limit_hw *hw, const struct vio_hw_values *a,
			const struct vio_hw_values *b, uint32_t fields)
{
	uint32_t other = 0;

	if (find_other_way(hw, a->bytes, b->bytes))
		other |= VIO_LIMIT_HW_CEILING_BYTES;
	if (find_other_way(hw, a->ops, b->ops))
		other |= VIO_LIMIT_HW_CEILING_OPS;
	if (a->assured_bytes != b->assured_bytes)
		other |= VIO_LIMIT_HW_ASSURED_BYTES;
	if (a->weight != b->weight)
		other |= VIO_LIMIT_HW_WEIGHT;
	if (strcmp(a->parent, b->parent) != 0)
		other |= VIO_LIMIT_HW_PARENT;
	return other & fields;
}

uint32_t vio_hw_find_set(const struct vio_hw_values *values, uint32_t fields)
{
	const struct vio_limit_hw all_ways = { .ways = UINT32_MAX };
	const struct vio_hw_values none = { 0 };

	return vio_hw_compare(&all_ways, values, &none, fields);
}

static uint64_t find_rounded(const struct choice *choice)
{
	const uint64_t rest = choice->value % choice->step;

	if (!rest)
		return choice->value;
	return choice->value - rest + (choice->rounds_up ? choice->step : 0);
}

/* 0: *out_value is to be set; 1: it is software's. */
static int choose_one(struct vio_limit_hw *hw, const struct choice *choice,
		      uint32_t needed, uint64_t *out_value, struct vio_error *err)
{
	uint64_t value;

	*out_value = 0;
	if (!choice->value)
		return needed & choice->field
			       ? vio_fail(err, -EINVAL, "%s: the limit has none",
					  choice->name)
			       : 1;
	hw->report.left |= choice->field;
	if (!(hw->caps.fields & choice->field))
		return needed & choice->field
			       ? vio_fail(err, -EOPNOTSUPP, "%s: it has no %s",
					  hw->name, choice->name)
			       : 1;
	value = find_rounded(choice);
	if (value < choice->least || value > choice->most)
		return needed & choice->field
			       ? vio_fail(err, -ERANGE,
					  "%s: %s: %llu is not between %llu and %llu",
					  hw->name, choice->name,
					  (unsigned long long)choice->value,
					  (unsigned long long)choice->least,
					  (unsigned long long)choice->most)
			       : 1;
	hw->report.left &= ~choice->field;
	hw->report.set |= choice->field;
	*out_value = value;
	return 0;
}

/* Rounded apart, they can cross. Drivers refuse that. */
static int check_assured(struct vio_limit_hw *hw, uint32_t needed, uint64_t ceiling,
			 uint64_t *assured, struct vio_error *err)
{
	if (!ceiling || *assured <= ceiling)
		return 0;
	if (needed & VIO_LIMIT_HW_ASSURED_BYTES)
		return vio_fail(err, -ERANGE,
				"%s: assured_bytes_per_sec: rounded to %llu it is over "
				"the ceiling of %llu",
				hw->name, (unsigned long long)*assured,
				(unsigned long long)ceiling);
	hw->report.set &= ~VIO_LIMIT_HW_ASSURED_BYTES;
	hw->report.left |= VIO_LIMIT_HW_ASSURED_BYTES;
	*assured = 0;
	return 0;
}

static void fill_wanted(struct vio_limit_hw *hw, const uint64_t *values)
{
	struct vio_hw_values *wanted = &hw->wanted;

	*wanted = (struct vio_hw_values){
		.bytes = { values[0], values[0] },
		.ops = { values[1], values[1] },
		.assured_bytes = values[2],
		.weight = (uint32_t)values[3],
	};
	memcpy(wanted->parent, hw->parent, sizeof(wanted->parent));
	hw->wanted_fields = hw->report.set;
}

int vio_hw_choose(struct vio_limit_hw *hw, const struct vio_limit_params *params,
		  uint32_t needed, struct vio_error *err)
{
	const struct vio_limit_hw_caps *caps = &hw->caps;
	/* Every limit has one, and not every driver takes it. */
	const uint64_t weight = needed & VIO_LIMIT_HW_WEIGHT ? params->weight : 0;
	const struct choice choices[] = {
		{ VIO_LIMIT_HW_CEILING_BYTES, "bytes_per_sec", params->bytes_per_sec,
		  caps->bytes_least, caps->bytes_most, caps->bytes_step, 0 },
		{ VIO_LIMIT_HW_CEILING_OPS, "ops_per_sec", params->ops_per_sec,
		  caps->ops_least, caps->ops_most, caps->ops_step, 0 },
		{ VIO_LIMIT_HW_ASSURED_BYTES, "assured_bytes_per_sec",
		  params->assured_bytes_per_sec, caps->bytes_least, caps->bytes_most,
		  caps->bytes_step, 1 },
		{ VIO_LIMIT_HW_WEIGHT, "weight", weight, 1, UINT32_MAX, 1, 0 },
		{ VIO_LIMIT_HW_PARENT, "parent", hw->parent[0] != '\0', 1, 1, 1, 0 },
		{ VIO_LIMIT_HW_ASSURED_OPS, "assured_ops_per_sec",
		  params->assured_ops_per_sec, 1, 0, 1, 1 },
	};
	uint64_t values[VIO_ARRAY_SIZE(choices)];
	int ret;

	hw->report = (struct vio_limit_hw_report)VIO_LIMIT_HW_REPORT_INIT;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(choices); i++) {
		ret = choose_one(hw, &choices[i], needed, &values[i], err);
		if (ret < 0)
			return ret;
	}
	ret = check_assured(hw, needed, values[0], &values[2], err);
	if (ret)
		return ret;
	fill_wanted(hw, values);
	return 0;
}
