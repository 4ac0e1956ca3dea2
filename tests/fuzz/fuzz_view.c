/* SPDX-License-Identifier: MIT */
/*
 * A guest made of arbitrary bytes on a function made of arbitrary bytes. The input
 * begins with changes to the configuration space of a good function; then come
 * accesses, and what befalls a function meanwhile: it is taken away, put back, goes
 * by itself, raises interrupts. What the monitor was asked to map and route must
 * never contradict itself, and at the end nothing is left with anybody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bits.h"
#include "vf/view.h"

#define CONFIG_REGION VIO_VFIO_CONFIG_REGION
#define STEPS_MAX     256u
#define PLACES_MAX    (VIEW_BARS * VIEW_SPANS)

struct function {
	uint8_t config[4096];
	uint64_t bar_bytes[6];
	uint32_t n_vectors;
	uint32_t n_connected;
	uint32_t n_mapped;
	int is_gone;
	int32_t eventfds[VIEW_VECTORS];
	char page; /* stands for all registers */
};

struct place {
	uint64_t gpa;
	uint64_t n;
	int is_mapped;
};

struct stage {
	struct function functions[2]; /* one under the view, one beside it */
	uint32_t current;
	struct vio_view *view;
	struct place places[PLACES_MAX];
	uint32_t n_places;
	int is_routed[VIEW_VECTORS];
	int refuses;
};

/* One step: what, and its arguments. */
struct step {
	uint8_t kind;
	uint8_t n;
	uint16_t offset;
	uint32_t value;
};

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static struct function *of(struct vio_vfio *vfio)
{
	return (struct function *)(void *)vfio;
}

static int
read_region(struct vio_vfio *vfio, uint32_t index, struct vio_vfio_region *region)
{
	if (index < 6)
		region->length_bytes = of(vfio)->bar_bytes[index];
	if (index == CONFIG_REGION)
		region->length_bytes = sizeof(of(vfio)->config);
	if (index == VIO_VFIO_MSIX)
		region->n_vectors = of(vfio)->n_vectors;
	region->can_map = 1;
	return 0;
}

static void verify_range(struct function *f, uint32_t index, uint64_t at, uint64_t n)
{
	const uint64_t length =
		index == CONFIG_REGION ? sizeof(f->config) : f->bar_bytes[index];

	check(index == CONFIG_REGION || index < 6);
	check(n && n <= length && at <= length - n);
}

static int
device_read(struct vio_vfio *vfio, uint32_t index, uint64_t at, void *out, uint32_t n)
{
	verify_range(of(vfio), index, at, n);
	if (of(vfio)->is_gone)
		return -ENODEV;
	if (index == CONFIG_REGION)
		memcpy(out, of(vfio)->config + at, n);
	else
		memset(out, (int)at, n);
	return 0;
}

/* Command and nothing else may come here. */
static int device_write(struct vio_vfio *vfio, uint32_t index, uint64_t at,
			const void *data, uint32_t n)
{
	verify_range(of(vfio), index, at, n);
	if (of(vfio)->is_gone)
		return -ENODEV;
	if (index == CONFIG_REGION) {
		check(at == 4 && n == 2);
		memcpy(of(vfio)->config + at, data, n);
	}
	return 0;
}

static int map_bar(struct vio_vfio *vfio, uint32_t bar, uint64_t at, uint64_t n,
		   void **out, struct vio_error *err)
{
	(void)err;
	verify_range(of(vfio), bar, at, n);
	check(vio_is_aligned(at | n, 4096));
	*out = &of(vfio)->page;
	of(vfio)->n_mapped++;
	return 0;
}

static int unmap_bar(struct vio_vfio *vfio, void *ptr)
{
	check(ptr == &of(vfio)->page && of(vfio)->n_mapped--);
	return 0;
}

static int set_interrupts(struct vio_vfio *vfio, uint32_t kind, const int32_t *eventfds,
			  uint32_t n, struct vio_error *err)
{
	(void)err;
	check(kind == VIO_VFIO_MSIX && n <= of(vfio)->n_vectors);
	if (of(vfio)->is_gone)
		return -ENODEV;
	of(vfio)->n_connected = n;
	if (n)
		memcpy(of(vfio)->eventfds, eventfds, n * sizeof(*eventfds));
	return 0;
}

static const struct vio_view_device device = {
	.read_region = read_region,
	.read = device_read,
	.write = device_write,
	.map_bar = map_bar,
	.unmap_bar = unmap_bar,
	.set_interrupts = set_interrupts,
};

