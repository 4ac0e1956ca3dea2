/* SPDX-License-Identifier: MIT */
/*
 * Eight claimants in a thousand orders of who goes next, each made by a seed. Only
 * one call to the kernel is under way at a time, and the order is all there is to
 * chance, so that a seed that fails fails again.
 */
#include <stdlib.h>

#include "scene.h"

static const char *name_of(struct vio_vf *vf, char *buf)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	assert_int_equal(vio_vf_read_info(vf, &info), 0);
	vio_pci_addr_print(&info.addr, buf);
	return buf;
}

#define CLAIMANTS 8u
#define TURNS     80u /* then those who hold something let go of it */
#define ORDERS    1000u
/* Where each step costs fifty times as much: to find races and leaks, not orders. */
#define ORDERS_WATCHED 30u

struct claimant {
	struct process p;
	struct vio_vf *vf[2];
	uint32_t n;
	uint32_t n_held; /* times */
	enum { IDLE, CLAIMING, HOLDING, RELEASING } doing;
};

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Every VF that somebody holds is held once, and is bound as it was asked for. */
static void verify_owners(struct scene *scene, const struct claimant *all)
{
	uint32_t owners[SCENE_VFS] = { 0 };
	char name[16];

	for (uint32_t i = 0; i < CLAIMANTS; i++) {
		if (all[i].doing != HOLDING)
			continue;
		for (uint32_t n = 0; n < all[i].n; n++)
			for (uint32_t v = 0; v < SCENE_VFS; v++)
				owners[v] += !strcmp(name_of(all[i].vf[n], name),
						     scene->vf[v]->name);
	}
	for (uint32_t v = 0; v < SCENE_VFS; v++) {
		assert_true(owners[v] <= 1);
		if (owners[v])
			assert_string_equal(scene->vf[v]->driver, "vfio-pci");
	}
}

static void begin_claim(struct claimant *c, uint32_t n)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	request.n = n;
	ret = vio_vf_claim(c->p.host, &request, c->vf, process_done, &c->p, &err);
	if (ret) {
		assert_true(ret == -ENOSPC || ret == -EBUSY);
		return;
	}
	c->n = n;
	c->p.n_done = 0;
	c->doing = CLAIMING;
}

static void begin_release(struct claimant *c)
{
	struct vio_error err = VIO_ERROR_INIT;

	c->p.n_done = 0;
	assert_int_equal(vio_vf_release(c->vf[c->n - 1], process_done, &c->p, &err), 0);
	c->doing = RELEASING;
}

static void end_op(struct claimant *c)
{
	assert_int_equal(c->p.result, 0);
	if (c->doing == CLAIMING) {
		c->doing = HOLDING;
		c->n_held++;
	} else if (--c->n) {
		begin_release(c);
	} else {
		c->doing = IDLE;
	}
}

/* One thing that this claimant does next, if it is to go on. */
static void turn(struct claimant *c, uint32_t *seed, int is_last)
{
	switch (c->doing) {
	case IDLE:
		if (!is_last)
			begin_claim(c, 1 + next_random(seed) % 2);
		break;
	case HOLDING:
		begin_release(c);
		break;
	default:
		assert_true(vio_ctx_dispatch(c->p.ctx, 1) >= 0);
		if (c->p.n_done)
			end_op(c);
	}
}

static int is_idle(const struct claimant *all)
{
	for (uint32_t i = 0; i < CLAIMANTS; i++)
		if (all[i].doing != IDLE)
			return 0;
	return 1;
}

static void run_interleaving(struct scene *scene, struct claimant *all, uint32_t seed)
{
	uint32_t n = 0;

	while (n < TURNS || !is_idle(all)) {
		struct claimant *c = &all[next_random(&seed) % CLAIMANTS];

		turn(c, &seed, n >= TURNS);
		process_settle(&c->p);
		verify_owners(scene, all);
		assert_true(n++ < 100000);
	}
	scene_verify_before(scene);
}

static uint32_t count_orders(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

#ifdef __SANITIZE_THREAD__
	return ORDERS_WATCHED;
#endif
	return preloaded && strstr(preloaded, "valgrind") ? ORDERS_WATCHED : ORDERS;
}

static void of_eight_claimants_in_any_order_no_two_own_one_vf(void **state)
{
	struct claimant *all = calloc(CLAIMANTS, sizeof(*all));
	const uint32_t n_orders = count_orders();
	struct scene scene;
	uint32_t n_held = 0;

	(void)state;
	assert_non_null(all);
	scene_create(&scene);
	for (uint32_t i = 0; i < CLAIMANTS; i++)
		process_start(&all[i].p, &scene);
	for (uint32_t seed = 1; seed <= n_orders; seed++)
		run_interleaving(&scene, all, seed);
	for (uint32_t i = 0; i < CLAIMANTS; i++) {
		n_held += all[i].n_held;
		process_end(&all[i].p);
	}
	assert_true(n_held > n_orders);
	scene_destroy(&scene);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_eight_claimants_in_any_order_no_two_own_one_vf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
