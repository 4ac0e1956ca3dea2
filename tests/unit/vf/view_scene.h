/* SPDX-License-Identifier: MIT */
/*
 * A view between a made-up function and a made-up monitor. The function is bytes and
 * counters; the monitor keeps what it was asked to map, trap and route, and fails
 * the test where a request contradicts an earlier one.
 */
#ifndef TESTS_UNIT_VF_VIEW_SCENE_H
#define TESTS_UNIT_VF_VIEW_SCENE_H

#include "fake/fault.h"
#include "fake/support.h"
#include "vf/view.h"

/* Where the function has its capabilities. */
#define AT_PM        0x40u
#define AT_MSI       0x50u /* hidden */
#define AT_MSIX      0x70u
#define AT_EXPRESS   0xa0u
#define AT_VENDOR    0xdcu
#define AT_AF        0xf0u
#define AT_AER       0x100u /* hidden */
#define AT_SERIAL    0x140u
#define AT_SRIOV     0x160u /* hidden */
#define AT_VSEC      0x200u

#define VECTORS      70u
#define BAR0_BYTES   0x10000u /* 64 bits wide */
#define BAR2_BYTES   0x1000u  /* 32 bits wide */
#define BAR3_BYTES   0x100u   /* less than a page */
#define TABLE_OFFSET 0x2000u  /* in BAR 0 */
#define PBA_OFFSET   0x5040u  /* in BAR 0, not at the beginning of a page */
#define BAR0_GPA     UINT64_C(0x200000000)
#define BAR2_GPA     UINT64_C(0x80000000)

struct function {
	uint8_t config[4096];
	uint32_t config_bytes;
	uint64_t bar_bytes[6];
	uint8_t bars[6][BAR0_BYTES];
	uint32_t can_map;
	uint32_t n_vectors;
	int is_gone;        /* all it answers is -ENODEV */
	uint32_t goes_at;   /* it goes with this access, counted from 1; 0: never */
	uint32_t n_regions; /* asked for; the one refuses_at is refused */
	uint32_t refuses_at;
	int map_errno;     /* negative: of map_bar */
	int connect_errno; /* negative: of set_interrupts */
	uint32_t n_mapped; /* into this process */
	uint32_t n_connected;
	int32_t eventfds[VIEW_VECTORS];
	uint32_t n_config_writes;
};

struct place {
	uint64_t gpa;
	uint64_t n;
	void *hva; /* NULL: trapped */
};

struct scene {
	struct vio_ctx *ctx;
	struct vio_view *view;
	struct function function;
	struct function other; /* to attach: like the first */
	struct place places[16];
	uint32_t n_places;
	int map_errno; /* negative: of the monitor's map */
	int32_t route_fd[VIEW_VECTORS];
	uint64_t route_address[VIEW_VECTORS];
	uint32_t route_data[VIEW_VECTORS];
	int route_is_masked[VIEW_VECTORS];
	uint32_t n_routes; /* calls */
	uint32_t n_resets;
};

void function_prepare(struct function *function);
void config_set(struct function *function, uint32_t at, uint64_t value, uint32_t n);
uint64_t config_get(const struct function *function, uint32_t at, uint32_t n);

extern const struct vio_view_device view_test_device;
struct vio_vfio *as_vfio(struct function *function);
struct vio_view_ops scene_get_ops(struct scene *scene);

/* CMocka fixtures: a scene without a view, and one with. */
int scene_open(void **state);
int scene_open_view(void **state);
int scene_close(void **state);

/* As vio_view_create_on(), for the scene's function. */
int scene_create_view(struct scene *scene);

/* Places BAR 0 and BAR 2 and turns memory and bus master on. */
void scene_place(struct scene *scene);
/* Turns MSI-X on, and unmasks @vector with @data. */
void scene_enable_msix(struct scene *scene, uint32_t control);
void scene_unmask(struct scene *scene, uint32_t vector, uint32_t data);

/* What is at @gpa, or NULL. */
const struct place *scene_find(const struct scene *scene, uint64_t gpa);

#endif /* TESTS_UNIT_VF_VIEW_SCENE_H */
