/* SPDX-License-Identifier: MIT */
/*
 * Meters as text of OpenMetrics 1.0. A family may appear only once, so the loops run
 * over the families outside and over the tenants inside. Nothing is allocated: what
 * does not fit is counted on, so that the caller learns how much room it takes. Total
 * and parts are families of their own, since whoever adds up one family that has both
 * would count twice.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dom.h"

#define NUMBER_BYTES 32 /* 2^64 in seconds and nanoseconds, and the terminator */

struct text {
	char *buf;
	size_t room_bytes;
	size_t used_bytes; /* needed, which may be more than there is */
};

/* The names are arrays because pointers would need relocation. */
struct metric {
	char name[20];
	char unit[8];
	char help[64];
	uint16_t offset; /* in struct vio_meter */
	uint8_t is_of_queues;
	uint8_t is_ns;
};

#define OF(field) offsetof(struct vio_meter, field)

static const struct metric metrics[] = {
	{ "bytes", "bytes", "In the buffers of completed requests.", OF(bytes), 1, 0 },
	{ "ops", "", "Requests completed.", OF(ops), 1, 0 },
	{ "kicks", "", "Notifications from the driver.", OF(kicks), 1, 0 },
	{ "descriptors", "", "Of the requests that were taken.", OF(descs), 1, 0 },
	{ "service_seconds", "seconds", "Spent on requests.", OF(service_ns), 1, 1 },
	{ "faults", "", "Queues latched by malformed rings.", OF(faults), 1, 0 },
	{ "refused", "", "Requests that a limit told to wait.", OF(refused), 0, 0 },
	{ "lent_bytes", "bytes", "Assured and not used.", OF(lent_bytes), 0, 0 },
	{ "lent_ops", "", "Assured and not used.", OF(lent_ops), 0, 0 },
	{ "borrowed_bytes", "bytes", "Spent beyond what is assured.",
	  OF(borrowed_bytes), 0, 0 },
	{ "borrowed_ops", "", "Spent beyond what is assured.", OF(borrowed_ops), 0, 0 },
};
#define N_METRICS (sizeof(metrics) / sizeof(metrics[0]))

static void print_bytes(struct text *text, const char *from, size_t n)
{
	if (text->used_bytes < text->room_bytes &&
	    n < text->room_bytes - text->used_bytes)
		memcpy(text->buf + text->used_bytes, from, n);
	text->used_bytes += n;
}

static void print(struct text *text, const char *string)
{
	print_bytes(text, string, strlen(string));
}

/* A line such as "# TYPE vio_dom_bytes counter". */
static void print_about(struct text *text, const char *what, const char *kind,
			const struct metric *metric, const char *value)
{
	const char *const parts[] = {
		"# ", what, " vio_", kind, "_", metric->name, " ", value, "\n",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		print(text, parts[i]);
}

/* The three that a label's value cannot have as they are. */
static void print_escaped(struct text *text, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\')
			print(text, "\\\\");
		else if (*value == '"')
			print(text, "\\\"");
		else if (*value == '\n')
			print(text, "\\n");
		else
			print_bytes(text, value, 1);
	}
}

static void print_number(struct text *text, const struct metric *metric,
			 const struct vio_meter *meter)
{
	char buf[NUMBER_BYTES];
	uint64_t n;

	memcpy(&n, (const char *)meter + metric->offset, sizeof(n));
	if (metric->is_ns)
		snprintf(buf, sizeof(buf), "%llu.%09llu",
			 (unsigned long long)(n / 1000000000),
			 (unsigned long long)(n % 1000000000));
	else
		snprintf(buf, sizeof(buf), "%llu", (unsigned long long)n);
	print(text, buf);
}

/* A sample; @number is that of the tenant's queue, or NULL. */
static void print_sample(struct text *text, const char *kind,
			 const struct metric *metric, const struct vio_dom *dom,
			 const uint32_t *number, const struct vio_meter *meter)
{
	char label[NUMBER_BYTES];

	print(text, "vio_");
	print(text, kind);
	print(text, "_");
	print(text, metric->name);
	print(text, "_total{dom=\"");
	print_escaped(text, dom->name);
	if (number) {
		snprintf(label, sizeof(label), "\",%s=\"%u", kind, *number);
		print(text, label);
	}
	print(text, "\"} ");
	print_number(text, metric, meter);
	print(text, "\n");
}