/* Nothing is put where something is, nor wraps. */
static void add_place(struct stage *stage, uint64_t gpa, uint64_t n, int is_mapped)
{
	uint64_t last;

	check(vio_range_last(gpa, n, &last) && stage->n_places < PLACES_MAX);
	for (uint32_t i = 0; i < stage->n_places; i++)
		check(last < stage->places[i].gpa ||
		      gpa - stage->places[i].gpa >= stage->places[i].n);
	stage->places[stage->n_places++] = (struct place){ gpa, n, is_mapped };
}

static void remove_place(struct stage *stage, uint64_t gpa, uint64_t n, int is_mapped)
{
	uint32_t i = 0;

	while (i < stage->n_places && stage->places[i].gpa != gpa)
		i++;
	check(i < stage->n_places && stage->places[i].n == n &&
	      stage->places[i].is_mapped == is_mapped);
	stage->places[i] = stage->places[--stage->n_places];
}

static int on_map(void *opaque, uint64_t gpa, uint64_t n, void *hva)
{
	struct stage *stage = opaque;

	check(hva == &stage->functions[stage->current].page);
	if (stage->refuses)
		return -ENOSPC;
	add_place(stage, gpa, n, 1);
	return 0;
}

static void on_unmap(void *opaque, uint64_t gpa, uint64_t n)
{
	remove_place(opaque, gpa, n, 1);
}

static void on_trap(void *opaque, uint64_t gpa, uint64_t n, int is_trapped)
{
	if (is_trapped)
		add_place(opaque, gpa, n, 0);
	else
		remove_place(opaque, gpa, n, 0);
}

static void on_route(void *opaque, uint32_t vector, int eventfd, uint64_t address,
		     uint32_t data, int is_masked)
{
	struct stage *stage = opaque;

	(void)address;
	(void)data;
	check(vector < VIEW_VECTORS && (eventfd >= 0 || stage->is_routed[vector]));
	check(eventfd < 0 || stage->is_routed[vector] || !is_masked);
	stage->is_routed[vector] = eventfd >= 0;
}

/* The function is taken away where it is allowed to be. */
static void on_reset(void *opaque)
{
	struct stage *stage = opaque;

	if (stage->refuses)
		(void)vio_view_detach(stage->view, NULL);
}

static const uint32_t good_config[][2] = {
	{ 0x00, 0x15208086 },  { 0x04, 0x00100000 },  { 0x08, 0x02000001 },
	{ 0x10, 0x0000000c },  { 0x34, 0x00000040 },  { 0x40, 0xfa037001 },
	{ 0x70, 0x0007a011 },  { 0x74, 0x00002000 },  { 0x78, 0x00003000 },
	{ 0xa0, 0x0002e010 },  { 0xa4, 0x10008022 },  { 0xe0, 0x0308f009 },
	{ 0xf0, 0x03060013 },  { 0x100, 0x14020001 }, { 0x140, 0x2001000b },
	{ 0x144, 0x01010007 }, { 0x200, 0x00010003 },
};

static void prepare_function(struct function *f)
{
	memset(f, 0, sizeof(*f));
	for (uint32_t i = 0; i < VIO_ARRAY_SIZE(good_config); i++)
		vio_view_set_bytes(f->config + good_config[i][0], good_config[i][1], 4);
	f->n_vectors = 8;
	f->bar_bytes[0] = 0x4000;
	f->bar_bytes[2] = 0x1000;
	f->bar_bytes[3] = 0x40;
	f->bar_bytes[4] = UINT64_C(1) << 31;
}

/* Lengths as the kernel gives them or not: whatever power, at times one less. */
static void change_function(struct function *f, const struct step *step)
{
	switch (step->kind % 4) {
	case 0:
		f->bar_bytes[step->offset % 6] =
			(UINT64_C(1) << (step->value % 64)) - (step->n & 1);
		break;
	case 1:
		f->n_vectors = step->value % (VIEW_VECTORS + 1);
		break;
	default:
		vio_view_set_bytes(f->config + (step->offset & 0xffc), step->value, 4);
	}
}

static void raise_interrupt(struct function *f, uint32_t vector)
{
	const uint64_t one = 1;

	if (vector < f->n_connected)
		check(write(f->eventfds[vector], &one, sizeof(one)) ==
		      (ssize_t)sizeof(one));
}

