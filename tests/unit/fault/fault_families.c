/* SPDX-License-Identifier: MIT */
/*
 * Which families of cases there are. A public function that is in none of them fails
 * the test that looks for it.
 */
#include "unit/fault/fault_case.h"

const struct fault_family *const fault_families[FAULT_N_FAMILIES] = {
	&fault_ctx,      &fault_dom,     &fault_heap,   &fault_limit,     &fault_mem,
	&fault_queue,    &fault_backend, &fault_host,   &fault_vf,        &fault_vfio,
	&fault_iommu,    &fault_view,    &fault_resize, &fault_migration, &fault_record,
	&fault_limit_hw, &fault_guard,
};
