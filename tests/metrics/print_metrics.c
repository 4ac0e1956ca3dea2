/* SPDX-License-Identifier: MIT */
/*
 * Prints an exposition of many tenants, with names that need care, and to its standard
 * error each sample that has to be in it, by what went into the meters: labels in
 * hexadecimal, values by the field they belong to.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vio/dom.h>

#include "core/member.h"

#define N_DOMS     64u
#define N_QUEUES   9u /* at most, of a tenant */
#define TEXT_BYTES (1u << 20)

struct tenant {
	struct vio_dom *dom;
	char name[64];
	struct vio_member queues[N_QUEUES], limit;
	struct vio_meter meters[N_QUEUES], limit_meter;
	uint32_t n_queues;
};

static struct tenant tenants[N_DOMS];
static char text[TEXT_BYTES];

static const char *const strange_names[] = {
	"quote \" inside",
	"back\\slash",
	"line\nfeed",
	"\\n",
	"\\\"",
	"{dom=\"x\"} 1",
	" ",
	"# EOF",
	"a,b=c",
	"\xc3\xa9\xe2\x82\xac",
	"tab\tand \r",
	"\xf0\x9f\x98\x80",
};
#define N_STRANGE (sizeof(strange_names) / sizeof(strange_names[0]))

static void check(int ret, const char *what)
{
	if (ret) {
		fprintf(stderr, "%s: %d\n", what, ret);
		exit(EXIT_FAILURE);
	}
}

/* Numbers of all lengths, the same in each run. */
static uint64_t next_number(void)
{
	static uint64_t state = 1;

	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return state >> 8 >> (state % 48);
}

static void print_hex(const char *value)
{
	for (; *value; value++)
		fprintf(stderr, "%02x", (unsigned char)*value);
}

static void expect(const char *family, const char *name, const char *queue,
		   uint64_t value, int is_ns)
{
	fprintf(stderr, "%s dom=", family);
	print_hex(name);
	if (queue) {
		fprintf(stderr, ",queue=");
		print_hex(queue);
	}
	if (is_ns)
		fprintf(stderr, " %" PRIu64 "e-9\n", value);
	else
		fprintf(stderr, " %" PRIu64 "\n", value);
}

static void expect_queue(const struct tenant *tenant, uint32_t number,
			 const struct vio_meter *meter)
{
	char label[16];

	snprintf(label, sizeof(label), "%u", number);
	expect("vio_queue_bytes", tenant->name, label, meter->bytes, 0);
	expect("vio_queue_ops", tenant->name, label, meter->ops, 0);
	expect("vio_queue_kicks", tenant->name, label, meter->kicks, 0);
	expect("vio_queue_descriptors", tenant->name, label, meter->descs, 0);
	expect("vio_queue_service_seconds", tenant->name, label, meter->service_ns, 1);
	expect("vio_queue_faults", tenant->name, label, meter->faults, 0);
}

static void expect_dom(const struct tenant *tenant)
{
	struct vio_meters meters = VIO_METERS_INIT;

	check(vio_dom_read_meters(tenant->dom, &meters), "read");
	expect("vio_dom_bytes", tenant->name, NULL, meters.bytes, 0);
	expect("vio_dom_ops", tenant->name, NULL, meters.ops, 0);
	expect("vio_dom_kicks", tenant->name, NULL, meters.kicks, 0);
	expect("vio_dom_descriptors", tenant->name, NULL, meters.descs, 0);
	expect("vio_dom_service_seconds", tenant->name, NULL, meters.service_ns, 1);
	expect("vio_dom_faults", tenant->name, NULL, meters.faults, 0);
	expect("vio_dom_refused", tenant->name, NULL, meters.refused, 0);
	expect("vio_dom_lent_bytes", tenant->name, NULL, meters.lent_bytes, 0);
	expect("vio_dom_lent_ops", tenant->name, NULL, meters.lent_ops, 0);
	expect("vio_dom_borrowed_bytes", tenant->name, NULL, meters.borrowed_bytes, 0);
	expect("vio_dom_borrowed_ops", tenant->name, NULL, meters.borrowed_ops, 0);
}

static void join_queue(struct tenant *tenant, uint32_t i)
{
	tenant->meters[i] = (struct vio_meter){
		.bytes = next_number(),
		.ops = next_number(),
		.kicks = next_number(),
		.descs = next_number(),
		.faults = i & 1,
		.service_ns = next_number(),
	};
	tenant->queues[i].kind = VIO_MEMBER_QUEUE;
	tenant->queues[i].number = i * 100;
	tenant->queues[i].meter = &tenant->meters[i];
	vio_member_join(&tenant->queues[i], tenant->dom);
}

static void join_limit(struct tenant *tenant)
{
	tenant->limit_meter = (struct vio_meter){
		.refused = next_number(),
		.lent_bytes = next_number(),
		.lent_ops = next_number(),
		.borrowed_bytes = next_number(),
		.borrowed_ops = next_number(),
	};
	tenant->limit.meter = &tenant->limit_meter;
	vio_member_join(&tenant->limit, tenant->dom);
}

static void open_tenant(struct tenant *tenant, uint32_t i)
{
	if (i < N_STRANGE)
		snprintf(tenant->name, sizeof(tenant->name), "%s", strange_names[i]);
	else
		snprintf(tenant->name, sizeof(tenant->name), "tenant-%u", i);
	check(vio_dom_create(NULL, tenant->name, &tenant->dom), "create");
	tenant->n_queues = i % (N_QUEUES + 1);
	for (uint32_t k = 0; k < tenant->n_queues; k++)
		join_queue(tenant, k);
	join_limit(tenant);
}

static void expect_tenant(const struct tenant *tenant)
{
	expect_dom(tenant);
	for (uint32_t i = 0; i < tenant->n_queues; i++)
		expect_queue(tenant, tenant->queues[i].number, &tenant->meters[i]);
}

static void close_tenant(struct tenant *tenant)
{
	for (uint32_t i = 0; i < tenant->n_queues; i++)
		vio_member_leave(&tenant->queues[i]);
	vio_member_leave(&tenant->limit);
	check(vio_dom_destroy(tenant->dom, NULL), "destroy");
}

/* "part" stands for a program that has metrics of its own. */
int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const uint32_t n_doms = strcmp(what, "none") ? N_DOMS : 0;
	const uint32_t flags = strcmp(what, "part") ? 0 : VIO_METRICS_PART;
	struct vio_dom *doms[N_DOMS];
	size_t used_bytes;

	for (uint32_t i = 0; i < n_doms; i++) {
		open_tenant(&tenants[i], i);
		doms[i] = tenants[i].dom;
	}
	check(vio_dom_print_metrics(doms, n_doms, flags, text, TEXT_BYTES, &used_bytes),
	      "print");
	fputs(text, stdout);
	if (flags)
		puts("# TYPE vmm_guests gauge\n# HELP vmm_guests Running.\n"
		     "vmm_guests{dom=\"\"} 0\n# EOF");
	if (flags)
		fprintf(stderr, "vmm_guests dom= 0\n");
	for (uint32_t i = 0; i < n_doms; i++) {
		expect_tenant(&tenants[i]);
		close_tenant(&tenants[i]);
	}
	return EXIT_SUCCESS;
}