/* Detached, or put under the view again: the same or its like. */
static void swap(struct stage *stage, const struct step *step)
{
	struct function *f;
	int ret = vio_view_detach(stage->view, NULL);

	f = &stage->functions[stage->current];
	check(!f->n_mapped);
	if (ret != -EALREADY)
		return;
	stage->current = step->value & 1;
	f = &stage->functions[stage->current];
	f->is_gone = step->value >> 1 & 1;
	ret = vio_view_attach(stage->view, (struct vio_vfio *)(void *)f, NULL);
	check(!ret || ret == -ENODEV || ret == -EXDEV);
	check(!ret || !f->n_mapped);
}

/* What the monitor was told of is where the view says it is, first byte and last. */
static void verify_places(const struct stage *stage)
{
	uint64_t first = 0, last = 0;
	uint32_t bar = VIEW_BARS, other = VIEW_BARS;

	for (uint32_t i = 0; i < stage->n_places; i++) {
		const struct place *place = &stage->places[i];
		const uint64_t n = place->n - 1;

		check(!vio_view_translate(stage->view, place->gpa, &bar, &first));
		check(!vio_view_translate(stage->view, place->gpa + n, &other, &last));
		check(bar < VIEW_BARS && bar == other && last - first == n);
	}
	if (!stage->n_places)
		check(vio_view_translate(stage->view, 0x1000, &bar, &first) == -ENOENT);
}

static void do_step(struct stage *stage, const struct step *step)
{
	const uint32_t n = 1u << (step->n & 3);
	const uint32_t bar = step->n >> 2 & 7;
	const uint64_t wide = (uint64_t)step->value << 32 | step->value;

	switch (step->kind % 10) {
	case 0:
		(void)vio_view_read(stage->view, step->offset, step->n);
		break;
	case 1:
	case 2:
		vio_view_write(stage->view, step->offset & 0xfff & ~(n - 1),
			       step->value, n);
		break;
	case 3:
		vio_view_write(stage->view, step->offset & 0xff & ~(n - 1), step->value,
			       n);
		break;
	case 4:
		(void)vio_view_read_bar(stage->view, bar, step->offset, n);
		break;
	case 5:
		vio_view_write_bar(stage->view, bar, step->offset & ~(n - 1), wide, n);
		break;
	case 6:
		(void)vio_view_read_bar(stage->view, step->n, wide, step->n);
		vio_view_write_bar(stage->view, step->n, wide, wide, step->n);
		break;
	case 7:
		raise_interrupt(&stage->functions[stage->current], step->value);
		break;
	case 8:
		stage->refuses = step->value & 1;
		stage->functions[stage->current].is_gone = (step->value & 0xff) == 0xff;
		break;
	default:
		swap(stage, step);
	}
}

static int open_stage(struct stage *stage)
{
	struct vio_view_ops ops = VIO_VIEW_OPS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	ops.map = on_map;
	ops.unmap = on_unmap;
	ops.trap = on_trap;
	ops.route = on_route;
	ops.reset = on_reset;
	ops.opaque = stage;
	stage->functions[1] = stage->functions[0];
	ret = vio_view_create_on(NULL, &device,
				 (struct vio_vfio *)(void *)&stage->functions[0], &ops,
				 &stage->view, &err);
	check(!ret || ret == -EBADMSG || ret == -ENODEV);
	check(!ret || err.code == ret);
	return ret;
}

static void close_stage(struct stage *stage)
{
	vio_view_destroy(stage->view);
	check(!stage->n_places);
	check(!stage->functions[0].n_mapped && !stage->functions[1].n_mapped);
	for (uint32_t i = 0; i < VIEW_VECTORS; i++)
		check(!stage->is_routed[i]);
}

/* The first byte: how many changes, eight bytes each; then steps to the end. */
static void run(struct stage *stage, const uint8_t *data, size_t n)
{
	const uint32_t n_changes = n ? data[0] % 16 : 0;
	struct step step;
	uint32_t i = 0;

	for (size_t at = 1; at + sizeof(step) <= n && i < STEPS_MAX; i++) {
		memcpy(&step, data + at, sizeof(step));
		at += sizeof(step);
		if (i < n_changes)
			change_function(&stage->functions[0], &step);
		else if (!stage->view && open_stage(stage))
			return;
		if (!stage->view)
			continue;
		do_step(stage, &step);
		verify_places(stage);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	int before = dup(STDIN_FILENO);
	int after;

	close(before);
	check(stage != NULL);
	prepare_function(&stage->functions[0]);
	run(stage, data, n);
	close_stage(stage);
	free(stage);
	after = dup(STDIN_FILENO);
	check(after == before); /* the lowest number free: nothing is left open */
	close(after);
	return 0;
}