static bool is_same(const struct vio_member *a, const struct vio_member *b)
{
	return a->kind == b->kind && a->number == b->number;
}

/* Under the lock: does one before @member stand for it? */
static bool is_repeated(struct vio_dom *dom, const struct vio_member *member)
{
	struct vio_list *node = dom->members.next;

	for (; node != &member->node; node = node->next)
		if (is_same(vio_dom_member_at(node), member))
			return true;
	return false;
}

/* Under the lock: of @first and of those behind it that have its number. */
static struct vio_meter sum_same(struct vio_dom *dom, struct vio_member *first)
{
	struct vio_list *node = &first->node;
	struct vio_meter sum = { 0 };

	for (; node != &dom->members; node = node->next)
		if (is_same(vio_dom_member_at(node), first))
			vio_meter_sum(&sum, vio_dom_member_at(node)->meter);
	return sum;
}

/*
 * Two samples of a family must not have the same labels: queues of one number, of
 * several devices, are one sample.
 */
static void
print_queues(struct text *text, const struct metric *metric, struct vio_dom *dom)
{
	struct vio_list *node;

	pthread_mutex_lock(&dom->lock);
	for (node = dom->members.next; node != &dom->members; node = node->next) {
		struct vio_member *member = vio_dom_member_at(node);
		struct vio_meter sum;

		if (member->kind != VIO_MEMBER_QUEUE || is_repeated(dom, member))
			continue;
		sum = sum_same(dom, member);
		print_sample(text, "queue", metric, dom, &member->number, &sum);
	}
	pthread_mutex_unlock(&dom->lock);
}

static void
print_dom(struct text *text, const struct metric *metric, struct vio_dom *dom)
{
	struct vio_meter sum = vio_dom_sum(dom);

	print_sample(text, "dom", metric, dom, NULL, &sum);
}

static void
print_family(struct text *text, const char *kind, const struct metric *metric,
	     void (*print_one)(struct text *text, const struct metric *metric,
			       struct vio_dom *dom),
	     struct vio_dom *const *doms, uint32_t n_doms)
{
	print_about(text, "TYPE", kind, metric, "counter");
	if (metric->unit[0])
		print_about(text, "UNIT", kind, metric, metric->unit);
	print_about(text, "HELP", kind, metric, metric->help);
	for (uint32_t i = 0; i < n_doms; i++)
		print_one(text, metric, doms[i]);
}

static void
print_families(struct text *text, struct vio_dom *const *doms, uint32_t n_doms)
{
	for (size_t i = 0; i < N_METRICS; i++)
		print_family(text, "dom", &metrics[i], print_dom, doms, n_doms);
	for (size_t i = 0; i < N_METRICS; i++)
		if (metrics[i].is_of_queues)
			print_family(text, "queue", &metrics[i], print_queues, doms,
				     n_doms);
}

/* Names are set when a tenant is created: no lock. */
static int check_doms(struct vio_dom *const *doms, uint32_t n_doms)
{
	if (n_doms && !doms)
		return -EINVAL;
	for (uint32_t i = 0; i < n_doms; i++) {
		if (!doms[i])
			return -EINVAL;
		for (uint32_t k = 0; k < i; k++)
			if (!strcmp(doms[i]->name, doms[k]->name))
				return -EEXIST;
	}
	return 0;
}

int vio_dom_print_metrics(struct vio_dom *const *doms, uint32_t n_doms, uint32_t flags,
			  char *buf, size_t buf_bytes, size_t *out_bytes)
{
	struct text text = { .buf = buf, .room_bytes = buf_bytes };
	int ret;

	if ((flags & ~VIO_METRICS_PART) || !out_bytes || (buf_bytes && !buf))
		return -EINVAL;
	ret = check_doms(doms, n_doms);
	if (ret)
		return ret;

	print_families(&text, doms, n_doms);
	if (!(flags & VIO_METRICS_PART))
		print(&text, "# EOF\n");
	*out_bytes = text.used_bytes;
	if (text.used_bytes < buf_bytes) {
		buf[text.used_bytes] = '\0';
		return 0;
	}
	/* A part of it would read as a whole exposition of less. */
	if (buf_bytes)
		buf[0] = '\0';
	return -ENOSPC;
}
