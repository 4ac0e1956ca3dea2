/* SPDX-License-Identifier: MIT */
/*
 * Eight claimants in a thousand orders of who goes next, as of claims alone, but each
 * of them also pauses, resumes here or elsewhere, and changes the number of VFs, which
 * then may have other addresses. The fake kernel fails the test if a VF is taken away
 * that somebody has open.
 */
#include <stdlib.h>

#include "user.h"
#include "vf/lease.h"

#define CLAIMANTS 8u
#define TURNS     200u /* then those who have something give it back */
#define ORDERS    1000u
/* Where each step costs fifty times as much: to find races and leaks, not orders. */
#define ORDERS_WATCHED 40u
/* Then a new machine: the fake one never forgets an IOMMU group. */
#define ORDERS_MACHINE 20u

enum doing { IDLE, CLAIMING, HOLDING, PAUSING, PAUSED, RESUMING, RESIZING, RELEASING };

struct claimant {
	struct process p;
	struct user user; /* of the VF, if there is one */
	enum doing doing;
	enum doing before; /* the resize */
};

struct counts {
	uint32_t n_claimed, n_paused, n_resumed, n_moved, n_resized, n_resized_held;
};

struct table {
	struct scene scene;
	struct claimant all[CLAIMANTS];
	struct counts counts;
	uint32_t seed;
};

static uint32_t next_random(struct table *t)
{
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 17;
	t->seed ^= t->seed << 5;
	/* The low bits follow each other too closely. */
	return t->seed >> 7;
}

static struct vio_pci_addr addr_of(const char *name)
{
	struct vio_pci_addr addr;

	assert_int_equal(vio_pci_addr_parse(name, &addr), 0);
	return addr;
}

/* Begun, or refused for what others do; nothing else is a reason. */
static int is_begun(struct claimant *c, int ret, enum doing doing)
{
	c->p.n_done = 0;
	if (ret)
		assert_true(ret == -EBUSY || ret == -ENOSPC || ret == -ENODEV);
	else
		c->doing = doing;
	return !ret;
}

static void begin_claim(struct table *t, struct claimant *c)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	request.policy = next_random(t) % 2 ? VIO_VF_PACK : VIO_VF_SPREAD;
	is_begun(c,
		 vio_vf_claim(c->p.host, &request, &c->user.vf, process_done, &c->p,
			      &err),
		 CLAIMING);
}

static void begin_release(struct claimant *c)
{
	struct vio_error err = VIO_ERROR_INIT;

	user_hold(&c->user, 0);
	assert_true(is_begun(c, vio_vf_release(c->user.vf, process_done, &c->p, &err),
			     RELEASING));
}

static void begin_pause(struct claimant *c)
{
	struct vio_error err = VIO_ERROR_INIT;

	assert_true(is_begun(c, vio_vf_pause(c->user.vf, 0, process_done, &c->p, &err),
			     PAUSING));
}

static void begin_resume(struct table *t, struct claimant *c)
{
	static const char *const places[] = { "0000:01:10.0", "0000:01:10.2",
					      "0000:02:10.0", "0000:02:10.4" };
	const uint32_t n = next_random(t);
	const struct vio_pci_addr to = addr_of(places[n % 4]);
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	ret = vio_vf_resume(c->user.vf, n % 8 < 4 ? &to : NULL, process_done, &c->p,
			    &err);
	/* Where its own address is empty by now there is nothing to compare with. */
	if (ret == -EXDEV)
		return;
	t->counts.n_moved += is_begun(c, ret, RESUMING) && n % 8 < 4;
}

static void begin_resize(struct table *t, struct claimant *c)
{
	static const uint32_t offsets[] = { 128, 130, 144 };
	struct vio_resize_params params = VIO_RESIZE_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	const uint32_t n = next_random(t) % 2;
	const struct vio_pci_addr pf = addr_of(t->scene.pf[n]->name);
	const enum doing before = c->doing;

	params.flags = VIO_RESIZE_PAUSE_HELD;
	params.n_vfs = 2 + next_random(t) % 3;
	if (is_begun(c,
		     vio_host_resize(c->p.host, &pf, &params, NULL, process_done, &c->p,
				     &err),
		     RESIZING)) {
		t->scene.pf[n]->vf_offset = offsets[next_random(t) % 3];
		c->before = before;
	}
}

static void end_claim(struct table *t, struct claimant *c)
{
	user_start(&c->user, c->user.vf, &t->scene.pci);
	t->counts.n_claimed++;
	c->doing = HOLDING;
}

static void end_resize(struct table *t, struct claimant *c)
{
	t->counts.n_resized++;
	t->counts.n_resized_held += c->user.n_resumed != 0;
	c->doing = c->before;
}

static void end_op(struct table *t, struct claimant *c)
{
	/* One that was paused may have gone to where its index is. */
	if (c->doing != RELEASING || c->p.result != -ENODEV)
		assert_int_equal(c->p.result, 0);
	switch (c->doing) {
	case CLAIMING:
		end_claim(t, c);
		break;
	case PAUSING:
		t->counts.n_paused++;
		c->doing = PAUSED;
		break;
	case RESUMING:
		t->counts.n_resumed++;
		c->doing = HOLDING;
		break;
	case RESIZING:
		end_resize(t, c);
		break;
	default:
		c->user.vf = NULL;
		c->doing = IDLE;
	}
}

