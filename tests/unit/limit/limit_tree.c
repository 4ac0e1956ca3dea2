/* SPDX-License-Identifier: MIT */
/*
 * Limits that share a parent: what each is assured of, what is lent and by which
 * weight, how soon it comes back, and what is refused when a tree is made.
 */
#include <errno.h>
#include <string.h>

#include "unit/limit/support.h"

#define MS UINT64_C(1000000)

/* A parent of 1000 bytes a second, or more, and children of it. */
static struct vio_limit *child_of(struct vio_limit *parent, const char *name,
				  uint64_t assured, uint64_t ceiling, uint32_t weight)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *child = NULL;

	params.name = name;
	params.assured_bytes_per_sec = assured;
	params.bytes_per_sec = ceiling;
	params.weight = weight;
	params.quantum_bytes = 1;
	if (vio_limit_add(parent, &params, 0, &child, &err) < 0)
		fail_msg("%s", err.text);
	return child;
}

/* One who asks for all it can get, a byte at a time, as often as it is told. */
struct user {
	struct vio_lease lease;
	uint64_t next_ns;
	uint64_t n_bytes;
	uint64_t piece;
};

static void user_open(struct user *user, struct vio_limit *limit, uint64_t piece)
{
	*user = (struct user){ .piece = piece };
	lease_attach(&user->lease, limit);
}

static void user_spend(struct user *user, uint64_t now_ns)
{
	if (now_ns < user->next_ns)
		return;
	while (!lease_spend(&user->lease, now_ns, user->piece, 0, &user->next_ns))
		user->n_bytes += user->piece;
	assert_true(user->next_ns > now_ns);
}

/* Both spend from @from_ns on; what they got is theirs from then on only. */
static void
compete(struct user *users, size_t n, uint64_t from_ns, uint64_t to_ns, uint64_t step)
{
	for (size_t i = 0; i < n; i++)
		users[i].n_bytes = 0;
	for (uint64_t now_ns = from_ns; now_ns <= to_ns; now_ns += step)
		for (size_t i = 0; i < n; i++)
			user_spend(&users[i], now_ns);
}

static void close_users(struct user *users, size_t n)
{
	for (size_t i = 0; i < n; i++)
		vio_lease_detach(&users[i].lease);
}

static void expect_near(uint64_t value, uint64_t wanted)
{
	assert_in_range(value, wanted - wanted / 100, wanted + wanted / 100);
}

static void an_idle_siblings_rate_is_lent(void **state)
{
	struct vio_limit *parent = limit_of_bytes(100 * 1000 * 1000, 1000 * 1000);
	struct vio_limit *red = child_of(parent, "red", 60000000, 0, 0);
	struct vio_limit *blue = child_of(parent, "blue", 10000000, 0, 0);
	struct user user;

	(void)state;
	user_open(&user, blue, 1000);
	compete(&user, 1, 0, 100 * MS, MS / 20);
	compete(&user, 1, 100 * MS + MS / 20, 1100 * MS, MS / 20);
	expect_near(user.n_bytes, 100000000);
	assert_true(limit_read(red).lent_bytes > 0);
	assert_true(limit_read(blue).borrowed_bytes > 0);
	close_users(&user, 1);
	limit_destroy(blue);
	limit_destroy(red);
	limit_destroy(parent);
}

static void what_is_assured_is_there_at_once_and_all_the_time(void **state)
{
	struct vio_limit *parent = limit_of_bytes(100 * 1000 * 1000, 1000 * 1000);
	struct vio_limit *red = child_of(parent, "red", 60000000, 0, 1);
	struct vio_limit *blue = child_of(parent, "blue", 10000000, 0, 10000);
	struct user users[2];

	(void)state;
	user_open(&users[0], blue, 1000);
	user_open(&users[1], red, 1000);
	compete(users, 1, 0, 500 * MS, MS / 20);
	/* Red has been idle; one epoch later it has all that it is assured of. */
	compete(users, 2, 501 * MS, 1501 * MS, MS / 20);
	assert_true(users[1].n_bytes >= 60000000);
	expect_near(users[0].n_bytes + users[1].n_bytes, 100000000);
	close_users(users, 2);
	limit_destroy(blue);
	limit_destroy(red);
	limit_destroy(parent);
}

