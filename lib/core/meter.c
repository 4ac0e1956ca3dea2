/* SPDX-License-Identifier: MIT */
/*
 * Meters as they are summed up and shown. The public struct has fields for what the
 * inner one counts, and a size, since programs of several releases read it.
 */
#include "core/meter.h"
#include "core/params.h"

void vio_meter_sum(struct vio_meter *sum, const struct vio_meter *meter)
{
	sum->bytes += vio_meter_get(&meter->bytes);
	sum->ops += vio_meter_get(&meter->ops);
	sum->kicks += vio_meter_get(&meter->kicks);
	sum->descs += vio_meter_get(&meter->descs);
	sum->faults += vio_meter_get(&meter->faults);
	sum->service_ns += vio_meter_get(&meter->service_ns);
	sum->refused += vio_meter_get(&meter->refused);
	sum->lent_bytes += vio_meter_get(&meter->lent_bytes);
	sum->lent_ops += vio_meter_get(&meter->lent_ops);
	sum->borrowed_bytes += vio_meter_get(&meter->borrowed_bytes);
	sum->borrowed_ops += vio_meter_get(&meter->borrowed_ops);
}

int vio_meter_fill(const struct vio_meter *meter, struct vio_meters *meters)
{
	struct vio_meters copy = {
		.bytes = vio_meter_get(&meter->bytes),
		.ops = vio_meter_get(&meter->ops),
		.kicks = vio_meter_get(&meter->kicks),
		.descs = vio_meter_get(&meter->descs),
		.service_ns = vio_meter_get(&meter->service_ns),
		.faults = vio_meter_get(&meter->faults),
		.refused = vio_meter_get(&meter->refused),
		.lent_bytes = vio_meter_get(&meter->lent_bytes),
		.lent_ops = vio_meter_get(&meter->lent_ops),
		.borrowed_bytes = vio_meter_get(&meter->borrowed_bytes),
		.borrowed_ops = vio_meter_get(&meter->borrowed_ops),
	};

	return vio_params_fill(meters, VIO_PARAMS_END(copy, faults), &copy,
			       sizeof(copy));
}