static void turn_held(struct table *t, struct claimant *c)
{
	switch (next_random(t) % 6) {
	case 0:
		begin_release(c);
		break;
	case 1:
		begin_resize(t, c);
		break;
	default:
		if (c->doing == PAUSED)
			begin_resume(t, c);
		else
			begin_pause(c);
	}
}

/* One thing that this claimant does next, if it is to go on. */
static void turn(struct table *t, struct claimant *c, int is_last)
{
	switch (c->doing) {
	case IDLE:
		if (is_last)
			break;
		if (next_random(t) % 3)
			begin_resize(t, c);
		else
			begin_claim(t, c);
		break;
	case HOLDING:
	case PAUSED:
		if (is_last)
			begin_release(c);
		else
			turn_held(t, c);
		break;
	default:
		assert_true(vio_ctx_dispatch(c->p.ctx, 1) >= 0);
		if (c->p.n_done)
			end_op(t, c);
	}
}

/* No two have one VF, and who uses one has its driver. */
static void verify_owners(struct table *t)
{
	for (uint32_t i = 0; i < CLAIMANTS; i++) {
		const struct vio_vf *vf = t->all[i].user.vf;
		char name[VIO_PCI_ADDR_TEXT_BYTES];

		if (t->all[i].doing != HOLDING)
			continue;
		vio_pci_addr_print(&vf->info.addr, name);
		assert_string_equal(vio_fake_pci_find(&t->scene.pci, name)->driver,
				    "vfio-pci");
		for (uint32_t k = 0; k < i; k++)
			if (t->all[k].doing == HOLDING)
				assert_memory_not_equal(&vf->info.addr,
							&t->all[k].user.vf->info.addr,
							sizeof(vf->info.addr));
	}
}

static int is_idle(const struct table *t)
{
	for (uint32_t i = 0; i < CLAIMANTS; i++)
		if (t->all[i].doing != IDLE)
			return 0;
	return 1;
}

static int verify_free(void *opaque, const struct vio_vf_info *info)
{
	(void)opaque;
	fail_msg("a lease is left, generation %llu",
		 (unsigned long long)info->generation);
	return 0;
}

static void verify_machine(struct table *t)
{
	struct vio_error err = VIO_ERROR_INIT;

	for (uint32_t i = 0; i < t->scene.pci.n_functions; i++) {
		const struct vio_fake_function *f = &t->scene.pci.functions[i];

		if (f->name[0] && f->pf)
			assert_string_equal(f->driver, "igbvf");
		else if (f->name[0])
			assert_int_equal(f->autoprobe, 1);
	}
	assert_int_equal(
		vio_host_foreach_lease(t->all[0].p.host, verify_free, NULL, &err), 0);
}

static void run_interleaving(struct table *t)
{
	uint32_t n = 0;

	while (n < TURNS || !is_idle(t)) {
		struct claimant *c = &t->all[next_random(t) % CLAIMANTS];

		turn(t, c, n >= TURNS);
		process_settle(&c->p);
		verify_owners(t);
		assert_true(n++ < 100000);
	}
	verify_machine(t);
}

static void run_machine(struct table *t, uint32_t first, uint32_t n)
{
	scene_create(&t->scene);
	vio_fake_pci_add_driver(&t->scene.pci, "igb");
	for (uint32_t i = 0; i < 2; i++)
		vio_fake_pci_probe(t->scene.pf[i]);
	for (uint32_t i = 0; i < CLAIMANTS; i++)
		process_start(&t->all[i].p, &t->scene);
	for (uint32_t i = 0; i < n; i++) {
		t->seed = first + i;
		run_interleaving(t);
	}
	for (uint32_t i = 0; i < CLAIMANTS; i++)
		process_end(&t->all[i].p);
	scene_destroy(&t->scene);
}

static uint32_t count_orders(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

#ifdef __SANITIZE_THREAD__
	return ORDERS_WATCHED;
#endif
	return preloaded && strstr(preloaded, "valgrind") ? ORDERS_WATCHED : ORDERS;
}

static void in_any_order_nobody_loses_what_is_paused_or_resized(void **state)
{
	struct table *t = calloc(1, sizeof(*t));
	const uint32_t n_orders = count_orders();

	(void)state;
	assert_non_null(t);
	for (uint32_t i = 0; i < n_orders; i += ORDERS_MACHINE)
		run_machine(t, 1 + i, ORDERS_MACHINE);
	print_message("claimed %u, paused %u, resumed %u (elsewhere %u), resized %u "
		      "(held %u)\n",
		      t->counts.n_claimed, t->counts.n_paused, t->counts.n_resumed,
		      t->counts.n_moved, t->counts.n_resized, t->counts.n_resized_held);
	assert_true(t->counts.n_paused > n_orders);
	assert_true(t->counts.n_resumed > n_orders);
	assert_true(t->counts.n_moved > n_orders / 50);
	assert_true(t->counts.n_resized > n_orders);
	assert_true(t->counts.n_resized_held > n_orders / 10);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_any_order_nobody_loses_what_is_paused_or_resized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