static void what_is_lent_is_divided_by_weight(void **state)
{
	struct vio_limit *parent = limit_of_bytes(100 * 1000 * 1000, 1000 * 1000);
	struct vio_limit *limits[] = { child_of(parent, "a", 10000000, 0, 100),
				       child_of(parent, "b", 0, 0, 200),
				       child_of(parent, "c", 0, 0, 600) };
	struct user users[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		user_open(&users[i], limits[i], 1000);
	compete(users, 3, 0, 100 * MS, MS / 20);
	compete(users, 3, 100 * MS + MS / 20, 2100 * MS, MS / 20);
	expect_near(users[0].n_bytes, 2 * (10000000 + 10000000));
	expect_near(users[1].n_bytes, 2 * 20000000);
	expect_near(users[2].n_bytes, 2 * 60000000);
	close_users(users, 3);
	for (int i = 0; i < 3; i++)
		limit_destroy(limits[i]);
	limit_destroy(parent);
}

static void a_child_borrows_up_to_its_ceiling(void **state)
{
	struct vio_limit *parent = limit_of_bytes(100 * 1000 * 1000, 1000 * 1000);
	struct vio_limit *red = child_of(parent, "red", 1000000, 30000000, 0);
	struct user user;

	(void)state;
	user_open(&user, red, 1000);
	compete(&user, 1, 0, 100 * MS, MS / 20);
	compete(&user, 1, 100 * MS + MS / 20, 1100 * MS, MS / 20);
	expect_near(user.n_bytes, 30000000);
	close_users(&user, 1);
	limit_destroy(red);
	limit_destroy(parent);
}

static void an_operation_each_is_divided_by_weight_as_well(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *parent, *limits[2];
	uint64_t n[2] = { 0, 0 }, next[2] = { 0, 0 };
	struct vio_lease leases[2];

	(void)state;
	params.ops_per_sec = 40;
	params.burst_ops = 4;
	params.quantum_ops = 1;
	parent = limit_create(&params, 0);
	params = (struct vio_limit_params)VIO_LIMIT_PARAMS_INIT;
	for (int i = 0; i < 2; i++) {
		params.weight = i ? 300 : 100;
		params.quantum_ops = 1;
		params.burst_ops = 2;
		assert_int_equal(vio_limit_add(parent, &params, 0, &limits[i], NULL),
				 0);
		lease_attach(&leases[i], limits[i]);
	}
	for (uint64_t now_ns = 0; now_ns < 100 * SEC; now_ns += MS)
		for (int i = 0; i < 2; i++)
			while (now_ns >= next[i] &&
			       !lease_spend(&leases[i], now_ns, 0, 1, &next[i]))
				n[i]++;
	expect_near(n[0] + n[1], 4000);
	expect_near(n[1], 3000);
	for (int i = 0; i < 2; i++) {
		vio_lease_detach(&leases[i]);
		limit_destroy(limits[i]);
	}
	limit_destroy(parent);
}

static void three_levels_share_as_two_do(void **state)
{
	struct vio_limit *root = limit_of_bytes(100 * 1000 * 1000, 4000 * 1000);
	struct vio_limit *vm = child_of(root, "vm", 60000000, 0, 0);
	struct vio_limit *other = child_of(root, "other", 40000000, 0, 0);
	struct vio_limit *disk = child_of(vm, "disk", 40000000, 0, 0);
	struct vio_limit *net = child_of(vm, "net", 20000000, 0, 0);
	struct user users[3];

	(void)state;
	user_open(&users[0], disk, 1000);
	user_open(&users[1], net, 1000);
	user_open(&users[2], other, 1000);
	compete(users, 3, 0, 200 * MS, MS / 20);
	compete(users, 3, 201 * MS, 1201 * MS, MS / 20);
	expect_near(users[0].n_bytes, 40000000);
	expect_near(users[1].n_bytes, 20000000);
	expect_near(users[2].n_bytes, 40000000);
	/* What net leaves goes to its sibling first, being the vm's. */
	compete(users, 1, 1202 * MS, 1402 * MS, MS / 20);
	compete(users, 1, 1403 * MS, 2403 * MS, MS / 20);
	expect_near(users[0].n_bytes, 100000000);
	assert_int_equal(limit_read(vm).bytes,
			 limit_read(disk).bytes + limit_read(net).bytes);
	close_users(users, 3);
	limit_destroy(net);
	limit_destroy(disk);
	limit_destroy(other);
	limit_destroy(vm);
	limit_destroy(root);
}

static void children_of_a_limit_without_ceiling_are_on_their_own(void **state)
{
	struct vio_limit *root = limit_unlimited();
	struct vio_limit *red = child_of(root, "red", 0, 1000, 0);

	(void)state;
	limit_configure(root, (struct vio_limit_params)VIO_LIMIT_PARAMS_INIT, SEC);
	assert_int_equal(limit_drain(red, SEC), 1 << 20);
	/* Less a byte: the full burst counts as spent a millisecond later. */
	assert_int_equal(limit_drain(red, 3 * SEC), 1999);
	assert_int_equal(limit_read(root).bytes, (1 << 20) + 1999);
	limit_destroy(red);
	assert_int_equal(limit_read(root).bytes, (1 << 20) + 1999);
	limit_destroy(root);
}

static void a_large_request_passes_beside_small_ones(void **state)
{
	struct vio_limit *parent = limit_of_bytes(10 * 1000 * 1000, 1000 * 1000);
	struct vio_limit *small = child_of(parent, "small", 5000000, 0, 0);
	struct vio_limit *large = child_of(parent, "large", 5000000, 0, 0);
	struct user users[2];

	(void)state;
	user_open(&users[0], small, 100);
	user_open(&users[1], large, 500 * 1000);
	compete(users, 2, 0, 5000 * MS, MS / 20);
	assert_in_range(users[1].n_bytes, 24000000, 27000000);
	close_users(users, 2);
	limit_destroy(small);
	limit_destroy(large);
	limit_destroy(parent);
}

static void large_requests_that_do_not_fit_at_once_pass_one_after_another(void **state)
{
	struct vio_limit *parent = limit_of_bytes(10 * 1000 * 1000, 1000 * 1000);
	struct vio_limit *limits[4];
	struct user users[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		limits[i] = child_of(parent, NULL, 0, 0, 0);
		user_open(&users[i], limits[i], 500 * 1000);
	}
	compete(users, 4, 0, 20000 * MS, MS / 20);
	for (int i = 0; i < 4; i++)
		assert_in_range(users[i].n_bytes, 40000000, 60000000);
	close_users(users, 4);
	for (int i = 0; i < 4; i++)
		limit_destroy(limits[i]);
	limit_destroy(parent);
}

static void expect_no_child(struct vio_limit *parent, struct vio_limit_params params,
			    int code, const char *text)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *child = (struct vio_limit *)&err;

	assert_int_equal(vio_limit_add(parent, &params, 0, &child, &err), code);
	assert_ptr_equal(child, &err);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void more_than_the_parent_has_is_not_assured(void **state)
{
	struct vio_limit *parent = limit_of_bytes(1000, 1000);
	struct vio_limit *red = child_of(parent, "red", 600, 0, 0);
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	(void)state;
	params.name = "blue";
	params.assured_bytes_per_sec = 401;
	expect_no_child(parent, params, -EINVAL, "come to 1001, and it has 1000");
	params.assured_bytes_per_sec = 1001;
	expect_no_child(parent, params, -EINVAL, "blue: assured_bytes_per_sec: 1001");
	params.assured_bytes_per_sec = 601;
	expect_no_child(red, params, -EINVAL, "red: its children's");
	params = bytes_params(500, 1000);
	assert_int_equal(vio_limit_configure(parent, &params, 0, &err), -EINVAL);
	limit_destroy(red);
	limit_destroy(parent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_siblings_rate_is_lent),
		cmocka_unit_test(what_is_assured_is_there_at_once_and_all_the_time),
		cmocka_unit_test(what_is_lent_is_divided_by_weight),
		cmocka_unit_test(a_child_borrows_up_to_its_ceiling),
		cmocka_unit_test(an_operation_each_is_divided_by_weight_as_well),
		cmocka_unit_test(three_levels_share_as_two_do),
		cmocka_unit_test(children_of_a_limit_without_ceiling_are_on_their_own),
		cmocka_unit_test(a_large_request_passes_beside_small_ones),
		cmocka_unit_test(
			large_requests_that_do_not_fit_at_once_pass_one_after_another),
		cmocka_unit_test(more_than_the_parent_has_is_not_assured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
